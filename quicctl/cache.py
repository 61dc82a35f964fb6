# SPDX-License-Identifier: GPL-2.0-or-later
"""The folder for what is dear to make and can be made again: kernels, roots, builds.

An entry is made under a lock in a scratch folder beside its place and renamed into it, so a reader sees it whole or not at
all. What an entry contains is the business of the module that makes it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def root() -> Path:
    """The cache folder of this user, ``$XDG_CACHE_HOME/quicctl``."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "quicctl"


def key(*parts: str | bytes | Path) -> str:
    """A short name that changes with any of the parts; a path counts with its content."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:16]


def tree_key(files: Iterable[Path], base: Path) -> str:
    """A name for the names and contents of many files."""
    digest = hashlib.sha256()
    for path in sorted(files):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(base)}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()[:16]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of one cache place; another process that wants it waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.parent / f".{path.name}.lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def entry(path: Path, make: Callable[[Path], None]) -> Path:
    """Return the finished entry at path, made by ``make(scratch folder)`` if it is not there yet."""
    if path.exists():
        return path
    with locked(path):
        if path.exists():
            return path
        _clear_leftovers(path)
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        scratch.chmod(0o755)
        try:
            make(scratch)
            scratch.rename(path)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
    return path


def _clear_leftovers(path: Path) -> None:
    """Scratch folders of processes that were killed; with the lock held nobody works in one."""
    scratch = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}")
    for left in path.parent.iterdir():
        if scratch.fullmatch(left.name):
            shutil.rmtree(left, ignore_errors=True)


def prune(folder: Path, keep: int, pattern: str = "*") -> None:
    """Remove all but the most recently used entries of a folder."""
    entries = sorted((p for p in folder.glob(pattern) if not p.name.startswith(".")), key=lambda p: p.stat().st_mtime)
    for old in entries[: max(0, len(entries) - keep)]:
        shutil.rmtree(old, ignore_errors=True)
