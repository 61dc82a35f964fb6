# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a command in a guest that loads the module first: boot, watch, collect, judge.

A guest is started for one job and ends by itself; its console is kept. Lines of the control port (``QUICCTL word value``) say
how far it got: they are written by selftests/guest/{init.c,session.sh}. How a machine is started is known to vm.py and
uml.py, which prepare a Launch; here it is driven and its outcome judged.
"""

from __future__ import annotations

import contextlib
import enum
import os
import selectors
import shlex
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from quicctl import cache, errors, process, sourcetree, splat
from quicctl.kernel import Kernel

BASE = "/run/quic"
"""Where a guest has its things: ``tree`` (the project), ``payload``, ``out`` (comes back to the host)."""

_POWER_OFF_GRACE = 20.0
_RUNS_KEPT = 40
_TAIL_LINES = 25
_END_OF_INPUT = b"\4"
# Standard input and output of the session are one port; a terminal of its own makes job control and line editing work.
_TERMINAL = "import os, pty, sys; os.dup2(1, 0); sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"

Sink = Callable[[str, bytes], None]
"""Called with ``stdout`` or ``stderr`` and what the job wrote."""


class Lane(enum.StrEnum):
    """Where a guest runs: an emulated machine with a distribution kernel, or User-Mode Linux with the debug kernel."""

    VM = "vm"
    UML = "uml"


@dataclass(frozen=True, slots=True)
class Job:
    """A command for a guest and the conditions it runs under."""

    argv: tuple[str, ...]
    modules: tuple[Path, ...] = ()
    """Inserted in this order before the command, taken out in reverse order after it."""
    files: tuple[tuple[str, Path], ...] = ()
    """Files and folders the command finds below /run/quic/payload by these names."""
    mounts: tuple[tuple[str, Path], ...] = ()
    """Folders that do not change, which the command finds below /run/quic by these names, read-only. Lane vm makes images of
    them and keeps those."""
    env: Mapping[str, str] = field(default_factory=dict)
    tree: Path | None = None
    timeout: float = 600.0
    processors: int = 2
    memory: int = 1536
    """In MiB."""
    icount: bool = False
    """Count instructions: one processor, a clock that advances a nanosecond per instruction. Lane vm only."""
    leaks: bool = True
    panic_on_warn: bool = False
    source: int | None = None
    """A descriptor of the host whose bytes are the command's standard input, on a terminal of the guest's own."""
    kernel: Kernel | None = None
    """The kernel to boot; otherwise lane vm takes the newest of the default series, lane uml the debug kernel."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job."""

    status: int
    """Exit status of the command; above 128 the signal that ended it."""
    seconds: float
    splats: tuple[splat.Splat, ...]
    complaints: tuple[str, ...]
    """What else went wrong with the guest: the module would not unload, lockdep off, a process left behind."""
    folder: Path
    """console.log, stdout, stderr, control and results/ of the run."""

    @property
    def healthy(self) -> bool:
        """Whether the kernel had nothing to report."""
        return not self.splats and not self.complaints

    @property
    def results(self) -> Path:
        """What the job left in its out folder."""
        return self.folder / "results"


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a prepared machine."""

    argv: tuple[str, ...]
    inherited: tuple[int, ...]
    results: Callable[[Path], None]
    """Fetches what the guest left in its out folder."""
    env: Mapping[str, str] = field(default_factory=dict)


def run(lane: Lane, job: Job, *, on_output: Sink | None = None, folder: Path | None = None) -> Outcome:
    """Boot a guest, run the job in it, and judge how it went.

    Raises GuestUnavailable if the lane cannot run here, GuestTimeout, GuestDied, LoadFailed. A report of a kernel that lived on
    is no exception: it stands in the outcome, so that a caller sees the job's status too.

    A machine that dies before its session has begun, so before anything of this project has run, is started once more, and
    that is said on stderr: emulated processors of several threads may run code that another one has just patched.
    """
    from quicctl import uml, vm  # the lanes know this module's types

    machine = vm if lane is Lane.VM else uml
    process.end_on_terminate()
    kept = folder or _new_run_folder(lane)
    kept.mkdir(parents=True, exist_ok=True)
    watch, seconds = _start(machine, job, kept, on_output)
    if not watch.said:
        first = (kept / "console.log").rename(kept / "console-first.log")
        if on_output is not None:
            on_output("stderr", f"the guest died while it booted, and is started again; see {first}\n".encode())
        watch, seconds = _start(machine, job, kept, on_output)
    return _judge(watch, seconds)


def _start(machine: ModuleType, job: Job, kept: Path, on_output: Sink | None) -> tuple[_Watch, float]:
    """Start a prepared machine and stay with it to its end; how that went, and the seconds it took."""
    ports = {name: socket.socketpair() for name in ("stdout", "stderr", "control")}
    try:
        with tempfile.TemporaryDirectory(prefix="quicctl-guest-") as scratch:
            payload = Path(scratch) / "payload"
            _fill_payload(payload, job)
            launch = machine.prepare(job, Path(scratch), {name: theirs.fileno() for name, (_, theirs) in ports.items()})
            began = time.monotonic()
            watch = _Watch(kept, on_output)
            for name, (ours, _) in ports.items():
                watch.add(name, ours)
            if job.source is not None:
                watch.feed(job.source, ports["stdout"][0])
            _drive(launch, watch, [theirs for _, theirs in ports.values()], job.timeout)
            (kept / "results").mkdir(exist_ok=True)
            if "done" in watch.said:
                launch.results(kept / "results")
            return watch, time.monotonic() - began
    finally:
        for pair in ports.values():
            for end in pair:
                end.close()


def guest_init() -> Path:
    """The guests' first process, compiled once."""
    source = guest_folder() / "init.c"

    def make(scratch: Path) -> None:
        process.run(["gcc", "-static", "-Os", "-Wall", "-o", str(scratch / "init"), str(source)])

    return cache.entry(cache.root() / "init" / cache.key(source), make) / "init"


