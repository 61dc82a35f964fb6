# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl cat``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from quicctl import cat as library
from quicctl import endpoint, errors, handshake, uapi
from quicctl.cli import output
from quicctl.cli.connection import (
    AlpnOption,
    CaOption,
    CertOption,
    ClientAuthOption,
    CongestionOption,
    IdleOption,
    InsecureOption,
    KeepaliveOption,
    KeylogOption,
    KeyOption,
    ListenOption,
    PskOption,
    ServerArgument,
    ServernameOption,
    SessionOption,
    TimeoutOption,
    VersionOption,
    check,
)
from quicctl.cli.options import JsonOption


def cat(
    address: ServerArgument = None,
    listen: ListenOption = None,
    ca: CaOption = None,
    insecure: InsecureOption = False,
    servername: ServernameOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    psk: PskOption = None,
    client_auth: ClientAuthOption = None,
    alpn: AlpnOption = None,
    cc: CongestionOption = None,
    version: VersionOption = None,
    datagrams: Annotated[bool, typer.Option("--datagrams", help="Send datagrams: unreliable, one for each read.")] = False,
    uni: Annotated[bool, typer.Option("--uni", help="Send on a unidirectional stream.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Server: take one client after another.")] = False,
    wait: Annotated[
        float, typer.Option("--wait", metavar="S", help="Client, datagrams: leave S seconds of silence after the end of input.")
    ] = 1.0,
    timeout: TimeoutOption = 10.0,
    idle: IdleOption = 0.0,
    keepalive: KeepaliveOption = 10.0,
    keylog: KeylogOption = None,
    session: SessionOption = None,
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
    check(address, listen, ca=ca, client_auth=client_auth, session=session, idle=idle, keepalive=keepalive)
    if keep and listen is None:
        raise typer.BadParameter("--keep is for servers")
    if uni and datagrams:
        raise typer.BadParameter("--uni and --datagrams exclude each other: a datagram belongs to no stream")
    if sys.stdout is None:
        raise errors.FileUnwritable("standard output is closed", remedy="send it to a file, or to /dev/null")
    numbers = {name: number for number, name in uapi.VERSIONS.items()}
    options = handshake.Options(
        identity=handshake.Identity(cert=cert, key=key, ca=ca, psk=psk, insecure=insecure, client_auth=client_auth),
        alpn=alpn,
        congestion=None if cc is None else uapi.Congestion[cc.name],
        params=uapi.TransportParams(
            max_idle_timeout=int(idle * 1e6), max_datagram_frame_size=65535 if datagrams else 0
        ),
        version=0 if version is None else numbers[version.value],
        timeout=timeout,
        keepalive=keepalive,
        keylog=keylog,
        session=session,
    )  # fmt: skip
    wishes = library.Wishes(datagrams=datagrams, uni=uni, wait=wait)
    source = library.Input(None if sys.stdin is None else sys.stdin.fileno())
    sink = library.Output(sys.stdout.fileno(), closes=not keep)
    meter = output.Meter() if output.wants_meter() else None
    try:
        if listen is not None:
            library.serve(
                endpoint.parse_address(listen),
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
        elif address is not None:
            report = library.connect(
                endpoint.parse_address(address), options, wishes, source, sink, hostname=servername,
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
