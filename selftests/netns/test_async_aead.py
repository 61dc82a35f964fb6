# SPDX-License-Identifier: GPL-2.0-or-later
"""AEAD drivers that complete later: no packet overtakes another, and whatever they do is bounded, survived, and counted."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import socket
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Pki
from exchange import PATIENCE, SIZE, converse, counters, grown, live, move, send, until
from simdev import Simulated
from tap import tap
from wire import Wire, ip
from wire import wire as veth

from quicctl import conns, errors, process, uapi
from quicctl.endpoint import Endpoint, StreamData

_PARAMETER = Path("/sys/module/quic/parameters/async_aead")
_KNOBS = Path("/sys/kernel/debug/quic_simdev/aead")
_USERS = Path("/sys/module/quic_simdev/refcnt")
ACCELERATOR = "gcm-aes-simdev"
MOVED = SIZE // 4
PACKETS = MOVED // 1500
MOST = 512
"""Packets of a connection and direction that may be at a driver: QUIC_ASYNC_PACKETS."""
BURST = 34
LINE = 5
"""Single packets: less than the first congestion window."""


def knob(name: str, value: int | None = None) -> int:
    """Turn a knob of the accelerator, or read it."""
    if value is not None:
        (_KNOBS / name).write_text(str(value))
    return int((_KNOBS / name).read_text())


@pytest.fixture
def wire(made: Simulated) -> Iterator[Simulated]:
    """A plain wire beside the accelerator, which nothing holds on to afterwards."""
    try:
        yield made
    finally:
        _PARAMETER.write_text("\n")  # a write of nothing would be none
        for name, value in {"room": 1000, "lifo": 0, "refuse_nth": 0, "fail_nth": 0, "hold": 0}.items():
            knob(name, value)
        for device in (made.here, made.there):
            device.set(loss_percent=0, reorder_nth=0)
    until(lambda: _USERS.read_text() == "0\n", lambda: f"{_USERS.read_text()} keys are left")
    assert knob("waiting") == 0


def need(driver: str) -> None:
    """Skip where the kernel has no such template, or its own self-test failed with it."""
    name, template, _ = driver.partition("()")
    if not template:
        return
    failed = re.search(rf"alg: self-tests for \S+ using {name}\(.*failed.*", process.run(["dmesg"]).stdout)
    if failed:
        pytest.skip(f"the kernel will not have it: {failed[0]}")
    built_in = f" {name}_create" in Path("/proc/kallsyms").read_text()
    if not built_in and process.run(["modprobe", "-q", name], check=False).returncode:
        pytest.skip(f"this kernel has no {name}")


@pytest.mark.rfc("RFC 9001, section 6")
@pytest.mark.parametrize(
    ("driver", "cipher"),
    (
        (ACCELERATOR, "AES-256-GCM"),
        ("cryptd()", "AES-128-CCM"),
        ("cryptd()", "CHACHA20-POLY1305"),
        ("pcrypt()", "AES-128-GCM"),
    ),
)
def test_contents_and_keys(driver: str, cipher: str, wire: Simulated, pki: Pki) -> None:
    """Over a wire that loses and reorders, keys updated by either end meanwhile."""
    generations: list[int] = []
    need(driver)
    _PARAMETER.write_text(driver)
    for device in (wire.here, wire.there):
        device.set(loss_percent=2, reorder_nth=11)

    def update(sock: Endpoint, number: int) -> None:
        if number in (10, 40):
            with contextlib.suppress(OSError):  # the one before is not finished, or the other end began
                sock.update_key()
        if number == 63:
            generations.append(live(wire.near).key_generation or 0)

    grew = grown(wire, lambda: move(wire, pki, cipher=cipher, size=MOVED, at_near=update, at_far=update))
    need(driver)  # the first to ask for it has it tested
    for counts in grew:
        assert counts["QuicPktDecBacklogs"] > PACKETS // 2 < counts["QuicPktEncBacklogs"], counts
        assert counts["QuicPktDecFastpaths"] + counts["QuicPktEncFastpaths"] < PACKETS // 2, "the handshake's"
        # Packets of the second update may come before their key is made, and come again: RFC 9001, section 6.3.
        assert counts["QuicPktDecDrop"] < PACKETS // 2, counts
    assert max(generations) >= 1


def test_no_packet_overtakes(wire: Simulated, pki: Pki) -> None:
    """Although the driver does the newest first: nothing seems lost on a wire that loses nothing."""
    lost: list[int | None] = []
    held = {number: threading.Event() for number in (20, 30, 40)}
    _PARAMETER.write_text(ACCELERATOR)
    knob("lifo", 1)

    def look(sock: Endpoint, number: int) -> None:
        if number in held:
            knob("hold", 1)
            held[number].set()
            until(lambda: knob("waiting") > 1)
            knob("hold", 0)
        if number == 63:
            lost.extend(live(end).packets_lost for end in (wire.near, wire.far))

    def keep_some(sock: Endpoint, number: int) -> None:
        """Something is left to send whenever the driver holds still."""
        if number in held:
            assert held[number].wait(PATIENCE)

    move(wire, pki, size=MOVED, at_near=look, at_far=keep_some)
    assert lost == [0, 0]


def take_all(sock: Endpoint) -> None:
    """Receive until a stream ends."""
    while not (isinstance(got := sock.receive(), StreamData) and got.fin):
        pass


def test_bursts_stay_in_line(wire: Simulated, pki: Pki) -> None:
    """Those that are with the driver at once leave in the order in which they were made, whichever is done first."""
    _PARAMETER.write_text(ACCELERATOR)
    knob("lifo", 1)
    sizes = [1100 - 20 * number for number in range(LINE)]

    def hold_some(sock: Endpoint) -> None:
        stream = sock.open_stream()
        knob("hold", 1)
        for size in sizes:
            waiting = knob("waiting")
            sock.send(bytes(size), stream)
            until(lambda: knob("waiting") > waiting)  # noqa: B023
        knob("hold", 0)
        sock.send(b"", stream, uapi.MsgFlag.STREAM_FIN)

    with tap(wire.near) as at:
        converse(wire, pki, hold_some, take_all, nodelay=True)
    left = [one.size for one in at.of(outgoing=True) if one.size > sizes[-1]][:LINE]
    assert len(left) == LINE
    assert left == sorted(left, reverse=True)


def test_burst_for_a_path_that_was_left_meanwhile(wire: Simulated, pki: Pki) -> None:
    """Its bytes come again by the new path; the burst itself was counted for the old one, and goes nowhere."""
    others = ("10.0.0.3", "10.0.0.4")  # the second one ends the path that was left first
    for other in others:
        ip("-n", wire.near.name, "addr", "add", f"{other}/24", "dev", wire.near.device)
    _PARAMETER.write_text(ACCELERATOR)

    def leave_path(sock: Endpoint) -> None:
        stream = sock.open_stream()
        sock.send(b"first", stream)
        until(lambda: outstanding(sock) == 0)
        knob("hold", 1)
        waiting = knob("waiting")
        sock.send(bytes(3000), stream)
        until(lambda: knob("waiting") > waiting)
        knob("room", 0)  # what comes now is done at once, and so the paths are validated
        for other in others:
            sock.migrate((other, sock.local[1]))
            until(lambda: sock.local[0] == other)  # noqa: B023
        knob("hold", 0)
        until(lambda: outstanding(sock) == 0)
        sock.send(b"", stream, uapi.MsgFlag.STREAM_FIN)

    near, _ = grown(wire, lambda: converse(wire, pki, leave_path, take_all, nodelay=True))
    assert near["QuicPktEncDrop"] > 0


def test_driver_refuses(wire: Simulated, pki: Pki) -> None:
    """For want of room: the kernel does it at once."""
    _PARAMETER.write_text(ACCELERATOR)
    knob("refuse_nth", 3)
    before = knob("refused")
    for counts in grown(wire, lambda: move(wire, pki, size=MOVED)):
        assert counts["QuicPktDecDrop"] == counts["QuicPktEncDrop"] == 0, counts
        assert counts["QuicPktDecBacklogs"] > PACKETS // 2
    assert knob("refused") - before > PACKETS


def test_driver_fails(wire: Simulated, pki: Pki) -> None:
    """With errors of its own: counted, and as if lost on the wire."""
    _PARAMETER.write_text(ACCELERATOR)
    knob("fail_nth", 20)
    before = knob("failed")
    near, far = grown(wire, lambda: move(wire, pki, size=MOVED))
    failed = knob("failed") - before
    assert failed > PACKETS // 25
    assert near["QuicPktEncDrop"] + far["QuicPktEncDrop"] > 0 < near["QuicPktRcvDrop"] + far["QuicPktRcvDrop"]
    assert near["QuicPktDecDrop"] == far["QuicPktDecDrop"] == 0, "no forgeries"


def forge(wire: Simulated, cid: bytes, source: int, target: int, count: int) -> None:
    """Packets to a connection that nobody can open, as if they came from its peer. In the near end's namespace."""
    payload = b"\x40" + cid + os.urandom(60)
    header = struct.pack("!4H", source, target, 8 + len(payload), 0)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, socket.IPPROTO_UDP, 0,
                     socket.inet_aton(wire.near.v4), socket.inet_aton(wire.far.v4))  # fmt: skip
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for _ in range(count):
            raw.sendto(ip + header + payload, (wire.far.v4, 0))


