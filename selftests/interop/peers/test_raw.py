# SPDX-License-Identifier: GPL-2.0-or-later
"""Our client and our server against libraries, over raw streams and datagrams.

Cases are rows of docs/interop.md, libraries are columns; test_aioquic and its neighbours have more of aioquic.
"""

from __future__ import annotations

import errno
import hashlib
import random
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aioquic_peer
import pytest
import quiche_peer
import raw_peer
from conftest import SLOW, Content, Pki, unsupported
from programs import HOST
from quiche_peer import PATIENCE, Quiche, Task, Told
from raw_peer import Brought, Fetched
from relay import connection_ids, relay
from translator import translator

from quicctl import errors, libquic, uapi
from quicctl.endpoint import Endpoint

STREAMS = 1000
DATAGRAMS = 5
CODE = 42
IDLE = 1.0
_REFUSES = (42, 48)
"""Alerts: bad_certificate, unknown_ca."""
_V2 = 0x6B3343CF
_ECT0 = 2
_PRIORITY = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+{}:-GROUP-ALL:{}:%DISABLE_TLS13_COMPAT_MODE"
_DATAGRAM_FRAMES = uapi.TransportParams(max_datagram_frame_size=65535)
CIPHERS = ("AES-256-GCM", "CHACHA20-POLY1305")
"""Beside the one of all other cases."""


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> Content:
    """What each end sends."""
    path = tmp_path_factory.mktemp("body") / "body"
    path.write_bytes(random.Random(5).randbytes(64 << 10))
    return Content(path, 64 << 10, hashlib.sha256(path.read_bytes()).hexdigest())


Peer = Quiche | aioquic_peer.Aioquic
Server = quiche_peer.Server | aioquic_peer.Server
PEERS: dict[str, Callable[[], Peer]] = {"quiche": Quiche, "aioquic": aioquic_peer.Aioquic}


@pytest.fixture(scope="module", params=list(PEERS))
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    made = PEERS[request.param]()
    yield made
    made.close()


@pytest.fixture(scope="module")
def offers(peer: Peer) -> dict[str, Any]:
    """What the library says of itself."""
    return peer.offers()


@pytest.fixture(scope="module")
def server(peer: Peer, pki: Pki, body: Content) -> Server:
    return peer.serve(pki, body.path)


# Our server.


def serve(peer: Peer, pki: Pki, content: Content, task: Task, **more: Any) -> tuple[Told, Brought]:
    """One connection of the peer to our server, or as many as said; the last one."""
    ours = raw_peer.Server(pki.cert, pki.key, content.path.read_bytes(), host=HOST, timeout=PATIENCE, whole=True, **more)
    told = ask(peer, pki, content, task, ours.port)
    return told, ours.end()


def ask(peer: Peer, pki: Pki, content: Content, task: Task, port: int) -> Told:
    return peer.client(replace(task, port=port, ca=str(pki.ca), body=str(content.path), code=CODE))


def assert_whole(told: Told, brought: Brought, content: Content, streams: int = 1) -> None:
    assert told.trouble == ""
    assert sorted(told.streams) == [(4 * number, content.size, content.sha256, True) for number in range(streams)]
    assert brought.streams == {4 * number: (content.size, content.sha256) for number in range(streams)}
    assert told.alpn == brought.handshake.alpn == "sample"


def test_our_server(peer: Peer, pki: Pki, body: Content) -> None:
    told, brought = serve(peer, pki, body, Task())
    assert_whole(told, brought, body)
    assert not told.retried and not told.resumed


def test_our_server_is_not_trusted(peer: Peer, pki: Pki, body: Content) -> None:
    ours = raw_peer.Server(pki.cert, pki.key, b"", host=HOST, timeout=PATIENCE)
    told = peer.client(Task(port=ours.port, ca=str(pki.stranger_ca), body=str(body.path)))
    assert told.streams == []
    with pytest.raises(libquic.TlsFailure) as caught:
        ours.end()
    assert caught.value.handshake.alert_received in _REFUSES, told


@pytest.mark.parametrize("cipher", CIPHERS)
def test_our_server_with_each_cipher(cipher: str, peer: Peer, pki: Pki, body: Content) -> None:
    """The peer offers all of them; our server takes the one."""
    told, brought = serve(peer, pki, body, Task(), priority=_PRIORITY.format(cipher, "+GROUP-X25519"))
    assert_whole(told, brought, body)
    assert cipher.replace("-", "_") in brought.handshake.cipher_suite.upper().replace("-", "_")


