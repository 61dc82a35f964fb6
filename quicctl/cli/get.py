# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl get``."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from quicctl import connection, errors, session
from quicctl.cli import output
from quicctl.cli.connection import (
    CaOption,
    CertOption,
    CongestionOption,
    InsecureOption,
    KeylogOption,
    KeyOption,
    ServernameOption,
    SessionOption,
    TimeoutOption,
    VersionOption,
    congestion_of,
    version_of,
)
from quicctl.cli.options import JsonOption

if TYPE_CHECKING:
    from quicctl.http3.fetch import Fetched

_STANDARD = "-"


def get(
    urls: Annotated[list[str], typer.Argument(metavar="URL...", help="https:// may be left out.")],
    out: Annotated[
        list[Path] | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write there: once for each URL, or a folder for all; - is stdout."),
    ] = None,
    include: Annotated[bool, typer.Option("--include", "-i", help="Write status, header fields and trailers, too.")] = False,
    method: Annotated[str | None, typer.Option("--method", "-X", metavar="NAME", help="Method, if not GET, or POST.")] = None,
    head: Annotated[bool, typer.Option("--head", "-I", help="Ask for the header fields alone, and show them.")] = False,
    data: Annotated[
        str | None, typer.Option("--data", "-d", metavar="TEXT", help="Send this as a body; @FILE sends a file, @- stdin.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", metavar="NAME:VALUE", help="Send this field, too.")
    ] = None,
    trailer: Annotated[
        list[str] | None, typer.Option("--trailer", metavar="NAME:VALUE", help="Send this field after the body.")
    ] = None,
    range_: Annotated[str | None, typer.Option("--range", "-r", metavar="A-B", help="Ask for these bytes alone.")] = None,
    priority: Annotated[
        str | None, typer.Option("--priority", metavar="FIELD", help="RFC 9218: 'u=0' at once to 'u=7' late, ', i' in parts.")
    ] = None,
    ca: CaOption = None,
    insecure: InsecureOption = False,
    servername: ServernameOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    cc: CongestionOption = None,
    version: VersionOption = None,
    timeout: TimeoutOption = 10.0,
    keylog: KeylogOption = None,
    session_file: SessionOption = None,
    early_data: Annotated[
        bool, typer.Option("--early-data", help="Ask before the handshake if the session allows it; it can be replayed.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Fetch URLs over HTTP/3. URLs of one server share a connection, and come side by side unless to the same place.

    Without --out the bodies go to standard output, in the order of the URLs; --json then reports to standard error. A file is
    there when it is whole.

    The exit status is 63 if a server answered with a status of 400 or more, whose body is written like any other. 45: nobody
    answers. 46: the certificate is not trusted. 47: the server speaks no HTTP/3. 49: it left too early. 57: it was silent for
    too long. 58: it gave the answer up. 60: aioquic is not installed. 62: the server broke the protocol.

    Example: quicctl get https://server.example/file -o file
    Example: quicctl get https://server.example/ --session kept --early-data -i
    """
    if early_data and session_file is None:
        raise typer.BadParameter("--early-data needs --session: there is no early data without something to resume")
    if early_data and (data is not None or trailer or method not in (None, "GET", "HEAD")):
        raise typer.BadParameter("--early-data is for GET and HEAD without a body: what is sent early can be sent twice")
    if head and data is not None:
        raise typer.BadParameter("--head and --data exclude each other")
    places = _places(urls, out)
    headers = [_field(text) for text in header or []]
    if range_ is not None:
        headers.append(("range", f"bytes={range_}"))
    if priority is not None:
        headers.append(("priority", priority))

    from quicctl.http3 import fetch

    settings = connection.ClientSettings(insecure=insecure, timeout=timeout)
    for name, value in (
        ("ca", ca), ("cert", cert), ("key", key), ("keylog", keylog), ("server_name", servername),
        ("congestion", congestion_of(cc)), ("version", version_of(version) or None),
    ):  # fmt: skip
        if value is not None:
            settings[name] = value  # type: ignore[literal-required]
    plan = fetch.Plan(
        settings=settings,
        method="HEAD" if head else method or ("GET" if data is None else "POST"),
        headers=headers,
        body=_body(data),
        trailers=[_field(text) for text in trailer or []],
        session=None if session_file is None else session.load(session_file),
        early=early_data,
        timeout=timeout,
        show_head=include or head,
    )
    parsed = [fetch.Url.parse(url) for url in urls]
    aside = any(place is None for place in places)
    meter = output.Meter() if output.wants_meter() or (not aside and sys.stderr.isatty()) else None
    with contextlib.ExitStack() as files:
        try:
            wanted = [
                fetch.Wanted(url, files.enter_context(_sink(place, url.name)))
                for url, place in zip(parsed, places, strict=True)
            ]
            results = fetch.fetch(
                wanted,
                plan,
                on_progress=_progress_of(meter),
                on_session=None if session_file is None else lambda given: session.save(session_file, given),
            )
        except BrokenPipeError:
            output.end_as_by_sigpipe()
            raise
        finally:
            if meter is not None:
                meter.clear()
    if json or not aside:
        output.show(results, json=json, render=render, aside=aside)
    refused = [one for one in results if one.status >= 400]
    if refused:
        raise errors.HttpStatus(f"{refused[0].url}: the server answered with status {refused[0].status}")


def render(results: Sequence[Fetched]) -> list[output.Table]:
    """A row for each URL."""
    rows = [
        [one.url, str(one.status), str(one.bytes), output.duration(one.seconds), "early" if one.early else "", one.sha256[:16]]
        for one in results
    ]
    return [output.Table("", ("URL", "status", "bytes", "time", "0-RTT", "sha256"), rows)]


def _progress_of(meter: output.Meter | None) -> Callable[[int], None] | None:
    if meter is None:
        return None
    return lambda received: meter(received, f"received {output.size(received)}")


def _places(urls: Sequence[str], out: Sequence[Path] | None) -> list[Path | None]:
    """Where each body goes; None is standard output."""
    if not out:
        return [None] * len(urls)
    if len(out) == 1 and out[0].is_dir():
        return [out[0]] * len(urls)
    if len(out) != len(urls):
        raise typer.BadParameter(f"{len(urls)} URLs and {len(out)} --out: give one for each, a folder for all, or none")
    return [None if str(place) == _STANDARD else place for place in out]


def _field(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise typer.BadParameter(f"{text!r} is no field: write NAME:VALUE")
    if not (text.isascii() and text.isprintable()):
        raise typer.BadParameter(f"{text!r} holds characters that a field cannot have")
    return name.strip().lower(), value.strip()


def _body(data: str | None) -> bytes:
    if data is None:
        return b""
    if not data.startswith("@"):
        return data.encode()
    if data == "@-":
        return sys.stdin.buffer.read()
    try:
        return Path(data[1:]).read_bytes()
    except OSError as failure:
        raise errors.FileUnreadable(
            f"{data[1:]} cannot be read: {failure.strerror}", remedy="check the path and its permissions"
        ) from failure


@contextlib.contextmanager
def _sink(place: Path | None, name: str) -> Iterator[BinaryIO]:
    """Where a body is written: standard output, or a file that is there when all has gone well."""
    if place is None:
        if sys.stdout is None:
            raise errors.FileUnwritable("standard output is closed", remedy="send it to a file, or to /dev/null")
        yield sys.stdout.buffer
        try:
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            output.end_as_by_sigpipe()
            raise
        return
    path = place / name if place.is_dir() else place
    if path.exists() and not path.is_file():  # a pipe, or /dev/null
        with output.writing(path):
            special = path.open("wb")
        with special:
            yield special
        return
    with output.writing(path):
        try:
            handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        except OSError as failure:
            failure.filename = path  # what was asked for, not what it is called until it is whole
            raise
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        with output.writing(path):
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
