# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl trace`` over a wire: what the counters and the wire know is in the files of both ends, as the drafts have it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import SLOW, Pki, content
from test_counters import settled
from test_loss import move, same
from test_migration import PORT, SECOND, Mover
from wire import Wire, ip

from quicctl import handshake, trace, tracefs, transfer

sys.path.append(str(Path(__file__).parents[1] / "quicctl"))

INSTANCES = Path("/sys/kernel/tracing/instances")
SIZE = 200_000

Records = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def _tracer() -> None:
    if not (INSTANCES.parent / "events" / "quic").is_dir():
        pytest.skip("the kernel has no tracepoints, or tracefs is not mounted")


@contextmanager
def tracing(folder: Path, namespace: str | None = None) -> Iterator[Callable[[], trace.Summary]]:
    """Everything, or what is in a namespace, is traced until the summary is asked for."""
    over, begun = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(
            trace.trace, folder, namespace=namespace, stopped=over.is_set, on_progress=lambda _: begun.set()
        )
        try:
            assert begun.wait(20 * SLOW), "the trace does not begin"

            def end() -> trace.Summary:
                over.set()
                return future.result(120 * SLOW)

            yield end
        finally:
            over.set()


def read(path: Path) -> Records:
    return [json.loads(record) for record in path.read_bytes().split(b"\x1e")[1:]]


def by_role(summary: trace.Summary) -> dict[str, tuple[trace.TraceFile, Records]]:
    # An earlier test's connection may still be draining.
    found = {file.role: (file, read(file.path)) for file in summary.files if file.conn and file.role != "unknown"}
    assert set(found) == {"client", "server"} and summary.lost == 0
    return found


def valid(summary: trace.Summary) -> None:
    """By the CDDL of the drafts; and time goes forward."""
    pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    from cddl import QlogSchema

    schema = QlogSchema()
    for file in summary.files:
        header, *events = read(file.path)
        assert schema.header(header) == []
        wrong = {problem for event in events for problem in schema.event(event)}
        assert not wrong, "\n".join(sorted(wrong)[:5])
        times = [event["time"] for event in events]
        assert times == sorted(times)


def named(records: Records, name: str) -> Records:
    return [record["data"] for record in records[1:] if record["name"] == f"quic:{name}"]


def numbers(packets: Records) -> set[tuple[str, int]]:
    return {(data["header"]["packet_type"], data["header"]["packet_number"]) for data in packets}


def timers_of(records: Records) -> set[tuple[str, str]]:
    return {(data["timer_type"], data["event_type"]) for data in named(records, "timer_updated")}


def test_a_transfer_that_loses_packets(link: Wire, pki: Pki, tmp_path: Path) -> None:
    near, far = content(tmp_path, "near", SIZE), content(tmp_path, "far", SIZE)
    link.near.impair("delay", "5ms", "loss", "8%")
    with tracing(tmp_path / "qlog") as end:
        client, server = move(link, "v4", pki, near, far, tmp_path)
        same(client, server, near, far)
        counted = dict(zip(("client", "server"), settled(link), strict=False))
        summary = end()
    assert not list(INSTANCES.glob("quicctl-*"))
    valid(summary)
    ends = by_role(summary)
    for role, (file, records) in ends.items():
        snmp = counted[role]
        sent, received = named(records, "packet_sent"), named(records, "packet_received")
        # The counter leaves out what shares a datagram with the handshake, and probes of the MTU.
        data_packets = sum(data["header"]["packet_type"] == "1RTT" for data in sent)
        assert 0 <= data_packets - snmp["QuicPktEncFastpaths"] <= 4
        assert len(sent) == file.packets_sent
        assert sum(data["count"] for data in named(records, "udp_datagrams_sent")) == snmp["QuicUdpOutDatagrams"]
        assert len(numbers(sent)) == len(sent) and len(numbers(received)) == len(received)
        assert all(data["frames"] for data in sent) and all(data["frames"] for data in received)
        assert sum(data["raw"]["length"] for data in sent) == sum(
            raw["length"] for data in named(records, "udp_datagrams_sent") for raw in data["raw"]
        ), "packets fill their datagrams"

        peer_records = ends["server" if role == "client" else "client"][1]
        assert numbers(received) <= numbers(named(peer_records, "packet_sent"))
        acked = {pn for data in named(records, "packets_acked") for pn in data["packet_numbers"]
                 if data["packet_number_space"] == "application_data"}  # fmt: skip
        arrived = {pn for kind, pn in numbers(named(peer_records, "packet_received")) if kind == "1RTT"}
        assert acked and acked <= arrived, "only what arrived is acknowledged"
        assert named(records, "alpn_information")[-1] == {"chosen_alpn": {"string_value": "sample"}}
        assert [data["new"] for data in named(records, "ecn_state_updated")][::2] in (["testing"], ["testing", "capable"])
        timers = timers_of(records)
        assert {("idle_timeout", "set"), ("pto", "set"), ("pto", "cancelled")} <= timers
        assert all(data["delta"] <= 60_000 for data in named(records, "timer_updated") if "delta" in data), "milliseconds"
    assert ("loss_timeout", "set") in timers_of(ends["client"][1]) or ("pto", "expired") in timers_of(ends["client"][1])
    lost = numbers(named(ends["client"][1], "packet_lost"))
    assert lost and lost <= numbers(named(ends["client"][1], "packet_sent"))
    assert named(ends["client"][1], "marked_for_retransmit")


