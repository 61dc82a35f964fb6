# SPDX-License-Identifier: GPL-2.0-or-later
"""Run selftests where they can run, and collect one result a case.

Which there are stands in catalogue.py. A lane's guest is booted once for all that is selected; what its kernel
reports counts as a failed case of its own. Printing is the command's business.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
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

from quicctl import builder, cache, errors, examples, guest, kernel, peers, process, sourcetree, uml
from quicctl.catalogue import Group, Kind, Unit, Where
from quicctl.ktap import CaseResult, Parser, Status

_UNIT_SECONDS = {Where.CORE: 300.0, Where.HOST: 900.0, Where.VM: 600.0, Where.UML: 900.0}
_LONG_SECONDS = 5400.0
_LANE_SECONDS = {Where.VM: 1800.0, Where.UML: 2400.0}
_IN_GUEST = (Kind.PROGRAMS, Kind.PYTEST, Kind.KUNIT)
_MARK = "#quicctl"
_END = (signal.SIGTERM,)
_PATIENCE = 30.0
"""With a lane that is to end, in seconds: a guest of its own takes the most of it."""


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
class Program:
    """Units that are started as one: the files of a group of Python tests, or a single unit of another kind."""

    units: tuple[Unit, ...]

    @property
    def group(self) -> Group:
        """Where they belong."""
        return self.units[0].group

    @property
    def where(self) -> Where:
        """Their lane."""
        return self.units[0].where

    @property
    def name(self) -> str:
        """The unit's name, or the group's for several."""
        return self.units[0].name if len(self.units) == 1 else self.group.name


def _programs(units: Sequence[Unit]) -> tuple[Program, ...]:
    """What is started, in the order of the units. A Python that starts anew for each file is most of the time of some."""
    grouped: dict[tuple[str, str], list[Unit]] = {}
    for unit in units:
        together = unit.group.kind in (Kind.PYTEST, Kind.HOST_PYTEST) and not unit.group.long
        grouped.setdefault((unit.group.name, "" if together else unit.name), []).append(unit)
    return tuple(Program(tuple(some)) for some in grouped.values())


@dataclass(frozen=True, slots=True)
class _Lane:
    """Programs that run one after the other, in one guest if they need one."""

    programs: tuple[Program, ...]
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
        lane = tuple(program for where in wheres for program in _programs([u for u in wanted if u.where is where]))
        if lane:
            for name in (series if wheres == (Where.VM,) else ()) or (None,):
                yield _Lane(lane, name)


class _Run:
    """One run in progress: what came out so far."""

    def __init__(self, on_result: OnResult, progress: Progress) -> None:
        self.results: list[TestResult] = []
        self.folders: list[Path] = []
        self._on_result = on_result
        self.progress = progress

    def take(self, result: TestResult) -> None:
        """Note a result."""
        self.results.append(result)
        self._on_result(result)

    def side_by_side(self, lanes: Sequence[_Lane]) -> None:
        """Run each lane in a process of its own, one more than there are processors: what one waits for holds up no other."""
        process.end_on_terminate()
        fork = multiprocessing.get_context("fork")
        open_: dict[Connection, tuple[_Lane, BaseProcess]] = {}
        waiting = list(lanes)
        try:
            while open_ or waiting:
                while waiting and len(open_) <= (os.cpu_count() or 1):
                    lane = waiting.pop(0)
                    ours, theirs = fork.Pipe(duplex=False)
                    child = fork.Process(target=_work, args=(lane, theirs))
                    # A child forgets the signals of before its first own instruction, unless they have to wait.
                    signal.pthread_sigmask(signal.SIG_BLOCK, _END)
                    try:
                        child.start()
                    finally:
                        signal.pthread_sigmask(signal.SIG_UNBLOCK, _END)
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
                started.join(_PATIENCE)
                started.kill()  # one that did not hear it; a guest ends with its lane
                started.join()

    def _hear(self, ready: Connection, open_: dict[Connection, tuple[_Lane, BaseProcess]]) -> None:
        try:
            said = ready.recv()
        except EOFError:
            lane, ended = open_.pop(ready)
            ended.join()
            if ended.exitcode:
                where = lane.programs[0].where
                how = f"the lane's process {process.describe_end(ended.exitcode)}"
                self.take(TestResult(where, "lane", CaseResult("runs", Status.FAIL, how), lane.series))
            return
        match said:
            case TestResult():
                self.take(said)
            case Path():
                self.folders.append(said)
            case str():
                self.progress(said)

    def lane(self, lane: _Lane) -> None:
        """Run a lane's programs in this process."""
        guests = [p for p in lane.programs if p.where in (Where.VM, Where.UML) and p.group.kind in _IN_GUEST]
        if guests:
            self.guest(guests[0].where, guests, lane.series)
        for program in lane.programs:
            if program not in guests:
                self.host(program)

    def record(self, where: Where, group: str, case: CaseResult, series: str | None = None) -> None:
        """Note a case's result."""
        self.take(TestResult(where, group, case, series))

    def host(self, program: Program) -> None:
        """Run a program on this machine."""
        self.progress(f"{program.where}: {program.group.name}/{program.name}")
        collector = _Collector(self, program)
        try:
            if program.group.kind is Kind.BUILD:
                _build(program, collector, self.progress)
            elif program.group.kind is Kind.LINT:
                _lint(program, collector)
            else:
                status = process.run(
                    _host_argv(program, self.progress), cwd=sourcetree.project(), check=False, timeout=_seconds(program),
                    on_line=collector.line, env=_host_environment(),
                ).returncode  # fmt: skip
                collector.end(status)
        except errors.QuicctlError as failure:
            collector.broke(failure)

    def guest(self, where: Where, programs: list[Program], series: str | None) -> None:
        """Boot the lane's guest once and run the programs in it."""
        lane = guest.Lane(where.value)
        name = f"{where} {series}" if series else str(where)
        with tempfile.TemporaryDirectory(prefix="quicctl-selftest-") as scratch:
            try:
                job = _guest_job(lane, programs, series, Path(scratch), self.progress)
            except errors.QuicctlError as failure:
                self.record(where, "guest", CaseResult("prepared", Status.FAIL, _explain(failure)), series)
                return
            reader = _Reader(self, programs, series)
            self.progress(f"{name}: booting the guest for {len(programs)} test program(s)")
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
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _END)
    run_ = _Run(channel.send, channel.send)
    run_.lane(lane)
    for folder in run_.folders:
        channel.send(folder)


