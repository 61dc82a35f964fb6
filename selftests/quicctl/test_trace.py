# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl trace`` without a kernel: text that a guest's tracer printed, made into qlog and judged by the drafts' own CDDL."""

from __future__ import annotations

import gzip
import json
import os
import re
import stat
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from cddl import QlogSchema
from conftest import Cli
from test_cli import refused

from quicctl import errors, qlog, qlog_frames, trace, tracefs, tracepoints
from quicctl.conns import Conn, State
from quicctl.tracepoints import Lost, Order, Record

ROOT = Path(__file__).parents[2]
RECORDED = Path(__file__).parent / "recorded" / "transfer.trace.gz"
"""Both ends of a transfer over a wire that loses packets, as trace_pipe printed it."""


def read(path: Path) -> list[dict[str, Any]]:
    """The records of a file, as RFC 7464 frames them."""
    first, *records = path.read_bytes().split(b"\x1e")
    assert first == b"" and all(record.endswith(b"\n") for record in records)
    return [json.loads(record) for record in records]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "trace.txt"
    path.write_bytes(gzip.decompress(RECORDED.read_bytes()))
    return path


@pytest.fixture(scope="module")
def converted(text: Path, tmp_path_factory: pytest.TempPathFactory) -> trace.Summary:
    return trace.convert(text, tmp_path_factory.mktemp("qlog"))


@pytest.fixture(scope="module")
def schema() -> QlogSchema:
    return QlogSchema()


def of(summary: trace.Summary, role: str) -> list[dict[str, Any]]:
    (file,) = (file for file in summary.files if file.role == role and file.conn)
    return read(file.path)


def test_there_is_a_file_for_each_end(converted: trace.Summary) -> None:
    assert converted.connections == 2 and converted.lost == 0
    assert sorted(file.role for file in converted.files) == ["client", "server"]
    assert len({file.path.name.split("-")[0] for file in converted.files}) == 1, "the original connection ID is the same"
    for file in converted.files:
        names = Counter(record["name"] for record in read(file.path)[1:])
        assert sum(names.values()) == file.events
        assert names["quic:packet_sent"] == file.packets_sent > 20
        assert names["quic:packet_received"] == file.packets_received > 20


def test_all_is_as_the_schema_has_it(converted: trace.Summary, schema: QlogSchema) -> None:
    for file in converted.files:
        header, *events = read(file.path)
        assert schema.header(header) == []
        assert header["trace"]["vantage_point"]["type"] == file.role
        wrong = {problem for event in events for problem in schema.event(event)}
        assert not wrong, "\n".join(sorted(wrong)[:10])


@pytest.mark.parametrize(
    "data",
    [
        {"header": {"packet_type": "bogus"}},
        {"header": {"packet_type": "1RTT", "dcid": "00f"}},
        {"header": {"packet_type": "1RTT", "packet_number": -3}},
        {"header": {"packet_type": "1RTT", "packet_number": 1 << 64}},
        {"header": {"packet_type": "1RTT", "packet_number_length": 256}},
        {"header": {"packet_type": "1RTT", "unheard": 1}},
        {"header": {"packet_type": "1RTT"}, "unheard": 1},
        {"header": {"packet_type": "1RTT"}, "frames": [{"frame_type": "bogus"}]},
        {"header": {"packet_type": "1RTT"}, "frames": [{"frame_type": "max_data"}]},
        {"header": {"packet_type": "1RTT"}, "frames": [{"frame_type": "ack", "acked_ranges": [[1, 2, 3]]}]},
        {},
    ],
)
def test_the_schema_refuses(data: dict[str, Any], schema: QlogSchema) -> None:
    good = {"header": {"packet_type": "1RTT", "packet_number": 300}, "frames": [{"frame_type": "ping"}]}
    assert schema.event({"time": 1.0, "name": "quic:packet_sent", "data": good}) == []
    assert schema.event({"time": 1.0, "name": "quic:packet_sent", "data": data}) != []
    assert schema.event({"time": 1.0, "name": "quic:unheard_of", "data": good}) != []


