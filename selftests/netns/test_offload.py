# SPDX-License-Identifier: GPL-2.0-or-later
"""Packet protection by devices: what the wire carries is what software would have sent, and traffic survives all they do."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import socket
import time
from collections.abc import Callable, Iterator

import bpf
import exchange
import pytest
from aioquic.asyncio import connect
from aioquic.quic.configuration import QuicConfiguration
from conftest import SLOW, Pki
from exchange import ALPN, MARKER, PATIENCE, SIZE, Hook, body, until
from simdev import RX, TX, Device, Simulated, simulated
from tap import tap
from wire import Namespace, ip, tool

from quicctl import conns, endpoint, errors, libquic, offload, uapi
from quicctl.endpoint import Endpoint

PACKETS = SIZE // 1500
CIPHERS = ("AES-128-GCM", "AES-256-GCM", "AES-128-CCM", "CHACHA20-POLY1305")
VERSIONS = {"v1": 0x00000001, "v2": 0x6B3343CF}


@pytest.fixture
def wire() -> Iterator[Simulated]:
    with simulated() as made:
        yield made


def taken_over(wire: Simulated) -> bool:
    """Both devices have both directions."""
    return all({row["DIRECTION"] for row in device.assocs()} == {"tx", "rx"} for device in (wire.here, wire.there))


def move(
    wire: Simulated,
    pki: Pki,
    *,
    cipher: str = CIPHERS[0],
    version: int = 0,
    family: str = "v4",
    size: int = SIZE,
    at_near: Hook | None = None,
    at_far: Hook | None = None,
    settled: Callable[[Simulated], bool] = taken_over,
) -> None:
    """Contents both ways at once; they begin when the devices are as ``settled`` says: have taken over."""
    try:
        exchange.move(
            wire, pki, size=size, at_near=at_near, at_far=at_far, settled=lambda: settled(wire),
            family=family, cipher=cipher, version=version,
        )  # fmt: skip
    except BaseException:
        print(wire.here.counts(), wire.there.counts(), wire.here.assocs(), wire.there.assocs(), sep="\n")
        raise


def gone(wire: Simulated) -> None:
    """No association is left once the connections are."""
    deadline = time.monotonic() + PATIENCE
    for device in (wire.here, wire.there):
        while device.assocs() or (counts := device.counts())["ADDS"] != counts["DELS"] or counts["ASSOCS"]:
            assert time.monotonic() < deadline, (device.assocs(), device.counts())
            time.sleep(0.05)


@pytest.mark.rfc("RFC 9001, section 5.3")
@pytest.mark.rfc("RFC 9001, section 5.4")
@pytest.mark.parametrize("gso", (True, False), ids=("gso", "single"))
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("cipher", CIPHERS)
def test_wire_bytes_are_those_of_software(cipher: str, version: str, gso: bool, wire: Simulated, pki: Pki) -> None:
    for device in (wire.here, wire.there):
        device.register(gso=int(gso), verify=1)
    move(wire, pki, cipher=cipher, version=VERSIONS[version], family="v4" if gso else "v6")
    gone(wire)
    for device in (wire.here, wire.there):
        counts = device.counts()
        assert device.get("verify_different") == 0
        assert device.get("tx_encrypted") >= device.get("verify_equal") > PACKETS
        if not device.get("verify_skipped"):
            assert device.get("tx_encrypted") == device.get("verify_equal")
        assert counts["RX_DEVICE"] > PACKETS, counts
        assert taken(device)
        assert device.get("tx_failed") == device.get("tx_discarded") == device.get("rx_auth_failed") == 0


def taken(device: Device) -> bool:
    """What the device opened was used; by a connection that has let go of the device it is not counted as the device's."""
    counts = exchange.counters(device.end)
    dropped = counts["QuicPktRcvDrop"] + counts["QuicPktDecDrop"] + exchange.snmp(device.end, "Udp", "RcvbufErrors")
    opened, used = device.get("rx_opened"), device.counts()["RX_DEVICE"]
    print(f"{device.end.device}: {opened} opened, {used} used, {dropped} dropped", counts)
    return 0.9 * opened - dropped <= used <= opened <= counts["QuicPktDecFastpaths"] + dropped


