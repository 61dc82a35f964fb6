# SPDX-License-Identifier: GPL-2.0-or-later
"""A wire that loses, reorders and repeats packets: all that is sent arrives, once and in order, both ways at the same time."""

from __future__ import annotations

import os
import queue
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import SLOW, Content, Pki, content
from wire import Wire

from quicctl import handshake, uapi
from quicctl.handshake import Identity, Options, Report

SIZE = int(os.environ.get("QUIC_NETNS_BYTES", str(16 << 20)))
PATIENCE = 220 * SLOW
BAD = ("delay", "2ms", "loss", "5%", "reorder", "20%", "duplicate", "1%")


def move(
    link: Wire,
    family: str,
    pki: Pki,
    near: Content,
    far: Content,
    folder: Path,
    congestion: uapi.Congestion | None = None,
    patience: float = 60,
) -> tuple[Report, Report]:
    """A server at the far end, a client at the near one; each sends its content while it receives the other's."""
    listening: queue.Queue[int] = queue.Queue()
    shared = Options(
        alpn="sample",
        congestion=congestion,
        params=uapi.TransportParams(max_idle_timeout=int(patience * 1e6)),
        timeout=patience * SLOW,
    )
    serves = replace(shared, identity=Identity(cert=pki.cert, key=pki.key), send=far.path, receive=folder / "at-far")
    asks = replace(shared, identity=Identity(ca=pki.ca), send=near.path, receive=folder / "at-near")
    host = link.far.address(family)
    served = link.far.start(lambda: handshake.serve((host, 0), serves, on_listening=lambda where: listening.put(where[1])))
    try:
        port = listening.get(timeout=20 * SLOW)
    except queue.Empty:
        served.result(0)
        raise
    asked = link.near.start(lambda: handshake.connect((host, port), asks))
    return asked.result(PATIENCE), served.result(PATIENCE)[0]


def same(client: Report, server: Report, near: Content, far: Content) -> None:
    assert client.handshake.verify == "ok"
    assert (server.received.bytes, server.received.sha256) == (near.size, near.sha256)
    assert (client.received.bytes, client.received.sha256) == (far.size, far.sha256)


@pytest.mark.rfc("RFC 9002, section 6")
@pytest.mark.parametrize("family", ("v4", "v6"))
def test_datagrams(family: str, link: Wire, pki: Pki, tmp_path: Path) -> None:
    near, far = content(tmp_path, "near", SIZE), content(tmp_path, "far", SIZE)
    link.near.impair(*BAD)
    link.far.impair(*BAD)
    client, server = move(link, family, pki, near, far, tmp_path)
    same(client, server, near, far)
    assert link.near.dropped() > SIZE // 1500 // 50, "the wire was not as bad as it should be"


@pytest.mark.parametrize("congestion", (uapi.Congestion.CUBIC, uapi.Congestion.BBR))
def test_bursts(congestion: uapi.Congestion, link: Wire, pki: Pki, tmp_path: Path) -> None:
    """Whole bursts are lost, overtaken and repeated."""
    near, far = content(tmp_path, "near", SIZE // 16), content(tmp_path, "far", SIZE // 16)
    link.near.impair(*BAD, bursts=True)
    link.far.impair(*BAD, bursts=True)
    client, server = move(link, "v4", pki, near, far, tmp_path, congestion)
    same(client, server, near, far)


def test_heavy_loss(link: Wire, pki: Pki, tmp_path: Path) -> None:
    """A third of all packets is lost, those of the handshake too.

    Probes back off to a minute where the round trip is a tenth of a second, so the ends wait longer than usual.
    """
    near, far = content(tmp_path, "near", 64 << 10), content(tmp_path, "far", 64 << 10)
    link.near.impair("delay", "1ms", "loss", "30%")
    link.far.impair("delay", "1ms", "loss", "30%")
    client, server = move(link, "v4", pki, near, far, tmp_path, patience=180)
    same(client, server, near, far)