def guest_folder() -> Path:
    """The folder selftests/guest of the project."""
    return sourcetree.project() / "selftests" / "guest"


class _Watch:
    """Collects what a guest says on its ports and its console, and keeps it in files."""

    def __init__(self, folder: Path, on_output: Sink | None) -> None:
        self.folder = folder
        self.said: dict[str, list[str]] = {}
        self.selector = selectors.DefaultSelector()
        self._on_output = on_output
        self._pending = b""
        self._typed = b""
        self._keyboard: socket.socket | None = None
        self._closing = contextlib.ExitStack()
        self._files = {
            name: self._closing.enter_context((folder / name).open("wb"))
            for name in ("stdout", "stderr", "control", "console.log")
        }

    def add(self, name: str, source: socket.socket | int) -> None:
        if isinstance(source, socket.socket):
            source.setblocking(False)
        self.selector.register(source, selectors.EVENT_READ, name)

    def feed(self, source: int, port: socket.socket) -> None:
        """Pass on what can be read from a descriptor; the output port of a terminal takes its input, too."""
        self._keyboard = port
        self.selector.register(source, selectors.EVENT_READ, "stdin")

    def poll(self, wait: float) -> None:
        if self._typed and self._keyboard is not None:
            with contextlib.suppress(BlockingIOError):
                self._typed = self._typed[self._keyboard.send(self._typed) :]
        for chosen, _ in self.selector.select(0.01 if self._typed else wait):
            try:
                data = os.read(chosen.fd, 65536)
            except (BlockingIOError, ConnectionResetError):
                continue
            if not data:
                self.selector.unregister(chosen.fileobj)
            if chosen.data == "stdin":
                self._typed += data or _END_OF_INPUT
            elif data:
                self._take(chosen.data, data)

    def drain(self) -> None:
        """Read what is still on its way once the guest is gone."""
        for _ in range(1000):
            if not self.selector.get_map() or not self.selector.select(0):
                return
            self.poll(0)

    def close(self) -> None:
        self.selector.close()
        self._closing.close()

    @property
    def finished(self) -> bool:
        """Whether the guest said its last word."""
        return "done" in self.said or "failed" in self.said

    def console(self) -> str:
        """The console's log; complete once the watch is closed."""
        return (self.folder / "console.log").read_text(errors="replace")

    def _take(self, name: str, data: bytes) -> None:
        self._files[name].write(data)
        if name == "control":
            *lines, self._pending = (self._pending + data).split(b"\n")
            for line in lines:
                word, _, value = line.decode(errors="replace").strip().removeprefix("QUICCTL ").partition(" ")
                self.said.setdefault(word, []).append(value)
        elif name in ("stdout", "stderr") and self._on_output is not None:
            self._on_output(name, data)


