# SPDX-License-Identifier: GPL-2.0-or-later
"""Changes to files of a system that happen together or not at all.

Each step is written to a journal before it is made, with what was there kept aside. A step that fails, or a signal, undoes the
steps in reverse; after a crash the next call does. New files are written beside their places first, so a full disk is found
out before anything is replaced.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from quicctl import errors

HOME = Path("var/lib/quicctl")
_NEW = ".quicctl-new"
_OURS = ("temporary", "folders", "change")

Undo = Callable[[dict[str, Any]], None]
"""Undoes a step of the caller's own kind."""


class Interrupted(BaseException):
    """A signal asked the process to end; the steps made so far are undone on its way out."""


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is to be: its bytes, or where it links to."""

    path: Path
    data: bytes = b""
    mode: int = 0o644
    link: str | None = None


class Transaction:
    """The steps of one change below a root; made by ``begin()``."""

    def __init__(self, root: Path, undo: Undo) -> None:
        self.root = root
        self._home = root / HOME
        self._journal = self._home / "journal"
        self._undo = undo
        self._steps = 0
        self.made: list[Path] = []
        """Folders that were not there before."""

    def stage(self, files: list[File]) -> None:
        """Write the new files beside their places, which stay as they are."""
        for file in files:
            self._make_folders(file.path.parent)
            beside = self._beside(file.path)
            self.note({"do": "temporary", "path": str(beside)})
            if file.link is not None:
                beside.unlink(missing_ok=True)
                beside.symlink_to(file.link)
                continue
            with open(beside, "wb") as out:
                out.write(file.data)
                out.flush()
                os.fsync(out.fileno())
            beside.chmod(file.mode)

    def place(self, path: Path) -> None:
        """Put a staged file into its place."""
        self._keep(path)
        os.replace(self._beside(path), path)

    def put(self, file: File) -> None:
        """Stage one file and put it into its place."""
        self.stage([file])
        self.place(file.path)

    def remove(self, path: Path) -> None:
        """Take a file away."""
        if path.is_symlink() or path.exists():
            self._keep(path)
            path.unlink()

    def note(self, step: dict[str, Any]) -> None:
        """Write a step down, before it is made."""
        with open(self._journal, "a") as out:
            out.write(json.dumps(step) + "\n")
            out.flush()
            os.fsync(out.fileno())
        self._steps += 1

    def _make_folders(self, folder: Path) -> None:
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for new in reversed(missing):
            self.note({"do": "folders", "paths": [str(new)]})
            new.mkdir()
            new.chmod(0o755)
            self.made.append(new)

    def _keep(self, path: Path) -> None:
        """Copy what is at a place aside, and write down that the place is about to change."""
        if not (path.is_symlink() or path.exists()):
            self.note({"do": "change", "path": str(path), "kept": None})
            return
        kept = self._home / "kept" / str(self._steps)
        kept.parent.mkdir(exist_ok=True)
        shutil.copy2(path, kept, follow_symlinks=False)
        self.note({"do": "change", "path": str(path), "kept": str(kept)})

    @staticmethod
    def _beside(path: Path) -> Path:
        return path.with_name(f".{path.name}{_NEW}")

    def commit(self) -> None:
        """From here on the new state is the one that counts."""
        self._journal.unlink()
        self._tidy()

    def roll_back(self) -> bool:
        """Undo what the journal says, the last step first; returns whether there was one. May be repeated."""
        if not self._journal.exists():
            self._tidy()
            return False
        steps = []
        for line in self._journal.read_text().splitlines():
            with contextlib.suppress(ValueError):  # the last line may be cut off: its step was not made
                steps.append(json.loads(line))
        for step in reversed(steps):
            self._undo_step(step)
        for step in steps:
            if step["do"] not in _OURS:  # made from the files, so made again when these are back
                self._undo(step)
        self._journal.unlink()
        self._tidy()
        for step in reversed(steps):
            for folder in reversed(step["paths"]) if step["do"] == "folders" else ():
                with contextlib.suppress(OSError):  # somebody else put something there
                    Path(folder).rmdir()
        return True

    def _undo_step(self, step: dict[str, Any]) -> None:
        path = Path(step.get("path", ""))
        match step["do"]:
            case "temporary":
                path.unlink(missing_ok=True)
            case "change" if step["kept"] is None:
                path.unlink(missing_ok=True)
            case "change":
                beside = self._beside(path)
                beside.unlink(missing_ok=True)
                shutil.copy2(step["kept"], beside, follow_symlinks=False)
                os.replace(beside, path)

    def _tidy(self) -> None:
        shutil.rmtree(self._home / "kept", ignore_errors=True)
        with contextlib.suppress(OSError):
            self._home.rmdir()


@contextlib.contextmanager
def begin(root: Path, undo: Undo, *, waiting: Callable[[], None] | None = None) -> Iterator[Transaction]:
    """Hold the lock of a root, undo what an earlier call left half done, and make a change.

    The change counts when the block ends; an error or a signal undoes it. Raises NoSpace, FileUnwritable, NotRoot.
    """
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is not None:
                waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        with _signals_raise(), _errors_are_ours(root):
            change = Transaction(root, undo)
            change.roll_back()
            change.made = [folder for folder in reversed((root / HOME, *(root / HOME).parents)) if not folder.is_dir()]
            (root / HOME).mkdir(parents=True, exist_ok=True)
            try:
                change.note({"do": "folders", "paths": [str(folder) for folder in change.made]})
                yield change
                change.commit()
            except BaseException:
                with _signals_wait():
                    change.roll_back()
                raise
    finally:
        os.close(handle)


def recover(root: Path, undo: Undo) -> bool:
    """Undo what an earlier call left half done, if it did."""
    return Transaction(root, undo).roll_back()


@contextlib.contextmanager
def _errors_are_ours(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as failure:
        place = failure.filename or root
        if failure.errno in (errno.ENOSPC, errno.EDQUOT):
            text = f"the disk of {place} is full; all is as it was"
            raise errors.NoSpace(text, remedy="make room and try again") from failure
        if failure.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            text = f"{place} cannot be changed: {failure.strerror}; all is as it was"
            raise errors.NotRoot(text, remedy="run it as root, or give another --root") from failure
        raise errors.FileUnwritable(
            f"{place} cannot be written: {failure.strerror}; all is as it was", remedy="check the path and its permissions"
        ) from failure


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """Turn signals that would end the process at once into an exception, so that there is a way out to undo things on."""

    def stop(number: int, _: FrameType | None) -> None:
        raise Interrupted(number)

    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    try:
        before = {number: signal.signal(number, stop) for number in numbers}
    except ValueError:  # not in the main thread: the next call cleans up
        yield
        return
    try:
        yield
    except Interrupted as stopped:
        raise errors.Interrupted(
            f"stopped by {signal.Signals(stopped.args[0]).name}; all is as it was", remedy="run it again"
        ) from stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _signals_wait() -> Iterator[None]:
    """Hold signals back while what was done is undone."""
    numbers = {signal.SIGTERM, signal.SIGHUP, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
