# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl trace``."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from quicctl import trace as library
from quicctl.cli import complete, output
from quicctl.cli.options import DryRunOption, JsonOption
from quicctl.trace import Progress, Summary


def trace(
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND...]", help="Trace while it runs; its exit code is ours.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the files.")] = Path("qlog"),
    conn: Annotated[
        int | None, typer.Option("--conn", metavar="ID", min=1, help="Only this one: the cookie that conns --details shows.")
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option(
            "--netns", metavar="NAME", help="Only what is in this network namespace.", autocompletion=complete.namespaces
        ),
    ] = None,
    duration: Annotated[
        float | None, typer.Option("--duration", "-d", metavar="S", min=0.0, help="End after S seconds.")
    ] = None,
    buffer: Annotated[
        int, typer.Option("--buffer", metavar="MIB", min=1, max=4096, help="Room for events not yet read, for each processor.")
    ] = library.DEFAULT_BUFFER_MIB,
    qvis: Annotated[
        bool, typer.Option("--qvis", help="Write the older qlog (draft-02) that the published qvis reads.")
    ] = False,
    convert: Annotated[
        Path | None, typer.Option("--convert", metavar="FILE", help="Convert kept text of trace_pipe or of trace-cmd report.")
    ] = None,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
) -> None:
    """Write what connections do as qlog: one file for each, in all network namespaces, until Ctrl-C or the end of COMMAND.

    With --netns only connections of that namespace count, whatever namespace COMMAND runs in.

    Files are JSON text sequences (.sqlog). What belongs to no connection goes to no-connection.sqlog. Events that the kernel
    had no room for are counted, and told in the files.

    Example: quicctl trace --out qlog -- quicctl handshake server.example:4433

    Example: quicctl trace --qvis --duration 10
    """
    if convert and (command or duration is not None or namespace):
        raise typer.BadParameter("--convert takes no command, no --duration and no --netns")
    if dry_run:
        output.show_plan(_plan(out, convert, conn, namespace, buffer, command or []), json=json)
        return
    if convert:
        summary = library.convert(convert, out, for_qvis=qvis, conn=conn)
    else:
        summary = _live(out, command or [], duration, conn, namespace, buffer, qvis)
    output.show(summary, json=json, render=_tables, aside=bool(command) and not json)
    if summary.status:
        raise typer.Exit(summary.status if summary.status > 0 else 128 - summary.status)


def _plan(
    out: Path, convert: Path | None, conn: int | None, namespace: str | None, buffer: int, command: list[str]
) -> list[str]:
    if convert:
        return [f"read {convert}", f"write a file for each connection into {out}"]
    return [
        f"make a tracer instance below /sys/kernel/tracing/instances, {buffer} MiB for each processor",
        "enable the events quic:*" + ("" if conn is None else f" where conn=={conn}"),
        *((f"run {' '.join(command)}",) if command else ()),
        f"write a file for each connection {f'of {namespace} ' if namespace else ''}into {out}",
        "remove the instance",
    ]


def _live(
    out: Path, command: list[str], duration: float | None, conn: int | None, namespace: str | None, buffer: int, qvis: bool
) -> Summary:
    live = sys.stderr.isatty() and not command
    with _signals() as stopped:
        try:
            return library.trace(
                out, command=command, duration=duration, conn=conn, namespace=namespace, buffer_mib=buffer, for_qvis=qvis,
                on_progress=_show if live else None, stopped=lambda: bool(stopped),
            )  # fmt: skip
        finally:
            if live:
                print("\r\033[K", end="", file=sys.stderr, flush=True)


def _show(at: Progress) -> None:
    text = f"{at.seconds:.0f} s  {at.connections} connections  {at.records} events  {at.lost} lost  Ctrl-C ends"
    print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """These end a trace, and what was read by then is written."""
    stopped: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        stopped.append(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tables(summary: Summary) -> list[output.Table]:
    rows = []
    for file in summary.files:
        counts = (file.events, file.packets_sent, file.packets_received, file.packets_lost)
        rows.append([str(file.path), file.role, *map(str, counts)])
    lost = f", {summary.lost} lost" if summary.lost else ""
    title = f"{summary.connections} connections, {summary.records} events of the kernel{lost}"
    return [output.Table(title, ("file", "role", "events", "sent", "received", "lost"), rows)]
