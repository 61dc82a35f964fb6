# SPDX-License-Identifier: GPL-2.0-or-later
"""Options of the commands that make connections: who we are, whom we trust, what is agreed on."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, get_type_hints

import typer

from quicctl import handshake, uapi


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


def congestion_of(name: CongestionName | None) -> uapi.Congestion | None:
    """The controller of that name; None for the kernel's default."""
    return None if name is None else uapi.Congestion[name.name]


def version_of(name: VersionName | None) -> int:
    """The number of a QUIC version; 0 for the kernel's default."""
    return 0 if name is None else {known: number for number, known in uapi.VERSIONS.items()}[name.value]


def params_of(idle: float) -> uapi.TransportParams | None:
    """Transport parameters with an idle timeout in seconds; None for 0; raises BadParameter."""
    if not idle:
        return None
    if not 1 <= idle <= 4294:
        raise typer.BadParameter("--idle-timeout takes 1 to 4294 seconds")
    return uapi.TransportParams(max_idle_timeout=int(idle * 1e6))


def check_client_auth(asked: ClientAuth | None, ca: Path | None) -> None:
    """Raise BadParameter if a server would have nothing to judge certificates of clients by."""
    if asked not in (None, ClientAuth.NONE) and ca is None:
        raise typer.BadParameter("--client-auth needs --ca to judge what clients show")


@dataclass(frozen=True, slots=True)
class Ends:
    """What commands that are client or server have in common: a field is an argument or an option, see command()."""

    address: ServerArgument = None
    listen: ListenOption = None
    ca: CaOption = None
    insecure: InsecureOption = False
    servername: ServernameOption = None
    cert: CertOption = None
    key: KeyOption = None
    psk: PskOption = None
    client_auth: ClientAuthOption = None
    alpn: AlpnOption = None
    cc: CongestionOption = None
    version: VersionOption = None
    timeout: TimeoutOption = 10.0
    idle: IdleOption = 0.0
    keepalive: KeepaliveOption = 0.0
    keylog: KeylogOption = None
    session: SessionOption = None

    def check(self) -> None:
        """Raise BadParameter for options that do not go together, or are out of range."""
        if (self.address is None) == (self.listen is None):
            raise typer.BadParameter("give either HOST:PORT to connect to, or --listen ADDR:PORT")
        if self.session is not None and self.listen is not None:
            raise typer.BadParameter("--session is for clients: a server keeps nothing of its sessions")
        if self.client_auth is not None and self.listen is None:
            raise typer.BadParameter("--client-auth is for servers")
        check_client_auth(self.client_auth, self.ca)
        params_of(self.idle)
        if self.keepalive and not 1.5 <= self.keepalive <= 4294:
            raise typer.BadParameter("--keepalive takes 1.5 to 4294 seconds")

    def options(self, **more: Any) -> handshake.Options:
        """As the library has them, with ``more`` of the command's own."""
        shared = handshake.Options(
            identity=handshake.Identity(
                cert=self.cert, key=self.key, ca=self.ca, psk=self.psk, insecure=self.insecure, client_auth=self.client_auth
            ),
            alpn=self.alpn,
            congestion=congestion_of(self.cc),
            params=params_of(self.idle),
            version=version_of(self.version),
            timeout=self.timeout,
            keepalive=self.keepalive,
            keylog=self.keylog,
            session=self.session,
        )
        return replace(shared, **more)


_Own = ParamSpec("_Own")


def command(**defaults: object) -> Callable[[Callable[Concatenate[Ends, _Own], None]], Callable[..., None]]:
    """Let a command's first argument be Ends: its fields are options before the command's own, with these other defaults."""

    def wrap(function: Callable[Concatenate[Ends, _Own], None]) -> Callable[..., None]:
        kind = inspect.Parameter.KEYWORD_ONLY
        types = get_type_hints(Ends, include_extras=True)
        shared = [
            inspect.Parameter(field.name, kind, default=defaults.get(field.name, field.default), annotation=types[field.name])
            for field in fields(Ends)
        ]
        _, *own = inspect.signature(function, eval_str=True).parameters.values()

        call: Callable[..., None] = function

        def run(**given: Any) -> None:
            call(Ends(**{field.name: given.pop(field.name) for field in fields(Ends)}), **given)

        every = [*shared, *(parameter.replace(kind=kind) for parameter in own)]
        run.__name__, run.__doc__ = function.__name__, function.__doc__
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in every}
        run.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
        return run

    return wrap