class _Collector:
    """Turns the output of one program into results, and sees to it that a silent program is a failed one."""

    def __init__(self, run: _Run, program: Program, series: str | None = None) -> None:
        self._run = run
        self._program = program
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
        self._run.record(self._program.where, self._program.group.name, case, self._series)

    def end(self, status: int, said: str = "") -> None:
        """The program is over."""
        self._parser.finish()
        last = said or "\n".join(self._last)
        for problem in self._parser.problems:
            self.result(CaseResult(f"{self._program.name}.complete", Status.FAIL, f"{problem}\n{last}"))
        if self._failed:
            return
        if status != 0:
            how = "did not end in time" if status in (124, 137) else process.describe_end(status)
            self.result(CaseResult(f"{self._program.name}.ended", Status.FAIL, f"{how}\n{last}"))
        elif self._count == 0:
            self.result(CaseResult(f"{self._program.name}.reports", Status.FAIL, f"no result was reported\n{last}"))

    def broke(self, failure: errors.QuicctlError) -> None:
        """The program could not be run to its end."""
        self.result(CaseResult(f"{self._program.name}.runs", Status.FAIL, _explain(failure)))

    def _take(self, case: CaseResult) -> None:
        kind, unit = self._program.group.kind, self._program.units[0]
        if kind is Kind.CORE and not case.name.startswith(f"{unit.name}."):
            return  # the runner takes a part of a name, which another suite's can contain
        # The others run what they are told to, and no more.
        told = kind in (Kind.PYTEST, Kind.HOST_PYTEST) or unit.cases is None
        if not told and _case_name(case.name) not in map(_case_name, unit.cases or ()):
            return
        name = case.name
        if kind in (Kind.PROGRAMS, Kind.FUZZ) and not name.startswith(f"{unit.name}."):
            name = f"{unit.name}.{name}"
        self.result(CaseResult(name, case.status, case.detail, case.seconds))


