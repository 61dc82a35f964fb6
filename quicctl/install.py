# SPDX-License-Identifier: GPL-2.0-or-later
"""Put the module, the library and their configuration into a system, and take them out again.

Everything happens in one transaction (transaction.py): all of it is there afterwards, or nothing. What was in the way is kept
and comes back with uninstall(). What was installed stands in ``/var/lib/quicctl/installed.json``.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import platform
import stat
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from quicctl import builder, errors, inspection, kernel, modinfo, process, settings, transaction
from quicctl.transaction import HOME, File, Transaction

PREFIX = Path("/usr/local")
_INDEXES = "modules.*"
_OWN_INDEXES = ("modules.order", "modules.builtin", "modules.builtin.modinfo")

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What to install and where."""

    root: Path = Path("/")
    prefix: Path = PREFIX
    library: bool = True
    autoload: bool = True
    force: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is, or would be, done."""

    action: str
    """``install``, ``replace``, ``remove``, ``restore``, ``keep`` or ``run``."""
    what: str


@dataclass(frozen=True, slots=True)
class Installation:
    """What an installation consists of."""

    root: Path
    releases: tuple[str, ...]
    steps: tuple[Step, ...]
    recovered: bool = False
    """Whether an interrupted call before this one was undone first."""


@dataclass(slots=True)
class _Entry:
    """A file of ours as it stands in the list, and what it replaced."""

    sha256: str
    before: dict[str, Any] | None = None


@dataclass(slots=True)
class _Manifest:
    """The list of what is installed below a root."""

    files: dict[str, _Entry] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    indexed: dict[str, list[str]] = field(default_factory=dict)
    """Kernel releases, and the index files that each had before."""


def plan(modules: Iterable[Path], options: Options, *, progress: Progress | None = None) -> list[File]:
    """The files of an installation; raises what makes a module unfit for its kernel, unless forced."""
    files = []
    for ko in modules:
        info = modinfo.read(ko)
        if not options.force:
            _fits(ko, info, options)
        place = _modules(options.root) / info.release / "updates" / f"{info.name}.ko"
        files.append(File(place, _stripped(ko, info)))
    if options.library:
        files += _library(options, progress)
    if options.autoload:
        files.append(File(options.root / "etc/modules-load.d/quic.conf", b"# Installed by quicctl.\nquic\n"))
    files.append(File(options.root / "etc/sysctl.d/60-quic.conf", settings.template().encode()))
    return files


def install(
    modules: Iterable[Path], options: Options, *, dry_run: bool = False, progress: Progress | None = None
) -> Installation:
    """Install; raises NotRoot, NoSpace, InstallFailed, Interrupted, with everything as it was before."""
    root = _check_root(options.root)
    files = plan(modules, options, progress=progress)
    releases = tuple(sorted({f.path.parent.parent.name for f in files if f.path.parent.name == "updates"}))
    _need("depmod", "kmod")
    after = [f"depmod -b {root} {release}" for release in releases]
    if options.library and _has_loader(root):
        after.append(f"ldconfig -r {root}")
    if dry_run:
        steps = [Step("replace" if _there(f.path) else "install", str(f.path)) for f in files]
        return Installation(root, releases, (*steps, *(Step("run", line) for line in after)))
    interrupted = (root / HOME / "journal").exists()
    steps = []
    with transaction.begin(root, _undo, waiting=_tell_waiting(progress)) as change:
        manifest = _read(root)
        change.stage(files)
        for file in files:
            key = str(file.path.relative_to(root))
            before = manifest.files[key].before if key in manifest.files else _remember(file.path)
            steps.append(Step("replace" if _there(file.path) else "install", str(file.path)))
            change.place(file.path)
            manifest.files[key] = _Entry(_digest(file.path), before)
        for release in releases:
            had = _indexes(root, release)
            manifest.indexed.setdefault(release, had)
            _depmod(change, release, had)
        if options.library:
            change.note({"do": "ldconfig", "root": str(root)})
            _ldconfig(root)
        manifest.folders += [str(folder.relative_to(root)) for folder in change.made]
        change.put(File(root / HOME / "installed.json", json.dumps(asdict(manifest), indent=1).encode()))
    return Installation(root, releases, (*steps, *(Step("run", line) for line in after)), interrupted)


def uninstall(root: Path = Path("/"), *, dry_run: bool = False, progress: Progress | None = None) -> Installation:
    """Take out what install() put in, and put back what was there before; raises NotInstalled, NotRoot.

    A file that somebody changed since belongs to him and is left, with a word about it.
    """
    root = _check_root(root)
    if not (root / HOME / "installed.json").exists() and not (root / HOME / "journal").exists():
        raise errors.NotInstalled(f"nothing of ours is installed below {root}")
    if dry_run:
        manifest = _read(root)
        return Installation(root, tuple(manifest.indexed), tuple(_removals(root, manifest)))
    interrupted = (root / HOME / "journal").exists()
    with transaction.begin(root, _undo, waiting=_tell_waiting(progress)) as change:
        manifest = _read(root)
        steps = _removals(root, manifest)
        for step in steps:
            path = Path(step.what)
            if step.action == "remove":
                change.remove(path)
            elif step.action == "restore":
                change.put(_restored(path, manifest.files[str(path.relative_to(root))].before or {}))
        for release, had in manifest.indexed.items():
            _depmod(change, release, had)
        if any(path.endswith("libquic.so.1") for path in manifest.files):
            change.note({"do": "ldconfig", "root": str(root)})
            _ldconfig(root)
        change.remove(root / HOME / "installed.json")
    for folder in sorted(manifest.folders, key=len, reverse=True):
        with contextlib.suppress(OSError):  # somebody else put something there
            (root / folder).rmdir()
    return Installation(root, tuple(manifest.indexed), tuple(steps), interrupted)


def recover(root: Path = Path("/")) -> bool:
    """Undo what an interrupted call left half done."""
    return transaction.recover(_check_root(root), _undo)


def _removals(root: Path, manifest: _Manifest) -> list[Step]:
    steps = []
    for key, entry in manifest.files.items():
        path = root / key
        if not _there(path):
            continue
        if _digest(path) != entry.sha256:
            steps.append(Step("keep", str(path)))
        else:
            steps.append(Step("remove" if entry.before is None else "restore", str(path)))
    return steps


def _fits(ko: Path, info: modinfo.ModuleInfo, options: Options) -> None:
    """Raise if the kernel that the module is for would refuse it, as far as that kernel is there to see."""
    if options.root == Path("/") and info.release == platform.release():
        target = inspection.running()
    else:
        try:
            target = inspection.of_kernel(kernel.installed(info.release))
        except errors.HeadersMissing:
            if not info.release:
                raise errors.ModuleUnreadable(
                    f"{ko} does not say which kernel it is for", remedy="build it again: quicctl build"
                ) from None
            return
    inspection.require(ko, target)


def _stripped(ko: Path, info: modinfo.ModuleInfo) -> bytes:
    """The module without what only debuggers read; as it is if that would break its signature."""
    data, _ = modinfo.content(ko)
    if info.signed or process.which("strip") is None:
        return data
    with tempfile.NamedTemporaryFile(suffix=".ko") as copy:
        Path(copy.name).write_bytes(data)
        done = process.run(["strip", "--strip-debug", copy.name], check=False)
        return Path(copy.name).read_bytes() if done.returncode == 0 else data


def _library(options: Options, progress: Progress | None) -> list[File]:
    files = []
    with tempfile.TemporaryDirectory(prefix="quicctl-install-") as folder:
        stage = Path(folder)
        builder.install_library(options.prefix, stage, progress=progress)
        for path in sorted(p for p in stage.rglob("*") if p.is_symlink() or p.is_file()):
            place = options.root / path.relative_to(stage)
            if path.is_symlink():
                files.append(File(place, link=os.readlink(path)))
            else:
                files.append(File(place, path.read_bytes(), stat.S_IMODE(path.stat().st_mode)))
    return files


def _modules(root: Path) -> Path:
    """Below /usr where /lib is a link to there, and a link that leads out of another root is not followed."""
    return root / "usr/lib/modules" if (root / "lib").is_symlink() else root / "lib/modules"


def _indexes(root: Path, release: str) -> list[str]:
    folder = _modules(root) / release
    return sorted(p.name for p in folder.glob(_INDEXES) if p.name not in _OWN_INDEXES)


def _depmod(change: Transaction, release: str, had: list[str]) -> None:
    """Bring the kernel's index of modules up to date, or take it away where there was none and nothing is left to list."""
    change.note({"do": "depmod", "root": str(change.root), "release": release, "had": had})
    _reindex(change.root, release, had)


