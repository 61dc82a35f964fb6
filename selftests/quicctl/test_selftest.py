# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import importlib.util
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from quicctl import catalogue, errors, guest, selftest, sourcetree
from quicctl.catalogue import Where
from quicctl.cli import selftest as shown
from quicctl.ktap import Status

SUITE = """
static struct kunit_case cases[] = {
	KUNIT_CASE(first),
	KUNIT_CASE(second),
	{}
};
static struct kunit_suite suite = {
	.name = "quic_rtt",
	.test_cases = cases,
};
"""
PROGRAM = """
TEST(opens)
{
}

TEST(closes)
{
}
"""


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    tree = tmp_path / "project"
    for name in ("module/tests", "selftests/core", "selftests/socket", "selftests/netns", "selftests/quicctl"):
        (tree / name).mkdir(parents=True)
    (tree / "module" / "Kbuild").write_text("quic-y += tests/rtt_test.o\n")
    (tree / "module" / "tests" / "rtt_test.c").write_text(SUITE)
    (tree / "selftests" / "socket" / "states.c").write_text(PROGRAM)
    (tree / "selftests" / "socket" / "harness.c").write_text("int main(void) { return 0; }\n")
    (tree / "selftests" / "netns" / "test_loss.py").write_text("def test_drop():\n    pass\n")
    monkeypatch.setattr(sourcetree, "project", lambda: tree)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # lanes are killed here
    return tree


def names(patterns: list[str], *wheres: Where) -> list[str]:
    units = catalogue.select(patterns, wheres or list(Where))
    return [f"{u.where}:{u.group.name}/{u.name}" + (f"={','.join(u.cases)}" if u.cases else "") for u in units]


def test_group_is_chosen_by_name() -> None:
    assert names(["socket"]) == ["vm:socket/states", "uml:socket/states"]


def test_lane_narrows() -> None:
    assert names(["socket"], Where.VM) == ["vm:socket/states"]


def test_part_of_a_case_chooses_the_case() -> None:
    assert names(["open"], Where.VM) == ["vm:socket/states=opens"]


def test_program_is_chosen_whole() -> None:
    assert names(["socket/states"], Where.VM) == ["vm:socket/states"]


def test_wildcards_match_the_whole_name() -> None:
    assert names(["socket/*/cl*"], Where.VM) == ["vm:socket/states=closes"]


def test_patterns_add_up() -> None:
    assert names(["open", "close"], Where.VM) == ["vm:socket/states=closes,opens"]
    assert names(["open", "socket"], Where.VM) == ["vm:socket/states"]


def test_suites_of_the_core_are_read_from_the_source() -> None:
    assert names(["core"], Where.CORE) == ["core:core/quic_rtt"]
    assert names(["second"], Where.CORE) == ["core:core/quic_rtt=second"]


def test_pytest_files_are_found() -> None:
    assert names(["drop"], Where.UML) == ["uml:netns/test_loss=test_drop"]


def test_long_tests_run_only_when_asked_for_by_name(project: Path) -> None:
    (project / "selftests" / "package").mkdir()
    (project / "selftests" / "package" / "test_all.py").write_text("def test_drop():\n    pass\n")
    assert not [name for name in names([]) if "package" in name]
    assert names(["drop"], Where.HOST, Where.UML) == ["uml:netns/test_loss=test_drop"]
    assert names(["package"]) == ["host:package/test_all"]
    assert names(["package/test_all/test_drop"]) == ["host:package/test_all=test_drop"]


def test_peers_are_tried_in_one_lane_unless_asked_for(project: Path) -> None:
    (project / "selftests" / "interop").mkdir()
    (project / "selftests" / "interop" / "test_stranger.py").write_text("def test_hello():\n    pass\n")
    tried = "interop/test_stranger"
    assert [name for name in names([]) if tried in name] == [f"uml:{tried}"]
    assert [name for name in names([], Where.VM, Where.CORE) if tried in name] == [f"vm:{tried}"]
    assert names(["interop"]) == [f"vm:{tried}", f"uml:{tried}"]


