# SPDX-License-Identifier: GPL-2.0-or-later
"""URLs into files: what ``quicctl get`` does. Those of one server share a connection."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import quote, urlsplit

from quicctl import connection, errors
from quicctl.http3 import client
from quicctl.http3.client import Answer, Client, NotProcessed, Request
from quicctl.http3.exchange import Headers
from quicctl.libquic import Handshake

_AT_ONCE = 16
"""Requests; more streams are a matter of descriptors."""
_TRIES = 3
"""Connections on which a server does nothing before it goes away."""
_SESSION_WAIT = 2.0


@dataclass(frozen=True, slots=True)
class Url:
    """An address of the web."""

    text: str
    host: str
    port: int
    authority: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Url:
        """``https://HOST[:PORT]/PATH``; without a scheme https is meant. Raises BadUrl."""
        whole = text if "://" in text else f"https://{text}"
        try:
            parts = urlsplit(whole)
            port = parts.port or 443
            host = (parts.hostname or "").encode("idna").decode() if ":" not in (parts.hostname or "") else parts.hostname or ""
        except (ValueError, UnicodeError) as failure:
            raise errors.BadUrl(f"{text!r} is no URL: {failure}", remedy="write https://HOST/PATH") from failure
        if parts.scheme != "https" or not host or parts.username is not None:
            raise errors.BadUrl(
                f"{text!r} cannot be fetched over HTTP/3", remedy="write https://HOST[:PORT]/PATH, without a user's name"
            )
        shown = f"[{host}]" if ":" in host else host
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (
            f"?{quote(parts.query, safe=_QUERY)}" if parts.query else ""
        )
        return cls(whole, host, port, shown if port == 443 else f"{shown}:{port}", path)

    @property
    def name(self) -> str:
        """What to call a file of it."""
        last = self.path.partition("?")[0].rpartition("/")[2]
        return last if last not in ("", ".", "..") else "index.html"


