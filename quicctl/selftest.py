# SPDX-License-Identifier: GPL-2.0-or-later
"""Select the selftests, run them where they can run, and collect one result a case.

What a group is and where it runs stands in GROUPS. A lane's guest is booted once for all that is selected; what its kernel
reports counts as a failed case of its own. Printing is the command's business.
"""

from __future__ import annotations

import enum
import fnmatch
import importlib.util
import multiprocessing
import os
import re
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from quicctl import builder, cache, errors, guest, kernel, peers, process, sourcetree, uml
from quicctl.ktap import CaseResult, Parser, Status


class Where(enum.StrEnum):
    """Where tests run."""

    CORE = "core"
    HOST = "host"
    VM = "vm"
    UML = "uml"


class Kind(enum.Enum):
    """How a group's tests are started."""

    CORE = enum.auto()
    """One program of all suites over the protocol core, in this process's place."""
    PROGRAMS = enum.auto()
    """C programs that print KTAP."""
    FUZZ = enum.auto()
    """Targets with a driver in common: the inputs of a corpus, then mutations of them for a moment."""
    PYTEST = enum.auto()
    KUNIT = enum.auto()
    """Suites inside the module, started and read through debugfs."""
    HOST_PYTEST = enum.auto()
    """Python tests that stay on the host, whatever they start themselves."""
    BUILD = enum.auto()
    LINT = enum.auto()


@dataclass(frozen=True, slots=True)
class Group:
    """Tests of one kind in one folder, and the lanes they belong to."""

    name: str
    kind: Kind
    folder: str
    lanes: tuple[Where, ...]
    only: tuple[str, ...] = ()
    """Python files that make up the group; empty for all that no other group of the folder claims."""
    peers: bool = False
    """Whether the tests use programs of other suites, see peers.py; lane uml has them."""
    long: bool = False
    """Whether the tests take many minutes: they run only if asked for by the group's name."""


GROUPS = (
    Group("core", Kind.CORE, "module/tests", (Where.CORE,)),
    Group("fuzz", Kind.FUZZ, "selftests/fuzz", (Where.CORE,)),
    Group("lint", Kind.LINT, "", (Where.HOST,)),
    Group("build", Kind.BUILD, "", (Where.HOST,)),
    Group("quicctl", Kind.HOST_PYTEST, "selftests/quicctl", (Where.HOST,)),
    Group("libquic", Kind.PROGRAMS, "selftests/libquic", (Where.HOST,)),
    Group("kunit", Kind.KUNIT, "module/tests", (Where.UML,)),
    Group("socket", Kind.PROGRAMS, "selftests/socket", (Where.VM, Where.UML)),
    Group("netns", Kind.PYTEST, "selftests/netns", (Where.VM, Where.UML)),
    Group("offload", Kind.PYTEST, "selftests/netns", (Where.VM, Where.UML), ("test_offload",)),
    Group("interop", Kind.PYTEST, "selftests/interop", (Where.VM, Where.UML), peers=True),
    Group("peers", Kind.PYTEST, "selftests/interop/peers", (Where.UML,), peers=True),
    Group("consumer", Kind.PYTEST, "selftests/interop/consumers", (Where.UML,), peers=True),
    Group("tool", Kind.PYTEST, "selftests/quicctl", (Where.VM, Where.UML), ("test_end_to_end", "test_end_to_end_module")),
    Group("cat", Kind.PYTEST, "selftests/quicctl", (Where.UML,), ("test_end_to_end_cat",)),
    Group("python", Kind.PYTEST, "selftests/quicctl", (Where.UML,), ("test_end_to_end_python",)),
    Group("signing", Kind.HOST_PYTEST, "selftests/guest", (Where.VM,), ("test_signing", "test_refusals")),
    Group("kernels", Kind.HOST_PYTEST, "selftests/guest", (Where.VM,), ("test_kernels",)),
    Group("shell", Kind.HOST_PYTEST, "selftests/guest", (Where.VM,), ("test_shell",)),
    Group("canary", Kind.HOST_PYTEST, "selftests/guest", (Where.UML,)),
    Group("package", Kind.HOST_PYTEST, "selftests/package", (Where.HOST,), long=True),
)

