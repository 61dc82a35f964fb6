# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl build``: the module for one kernel or several, and the library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from quicctl import builder, errors, guest, kernel, matrix, sourcetree, uml
from quicctl.cli import output
from quicctl.cli.options import JsonOption, KdirOption, SeveralKernelsOption
from quicctl.matrix import Compiler, Result


@dataclass(frozen=True, slots=True)
class _Built:
    """What stands in the result: the modules and the library."""

    modules: tuple[builder.ModuleBuild, ...]
    libquic: builder.LibraryBuild | None


@dataclass(frozen=True, slots=True)
class _Matrix:
    """Kernels by compilers, and the library."""

    cells: tuple[matrix.Cell, ...]
    libquic: builder.LibraryBuild | None


def build(
    releases: SeveralKernelsOption = None,
    kdir: KdirOption = None,
    everything: Annotated[bool, typer.Option("--all", help="For every kernel whose headers are installed.")] = False,
    series: Annotated[
        bool, typer.Option("--matrix", help="For the newest kernel of each supported series, by gcc and by clang.")
    ] = False,
    clang: Annotated[bool, typer.Option(help="With --matrix: by clang too.")] = True,
    where: Annotated[guest.Lane | None, typer.Option("--where", help="For the kernel of a guest.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Leave quic.ko, include/ and lib/ there.")] = None,
    library: Annotated[bool, typer.Option(help="Build libquic too.")] = True,
    json: JsonOption = False,
) -> None:
    """Build the module for the running kernel, or those asked for, and libquic for this machine.

    Builds are cached by content; all warnings are on and shown. Each result is inspected for its kernel before it is
    called good. With several kernels one that fails does not stop the others, and the command ends with 17.

    Example: quicctl build; quicctl build --matrix
    """
    if sum((bool(releases), kdir is not None, everything, series, where is not None)) > 1:
        raise typer.BadParameter("--kernel, --kdir, --all, --matrix and --where exclude each other")
    sourcetree.project()
    targets = _targets(releases or [], kdir, everything, series, where)
    if everything or series or len(targets) > 1:
        _build_many(targets, series and clang, out, library, json)
        return
    modules = tuple(builder.module(target, progress=output.progress) for target in targets)
    for target, module in zip(targets, modules, strict=True):
        matrix.judge(module, target)
    libquic = builder.libquic(progress=output.progress) if library else None
    if out is not None:
        with output.writing(out):
            builder.export(modules, libquic, out)
    output.show(_Built(modules, libquic), json=json, render=lambda built: [_table(built)])


def _build_many(targets: list[kernel.Kernel], clang: bool, out: Path | None, library: bool, json: bool) -> None:
    compilers = (Compiler.GCC, Compiler.CLANG) if clang else (Compiler.GCC,)
    cells = matrix.run(targets, compilers, progress=output.progress)
    libquic = builder.libquic(progress=output.progress) if library else None
    if out is not None:
        good = [cell.build for cell in cells if cell.build is not None and cell.compiler is Compiler.GCC]
        builder.export(good, libquic, out)
    output.show(_Matrix(cells, libquic), json=json, render=_cells)
    failed = [cell for cell in cells if cell.result is Result.FAIL]
    if failed:
        raise errors.BuildFailed(
            "not built: " + ", ".join(f"{cell.kernel} by {cell.compiler}" for cell in failed),
            remedy=f"see the table; quicctl build --kernel {failed[0].kernel} shows one alone", detail=failed[0].detail,
        )  # fmt: skip


def _cells(found: _Matrix) -> list[output.Table]:
    rows = []
    for cell in found.cells:
        warnings = "-" if cell.build is None else str(len(cell.build.warnings))
        how = "-" if cell.build is None else _how(cell.build)
        rows.append([cell.result.value, cell.kernel, cell.compiler.value, warnings, how, f"{cell.seconds:.0f} s", cell.verdict])
    tables = [output.Table("", ("", "kernel", "compiler", "warnings", "how", "time", "result"), rows)]
    if found.libquic is not None:
        tables.append(output.Table("", (), [["libquic", str(found.libquic.file)]]))
    return tables


def _targets(
    releases: list[str], kdir: Path | None, everything: bool, series: bool, where: guest.Lane | None
) -> list[kernel.Kernel]:
    if releases:
        return [kernel.choose(release, None) for release in dict.fromkeys(releases)]
    if kdir is not None:
        return [kernel.from_tree(kdir)]
    if where is guest.Lane.VM:
        return [kernel.newest()]
    if where is guest.Lane.UML:
        return [uml.debug_kernel(output.progress)]
    if series:
        return [kernel.newest(series.name) for series in kernel.SERIES]
    if everything:
        found = kernel.all_installed()
        if not found:
            raise errors.HeadersMissing("no kernel headers are installed", remedy="install linux-headers, or pass --matrix")
        return found
    return [kernel.running()]


def _table(built: _Built) -> output.Table:
    rows = [[m.kernel, str(m.module), f"{len(m.warnings)} warnings", _how(m)] for m in built.modules]
    if built.libquic is not None:
        lib = built.libquic
        rows.append(["libquic", str(lib.file), f"{len(lib.warnings)} warnings", "cached" if lib.cached else "built"])
    return output.Table("", ("for", "file", "compiler", ""), rows)


def _how(build: builder.ModuleBuild) -> str:
    return ("cached" if build.cached else "built") + (f", by the tools of {build.tools}" if build.tools else "")
