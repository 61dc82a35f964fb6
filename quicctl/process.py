# SPDX-License-Identifier: GPL-2.0-or-later
"""The one place that starts other programs.

A command is a list, never a shell line; each is logged in a form that can be pasted. Failure becomes our error with the
last output; what the program means to the caller is left to the caller.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from quicctl import errors

log = logging.getLogger("quicctl.process")

NOT_FOUND = 127
_TAIL_LINES = 30


@dataclass(frozen=True, slots=True)
class Result:
    """How a program ended; stdout and stderr are empty where they went elsewhere."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = 120,
    check: bool = True,
    input: str | None = None,
    stdout: IO[bytes] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Result:
    """Run a program to its end and return its output.

    With ``stdout`` its output goes to that file. With ``on_line`` output and errors are joined and handed over line by line
    while it runs (and kept in the result). With ``check=False`` an error is returned, not raised, and a program that does
    not exist counts as ended with 127, as in a shell. A timeout is always raised; the program and its children are killed.
    """
    words = tuple(str(word) for word in argv)
    log.info("%s", shlex.join(words) + (f"  # in {cwd}" if cwd else ""))
    try:
        child = subprocess.Popen(
            words,
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
            stdout=stdout if stdout is not None else subprocess.PIPE,
            stderr=subprocess.STDOUT if on_line else subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as failure:
        if not check:
            return Result(words, NOT_FOUND, "", str(failure))
        if isinstance(failure, FileNotFoundError) and (cwd is None or cwd.is_dir()):
            raise errors.ToolMissing(
                f"{words[0]} is not installed", remedy=f"install the package that provides {Path(words[0]).name}"
            ) from failure
        raise errors.CommandFailed(f"{words[0]} cannot be started: {failure}") from failure

    with child:
        try:
            out, err = _collect(child, input, timeout, on_line)
        except subprocess.TimeoutExpired as expired:
            kill(child)
            said = _decode(expired.output) + _decode(expired.stderr)
            raise errors.CommandTimeout(
                f"{shlex.join(words[:3])} ... did not end within {timeout:g} s", detail=tail(said)
            ) from expired
        except BaseException:
            kill(child)
            raise
    result = Result(words, child.returncode, out, err)
    if check and child.returncode != 0:
        raise errors.CommandFailed(
            f"{shlex.join(words)} {describe_end(child.returncode)}",
            detail=tail(err or out),
            returncode=child.returncode,
        )
    return result


def _collect(
    child: subprocess.Popen[bytes], data: str | None, timeout: float | None, on_line: Callable[[str], None] | None
) -> tuple[str, str]:
    if on_line is None:
        out, err = child.communicate(None if data is None else data.encode(), timeout)
        return _decode(out), _decode(err)
    # The pipe is read until its end; a timer ends the program, and with it the pipe.
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        kill(child)

    timer = threading.Timer(timeout, expire) if timeout is not None else None
    lines: list[str] = []
    if timer:
        timer.start()
    try:
        if child.stdin and data is not None:
            with contextlib.suppress(BrokenPipeError):
                child.stdin.write(data.encode())
            child.stdin.close()
        assert child.stdout is not None
        for raw in child.stdout:
            line = _decode(raw).rstrip("\n")
            lines.append(line)
            on_line(line)
        child.wait()
    finally:
        if timer:
            timer.cancel()
    text = "\n".join(lines)
    if expired.is_set():
        raise subprocess.TimeoutExpired(child.args, timeout or 0, output=text.encode())
    return text, ""


@contextlib.contextmanager
def running(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: int | IO[bytes] | None = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = subprocess.PIPE,
    stderr: int | IO[bytes] | None = None,
    pass_fds: Sequence[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Keep a program running beside the caller; it and its children are gone when the block ends."""
    words = [str(word) for word in argv]
    log.info("%s &", shlex.join(words))
    try:
        child = subprocess.Popen(
            words,
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=tuple(pass_fds),
            start_new_session=True,
        )
    except FileNotFoundError as failure:
        raise errors.ToolMissing(
            f"{words[0]} is not installed", remedy=f"install the package that provides {Path(words[0]).name}"
        ) from failure
    try:
        yield child
    finally:
        kill(child)
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe:
                pipe.close()


def kill(child: subprocess.Popen[bytes], grace: float = 2.0) -> None:
    """End a program that was started in its own session, with its children: politely first."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(grace)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def end_on_terminate() -> None:
    """Let a polite request to end unwind the program, so that programs and scratch files go with it."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def describe_end(returncode: int) -> str:
    """The end of a program in words."""
    if returncode >= 0:
        return f"ended with status {returncode}"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was killed by signal {-returncode}"


def tail(text: str, lines: int = _TAIL_LINES) -> str:
    """The last lines of an output."""
    return "\n".join(text.rstrip().splitlines()[-lines:])


def which(name: str) -> Path | None:
    """The program's place on the search path, system folders included."""
    path = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
    for folder in path.split(":"):
        candidate = Path(folder or ".") / name
        if os.access(candidate, os.X_OK) and candidate.is_file():
            return candidate
    return None


def _decode(data: bytes | str | None) -> str:
    if data is None:
        return ""
    return data if isinstance(data, str) else data.decode(errors="replace")