def test_some_run_in_a_lane_only_if_they_are_named(project: Path) -> None:
    (project / "selftests" / "interop" / "http3").mkdir(parents=True)
    (project / "selftests" / "interop" / "http3" / "test_get.py").write_text("def test_hello():\n    pass\n")
    assert [name for name in names([]) if "http3" in name] == ["uml:http3/test_get"]
    assert [name for name in names([], Where.VM) if "http3" in name] == []
    assert names(["http3"]) == ["vm:http3/test_get", "uml:http3/test_get"]
    assert names(["hello"], Where.VM) == ["vm:http3/test_get=test_hello"]


@pytest.mark.parametrize("pattern", ["nonsense", "socket/other", "*/nothing"])
def test_pattern_that_matches_nothing_is_an_error(pattern: str) -> None:
    with pytest.raises(errors.NoSuchTest) as caught:
        names([pattern])
    assert pattern in caught.value.message
    assert "socket" in caught.value.remedy


def test_pattern_outside_of_the_lane_is_an_error() -> None:
    with pytest.raises(errors.NoSuchTest):
        names(["socket"], Where.CORE)


Play = Callable[..., selftest.Report]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Play:
    """Run the socket group of lane vm with a guest that says what it is told to."""

    def run(output: bytes, *, stderr: bytes = b"", death: errors.QuicctlError | None = None, **ill: object) -> selftest.Report:
        def boot(_lane: guest.Lane, _job: guest.Job, *, on_output: guest.Sink) -> guest.Outcome:
            on_output("stderr", stderr)
            for at in range(0, len(output), 7):  # lines arrive in pieces
                on_output("stdout", output[at : at + 7])
            if death:
                raise death
            fields = {"status": 0, "seconds": 1.0, "splats": (), "complaints": (), "folder": tmp_path, **ill}
            return guest.Outcome(**fields)  # type: ignore[arg-type]

        monkeypatch.setattr(selftest, "_guest_job", lambda *_: None)
        monkeypatch.setattr(guest, "run", boot)
        return selftest.run(catalogue.select(["socket"], [Where.VM]))

    return run


def outcome(report: selftest.Report) -> dict[str, Status]:
    return {f"{r.group}/{r.case.name}": r.case.status for r in report.results}


def test_results_of_a_guest(play: Play) -> None:
    report = play(b"noise\n#quicctl begin 0\n1..2\nok 1 opens\nnot ok 2 closes\n#quicctl end 0 1\n")
    assert outcome(report) == {
        "socket/states.opens": Status.PASS,
        "socket/states.closes": Status.FAIL,
        "guest/kernel reports nothing": Status.PASS,
    }
    assert (report.passed, report.failed, report.skipped) == (2, 1, 0)


def test_report_of_the_kernel_is_a_failure(play: Play) -> None:
    from quicctl.splat import Splat

    report = play(b"#quicctl begin 0\n1..1\nok 1 a\n#quicctl end 0 0\n", splats=(Splat("kasan", "BUG: KASAN: x", "text"),))
    [failed] = [r for r in report.results if r.case.status is Status.FAIL]
    assert "BUG: KASAN: x" in failed.case.detail


def test_module_that_stays_loaded_is_a_failure(play: Play) -> None:
    report = play(b"#quicctl begin 0\n1..1\nok 1 a\n#quicctl end 0 0\n", complaints=("module not unloaded: busy",))
    assert report.failed == 1


def test_status_that_no_result_explains_is_a_failure(play: Play) -> None:
    report = play(b"#quicctl begin 0\n1..1\nok 1 a\n#quicctl end 0 139\n", stderr=b"Segmentation fault\n")
    assert outcome(report)["socket/states.ended"] is Status.FAIL


