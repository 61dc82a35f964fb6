# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian roots to build and install packages in: made once by mmdebstrap, used through an overlay that is thrown away.

A session's commands run in a root of their own with the machine's network; nothing of the machine but one shared folder is
seen or changed. Making and entering a root needs root's rights.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from quicctl import archive, cache, errors, process

SHARE = "/build"
"""Where a session finds the folder it shares with the machine."""

_RECIPE = "1"
_SESSION = ".session-"
_MAKE_SECONDS = 1800.0
_APT_OPTIONS = (
    'APT::Install-Recommends "0"', 'APT::Sandbox::User "root"', 'Acquire::Check-Valid-Until "false"',
    'Acquire::Languages "none"',
)  # fmt: skip
_UNSTABLE = "sid"
_NO_UPPER = ("overlayfs", "nfs", "fuse", "fuseblk", "v9fs", "9p", "virtiofs")
"""File systems, as stat calls them, that cannot hold what an overlay changes: a container's root, what is shared with it."""
# Arguments: lower, upper, work and merged folder, shared folder and its place, working folder, command.
_ENTER = """
merged=$4
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" "$merged"
mount -t proc proc "$merged/proc"
mount --rbind /dev "$merged/dev"
mkdir -p "$merged$6"
mount --bind "$5" "$merged$6"
cat /etc/resolv.conf >"$merged/etc/resolv.conf"
folder=$7
shift 7
exec chroot "$merged" sh -c 'cd "$0" && exec "$@"' "$folder" "$@"
"""
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive", "TERM": "dumb",
}  # fmt: skip

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Session:
    """A root in use: what its commands change stays until the session ends."""

    lower: Path
    scratch: Path
    share: Path
    place: str = SHARE
    """What the shared folder is called in the root."""

    def run(
        self, argv: Sequence[str | Path], *, cwd: str | None = None, check: bool = True, timeout: float = _MAKE_SECONDS,
        on_line: Callable[[str], None] | None = None,
    ) -> process.Result:  # fmt: skip
        """Run a command in the root."""
        folders = [str(self.scratch / name) for name in ("upper", "work", "merged")]
        enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", _ENTER, "sh", str(self.lower), *folders,
                 str(self.share), self.place, cwd or self.place, *map(str, argv)]  # fmt: skip
        return process.run(enter, env=_ENVIRONMENT, check=check, timeout=timeout, on_line=on_line)

    def upper(self, path: str) -> Path:
        """A file that this session made, as the machine sees it."""
        return self.scratch / "upper" / path.lstrip("/")


@contextlib.contextmanager
def session(lower: Path, share: Path, place: str = SHARE) -> Iterator[Session]:
    """Use a root; what is changed in it is gone afterwards."""
    _need_root()
    process.end_on_terminate()
    with _scratch(lower.parent.parent) as folder, _changeable(folder) as scratch:
        for name in ("upper", "work", "merged"):
            (scratch / name).mkdir(mode=0o755)
        yield Session(lower, scratch, share.resolve(), place)


@contextlib.contextmanager
def _scratch(roots: Path) -> Iterator[Path]:
    """A session's folder, locked while it is in use; those that killed processes left, which nobody locks, go first."""
    with _locked(roots):
        for left in roots.glob(f"{_SESSION}*"):
            with contextlib.suppress(FileNotFoundError, BlockingIOError), _locked(left, fcntl.LOCK_NB):
                _remove(left)
        folder = Path(tempfile.mkdtemp(prefix=_SESSION, dir=roots))
        in_use = contextlib.ExitStack()
        in_use.enter_context(_locked(folder))
    with in_use:
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


@contextlib.contextmanager
def _locked(folder: Path, how: int = 0) -> Iterator[None]:
    """The folder is its own lock: sessions leave nothing beside it."""
    opened = os.open(folder, os.O_DIRECTORY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | how)
        yield
    finally:
        os.close(opened)


def _remove(left: Path) -> None:
    if left.is_mount():
        process.run(["umount", left])
    shutil.rmtree(left)


@contextlib.contextmanager
def _changeable(scratch: Path) -> Iterator[Path]:
    """A folder that can be an overlay's upper one: memory, where it lies on something that cannot."""
    if process.run(["stat", "-f", "-c", "%T", scratch]).stdout.strip() not in _NO_UPPER:
        yield scratch
        return
    process.run(["mount", "-t", "tmpfs", "-o", "mode=755", "quicctl", scratch])
    try:
        yield scratch
    finally:
        process.run(["umount", scratch])


def root(suite: str, packages: Sequence[str], progress: Progress | None = None) -> Path:
    """A root of a suite with these packages installed, made once."""
    _need_root()
    home = cache.root() / "roots" / f"debian-{suite}-{cache.key(_RECIPE, archive.architecture(), *_APT_OPTIONS, *packages)}"

    def make(scratch: Path) -> None:
        if progress is not None:
            progress(f"making a root of {suite} with {len(packages)} packages and what they need: some minutes, once")
        (scratch / "tree").mkdir(mode=0o755)
        sources = scratch / "sources.list"
        sources.write_text("".join(f"{line}\n" for line in _sources(suite)))
        argv = [_mmdebstrap(), "--mode=root", "--variant=apt", *(f"--aptopt={option}" for option in _APT_OPTIONS)]
        argv += [f"--include={','.join(packages)}"] if packages else []
        try:
            process.run([*argv, suite, str(scratch / "tree"), str(sources)], timeout=_MAKE_SECONDS)
        except errors.CommandFailed as failure:
            raise errors.ArchiveUnavailable(
                f"no root of {suite} can be made here", detail=failure.detail, remedy="check the network and /etc/apt"
            ) from failure

    return cache.entry(home, make) / "tree"


def _sources(suite: str) -> list[str]:
    """The suite, and its backports where the archive has them: newer kernels come from there."""
    own = suite == archive.host_suite()
    lines = archive.Archive(None if own else suite).source_lines()
    if suite != _UNSTABLE:
        with contextlib.suppress(errors.ArchiveUnavailable):
            lines += archive.Archive(f"{suite}-backports").source_lines()
    return lines


def _mmdebstrap() -> str:
    """The program, unpacked from the archive if it is not installed: it is a script that needs perl and apt alone."""
    installed = process.which("mmdebstrap")
    if installed is not None:
        return str(installed)

    def make(scratch: Path) -> None:
        with tempfile.TemporaryDirectory(dir=scratch.parent) as folder:
            archive.unpack(archive.Archive().download(["mmdebstrap"], Path(folder)), scratch)

    version = re.sub(r"[^\w.+-]", "_", archive.Archive().version("mmdebstrap"))
    if not version:
        raise errors.ToolMissing(
            "mmdebstrap is not installed and the archive does not offer it", remedy="apt-get install mmdebstrap"
        )
    return str(cache.entry(cache.root() / "tools" / f"mmdebstrap-{version}", make) / "usr" / "bin" / "mmdebstrap")


def _need_root() -> None:
    if os.geteuid() != 0:
        raise errors.NotRoot(
            "a Debian root is made and entered with root's rights", remedy="run it as root, or without --suite"
        )
    for tool, package in (("unshare", "util-linux"), ("mount", "mount")):
        if shutil.which(tool) is None:
            raise errors.ToolMissing(f"{tool} is not installed", remedy=f"apt-get install {package}")