def test_times_never_go_back(converted: trace.Summary) -> None:
    for file in converted.files:
        times = [event["time"] for event in read(file.path)[1:]]
        assert times == sorted(times) and times[0] >= 0


@pytest.mark.parametrize("role", ("client", "server"))
def test_packets_have_the_frames_they_carried(role: str, converted: trace.Summary, text: Path) -> None:
    """Counted in the text by other means."""
    events = of(converted, role)[1:]
    conn = next(str(file.conn) for file in converted.files if file.role == role)
    for way in ("sent", "received"):
        packets = [event["data"] for event in events if event["name"] == f"quic:packet_{way}"]
        headers = [(data["header"], len(data["frames"])) for data in packets]
        told = Counter((head["packet_type"].lower(), str(head["packet_number"]), count) for head, count in headers)
        lines = re.findall(rf"quic_frame_{way}: conn={conn} level=(\w+) pn=(\d+)", text.read_text())
        kernel = Counter((level, pn, count) for (level, pn), count in Counter(lines).items())
        assert told == kernel


def test_acknowledged_packets_were_sent_and_are_told_once(converted: trace.Summary) -> None:
    for role in ("client", "server"):
        sent: set[tuple[str, int]] = set()
        acked: set[tuple[str, int]] = set()
        for event in of(converted, role)[1:]:
            data = event["data"]
            if event["name"] == "quic:packet_sent":
                kind = data["header"]["packet_type"]
                sent.add(("application_data" if kind == "1RTT" else kind, data["header"]["packet_number"]))
            if event["name"] == "quic:packets_acked":
                news = {(data["packet_number_space"], pn) for pn in data["packet_numbers"]}
                assert news <= sent and not news & acked
                acked |= news
        assert acked


def test_what_is_lost_is_marked_with_its_frames(converted: trace.Summary) -> None:
    events = of(converted, "client")[1:]
    lost = [event["data"] for event in events if event["name"] == "quic:packet_lost"]
    assert lost and all(data["trigger"] in ("reordering_threshold", "time_threshold") for data in lost)
    marked = [event["data"] for event in events if event["name"] == "quic:marked_for_retransmit"]
    assert marked and all(frame["frame_type"] != "ack" for data in marked for frame in data["frames"])


def test_measurements_are_in_the_units_of_qlog(converted: trace.Summary) -> None:
    metrics = [e["data"] for e in of(converted, "client")[1:] if e["name"] == "quic:recovery_metrics_updated"]
    rtts = [data["smoothed_rtt"] for data in metrics if "smoothed_rtt" in data]
    assert 5 <= min(rtts) < 400, "milliseconds: the wire takes five"
    assert all(data.get("ssthresh", 0) < 1 << 32 for data in metrics), "what is not known is left out"
    parameters = [e["data"] for e in of(converted, "client")[1:] if e["name"] == "quic:parameters_set"]
    assert {data["initiator"] for data in parameters} == {"local", "remote"}
    assert all(data["max_idle_timeout"] == 60_000 for data in parameters)


def test_qvis_finds_what_it_asks_for(text: Path, tmp_path: Path) -> None:
    """Its loader wants these two in the first record, and its diagrams these names and fields."""
    summary = trace.convert(text, tmp_path, for_qvis=True)
    for file in summary.files:
        header, *events = read(file.path)
        assert (header["qlog_version"], header["qlog_format"]) == ("draft-02", "JSON-SEQ")
        assert header["trace"]["common_fields"]["time_format"] == "relative"
        assert isinstance(header["trace"]["common_fields"]["reference_time"], float)
        names = {event["name"] for event in events}
        assert {"transport:packet_sent", "transport:packet_received", "recovery:metrics_updated"} <= names
        assert not any(name.startswith("quic:") for name in names)
        frames = [f for e in events if e["name"] == "transport:packet_sent" for f in e["data"]["frames"]]
        assert all("length" in frame for frame in frames if frame["frame_type"] in ("stream", "crypto"))