_UNIT_SECONDS = {Where.CORE: 300.0, Where.HOST: 900.0, Where.VM: 600.0, Where.UML: 900.0}
_LONG_SECONDS = 5400.0
_LANE_SECONDS = {Where.VM: 1800.0, Where.UML: 2400.0}
_IN_GUEST = (Kind.PROGRAMS, Kind.PYTEST, Kind.KUNIT)
_MARK = "#quicctl"
_LINTS = ("ruff", "mypy")
_FUZZ_CASES = ("corpus", "mutations")

_C_CASE = re.compile(
    r"\bKUNIT_CASE(?:_PARAM|_SLOW)?\((\w+)|^TEST(?:_SIGNAL|_TIMEOUT)?\((\w+)|^TEST_F(?:_\w+)?\((\w+),\s*(\w+)", re.M
)
_C_SUITE = re.compile(r"struct kunit_suite \w+ = \{(.*?)\};", re.S)
_C_SUITE_NAME = re.compile(r"\.name\s*=\s*\"([\w-]+)\"")
_C_SUITE_CASES = re.compile(r"\.test_cases\s*=\s*(\w+)")
_C_CASES = re.compile(r"struct kunit_case (\w+)\[\]\s*=\s*\{(.*?)\};", re.S)
_PY_CASE = re.compile(r"^\s*(?:async )?def (test_\w+)", re.M)


@dataclass(frozen=True, slots=True)
class Unit:
    """What is started as one program: a test program, a group's pytest run, a build."""

    group: Group
    where: Where
    name: str
    cases: tuple[str, ...] | None = None
    """Only these are wanted; None is all."""


@dataclass(frozen=True, slots=True)
class TestResult:
    """A case's result and where it ran."""

    __test__ = False

    where: Where
    group: str
    case: CaseResult
    series: str | None = None
    """Lane vm: the kernel series, if several were asked for."""

    @property
    def lane(self) -> str:
        """Where it ran, in words."""
        return f"{self.where} {self.series}" if self.series else str(self.where)


@dataclass(frozen=True, slots=True)
class Report:
    """What a run of the selftests brought."""

    results: tuple[TestResult, ...]
    seconds: float
    folders: tuple[Path, ...]
    """Console logs and what the tests left, one folder a guest."""

    def count(self, status: Status) -> int:
        """How many cases ended so."""
        return sum(r.case.status is status for r in self.results)

    @property
    def passed(self) -> int:
        """Cases that passed."""
        return self.count(Status.PASS)

    @property
    def failed(self) -> int:
        """Cases that failed."""
        return self.count(Status.FAIL)

    @property
    def skipped(self) -> int:
        """Cases that could not run, each with its reason."""
        return self.count(Status.SKIP)


OnResult = Callable[[TestResult], None]
Progress = Callable[[str], None]


def select(patterns: Sequence[str], wheres: Sequence[Where]) -> list[Unit]:
    """The units that the patterns ask for, in the order of GROUPS; raises NoSuchTest for a pattern that asks for nothing.

    A pattern is a group's name, or matches ``group/unit/case`` in part or, with wildcards, as a whole.
    """
    offered: list[tuple[Unit, tuple[str, ...]]] = [
        (Unit(group, where, name), cases)
        for group in GROUPS
        for where in group.lanes
        if where in wheres
        for name, cases in _units(group)
    ]
    if not patterns:
        return [unit for unit, _ in offered if not unit.group.long]
    chosen: dict[Unit, set[str] | None] = {}
    for pattern in patterns:
        found = False
        for unit, cases in offered:
            name = f"{unit.group.name}/{unit.name}"
            if unit.group.long and pattern.partition("/")[0] != unit.group.name:
                continue
            if pattern in (unit.group.name, name) or fnmatch.fnmatch(name, pattern):
                chosen[unit] = None
                found = True
                continue
            hits = {case for case in cases if _matches(f"{name}/{case}", pattern)}
            if hits:
                before = chosen.get(unit, set())
                chosen[unit] = None if before is None else before | hits
                found = True
        if not found:
            lanes = ", ".join(wheres)
            raise errors.NoSuchTest(
                f"no test matches {pattern!r} in {lanes}",
                remedy="groups: " + ", ".join(sorted({unit.group.name for unit, _ in offered})) + "; see --list",
            )
    return [
        Unit(unit.group, unit.where, unit.name, None if (wanted := chosen[unit]) is None else tuple(sorted(wanted)))
        for unit, _ in offered
        if unit in chosen
    ]


