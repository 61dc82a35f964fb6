# SPDX-License-Identifier: GPL-2.0-or-later
"""The demonstration's verdict and the bench's figures, without a kernel that could produce them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from test_handshake import TLS

from quicctl import bench, builder, demo, errors, guest, kernel, modinfo, peers, process, splat
from quicctl.cli.demo import render
from quicctl.cli.output import to_json
from quicctl.handshake import Report
from quicctl.transfer import Transfer
from quicctl.uapi import TransportParams


def ends() -> tuple[dict[str, Any], dict[str, Any]]:
    """What the two processes of a good run print."""
    params = TransportParams(max_data=1, max_idle_timeout=30_000_000, max_ack_delay=25_000)
    up, down = Transfer(10, "aa", 1.0), Transfer(20, "bb", 2.0)
    client = Report("client", "a:1", "b:2", TLS, params, params, up, down, "this end")
    server = Report("server", "b:2", "a:1", TLS, params, params, down, up, "peer")
    return to_json(client), to_json(server)


def test_equal_hashes_are_verified() -> None:
    report = demo._compare(*ends(), "host")
    assert report.verified
    assert (report.to_server.bytes, report.to_client.bytes) == (10, 20)


@pytest.mark.parametrize("field", ["sha256", "bytes"])
@pytest.mark.parametrize("end", [0, 1])
def test_any_difference_is_an_error(end: int, field: str) -> None:
    answers = ends()
    answers[end]["received"][field] = "zz" if field == "sha256" else 9
    with pytest.raises(errors.HashMismatch) as caught:
        demo._compare(*answers, "host")
    assert caught.value.exit_code == 50


def test_report_survives_the_way_out_of_the_guest() -> None:
    report = demo._compare(*ends(), "guest")
    assert demo.from_json(json.dumps(to_json(report))) == report


def test_guest_boots_the_kernel_asked_for_and_must_end_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that stays, or a report of the kernel, is an error even if the data arrived."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "demo.json").write_text(json.dumps(to_json(demo._compare(*ends(), "guest"))))
    report = splat.Splat("warning", "WARNING: x", "lines")
    outcomes = [
        guest.Outcome(0, 1.0, (), (), tmp_path),
        guest.Outcome(0, 1.0, (), ("module not unloaded: busy",), tmp_path),
        guest.Outcome(0, 1.0, (report,), (), tmp_path),
    ]
    asked: list[str] = []

    def newest(series: str) -> kernel.Kernel:
        asked.append(series)
        return kernel.Kernel(series, tmp_path)

    monkeypatch.setattr(kernel, "newest", newest)
    monkeypatch.setattr(modinfo, "read", lambda path: None)
    monkeypatch.setattr(builder, "libquic", lambda progress: builder.LibraryBuild(tmp_path, (), True))
    monkeypatch.setattr(guest, "run", lambda lane, job, on_output: outcomes.pop(0))
    assert demo.run(series="7", ko=tmp_path / "quic.ko").verified
    with pytest.raises(errors.KernelSplat, match="busy"):
        demo.run(series="7", ko=tmp_path / "quic.ko")
    with pytest.raises(errors.KernelSplat, match="WARNING: x"):
        demo.run(where=demo.Where.VM, ko=tmp_path / "quic.ko")
    assert asked == ["7", "7", kernel.DEFAULT_SERIES]


def test_closing_table_tells_what_matters() -> None:
    text = str(render(demo._compare(*ends(), "guest")))
    for part in ("(guest)", "1.5 ms", "TLS_AES_128_GCM_SHA256", "X25519", "same at both ends", "max data", "30 s", "25 ms"):
        assert part in text


def test_data_of_any_size_is_made(tmp_path: Path) -> None:
    demo._fill(tmp_path / "data", 3)
    content = (tmp_path / "data").read_bytes()
    assert len(content) == 3 << 20
    assert content[: 1 << 20] != content[1 << 20 : 2 << 20]


@pytest.mark.parametrize("failing", ["client", "server"])
def test_failing_end_is_named_with_its_last_words(tmp_path: Path, failing: str) -> None:
    (tmp_path / f"{failing}.log").write_text("error: no answer\n")
    script = {True: "raise SystemExit(45)", False: "import time; time.sleep(60)"}
    with (
        process.running([sys.executable, "-c", script[failing == "client"]]) as client,
        process.running([sys.executable, "-c", script[failing == "server"]]) as server,
        pytest.raises(errors.CommandFailed) as caught,
    ):
        demo._watch(tmp_path, 1, {"client": client, "server": server}, lambda text: None)
    assert failing in caught.value.message
    assert "no answer" in caught.value.detail
    assert caught.value.returncode == 45


def line(**changes: Any) -> str:
    fields = {
        "protocol": "tcp", "message": 1024, "bytes": 1000, "elapsed_ns": 5000, "idle_ns": 1000,
        "least_ns": 3800, "most_ns": 4200,
    }  # fmt: skip
    return json.dumps(fields | changes)


def test_idle_time_is_no_cost() -> None:
    (figure,) = bench.parse(line())
    assert (figure.per_byte, figure.spread) == (4.0, 0.1)


def test_figure_without_busy_time_is_refused() -> None:
    with pytest.raises(errors.BenchFailed):
        bench.parse(line(idle_ns=5000))


def test_who_waits_sees_figures() -> None:
    said: list[str] = []
    for one in (line(), "an error of the program's"):
        bench._tell(one, "instructions", said.append)
    assert said == ["writes of 1 KiB, tcp: 4.00 instructions per byte", "an error of the program's"]


def test_each_size_is_measured_at_the_mtu() -> None:
    commands = bench._commands("prog", [bench.Protocol.QUIC], [65536, 1000], 1500)
    assert commands[0] == ["prog", "-M", "1500", "-p", "quic", "-m", "65536", "-b", str(16 << 20)]
    assert commands[1][-3:] == ["1000", "-b", str(2 << 20)]


def test_other_stack_is_measured_in_a_guest_only() -> None:
    with pytest.raises(errors.BenchFailed) as caught:
        bench.run(where=bench.Where.HOST, protocols=[bench.Protocol.NGTCP2])
    assert "--where vm" in caught.value.remedy


def test_other_stack_comes_with_its_programs_and_has_one_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[guest.Job] = []
    listed: list[dict[str, Any]] = []

    def run(_lane: guest.Lane, job: guest.Job, **_: object) -> guest.Outcome:
        jobs.append(job)
        listed.append(json.loads(dict(job.files)[peers.MANIFEST].read_text()))
        (tmp_path / "stdout").write_text(line(protocol="ngtcp2", message=65536) + "\n")
        return guest.Outcome(0, 1.0, (), (), tmp_path)

    monkeypatch.setattr(kernel, "newest", lambda series: kernel.Kernel(series, tmp_path))
    monkeypatch.setattr(builder, "programs", lambda name, progress: tmp_path)
    monkeypatch.setattr(peers, "root", lambda suite, progress: peers.Root(suite, tmp_path / "tree", {}))
    monkeypatch.setattr(guest, "run", run)
    report = bench.run(protocols=[bench.Protocol.NGTCP2], messages=[1024, 65536])
    assert [(figure.protocol, figure.message) for figure in report.figures] == [("ngtcp2", 65536)]
    [job] = jobs
    assert job.mounts == (("peers/trixie", tmp_path / "tree"),)
    assert "trixie" in listed[0]
    assert job.argv[-1].splitlines()[-1] == f"python3 selftests/perf/stacks.py --message 65536 --bytes {16 << 20}"
    assert job.modules == (), "no module is needed"


def test_measuring_program_works_and_checks_its_data(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    process.run(["make", "-C", root / "selftests" / "perf", f"O={tmp_path}"])
    done = process.run([tmp_path / "stream_bench", "-p", "tcp", "-m", "4096", "-b", "1000000"])
    (figure,) = bench.parse(done.stdout)
    assert (figure.protocol, figure.message, figure.bytes) == ("tcp", 4096, 999424)


@pytest.mark.parametrize("words", [["-p", "sctp"], ["-m", "0"], ["-b", "10"], ["extra"]])
def test_measuring_program_refuses_nonsense(tmp_path: Path, words: list[str]) -> None:
    root = Path(__file__).resolve().parents[2]
    process.run(["make", "-C", root / "selftests" / "perf", f"O={tmp_path}"])
    assert process.run([tmp_path / "stream_bench", *words], check=False).returncode == 2