_QUERY = "/%:@!$&'()*+,;=~?"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A URL, and where what comes is written; None: nowhere."""

    url: Url
    sink: BinaryIO | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What all requests of a run have in common."""

    settings: connection.ClientSettings
    method: str = "GET"
    headers: Headers | None = None
    body: bytes = b""
    trailers: Headers | None = None
    session: bytes | None = None
    early: bool = False
    timeout: float = 10.0
    """Seconds without progress."""
    show_head: bool = False
    """Write status and fields before the body, trailers after it."""

    def request(self, url: Url) -> Request:
        """The request for a URL."""
        return Request(url.authority, url.path, self.method, list(self.headers or []), self.body, list(self.trailers or []))


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came for a URL."""

    url: str
    status: int
    headers: Headers
    trailers: Headers
    bytes: int
    seconds: float
    sha256: str
    early: bool
    """Asked for before the handshake, and the server took that."""
    connection: int
    """Which connection of the run it came over, from 0 on."""
    handshake: Handshake


OnProgress = Callable[[int], None]
"""Is told how many bytes of bodies came so far."""
OnSession = Callable[[bytes], None]


def fetch(
    wanted: Sequence[Wanted], plan: Plan, *, on_progress: OnProgress | None = None, on_session: OnSession | None = None
) -> list[Fetched]:
    """Fetch all of them, side by side unless they go to the same place; results in the order of the URLs.

    The first thing that goes wrong is raised, also what a sink raises. Whether a status means success is for callers to say.
    """
    return asyncio.run(_Run(plan, on_progress, on_session).all(wanted))


class _Run:
    def __init__(self, plan: Plan, on_progress: OnProgress | None, on_session: OnSession | None) -> None:
        self._plan = plan
        self._on_progress = on_progress
        self._on_session = on_session
        self._received = 0
        self._connections = 0
        self._done: dict[int, Fetched] = {}

    async def all(self, wanted: Sequence[Wanted]) -> list[Fetched]:
        """As fetch()."""
        servers: dict[tuple[str, int], list[int]] = {}
        for number, one in enumerate(wanted):
            servers.setdefault((one.url.host, one.url.port), []).append(number)
        for numbers in servers.values():
            await self._server(wanted, numbers)
        return [self._done[number] for number in range(len(wanted))]

    async def _server(self, wanted: Sequence[Wanted], numbers: Sequence[int]) -> None:
        fruitless = 0
        while missing := [number for number in numbers if number not in self._done]:
            if fruitless == _TRIES:
                raise errors.Http3Failed("the server goes away before it answers, each time", remedy="try again later")
            before = len(self._done)
            await self._connection(wanted, missing)
            fruitless = 0 if len(self._done) > before else fruitless + 1

    async def _connection(self, wanted: Sequence[Wanted], numbers: Sequence[int]) -> None:
        plan, url = self._plan, wanted[numbers[0]].url
        requests = [plan.request(wanted[number].url) for number in numbers]
        settings = plan.settings.copy()
        if plan.session is not None:
            settings["session"] = plan.session
        early = requests[:_AT_ONCE] if plan.early and plan.session is not None else []
        # What comes to one place comes one after the other, in the order of the URLs.
        shared = len({id(wanted[number].sink) for number in numbers if wanted[number].sink is not None}) < len(numbers)
        async with await client.connect(url.host, url.port, first=early, **settings) as peer:
            index, self._connections = self._connections, self._connections + 1
            room = asyncio.Semaphore(1 if shared else _AT_ONCE)
            asked = dict(zip(numbers, peer.early_answers, strict=False))
            async with _group() as group:
                for number, request in zip(numbers, requests, strict=True):
                    group.create_task(self._one(peer, index, room, wanted[number], number, request, asked.get(number)))
            if self._on_session is not None and (given := await peer.session()) is not None:
                self._on_session(given)

    async def _one(
        self, peer: Client, index: int, room: asyncio.Semaphore, wanted: Wanted, number: int, request: Request,
        answer: Answer | None,
    ) -> None:  # fmt: skip
        early = answer is not None and peer.handshake.early_data == "accepted"
        async with room:
            began = time.monotonic()
            try:
                if answer is None:
                    async with asyncio.timeout(self._plan.timeout):
                        answer = await peer.request(request)
                try:
                    self._done[number] = await self._receive(peer, index, wanted, answer, began, early)
                finally:
                    await answer.close()
            except NotProcessed:
                return  # on another connection, then
            except errors.ConnectionClosed:
                # One that is idle may be closed just when a request is on its way: RFC 9110, section 9.2.2.
                if request.repeatable and peer.closed_in_order and (answer is None or not answer.begun):
                    return
                raise
            except TimeoutError as failure:
                raise errors.IdleTimeout(
                    f"nothing came for {self._plan.timeout:g} s of {wanted.url.text}",
                    remedy="check the network; --timeout waits longer",
                ) from failure

    async def _receive(self, peer: Client, index: int, wanted: Wanted, answer: Answer, began: float, early: bool) -> Fetched:
        plan, sink = self._plan, wanted.sink
        async with asyncio.timeout(plan.timeout):
            head = await answer.head()
        status = await answer.status()
        if plan.show_head:
            _write(sink, f"HTTP/3 {status}\r\n" + _shown(head[1:]) + "\r\n")
        seen, size = hashlib.sha256(), 0
        body = answer.body()
        async with contextlib.aclosing(body):
            while True:
                async with asyncio.timeout(plan.timeout):
                    piece = await anext(body, b"")
                if not piece:
                    break
                seen.update(piece)
                size += len(piece)
                self._received += len(piece)
                _write(sink, piece)
                if self._on_progress is not None:
                    self._on_progress(self._received)
        if plan.show_head and answer.trailers:
            _write(sink, "\r\n" + _shown(answer.trailers))
        return Fetched(
            wanted.url.text, status, head[1:], answer.trailers, size, time.monotonic() - began, seen.hexdigest(), early, index,
            peer.handshake,
        )  # fmt: skip


def _shown(headers: Headers) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers)


def _write(sink: BinaryIO | None, data: bytes | str) -> None:
    if sink is not None:
        sink.write(data.encode("latin-1") if isinstance(data, str) else data)


@contextlib.asynccontextmanager
async def _group() -> AsyncIterator[asyncio.TaskGroup]:
    """A group of tasks whose first failure is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
