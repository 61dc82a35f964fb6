# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl cat``."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated

import typer

from quicctl import cat as library
from quicctl import endpoint, errors, uapi
from quicctl.cli import output
from quicctl.cli.connection import Ends, command
from quicctl.cli.options import JsonOption


@command(keepalive=10.0)
def cat(
    ends: Ends,
    datagrams: Annotated[bool, typer.Option("--datagrams", help="Send datagrams: unreliable, one for each read.")] = False,
    uni: Annotated[bool, typer.Option("--uni", help="Send on a unidirectional stream.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Server: take one client after another.")] = False,
    wait: Annotated[
        float, typer.Option("--wait", metavar="S", help="Client, datagrams: leave S seconds of silence after the end of input.")
    ] = 1.0,
    json: JsonOption = False,
) -> None:
    """Connect to a QUIC server, or be one with --listen: standard input goes to the peer, what comes to standard output.

    End of input ends one direction; the command ends when both have ended. A regular file as input is sent to each client
    of a server with --keep, anything else once. --json reports to standard error what was moved.

    The exit status is 0 only if both directions have ended in order. 46: the certificate is not trusted. 49: the peer left
    too early. 56: it ended the connection with an error code. 57: it was silent for too long. 58: it gave up the stream.

    Example: tar c . | quicctl cat server.example:4433 --ca ca.pem

    Example: quicctl cat --listen 0.0.0.0:4433 --cert server.pem --key server.key > backup.tar
    """
    ends.check()
    if keep and ends.listen is None:
        raise typer.BadParameter("--keep is for servers")
    if uni and datagrams:
        raise typer.BadParameter("--uni and --datagrams exclude each other: a datagram belongs to no stream")
    if sys.stdout is None:
        raise errors.FileUnwritable("standard output is closed", remedy="send it to a file, or to /dev/null")
    options = ends.options()
    if datagrams:
        params = replace(options.params or uapi.TransportParams(), max_datagram_frame_size=65535)
        options = replace(options, params=params)
    wishes = library.Wishes(datagrams=datagrams, uni=uni, wait=wait)
    source = library.Input(None if sys.stdin is None else sys.stdin.fileno())
    sink = library.Output(sys.stdout.fileno(), closes=not keep)
    meter = output.Meter() if output.wants_meter() else None
    try:
        if ends.listen is not None:
            library.serve(
                endpoint.parse_address(ends.listen),
                options,
                wishes,
                source,
                sink,
                keep=keep,
                on_listening=lambda where: output.progress(f"listening on {endpoint.shown(where)}"),
                on_progress=_progress_of(meter),
                on_report=_report if json else None,
                on_error=output.show_error,
            )
        elif ends.address is not None:
            report = library.connect(
                endpoint.parse_address(ends.address), options, wishes, source, sink, hostname=ends.servername,
                on_progress=_progress_of(meter),
            )  # fmt: skip
            if json:
                _report(report)
    except library.OutputClosed:
        output.end_as_by_sigpipe()
    finally:
        if meter is not None:
            meter.clear()


def _progress_of(meter: output.Meter | None) -> library.OnProgress | None:
    if meter is None:
        return None
    return lambda sent, received: meter(sent + received, f"sent {output.size(sent)}, received {output.size(received)}")


def _report(report: library.Report) -> None:
    output.show(report, json=True, aside=True)