def test_one_connection_alone(text: Path, converted: trace.Summary, tmp_path: Path) -> None:
    wanted = converted.files[0].conn
    assert [file.conn for file in trace.convert(text, tmp_path, conn=wanted).files] == [wanted]


def test_lost_events_are_told(text: Path, tmp_path: Path, schema: QlogSchema) -> None:
    lines = text.read_text().splitlines(keepends=True)
    cut = tmp_path / "cut.txt"
    cut.write_text("".join([*lines[:600], "CPU:1 [LOST 321 EVENTS]\n", *lines[900:]]))
    summary = trace.convert(cut, tmp_path / "out")
    assert summary.lost == 321
    for file in summary.files:
        _, *events = read(file.path)
        assert any("321" in event["data"]["message"] for event in events if event["name"] == "loglevel:warning")
        assert [problem for event in events for problem in schema.event(event)] == []


def line(name: str, fields: str, at: str = "5.000001", cpu: int = 0) -> str:
    return f"          <idle>-0       [{cpu:03}] ..s2. {at}: quic_{name}: {fields}"


def test_lines() -> None:
    found = tracepoints.parse(line("handshake_confirmed", "conn=7", "12.345678", 3))
    assert found == Record(12_345_678_000, 3, 0, "handshake_confirmed", {"conn": "7"})
    assert tracepoints.parse("python3-77 [001] 9.000000123: quic_handshake_confirmed: conn=7") is not None, "trace-cmd report"
    assert tracepoints.parse("CPU:2 [LOST 17 EVENTS]") == Lost(2, 17)
    assert tracepoints.parse("CPU:2 [LOST EVENTS]") == Lost(2, None)
    for other in ("", "# tracer: nop", line("handshake_confirmed", "conn=x"), "sh-1 [000] 1.0: sched_switch: conn=1"):
        assert tracepoints.parse(other) is None


def test_a_peers_words_do_not_pass_for_fields() -> None:
    words = 'gone" conn=9 trigger="x'
    fields = f'conn=7 trigger=peer application_code=0x5 frame_type=0x0 reason="{words}"'
    found = tracepoints.parse(line("connection_closed", fields))
    assert isinstance(found, Record) and found.conn == 7
    (event,) = qlog.Mapper(7, "client").events(found)
    assert event.data == {
        "initiator": "remote", "application_error": "unknown", "error_code": 5, "reason": words, "trigger": "unspecified",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "error"),
    [(0x0A, {"connection_error": "protocol_violation"}), (0x128, {"connection_error": "crypto_error_0x128"}),
     (0x4242, {"connection_error": "unknown", "error_code": 0x4242})],
)  # fmt: skip
def test_errors_have_names(code: int, error: dict[str, object]) -> None:
    found = tracepoints.parse(line("connection_closed", f'conn=7 trigger=error code={code:#x} frame_type=0x6 reason=""'))
    assert isinstance(found, Record)
    (event,) = qlog.Mapper(7, "client").events(found)
    assert event.data == {"initiator": "local", **error, "trigger": "error"}


def frame(kind: int, **fields: object) -> dict[str, Any]:
    whole = {"stream": 0, "offset": 0, "len": 0, "fin": 0, "value": 0, "ranges": "{}", "ecn": "{}", "bytes": ""} | fields
    return qlog_frames.frame({"type": f"{kind:#x}"} | {name: str(value) for name, value in whole.items()}, 4)


def test_every_frame_is_as_the_schema_has_it(schema: QlogSchema) -> None:
    values = {"stream": 4, "offset": 1, "len": 5, "fin": 1, "value": 100, "bytes": "00112233445566ff", "ranges": "{0x5,0x9}"}
    kinds = [*range(0x1F), 0x30, 0x31]
    for kind in kinds:
        made = frame(kind, **values)
        assert made["frame_type"] != "unknown", hex(kind)
        assert schema.data("QuicBaseFrames", made) == [], made
    assert frame(0x40) == {"frame_type": "unknown", "frame_type_bytes": 0x40}