def _undo(step: dict[str, Any]) -> None:
    if step["do"] == "depmod":
        _reindex(Path(step["root"]), step["release"], step["had"])
    elif step["do"] == "ldconfig":
        _ldconfig(Path(step["root"]))


def _reindex(root: Path, release: str, had: list[str]) -> None:
    folder = _modules(root) / release
    if not folder.is_dir():
        return
    if had or any(folder.rglob("*.ko*")):
        done = process.run([_need("depmod", "kmod"), "-b", root, release], check=False)
        if done.returncode != 0:
            raise errors.InstallFailed(
                f"depmod cannot index {folder}", remedy="see its words above", detail=process.tail(done.stderr, 5)
            )
    else:
        for name in _indexes(root, release):
            (folder / name).unlink()


def _ldconfig(root: Path) -> None:
    """Let the loader know; a root without its own loader configuration has no cache either."""
    if _has_loader(root):
        process.run([_need("ldconfig", "libc-bin"), "-r", root], check=False)


def _has_loader(root: Path) -> bool:
    return process.which("ldconfig") is not None and (root / "etc/ld.so.conf").exists()


def _read(root: Path) -> _Manifest:
    path = root / HOME / "installed.json"
    if not path.exists():
        return _Manifest()
    try:
        said = json.loads(path.read_text())
        files = {key: _Entry(**entry) for key, entry in said["files"].items()}
        return _Manifest(files, said["folders"], said["indexed"])
    except (ValueError, KeyError, TypeError) as failure:
        raise errors.FileUnreadable(
            f"{path} is damaged: {failure}", remedy="remove by hand what it lists, then the file itself"
        ) from failure


