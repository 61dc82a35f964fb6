# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quicctl import bench as library
from quicctl import chart
from quicctl.bench import BenchReport, Protocol
from quicctl.cli import complete, output
from quicctl.cli.options import JsonOption


def bench(
    where: Annotated[
        library.Where, typer.Option("--where", help="vm: count instructions in a guest; host: time on this kernel.")
    ] = library.Where.VM,
    protocol: Annotated[
        list[Protocol] | None, typer.Option("--protocol", "-p", help="Only this one; may be given again.")
    ] = None,
    message: Annotated[
        list[int] | None, typer.Option("--message", "-m", metavar="BYTES", help="Size of writes; may be given again.")
    ] = None,
    series: Annotated[
        str | None,
        typer.Option("--kernel", help="Kernel series of the guest: 6.1, 6.12 or 7.", autocompletion=complete.series),
    ] = None,
    ko: Annotated[Path | None, typer.Option("--ko", metavar="FILE", help="Measure this module; build none.")] = None,
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Draw the figures there, as a chart.")] = None,
    json: JsonOption = False,
) -> None:
    """Measure what a byte costs over QUIC, TCP and kTLS, sender and receiver together.

    With -p ngtcp2 also over that stack, both ends in user space; its programs come from Debian, and write as they like.

    Example: quicctl bench --protocol quic --message 16384

    Example: quicctl bench -p ktls -p quic -p ngtcp2 -m 65536

    Example: quicctl bench --svg bench.svg
    """
    report = library.run(
        where=where,
        protocols=protocol or library.OWN,
        messages=message or tuple(library.AMOUNTS),
        series=series,
        ko=ko,
        progress=output.progress,
    )
    output.show(report, json=json, render=_render)
    if svg is not None:
        with output.writing(svg):
            svg.write_text(chart.svg(report))


def _render(report: BenchReport) -> list[output.Table]:
    """Sizes of writes down, protocols across."""
    protocols = list(dict.fromkeys(figure.protocol for figure in report.figures))
    messages = list(dict.fromkeys(figure.message for figure in report.figures))
    cells = {(figure.message, figure.protocol): f"{figure.per_byte:.2f}" for figure in report.figures}
    rows = [[chart.size_text(m), *(cells.get((m, p), "-") for p in protocols)] for m in messages]
    title = f"{report.unit} per byte, both ends, kernel {report.kernel}, MTU {report.mtu}"
    return [output.Table(title, ("writes of", *protocols), rows)]

