# SPDX-License-Identifier: GPL-2.0-or-later
"""A client moves between addresses of its namespace while data flows both ways, and leaves no trace that links them."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import pytest
from conftest import Pki, content
from tap import tap
from test_loss import move, same
from wire import Wire, ip

from quicctl import transfer

SIZE = 2 << 20
PORT = 45000
SECOND = {"v4": "10.0.0.3", "v6": "fd00::3"}


class Mover(transfer.Flow):
    """A client's flow that moves its socket once data flows."""

    goal = ("", 0)
    at = ("", 0)

    def run_client(self) -> None:
        over = threading.Event()

        def go() -> None:
            while not over.wait(0.05):
                if self._sock.local[0] == self.goal[0]:
                    return
                with contextlib.suppress(BlockingIOError):
                    self._sock.migrate(self.goal)

        mover = threading.Thread(target=go, daemon=True)
        mover.start()
        super().run_client()
        over.set()
        mover.join(30)
        Mover.at = self._sock.local


@pytest.mark.rfc("RFC 9000, section 9.2")
@pytest.mark.parametrize("family", ("v4", "v6"))
def test_client_moves(family: str, link: Wire, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9000, sections 9.5 #1 and 9.7 #1: neither connection ID nor flow label goes along."""
    second = SECOND[family]
    words = ("/24",) if family == "v4" else ("/64", "nodad", "preferred_lft", "0")  # not the one to begin with
    ip("-n", link.near.name, "addr", "add", second + words[0], "dev", "near", *words[1:])
    link.near.impair("delay", "5ms", "rate", "40mbit")
    link.far.impair("delay", "5ms", "rate", "40mbit")
    Mover.goal = (second, PORT)
    monkeypatch.setattr(transfer, "Flow", Mover)
    near, far = content(tmp_path, "near", SIZE), content(tmp_path, "far", SIZE)
    with tap(link.far) as seen:
        client, server = move(link, family, pki, near, far, tmp_path)
    same(client, server, near, far)
    assert Mover.at[:2] == Mover.goal
    first, then = (
        {(s.label, s.dcid) for s in seen.of(outgoing=False) if s.source == source}
        for source in (link.near.address(family), second)
    )
    assert first and then
    assert not {dcid for _, dcid in first} & {dcid for _, dcid in then}
    if family == "v6":
        assert not {label for label, _ in first} & {label for label, _ in then}