def _drive(launch: Launch, watch: _Watch, theirs: list[socket.socket], timeout: float) -> None:
    """Start the machine and stay with it until it is gone; it is in any case gone afterwards."""
    read_end, write_end = os.pipe()
    environment = {**os.environ, **launch.env}
    # Should this process be killed, the machine goes with it.
    setpriv = process.which("setpriv")
    argv = [str(setpriv), "--pdeathsig", "KILL", *launch.argv] if setpriv else launch.argv
    deadline = time.monotonic() + timeout
    try:
        with process.running(argv, stdout=write_end, stderr=write_end, env=environment, pass_fds=launch.inherited) as machine:
            os.close(write_end)
            write_end = -1
            for end in theirs:
                end.close()
            watch.add("console.log", read_end)
            while machine.poll() is None and time.monotonic() < deadline:
                watch.poll(0.2)
                if watch.finished:
                    deadline = min(deadline, time.monotonic() + _POWER_OFF_GRACE)
            if machine.poll() is None:
                # A User-Mode Linux that gets TERM runs its exit code in whatever context and reports nonsense.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(machine.pid, signal.SIGKILL)
                machine.wait()
            watch.drain()
    finally:
        watch.close()
        os.close(read_end)
        if write_end >= 0:
            os.close(write_end)
    if not watch.finished and time.monotonic() >= deadline:
        raise errors.GuestTimeout(f"the guest was not done after {timeout:.0f} s", detail=_tail(watch), remedy=_where(watch))


def _judge(watch: _Watch, seconds: float) -> Outcome:
    said = watch.said
    detail, remedy = _tail(watch), _where(watch)
    if "load" in said:
        raise errors.LoadFailed(f"the module cannot be loaded in the guest: {said['load'][0]}", detail=detail, remedy=remedy)
    if "failed" in said:
        raise errors.GuestDied(f"the guest could not start its session: {said['failed'][0]}", detail=detail, remedy=remedy)
    if "job" not in said or "done" not in said:
        reported = splat.find(watch.console())
        if reported:
            raise errors.KernelSplat(f"the guest died: {reported[0].title}", detail=reported[0].text, remedy=remedy)
        raise errors.GuestDied("the guest died before the job was done", detail=detail, remedy=remedy)
    complaints = [f"module not unloaded: {value}" for value in said.get("unload", [])]
    complaints += [f"process left running: {value}" for value in said.get("stray", [])]
    complaints += [f"{value} did not come back" for value in said.get("lost", [])]
    symbols = watch.folder / "results" / "symbols.txt"
    console = splat.resolve(watch.console(), symbols.read_text()) if symbols.exists() else watch.console()
    found = tuple(splat.find(console))
    # A report turns lockdep off, so this is news only where nothing was reported.
    if "0" in said.get("locks", []) and not found:
        complaints.append("lockdep had turned itself off")
    return Outcome(int(said["job"][0]), seconds, found, tuple(complaints), watch.folder)


def _tail(watch: _Watch) -> str:
    return process.tail(watch.console(), _TAIL_LINES)


def _where(watch: _Watch) -> str:
    return f"see the whole console in {watch.folder / 'console.log'}"


def _fill_payload(payload: Path, job: Job) -> None:
    payload.mkdir(parents=True)
    shutil.copy(guest_folder() / "session.sh", payload / "session.sh")
    argv = job.argv if job.source is None else ("python3", "-c", _TERMINAL, *job.argv)
    (payload / "job.sh").write_text("exec " + shlex.join(argv) + "\n")
    for name, path in (*((m.name, m) for m in job.modules), *job.files):
        place = payload / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, place, symlinks=True)
        else:
            shutil.copy(path, place)


def write_env(payload: Path, job: Job, own: Mapping[str, str]) -> None:
    """Write the environment that the session script and the job see; the job's own settings come last."""
    common = {
        "HOME": "/root", "LC_ALL": "C.UTF-8", "TERM": "dumb", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1",
        "QUIC_LOAD": " ".join(m.name for m in job.modules), "QUIC_LEAKS": "1" if job.leaks else "",
        "QUIC_TREE": f"{BASE}/tree", "QUIC_OUT": f"{BASE}/out", "QUIC_PAYLOAD": f"{BASE}/payload",
        "LD_LIBRARY_PATH": f"{BASE}/payload/lib",
    }  # fmt: skip
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in {**common, **own, **job.env}.items()]
    (payload / "env.sh").write_text("".join(lines))


def _new_run_folder(lane: Lane) -> Path:
    runs = cache.root() / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    cache.prune(runs, keep=_RUNS_KEPT)
    return Path(tempfile.mkdtemp(prefix=time.strftime(f"{lane.value}-%m%d-%H%M%S-"), dir=runs))