def test_an_ack_frame() -> None:
    made = frame(0x03, value=100, ranges="{0x9,0x14,0x5,0x5}", ecn="{0x1,0x2,0x3}")
    assert made == {
        "frame_type": "ack", "ack_delay": 1.6, "acked_ranges": [[5], [9, 20]], "ect0": 1, "ect1": 2, "ce": 3,
    }  # fmt: skip


def test_a_processors_late_records_come_in_order() -> None:
    order = Order(span=100)
    for n, (time, cpu) in enumerate([(10, 0), (300, 0), (20, 1), (20, 1), (250, 1)]):
        order.add(Record(time, cpu, 0, "x", {"n": str(n)}))
    assert [record.fields["n"] for record in order.ready()] == ["0", "2", "3"]
    assert [record.fields["n"] for record in order.ready(all=True)] == ["4", "1"]


def test_names_of_drops_and_numbers_are_the_modules() -> None:
    trace = ROOT / "module/include/trace"
    reasons = set(re.findall(r'E[M_]\(QUIC_DROP_\w+,\s+"(\w+)"\)', (trace / "misc/quic.h").read_text()))
    assert reasons == set(qlog.DROP_TRIGGERS)
    macros = "TRACE_EVENT|QUIC_EVENT_OF_CORE|DEFINE_EVENT|QUIC_EVENT_OF_FRAME"
    header = (trace / "events/quic.h").read_text()
    named = set(re.findall(rf"(?:{macros})\((?:quic_\w+, )?quic_(\w+)[,)]", header))
    assert named == qlog.TRACEPOINTS
    spurious = (ROOT / "module/core/spurious.h").read_text()
    assert int(re.search(r"QUIC_LOSS_PACKET_THRESHOLD\s+(\d+)", spurious)[1]) == qlog.RECOVERY["reordering_threshold"]  # type: ignore[index]
    eighths = int(re.search(r"QUIC_LOSS_TIME_EIGHTHS\s+(\d+)", spurious)[1])  # type: ignore[index]
    assert 1 + eighths / 8 == qlog.RECOVERY["time_threshold"]


class Client:
    """A client's records turned into events, each of which is as the schema has it."""

    def __init__(self, schema: QlogSchema) -> None:
        self.mapper, self.schema = qlog.Mapper(7), schema

    def told(self, name: str, fields: str) -> list[tuple[str, dict[str, Any]]]:
        found = tracepoints.parse(line(name, f"conn=7 {fields}"))
        assert isinstance(found, Record)
        events = list(self.mapper.events(found))
        assert [problem for event in events for problem in self.schema.event(event.to_json(0))] == []
        return [(event.name.removeprefix("quic:"), event.data) for event in events]

    def started(self, alpn: str = "") -> list[tuple[str, dict[str, Any]]]:
        ends = "local=192.0.2.1:5000 peer=[2001:db8::1]:443 odcid=0a0b scid=51 dcid=0a0b"
        return self.told("connection_started", f"role=client version=0x00000001 {ends} alpn={alpn} netns=7")


@pytest.fixture
def client(schema: QlogSchema) -> Client:
    return Client(schema)


def test_protocols(client: Client) -> None:
    names = [{"string_value": "h3"}, {"byte_value": "00ff"}]
    assert client.started(b"h3,\x00\xff".hex())[-1] == ("alpn_information", {"client_alpns": names})
    assert client.told("alpn", f"alpn={b'h3'.hex()}") == [("alpn_information", {"chosen_alpn": names[0]})]
    assert client.told("alpn", "alpn=") == []