def software(counts: dict[str, int]) -> int:
    return counts["REROUTED"] + counts["LATE"] + counts["DECLINED"]


@pytest.mark.rfc("RFC 9001, section 6")
def test_keys_are_updated_in_the_middle(wire: Simulated, pki: Pki) -> None:
    """By either end, with packets that overtake each other across it."""
    for device in (wire.here, wire.there):
        device.set(reorder_nth=7)

    def updated(sock: Endpoint) -> bool:
        with contextlib.suppress(OSError):  # the one before is not finished, or the other end began
            sock.update_key()
            return True
        return False

    def update(sock: Endpoint, number: int) -> None:
        if number == 10:
            updated(sock)
        if number == 40:
            until(lambda: updated(sock))

    def update_too(sock: Endpoint, number: int) -> None:
        if number in (25, 55):
            updated(sock)

    move(wire, pki, size=2 * SIZE, at_near=update, at_far=update_too)
    gone(wire)
    for device in (wire.here, wire.there):
        counts = device.counts()
        assert counts["REKEYS"] >= 3, "RX holds the next key ahead, TX follows"
        assert counts["REKEY_FAILED"] == counts["DISTRUSTED"] == counts["WRONG"] == 0, counts
        assert counts["RX_DEVICE"] > PACKETS
        assert device.get("wire_reordered") > PACKETS // 14


@pytest.mark.rfc("RFC 9001, section 6.6")
def test_wire_loses_and_corrupts(wire: Simulated, pki: Pki) -> None:
    """Gaps in the numbers, and tags that are wrong: counted, dropped, the connection lives."""
    for device in (wire.here, wire.there):
        device.set(loss_percent=3, corrupt_nth=50)
    move(wire, pki)
    gone(wire)
    for device in (wire.here, wire.there):
        counts = device.counts()
        assert device.get("wire_lost") > PACKETS // 200
        assert 0 < device.get("rx_auth_failed") <= (wire.here.get("wire_corrupted") + wire.there.get("wire_corrupted"))
        assert 0 < counts["AUTH_FAILED"] <= device.get("rx_auth_failed"), "aggregates count once"
        assert counts["WRONG"] == counts["DISTRUSTED"] == 0
        assert taken(device) and counts["RX_DEVICE"] > PACKETS * 2 // 3


@pytest.mark.rfc("RFC 9001, section 6.3")
def test_phase_bit_is_forged(wire: Simulated, pki: Pki) -> None:
    """The hardware sees another phase: it cannot open the packet, and software does."""
    for device in (wire.here, wire.there):
        device.set(flip_phase_nth=20)
    move(wire, pki)
    gone(wire)
    for device in (wire.here, wire.there):
        counts = device.counts()
        assert device.get("rx_auth_failed") + device.get("rx_phase_mismatch") > PACKETS // 35
        assert counts["AUTH_FAILED"] + counts["PHASE_MISMATCH"] > 0
        assert counts["RX_SOFTWARE"] > 0 < counts["RESYNCS"]
        assert counts["WRONG"] == counts["DISTRUSTED"] == 0