@pytest.mark.rfc("RFC 9000, section 8.1.2")
def test_our_server_sends_retry(peer: Peer, pki: Pki, body: Content) -> None:
    told, brought = serve(peer, pki, body, Task(), config=uapi.Config(validate_peer_address=True))
    assert_whole(told, brought, body)
    assert told.retried


@pytest.mark.rfc("RFC 9001, section 4.6")
def test_our_server_takes_early_data(peer: Peer, pki: Pki, body: Content, tmp_path: Path) -> None:
    ours = raw_peer.Server(
        pki.cert,
        pki.key,
        body.path.read_bytes(),
        host=HOST,
        timeout=PATIENCE,
        whole=True,
        early_data=True,
        connections=2,
    )
    task = Task(session=str(tmp_path / "session"))
    first, again = (ask(peer, pki, body, task, ours.port) for _ in range(2))
    brought = ours.end()
    assert (first.resumed, first.early, again.resumed, again.early) == (False, False, True, True)
    assert_whole(again, brought, body)
    assert (brought.handshake.resumed, brought.handshake.early_data) == (True, "accepted")


@pytest.mark.rfc("RFC 9001, section 6.1")
def test_our_server_updates_keys(peer: Peer, pki: Pki, body: Content) -> None:
    told, brought = serve(peer, pki, body, Task(), begin=lambda sock: sock.update_key())
    assert_whole(told, brought, body)


@pytest.mark.rfc("RFC 9001, section 6.2")
def test_our_server_follows_a_key_update(peer: Peer, offers: dict[str, Any], pki: Pki, body: Content) -> None:
    if not peer.updates_keys:
        begins_no_update(offers)
    told, brought = serve(peer, pki, body, Task(update=True))
    assert_whole(told, brought, body)
    assert any(isinstance(event, uapi.KeyUpdate) for event in brought.events)


def begins_no_update(offers: dict[str, Any]) -> None:
    methods = [name for name in offers["connection"] if "key" in name.lower()]
    assert methods == ["setKeylog"], "it might be able to"
    unsupported("of its connection's methods only setKeylog is about keys; nothing begins an update")


@pytest.mark.rfc("RFC 9369, section 4")
def test_our_server_speaks_version_2(peer: Peer, offers: dict[str, Any], pki: Pki, body: Content) -> None:
    if _V2 not in offers["versions"]:
        assert offers["versions"] == [1]
        unsupported("its versionIsSupported(0x6b3343cf) is false")
    ours = raw_peer.Server(pki.cert, pki.key, body.path.read_bytes(), host=HOST, timeout=PATIENCE, whole=True)
    with relay(ours.port) as between:
        told = ask(peer, pki, body, Task(version_2=True), between.port)
        assert_whole(told, ours.end(), body)
        assert {packet[1:5] for packet in between.server.first if packet[0] & 0x80} == {_V2.to_bytes(4, "big")}


def test_our_server_answers_1000_streams(peer: Peer, pki: Pki, tmp_path: Path) -> None:
    path = tmp_path / "page"
    path.write_bytes(b"page\n")
    page = Content(path, 5, hashlib.sha256(b"page\n").hexdigest())
    told, brought = serve(peer, pki, page, Task(streams=STREAMS))
    assert_whole(told, brought, page, STREAMS)


@pytest.mark.rfc("RFC 9221, section 5")
def test_our_server_exchanges_datagrams(peer: Peer, pki: Pki, body: Content) -> None:
    told, brought = serve(peer, pki, body, Task(datagrams=DATAGRAMS), params=_DATAGRAM_FRAMES)
    assert_whole(told, brought, body)
    assert told.datagrams == brought.datagrams == DATAGRAMS


@pytest.mark.rfc("RFC 9000, section 5.1")
def test_our_server_with_an_empty_connection_id(peer: Peer, pki: Pki, body: Content) -> None:
    ours = raw_peer.Server(pki.cert, pki.key, body.path.read_bytes(), host=HOST, timeout=PATIENCE, whole=True)
    with relay(ours.port) as between:
        asked = peer.begin(Task(id_length=0, port=between.port, ca=str(pki.ca), body=str(body.path), code=CODE))
        deadline = time.monotonic() + PATIENCE
        while between.client.count < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        destination, source = connection_ids(between.client.first[0])
        assert source == b""
        if not destination:
            assert between.server.count == 0
            unsupported("then its first packet has no destination ID either, which has to have 8 bytes (RFC 9000, section 7.2)")
        assert_whole(peer.told(asked), ours.end(), body)


