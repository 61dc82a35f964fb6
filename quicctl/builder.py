# SPDX-License-Identifier: GPL-2.0-or-later
"""Build the module for a kernel, the library, and the test programs, each in a cached copy of its source.

A copy per kernel lets builds for several kernels run side by side and keeps the source tree clean; a finished build is kept
under the hash of all that went into it. Which kernel to build for is kernel.py's business.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from quicctl import cache, errors, process, sourcetree, toolroot
from quicctl.kernel import Kernel, Tools

_BUILDS_KEPT = 24
_TREES_KEPT = 16
_SECONDS = 1800.0
_WARNING = re.compile(r"\bwarning: ")
# Said by Kbuild about the machine, not about the code.
_NOT_OURS = re.compile(r"warning: (the compiler|pahole version) differs from the one used to build the kernel")
_FULL = "No space left on device"

Progress = Callable[[str], None]

SAMPLE = "quic_rpc.ko"
"""A kernel's user of QUIC, built along with the tests."""

SIMDEV = "quic_simdev.ko"
"""Simulated devices that protect packets, for selftests; built along, not installed."""


@dataclass(frozen=True, slots=True)
class ModuleBuild:
    """A module built for a kernel."""

    kernel: str
    kdir: Path
    module: Path
    warnings: tuple[str, ...]
    cached: bool
    tools: str | None = None
    """The suite in whose root it was built, None for this machine's own compiler."""


@dataclass(frozen=True, slots=True)
class LibraryBuild:
    """libquic as installed below a folder of its own: ``lib/``, ``include/``."""

    folder: Path
    warnings: tuple[str, ...]
    cached: bool

    @property
    def file(self) -> Path:
        """The shared library, by the name programs look for."""
        return self.folder / "lib" / "libquic.so.1"


def module(kernel: Kernel, *, tests: bool = False, progress: Progress | None = None) -> ModuleBuild:
    """Build quic.ko for a kernel with all warnings on; with tests, its KUnit suites run whenever it is loaded.

    The simulated devices, and the sample of a kernel's user where the kernel has TLS for it, lie beside it.

    A kernel of a newer suite takes that suite's tools, and is built in a root of it; see toolroot.py.
    """
    tree = sourcetree.project()
    if kernel.tools is None:
        _need_compiler()
    compiler = toolroot.identity(kernel.tools) if kernel.tools else _compiler_version()
    sources = list(sourcetree.tree_files(tree / "module"))
    options = ["CONFIG_IP_QUIC_SIMDEV=m", "CONFIG_IP_QUIC_SAMPLE=m", *([f"ARCH={kernel.arch}"] if kernel.arch == "um" else [])]
    if tests:
        options.append("CONFIG_IP_QUIC_TEST=y")
    if kernel.compiler:
        options.append(f"CC={kernel.compiler}")
        if kernel.tools is None:
            compiler = _compiler_version(kernel.compiler)
    key = cache.key(cache.tree_key(sources, tree), kernel.release, str(kernel.kdir), _stamp(kernel.kdir), *options, compiler)
    # What another compiler built than the kernel's is for looking at, and no candidate for loading.
    home = cache.root() / ("compiled" if kernel.compiler else "built") / f"{kernel.release}-{key}"
    fresh = not home.exists()

    def make(scratch: Path) -> None:
        name = f"{kernel.release}-{cache.key(str(kernel.kdir), *options, *([compiler] if kernel.tools else []))}"
        work = _workshop(tree) / name / "module"
        with cache.locked(work.parent):
            _mirror(sources, tree / "module", work)
            if progress:
                where = f" in a root of {kernel.tools.suite}" if kernel.tools else ""
                where += f" by {Path(kernel.compiler).name}" if kernel.compiler else ""
                progress(f"building quic.ko for {kernel.release}{where}")
            argv = ["make", "-C", str(kernel.kdir), f"M={work}", "W=1", f"-j{os.cpu_count() or 1}", *options, "modules"]
            if kernel.tools is None and process.which("pahole") is None:
                argv += ["PAHOLE=true", "RESOLVE_BTFIDS=true"]  # the module does without type information then
            said = _make(argv, f"the module does not build for {kernel.release}", progress, kernel.tools)
            (scratch / "warnings").write_text("\n".join(_warnings(said)))
            built = work / "quic.ko"
            if not built.exists():
                raise errors.BuildFailed(f"make built no quic.ko for {kernel.release}", detail=process.tail(said))
            _check_vermagic(built, kernel)
            shutil.copy(built, scratch / "quic.ko")
            for other in (work / "simdev" / SIMDEV, work / "sample" / SAMPLE):
                if other.exists():
                    shutil.copy(other, scratch / other.name)

    _finish(home, make)
    warnings = tuple((home / "warnings").read_text().splitlines())
    if progress and not fresh:
        for warning in warnings:
            progress(warning)
    suite = kernel.tools.suite if kernel.tools else None
    return ModuleBuild(kernel.release, kernel.kdir, home / "quic.ko", warnings, not fresh, suite)