def test_timers_are_told_when_they_change(client: Client) -> None:
    def timers(now: int, **due: int) -> list[tuple[Any, ...]]:
        known = {"idle": tracepoints.UNKNOWN, "ack": tracepoints.UNKNOWN, "loss": tracepoints.UNKNOWN, "pto": 1,
                 "path_validation": tracepoints.UNKNOWN} | due  # fmt: skip
        fields = " ".join(f"{name}={value}" for name, value in known.items())
        return [tuple(data.values()) for _, data in client.told("timers", f"now={now} {fields}")]

    ms = 1_000_000
    assert timers(5 * ms, loss=8 * ms, ack=4 * ms) == [("ack", "set", 0), ("pto", "set", 3.0)]
    assert timers(6 * ms, loss=8 * ms, ack=4 * ms) == [], "nothing has changed"
    assert timers(6 * ms, loss=8 * ms, pto=0) == [("ack", "cancelled"), ("pto", "cancelled"), ("loss_timeout", "set", 2.0)]
    assert client.told("timer_expired", "timer=loss") == [
        ("timer_updated", {"timer_type": "loss_timeout", "event_type": "expired"})
    ]
    assert timers(8 * ms) == [], "what has gone off is not cancelled"
    assert timers(8 * ms, path_validation=9 * ms) == [("path_validation", "set", 1.0)]
    assert client.told("timer_expired", "timer=path")[0][1]["timer_type"] == "path_validation"
    assert client.told("timer_expired", "timer=pacing") == [], "qlog has no name for it"


def test_connection_ids_are_told_when_they_change(client: Client) -> None:
    def sent(dcid: str, path: int = 0) -> list[dict[str, Any]]:
        fields = f"level=initial pn=1 size=9 path={path} eliciting=1 probe=0 bytes_in_flight=9 dcid={dcid}"
        return [data for name, data in client.told("packet_sent", fields) if name == "connection_id_updated"]

    client.started()
    assert sent("0a0b") == []
    assert sent("c1") == [{"initiator": "local", "old": "0a0b", "new": "c1"}]
    assert sent("c2", path=1) == [{"initiator": "local", "new": "c2"}], "each path has its own"
    assert sent("c1") == [] == sent("")
    fields = "level=1rtt pn=1 size=9 path=0 ecn=0 dcid=52"
    assert client.told("packet_received", fields) == [
        ("connection_id_updated", {"initiator": "remote", "old": "51", "new": "52"})
    ]


def test_a_move(client: Client) -> None:
    client.started()
    addresses = "local=192.0.2.9:6000 peer=[2001:db8::1]:443"
    about = {"tuple_id": "1", "tuple_remote": {"ip_v6": "2001:db8::1", "port_v6": 443},
             "tuple_local": {"ip_v4": "192.0.2.9", "port_v4": 6000}}  # fmt: skip
    assert client.told("migration", f"path=1 state=probing_started {addresses}") == [
        ("tuple_assigned", about), ("migration_state_updated", {"new": "probing_started"} | about),
    ]  # fmt: skip
    assert client.told("migration", f"path=1 state=migration_started {addresses}") == [
        ("migration_state_updated", {"old": "probing_started", "new": "migration_started"} | about)
    ]


def test_what_belongs_to_no_space(client: Client) -> None:
    retry = "type=retry version=0x6b3343cf dcid=51 scid=c1c2 versions= size=99"
    assert client.told("stateless_received", retry) == [
        ("packet_received", {
            "header": {"packet_type": "retry", "version": "6b3343cf", "scil": 2, "dcil": 1, "scid": "c1c2", "dcid": "51"},
            "raw": {"length": 99},
        })
    ]  # fmt: skip
    many = "type=version_negotiation version=0x00000000 dcid= scid= versions=000000016b3343cf size=15"
    ((name, data),) = client.told("stateless_sent", many)
    assert (name, data["supported_versions"]) == ("packet_sent", ["00000001", "6b3343cf"])


def test_one_namespace_of_several(tmp_path: Path) -> None:
    """Whose first record is not its beginning is looked up there; what has no connection is of no namespace."""

    def started(conn: int, netns: int) -> str:
        ends = f"local=192.0.2.1:1 peer=192.0.2.2:2 odcid=0{conn} scid=51 dcid=0a0b"
        return line("connection_started", f"conn={conn} role=client version=0x00000001 {ends} alpn= netns={netns}")

    known = Conn(State.ESTABLISHED, "server", "", "192.0.2.3:3", "web", uid=0, inode=0, rx_queue=0, tx_queue=0, cookie=4)
    collector = trace.Collector(tmp_path, netns=77, lookup=lambda cookie: known if cookie == 4 else None)
    for text in (
        started(1, 77), started(2, 78), *(line("handshake_confirmed", f"conn={conn}") for conn in (1, 2, 3, 4)),
        line("packet_dropped", "conn=0 reason=no_connection size=9"),
    ):  # fmt: skip
        collector.line(text)
    collector.settle(end=True)
    assert {file.conn: file.role for file in collector.files()} == {1: "client", 4: "server"}
    assert (collector.connections, collector.records) == (2, 3)


