# SPDX-License-Identifier: GPL-2.0-or-later
"""Our client and our server against aioquic: certificates verified, bytes both ways at once, hashes compared at both ends."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import SLOW, Content, Pki

aioquic = pytest.importorskip("aioquic", reason="aioquic is not installed")

from aio_peer import Failed, Outcome, Stranger, run_client, run_server, stranger  # noqa: E402
from aioquic.quic.configuration import QuicConfiguration  # noqa: E402

from quicctl import errors, handshake  # noqa: E402
from quicctl.handshake import Identity, Options, Report  # noqa: E402

ALPN = "sample"
PATIENCE = 200 * SLOW
V4, V6 = "127.0.0.1", "::1"


def options(pki: Pki, sends: Content, folder: Path, *, server: bool = False, ca: Path | None = None) -> Options:
    identity = Identity(cert=pki.cert, key=pki.key) if server else Identity(ca=ca or pki.ca)
    return Options(
        identity=identity, alpn=ALPN, send=sends.path, receive=folder / "received", timeout=30 * SLOW
    )  # fmt: skip


def configuration(pki: Pki, *, client: bool, ca: Path | None = None) -> QuicConfiguration:
    made = QuicConfiguration(is_client=client, alpn_protocols=[ALPN], idle_timeout=60 * SLOW)
    if client:
        made.server_name = "localhost"
        made.load_verify_locations(str(ca or pki.ca))
    else:
        made.load_cert_chain(pki.cert, pki.key)
    return made


@dataclass(slots=True)
class Serving:
    """Our server in a thread."""

    port: int
    end: Callable[[], Report]


def serving(host: str, given: Options, count: int = 1) -> Serving:
    ready: queue.Queue[int | BaseException] = queue.Queue()
    ended: queue.Queue[Report | BaseException] = queue.Queue()

    def serve() -> None:
        try:
            ended.put(handshake.serve((host, 0), given, count=count, on_listening=lambda where: ready.put(where[1]))[0])
        except BaseException as failure:
            ready.put(failure)
            ended.put(failure)

    def end() -> Report:
        report = ended.get(timeout=PATIENCE)
        if isinstance(report, BaseException):
            raise report
        return report

    threading.Thread(target=serve, daemon=True).start()
    port = ready.get(timeout=PATIENCE)
    if isinstance(port, BaseException):
        raise port
    return Serving(port, end)


def connect_to(
    peer: Stranger, host: str, theirs: QuicConfiguration, content: bytes, given: Options
) -> tuple[Future[Outcome], Callable[[], Report]]:
    """Start the stranger's server; what it will have seen, and our client's call."""
    listening: queue.Queue[int] = queue.Queue()
    outcome = peer.start(run_server(host, theirs, content, listening.put))
    port = listening.get(timeout=PATIENCE)
    return outcome, lambda: handshake.connect((host, port), given, hostname="localhost")


def exchange_as_client(host: str, pki: Pki, ours: Content, theirs: Content, folder: Path) -> None:
    given = options(pki, ours, folder)
    with stranger() as peer:
        outcome, connect = connect_to(peer, host, configuration(pki, client=False), theirs.path.read_bytes(), given)
        report = connect()
        brought = outcome.result(PATIENCE)
    assert (report.handshake.verify, report.handshake.alpn, brought.alpn) == ("ok", ALPN, ALPN)
    assert (report.received.bytes, report.received.sha256) == (theirs.size, theirs.sha256)
    assert (brought.received, brought.sha256) == (ours.size, ours.sha256)


def exchange_as_server(host: str, pki: Pki, ours: Content, theirs: Content, folder: Path) -> None:
    server = serving(host, options(pki, ours, folder, server=True))
    with stranger() as peer:
        brought = peer.call(run_client(host, server.port, configuration(pki, client=True), theirs.path.read_bytes()), PATIENCE)
    report = server.end()
    assert (report.handshake.alpn, brought.alpn) == (ALPN, ALPN)
    assert (report.received.bytes, report.received.sha256) == (theirs.size, theirs.sha256)
    assert (brought.received, brought.sha256) == (ours.size, ours.sha256)


def test_our_client(pki: Pki, ours: Content, theirs: Content, tmp_path: Path) -> None:
    exchange_as_client(V4, pki, ours, theirs, tmp_path)


def test_our_client_v6(pki: Pki, small: Content, small_theirs: Content, tmp_path: Path) -> None:
    exchange_as_client(V6, pki, small, small_theirs, tmp_path)


def test_our_server(pki: Pki, ours: Content, theirs: Content, tmp_path: Path) -> None:
    exchange_as_server(V4, pki, ours, theirs, tmp_path)


def test_our_server_v6(pki: Pki, small: Content, small_theirs: Content, tmp_path: Path) -> None:
    exchange_as_server(V6, pki, small, small_theirs, tmp_path)


def test_our_client_trusts_not_anybody(pki: Pki, ours: Content, theirs: Content, tmp_path: Path) -> None:
    with stranger() as peer:
        outcome, connect = connect_to(
            peer, V4, configuration(pki, client=False), b"", options(pki, ours, tmp_path, ca=pki.stranger_ca)
        )
        with pytest.raises(errors.CertificateNotTrusted):
            connect()
        with pytest.raises(Failed, match="0x130"):  # unknown_ca, bad_certificate: the alert reaches the stranger
            outcome.result(PATIENCE)


def test_their_client_trusts_not_anybody(pki: Pki, ours: Content, tmp_path: Path) -> None:
    server = serving(V4, options(pki, ours, tmp_path, server=True))
    with stranger() as peer, pytest.raises(ConnectionError):
        peer.call(run_client(V4, server.port, configuration(pki, client=True, ca=pki.stranger_ca), b""), PATIENCE)
    with pytest.raises(errors.PeerRefused):
        server.end()
