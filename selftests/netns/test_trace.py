# SPDX-License-Identifier: GPL-2.0-or-later
"""The tracepoints tell of a transfer over a bad wire what the two ends know of it."""

from __future__ import annotations

import contextlib
import re
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Pki, content
from test_loss import move, same
from wire import Wire

from quicctl import uapi

TRACEFS = Path("/sys/kernel/tracing")
SIZE = 200_000


class Trace:
    """An instance of the tracer with all events of ours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "buffer_size_kb").write_text("8192")
        (folder / "events" / "quic" / "enable").write_text("1")

    def stop(self) -> None:
        (self.folder / "events" / "quic" / "enable").write_text("0")

    def events(self) -> list[tuple[str, dict[str, str]]]:
        """Name and fields of each event, in order."""
        found = []
        for line in (self.folder / "trace").read_text().splitlines():
            if match := re.search(r": (quic_\w+): (.*)$", line):
                fields = dict(re.findall(r'(\w+)=("[^"]*"|\{[^}]*\}|\S*)', match[2]))
                found.append((match[1], fields))
        return found


@pytest.fixture
def trace() -> Iterator[Trace]:
    """The kernel's tracer, listening to QUIC alone."""
    if not (TRACEFS / "events" / "quic").is_dir():
        pytest.skip("the kernel has no tracepoints, or tracefs is not mounted")
    folder = TRACEFS / "instances" / "quic-selftest"
    folder.mkdir()
    made = Trace(folder)
    try:
        yield made
    finally:
        made.stop()
        with contextlib.suppress(OSError):
            folder.rmdir()


def test_a_transfer_is_told(link: Wire, pki: Pki, tmp_path: Path, trace: Trace) -> None:
    """Each end's packets, frames, losses, keys, streams, measurements and states, under one number for each connection."""
    near, far = content(tmp_path, "near", SIZE), content(tmp_path, "far", SIZE)
    link.near.impair("delay", "5ms", "loss", "3%")
    client, server = move(link, "v4", pki, near, far, tmp_path)
    same(client, server, near, far)
    trace.stop()
    events = trace.events()

    by_role = {f["role"]: f for name, f in events if name == "quic_connection_started"}
    assert set(by_role) == {"client", "server"}
    assert by_role["client"]["odcid"] == by_role["server"]["odcid"] != ""
    assert by_role["client"]["peer"] == by_role["server"]["local"]
    assert by_role["client"]["local"] == by_role["server"]["peer"]
    assert by_role["client"]["version"] == "0x00000001"

    for role, started in by_role.items():
        mine = [(name, f) for name, f in events if f["conn"] == started["conn"]]
        seen = Counter(name for name, _ in mine)
        states = [f["new"] for name, f in mine if name == "quic_connection_state"]
        assert states[:2] == ["handshake", "established"] and states[2] in ("closing", "draining")
        assert seen["quic_handshake_confirmed"] == 1
        assert {f["owner"] for name, f in mine if name == "quic_parameters"} == {"local", "remote"}
        assert seen["quic_connection_closed"] == 1

        keys = {(f["level"], f["direction"]) for name, f in mine if name == "quic_key_updated"}
        assert keys == {(level, way) for level in ("initial", "handshake", "1rtt") for way in ("send", "receive")}
        gone = {f["level"] for name, f in mine if name == "quic_key_discarded"}
        assert gone == {"initial", "handshake"}

        metrics = [f for name, f in mine if name == "quic_recovery_metrics"]
        assert max(int(f["smoothed_rtt"]) for f in metrics) >= 5_000_000
        assert all(int(f["congestion_window"]) >= 2 * int(f["mss"]) - 100 for f in metrics)

        for way, packets in (("sent", "quic_packet_sent"), ("received", "quic_packet_received")):
            numbers = Counter((f["level"], f["pn"]) for name, f in mine if name == packets)
            frames = {(f["level"], f["pn"]) for name, f in mine if name == f"quic_frame_{way}"}
            assert numbers and set(numbers.values()) == {1}
            assert set(numbers) <= frames, f"{role}: packets {way} without frames"
        acks = [f for name, f in mine if name == "quic_frame_received" and f["type"] in ("0x2", "0x3")]
        assert acks and all(f["ranges"] != "{}" for f in acks)
        assert seen["quic_datagrams_sent"] and seen["quic_datagrams_received"]
        assert "data_received" in {f["state"] for name, f in mine if name == "quic_stream_state"}

    lost = {f["pn"] for name, f in events if name == "quic_packet_lost" and f["conn"] == by_role["client"]["conn"]}
    assert lost, "the wire lost packets, and nobody told"


def test_a_stray_packet_is_told(link: Wire, trace: Trace) -> None:
    """A datagram for no connection is dropped with its reason, under number 0."""

    def listen() -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, uapi.IPPROTO_QUIC)
        sock.bind((link.far.address("v4"), 0))
        sock.listen(1)
        return sock

    with link.far.start(listen).result(10) as listener:
        where = listener.getsockname()

        def stray() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"\x40" + bytes(60), where)

        link.near.start(stray).result(10)
        trace.stop()
    drops = [f for name, f in trace.events() if name == "quic_packet_dropped"]
    assert ("0", "no_connection") in {(f["conn"], f["reason"]) for f in drops}