@pytest.mark.parametrize(
    "knobs", ({"add_errno": 28}, {"capacity": 0}, {"directions": TX}, {"directions": RX}), ids=("refused", "full", "tx", "rx")
)
def test_device_does_less(knobs: dict[str, int], wire: Simulated, pki: Pki) -> None:
    for device in (wire.here, wire.there):
        device.register(**knobs)
    directions = knobs.get("directions", 0)

    def settled(wire: Simulated) -> bool:
        return all(len(d.assocs()) == 1 if directions else d.counts()["REFUSED"] >= 2 for d in (wire.here, wire.there))

    move(wire, pki, settled=settled)
    gone(wire)
    for device in (wire.here, wire.there):
        counts = device.counts()
        assert (counts["TX_DEVICE"] > PACKETS * 2 // 3) == (directions == TX), counts
        assert (counts["RX_DEVICE"] > PACKETS * 2 // 3) == (directions == RX), counts
        assert (counts["REFUSED"] > 0) == (directions == 0)


def test_device_takes_its_time(wire: Simulated, pki: Pki) -> None:
    """Traffic goes on in software until the association is there, and then in hardware."""
    for device in (wire.here, wire.there):
        device.set(add_delay_ms=int(500 * SLOW))
    seen: list[int] = []

    def look(sock: Endpoint, number: int) -> None:
        seen.append(len(wire.here.assocs()))
        time.sleep(0.04 * SLOW)

    move(wire, pki, at_near=look, settled=lambda wire: True)
    gone(wire)
    assert seen[0] == 0 and 2 in seen
    counts = wire.here.counts()
    assert counts["TX_DEVICE"] > 0 and counts["RX_DEVICE"] > 0


def test_device_declines_packets(wire: Simulated, pki: Pki) -> None:
    for device in (wire.here, wire.there):
        device.set(decline_nth=3)
    move(wire, pki)
    gone(wire)
    for device in (wire.here, wire.there):
        counts = device.counts()
        assert counts["DECLINED"] == counts["TX_SOFTWARE"] > PACKETS // 7
        assert counts["TX_DEVICE"] > counts["DECLINED"]
        assert device.get("tx_encrypted") == counts["TX_DEVICE"]


@pytest.mark.parametrize("how", ("unregister", "down", "switch"))
def test_device_goes_away_under_load_and_comes_back(how: str, wire: Simulated, pki: Pki) -> None:
    """All arrives, and a sniffer at the other end never sees it in clear."""
    rounds = 4
    wire.there.register(directions=TX)

    def turn(on: bool) -> None:
        if how == "unregister":
            wire.here.set(registered=int(on))
        elif how == "down":
            ip("-n", wire.near.name, "link", "set", wire.near.device, "up" if on else "down")
            if on:
                ip("-n", wire.near.name, "addr", "replace", f"{wire.near.v6}/64", "dev", wire.near.device, "nodad")
        else:
            wire.here.allow(on)

    adds: list[int] = []
    fallbacks: list[int | None] = []

    def trouble(sock: Endpoint, number: int) -> None:
        if number and number % 12 == 0 and number // 12 <= rounds:
            adds.append(wire.here.counts()["ADDS"])
            turn(False)
            time.sleep(0.05)
            turn(True)
            time.sleep(0.1)
        if number == 60:
            (conn,) = conns.conns(namespaces=(wire.near.name,))
            fallbacks.append(conn.device_fallbacks)
        time.sleep(0.005)

    def settled(wire: Simulated) -> bool:
        return len(wire.here.assocs()) == 2 and len(wire.there.assocs()) == 1

    with tap(wire.far) as at:
        move(wire, pki, at_near=trouble, settled=settled)
    gone_here = wire.here
    deadline = time.monotonic() + PATIENCE
    while gone_here.assocs():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert at.seen
    assert not any(MARKER in packet.head for packet in at.of(outgoing=False))
    assert len(adds) == rounds
    ended = fallbacks[0] or 0
    assert ended == 0 if how == "switch" else ended >= rounds
    total = offload.offload(wire.near.name).total
    assert total
    assert (total.counts["TX_DEVICE"] > wire.here.counts()["TX_DEVICE"]) == (how == "unregister")
    assert how != "unregister" or total.counts["GONE"] >= rounds
    assert wire.here.get("tx_encrypted") > PACKETS // 7


def test_wire_would_show_what_is_in_clear(wire: Simulated, pki: Pki) -> None:
    """The sniffer of the test above would have seen it: behind a device that decrypts it does."""
    with tap(wire.far) as at:
        move(wire, pki)
    assert any(MARKER in packet.head for packet in at.of(outgoing=False))


@pytest.mark.parametrize("lie", (1, 2), ids=("association", "generation"))
def test_device_lies(lie: int, wire: Simulated, pki: Pki) -> None:
    """Marked with an association or a generation that is not the connection's: dropped, and software takes over."""
    wire.there.set(lie=lie, lie_nth=100)
    move(wire, pki)
    gone(wire)
    counts = wire.there.counts()
    assert counts["DISTRUSTED"] == 1, counts
    assert counts["RX_SOFTWARE"] == 0 or counts["RX_DEVICE"] > 0
    assert wire.here.counts()["DISTRUSTED"] == 0


def test_packets_of_another_route_are_encrypted(wire: Simulated, pki: Pki) -> None:
    """A filter behind the routing sends packets through another netdev: software encrypts them there."""
    for end, device in ((wire.near, "side-near"), (wire.far, "side-far")):
        if end is wire.near:
            ip("link", "add", device, "netns", end.name, "type", "veth", "peer", "name", "side-far", "netns", wire.far.name)
        else:
            # Frames are addressed to the end of the wire that they should have taken.
            mac = tool("ip", "netns", "exec", end.name, "cat", f"/sys/class/net/{end.device}/address").strip()
            ip("-n", end.name, "link", "set", device, "address", mac)
        ip("-n", end.name, "link", "set", device, "up")
    index = wire.near.start(lambda: socket.if_nametoindex("side-near")).result(30)

    def divert(sock: Endpoint, number: int) -> None:
        if number == 20:
            bpf.redirect(wire.near, wire.near.device, index)
        time.sleep(0.002)

    with tap(Namespace(wire.far.name, "side-far", "", "")) as at:
        move(wire, pki, at_near=divert)
    gone(wire)
    counts = wire.here.counts()
    assert counts["REROUTED"] == counts["TX_SOFTWARE"] > PACKETS // 7, counts
    assert len(at.of(outgoing=False)) > 3
    assert not any(MARKER in packet.head for packet in at.seen)


def test_connection_forbids_devices(wire: Simulated, pki: Pki) -> None:
    """By its socket option, in the middle; the other end goes on with its own."""
    seen: list[tuple[bool, bool, bool]] = []

    def forbid(sock: Endpoint, number: int) -> None:
        if number in (0, 20):
            seen.append(sock.offload())
        if number == 20:
            sock.allow_offload(False)
        if number > 20 and wire.here.assocs():
            time.sleep(0.05 * SLOW)
        if number == 60:
            seen.append(sock.offload())

    move(wire, pki, at_near=forbid)
    gone(wire)
    assert seen == [(True, True, True), (True, True, True), (False, False, False)]
    # What was in the socket's buffer when it was forbidden went without, too.
    assert PACKETS // 16 < wire.here.counts()["TX_DEVICE"] < wire.there.counts()["TX_DEVICE"]


def test_tool_shows_devices(wire: Simulated, pki: Pki) -> None:
    """The devices and connections of a namespace, and its switch."""
    shown: list[tuple[object, ...]] = []
    counted: list[tuple[tuple[int, int] | None, tuple[int, int] | None, int | None]] = []

    def look(sock: Endpoint, number: int) -> None:
        if number == 30:
            (conn,) = conns.conns(namespaces=(wire.near.name,))
            shown.append((conn.device, [(d.name, d.associations) for d in offload.offload(wire.near.name).devices]))
            counted.append((conn.device_sent, conn.device_received, conn.device_fallbacks))

    move(wire, pki, at_near=look)
    assert shown == [((True, True), [(wire.near.device, 2)])]
    ((sent, received, fallbacks),) = counted
    assert sent and received and sent[0] > PACKETS // 16 < received[0] and sent[1] == fallbacks == 0
    offload.allow(False, wire.near.name)
    assert not offload.offload(wire.near.name).allowed
    assert offload.offload(wire.far.name).allowed


def test_counters_add_up(wire: Simulated, pki: Pki) -> None:
    move(wire, pki)
    gone(wire)
    for sender, receiver in ((wire.here, wire.there), (wire.there, wire.here)):
        sent = sender.counts()
        assert sent["TX_DEVICE"] == sender.get("tx_encrypted") == sent["HW_TX"]
        assert sent["HW_RX"] == sender.get("rx_opened")
        assert software(sent) == sent["TX_SOFTWARE"] == sender.get("tx_discarded") == 0
        assert taken(receiver)
        assert receiver.get("rx_opened") <= sender.get("tx_encrypted") + sender.get("tx_not_ours")
        assert receiver.get("rx_opened") > 0.9 * sender.get("tx_encrypted")


@pytest.mark.rfc("RFC 9000, section 9.2")
def test_connection_moves_to_another_path_and_back(wire: Simulated, pki: Pki) -> None:
    """Associations follow it, at both ends."""
    other = "10.0.0.3"
    ip("-n", wire.near.name, "addr", "add", f"{other}/24", "dev", wire.near.device)
    adds: list[int] = []

    def move_away(sock: Endpoint, number: int) -> None:
        if number in (16, 48):
            deadline = time.monotonic() + PATIENCE
            while len(wire.here.assocs()) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            adds.append(wire.here.counts()["ADDS"])
            sock.migrate((other if number == 16 else wire.near.v4, sock.local[1]))
        time.sleep(0.01 * SLOW)

    move(wire, pki, size=2 * SIZE, at_near=move_away)
    gone(wire)
    assert len(adds) == 2 and adds[0] < adds[1] < wire.here.counts()["ADDS"]
    for device in (wire.here, wire.there):
        counts = device.counts()
        assert counts["ADDS"] >= 4, "two for the first path, two for the second"
        assert counts["WRONG"] == counts["DISTRUSTED"] == 0, counts
        assert counts["TX_DEVICE"] > PACKETS * 2 // 3 and counts["RX_DEVICE"] > PACKETS * 2 // 3, counts


@pytest.mark.parametrize("gso", (True, False), ids=("gso", "single"))
def test_foreign_stack_reads_what_the_device_wrote(gso: bool, wire: Simulated, pki: Pki) -> None:
    """aioquic is the client of a server whose packets are protected by hardware, and gets back what it sent."""
    wire.here.set(registered=0)
    wire.there.register(gso=int(gso))
    data = body(SIZE)
    listening: queue.Queue[int] = queue.Queue()

    def serve() -> None:
        with Endpoint() as listener, libquic.Credentials(server=True) as credentials:
            credentials.certificate(pki.cert, pki.key)
            listener.bind((wire.far.v4, 0))
            listener.set_alpn(ALPN)
            listener.listen()
            listening.put(listener.local[1])
            with listener.accept() as sock:
                libquic.handshake(sock.fileno(), credentials, server=True, alpn=ALPN, timeout=PATIENCE)
                sock.settimeout(PATIENCE)
                with contextlib.suppress(errors.ConnectionClosed):
                    while True:
                        message = sock.receive()
                        if isinstance(message, endpoint.StreamData):
                            piece = bytes(message.data)
                            fin = uapi.MsgFlag.STREAM_FIN if message.fin else 0
                            while piece or fin:
                                sent = sock.send(piece, message.stream_id, fin)
                                piece, fin = piece[sent:], fin if piece[sent:] else 0

    async def ask() -> bytes:
        configuration = QuicConfiguration(is_client=True, alpn_protocols=[ALPN], server_name=wire.far.v4)
        configuration.load_verify_locations(str(pki.ca))
        async with connect(wire.far.v4, listening.get(timeout=PATIENCE), configuration=configuration) as client:
            reader, writer = await client.create_stream()
            for offset in range(0, len(data), (SIZE // 64)):
                writer.write(data[offset : offset + (SIZE // 64)])
                await asyncio.sleep(0.005)
            writer.write_eof()
            return await reader.read()

    served = wire.far.start(serve)
    assert wire.near.start(lambda: asyncio.run(asyncio.wait_for(ask(), PATIENCE * 2))).result(PATIENCE * 3) == data
    served.result(PATIENCE)
    gone(wire)
    counts = wire.there.counts()
    assert counts["TX_DEVICE"] > PACKETS * 2 // 5 and counts["RX_DEVICE"] > PACKETS * 2 // 5, counts
    assert counts["AUTH_FAILED"] == counts["WRONG"] == 0