@pytest.mark.parametrize("lost", ("both",))
def test_our_server_with_handshake_packets_lost(lost: str, peer: Peer, pki: Pki, body: Content) -> None:
    ours = raw_peer.Server(pki.cert, pki.key, body.path.read_bytes(), host=HOST, timeout=PATIENCE, whole=True)
    of_client, of_server = {0} if lost != "server" else set(), {0, 1} if lost != "client" else set()
    with relay(ours.port, lose_of_client=of_client, lose_of_server=of_server) as between:
        told = ask(peer, pki, body, Task(), between.port)
        assert_whole(told, ours.end(), body)
        assert between.client.count > len(of_client) and between.server.count > len(of_server)


def test_our_server_with_a_large_hello(peer: Peer, pki: Pki, body: Content, offers: dict[str, Any]) -> None:
    """It grows with names of protocols, of which our server reads 128 bytes, with key shares and with transport parameters."""
    ours = raw_peer.Server(pki.cert, pki.key, body.path.read_bytes(), host=HOST, timeout=PATIENCE, whole=True)
    with relay(ours.port) as between:
        told = ask(peer, pki, body, Task(more_alpns=("x" * 60, "y" * 58), large=True), between.port)
        assert_whole(told, ours.end(), body)
        datagrams = between.client.first_flight
    if datagrams == 1:
        assert not [name for name in offers["config"] if re.search("group|curve|quantum", name, re.IGNORECASE)]
        unsupported(
            "its configuration has no method for groups, and with the longest list of protocols one datagram was enough"
        )


@pytest.mark.rfc("RFC 9000, section 9.3")
def test_our_server_follows_a_moving_client(peer: Peer, pki: Pki, body: Content) -> None:
    told, brought = serve(peer, pki, body, Task(move=True))
    assert_whole(told, brought, body)
    assert any(isinstance(event, uapi.Migration) for event in brought.events)


@pytest.mark.rfc("RFC 9000, section 9.3")
def test_our_server_follows_a_translator(peer: Peer, pki: Pki, body: Content) -> None:
    """Which forgets in the middle of the body; the answer finds the new address."""
    ours = raw_peer.Server(pki.cert, pki.key, body.path.read_bytes(), host=HOST, timeout=PATIENCE, whole=True)
    with relay(ours.port, forget_after=12) as between:
        told = ask(peer, pki, body, Task(), between.port)
        brought = ours.end()
        assert between.forgot
    assert_whole(told, brought, body)
    assert any(isinstance(event, uapi.Migration) for event in brought.events)


