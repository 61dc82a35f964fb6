# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions resumed, early data, client certificates, PSK and key updates: our two ends with each other and with aioquic."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import SLOW, Content, Pki

pytest.importorskip("aioquic", reason="aioquic is not installed")

from aio_peer import Outcome, Stranger, _Exchange, stranger
from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.tls import Epoch, SessionTicket
from test_aioquic import ALPN, PATIENCE, V4, configuration, options, serving

from quicctl import errors, handshake, libquic
from quicctl.endpoint import Endpoint, StreamData
from quicctl.handshake import Identity, Options, Report
from quicctl.uapi import MsgFlag, TransportParams


@pytest.fixture
def tiny(tmp_path: Path) -> Content:
    """What fits into the packets before the handshake."""
    path = tmp_path / "tiny.bin"
    path.write_bytes(bytes(range(256)) * 12)
    return Content(path, 3072, hashlib.sha256(path.read_bytes()).hexdigest())


def exchange(port: int, given: Options) -> Report:
    return handshake.connect((V4, port), given, hostname="localhost")


class Ours:
    """Our server, a listener that lives as long as a test: its tickets are good for its next connections."""

    def __init__(self, given: Options, count: int) -> None:
        ready: queue.Queue[int] = queue.Queue()
        self.reports: queue.Queue[Report] = queue.Queue()

        def run() -> None:
            handshake.serve(
                (V4, 0), given, count=count, on_listening=lambda where: ready.put(where[1]), on_report=self.reports.put
            )

        threading.Thread(target=run, daemon=True).start()
        self.port = ready.get(timeout=PATIENCE)

    def next(self) -> Report:
        return self.reports.get(timeout=PATIENCE)


def test_our_session_is_resumed_with_early_data(pki: Pki, tiny: Content, tmp_path: Path) -> None:
    ours = Ours(replace(options(pki, tiny, tmp_path, server=True), early_data=True), 3)
    given = replace(options(pki, tiny, tmp_path), session=tmp_path / "session", early_data=True)
    first = exchange(ours.port, given)
    assert (first.handshake.resumed, first.handshake.early_data, first.session_saved) == (False, "none", True)
    assert ours.next().handshake.early_data == "none"
    for _ in range(2):  # the session that a resumed connection leaves is as good
        again = exchange(ours.port, given)
        theirs = ours.next()
        assert (again.handshake.resumed, again.handshake.early_data, again.session_saved) == (True, "accepted", True)
        assert (theirs.handshake.resumed, theirs.handshake.early_data) == (True, "accepted")
        assert again.handshake.verify == "resumed"
        assert (again.sent.sha256, again.received.sha256) == (tiny.sha256, tiny.sha256)
        assert (theirs.sent.sha256, theirs.received.sha256) == (tiny.sha256, tiny.sha256)


def test_more_than_early_data_holds_goes_on_after_it(pki: Pki, small: Content, tmp_path: Path) -> None:
    ours = Ours(replace(options(pki, small, tmp_path, server=True), early_data=True), 2)
    given = replace(options(pki, small, tmp_path), session=tmp_path / "session", early_data=True)
    exchange(ours.port, given)
    ours.next()
    again = exchange(ours.port, given)
    theirs = ours.next()
    assert again.handshake.early_data == "accepted"
    assert (again.received.sha256, theirs.received.sha256) == (small.sha256, small.sha256)


def test_server_that_takes_no_early_data_gets_it_later(pki: Pki, tiny: Content, tmp_path: Path) -> None:
    """The listener's tickets allow early data; then one that is told not to take it, and one with another key."""
    ours = Ours(replace(options(pki, tiny, tmp_path, server=True), early_data=True), 1)
    given = replace(options(pki, tiny, tmp_path), session=tmp_path / "session", early_data=True)
    exchange(ours.port, given)
    ours.next()
    other = Ours(options(pki, tiny, tmp_path, server=True), 1)
    again = exchange(other.port, given)
    theirs = other.next()
    assert (again.handshake.resumed, again.handshake.early_data) == (False, "rejected")
    assert (again.received.sha256, theirs.received.sha256) == (tiny.sha256, tiny.sha256)


def test_session_of_another_name_is_not_resumed(pki: Pki, tiny: Content, tmp_path: Path) -> None:
    ours = Ours(options(pki, tiny, tmp_path, server=True), 2)
    given = replace(options(pki, tiny, tmp_path), session=tmp_path / "session")
    exchange(ours.port, given)
    ours.next()
    again = handshake.connect((V4, ours.port), given, hostname="127.0.0.1")
    assert not again.handshake.resumed
    ours.next()