def test_silent_program_is_a_failure(play: Play) -> None:
    assert outcome(play(b"#quicctl begin 0\n#quicctl end 0 0\n"))["socket/states.reports"] is Status.FAIL


def test_program_that_stops_early_is_a_failure(play: Play) -> None:
    report = play(b"#quicctl begin 0\n1..3\nok 1 a\n#quicctl end 0 0\n")
    assert outcome(report)["socket/states.complete"] is Status.FAIL


def test_death_of_the_guest_fails_what_ran_and_the_lane(play: Play) -> None:
    report = play(b"#quicctl begin 0\n1..2\nok 1 a\n", death=errors.GuestDied("gone", detail="last words"))
    assert report.failed >= 2
    assert any("last words" in r.case.detail for r in report.results)


def test_program_whose_turn_did_not_come_is_a_failure(play: Play) -> None:
    report = play(b"", death=errors.GuestDied("gone"))
    assert outcome(report)["socket/states.runs"] is Status.FAIL


def test_lane_that_cannot_run_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise errors.GuestUnavailable("no emulator", remedy="install one")

    monkeypatch.setattr(selftest, "_guest_job", refuse)
    report = selftest.run(catalogue.select(["socket"], [Where.VM]))
    assert (report.passed, report.failed) == (0, 1)
    assert "no emulator" in report.results[0].case.detail


def test_lanes_run_side_by_side(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "meeting")

    def boot(lane: guest.Lane, _job: guest.Job, *, on_output: guest.Sink) -> guest.Outcome:
        # Opening a FIFO waits for the other end: neither gets on without the other lane.
        with open(tmp_path / "meeting", "w" if lane is guest.Lane.VM else "r"):
            on_output("stderr", b"started again\n")
            on_output("stdout", b"#quicctl begin 0\n1..1\nok 1 a\n#quicctl end 0 0\n")
        return guest.Outcome(status=0, seconds=1.0, splats=(), complaints=(), folder=tmp_path / lane)

    monkeypatch.setattr(selftest, "_guest_job", lambda *_: None)
    monkeypatch.setattr(guest, "run", boot)
    said: list[str] = []
    report = selftest.run(catalogue.select(["socket"], [Where.VM, Where.UML]), progress=said.append)
    assert (report.passed, report.failed) == (4, 0)
    assert {r.where for r in report.results} == {Where.VM, Where.UML}
    assert set(report.folders) == {tmp_path / "vm", tmp_path / "uml"}
    assert len(said) == 4
    assert said.count("started again") == 2, "what is said before the first program is shown"


def test_groups_with_peers_have_a_guest_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, project: Path) -> None:
    for folder in ("interop", "interop/peers"):
        (project / "selftests" / folder).mkdir()
        (project / "selftests" / folder / "test_stranger.py").write_text("def test_hello():\n    pass\n")

    def job(_lane: guest.Lane, units: list[selftest.Program], *_: object) -> guest.Job:
        return guest.Job(tuple(sorted({unit.group.name for unit in units})), files=tuple(("", tmp_path) for _ in units))

    def boot(_lane: guest.Lane, job: guest.Job, *, on_output: guest.Sink) -> guest.Outcome:
        for number in range(len(job.files)):
            on_output("stdout", f"#quicctl begin {number}\n1..1\nok 1 a\n#quicctl end {number} 0\n".encode())
        return guest.Outcome(status=0, seconds=1.0, splats=(), complaints=(), folder=tmp_path / "-".join(job.argv))

    monkeypatch.setattr(selftest, "_guest_job", job)
    monkeypatch.setattr(guest, "run", boot)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)  # two guests at once, the third waits
    units = catalogue.select(["netns", "interop", "peers"], [Where.VM, Where.UML])
    report = selftest.run(units)
    assert report.failed == 0
    assert report.passed == len(units) + 3
    assert {folder.name for folder in report.folders} == {"interop-netns", "netns", "interop-peers"}