class _Reader:
    """Follows a guest's output, in which marks tell which unit is speaking."""

    def __init__(self, run: _Run, programs: list[Program], series: str | None) -> None:
        self._run = run
        self._programs = programs
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
                if self._collector is None and line:
                    self._run.progress(line)
            elif line.startswith(f"{_MARK} begin "):
                program = self._programs[int(line.split()[2])]
                self._collector = _Collector(self._run, program, self._series)
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
        for program in self._programs[self._next :]:
            case = CaseResult(f"{program.name}.runs", Status.FAIL, "the guest ended before its turn came")
            self._run.record(program.where, program.group.name, case, self._series)


# Patience with a slow kernel, and how much to move: the debug kernel looks for faults, the other moves the amounts.
_GUEST_ENVIRONMENT = {
    guest.Lane.VM: {"QUIC_SLOW": "2"},
    guest.Lane.UML: {"QUIC_SLOW": "5", "QUIC_NETNS_BYTES": str(1 << 20), "QUIC_INTEROP_BYTES": str(1 << 20)},
}
_PASSED_ON = ("QUIC_CONSUMER_BYTES",)
"""What the user may set for tests in guests."""


def _guest_job(lane: guest.Lane, programs: list[Program], series: str | None, scratch: Path, progress: Progress) -> guest.Job:
    """Build what the programs need and write the script that runs them one after the other."""
    where = Where(lane.value)
    tree = sourcetree.project()
    booted = uml.debug_kernel(progress) if lane is guest.Lane.UML else kernel.for_guest(series)
    built = builder.module(booted, tests=lane is guest.Lane.UML, progress=progress)
    files = [("lib", builder.libquic(progress=progress).folder / "lib")]
    for folder in sorted({u.group.folder for u in programs if u.group.kind is Kind.PROGRAMS}):
        name = Path(folder).name
        work = builder.programs(name, progress=progress)
        files += [(f"tests/{name}/{program.name}", program) for program in _executables(work)]
    files += [(m, built.module.parent / m) for m in (builder.SIMDEV, builder.SAMPLE) if (built.module.parent / m).exists()]
    if any(program.group.examples for program in programs):
        files += [*examples.files(scratch / examples.MANIFEST, progress), (examples.MANIFEST, scratch / examples.MANIFEST)]
    mounts: list[tuple[str, Path]] = []
    if any(program.group.peers and (where is Where.UML or where in program.group.named) for program in programs):
        mounts = peers.write_manifest(peers.roots(progress), scratch / peers.MANIFEST)
        files.append((peers.MANIFEST, scratch / peers.MANIFEST))
    lines = []
    for number, program in enumerate(programs):
        command = _guest_command(program)
        lines += [f"echo '{_MARK} begin {number}'", f"timeout -k 5 {_seconds(program):.0f} {command}"]
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
        env=_GUEST_ENVIRONMENT[lane] | {name: os.environ[name] for name in _PASSED_ON if name in os.environ},
    )


def _seconds(program: Program) -> float:
    """When it has hung for certain."""
    if program.group.long:
        return _LONG_SECONDS
    return min(_UNIT_SECONDS[program.where] * len(program.units), _LANE_SECONDS.get(program.where, _LONG_SECONDS))


