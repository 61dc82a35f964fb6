# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections whose addresses change while data moves: translators that forget, and our client that moves on purpose."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from conftest import SIZE, Content, Pki

aioquic = pytest.importorskip("aioquic", reason="aioquic is not installed")

from aio_peer import Failed, run_client, run_server, stranger  # noqa: E402
from test_aioquic import PATIENCE, V4, configuration, options, serving  # noqa: E402
from translator import Translator, translator  # noqa: E402

from quicctl import endpoint, errors, handshake, transfer, uapi  # noqa: E402
from quicctl.endpoint import Address  # noqa: E402


@contextmanager
def every(seconds: float, act: Callable[[int], bool]) -> Iterator[list[int]]:
    """Do something again and again as long as the block runs; the list grows by one each time that it was done."""
    over = threading.Event()
    done: list[int] = []

    def run() -> None:
        while not over.wait(seconds):
            if act(len(done)):
                done.append(len(done))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join(30)


def forget(nat: Translator) -> Callable[[int], bool]:
    """Another port, then another host, and so on, each time when some more data has passed."""

    def act(n: int) -> bool:
        if nat.forwarded < min(500, SIZE >> 13):
            return False
        nat.rebind("127.0.0.1" if n % 2 == 0 else "127.0.0.2")
        return True

    return act


@pytest.mark.rfc("RFC 9000, section 9.3")
def test_our_server_follows_a_translator(pki: Pki, ours: Content, theirs: Content, tmp_path: Path) -> None:
    server = serving(V4, options(pki, ours, tmp_path, server=True))
    with translator(server.port) as nat, stranger() as peer, every(0.05, forget(nat)) as times:
        brought = peer.call(run_client(V4, nat.port, configuration(pki, client=True), theirs.path.read_bytes()), PATIENCE)
    report = server.end()
    assert times, "nothing was forgotten while data moved"
    assert (report.received.bytes, report.received.sha256) == (theirs.size, theirs.sha256)
    assert (brought.received, brought.sha256) == (ours.size, ours.sha256)


@pytest.mark.rfc("RFC 9000, section 8.2.2")
def test_our_client_behind_a_translator(pki: Pki, ours: Content, theirs: Content, tmp_path: Path) -> None:
    """The stranger asks whether we are still there, and goes on only when we answer.

    Nobody can reach an end that was moved and only listens: it has to say something now and then.
    """
    given = replace(options(pki, ours, tmp_path), keepalive=1.5)
    listening: queue.Queue[int] = queue.Queue()
    with stranger() as peer:
        outcome = peer.start(run_server(V4, configuration(pki, client=False), theirs.path.read_bytes(), listening.put))
        with translator(listening.get(timeout=PATIENCE)) as nat, every(0.05, forget(nat)) as times:
            report = handshake.connect((V4, nat.port), given, hostname="localhost")
            brought = outcome.result(PATIENCE)
    assert times, "nothing was forgotten while data moved"
    assert (report.received.bytes, report.received.sha256) == (theirs.size, theirs.sha256)
    assert (brought.received, brought.sha256) == (ours.size, ours.sha256)


class Mover(transfer.Flow):
    """A client's flow whose socket moves to another address again and again."""

    moves: ClassVar[list[Address]] = []

    def run_client(self) -> None:
        def move(n: int) -> bool:
            with contextlib.suppress(BlockingIOError):  # the one before is not over yet
                self._sock.migrate((f"127.0.0.{1 + n % 3}", 40000 + os.getpid() % 10000 + n))
                return True
            return False

        with every(0.05, move):  # as soon as there is data, however fast it is gone
            super().run_client()
        self.moves.append(self._sock.local)


@pytest.mark.rfc("RFC 9000, section 9.2")
def test_our_client_moves(pki: Pki, ours: Content, theirs: Content, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stranger follows our client from address to address."""
    monkeypatch.setattr(transfer, "Flow", Mover)
    listening: queue.Queue[int] = queue.Queue()
    with stranger() as peer:
        outcome = peer.start(run_server(V4, configuration(pki, client=False), theirs.path.read_bytes(), listening.put))
        where = (V4, listening.get(timeout=PATIENCE))
        report = handshake.connect(where, options(pki, ours, tmp_path), hostname="localhost")
        brought = outcome.result(PATIENCE)
    assert (report.received.bytes, report.received.sha256) == (theirs.size, theirs.sha256)
    assert (brought.received, brought.sha256) == (ours.size, ours.sha256)
    assert Mover.moves and endpoint.shown(Mover.moves[-1]) != report.local, "it has not moved"


@pytest.mark.rfc("RFC 9000, section 5.1.2")
def test_their_client_changes_connection_ids(pki: Pki, small: Content, small_theirs: Content, tmp_path: Path) -> None:
    """Ours follows with another one of its own, and gives more."""
    server = serving(V4, options(pki, small, tmp_path, server=True))
    with stranger() as peer:
        client = run_client(V4, server.port, configuration(pki, client=True), small_theirs.path.read_bytes(), changes=20)
        brought = peer.call(client, PATIENCE)
    report = server.end()
    assert (report.received.bytes, report.received.sha256) == (small_theirs.size, small_theirs.sha256)
    assert (brought.received, brought.sha256) == (small.size, small.sha256)


@pytest.mark.rfc("RFC 9000, section 9 #3")
def test_server_that_forbids_moving_does_not_follow(pki: Pki, ours: Content, theirs: Content, tmp_path: Path) -> None:
    """It said so, and drops what comes from elsewhere."""
    given = replace(
        options(pki, ours, tmp_path, server=True),
        params=uapi.TransportParams(disable_active_migration=1, max_idle_timeout=3_000_000),
    )
    server = serving(V4, given)
    with (
        translator(server.port) as nat,
        stranger() as peer,
        every(0.05, forget(nat)) as times,
        pytest.raises((Failed, ConnectionError)),
    ):
        peer.call(run_client(V4, nat.port, configuration(pki, client=True), theirs.path.read_bytes()), PATIENCE)
    assert times, "nothing was forgotten while data moved"
    with pytest.raises(errors.QuicctlError):
        server.end()
