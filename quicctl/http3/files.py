# SPDX-License-Identifier: GPL-2.0-or-later
"""The files below a folder as answers: ranges, conditions, lists of folders. Nothing outside of it is ever sent."""

from __future__ import annotations

import email.utils
import html
import mimetypes
import os
import re
import stat
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from quicctl import errors
from quicctl.http3.exchange import Headers
from quicctl.http3.server import PIECE, Request, Response

_INDEX = "index.html"
_METHODS = ("GET", "HEAD")
_RANGE = re.compile(r"bytes=[ \t]*(\d*)-(\d*)[ \t]*", re.ASCII)
_TAGS = re.compile(r'(?:W/)?"[^"]*"')
_PAGE = """<!doctype html>
<html><head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1><ul>
{entries}
</ul></body></html>
"""


class Refused(Exception):
    """There is nothing to send, but a status."""

    def __init__(self, status: int, headers: Headers | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers or []


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a file, from one on, up to before another."""

    start: int
    end: int


class _FileBody:
    """A part of an open file, which is closed with it."""

    def __init__(self, descriptor: int, part: Part) -> None:
        self._descriptor = descriptor
        self._part = part

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        at = self._part.start
        while at < self._part.end:
            piece = os.pread(self._descriptor, min(PIECE, self._part.end - at), at)
            if not piece:
                raise OSError(f"a file ended at {at} while it was sent, {self._part.end - at} bytes too early")
            at += len(piece)
            yield piece

    async def aclose(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Files:
    """A handler for server.listen()."""

    def __init__(self, folder: Path, *, lists: bool = True) -> None:
        """``lists``: a folder without an index.html is answered by a list of what is in it. Raises FileUnreadable."""
        try:
            self._root = folder.resolve(strict=True)
            os.scandir(self._root).close()
        except OSError as failure:
            raise errors.FileUnreadable(
                f"{folder} cannot be served: {failure.strerror}", remedy="give a folder that exists and may be read"
            ) from failure
        self._lists = lists

    async def __call__(self, request: Request) -> Response:
        """The answer to a request."""
        common = [("date", email.utils.formatdate(usegmt=True))]
        try:
            response = self._answer(request)
        except Refused as refused:
            length = [] if refused.status == 304 else [("content-length", "0")]
            response = Response(refused.status, [*refused.headers, *length])
        response.headers[:0] = common
        return response

    def _answer(self, request: Request) -> Response:
        if request.method not in _METHODS:
            raise Refused(405, [("allow", ", ".join(_METHODS))])
        path, _, query = request.path.partition("?")
        found = self._open(path)
        try:
            about = os.fstat(found)
            if stat.S_ISDIR(about.st_mode):
                if not path.endswith("/"):
                    # Below a path with two slashes at its beginning would be another server.
                    place = "/" + path.lstrip("/") + "/"
                    raise Refused(301, [("location", place + (f"?{query}" if query else ""))])
                response = self._folder(found, path, request)
            elif stat.S_ISREG(about.st_mode):
                response = self._file(found, about, path, request)
                found = -1
            else:
                raise Refused(403)
        finally:
            if found >= 0:
                os.close(found)
        return response

    def _open(self, path: str) -> int:
        """A descriptor of what is there; raises Refused for what is not, or not in the folder."""
        segments = unquote_to_bytes(path).split(b"/")
        if not path.startswith("/") or b".." in segments or any(b"\0" in segment for segment in segments):
            raise Refused(404)
        place = os.path.join(os.fsencode(self._root), *filter(None, segments))
        try:
            # Before opening, as that can have effects; and after it, as links can be changed in between.
            self._check_inside(os.path.realpath(place))
            # Without waiting for somebody at the other end of a pipe.
            found = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except PermissionError:
            raise Refused(403) from None
        except OSError:
            raise Refused(404) from None
        try:
            self._check_inside(os.readlink(f"/proc/self/fd/{found}".encode()))
            if path.endswith("/") and not stat.S_ISDIR(os.fstat(found).st_mode):
                raise Refused(404)
        except BaseException:
            os.close(found)
            raise
        return found

    def _check_inside(self, real: bytes) -> None:
        root = os.fsencode(self._root)
        if real != root and not real.startswith(root.rstrip(b"/") + b"/"):
            raise Refused(404)

    def _folder(self, folder: int, path: str, request: Request) -> Response:
        try:
            index = self._open(path + _INDEX)
        except Refused as refused:
            if refused.status != 404:
                raise
            if not self._lists:
                raise Refused(403) from None
            return _list(folder, path, request)
        try:
            about = os.fstat(index)
            if not stat.S_ISREG(about.st_mode):
                raise Refused(403)
            response = self._file(index, about, path + _INDEX, request)
            index = -1
        finally:
            if index >= 0:
                os.close(index)
        return response

    def _file(self, descriptor: int, about: os.stat_result, path: str, request: Request) -> Response:
        """The answer takes the descriptor over, unless Refused is raised."""
        tag = f'"{about.st_mtime_ns:x}-{about.st_size:x}"'
        modified = int(about.st_mtime)
        about_it = [("etag", tag), ("last-modified", email.utils.formatdate(modified, usegmt=True)), ("accept-ranges", "bytes")]
        check(request.headers, tag, modified, about_it)
        part = None
        asked = request.headers.get("range") if request.method == "GET" else None
        if asked is not None and same(request.headers.get("if-range"), tag, modified):
            part = parse_range(asked, about.st_size)
        headers = [*about_it, ("content-type", kind_of(path))]
        if part is not None:
            headers.append(("content-range", f"bytes {part.start}-{part.end - 1}/{about.st_size}"))
        whole = part or Part(0, about.st_size)
        headers.append(("content-length", str(whole.end - whole.start)))
        status = 200 if part is None else 206
        if request.method == "HEAD" or whole.start == whole.end:
            os.close(descriptor)
            return Response(status, headers)
        return Response(status, headers, _FileBody(descriptor, whole))


def _list(folder: int, path: str, request: Request) -> Response:
    with os.scandir(folder) as entries:
        names = sorted(os.fsencode(entry.name) + (b"/" if _is_folder(entry) else b"") for entry in entries)
    if path.strip("/"):
        names.insert(0, b"../")
    rows = "\n".join(f'<li><a href="./{quote(name)}">{html.escape(name.decode(errors="replace"))}</a></li>' for name in names)
    title = html.escape(unquote_to_bytes(path).decode(errors="replace"))
    page = _PAGE.format(title=title, entries=rows).encode()
    headers = [("content-type", "text/html; charset=utf-8"), ("content-length", str(len(page)))]
    return Response(200, headers, page if request.method == "GET" else b"")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads round in circles
        return False


def kind_of(path: str) -> str:
    """The media type that a name suggests."""
    kind, encoding = mimetypes.guess_type(path)
    if kind is None or encoding is not None:
        return "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def parse_range(value: str, size: int) -> Part | None:
    """The range that is asked for: RFC 9110, section 14. None: the whole, as for several at once.

    Raises Refused with 416 if nothing of it is there.
    """
    found = _RANGE.fullmatch(value)
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= size:
        raise Refused(416, [("content-range", f"bytes */{size}")])
    return Part(start, end)


def check(headers: dict[str, str], tag: str, modified: int, about_it: Headers) -> None:
    """Conditions of a request, in the order of RFC 9110, section 13.2.2; raises Refused with 304 or 412."""
    if (wanted := headers.get("if-match")) is not None:
        if not _matches(wanted, tag, weak=False):
            raise Refused(412)
    elif (since := _time(headers.get("if-unmodified-since"))) is not None and modified > since:
        raise Refused(412)
    if (known := headers.get("if-none-match")) is not None:
        if _matches(known, tag, weak=True):
            raise Refused(304, about_it)
    elif (since := _time(headers.get("if-modified-since"))) is not None and modified <= since:
        raise Refused(304, about_it)


def same(condition: str | None, tag: str, modified: int) -> bool:
    """Whether If-Range names what is there now: RFC 9110, section 13.1.5."""
    if condition is None or condition == tag:
        return True
    # A date is a strong validator only if the file has been left alone for a while: section 8.8.2.2.
    return _time(condition) == modified and time.time() - modified > 60


def _matches(value: str, tag: str, *, weak: bool) -> bool:
    if value.strip() == "*":
        return True
    tags = _TAGS.findall(value)
    return tag in ([one.removeprefix("W/") for one in tags] if weak else tags)


def _time(value: str | None) -> int | None:
    """Seconds since the epoch; None for what is no date."""
    if value is None:
        return None
    try:
        return int(email.utils.parsedate_to_datetime(value).timestamp())
    except (ValueError, TypeError, OverflowError):
        return None
