# SPDX-License-Identifier: GPL-2.0-or-later
"""The module built for several kernels, by several compilers; one that fails does not keep the others from being tried."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from quicctl import builder, clangtree, errors, inspection
from quicctl.builder import ModuleBuild
from quicctl.kernel import Kernel

Progress = Callable[[str], None]


class Compiler(enum.StrEnum):
    """What builds."""

    GCC = "gcc"
    CLANG = "clang"


class Result(enum.StrEnum):
    """What became of a build."""

    OK = "ok"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Cell:
    """One kernel and one compiler."""

    kernel: str
    compiler: Compiler
    result: Result
    build: ModuleBuild | None = None
    verdict: str = ""
    """What inspection says to the result, or what went wrong."""
    detail: str = ""
    seconds: float = 0.0


def run(kernels: Iterable[Kernel], compilers: Iterable[Compiler], *, progress: Progress | None = None) -> tuple[Cell, ...]:
    """Build for each kernel with each compiler, and judge what comes out."""
    tried = list(compilers)
    return tuple(cell(kernel, compiler, progress=progress) for kernel in kernels for compiler in tried)


def cell(kernel: Kernel, compiler: Compiler, *, progress: Progress | None = None) -> Cell:
    """Build for one kernel with one compiler; failures are results, not exceptions."""
    began = time.monotonic()
    target = kernel
    try:
        if compiler is Compiler.CLANG:
            target = clangtree.prepared(kernel, progress=progress)
    except (errors.CompilerMissing, errors.HeadersMissing, errors.NotRoot) as missing:
        seconds = time.monotonic() - began
        return Cell(kernel.release, compiler, Result.SKIP, verdict=missing.message, seconds=seconds)
    except errors.QuicctlError as failure:
        return _failed(kernel, compiler, failure, began)
    try:
        build = builder.module(target, progress=progress)
        verdict = f"compiles, {clangtree.version(target)}" if compiler is Compiler.CLANG else judge(build, kernel)
    except errors.QuicctlError as failure:
        return _failed(kernel, compiler, failure, began)
    return Cell(kernel.release, compiler, Result.OK, build, verdict, "", time.monotonic() - began)


def _failed(kernel: Kernel, compiler: Compiler, failure: errors.QuicctlError, began: float) -> Cell:
    text = failure.message + (f"; {failure.remedy}" if failure.remedy else "")
    return Cell(kernel.release, compiler, Result.FAIL, None, text, failure.detail, time.monotonic() - began)


def judge(build: ModuleBuild, kernel: Kernel) -> str:
    """Inspect a build for its own kernel; raises what would make that kernel refuse it."""
    found = inspection.inspect(build.module, inspection.of_kernel(kernel))
    # How the machine is set up, or what else is installed, does not tell about the build.
    bad = [row for row in found.findings if row.verdict is inspection.Verdict.FAIL and row.subject in _OF_THE_BUILD]
    if bad:
        raise errors.BuildFailed(
            f"what was built for {kernel.release} would be refused by it: {bad[0].subject}: {bad[0].finding}",
            remedy=bad[0].remedy,
        )
    passed = sum(row.verdict is inspection.Verdict.OK for row in found.findings)
    return f"inspected, {passed} checks passed"


_OF_THE_BUILD = ("architecture", "vermagic", "symbols", "checksums", "namespaces", "licence", "BTF")
