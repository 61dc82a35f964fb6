# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel trees prepared for clang, to see that the module compiles with it, too.

A distribution's headers are configured for the compiler that built the kernel, down to options that another compiler does not
know. So the kernel's source is unpacked, given the distribution's configuration, and prepared anew. What is built in it tells
about the source; it is not meant for the distribution's kernel, which was built by another compiler.

The clang is this machine's, or where it has none that the kernel takes, that of the suite which the kernel's tools are from, in
a root of its own (toolroot.py).
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from quicctl import archive, cache, errors, process, toolroot
from quicctl.kernel import SERIES, Kernel, Tools

Progress = Callable[[str], None]

# What modules_prepare needs no more once it is done.
_NOT_NEEDED = ("drivers", "fs", "sound", "Documentation", "mm", "samples", "rust", "tools/testing", "tools/perf")
# What it takes to prepare a kernel's tree, and to build in it.
_PACKAGES = (
    "bc", "binutils", "bison", "clang", "flex", "gcc", "libc6-dev", "libelf-dev", "libssl-dev", "make", "python3",
)  # fmt: skip


def program() -> Path | None:
    """The clang of this machine, under whatever name."""
    return next(filter(None, (process.which(name) for name in ("clang", *(f"clang-{n}" for n in range(30, 12, -1))))), None)


def prepared(wanted: Kernel, *, progress: Progress | None = None) -> Kernel:
    """A kernel's tree as clang would have it; the first time takes minutes.

    Raises HeadersMissing, CompilerMissing (no clang is new enough), NotRoot (a root of tools is needed), ArchiveUnavailable.
    """
    if wanted.image is None:
        text = f"where the source of kernel {wanted.release} is, is not known"
        raise errors.HeadersMissing(text, remedy="only the archive's kernels are built by clang")
    clang = program()
    if clang is not None:
        try:
            return _prepared(wanted, str(clang), None, progress)
        except errors.CompilerMissing as too_old:
            if progress:
                progress(too_old.message)
    suite = wanted.tools.suite if wanted.tools else archive.host_suite()
    return _prepared(wanted, "clang", Tools(suite, _PACKAGES), progress)


def version(tree: Kernel) -> str:
    """What the clang of a prepared tree calls itself."""
    found = re.search(r'^CONFIG_CC_VERSION_TEXT="(.*)"$', (tree.kdir / ".config").read_text(), re.MULTILINE)
    return found[1] if found else "clang"


def _prepared(wanted: Kernel, clang: str, tools: Tools | None, progress: Progress | None) -> Kernel:
    headers = wanted.kdir / ".config"
    compiler = toolroot.identity(tools) if tools else process.run([clang, "--version"]).stdout
    home = cache.root() / "clang" / f"{wanted.release}-{cache.key(compiler, headers)}"

    def run(argv: list[str], timeout: float) -> None:
        if tools:
            toolroot.run(tools, argv, timeout=timeout, on_line=lambda _: None, progress=progress)
        else:
            process.run(argv, timeout=timeout)

    def make(scratch: Path) -> None:
        if progress:
            where = f" of {tools.suite}" if tools else ""
            progress(f"preparing the source of kernel {wanted.release} for clang{where}: some minutes, once")
        _unpack(wanted.release, scratch)
        shutil.copy(headers, scratch / ".config")
        process.run(["scripts/config", "--disable", "DEBUG_INFO_BTF", "--disable", "MODULE_SIG"], cwd=scratch)
        words = ["make", "-C", str(scratch), f"CC={clang}", f"-j{os.cpu_count() or 1}", f"KERNELRELEASE={wanted.release}"]
        try:
            run([*words, "olddefconfig"], 600)
        except errors.CommandFailed as failed:
            if "compiler is too old" not in failed.detail:
                raise
            raise _too_old(failed.detail, wanted.release) from failed
        run([*words, "modules_prepare"], 1800)
        shutil.copy(wanted.kdir / "Module.symvers", scratch / "Module.symvers")
        (scratch / "include" / "config" / "kernel.release").write_text(wanted.release + "\n")
        for part in _NOT_NEEDED:
            if (scratch / part).is_dir():
                process.run(["find", str(scratch / part), "-name", "*.[chS]", "-delete"])

    cache.entry(home, make)
    return Kernel(wanted.release, home, arch=wanted.arch, tools=tools, compiler=clang)


def _too_old(detail: str, release: str) -> errors.CompilerMissing:
    """The first that the kernel's own files have to say about the compiler is whether it is too old."""
    versions = re.findall(r"Clang version: +(\S+)", detail)
    text = f"clang {versions[0]} is too old" if versions else "clang is too old"
    text += f" for kernel {release}, which takes {versions[-1]} or newer" if len(versions) > 1 else f" for kernel {release}"
    return errors.CompilerMissing(text, remedy="install a newer clang, or leave it out: --no-clang")


def _unpack(release: str, scratch: Path) -> None:
    found = re.match(r"(\d+)\.(\d+)", release)
    name = f"linux-source-{found[0]}" if found else ""
    series = next((s for s in SERIES if release.startswith(s.name + ".")), None)
    for suite in series.suites if series else ():
        source = archive.Archive(suite)
        if name and source.version(name):
            with tempfile.TemporaryDirectory(dir=scratch.parent) as folder:
                archive.unpack(source.download([name], Path(folder)), Path(folder) / "package")
                [tarball] = (Path(folder) / "package" / "usr" / "src").glob("linux-source-*.tar.xz")
                process.run(["tar", "-x", "--strip-components=1", "-f", str(tarball), "-C", str(scratch)], timeout=900)
            return
    raise errors.HeadersMissing(f"the archive offers no {name}", remedy="leave clang out")
