# SPDX-License-Identifier: GPL-2.0-or-later
"""An instance of the kernel's tracer of our own, so that nobody else's tracing is touched."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

from quicctl import errors

ROOT = Path("/sys/kernel/tracing")
_PREFIX = "quicctl-"
_CHUNK = 1 << 16
_BUSY_SECONDS = 2.0


class Instance:
    """The tracer with the module's events, from open_instance()."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pipe = os.open(folder / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def start(self) -> None:
        """Events come from now on."""
        (self.folder / "events" / "quic" / "enable").write_text("1")

    def stop(self) -> None:
        """No more events; what is in the rings can still be read."""
        (self.folder / "events" / "quic" / "enable").write_text("0")

    def read(self) -> bytes:
        """What there is, without waiting; empty if there is nothing."""
        try:
            return os.read(self._pipe, _CHUNK)
        except BlockingIOError:
            return b""

    def overrun(self) -> int:
        """Events that found no room, of all processors. Those that trace_pipe has told of are among them."""
        total = 0
        for stats in self.folder.glob("per_cpu/cpu*/stats"):
            for line in stats.read_text().splitlines():
                name, _, value = line.partition(":")
                if name in ("overrun", "dropped events"):
                    total += int(value)
        return total

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self._pipe)


@contextlib.contextmanager
def open_instance(*, buffer_kb: int, conn: int | None = None, root: Path | None = None) -> Iterator[Instance]:
    """An instance with ``buffer_kb`` of room a processor; with ``conn`` it hears only of the socket with that cookie.

    It is gone afterwards, whatever happens; what a killed process left is removed, too. Raises NotRoot, TracingUnavailable,
    ModuleNotLoaded.
    """
    root = root or ROOT
    if os.geteuid() != 0:
        raise errors.NotRoot("tracing needs the right to read the kernel's events")
    instances = root / "instances"
    if not instances.is_dir():
        raise errors.TracingUnavailable(f"{root} is no tracer")
    if not (root / "events" / "quic").is_dir():
        raise errors.ModuleNotLoaded("the running kernel has no tracepoints of QUIC", remedy="run quicctl load")
    _remove_stale(instances)
    folder = instances / f"{_PREFIX}{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as failure:
        raise errors.TracingUnavailable(f"{folder} cannot be made: {failure.strerror}") from failure
    try:
        try:
            (folder / "trace_clock").write_text("mono")
            (folder / "buffer_size_kb").write_text(str(buffer_kb))
            if conn is not None:
                (folder / "events" / "quic" / "filter").write_text(f"conn=={conn}")
            instance = Instance(folder)
        except OSError as failure:
            remedy = "ask for a smaller buffer" if failure.errno == errno.ENOMEM else None
            raise errors.TracingUnavailable(f"the tracer refuses: {failure}", remedy=remedy) from failure
        try:
            yield instance
        finally:
            with contextlib.suppress(OSError):
                instance.stop()
            instance.close()
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    """A reader that has just closed its file keeps it for a moment."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError as failure:
            if failure.errno != errno.EBUSY or time.monotonic() > deadline:
                raise errors.TracingUnavailable(
                    f"{folder} cannot be removed: {failure.strerror}", remedy=f"run rmdir {folder}"
                ) from failure
        time.sleep(0.02)


def _remove_stale(instances: Path) -> None:
    for folder in instances.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX)
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            with contextlib.suppress(OSError):
                folder.rmdir()