def test_damaged_session_is_said_so(pki: Pki, tiny: Content, tmp_path: Path) -> None:
    (tmp_path / "session").write_bytes(b"junk")
    with pytest.raises(errors.FileUnreadable, match="holds no session"):
        exchange(9, replace(options(pki, tiny, tmp_path), session=tmp_path / "session"))


def test_remembered_parameters_are_set_by_hand() -> None:
    with Endpoint() as sock:
        sock.connect((V4, 9))
        with pytest.raises(OSError, match="Invalid"):
            sock.open_stream()
        sock.set_transport_params(TransportParams(max_data=5000, max_streams_bidi=1), remote=True)
        known = sock.transport_params(remote=True)
        assert (known.max_data, known.max_streams_bidi, known.max_streams_uni) == (5000, 1, 0)
        assert sock.open_stream() == 0
        with pytest.raises(OSError, match="Invalid"):
            sock.open_stream()


def test_psk_both_roles(pki: Pki, tiny: Content, tmp_path: Path) -> None:
    (tmp_path / "psk").write_text("alice:00112233445566778899aabbccddeeff\n")
    identity = Identity(psk=tmp_path / "psk")
    server = serving(V4, replace(options(pki, tiny, tmp_path, server=True), identity=identity))
    report = exchange(server.port, replace(options(pki, tiny, tmp_path), identity=identity))
    assert (report.handshake.psk_identity, server.end().handshake.psk_identity) == ("alice", "alice")
    (tmp_path / "wrong").write_text("alice:ffffffffffffffffffffffffffffffff\n")
    server = serving(V4, replace(options(pki, tiny, tmp_path, server=True), identity=identity))
    with pytest.raises(errors.QuicctlError):
        exchange(server.port, replace(options(pki, tiny, tmp_path), identity=Identity(psk=tmp_path / "wrong")))
    with pytest.raises(errors.QuicctlError):
        server.end()


def test_client_certificates(pki: Pki, tiny: Content, tmp_path: Path) -> None:
    def server_options(mode: str | None) -> Options:
        identity = Identity(cert=pki.cert, key=pki.key, ca=pki.ca, client_auth=mode)
        return replace(options(pki, tiny, tmp_path, server=True), identity=identity)

    shows = Identity(ca=pki.ca, cert=pki.folder / "client.pem", key=pki.folder / "client.key")
    for mode in (None, "request"):
        server = serving(V4, server_options(mode))
        exchange(server.port, replace(options(pki, tiny, tmp_path), identity=shows))
        seen = server.end().handshake
        assert seen.verify == "ok" and seen.peer_subject
    server = serving(V4, server_options("request"))
    exchange(server.port, options(pki, tiny, tmp_path))
    assert server.end().handshake.verify == "none"
    server = serving(V4, server_options("require"))
    with pytest.raises(errors.QuicctlError):
        exchange(server.port, options(pki, tiny, tmp_path))
    with pytest.raises(errors.QuicctlError):
        server.end()


def test_keylog_is_written_on_demand_only(pki: Pki, tiny: Content, tmp_path: Path) -> None:
    server = serving(V4, options(pki, tiny, tmp_path, server=True))
    exchange(server.port, replace(options(pki, tiny, tmp_path), keylog=tmp_path / "keys"))
    server.end()
    labels = {line.split()[0] for line in (tmp_path / "keys").read_text().splitlines()}
    assert {"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0", "CLIENT_TRAFFIC_SECRET_0"} <= labels
    assert (tmp_path / "keys").stat().st_mode & 0o77 == 0


# aioquic.


def test_aioquic_resumes_our_session(pki: Pki, tiny: Content, tmp_path: Path) -> None:
    """Its client sends the request in 0-RTT packets; our server takes it."""
    ours = Ours(replace(options(pki, tiny, tmp_path, server=True), early_data=True), 2)
    tickets: list[SessionTicket] = []

    async def client(ticket: SessionTicket | None) -> tuple[Outcome, Any]:
        theirs = configuration(pki, client=True)
        theirs.session_ticket = ticket
        async with connect(
            V4,
            ours.port,
            configuration=theirs,
            create_protocol=_Exchange,
            session_ticket_handler=tickets.append,
            wait_connected=False,
        ) as protocol:
            assert isinstance(protocol, _Exchange)
            protocol.content = tiny.path.read_bytes()
            protocol.begin()
            outcome = await protocol.done
            return outcome, protocol._quic.tls

    with stranger() as peer:
        brought, _ = peer.call(client(None), PATIENCE)
        assert brought.sha256 == tiny.sha256
        assert ours.next().handshake.early_data == "none"
        assert tickets and tickets[0].max_early_data_size == 0xFFFFFFFF
        brought, tls = peer.call(client(tickets[0]), PATIENCE)
        report = ours.next()
    assert tls.session_resumed and tls.early_data_accepted
    assert (report.handshake.resumed, report.handshake.early_data) == (True, "accepted")
    assert (brought.sha256, report.received.sha256) == (tiny.sha256, tiny.sha256)