def catalogue(wheres: Sequence[Where]) -> Iterator[tuple[Where, str]]:
    """Every known case by its full name, without running anything."""
    for group in GROUPS:
        for where in group.lanes:
            if where in wheres:
                for unit, cases in _units(group):
                    for case in cases or ("*",):
                        yield where, f"{group.name}/{unit}/{case}"


def run(
    units: Sequence[Unit],
    *,
    series: Sequence[str] = (),
    on_result: OnResult | None = None,
    progress: Progress | None = None,
) -> Report:
    """Run the units, each lane as a process beside the others. A lane that cannot run is a failure, not a skip.

    With series, kernels of kernel.SERIES, lane vm runs once for each of them; otherwise on the default one.
    """
    for name in series:
        kernel.known_series(name)
    _need_pytest(units)
    began = time.monotonic()
    run_ = _Run(on_result or (lambda _: None), progress or (lambda _: None))
    lanes = list(_lanes(units, series))
    if len(lanes) == 1:
        run_.lane(lanes[0])
    else:
        run_.side_by_side(lanes)
    return Report(tuple(run_.results), time.monotonic() - began, tuple(run_.folders))


def _need_pytest(units: Sequence[Unit]) -> None:
    if any(unit.group.kind in (Kind.PYTEST, Kind.HOST_PYTEST) for unit in units) and not importlib.util.find_spec("pytest"):
        raise errors.ToolMissing(
            "pytest is not installed where quicctl is", remedy="run make check, or: pip install 'quicctl[test,interop]'"
        )


@dataclass(frozen=True, slots=True)
class _Lane:
    """Units that run one after the other, in one guest if they need one."""

    units: tuple[Unit, ...]
    series: str | None = None


def _lanes(units: Sequence[Unit], series: Sequence[str]) -> Iterator[_Lane]:
    """What can run side by side, the longest first.

    Groups with peers have a guest of their own in lane uml: the others need not wait for the peers' roots, and neither for
    each other.
    """
    alone = {unit for unit in units if unit.where is Where.UML and unit.group.peers}
    for wheres, wanted in (
        ((Where.UML,), [unit for unit in units if unit not in alone]),
        ((Where.VM,), units),
        ((Where.UML,), [unit for unit in units if unit in alone]),
        ((Where.CORE, Where.HOST), units),
    ):
        lane = tuple(unit for where in wheres for unit in wanted if unit.where is where)
        if lane:
            for name in (series if wheres == (Where.VM,) else ()) or (None,):
                yield _Lane(lane, name)