def _remember(path: Path) -> dict[str, Any] | None:
    """What is at a place, so that it can come back."""
    if path.is_symlink():
        return {"link": os.readlink(path)}
    if not path.exists():
        return None
    data = base64.b85encode(path.read_bytes()).decode()
    return {"data": data, "mode": stat.S_IMODE(path.stat().st_mode)}


def _restored(path: Path, before: dict[str, Any]) -> File:
    if "link" in before:
        return File(path, link=before["link"])
    return File(path, base64.b85decode(before["data"]), before["mode"])


def _digest(path: Path) -> str:
    data = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
    return hashlib.sha256(data).hexdigest()


def _there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _check_root(root: Path) -> Path:
    if not root.is_dir():
        raise errors.FileUnreadable(f"{root} is no folder", remedy="give the root of a system: --root DIR")
    if not os.access(root, os.W_OK):
        raise errors.NotRoot(f"{root} cannot be changed by this user", remedy="run it as root, or give another --root")
    return root.resolve()


def _need(name: str, package: str) -> Path:
    path = process.which(name)
    if path is None:
        raise errors.ToolMissing(f"{name} is not installed", remedy=f"install {package}")
    return path


def _tell_waiting(progress: Progress | None) -> Callable[[], None]:
    return lambda: progress("another installation is at work; waiting for it") if progress else None
