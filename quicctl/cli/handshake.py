# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl handshake``: a client, or with --listen a server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from quicctl import endpoint, transfer, uapi
from quicctl import handshake as library
from quicctl.cli import output
from quicctl.cli.connection import Ends, command
from quicctl.cli.options import JsonOption
from quicctl.handshake import Report


@command()
def handshake(
    ends: Ends,
    retry: Annotated[bool, typer.Option("--retry", help="Server: clients must show that they are at their address.")] = False,
    token: Annotated[
        Path | None,
        typer.Option("--token", metavar="FILE", help="Client: show the token in there, and leave the next one there."),
    ] = None,
    send: Annotated[Path | None, typer.Option("--send", metavar="FILE", help="Send this file; - is stdin.")] = None,
    recv: Annotated[Path | None, typer.Option("--recv", metavar="FILE", help="Write what comes there; - is stdout.")] = None,
    echo: Annotated[bool, typer.Option("--echo", help="Server: send back what comes.")] = False,
    count: Annotated[int, typer.Option("--count", metavar="N", help="Server: end after N connections; 0 never.")] = 1,
    early_data: Annotated[
        bool, typer.Option("--early-data", help="Send, or as server take, data before the handshake; it can be replayed.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Connect to a QUIC server, or be one with --listen, move data over a stream and show what was agreed.

    Both ends speak over one bidirectional stream that the client opens: each sends its --send file and writes what comes
    to its --recv file. Hashes and rates of both directions are shown at the end.

    Example: quicctl handshake server.example:4433 --ca ca.pem --send file
    """
    ends.check()
    listen = ends.listen
    if echo and (listen is None or send is not None):
        raise typer.BadParameter("--echo is for servers, and instead of --send")
    if early_data and listen is None and ends.session is None:
        raise typer.BadParameter("--early-data needs --session: there is no early data without something to resume")
    if retry and listen is None:
        raise typer.BadParameter("--retry is for servers")
    if token is not None and listen is not None:
        raise typer.BadParameter("--token is for clients")
    options = ends.options(retry=retry, token=token, send=send, receive=recv, echo=echo, early_data=early_data)
    # What goes to standard output is the data, if it was asked for; then the report goes to standard error.
    aside = recv == transfer.STANDARD_STREAM
    if listen is not None:
        reports = library.serve(
            endpoint.parse_address(listen),
            options,
            count=count,
            on_listening=lambda where: output.progress(f"listening on {endpoint.shown(where)}"),
            on_report=None if count == 1 else lambda report: output.progress(summary(report)),
            on_error=output.show_error,
        )
        output.show(reports[0] if count == 1 else reports, json=json, render=render, aside=aside)
    elif ends.address is not None:
        report = library.connect(endpoint.parse_address(ends.address), options, hostname=ends.servername)
        output.show(report, json=json, render=render, aside=aside)


def summary(report: Report) -> str:
    """One line about a connection."""
    return (
        f"{report.peer}: handshake {report.handshake.milliseconds:.1f} ms,"
        f" received {report.received.bytes} bytes, sent {report.sent.bytes}"
    )


def render(result: Report | list[Report]) -> list[output.Table]:
    """Three tables: the connection, the transport parameters of both ends, the data."""
    if isinstance(result, Sequence):
        rows = [
            [r.peer, f"{r.handshake.milliseconds:.1f} ms", str(r.sent.bytes), str(r.received.bytes), r.received.sha256[:16]]
            for r in result
        ]
        return [output.Table("connections", ("peer", "handshake", "sent", "received", "sha256"), rows)]
    tls = result.handshake
    connection = [
        ["role", result.role],
        ["local", result.local],
        ["peer", result.peer],
        ["handshake", f"{tls.milliseconds:.1f} ms" + (", resumed" if tls.resumed else "")],
        ["cipher suite", tls.cipher_suite],
        ["group", tls.group or "-"],
        ["signature", tls.signature or "-"],
        ["protocol", tls.alpn or "-"],
        ["certificate", f"{tls.verify}, {tls.peer_subject}" if tls.peer_subject else tls.verify],
        ["PSK identity", tls.psk_identity or "-"],
        ["early data", tls.early_data],
    ]
    if result.session_saved:
        connection.append(["session", "saved"])
    data = [
        [name, str(t.bytes), f"{t.seconds:.3f} s", f"{t.rate:.1f} MB/s", t.sha256]
        for name, t in (("sent", result.sent), ("received", result.received))
        if t.bytes
    ]
    tables = [output.Table("connection", (), connection), params_table(result.local_params, result.remote_params)]
    if data:
        tables.append(output.Table("data", ("direction", "bytes", "time", "rate", "sha256"), data))
    return tables


def params_table(local: uapi.TransportParams, remote: uapi.TransportParams) -> output.Table:
    """Transport parameters of both ends side by side."""
    rows = []
    for name in uapi.TransportParams.__dataclass_fields__:
        ours, theirs = getattr(local, name), getattr(remote, name)
        if not isinstance(ours, bool) or ours or theirs:
            shown = _time if name in ("max_idle_timeout", "max_ack_delay") else output.text
            rows.append([name.replace("_", " "), shown(ours), shown(theirs)])
    return output.Table("transport parameters", ("", "this end", "peer"), rows)


def _time(microseconds: int) -> str:
    return output.duration(microseconds / 1e6) if microseconds else "-"