def test_flood_is_bounded(wire: Simulated, pki: Pki) -> None:
    """While the driver does nothing only so many packets wait, charged to the socket; then the connection goes on."""
    flood = 4 * MOST
    waiting: list[int] = []
    charged: list[int] = []
    _PARAMETER.write_text(ACCELERATOR)
    knob("room", 100_000)

    with tap(wire.far) as at:

        def attack(sock: Endpoint, number: int) -> None:
            if number != 20:
                return
            target = sock.peer[1]
            cid = at.of(outgoing=False)[-1].dcid
            knob("hold", 1)
            before = counters(wire.far)["QuicPktRcvDrop"]
            forge(wire, cid, sock.local[1], target, flood)
            until(lambda: counters(wire.far)["QuicPktRcvDrop"] - before > flood - MOST - 64)
            waiting.append(knob("waiting"))
            charged.append(live(wire.far).rx_queue)
            knob("hold", 0)

        near, far = grown(wire, lambda: move(wire, pki, size=MOVED, at_near=attack))
    assert far["QuicPktDecDrop"] > MOST // 2
    # Both ends' sent packets and the near end's received ones wait as well, as many as are in flight.
    assert MOST // 2 < waiting[0] <= 4 * (MOST + 2 * BURST)
    assert charged[0] > MOST // 2 * 512
    assert near["QuicPktDecDrop"] == 0