def _aio_server(peer: Stranger, theirs: QuicConfiguration, content: bytes) -> tuple[int, list[Any], Callable[[], None]]:
    """An aioquic server for any number of connections, whose tickets it takes back."""
    made: list[Any] = []
    tickets: dict[bytes, SessionTicket] = {}

    def create(*args: Any, **kwargs: Any) -> QuicConnectionProtocol:
        protocol = _Exchange(*args, **kwargs)
        protocol.content = content
        made.append(protocol)
        return protocol

    def keep(ticket: SessionTicket) -> None:
        tickets[ticket.ticket] = ticket

    async def begin() -> Any:
        return await serve(
            V4, 0, configuration=theirs, create_protocol=create, session_ticket_fetcher=tickets.get, session_ticket_handler=keep
        )

    server = peer.call(begin(), PATIENCE)
    return server._transport.get_extra_info("sockname")[1], made, server.close


def test_our_client_resumes_aioquics_session(pki: Pki, tiny: Content, tmp_path: Path) -> None:
    given = replace(options(pki, tiny, tmp_path), session=tmp_path / "session", early_data=True)
    with stranger() as peer:
        port, made, close = _aio_server(peer, configuration(pki, client=False), tiny.path.read_bytes())
        first = exchange(port, given)
        assert (first.handshake.early_data, first.session_saved) == ("none", True)
        again = exchange(port, given)
        assert made[1]._quic.tls.early_data_accepted
        close()
    assert (again.handshake.resumed, again.handshake.early_data) == (True, "accepted")
    assert again.received.sha256 == tiny.sha256
    assert made[1].received == tiny.size


def test_our_server_follows_key_updates(pki: Pki, ours: Content, theirs: Content, tmp_path: Path) -> None:
    """aioquic opens nothing of the old phase once it has updated, so data that moves shows that our end followed."""
    server = serving(V4, options(pki, ours, tmp_path, server=True))
    updates = 0

    async def client() -> Outcome:
        nonlocal updates
        async with connect(
            V4, server.port, configuration=configuration(pki, client=True), create_protocol=_Exchange
        ) as protocol:
            assert isinstance(protocol, _Exchange)
            protocol.content = theirs.path.read_bytes()
            protocol.begin()
            while updates < 2:
                before = protocol.received
                while protocol.received < before + ours.size // 8 and not protocol.done.done():
                    await asyncio.sleep(0.05)
                protocol.request_key_update()
                updates += 1
                await asyncio.sleep(0.5 * SLOW)  # RFC 9001, section 6.5: the next one may not come at once
            return await protocol.done

    with stranger() as peer:
        brought = peer.call(client(), PATIENCE)
    report = server.end()
    assert (brought.sha256, report.received.sha256) == (ours.sha256, theirs.sha256)


def test_our_client_updates_keys(pki: Pki) -> None:
    blocks = 4
    with stranger() as peer, Endpoint() as sock, libquic.Credentials(server=False) as credentials:
        port, made, close = _aio_server(peer, configuration(pki, client=False), b"answer")
        credentials.trust(pki.ca)
        sock.settimeout(20 * SLOW)
        sock.connect((V4, port))
        libquic.handshake(sock.fileno(), credentials, server=False, hostname="localhost", alpn=ALPN, timeout=20 * SLOW)
        stream = sock.open_stream()
        for block in range(blocks):
            assert sock.send(bytes(50000), stream, MsgFlag.STREAM_FIN if block == blocks - 1 else 0) == 50000
            if block < blocks - 1:
                _update_key(sock)
        answer = b""
        while not answer.endswith(b"answer"):
            message = sock.receive()
            assert isinstance(message, StreamData)
            answer += bytes(message.data)
        deadline = time.monotonic() + 20 * SLOW
        while made[0].received < blocks * 50000 and time.monotonic() < deadline:
            time.sleep(0.05)
        pair = made[0]._quic._cryptos[Epoch.ONE_RTT]
        assert (made[0].received, pair.key_phase) == (blocks * 50000, (blocks - 1) % 2)
        close()


def _update_key(sock: Endpoint) -> None:
    """As soon as the last update is finished."""
    deadline = time.monotonic() + 20 * SLOW
    while True:
        try:
            sock.update_key()
            return
        except OSError as failure:
            assert failure.errno == errno.EINVAL and time.monotonic() < deadline, failure
            time.sleep(0.02)