def test_several_kernels_are_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def job(_lane: guest.Lane, _units: object, series: str, *_: object) -> guest.Job:
        return guest.Job((series,))

    def boot(_lane: guest.Lane, job: guest.Job, *, on_output: guest.Sink) -> guest.Outcome:
        verdict = b"not ok" if job.argv == ("7",) else b"ok"
        on_output("stdout", b"#quicctl begin 0\n1..1\n" + verdict + b" 1 a\n#quicctl end 0 0\n")
        return guest.Outcome(status=0, seconds=1.0, splats=(), complaints=(), folder=tmp_path)

    monkeypatch.setattr(selftest, "_guest_job", job)
    monkeypatch.setattr(guest, "run", boot)
    report = selftest.run(catalogue.select(["socket"], [Where.VM]), series=["6.1", "7"])
    assert {r.lane for r in report.results} == {"vm 6.1", "vm 7"}
    assert [r.lane for r in report.results if r.case.status is Status.FAIL] == ["vm 7"]


def test_unknown_kernel_is_said_so_before_anything_runs() -> None:
    with pytest.raises(errors.HeadersMissing) as caught:
        selftest.run(catalogue.select(["socket"], [Where.VM]), series=["5.4"])
    assert "6.12" in caught.value.remedy


def test_lane_whose_process_dies_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(selftest, "_guest_job", die)
    report = selftest.run(catalogue.select(["socket"], [Where.VM, Where.UML]))
    assert outcome(report) == {"lane/runs": Status.FAIL}
    assert "SIGKILL" in report.results[0].case.detail


def test_lane_that_does_not_hear_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    def deaf(_lane: guest.Lane, _job: guest.Job, *, on_output: guest.Sink) -> guest.Outcome:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        on_output("stdout", b"#quicctl begin 0\n1..2\nok 1 a\n")
        while True:
            time.sleep(0.05)

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(selftest, "_guest_job", lambda *_: None)
    monkeypatch.setattr(selftest, "_PATIENCE", 0.1)
    monkeypatch.setattr(guest, "run", deaf)
    with pytest.raises(KeyboardInterrupt):
        selftest.run(catalogue.select(["socket"], [Where.VM, Where.UML]), on_result=interrupt)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(("number", "end"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_interrupted_run_ends_its_lanes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: signal.Signals, end: type[BaseException]
) -> None:
    def boot(lane: guest.Lane, _job: guest.Job, *, on_output: guest.Sink) -> guest.Outcome:
        try:
            on_output("stdout", b"#quicctl begin 0\n1..2\nok 1 a\n")
            while True:
                time.sleep(0.05)  # not pause(): a signal that comes just before it is not seen by it
        finally:
            (tmp_path / lane).write_text("ended in order")

    def interrupt(_: object) -> None:
        signal.raise_signal(number)

    monkeypatch.setattr(selftest, "_guest_job", lambda *_: None)
    monkeypatch.setattr(guest, "run", boot)
    with pytest.raises(end):
        selftest.run(catalogue.select(["socket"], [Where.VM, Where.UML]), on_result=interrupt)
    assert (tmp_path / "vm").exists() or (tmp_path / "uml").exists()
    assert not multiprocessing.active_children()


def test_pytest_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    units = catalogue.select(["netns"], [Where.VM])
    with pytest.raises(errors.ToolMissing, match="pytest is not installed"):
        selftest.run(units)


def test_failure_is_told_by_what_pytest_marks() -> None:
    detail = "\n".join(["x = 1", *(f"line {n}" for n in range(100)), ">   assert x", "E       assert 1 == 2", "E       more"])
    assert shown._reason(detail) == "assert 1 == 2"
    assert shown._reason("the guest ended\nlater") == "the guest ended"
    excerpt = shown._excerpt(detail)
    assert excerpt[0] == "x = 1" and excerpt[-1] == "E       more" and "[44 lines]" in excerpt
    assert shown._excerpt("short") == ["short"]