def _guest_command(program: Program) -> str:
    unit = program.units[0]
    if program.group.kind is Kind.KUNIT:
        suite = f"/sys/kernel/debug/kunit/{unit.name}"
        return f"sh -c 'echo 1 >{suite}/run && cat {suite}/results'"
    if program.group.kind is Kind.PROGRAMS:
        path = f"{guest.BASE}/payload/tests/{Path(unit.group.folder).name}/{unit.name}"
        return shlex.join([path, *(unit.cases or ())])
    return shlex.join(["python3", *_pytest_arguments(program)])


def _pytest_arguments(program: Program) -> list[str]:
    argv = ["-m", "pytest", "-p", "quicctl.ktap_pytest", "-p", "no:terminal", "-p", "no:cacheprovider"]
    argv += ["-o", "addopts=--strict-markers"]  # the project's own concern the terminal
    for unit in program.units:
        file = f"{unit.group.folder}/{unit.name}.py"
        argv += [file] if unit.cases is None else [f"{file}::{case}" for case in unit.cases]
    if program.group.kind is Kind.PYTEST:
        argv += ["-o", "timeout=500"]
    if program.group.long:
        argv += ["-o", f"timeout={_LONG_SECONDS:.0f}"]
    return argv


def _host_argv(program: Program, progress: Progress) -> list[str | Path]:
    unit = program.units[0]
    if program.group.kind is Kind.CORE:
        runner = builder.programs("core", progress=progress) / "core-tests"
        return [runner, *(f"{unit.name}.{case}" for case in unit.cases or ("",))]
    if program.group.kind in (Kind.PROGRAMS, Kind.FUZZ):
        return [builder.programs(Path(unit.group.folder).name, progress=progress) / unit.name, *(unit.cases or ())]
    return [sys.executable, *_pytest_arguments(program)]


def _host_environment() -> dict[str, str]:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    built = sorted((cache.root() / "built").glob("libquic-*"), key=lambda p: p.stat().st_mtime)
    if built:
        environment["LD_LIBRARY_PATH"] = str(built[-1] / "lib")
    return environment


def _build(program: Program, collector: _Collector, progress: Progress) -> None:
    """The module builds for a kernel of the matrix, or the library builds, without a warning."""
    began = time.monotonic()
    if program.name == "libquic":
        warnings = builder.libquic(progress=progress).warnings
    else:
        target = uml.debug_kernel(progress) if program.name == "uml" else kernel.newest(program.name)
        warnings = builder.module(target, tests=program.name == "uml", progress=progress).warnings
    status = Status.FAIL if warnings else Status.PASS
    collector.result(CaseResult(program.name, status, "\n".join(warnings), time.monotonic() - began))


def _lint(program: Program, collector: _Collector) -> None:
    tree = sourcetree.project()
    argv = {"ruff": ["ruff", "check", "--quiet", "quicctl", "selftests"], "mypy": ["mypy", "--strict", "quicctl"]}[program.name]
    tool = Path(sys.executable).parent / argv[0]
    if not tool.exists():
        collector.result(CaseResult(program.name, Status.SKIP, f"{argv[0]} is not installed beside this Python"))
        return
    began = time.monotonic()
    ended = process.run([tool, *argv[1:]], cwd=tree, check=False, timeout=300)
    status = Status.PASS if ended.returncode == 0 else Status.FAIL
    collector.result(CaseResult(program.name, status, ended.stdout + ended.stderr, time.monotonic() - began))


def _case_name(name: str) -> str:
    """A case without its suite and parameters."""
    return name.partition("[")[0].rsplit(".", 1)[-1]


def _executables(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.iterdir()) if p.is_file() and os.access(p, os.X_OK) and p.suffix not in (".so", ".sh")]


def _explain(failure: errors.QuicctlError) -> str:
    return "\n".join(part for part in (failure.message, failure.detail, failure.remedy) if part)
