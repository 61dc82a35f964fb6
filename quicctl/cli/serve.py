# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl serve``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quicctl import connection, endpoint
from quicctl.cli import output
from quicctl.cli.connection import (
    CaOption,
    CertOption,
    ClientAuthOption,
    CongestionOption,
    IdleOption,
    KeylogOption,
    KeyOption,
    check_client_auth,
    congestion_of,
    params_of,
)
from quicctl.cli.options import JsonOption

if TYPE_CHECKING:
    from quicctl.http3.server import Served


def serve(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder whose files are served.")],
    listen: Annotated[str, typer.Option("--listen", metavar="ADDR:PORT", help="Where to listen.")] = "localhost:4433",
    cert: CertOption = None,
    key: KeyOption = None,
    ca: CaOption = None,
    client_auth: ClientAuthOption = None,
    no_lists: Annotated[bool, typer.Option("--no-lists", help="Show no lists of folders without an index.html.")] = False,
    cc: CongestionOption = None,
    retry: Annotated[bool, typer.Option("--retry", help="Clients must show that they are at their address.")] = False,
    early_data: Annotated[bool, typer.Option("--early-data", help="Take requests before the handshake is done.")] = False,
    idle: IdleOption = 0.0,
    grace: Annotated[
        float, typer.Option("--grace", metavar="S", help="Seconds that requests have to finish after the first signal.")
    ] = 30.0,
    keylog: KeylogOption = None,
    json: JsonOption = False,
) -> None:
    """Serve the files below a folder over HTTP/3, to browsers, curl and others, until a signal comes.

    Files are sent with their type, whole or in ranges, and again only if they have changed (ETag, Last-Modified). Nothing
    outside the folder is sent, wherever links lead. The more urgent answer is sent first, as clients say (RFC 9218). Each
    request that is done is a line on standard output.

    SIGINT and SIGTERM tell clients to go elsewhere (GOAWAY) and let requests finish; a second one ends all at once.

    Example: quicctl serve public --listen 0.0.0.0:443 --cert chain.pem --key key.pem
    """
    check_client_auth(client_auth, ca)
    params = params_of(idle)
    host, port = endpoint.parse_address(listen)

    from quicctl.http3 import serving

    settings = connection.ServerSettings(retry=retry, early_data=early_data)
    for name, value in (
        ("cert", cert), ("key", key), ("ca", ca), ("keylog", keylog), ("client_auth", client_auth),
        ("congestion", congestion_of(cc)), ("params", params),
    ):  # fmt: skip
        if value is not None:
            settings[name] = value  # type: ignore[literal-required]

    def say(served: Served) -> None:
        if json:
            output.line(output.json_line(served))
        else:
            output.line(summary(served))

    serving.serve(
        folder,
        host,
        port,
        lists=not no_lists,
        grace=grace,
        on_listening=lambda where: output.progress(f"serving {folder} at https://{endpoint.shown(where)}/"),
        on_served=say,
        on_signal=lambda: output.progress("finishing the requests under way"),
        **settings,
    )


def summary(served: Served) -> str:
    """One line about a request."""
    status = str(served.status) if served.status else "-"
    lost = "" if served.complete else " given up"
    return f"{endpoint.shown(served.peer)} {served.method} {_shown(served.path)} {status} {served.sent}{lost}"


def _shown(path: str) -> str:
    """Without what a terminal would obey."""
    return "".join(letter if letter.isascii() and letter.isprintable() else f"\\x{ord(letter):02x}" for letter in path)