class _Run:
    """One run in progress: what came out so far."""

    def __init__(self, on_result: OnResult, progress: Progress) -> None:
        self.results: list[TestResult] = []
        self.folders: list[Path] = []
        self._on_result = on_result
        self._progress = progress

    def take(self, result: TestResult) -> None:
        """Note a result."""
        self.results.append(result)
        self._on_result(result)

    def side_by_side(self, lanes: Sequence[_Lane]) -> None:
        """Run each lane in a process of its own, one more than there are processors: what one waits for holds up no other."""
        fork = multiprocessing.get_context("fork")
        open_: dict[Connection, tuple[_Lane, BaseProcess]] = {}
        waiting = list(lanes)
        try:
            while open_ or waiting:
                while waiting and len(open_) <= (os.cpu_count() or 1):
                    lane = waiting.pop(0)
                    ours, theirs = fork.Pipe(duplex=False)
                    child = fork.Process(target=_work, args=(lane, theirs))
                    child.start()
                    theirs.close()
                    open_[ours] = lane, child
                for ready in wait(list(open_)):
                    assert isinstance(ready, Connection)
                    self._hear(ready, open_)
        finally:
            left = [started for _, started in open_.values()]
            for started in left:
                started.terminate()
            for started in left:
                started.join()

    def _hear(self, ready: Connection, open_: dict[Connection, tuple[_Lane, BaseProcess]]) -> None:
        try:
            said = ready.recv()
        except EOFError:
            lane, ended = open_.pop(ready)
            ended.join()
            if ended.exitcode:
                where = lane.units[0].where
                how = f"the lane's process {process.describe_end(ended.exitcode)}"
                self.take(TestResult(where, "lane", CaseResult("runs", Status.FAIL, how), lane.series))
            return
        match said:
            case TestResult():
                self.take(said)
            case Path():
                self.folders.append(said)
            case str():
                self._progress(said)

    def lane(self, lane: _Lane) -> None:
        """Run a lane's units in this process."""
        guests = [u for u in lane.units if u.where in (Where.VM, Where.UML) and u.group.kind in _IN_GUEST]
        if guests:
            self.guest(guests[0].where, guests, lane.series)
        for unit in lane.units:
            if unit not in guests:
                self.host(unit)

    def record(self, where: Where, group: str, case: CaseResult, series: str | None = None) -> None:
        """Note a case's result."""
        self.take(TestResult(where, group, case, series))

    def host(self, unit: Unit) -> None:
        """Run a unit on this machine."""
        self._progress(f"{unit.where}: {unit.group.name}/{unit.name}")
        collector = _Collector(self, unit)
        try:
            if unit.group.kind is Kind.BUILD:
                _build(unit, collector, self._progress)
            elif unit.group.kind is Kind.LINT:
                _lint(unit, collector)
            else:
                status = process.run(
                    _host_argv(unit, self._progress), cwd=sourcetree.project(), check=False,
                    timeout=_LONG_SECONDS if unit.group.long else _UNIT_SECONDS[unit.where],
                    on_line=collector.line, env=_host_environment(),
                ).returncode  # fmt: skip
                collector.end(status)
        except errors.QuicctlError as failure:
            collector.broke(failure)

    def guest(self, where: Where, units: list[Unit], series: str | None) -> None:
        """Boot the lane's guest once and run the units in it."""
        lane = guest.Lane(where.value)
        name = f"{where} {series}" if series else str(where)
        with tempfile.TemporaryDirectory(prefix="quicctl-selftest-") as scratch:
            try:
                job = _guest_job(lane, units, series, Path(scratch), self._progress)
            except errors.QuicctlError as failure:
                self.record(where, "guest", CaseResult("prepared", Status.FAIL, _explain(failure)), series)
                return
            reader = _Reader(self, units, series)
            self._progress(f"{name}: booting the guest for {len(units)} test program(s)")
            try:
                outcome = guest.run(lane, job, on_output=reader.take)
            except errors.QuicctlError as failure:
                reader.interrupted(failure)
                self.record(where, "guest", CaseResult("lives", Status.FAIL, _explain(failure)), series)
                return
        reader.finish()
        self.folders.append(outcome.folder)
        case = CaseResult("kernel reports nothing", Status.PASS)
        if not outcome.healthy:
            said = [*outcome.complaints, *(f"{s.kind}: {s.title}\n{s.text}" for s in outcome.splats)]
            case = CaseResult(case.name, Status.FAIL, "\n".join([*said, f"console: {outcome.folder / 'console.log'}"]))
        self.record(where, "guest", case, series)