def outstanding(sock: Endpoint) -> int:
    """Bytes that wait to be acknowledged: SIOCOUTQ."""
    return int.from_bytes(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def leave(wire: Wire, pki: Pki) -> None:
    """A connection that both ends have closed while its packets are with the driver, which holds still."""
    held, done = threading.Barrier(2), threading.Barrier(2)
    _PARAMETER.write_text(ACCELERATOR)

    def abandon(sock: Endpoint) -> None:
        def between(number: int) -> None:
            if number == 10:
                until(lambda: outstanding(sock) == 0)  # there is room for what follows, whoever holds still
                knob("hold", 1)
                held.wait(PATIENCE)
            if number == 12:
                raise errors.ConnectionClosed("enough")

        with contextlib.suppress(errors.ConnectionClosed):
            send(sock, MOVED, between)
        until(lambda: knob("waiting"))
        done.wait(PATIENCE)

    def stand_by(sock: Endpoint) -> None:
        held.wait(PATIENCE)
        done.wait(PATIENCE)

    converse(wire, pki, abandon, stand_by)
    assert knob("waiting") > 0
    assert int(_USERS.read_text()) > 0, "keys are in use"


def test_close_while_packets_are_with_the_driver(wire: Simulated, pki: Pki) -> None:
    """Sockets and keys stay until the driver is through, and no longer: the fixture waits for it."""
    leave(wire, pki)
    knob("hold", 0)
    until(lambda: not conns.conns(namespaces=(wire.near.name, wire.far.name)))


def test_namespaces_end_while_packets_are_with_the_driver(wire: Simulated, pki: Pki) -> None:
    """They live on without a name until the driver is through, and neither module can be unloaded before."""
    with veth(name="quic-gone") as gone:
        leave(gone, pki)
    assert knob("waiting") > 0
    assert int(Path("/sys/module/quic/refcnt").read_text()) > 1, "sockets, and not only the driver's module"
    refused = subprocess.run(["rmmod", "quic_simdev"], capture_output=True, text=True)
    assert refused.returncode != 0 and "in use" in refused.stderr, refused
    knob("hold", 0)
    until(lambda: _USERS.read_text() == "0\n", _USERS.read_text)
    # Sockets go with the closing period; the module's one other user is quic_simdev.
    until(lambda: Path("/sys/module/quic/refcnt").read_text() == "1\n")


def test_unknown_driver(wire: Simulated, pki: Pki) -> None:
    """Packets are protected synchronously then."""
    _PARAMETER.write_text("no-such-driver")
    for counts in grown(wire, lambda: move(wire, pki, size=MOVED // 4)):
        assert counts["QuicPktDecBacklogs"] == counts["QuicPktEncBacklogs"] == 0 < counts["QuicPktDecFastpaths"]
