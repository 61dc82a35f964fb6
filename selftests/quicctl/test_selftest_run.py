# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs of selftests: what a guest is given to do, what becomes of its output, and what the command makes of both."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from quicctl import builder, catalogue, errors, examples, guest, interop, kernel, peers, selftest, sourcetree, splat, uml
from quicctl.catalogue import Where
from quicctl.cli.app import app
from quicctl.kernel import Kernel
from quicctl.ktap import Status

PROGRAM = "TEST(opens)\n{\n}\n\nTEST(closes)\n{\n}\n"
SUITE = """
static struct kunit_case rtt_cases[] = {
	KUNIT_CASE(first),
	{}
};
static struct kunit_suite rtt_suite = {
	.name = "quic_rtt",
	.test_cases = rtt_cases,
};
"""


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A tree with a test of each kind, whose builds are files."""
    tree = tmp_path / "project"
    for name, text in {
        "module/Kbuild": "quic-y += tests/rtt_test.o\n",
        "module/tests/rtt_test.c": SUITE,
        "selftests/socket/states.c": PROGRAM,
        "selftests/netns/test_loss.py": "def test_drop():\n    pass\n",
        "selftests/quicctl/test_x.py": "def test_good():\n    pass\n\ndef test_bad():\n    assert 1 == 2, 'why'\n",
        "selftests/fuzz/frames.c": "\nint LLVMFuzzerTestOneInput(const void *data, int size)\n{\n}\n",
    }.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in {
        "states": "echo 1..1; echo ok 1 opens", "core-tests": "echo 1..1; echo ok 1 quic_rtt.first",
        "frames": "echo 1..1; echo not ok 1 corpus; exit 1", "harness.sh": "",
    }.items():  # fmt: skip
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    built = tmp_path / "built" / "quic.ko"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sourcetree, "project", lambda: tree)
    debug = Kernel("7.1", tmp_path, arch="um")
    monkeypatch.setattr(uml, "debug_kernel", lambda _: debug)
    monkeypatch.setattr(kernel, "newest", lambda series, **_: Kernel(f"{series}.1", tmp_path))
    monkeypatch.setattr(builder, "module", lambda k, **_: builder.ModuleBuild(k.release, tmp_path, built, (), cached=True))
    monkeypatch.setattr(builder, "libquic", lambda **_: builder.LibraryBuild(tmp_path / "libquic", (), cached=True))
    monkeypatch.setattr(builder, "programs", lambda *_, **__: programs)
    return tree


Answer = Callable[[guest.Lane, guest.Job, guest.Sink], None]


class Guests:
    """Stands in for guest.run: takes jobs, says what the test wants it to say."""

    def __init__(self, folder: Path) -> None:
        self.jobs: list[guest.Job] = []
        self.lanes: list[guest.Lane] = []
        self.scripts: list[str] = []
        self.said = ""
        self.failure: errors.QuicctlError | None = None
        self.outcome = guest.Outcome(0, 1.0, (), (), folder)

    def __call__(self, lane: guest.Lane, job: guest.Job, *, on_output: guest.Sink) -> guest.Outcome:
        self.jobs.append(job)
        self.lanes.append(lane)
        self.scripts.append(dict(job.files)["tests.sh"].read_text())
        on_output("stdout", self.said.encode())
        if self.failure:
            raise self.failure
        return self.outcome


@pytest.fixture
def guests(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Guests:
    made = Guests(tmp_path / "run")
    monkeypatch.setattr(guest, "run", made)
    return made


def run(patterns: list[str], where: Where, **more: object) -> dict[str, Status]:
    report = selftest.run(catalogue.select(patterns, [where]), **more)  # type: ignore[arg-type]
    return {f"{result.group}/{result.case.name}": result.case.status for result in report.results}


def test_guest_gets_programs_library_and_orders(guests: Guests) -> None:
    first, second = "1..1\nok 1 opens\n", "1..1\nok 1 test_loss.test_drop\n"
    guests.said = f"#quicctl begin 0\n{first}#quicctl end 0 0\n#quicctl begin 1\n{second}#quicctl end 1 0\n"
    assert run(["socket/states/opens", "netns"], Where.VM) == {
        "socket/states.opens": Status.PASS,
        "netns/test_loss.test_drop": Status.PASS,
        "guest/kernel reports nothing": Status.PASS,
    }
    [job] = guests.jobs
    names = dict(job.files)
    assert "tests/socket/states" in names
    assert "tests/socket/harness.sh" not in names
    assert names["lib"].name == "lib"
    assert job.kernel is not None
    assert job.env == {"QUIC_SLOW": "2"}
    assert f"{guest.BASE}/payload/tests/socket/states opens" in guests.scripts[0]
    assert "selftests/netns/test_loss.py" in guests.scripts[0]


def test_files_of_a_group_are_one_program(guests: Guests, project: Path) -> None:
    (project / "selftests" / "netns" / "test_ecn.py").write_text("def test_mark():\n    pass\n\ndef test_bleach():\n    pass\n")
    guests.said = "#quicctl begin 0\n1..2\nok 1 test_ecn.test_mark\nok 2 test_loss.test_drop\n#quicctl end 0 0\n"
    assert run(["netns/test_loss", "mark"], Where.VM) == {
        "netns/test_ecn.test_mark": Status.PASS,
        "netns/test_loss.test_drop": Status.PASS,
        "guest/kernel reports nothing": Status.PASS,
    }
    [script] = guests.scripts
    assert script.count("-m pytest") == 1
    assert "selftests/netns/test_ecn.py::test_mark selftests/netns/test_loss.py " in script


def test_debug_guest_has_suites_and_what_was_built_beside_the_module(guests: Guests, tmp_path: Path) -> None:
    (tmp_path / "built").mkdir()
    (tmp_path / "built" / builder.SAMPLE).touch()
    guests.said = "#quicctl begin 0\n1..1\nok 1 first\n#quicctl end 0 0\n"
    run(["kunit"], Where.UML)
    assert "/sys/kernel/debug/kunit/quic_rtt/run" in guests.scripts[0]
    assert builder.SAMPLE in dict(guests.jobs[0].files)
    assert builder.SIMDEV not in dict(guests.jobs[0].files)
    assert guests.jobs[0].kernel is None


def test_peers_are_mounted(guests: Guests, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "selftests" / "interop").mkdir()
    (project / "selftests" / "interop" / "test_y.py").write_text("def test_z():\n    pass\n")
    monkeypatch.setattr(peers, "roots", lambda _: [])

    def manifest(roots: object, place: Path) -> list[tuple[str, Path]]:
        place.write_text("{}")
        return [("sid", project)]

    monkeypatch.setattr(peers, "write_manifest", manifest)
    run(["interop"], Where.UML)
    assert guests.jobs[0].mounts == (("sid", project),)
    assert peers.MANIFEST in dict(guests.jobs[0].files)


def test_peers_and_examples_are_there_in_both_lanes(guests: Guests, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "selftests" / "interop" / "http3").mkdir(parents=True)
    (project / "selftests" / "interop" / "http3" / "test_get.py").write_text("def test_z():\n    pass\n")
    monkeypatch.setattr(peers, "roots", lambda _: [peers.Absent("sid", "no network")])
    monkeypatch.setattr(examples, "files", lambda manifest, _: [("examples/sid/h3get", project)])
    for where in (Where.VM, Where.UML):
        run(["http3"], where)
        names = dict(guests.jobs[-1].files)
        assert {peers.MANIFEST, examples.MANIFEST, "examples/sid/h3get"} <= set(names)


def test_kernel_that_reports_fails_the_run(guests: Guests, tmp_path: Path) -> None:
    report = splat.Splat("KASAN", "use after free", "text")
    guests.outcome = guest.Outcome(0, 1.0, (report,), ("the module would not unload",), tmp_path)
    guests.said = "#quicctl begin 0\n1..2\nok 1 opens\nok 2 closes\n#quicctl end 0 0\n"
    results = run(["socket"], Where.VM)
    assert results["guest/kernel reports nothing"] is Status.FAIL


def test_guest_that_dies_fails_what_it_was_at(guests: Guests) -> None:
    guests.failure = errors.GuestDied("it died", detail="console")
    guests.said = "#quicctl begin 0\n1..2\nok 1 opens\n"
    results = run(["socket"], Where.VM)
    assert results["guest/lives"] is Status.FAIL
    assert Status.FAIL in [status for name, status in results.items() if name.startswith("socket/")]


def test_guest_that_cannot_be_prepared_is_a_failure(guests: Guests, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise errors.BuildFailed("no compiler")

    monkeypatch.setattr(builder, "module", refuse)
    assert run(["socket"], Where.VM) == {"guest/prepared": Status.FAIL}
    assert not guests.jobs


def test_programs_run_here(project: Path) -> None:
    assert run(["core"], Where.CORE) == {"core/quic_rtt.first": Status.PASS}
    assert run(["fuzz"], Where.CORE)["fuzz/frames.corpus"] is Status.FAIL


def test_pytest_runs_here(project: Path) -> None:
    (project / "quicctl").symlink_to(Path(selftest.__file__).parent)
    results = run(["quicctl"], Where.HOST)
    assert {name: status for name, status in results.items() if "test_" in name} == {
        "quicctl/test_x.test_good": Status.PASS,
        "quicctl/test_x.test_bad": Status.FAIL,
    }


def test_builds_are_judged_by_their_warnings(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = builder.ModuleBuild("7.1", tmp_path, tmp_path, ("warning: x",), cached=False)
    monkeypatch.setattr(builder, "module", lambda *_, **__: noisy)
    results = run(["build"], Where.HOST)
    assert results["build/libquic"] is Status.PASS
    assert {status for name, status in results.items() if name != "build/libquic"} == {Status.FAIL}


def test_linters_are_those_of_the_environment(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "ruff").write_text("#!/bin/sh\necho untidy; exit 1\n")
    (programs / "ruff").chmod(0o755)
    monkeypatch.setattr(selftest.sys, "executable", str(programs / "python"))
    assert run(["lint"], Where.HOST) == {"lint/ruff": Status.FAIL, "lint/mypy": Status.SKIP}


def test_library_of_the_newest_build_is_found_by_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for number, name in enumerate(("libquic-new", "libquic-old")):
        (tmp_path / "quicctl" / "built" / name).mkdir(parents=True)
        os.utime(tmp_path / "quicctl" / "built" / name, (1000 - number, 1000 - number))
    assert selftest._host_environment()["LD_LIBRARY_PATH"].endswith("libquic-new/lib")


# The command.


def command(*words: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["selftest", *map(str, words)])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_command_lists_what_would_run(project: Path) -> None:
    status, said, _ = command("--list", "--where", "vm", "socket")
    assert status == 0
    assert said.split() == ["vm", "socket/states/*"]


def test_command_shows_results_and_writes_files(project: Path, tmp_path: Path) -> None:
    junit, ktap_file = tmp_path / "out.xml", tmp_path / "out.ktap"
    status, said, told = command("--where", "core", "core", "--verbose", "--junit", junit, "--ktap", ktap_file)
    assert status == 0
    assert said.rstrip().endswith("1 passed, 0 failed, 0 skipped")
    assert "PASS core core/quic_rtt.first" in told
    assert "quic_rtt.first" in junit.read_text()
    assert "ok 1" in ktap_file.read_text()


def test_command_fails_with_its_tests(project: Path) -> None:
    status, said, told = command("--where", "core", "fuzz")
    assert status == errors.TestsFailed.exit_code
    assert "FAIL core fuzz/frames.corpus" in told
    assert "failed" in said


def test_command_tells_machines(project: Path) -> None:
    status, said, _ = command("--where", "core", "core", "--json")
    assert status == 0
    assert len(json.loads(said)["results"]) == 1


def test_command_writes_who_understood_whom(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "roots", list)
    monkeypatch.setattr(interop, "versions", lambda roots: {})
    monkeypatch.setattr(interop, "table", lambda cases, versions: f"{len(cases)} cases\n")
    assert command("--where", "core", "core", "--matrix", tmp_path / "matrix.md")[0] == 0
    assert (tmp_path / "matrix.md").read_text() == "1 cases\n"


def test_command_of_which_all_was_skipped(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(selftest.sys, "executable", str(tmp_path / "python"))
    status, _, told = command("--where", "host", "lint")
    assert status == errors.NoSuchTest.exit_code
    assert "SKIP host lint/ruff: ruff is not installed" in told


def test_run_without_pytest_says_so(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(errors.ToolMissing, match="pytest"):
        run(["quicctl"], Where.HOST)