def test_a_full_disk_leaves_whole_records(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stops the writing here is a limit on the size of files."""
    import resource
    import signal

    monkeypatch.setattr(trace, "_FLUSH_BYTES", 5000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))
    try:
        with pytest.raises(errors.FileUnwritable):
            trace.convert(text, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    for path in tmp_path.glob("*.sqlog"):
        assert len(read(path)) > 10
    assert list(tmp_path.glob("*.sqlog"))


def test_no_space_is_said(tmp_path: Path) -> None:
    full = tmp_path / "full"
    try:
        os.mknod(full, stat.S_IFCHR | 0o600, os.makedev(1, 7))
    except PermissionError:
        pytest.skip("devices are made by root")
    writer = trace._Writer(full)
    writer.add({"time": 1})
    with pytest.raises(errors.NoSpace):
        writer.flush()


def test_command(cli: Cli, text: Path, tmp_path: Path) -> None:
    done = cli("trace", "--convert", text, "--out", tmp_path / "a", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["connections"], summary["lost"], len(summary["files"])) == (2, 0, 2)
    assert all(Path(file["path"]).stat().st_size > 10_000 for file in summary["files"])
    plain = cli("trace", "--convert", text, "--out", tmp_path / "b")
    assert "client" in plain.stdout and "2 connections" in plain.stdout


def test_bad_input(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "no").write_bytes(os.urandom(5000))
    assert "trace_pipe" in refused(cli, 38, "trace", "--convert", tmp_path / "no", "--out", tmp_path / "out")
    refused(cli, 42, "trace", "--convert", tmp_path / "missing", "--out", tmp_path / "out")
    refused(cli, 43, "trace", "--convert", tmp_path / "no", "--out", tmp_path / "no" / "out")
    assert cli("trace", "--convert", tmp_path / "no", "--duration", "1").returncode == 2
    assert cli("trace", "--convert", tmp_path / "no", "--netns", "web").returncode == 2
    plan = cli("trace", "--dry-run", "--conn", "5", "--netns", "web", "--", "sleep", "1")
    assert plan.returncode == 0 and "conn==5" in plan.stdout and "run sleep 1" in plan.stdout and "of web" in plan.stdout


def tracer(tmp_path: Path, *, events: bool = True) -> Path:
    root = tmp_path / "tracing"
    (root / "instances").mkdir(parents=True)
    if events:
        (root / "events" / "quic").mkdir(parents=True)
    return root


def test_no_tracer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(errors.TracingUnavailable), tracefs.open_instance(buffer_kb=1, root=tmp_path / "none"):
        pass
    root = tracer(tmp_path, events=False)
    with pytest.raises(errors.ModuleNotLoaded), tracefs.open_instance(buffer_kb=1, root=root):
        pass
    assert list((root / "instances").iterdir()) == []
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(errors.NotRoot), tracefs.open_instance(buffer_kb=1, root=root):
        pass


def test_what_a_killed_process_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    root = tracer(tmp_path)
    for name in ("quicctl-4194999", "quicctl-1", "others"):
        (root / "instances" / name).mkdir()
    # Plain folders are no tracer: opening fails, and what was made for it is gone as well.
    with pytest.raises(errors.TracingUnavailable), tracefs.open_instance(buffer_kb=1, root=root):
        pass
    left = {path.name for path in (root / "instances").iterdir()}
    assert left >= {"quicctl-1", "others"} and "quicctl-4194999" not in left
