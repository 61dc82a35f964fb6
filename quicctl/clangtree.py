# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel trees prepared for clang, to see that the module compiles with it, too.

A distribution's headers are configured for the compiler that built the kernel, down to options that another compiler does not
know. So the kernel's source is unpacked, given the distribution's configuration, and prepared anew. What is built in it tells
about the source; it is not meant for the distribution's kernel, which was built by another compiler.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from quicctl import archive, cache, errors, process
from quicctl.kernel import SERIES, Kernel

Progress = Callable[[str], None]

# What modules_prepare needs no more once it is done.
_NOT_NEEDED = ("drivers", "fs", "sound", "Documentation", "mm", "samples", "rust", "tools/testing", "tools/perf")


def program() -> Path | None:
    """The clang of this machine, under whatever name."""
    return next(filter(None, (process.which(name) for name in ("clang", *(f"clang-{n}" for n in range(30, 12, -1))))), None)


def prepared(wanted: Kernel, *, progress: Progress | None = None) -> Kernel:
    """A kernel's tree as clang would have it; the first time takes minutes. Raises CompilerMissing, HeadersMissing."""
    clang = program()
    if clang is None:
        raise errors.CompilerMissing("clang is not installed", remedy="install clang, or leave it out")
    if wanted.image is None:
        text = f"where the source of kernel {wanted.release} is, is not known"
        raise errors.HeadersMissing(text, remedy="only the archive's kernels are built by clang")
    headers = wanted.kdir / ".config"
    home = cache.root() / "clang" / f"{wanted.release}-{cache.key(process.run([clang, '--version']).stdout, headers)}"

    def make(scratch: Path) -> None:
        if progress:
            progress(f"preparing the source of kernel {wanted.release} for clang: some minutes, once")
        _unpack(wanted.release, scratch)
        shutil.copy(headers, scratch / ".config")
        process.run(["scripts/config", "--disable", "DEBUG_INFO_BTF", "--disable", "MODULE_SIG"], cwd=scratch)
        words = ["make", "-C", str(scratch), f"CC={clang}", f"-j{os.cpu_count() or 1}", f"KERNELRELEASE={wanted.release}"]
        _configure([*words, "olddefconfig"], wanted.release)
        process.run([*words, "modules_prepare"], timeout=1800)
        shutil.copy(wanted.kdir / "Module.symvers", scratch / "Module.symvers")
        (scratch / "include" / "config" / "kernel.release").write_text(wanted.release + "\n")
        for part in _NOT_NEEDED:
            if (scratch / part).is_dir():
                process.run(["find", str(scratch / part), "-name", "*.[chS]", "-delete"])

    cache.entry(home, make)
    return Kernel(wanted.release, home, arch=wanted.arch, compiler=str(clang))


def _configure(argv: list[str], release: str) -> None:
    """The first that the kernel's own files have to say about the compiler is whether it is too old."""
    try:
        process.run(argv, timeout=600)
    except errors.CommandFailed as failed:
        if "compiler is too old" not in failed.detail:
            raise
        versions = re.findall(r"Clang version: +(\S+)", failed.detail)
        text = f"clang {versions[0]} is too old" if versions else "clang is too old"
        text += f" for kernel {release}, which takes {versions[-1]} or newer" if len(versions) > 1 else f" for kernel {release}"
        raise errors.CompilerMissing(text, remedy="install a newer clang, or leave it out: --no-clang") from failed


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