@pytest.mark.rfc("RFC 9000, section 13.4")
def test_our_server_sees_marks_counted(peer: Peer, pki: Pki, body: Content) -> None:
    ours = raw_peer.Server(pki.cert, pki.key, body.path.read_bytes(), host=HOST, timeout=PATIENCE, whole=True)
    with relay(ours.port) as between:
        told = ask(peer, pki, body, Task(), between.port)
        assert_whole(told, ours.end(), body)
        marks = between.server.marks
    assert _ECT0 in marks, "our packets bore no mark"
    if _ECT0 not in marks[len(marks) // 2 :]:
        unsupported(f"it acknowledges without counts: our marks ended after {marks.count(_ECT0)} of {len(marks)} packets")


@pytest.mark.rfc("RFC 9000, section 10.1")
def test_our_server_notices_a_peer_that_vanished(peer: Peer, pki: Pki, body: Content) -> None:
    stopped: list[float] = []

    def hang(_: Endpoint) -> None:
        peer.stop()
        stopped.append(time.monotonic())

    ours = raw_peer.Server(
        pki.cert, pki.key, body.path.read_bytes(), host=HOST, timeout=PATIENCE, begin=hang,
        params=uapi.TransportParams(max_idle_timeout=int(IDLE * 1e6)),
    )  # fmt: skip
    asked = peer.begin(Task(port=ours.port, ca=str(pki.ca), body=str(body.path)))
    try:
        brought = ours.end()
        took = time.monotonic() - stopped[0]
    finally:
        peer.go_on()
    peer.told(asked)
    assert not any(event.errcode for event in brought.events if isinstance(event, uapi.ConnectionClose))
    assert IDLE * 0.9 <= took <= 2 * IDLE + 3 * SLOW


def test_our_server_hears_why_it_was_closed(peer: Peer, pki: Pki, body: Content) -> None:
    _, brought = serve(peer, pki, body, Task())
    close = next(event for event in brought.events if isinstance(event, uapi.ConnectionClose))
    assert (close.errcode, close.phrase) == (CODE, "gone")


# Our client.


def fetch(server: Server, pki: Pki, content: Content, *, port: int = 0, **more: Any) -> tuple[Fetched, Told]:
    """One connection of ours to the peer's server."""
    got = raw_peer.exchange(
        port or server.port, pki.ca, content.path.read_bytes(), host=HOST, timeout=PATIENCE, code=CODE, **more
    )
    return got, server.told()


def assert_fetched(got: Fetched, told: Told, content: Content, answer: Content, streams: int = 1) -> None:
    assert (got.handshake.verify in ("ok", "resumed"), got.handshake.alpn, told.trouble) == (True, "sample", "")
    assert got.streams == {4 * number: (answer.size, answer.sha256) for number in range(streams)}
    assert sorted(told.streams) == [(4 * number, content.size, content.sha256, True) for number in range(streams)]


def test_our_client(server: Server, pki: Pki, body: Content) -> None:
    got, told = fetch(server, pki, body)
    assert_fetched(got, told, body, body)


def test_our_client_trusts_not_anybody(server: Server, pki: Pki, body: Content) -> None:
    with pytest.raises(libquic.TlsFailure) as caught:
        raw_peer.exchange(server.port, pki.stranger_ca, b"", host=HOST, timeout=PATIENCE)
    assert caught.value.code == libquic.ERR_CERTIFICATE
    told = server.told()
    assert told.closed is not None and not told.closed["application"] and told.closed["code"] & ~0xFF == 0x100, told


@pytest.mark.parametrize("cipher", CIPHERS)
def test_our_client_with_each_cipher(cipher: str, server: Server, pki: Pki, body: Content) -> None:
    got, told = fetch(server, pki, body, priority=_PRIORITY.format(cipher, "+GROUP-X25519"))
    assert_fetched(got, told, body, body)
    assert cipher.replace("-", "_") in got.handshake.cipher_suite.upper().replace("-", "_")


@pytest.mark.rfc("RFC 9000, section 17.2.5.3")
def test_our_client_after_their_retry(peer: Peer, pki: Pki, body: Content) -> None:
    got, told = fetch(peer.serve(pki, body.path, retry=True), pki, body)
    assert_fetched(got, told, body, body)
    assert told.retried


@pytest.mark.rfc("RFC 9001, section 4.6")
def test_our_client_resumes_with_early_data(server: Server, pki: Pki, body: Content) -> None:
    first, _ = fetch(server, pki, body, keep=True)
    assert first.session is not None
    got, told = fetch(server, pki, body, session=first.session)
    assert_fetched(got, told, body, body)
    assert (got.handshake.resumed, got.handshake.early_data) == (True, "accepted")
    assert told.resumed and told.early


def update(sock: Endpoint) -> None:
    """As soon as it may be: RFC 9001, section 6."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return sock.update_key()
        except OSError as failure:
            if failure.errno != errno.EINVAL or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


@pytest.mark.rfc("RFC 9001, section 6.1")
def test_our_client_updates_keys(server: Server, pki: Pki, body: Content) -> None:
    got, told = fetch(server, pki, body, middle=update)
    assert_fetched(got, told, body, body)


@pytest.mark.rfc("RFC 9001, section 6.2")
def test_our_client_follows_a_key_update(peer: Peer, offers: dict[str, Any], pki: Pki, body: Content) -> None:
    if not peer.updates_keys:
        begins_no_update(offers)
    got, told = fetch(peer.serve(pki, body.path, update=True), pki, body)
    assert_fetched(got, told, body, body)
    assert any(isinstance(event, uapi.KeyUpdate) for event in got.events)


@pytest.mark.rfc("RFC 9369, section 4")
def test_our_client_speaks_version_2(peer: Peer, pki: Pki, body: Content, offers: dict[str, Any]) -> None:
    """From the first packet; to who does not know it, Version Negotiation leads back to version 1."""
    got, told = fetch(peer.serve(pki, body.path, version_2=True), pki, body, config=uapi.Config(version=_V2))
    assert_fetched(got, told, body, body)
    if _V2 not in offers["versions"]:
        assert offers["versions"] == [1]
        unsupported("its versionIsSupported(0x6b3343cf) is false; our client came down to version 1, and all arrived")


def test_our_client_opens_1000_streams(peer: Peer, pki: Pki, tmp_path: Path) -> None:
    (tmp_path / "page").write_bytes(b"page\n")
    page = Content(tmp_path / "page", 5, hashlib.sha256(b"page\n").hexdigest())
    got, told = fetch(peer.serve(pki, page.path), pki, page, streams=STREAMS)
    assert_fetched(got, told, page, page, STREAMS)


@pytest.mark.rfc("RFC 9000, section 9.2")
def test_our_client_moves(server: Server, pki: Pki, body: Content) -> None:
    def move(sock: Endpoint) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((HOST, 0))
            port = probe.getsockname()[1]
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return sock.migrate((HOST, port))
            except OSError:  # the peer's connection IDs are still to come
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.02)

    got, told = fetch(server, pki, body, middle=move)
    assert_fetched(got, told, body, body)
    assert told.paths == 2


@pytest.mark.rfc("RFC 9000, section 9.3")
def test_our_client_behind_a_translator(server: Server, pki: Pki, body: Content) -> None:
    with translator(server.port) as nat:
        got, told = fetch(server, pki, body, port=nat.port, middle=lambda _: nat.rebind())
    assert_fetched(got, told, body, body)
    assert told.paths == 2


@pytest.mark.rfc("RFC 9221, section 5")
def test_our_client_exchanges_datagrams(server: Server, pki: Pki, body: Content) -> None:
    got, told = fetch(server, pki, body, datagrams=DATAGRAMS, params=_DATAGRAM_FRAMES)
    assert_fetched(got, told, body, body)
    assert got.datagrams == told.datagrams == DATAGRAMS


def test_our_client_with_a_large_hello(server: Server, pki: Pki, body: Content) -> None:
    with relay(server.port) as between:
        large = _PRIORITY.format("AES-128-GCM", "+GROUP-X25519:+GROUP-FFDHE8192")
        alpns = ",".join(["sample", *(f"nobody-speaks-{number:02}" for number in range(7))])
        got, told = fetch(server, pki, body, port=between.port, priority=large, alpn=alpns)
        assert between.client.first_flight >= 2
    assert_fetched(got, told, body, body)


@pytest.mark.parametrize("lost", ("both",))
def test_our_client_with_handshake_packets_lost(lost: str, server: Server, pki: Pki, body: Content) -> None:
    of_client, of_server = {0} if lost != "server" else set(), {0, 1} if lost != "client" else set()
    with relay(server.port, lose_of_client=of_client, lose_of_server=of_server) as between:
        got, told = fetch(server, pki, body, port=between.port)
        assert between.client.count > len(of_client) and between.server.count > len(of_server)
    assert_fetched(got, told, body, body)


@pytest.mark.rfc("RFC 9000, section 13.4")
def test_our_client_sees_marks_counted(server: Server, pki: Pki, body: Content) -> None:
    with relay(server.port) as between:
        got, told = fetch(server, pki, body, port=between.port)
        assert_fetched(got, told, body, body)
        marks = between.client.marks
    assert _ECT0 in marks, "our packets bore no mark"
    if _ECT0 not in marks[len(marks) // 2 :]:
        unsupported(f"it acknowledges without counts: our marks ended after {marks.count(_ECT0)} of {len(marks)} packets")


@pytest.mark.rfc("RFC 9000, section 10.1")
def test_our_client_notices_a_peer_that_vanished(peer: Peer, server: Server, pki: Pki, body: Content) -> None:
    began = time.monotonic()

    def hang(_: Endpoint) -> None:
        nonlocal began
        peer.stop()
        began = time.monotonic()

    try:
        with pytest.raises((errors.ConnectionClosed, OSError)):
            fetch(server, pki, body, middle=hang, params=uapi.TransportParams(max_idle_timeout=int(IDLE * 1e6)))
        took = time.monotonic() - began
    finally:
        peer.go_on()
    assert server.told().timed_out
    assert IDLE * 0.9 <= took <= 2 * IDLE + 3 * SLOW


def test_our_client_tells_why_it_closes(server: Server, pki: Pki, body: Content) -> None:
    _, told = fetch(server, pki, body)
    assert told.closed == {"application": True, "code": CODE, "reason": "gone"}
