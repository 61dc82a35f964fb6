# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quicctl import builder, inspection, kernel
from quicctl.cli import output
from quicctl.cli.options import JsonOption, KdirOption, KernelOption, KoArgument
from quicctl.inspection import Inspection, Verdict


def inspect(
    ko: KoArgument = None,
    release: KernelOption = None,
    kdir: KdirOption = None,
    symvers: Annotated[
        Path | None, typer.Option("--symvers", metavar="FILE", help="Compare with the symbols of this Module.symvers.")
    ] = None,
    cert: Annotated[Path | None, typer.Option("--cert", metavar="FILE", help="Verify the signature with it.")] = None,
    sections: Annotated[bool, typer.Option("--sections", help="List the sections and their sizes.")] = False,
    symbols: Annotated[bool, typer.Option("--symbols", help="List the needed symbols, their checksums and owners.")] = False,
    json: JsonOption = False,
) -> None:
    """Show what a module is, and why a kernel would refuse it: the running one, or --kernel, or that of --kdir.

    Nothing is loaded. Ends with 0 if nothing speaks against loading, else with the code that loading would end with.

    Example: quicctl inspect quic.ko --kernel 6.12
    """
    path = ko or builder.latest()
    target = inspection.of_kernel(kernel.choose(release, kdir)) if release or kdir else inspection.running()
    if symvers is not None:
        target = inspection.with_symvers(target, symvers)
    found = inspection.inspect(path, target, cert=cert)

    def render(result: Inspection) -> list[output.Table]:
        tables = [_facts(result), _verdicts(result)]
        if symbols:
            tables.append(_symbols(result, target))
        if sections:
            rows = [[s.name, str(s.size)] for s in result.module.sections]
            tables.append(output.Table("sections", ("name", "bytes"), rows))
        return tables

    output.show(found, json=json, render=render)
    if not found.loadable:
        raise typer.Exit(found.code)


def _facts(found: Inspection) -> output.Table:
    info = found.module
    rows = [
        ["file", str(info.path) + (f" ({info.compression})" if info.compression else "")],
        ["name", f"{info.name} {info.version}".strip()],
        ["vermagic", info.vermagic or "-"],
        ["machine", f"{info.machine}, {info.bits} bit"],
        ["licence", info.license or "-"],
        ["srcversion", info.srcversion or "-"],
        ["build", info.build_id or "-"],
        ["needs", ", ".join(info.depends) or "-"],
        ["exports", ", ".join(info.exports) or "-"],
        ["symbols", f"{len(info.undefined)} needed, {len(info.symbols)} with a checksum"],
        ["sections", f"{len(info.sections)}, {_megabytes(sum(s.size for s in info.sections))} MB"],
    ]
    return output.Table("module", (), rows)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}"


def _verdicts(found: Inspection) -> output.Table:
    rows = [[row.verdict.value, row.subject, row.finding, row.remedy] for row in found.findings]
    bad = [row.subject for row in found.findings if row.verdict is Verdict.FAIL]
    title = f"kernel {found.kernel}: " + (f"would refuse it ({', '.join(bad)})" if bad else "nothing speaks against loading it")
    return output.Table(title, ("", "check", "found", "remedy"), rows, folds=True)


def _symbols(found: Inspection, target: inspection.Target) -> output.Table:
    ours = {symbol.name: symbol.crc for symbol in found.module.symbols}
    known = target.exports.symbols if target.exports else {}
    rows = []
    for name in sorted({*ours, *found.module.undefined}):
        theirs = known.get(name)
        crc = "-" if theirs is None or theirs.crc is None else f"{theirs.crc:08x}"
        rows.append([name, f"{ours[name]:08x}" if name in ours else "-", crc, theirs.owner if theirs else "-"])
    return output.Table("symbols", ("name", "module's", "kernel's", "owner"), rows)