def libquic(*, tools: Tools | None = None, progress: Progress | None = None) -> LibraryBuild:
    """Build libquic for this machine, or in a root of other tools, and install it below a folder of the cache."""
    tree = sourcetree.project()
    if tools is None:
        _need_compiler()
    sources = list(sourcetree.tree_files(tree / "libquic"))
    uapi = list(sourcetree.tree_files(tree / "module" / "include"))
    key = cache.key(cache.tree_key([*sources, *uapi], tree), toolroot.identity(tools) if tools else _compiler_version())
    # A root's is for what is built there, and no candidate for this machine's programs.
    home = cache.root() / ("compiled" if tools else "built") / f"libquic-{key}"
    fresh = not home.exists()

    def make(scratch: Path) -> None:
        work = _workshop(tree) / (f"libquic-{tools.suite}" if tools else "libquic")
        with cache.locked(work):
            _mirror(sources, tree / "libquic", work / "libquic")
            _mirror(uapi, tree / "module" / "include", work / "module" / "include")
            if progress:
                progress("building libquic" + (f" in a root of {tools.suite}" if tools else ""))
            argv = ["make", "-C", str(work / "libquic"), f"-j{os.cpu_count() or 1}", "PREFIX=", f"DESTDIR={scratch}", "install"]
            said = _make(argv, "libquic does not build", progress, tools)
            (scratch / "warnings").write_text("\n".join(_warnings(said)))
        # A multiarch libdir is the Makefile's choice; here the loader is pointed at one place.
        for found in sorted(scratch.rglob("libquic.so*")):
            if found.parent != scratch / "lib":
                (scratch / "lib").mkdir(exist_ok=True)
                shutil.copy2(found, scratch / "lib" / found.name, follow_symlinks=False)

    _finish(home, make)
    build = LibraryBuild(home, tuple((home / "warnings").read_text().splitlines()), not fresh)
    if not build.file.exists():
        raise errors.BuildFailed("make installed no libquic.so.1", remedy=f"remove {home} and build again")
    return build


def install_library(prefix: Path, stage: Path, *, progress: Progress | None = None) -> None:
    """Install libquic, its headers and pages below a folder, made to lie below a prefix in the end."""
    build = libquic(progress=progress)
    work = _workshop(sourcetree.project()) / "libquic"
    argv = ["make", "-C", str(work / "libquic"), f"PREFIX={prefix}", f"DESTDIR={stage}", "install"]
    with cache.locked(work):
        if not (work / "libquic" / "Makefile").exists():  # the build itself came from the cache
            tree = sourcetree.project()
            _mirror(list(sourcetree.tree_files(tree / "libquic")), tree / "libquic", work / "libquic")
            uapi = tree / "module" / "include"
            _mirror(list(sourcetree.tree_files(uapi)), uapi, work / "module" / "include")
        _make(argv, f"libquic of {build.folder} cannot be installed", progress)


def programs(folder: str, *, progress: Progress | None = None, options: Iterable[str] = (), tools: Tools | None = None) -> Path:
    """Build the C programs of a folder of selftests/ and return where they lie.

    Its Makefile builds into ``O=DIR`` and finds libquic by ``LIBQUIC=DIR`` (with lib/ and include/ in it). With tools, that
    happens in a root of theirs, for what this machine's own suite has in another version.
    """
    tree = sourcetree.project()
    source = tree / "selftests" / folder
    build = _workshop(tree) / "selftests" / (f"{folder}-{tools.suite}" if tools else folder)
    where = f" in a root of {tools.suite}" if tools else ""
    if tools is None:
        _need_compiler()
    arguments = [*options]
    if folder not in ("core", "fuzz"):
        arguments.append(f"LIBQUIC={libquic(tools=tools, progress=progress).folder}")
    with cache.locked(build):
        build.mkdir(parents=True, exist_ok=True)
        if tools is not None:  # the root has nothing of this machine but the cache
            _mirror(list(sourcetree.tree_files(source)), source, build / "source")
            source = build / "source"
        argv = ["make", "-C", str(source), f"O={build}", f"-j{os.cpu_count() or 1}", *arguments]
        _make(argv, f"the programs of selftests/{folder} do not build{where}", progress, tools)
    return build


