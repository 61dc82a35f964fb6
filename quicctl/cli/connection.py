# SPDX-License-Identifier: GPL-2.0-or-later
"""Options of the commands that make connections: who we are, whom we trust, what is agreed on."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


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


ServerArgument = Annotated[str | None, typer.Argument(metavar="[HOST:PORT]", help="The server to connect to.")]
ListenOption = Annotated[str | None, typer.Option("--listen", metavar="ADDR:PORT", help="Be a server there.")]
CaOption = Annotated[Path | None, typer.Option("--ca", metavar="FILE", help="Trust these CAs, not the system's.")]
InsecureOption = Annotated[bool, typer.Option("--insecure", help="Accept any certificate.")]
ServernameOption = Annotated[
    str | None, typer.Option("--servername", metavar="NAME", help="Name the certificate must bear, if not HOST.")
]
CertOption = Annotated[Path | None, typer.Option("--cert", metavar="FILE", help="Certificate chain to show, PEM.")]
KeyOption = Annotated[Path | None, typer.Option("--key", metavar="FILE", help="Its private key, PEM.")]
PskOption = Annotated[Path | None, typer.Option("--psk", metavar="FILE", help="Pre-shared keys, IDENTITY:HEXKEY.")]
ClientAuthOption = Annotated[
    ClientAuth | None, typer.Option("--client-auth", help="Server: certificate of clients; with --ca it is require.")
]
AlpnOption = Annotated[str | None, typer.Option("--alpn", metavar="NAMES", help="Application protocols, comma-separated.")]
CongestionOption = Annotated[CongestionName | None, typer.Option("--cc", help="Congestion controller.")]
VersionOption = Annotated[
    VersionName | None, typer.Option("--version", help="QUIC version: a client begins with it, a server prefers it.")
]
TimeoutOption = Annotated[float, typer.Option("--timeout", metavar="S", help="Seconds to wait for the peer.")]
IdleOption = Annotated[
    float, typer.Option("--idle-timeout", metavar="S", help="Silence that ends the connection, at least 1; 0: default, 30.")
]
KeepaliveOption = Annotated[
    float, typer.Option("--keepalive", metavar="S", help="Probe a peer that is silent for so long, at least 1.5; 0: never.")
]
KeylogOption = Annotated[Path | None, typer.Option("--keylog", metavar="FILE", help="Append TLS secrets there.")]
SessionOption = Annotated[
    Path | None, typer.Option("--session", metavar="FILE", help="Client: resume from there, save the new session there.")
]


def check(
    address: str | None,
    listen: str | None,
    *,
    ca: Path | None,
    client_auth: ClientAuth | None,
    session: Path | None,
    idle: float,
    keepalive: float,
) -> None:
    """Raise BadParameter for options that do not go together, or are out of range."""
    if (address is None) == (listen is None):
        raise typer.BadParameter("give either HOST:PORT to connect to, or --listen ADDR:PORT")
    if session is not None and listen is not None:
        raise typer.BadParameter("--session is for clients: a server keeps nothing of its sessions")
    if client_auth is not None and (listen is None or (client_auth != ClientAuth.NONE and ca is None)):
        raise typer.BadParameter("--client-auth is for servers, which need --ca to judge what clients show")
    if idle and not 1 <= idle <= 4294:
        raise typer.BadParameter("--idle-timeout takes 1 to 4294 seconds")
    if keepalive and not 1.5 <= keepalive <= 4294:
        raise typer.BadParameter("--keepalive takes 1.5 to 4294 seconds")
