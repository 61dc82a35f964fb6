# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl handshake``: a client, or with --listen a server."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from quicctl import endpoint, transfer, uapi
from quicctl import handshake as library
from quicctl.cli import output
from quicctl.cli.options import JsonOption
from quicctl.handshake import Report


class ClientAuth(StrEnum):
    """What a server asks of its clients."""

    NONE = "none"
    REQUEST = "request"
    REQUIRE = "require"


class VersionName(StrEnum):
    """Names of the QUIC versions."""

    ONE = "1"
    TWO = "2"


class CongestionName(StrEnum):
    """Names of the congestion controllers."""

    RENO = "reno"
    CUBIC = "cubic"
    BBR = "bbr"


def handshake(
    address: Annotated[str | None, typer.Argument(metavar="[HOST:PORT]", help="The server to connect to.")] = None,
    listen: Annotated[str | None, typer.Option("--listen", metavar="ADDR:PORT", help="Be a server there.")] = None,
    ca: Annotated[Path | None, typer.Option("--ca", metavar="FILE", help="Trust these CAs, not the system's.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Accept any certificate.")] = False,
    servername: Annotated[
        str | None, typer.Option("--servername", metavar="NAME", help="Name the certificate must bear, if not HOST.")
    ] = None,
    cert: Annotated[Path | None, typer.Option("--cert", metavar="FILE", help="Certificate chain to show, PEM.")] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="Its private key, PEM.")] = None,
    psk: Annotated[Path | None, typer.Option("--psk", metavar="FILE", help="Pre-shared keys, IDENTITY:HEXKEY.")] = None,
    client_auth: Annotated[
        ClientAuth | None, typer.Option("--client-auth", help="Server: certificate of clients; with --ca it is require.")
    ] = None,
    alpn: Annotated[str | None, typer.Option("--alpn", metavar="NAMES", help="Application protocols, comma-separated.")] = None,
    cc: Annotated[CongestionName | None, typer.Option("--cc", help="Congestion controller.")] = None,
    version: Annotated[
        VersionName | None, typer.Option("--version", help="QUIC version: a client begins with it, a server prefers it.")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Server: clients must show that they are at their address.")] = False,
    token: Annotated[
        Path | None,
        typer.Option("--token", metavar="FILE", help="Client: show the token in there, and leave the next one there."),
    ] = None,
    send: Annotated[Path | None, typer.Option("--send", metavar="FILE", help="Send this file; - is stdin.")] = None,
    recv: Annotated[Path | None, typer.Option("--recv", metavar="FILE", help="Write what comes there; - is stdout.")] = None,
    echo: Annotated[bool, typer.Option("--echo", help="Server: send back what comes.")] = False,
    count: Annotated[int, typer.Option("--count", metavar="N", help="Server: end after N connections; 0 never.")] = 1,
    timeout: Annotated[float, typer.Option("--timeout", metavar="S", help="Seconds to wait for the peer.")] = 10.0,
    idle: Annotated[
        float, typer.Option("--idle-timeout", metavar="S", help="Silence that ends the connection, at least 1; 0: default, 30.")
    ] = 0.0,
    keepalive: Annotated[
        float, typer.Option("--keepalive", metavar="S", help="Probe a peer that is silent for so long, at least 1.5; 0: never.")
    ] = 0.0,
    keylog: Annotated[Path | None, typer.Option("--keylog", metavar="FILE", help="Append TLS secrets there.")] = None,
    session: Annotated[
        Path | None, typer.Option("--session", metavar="FILE", help="Client: resume from there, save the new session there.")
    ] = None,
    early_data: Annotated[
        bool, typer.Option("--early-data", help="Send, or as server take, data before the handshake; it can be replayed.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Connect to a QUIC server, or be one with --listen, move data over a stream and show what was agreed.

    Both ends speak over one bidirectional stream that the client opens: each sends its --send file and writes what comes
    to its --recv file. Hashes and rates of both directions are shown at the end.
    """
    if (address is None) == (listen is None):
        raise typer.BadParameter("give either HOST:PORT to connect to, or --listen ADDR:PORT")
    if echo and (listen is None or send is not None):
        raise typer.BadParameter("--echo is for servers, and instead of --send")
    if session is not None and listen is not None:
        raise typer.BadParameter("--session is for clients: a server keeps nothing of its sessions")
    if early_data and listen is None and session is None:
        raise typer.BadParameter("--early-data needs --session: there is no early data without something to resume")
    if client_auth is not None and (listen is None or (client_auth != ClientAuth.NONE and ca is None)):
        raise typer.BadParameter("--client-auth is for servers, which need --ca to judge what clients show")
    if idle and not 1 <= idle <= 4294:
        raise typer.BadParameter("--idle-timeout takes 1 to 4294 seconds")
    if keepalive and not 1.5 <= keepalive <= 4294:
        raise typer.BadParameter("--keepalive takes 1.5 to 4294 seconds")
    if retry and listen is None:
        raise typer.BadParameter("--retry is for servers")
    if token is not None and listen is not None:
        raise typer.BadParameter("--token is for clients")
    numbers = {name: number for number, name in uapi.VERSIONS.items()}
    options = library.Options(
        identity=library.Identity(cert=cert, key=key, ca=ca, psk=psk, insecure=insecure, client_auth=client_auth),
        alpn=alpn,
        congestion=None if cc is None else uapi.Congestion[cc.name],
        params=uapi.TransportParams(max_idle_timeout=int(idle * 1e6)) if idle else None,
        version=0 if version is None else numbers[version.value],
        retry=retry,
        token=token,
        send=send,
        receive=recv,
        echo=echo,
        timeout=timeout,
        keepalive=keepalive,
        keylog=keylog,
        session=session,
        early_data=early_data,
    )
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
    elif address is not None:
        report = library.connect(endpoint.parse_address(address), options, hostname=servername)
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
            unit = " us" if name in ("max_idle_timeout", "max_ack_delay") else ""
            rows.append([name.replace("_", " "), output.text(ours) + unit, output.text(theirs) + unit])
    return output.Table("transport parameters", ("", "this end", "peer"), rows)
