# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl demo``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from quicctl import demo as library
from quicctl.cli import complete, output
from quicctl.cli.handshake import params_table
from quicctl.cli.options import JsonOption
from quicctl.demo import DemoReport


def demo(
    where: Annotated[
        library.Where, typer.Option("--where", help="Load the module here, in a guest, or where it can work.")
    ] = library.Where.AUTO,
    size: Annotated[int, typer.Option("--size", metavar="MIB", min=1, help="How much to move each way.")] = 64,
    ko: Annotated[Path | None, typer.Option("--ko", metavar="FILE", help="Use this module; build none.")] = None,
    series: Annotated[
        str | None,
        typer.Option(
            "--kernel",
            metavar="SERIES",
            help="In a guest with the newest kernel of 6.1, 6.12 or 7.",
            autocompletion=complete.series,
        ),
    ] = None,
    inside: Annotated[bool, typer.Option("--inside", help="Only move data: the module is loaded here.")] = False,
    json: JsonOption = False,
) -> None:
    """Build and load the module, move data both ways between a client and a server, and show what was negotiated.

    Example: quicctl demo --where vm --size 16
    """
    if series is not None and (inside or where is library.Where.HOST):
        raise typer.BadParameter("--kernel is for a guest")
    if inside:
        place = os.environ.get("QUICCTL_PLACE", "host")
        report = library.inside(size=size, place=place, progress=output.progress)
    else:
        report = library.run(where=where, size=size, ko=ko, series=series, progress=output.progress)
    output.show(report, json=json, render=render)


def render(report: DemoReport) -> list[output.Table]:
    """The closing tables."""
    tls = report.client_tls
    rows = [
        ["kernel", f"{report.kernel} ({report.place})"],
        ["module", f"quic {report.module_version}, build {report.module_build[:12]}".replace(" ,", ",")],
        ["handshake", f"{tls.milliseconds:.1f} ms at the client, {report.server_tls.milliseconds:.1f} ms at the server"],
        ["TLS", f"{tls.cipher_suite}, {tls.group}, {tls.signature}"],
        ["certificate", f"{tls.verify}: {tls.peer_subject}"],
        ["protocol", tls.alpn],
    ]
    for name, moved in (("to the server", report.to_server), ("to the client", report.to_client)):
        rows.append([name, f"{moved.bytes / library.MEBIBYTE:g} MiB in {moved.seconds:.2f} s, {moved.rate:.1f} MB/s"])
        rows.append(["  SHA-256", f"{moved.sha256[:32]}... {'same at both ends' if report.verified else 'DIFFERENT'}"])
    params = params_table(report.client_params, report.server_params)
    return [
        output.Table("QUIC transport parameters", ("", "client", "server"), params.rows),
        output.Table("A file each way over QUIC in the kernel", (), rows),
    ]