def export(builds: Iterable[ModuleBuild], libquic: LibraryBuild | None, folder: Path) -> None:
    """Leave the results in a folder of the user's: quic.ko (below the release if there are several), include/, lib/."""
    several = list(builds)
    folder.mkdir(parents=True, exist_ok=True)
    for build in several:
        place = folder / build.kernel if len(several) > 1 else folder
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy2(build.module, place / "quic.ko")
    if libquic is not None:
        for part in ("lib", "include"):
            if (libquic.folder / part).is_dir():
                shutil.copytree(libquic.folder / part, folder / part, symlinks=True, dirs_exist_ok=True)


def latest() -> Path:
    """The module built last for the running kernel, or else for any; raises ModuleNotBuilt."""
    for pattern in (f"{platform.release()}-*/quic.ko", "*/quic.ko"):
        built = sorted((cache.root() / "built").glob(pattern), key=lambda p: p.parent.stat().st_mtime)
        if built:
            return built[-1]
    raise errors.ModuleNotBuilt("no quic.ko has been built")


def _finish(home: Path, make: Callable[[Path], None]) -> None:
    cache.entry(home, make)
    os.utime(home)
    cache.prune(home.parent, keep=_BUILDS_KEPT)


def _make(argv: list[str], failure: str, progress: Progress | None, tools: Tools | None = None) -> str:
    """Run make, here or in a root of other tools; its warnings and errors are shown as they come."""

    def watch(line: str) -> None:
        if progress and (_WARNING.search(line) or "error:" in line) and not _NOT_OURS.search(line):
            progress(line)

    environment = {**os.environ, "LC_ALL": "C"}
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        environment.pop(name, None)
    try:
        if tools is not None:
            return toolroot.run(tools, argv, timeout=_SECONDS, on_line=watch, progress=progress).stdout
        return process.run(argv, env=environment, timeout=_SECONDS, on_line=watch).stdout
    except errors.CommandTimeout:
        raise
    except errors.CommandFailed as failed:
        if _FULL in failed.detail:
            text = f"{failure}: the disk of {cache.root()} is full"
            raise errors.NoSpace(text, remedy="make room, or set XDG_CACHE_HOME", detail=failed.detail) from failed
        raise errors.BuildFailed(failure, detail=failed.detail, returncode=failed.returncode) from failed


def _warnings(said: str) -> list[str]:
    return [line for line in said.splitlines() if _WARNING.search(line) and not _NOT_OURS.search(line)]


def _workshop(tree: Path) -> Path:
    """Where a tree's builds are made.

    Each tree has its own: make remembers where sources lie and builds anew what another tree has otherwise, and two trees
    need not wait for each other.
    """
    trees = cache.root() / "work"
    place = trees / cache.key(str(tree))
    place.mkdir(parents=True, exist_ok=True)
    os.utime(place)
    cache.prune(trees, keep=_TREES_KEPT)
    return place


def _mirror(sources: Iterable[Path], base: Path, work: Path) -> None:
    """Make work hold exactly these sources; unchanged files keep their time, so that make need not start over."""
    wanted = set()
    for source in sources:
        inside = source.relative_to(base)
        wanted.add(inside)
        place = work / inside
        if not place.exists() or place.read_bytes() != source.read_bytes():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, place)
    for old in [p for p in sourcetree.tree_files(work) if p.relative_to(work) not in wanted]:
        if old.suffix in (".c", ".h") and not old.name.endswith(".mod.c"):
            old.unlink()


def _check_vermagic(built: Path, kernel: Kernel) -> None:
    match = re.search(rb"\0vermagic=([^\0 ]+)", built.read_bytes())
    found = match[1].decode() if match else "none"
    if found != kernel.release:
        raise errors.VermagicMismatch(
            f"the tree {kernel.kdir} builds for {found}, not for {kernel.release}", remedy="pass the --kdir of that kernel"
        )


def _need_compiler() -> None:
    if process.which(os.environ.get("CC", "gcc").split()[0]) is None:
        raise errors.CompilerMissing("there is no C compiler on this machine")
    if process.which("make") is None:
        raise errors.CompilerMissing("make is not installed")


def _compiler_version(program: str = "") -> str:
    return process.run([program or os.environ.get("CC", "gcc").split()[0], "--version"]).stdout.split("\n", 1)[0]


def _stamp(kdir: Path) -> str:
    """What tells a rebuilt kernel tree from the one before."""
    for name in ("Module.symvers", ".config"):
        if (kdir / name).exists():
            state = (kdir / name).stat()
            return f"{state.st_mtime_ns} {state.st_size}"
    return ""