def _work(lane: _Lane, channel: Connection) -> None:
    """A lane's process: what comes out goes through the channel."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends this process in order
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    run_ = _Run(channel.send, channel.send)
    run_.lane(lane)
    for folder in run_.folders:
        channel.send(folder)


class _Collector:
    """Turns the output of one unit into results, and sees to it that a silent unit is a failed one."""

    def __init__(self, run: _Run, unit: Unit, series: str | None = None) -> None:
        self._run = run
        self.unit = unit
        self._series = series
        self._parser = Parser(self._take)
        self._failed = self._count = 0
        self._last: list[str] = []

    def line(self, line: str) -> None:
        self._last = [*self._last[-60:], line]
        self._parser.feed(line)

    def result(self, case: CaseResult) -> None:
        self._count += 1
        self._failed += case.status is Status.FAIL
        self._run.record(self.unit.where, self.unit.group.name, case, self._series)

    def end(self, status: int, said: str = "") -> None:
        """The unit's program is over."""
        self._parser.finish()
        last = said or "\n".join(self._last)
        for problem in self._parser.problems:
            self.result(CaseResult(f"{self.unit.name}.complete", Status.FAIL, f"{problem}\n{last}"))
        if self._failed:
            return
        if status != 0:
            how = "did not end in time" if status in (124, 137) else process.describe_end(status)
            self.result(CaseResult(f"{self.unit.name}.ended", Status.FAIL, f"{how}\n{last}"))
        elif self._count == 0:
            self.result(CaseResult(f"{self.unit.name}.reports", Status.FAIL, f"no result was reported\n{last}"))

    def broke(self, failure: errors.QuicctlError) -> None:
        """The unit could not be run to its end."""
        self.result(CaseResult(f"{self.unit.name}.runs", Status.FAIL, _explain(failure)))

    def _take(self, case: CaseResult) -> None:
        wanted = self.unit.cases
        if self.unit.group.kind is Kind.CORE and not case.name.startswith(f"{self.unit.name}."):
            return  # the runner takes a part of a name, which another suite's can contain
        if wanted is not None and _case_name(case.name) not in {_case_name(c) for c in wanted}:
            return
        name = case.name
        if self.unit.group.kind in (Kind.PROGRAMS, Kind.FUZZ) and not name.startswith(f"{self.unit.name}."):
            name = f"{self.unit.name}.{name}"
        self.result(CaseResult(name, case.status, case.detail, case.seconds))


class _Reader:
    """Follows a guest's output, in which marks tell which unit is speaking."""

    def __init__(self, run: _Run, units: list[Unit], series: str | None) -> None:
        self._run = run
        self._units = units
        self._series = series
        self._collector: _Collector | None = None
        self._next = 0
        self._pending = {"stdout": b"", "stderr": b""}
        self._errors: list[str] = []

    def take(self, name: str, data: bytes) -> None:
        *lines, self._pending[name] = (self._pending[name] + data).split(b"\n")
        for raw in lines:
            line = raw.decode(errors="replace").rstrip("\r")
            if name == "stderr":
                self._errors = [*self._errors[-40:], line]
            elif line.startswith(f"{_MARK} begin "):
                unit = self._units[int(line.split()[2])]
                self._collector = _Collector(self._run, unit, self._series)
                self._errors = []
                self._next += 1
            elif line.startswith(f"{_MARK} end ") and self._collector is not None:
                self._collector.end(int(line.split()[3]), "\n".join(self._errors))
                self._collector = None
            elif self._collector is not None:
                self._collector.line(line)

    def interrupted(self, failure: errors.QuicctlError) -> None:
        if self._collector is not None:
            self._collector.end(1, failure.message)
        self._not_run()

    def finish(self) -> None:
        if self._collector is not None:
            self._collector.end(1, "the guest ended before this program did")
        self._not_run()

    def _not_run(self) -> None:
        for unit in self._units[self._next :]:
            case = CaseResult(f"{unit.name}.runs", Status.FAIL, "the guest ended before its turn came")
            self._run.record(unit.where, unit.group.name, case, self._series)


# Patience with a slow kernel, and how much to move: the debug kernel looks for faults, the other moves the amounts.
_GUEST_ENVIRONMENT = {
    guest.Lane.VM: {"QUIC_SLOW": "2"},
    guest.Lane.UML: {"QUIC_SLOW": "5", "QUIC_NETNS_BYTES": str(1 << 20), "QUIC_INTEROP_BYTES": str(1 << 20)},
}


