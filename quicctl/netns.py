# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces: doing something inside one. A socket stays in the namespace of the thread that made it."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from quicctl import errors

T = TypeVar("T")

_FOLDER = Path("/run/netns")
_CLONE_NEWNET = 0x40000000


def inside(name: str | None, work: Callable[[], T]) -> T:
    """Run ``work`` inside a namespace: a name of ip-netns(8), or a path such as /proc/PID/ns/net. None: where we are.

    Raises NetnsMissing, NotRoot, and whatever ``work`` raises.
    """
    if name is None:
        return work()
    path = Path(name) if "/" in name else _FOLDER / name
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            _enter(path, name)
            done.append(work())
        except BaseException as failure:
            failed.append(failure)

    thread = threading.Thread(target=run, name=f"netns {name}")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]


def inode(name: str) -> int:
    """The number by which the kernel tells a namespace from others. Raises NetnsMissing, NotRoot."""
    return inside(name, lambda: os.stat("/proc/thread-self/ns/net").st_ino)


def names() -> tuple[str, ...]:
    """The namespaces that ip-netns(8) knows."""
    try:
        return tuple(sorted(path.name for path in _FOLDER.iterdir()))
    except FileNotFoundError:
        return ()


def _enter(path: Path, name: str) -> None:
    import ctypes

    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as failure:
        if failure.errno in (errno.EACCES, errno.EPERM):
            raise errors.NotRoot(f"the network namespace {name} may not be opened") from failure
        known = ", ".join(names()) or "none"
        raise errors.NetnsMissing(f"there is no network namespace {name}", remedy=f"name one of these: {known}") from failure
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(handle, _CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            if code == errno.EPERM:
                raise errors.NotRoot(f"the network namespace {name} may not be entered")
            raise errors.NetnsMissing(f"{name} is no network namespace: {os.strerror(code)}", remedy="see ip netns list")
    finally:
        os.close(handle)