def test_a_handshake_with_retry(link: Wire, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = handshake.serve

    def serve(address: Any, options: handshake.Options, **words: Any) -> Any:
        from dataclasses import replace

        return plain(address, replace(options, retry=True), **words)

    monkeypatch.setattr(handshake, "serve", serve)
    near, far = content(tmp_path, "near", 2000), content(tmp_path, "far", 2000)
    link.near.impair("delay", "5ms")
    with tracing(tmp_path / "qlog") as end:
        same(*move(link, "v6", pki, near, far, tmp_path), near, far)
        settled(link)
        summary = end()
    valid(summary)
    ends = by_role(summary)
    first = [data for data in named(ends["client"][1], "packet_sent") if data["header"]["packet_type"] == "initial"]
    hellos = [data for data in first if any(frame["frame_type"] == "crypto" for frame in data["frames"])]
    assert len(hellos) >= 2, "the ClientHello is sent again after Retry"
    # A slow client says hello twice, and is told so twice; it heeds the first that comes.
    sent = named(read(tmp_path / "qlog" / "no-connection.sqlog"), "packet_sent")
    came, *_ = (data for data in named(ends["client"][1], "packet_received") if data["header"]["packet_type"] == "retry")
    assert came in sent
    switched = [data for data in named(ends["client"][1], "connection_id_updated") if data["initiator"] == "local"]
    assert switched[0]["new"] == came["header"]["scid"], "what the server chose is where the second hello goes"
    states = [data["new"] for data in named(ends["client"][1], "connection_state_updated")]
    assert states[:3] == ["attempted", "handshake_complete", "handshake_confirmed"]


def test_a_migration(link: Wire, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ip("-n", link.near.name, "addr", "add", SECOND["v4"] + "/24", "dev", "near")
    for wire_end in (link.near, link.far):
        wire_end.impair("delay", "5ms", "rate", "10mbit")
    Mover.goal = (SECOND["v4"], PORT)
    monkeypatch.setattr(transfer, "Flow", Mover)
    near, far = content(tmp_path, "near", 400_000), content(tmp_path, "far", 400_000)
    with tracing(tmp_path / "qlog") as end:
        same(*move(link, "v4", pki, near, far, tmp_path), near, far)
        settled(link)
        summary = end()
    valid(summary)
    for role, (_, records) in by_role(summary).items():
        frames = Counter(frame["frame_type"] for data in named(records, "packet_sent") for frame in data["frames"])
        assert frames["path_challenge"] and frames["path_response"], f"{role}: {frames}"
        states = [data["new"] for data in named(records, "migration_state_updated")]
        assert {"probing_started", "probing_successful", "migration_started", "migration_complete"} <= set(states)
        assert states.index("migration_started") < states.index("migration_complete")
        (new,) = named(records, "tuple_assigned")
        moved = new["tuple_local" if role == "client" else "tuple_remote"]
        assert (moved["ip_v4"], moved["port_v4"]) == (SECOND["v4"], PORT)
        ids = Counter(data["initiator"] for data in named(records, "connection_id_updated"))
        assert ids["local"] and ids["remote"], f"a new path has new IDs both ways: {ids}"
        paths = {record.get("tuple", "") for record in records[1:] if record["name"] == "quic:packet_sent"}
        assert len(paths) > 1, f"{role}: packets of two paths"


def test_a_version_that_nobody_speaks(link: Wire, tmp_path: Path) -> None:
    """The server's answer is told, with the versions that it names. RFC 9000, section 6.1."""
    script = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 261); s.bind(('127.0.0.1', 0)); s.listen(1);"
        "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
        "u.sendto(bytes.fromhex('c00a0a0a0a04010203040411121314') + bytes(1200), s.getsockname()); print(u.recv(2000).hex())"
    )
    argv = [sys.executable, "-m", "quicctl", "trace", "--out", str(tmp_path), "--json", "--", sys.executable, "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120 * SLOW)
    assert done.returncode == 0, done.stderr
    (told,) = named(read(tmp_path / "no-connection.sqlog"), "packet_sent")
    assert told["header"] == {
        "packet_type": "version_negotiation", "version": "00000000", "scil": 4, "scid": "01020304", "dcil": 4,
        "dcid": "11121314",
    }  # fmt: skip
    answer = done.stdout.splitlines()[0]
    assert "".join(told["supported_versions"]) == answer[30:] and told["raw"]["length"] == len(answer) // 2
    assert {"00000001", "6b3343cf"} <= set(told["supported_versions"])


def test_one_namespace_alone(link: Wire, pki: Pki, tmp_path: Path) -> None:
    near, far = content(tmp_path, "near", 2000), content(tmp_path, "far", 2000)
    with tracing(tmp_path / "qlog", link.near.name) as end:
        same(*move(link, "v4", pki, near, far, tmp_path), near, far)
        summary = end()
    valid(summary)
    assert [file.role for file in summary.files] == ["client"]


def test_the_command_traces_a_command(link: Wire, tmp_path: Path) -> None:
    """Its exit code is ours; what belongs to no connection has a file; nothing is left in the tracer."""
    stray = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 261); s.bind(('127.0.0.1', 0)); s.listen(1);"
        "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.sendto(b'@' + bytes(60), s.getsockname());"
        "import time; time.sleep(.2); raise SystemExit(7)"
    )
    argv = [sys.executable, "-m", "quicctl", "trace", "--out", str(tmp_path), "--json", "--", sys.executable, "-c", stray]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120 * SLOW)
    assert done.returncode == 7, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["status"], summary["connections"]) == (7, 0)
    (drop,) = named(read(tmp_path / "no-connection.sqlog"), "packet_dropped")
    assert drop["trigger"] == "connection_unknown" and drop["details"] == {"reason": "no_connection"}
    assert not list(INSTANCES.glob("quicctl-*"))


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))
def test_a_signal_ends_it_and_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "quicctl", "trace", "--out", str(tmp_path), "--json"]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    try:
        deadline = time.monotonic() + 60 * SLOW
        while not list(INSTANCES.glob("quicctl-*/events/quic/enable")) or not tmp_path.is_dir():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        folder = next(INSTANCES.glob("quicctl-*"))
        while (folder / "events/quic/enable").read_text().strip() != "1":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        child.send_signal(number)
        out, _ = child.communicate(timeout=60 * SLOW)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 0 and json.loads(out)["connections"] == 0
    assert not list(INSTANCES.glob("quicctl-*"))


def test_rings_that_are_too_small_are_told(link: Wire, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that does not come around: events are lost, counted, and the files stay good."""
    near, far = content(tmp_path, "near", 1 << 20), content(tmp_path, "far", 1 << 20)
    over = threading.Event()
    opened = tracefs.open_instance
    monkeypatch.setattr(tracefs, "open_instance", lambda **given: opened(**{**given, "buffer_kb": 64}))

    def blocked() -> bool:
        return over.is_set()

    def progress(_: trace.Progress) -> None:
        over.wait(60 * SLOW)

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(trace.trace, tmp_path / "qlog", stopped=blocked, on_progress=progress)
        time.sleep(1)
        try:
            same(*move(link, "v4", pki, near, far, tmp_path), near, far)
        finally:
            over.set()
        summary = future.result(120 * SLOW)
    assert summary.lost > 0
    from cddl import QlogSchema

    schema = QlogSchema()
    files = [file for file in summary.files if file.conn]
    assert files
    for file in files:
        header, *events = read(file.path)
        assert schema.header(header) == []
        assert [problem for event in events for problem in schema.event(event)] == []