def _guest_job(lane: guest.Lane, units: list[Unit], series: str | None, scratch: Path, progress: Progress) -> guest.Job:
    """Build what the units need and write the script that runs them one after the other."""
    where = Where(lane.value)
    tree = sourcetree.project()
    booted = uml.debug_kernel(progress) if lane is guest.Lane.UML else kernel.newest(series or kernel.DEFAULT_SERIES)
    built = builder.module(booted, tests=lane is guest.Lane.UML, progress=progress)
    files = [("lib", builder.library(progress=progress).folder / "lib")]
    for folder in sorted({u.group.folder for u in units if u.group.kind is Kind.PROGRAMS}):
        name = Path(folder).name
        work = builder.programs(name, progress=progress)
        files += [(f"tests/{name}/{program.name}", program) for program in _executables(work)]
    if (simdev := built.module.parent / builder.SIMDEV).exists():
        files.append((builder.SIMDEV, simdev))
    if lane is guest.Lane.UML:
        files.append((builder.SAMPLE, built.module.parent / builder.SAMPLE))
    mounts: list[tuple[str, Path]] = []
    if lane is guest.Lane.UML and any(unit.group.peers for unit in units):
        mounts = peers.write_manifest(peers.roots(progress), scratch / peers.MANIFEST)
        files.append((peers.MANIFEST, scratch / peers.MANIFEST))
    seconds = _UNIT_SECONDS[where]
    lines = []
    for number, unit in enumerate(units):
        command = _guest_command(unit)
        lines += [f"echo '{_MARK} begin {number}'", f"timeout -k 5 {seconds:.0f} {command}"]
        lines += [f'echo "{_MARK} end {number} $?"']
    script = scratch / "tests.sh"
    script.write_text("\n".join([*lines, ""]))
    return guest.Job(
        ("sh", f"{guest.BASE}/payload/tests.sh"),
        modules=(built.module,),
        files=(*files, ("tests.sh", script)),
        mounts=tuple(mounts),
        tree=tree,
        timeout=_LANE_SECONDS[where],
        kernel=None if lane is guest.Lane.UML else booted,
        env=_GUEST_ENVIRONMENT[lane],
    )


def _guest_command(unit: Unit) -> str:
    if unit.group.kind is Kind.KUNIT:
        suite = f"/sys/kernel/debug/kunit/{unit.name}"
        return f"sh -c 'echo 1 >{suite}/run && cat {suite}/results'"
    if unit.group.kind is Kind.PROGRAMS:
        program = f"{guest.BASE}/payload/tests/{Path(unit.group.folder).name}/{unit.name}"
        return shlex.join([program, *(unit.cases or ())])
    return shlex.join(["python3", *_pytest_arguments(unit)])


def _pytest_arguments(unit: Unit) -> list[str]:
    argv = ["-m", "pytest", "-p", "quicctl.ktap_pytest", "-p", "no:terminal", "-p", "no:cacheprovider"]
    argv += ["-o", "addopts=--strict-markers"]  # the project's own concern the terminal
    argv += [f"{unit.group.folder}/{unit.name}.py"]
    if unit.cases is not None:
        argv += ["-k", " or ".join(unit.cases)]
    if unit.where in (Where.VM, Where.UML) and unit.group.kind is Kind.PYTEST:
        argv += ["-o", "timeout=500"]
    if unit.group.long:
        argv += ["-o", f"timeout={_LONG_SECONDS:.0f}"]
    return argv


def _host_argv(unit: Unit, progress: Progress) -> list[str | Path]:
    if unit.group.kind is Kind.CORE:
        program = builder.programs("core", progress=progress) / "core-tests"
        return [program, *(f"{unit.name}.{case}" for case in unit.cases or ("",))]
    if unit.group.kind in (Kind.PROGRAMS, Kind.FUZZ):
        return [builder.programs(Path(unit.group.folder).name, progress=progress) / unit.name, *(unit.cases or ())]
    return [sys.executable, *_pytest_arguments(unit)]


def _host_environment() -> dict[str, str]:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    built = sorted((cache.root() / "built").glob("libquic-*"), key=lambda p: p.stat().st_mtime)
    if built:
        environment["LD_LIBRARY_PATH"] = str(built[-1] / "lib")
    return environment


