# SPDX-License-Identifier: GPL-2.0-or-later
"""Our server against other stacks' clients. Cases are rows of docs/interop.md, peers are columns.

curl and gtlsclient speak HTTP/3; openssl s_client has one stream, over which bytes go both ways.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import h3_peer
import pytest
import raw_peer
from clients import CLIENTS, HOST, PATIENCE, Ask, Brought, Client, Relaying, answering, body_of, close_of, fetch
from conftest import SLOW, Content, Pki, unsupported
from programs import root
from relay import connection_ids

from quicctl import libquic, process, uapi
from quicctl.endpoint import Endpoint

STREAMS = 1000
IDLE = 1.0
_UNKNOWN_CA = 48
_INTERNAL_ERROR = 1
_V2 = 0x6B3343CF
_ECT0 = 2


@pytest.fixture(params=list(CLIENTS))
def client(request: pytest.FixtureRequest) -> Client:
    peer = CLIENTS[request.param]
    gap = peer.gaps.get(request.node.originalname)
    if gap is not None:
        gap.check(root(peer.suite))
        unsupported(gap.reason)
    return peer


def test_our_server(client: Client, pki: Pki, small: Content, tmp_path: Path) -> None:
    brought = fetch(client, pki, tmp_path, small)
    assert brought.handshake.complete


def test_our_server_receives_a_body(client: Client, pki: Pki, small: Content, small_theirs: Content, tmp_path: Path) -> None:
    brought = fetch(client, pki, tmp_path, small, body=small_theirs.path)
    assert body_of(brought) == (small_theirs.size, small_theirs.sha256)


def test_our_server_is_not_trusted(client: Client, pki: Pki, small: Content, tmp_path: Path) -> None:
    server = answering(client, pki, b"")
    got = client.run(Ask(server.port, tmp_path, pki.stranger_ca))
    assert got.status != 0
    with pytest.raises(libquic.TlsFailure) as caught:
        server.end()
    seen = caught.value.handshake
    # curl over ngtcp2 looks at the certificate later than TLS does, and then closes with an internal error.
    assert seen.alert_received == _UNKNOWN_CA or seen.close_code == _INTERNAL_ERROR, got.said


@pytest.mark.parametrize("cipher", ("AES-256-GCM", "CHACHA20-POLY1305"))
def test_our_server_with_each_cipher(client: Client, cipher: str, pki: Pki, small: Content, tmp_path: Path) -> None:
    brought = fetch(client, pki, tmp_path, small, cipher=cipher)
    assert cipher.replace("-", "_") in brought.handshake.cipher_suite.upper().replace("-", "_")


def test_our_server_answers_1000_streams(client: Client, pki: Pki, tmp_path: Path) -> None:
    page = b"page\n" * 20
    server = answering(client, pki, page)
    got = client.run(Ask(server.port, tmp_path, pki.ca, count=STREAMS))
    brought = server.end()
    assert isinstance(brought, h3_peer.Exchange)
    assert brought.requests == STREAMS, got.said
    assert got.hashes == (hashlib.sha256(page).hexdigest(),) * STREAMS, got.said


@pytest.mark.rfc("RFC 9001, section 6.1")
def test_our_server_updates_keys(client: Client, pki: Pki, small: Content, tmp_path: Path) -> None:
    fetch(client, pki, tmp_path, small, begin=lambda sock, *_: sock.update_key())


@pytest.mark.rfc("RFC 9001, section 6.2")
def test_our_server_follows_a_key_update(client: Client, pki: Pki, small: Content, tmp_path: Path) -> None:
    brought = update_by_command(client, pki, tmp_path) if client.raw else fetch(client, pki, tmp_path, small, update=True)
    assert any(isinstance(event, uapi.KeyUpdate) for event in brought.events)


def update_by_command(client: Client, pki: Pki, folder: Path) -> Brought:
    """s_client has a command for it, a K that it reads for itself alone. It sends none of its input after it (OpenSSL 3.5).

    But it keeps the connection alive, with packets under the new keys.
    """
    leaves = uapi.TransportParams(max_idle_timeout=int(2e6 * IDLE))
    server = raw_peer.Server(pki.cert, pki.key, b"!", host=HOST, timeout=PATIENCE, params=leaves)
    child = client.start(Ask(server.port, folder, pki.ca, update=True))
    try:
        assert child.stdin is not None and child.stdout is not None and child.stderr is not None
        child.stdin.write(b"hello")
        child.stdin.flush()
        assert child.stdout.read(1) == b"!"
        child.stdin.write(b"K\n")
        child.stdin.flush()
        while not isinstance(server.told.get(timeout=PATIENCE), uapi.KeyUpdate):
            pass
    finally:
        process.kill(child)
        child.communicate()
    return server.end()


def test_our_server_with_a_large_hello(client: Client, pki: Pki, small: Content, tmp_path: Path) -> None:
    """A key share of X25519MLKEM768 has 1216 bytes, one of FFDHE8192 1024: the ClientHello does not fit into one datagram."""
    between = Relaying()
    brought = fetch(client, pki, tmp_path, small, between=between, large=True)
    assert between.relay.client.first_flight >= 2
    assert brought.handshake.group == "X25519"


@pytest.mark.parametrize("lost", ("both",))
def test_our_server_with_handshake_packets_lost(client: Client, lost: str, pki: Pki, small: Content, tmp_path: Path) -> None:
    of_client = {0} if lost != "server" else set()
    of_server = {0, 1} if lost != "client" else set()
    between = Relaying(lose_of_client=of_client, lose_of_server=of_server)
    fetch(client, pki, tmp_path, small, between=between)
    assert between.relay.client.count > len(of_client) and between.relay.server.count > len(of_server)


@pytest.mark.rfc("RFC 9000, section 5.1")
def test_our_server_with_an_empty_connection_id(client: Client, pki: Pki, small: Content, tmp_path: Path) -> None:
    between = Relaying()
    fetch(client, pki, tmp_path, small, between=between, empty_id=True)
    _, source = connection_ids(between.relay.client.first[0])
    if source:
        unsupported(f"the source connection ID of its first packet had {len(source)} bytes, and no option changes that")


@pytest.mark.rfc("RFC 9000, section 10.1")
def test_our_server_notices_a_peer_that_vanished(client: Client, pki: Pki, tmp_path: Path) -> None:
    stop: list[subprocess.Popen[bytes]] = []
    stopped_at: list[float] = []

    def hang(*_: Any) -> None:
        while not stop:
            time.sleep(0.01)
        os.killpg(stop[0].pid, signal.SIGSTOP)
        stopped_at.append(time.monotonic())

    server = answering(client, pki, b"lost", idle=IDLE, **{"begin" if client.raw else "on_request": hang})
    (tmp_path / "body").write_bytes(b"asked")
    child = client.start(Ask(server.port, tmp_path, pki.ca, body=tmp_path / "body" if client.raw else None))
    try:
        stop.append(child)
        brought = server.end()
        took = time.monotonic() - stopped_at[0]
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
    # What is sent into the void starts the timer anew once.
    assert IDLE * 0.9 <= took <= 2 * IDLE + 3 * SLOW
    assert close_of(brought) in (None, uapi.ConnectionClose())


def test_our_server_hears_why_it_was_closed(client: Client, pki: Pki, small: Content, tmp_path: Path) -> None:
    server = answering(client, pki, small.path.read_bytes())
    got = client.run(Ask(server.port, tmp_path, pki.ca, body=small.path if client.raw else None, leave=True))
    close = close_of(server.end())
    assert got.status == 0
    assert close is not None
    assert close.errcode == client.close_code


@pytest.mark.rfc("RFC 9000, section 8.1.2")
def test_our_server_sends_retry(client: Client, pki: Pki, small: Content, tmp_path: Path) -> None:
    between = Relaying()
    fetch(client, pki, tmp_path, small, between=between, config=uapi.Config(validate_peer_address=True))
    assert between.relay.server.first[0][0] & 0xF0 == 0xF0, "the first packet was no Retry"


@pytest.mark.rfc("RFC 9369, section 4")
def test_our_server_speaks_version_2(client: Client, pki: Pki, small: Content, tmp_path: Path) -> None:
    """Our server prefers it."""
    between = Relaying()
    fetch(client, pki, tmp_path, small, between=between, config=uapi.Config(version=_V2), version_2=True)
    versions = {packet[1:5] for packet in between.relay.server.first if packet[0] & 0x80}
    if versions == {bytes((0, 0, 0, 1))}:
        unsupported("our server prefers version 2, but the client's version information offers version 1 alone; all arrived")
    assert versions == {_V2.to_bytes(4, "big")}


@pytest.mark.rfc("RFC 9001, section 4.5")
def test_our_server_resumes_a_session(client: Client, pki: Pki, small: Content, tmp_path: Path) -> None:
    """Without early data, which test_ngtcp2 has."""
    body = small.path if client.raw else None
    server = answering(client, pki, small.path.read_bytes(), connections=2, expected=small.size if body else None)
    for _ in range(2):
        got = client.run(Ask(server.port, tmp_path, pki.ca, session=tmp_path / "session", body=body))
        assert got.hashes == (small.sha256,), got.said
    assert server.end().handshake.resumed, got.said


@pytest.mark.rfc("RFC 9000, section 9.3")
def test_our_server_follows_a_moving_client(client: Client, pki: Pki, small: Content, tmp_path: Path) -> None:
    brought = fetch(client, pki, tmp_path, small, move=True)
    assert any(isinstance(event, uapi.Migration) for event in brought.events)


@pytest.mark.rfc("RFC 9000, section 9.3")
def test_our_server_follows_a_translator(
    client: Client, pki: Pki, small: Content, small_theirs: Content, tmp_path: Path
) -> None:
    """Which forgets in the middle of the request; the answer finds the new address."""
    between = Relaying(forget_after=12)
    brought = fetch(client, pki, tmp_path, small, between=between, body=small_theirs.path)
    assert body_of(brought) == (small_theirs.size, small_theirs.sha256)
    assert between.relay.forgot and any(isinstance(event, uapi.Migration) for event in brought.events)


@pytest.mark.rfc("RFC 9000, section 13.4")
def test_our_server_sees_marks_counted(client: Client, pki: Pki, small: Content, tmp_path: Path) -> None:
    between = Relaying()
    fetch(client, pki, tmp_path, small, between=between)
    marks = between.relay.server.marks
    assert _ECT0 in marks, "our packets bore no mark"
    if _ECT0 not in marks[len(marks) // 2 :]:
        unsupported(f"it acknowledges without counts: our marks ended after {marks.count(_ECT0)} of {len(marks)} packets")


@pytest.mark.rfc("RFC 9221, section 3")
def test_our_server_exchanges_datagrams(client: Client, pki: Pki, small: Content, tmp_path: Path) -> None:
    """Our server would take them; who sends no max_datagram_frame_size takes none."""
    sizes: list[int] = []

    def look(sock: Endpoint, *_: Any) -> None:
        sizes.append(sock.transport_params(remote=True).max_datagram_frame_size)

    fetch(client, pki, tmp_path, small, begin=look, datagram=65535)
    assert sizes == [0], f"{client.program} can, and nobody wrote this test"
    unsupported("its transport parameters have no max_datagram_frame_size")