def _build(unit: Unit, collector: _Collector, progress: Progress) -> None:
    """The module builds for a kernel of the matrix, or the library builds, without a warning."""
    began = time.monotonic()
    if unit.name == "libquic":
        warnings = builder.library(progress=progress).warnings
    else:
        target = uml.debug_kernel(progress) if unit.name == "uml" else kernel.newest(unit.name)
        warnings = builder.module(target, tests=unit.name == "uml", progress=progress).warnings
    status = Status.FAIL if warnings else Status.PASS
    collector.result(CaseResult(unit.name, status, "\n".join(warnings), time.monotonic() - began))


def _lint(unit: Unit, collector: _Collector) -> None:
    tree = sourcetree.project()
    argv = {"ruff": ["ruff", "check", "--quiet", "quicctl", "selftests"], "mypy": ["mypy", "--strict", "quicctl"]}[unit.name]
    program = Path(sys.executable).parent / argv[0]
    if not program.exists():
        collector.result(CaseResult(unit.name, Status.SKIP, f"{argv[0]} is not installed beside this Python"))
        return
    began = time.monotonic()
    ended = process.run([program, *argv[1:]], cwd=tree, check=False, timeout=300)
    status = Status.PASS if ended.returncode == 0 else Status.FAIL
    collector.result(CaseResult(unit.name, status, ended.stdout + ended.stderr, time.monotonic() - began))


def _units(group: Group) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What a group can start, each with the cases its source names; read from the source, nothing is run."""
    tree = sourcetree.project()
    folder = tree / group.folder
    if group.kind is Kind.BUILD:
        for name in (*(s.name for s in kernel.SERIES), "uml", "libquic"):
            yield name, ()
    elif group.kind is Kind.LINT:
        for name in _LINTS:
            yield name, ()
    elif group.kind is Kind.CORE:
        for source in sorted([*folder.glob("*_test.c"), *(tree / "selftests" / "core").glob("*_test.c")]):
            yield from _suites(source.read_text())
    elif group.kind is Kind.KUNIT:
        listed = set(re.findall(r"tests/(\w+)\.o", (tree / "module" / "Kbuild").read_text()))
        sources = [source for source in sorted(folder.glob("*.c")) if source.stem in listed]
        for source in sources:
            yield from _suites(source.read_text())
    elif group.kind is Kind.PROGRAMS:
        for source in sorted(folder.glob("*.c")):
            cases = _names(_C_CASE, source.read_text())
            if cases:
                yield source.stem, tuple(cases)
    elif group.kind is Kind.FUZZ:
        for source in sorted(folder.glob("*.c")):
            if "\nint LLVMFuzzerTestOneInput(" in source.read_text():
                yield source.stem, _FUZZ_CASES
    else:
        claimed = {name for other in GROUPS if other.folder == group.folder for name in other.only}
        for source in sorted(folder.glob("test_*.py")):
            if source.stem not in (group.only or {source.stem} - claimed):
                continue
            yield source.stem, tuple(_names(_PY_CASE, source.read_text()))


def _suites(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The KUnit suites of a source file with their cases."""
    arrays = {match[1]: tuple(_names(_C_CASE, match[2])) for match in _C_CASES.finditer(text)}
    for match in _C_SUITE.finditer(text):
        name, cases = _C_SUITE_NAME.search(match[1]), _C_SUITE_CASES.search(match[1])
        if name and cases:
            yield name[1], arrays.get(cases[1], ())


def _names(pattern: re.Pattern[str], text: str) -> list[str]:
    found: list[str] = []
    for match in pattern.finditer(text):
        name = ".".join(part for part in match.groups() if part)
        if name not in found:
            found.append(name)
    return found


def _matches(name: str, pattern: str) -> bool:
    return fnmatch.fnmatch(name, pattern) if any(c in pattern for c in "*?[") else pattern in name


def _case_name(name: str) -> str:
    """A case without its suite and parameters."""
    return name.partition("[")[0].rsplit(".", 1)[-1]


def _executables(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.iterdir()) if p.is_file() and os.access(p, os.X_OK) and p.suffix not in (".so", ".sh")]


def _explain(failure: errors.QuicctlError) -> str:
    return "\n".join(part for part in (failure.message, failure.detail, failure.remedy) if part)
