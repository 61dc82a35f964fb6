# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests over one connection, any number at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, Unpack

from quicctl import aio, connection, errors
from quicctl.connection import ClientSettings
from quicctl.http3 import adapter, exchange, frames
from quicctl.http3.exchange import Headers, Message
from quicctl.http3.frames import ErrorCode, GoAway
from quicctl.http3.priority import Priority
from quicctl.libquic import Handshake

_BODILESS = ("204", "304")
_NEVER = 1 << 62


class NotProcessed(Exception):
    """The server did nothing with a request, which can be made again on another connection.

    RFC 9114, sections 4.1.1 and 5.2.
    """


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask for."""

    authority: str
    path: str
    method: str = "GET"
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    trailers: Headers = field(default_factory=list)

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """The field section."""
        pseudo = [(":method", self.method), (":scheme", "https"), (":authority", self.authority), (":path", self.path)]
        length = [("content-length", str(len(self.body)))] if self.body or self.method in ("POST", "PUT") else []
        return exchange.encoded([*pseudo, *self.headers, *length])

    @property
    def repeatable(self) -> bool:
        """Whether it may be early data: once more does no harm. RFC 8470, section 2.2."""
        return self.method in ("GET", "HEAD") and not self.body and not self.trailers


class Answer:
    """What came back for one request."""

    def __init__(self, client: Client, request: Request, message: Message, stream: aio.Stream) -> None:
        self._client = client
        self._message = message
        self._stream = stream
        self._tasks = [client._spawn(client._read_message(stream, message))]
        self.request = request

    @property
    def stream_id(self) -> int:
        """Of the request's stream."""
        return self._stream.id

    @property
    def begun(self) -> bool:
        """Something of it came."""
        return bool(self._message.head)

    async def head(self) -> Headers:
        """Status and fields, when they are there; raises NotProcessed, errors.StreamReset, ConnectionClosed, Http3Failed."""
        with self._client._explained():
            return await self._message.wait_for_head()

    async def status(self) -> int:
        """The status."""
        return int(dict(await self.head())[":status"])

    async def body(self) -> AsyncGenerator[bytes, None]:
        """The body in pieces; raises what head() does."""
        head = dict(await self.head())
        with self._client._explained():
            async for piece in self._message.body():
                yield piece
        promised = head.get("content-length", "0")
        if (
            not self._message.received
            and promised != "0"
            and self.request.method != "HEAD"
            and head[":status"] not in _BODILESS
        ):
            raise errors.Http3Failed(f"{promised} bytes were promised, and none came")

    async def read(self) -> bytes:
        """The whole body."""
        return b"".join([piece async for piece in self.body()])

    @property
    def trailers(self) -> Headers:
        """What came after the body."""
        return self._message.trailers

    def prioritize(self, priority: Priority) -> None:
        """Tell the server that it has another priority now: RFC 9218, section 7."""
        self._client._say(frames.priority_update(self.stream_id, str(priority)))

    def cancel(self) -> None:
        """Want it no more: RFC 9114, section 4.1.1."""
        for task in self._tasks:
            task.cancel()
        self._client._cancel(self._stream, ErrorCode.REQUEST_CANCELLED)
        self._message.fail(errors.StreamReset("the request was cancelled here", code=ErrorCode.REQUEST_CANCELLED))

    async def close(self) -> None:
        """Done with; what is still to come is not wanted."""
        if not self._message.ended:
            self.cancel()
        for task in self._tasks:
            task.cancel()
        self._client._forget(self.stream_id)
        await self._stream.close()


class Client(exchange.Exchange):
    """A connection to a server. Not for several threads."""

    def __init__(self) -> None:
        """Clients come from connect()."""
        super().__init__(client=True)
        self._limit = _NEVER
        self._early_requests: dict[int, Request] = {}
        self.early_answers: list[Answer] = []
        """Of requests that were sent before the handshake, in their order; the first ones, as many as the session allowed."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def handshake(self) -> Handshake:
        """What TLS agreed on."""
        return self._quic_now().handshake

    @property
    def going_away(self) -> bool:
        """The server takes no more requests on this connection."""
        return self._limit != _NEVER

    @property
    def closed_in_order(self) -> bool:
        """The server closed the connection without an error."""
        close = self._quic_now().closed_with
        return close is not None and close.errcode in (0, ErrorCode.NO_ERROR) and not close.frame

    async def session(self) -> bytes | None:
        """What connect(session=...) takes the next time."""
        return await self._quic_now().session()

    async def request(self, request: Request) -> Answer:
        """Make a request; the answer is there when its head() is. Raises NotProcessed if the server goes away.

        A server's limit to the size of fields is respected, Http3Failed says so: RFC 9114, section 4.2.2.
        """
        self._check(request)
        stream = await self._quic_now().open_stream()
        if self.going_away:
            await stream.close()
            raise NotProcessed
        self._channel(stream)
        answer = self._answer(request, stream)
        layer = self._layer_now()
        rest = bool(request.body or request.trailers)
        with contextlib.suppress(errors.StreamReset, errors.ConnectionClosed):  # the answer tells
            layer.send_headers(stream.id, request.fields, end_stream=not rest)
        if rest:
            answer._tasks.append(self._spawn(self._send_rest(request, stream)))
        return answer

    async def close(self, code: int = ErrorCode.NO_ERROR) -> None:
        """Leave, with GOAWAY first: RFC 9114, section 5.2."""
        if self._violation is None:
            self._say(frames.go_away(0))
        await self._end(code)

    def _check(self, request: Request) -> None:
        if self._violation is not None:
            raise self._failure()
        if self.going_away:
            raise NotProcessed
        settings = self._layer_now().received_settings or {}
        limit = settings.get(frames.SETTINGS_MAX_FIELD_SECTION_SIZE)
        if limit is not None and frames.section_size(request.fields) > limit:
            raise errors.Http3Failed(f"the server takes no more than {limit} bytes of header fields", remedy="send fewer")

    async def _send_rest(self, request: Request, stream: aio.Stream) -> None:
        layer = self._layer_now()
        try:
            for start in range(0, len(request.body), exchange.PIECE):
                piece = request.body[start : start + exchange.PIECE]
                end = not request.trailers and start + len(piece) == len(request.body)
                layer.send_data(stream.id, piece, end_stream=end)
                await stream.drain()
            if request.trailers:
                layer.send_headers(stream.id, exchange.encoded(request.trailers), end_stream=True)
        except (errors.StreamReset, errors.ConnectionClosed, OSError):
            return  # a server may answer without having read all: RFC 9114, section 4.1; the answer tells

    def _answer(self, request: Request, stream: aio.Stream) -> Answer:
        message = self._messages.setdefault(stream.id, Message(stream.id))
        return Answer(self, request, message, stream)

    def _begin_early(self, early: connection.Early, requests: Sequence[Request]) -> None:
        """Before the handshake: the layer's streams and as many requests as the session allows."""
        try:
            while len(self._spare) < exchange.OWN_STREAMS:
                self._spare.append(self._keep(early.open_stream(uni=True)))
        except BlockingIOError:
            return
        self._early = early
        self._layer = adapter.Layer(self, client=True, limit=exchange.LIMIT)
        with contextlib.suppress(BlockingIOError):
            for request in requests:
                stream_id = self._keep(early.open_stream())
                self._messages[stream_id] = Message(stream_id)
                self._early_requests[stream_id] = request
                self._layer.send_headers(stream_id, request.fields, end_stream=True)

    async def _attach(self, quic: aio.Connection) -> asyncio.Task[None]:
        ending = await super()._attach(quic)
        for stream_id, request in self._early_requests.items():
            if (stream := quic.early_streams.get(stream_id)) is None:
                raise errors.ConnectionClosed("the server closed the connection at once", remedy="look at its output")
            self.early_answers.append(self._answer(request, stream))
        return ending

    def _welcome(self, stream: aio.Stream) -> None:
        self.broken(ErrorCode.STREAM_CREATION_ERROR, "servers open no bidirectional streams")
        self._spawn(stream.close())

    def _control(self, event: frames.GoAway | frames.PriorityUpdate) -> None:
        assert isinstance(event, GoAway)
        self._limit = event.identifier
        for stream_id, message in self._messages.items():
            if stream_id >= self._limit:
                message.fail(NotProcessed())

    def _cancel(self, stream: aio.Stream, code: int) -> None:
        stream.stop(code)
        self.reset_stream(stream.id, code)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except errors.StreamReset as failure:
            if failure.code == ErrorCode.REQUEST_REJECTED:
                raise NotProcessed from failure
            if failure.code is None:
                raise
            raise errors.StreamReset(
                f"the server gave the answer up: {frames.describe(failure.code)}", code=failure.code
            ) from failure
        except exchange.TooLarge as failure:
            raise errors.Http3Failed(f"the answer's header fields have more than {exchange.LIMIT} bytes") from failure


async def connect(host: str, port: int, *, first: Sequence[Request] = (), **settings: Unpack[ClientSettings]) -> Client:
    """Connect to a server. Requests in ``first`` go before the handshake if settings["session"] lets them; see early_answers.

    Raises what aio.connect() raises, and ValueError for an early request that must not be repeated.
    """
    if not all(request.repeatable for request in first):
        raise ValueError("early data can be replayed: only GET and HEAD without a body may go with it")
    client = Client()
    if first:
        settings["early"] = lambda data: client._begin_early(data, first)
    settings["alpn"] = adapter.ALPN
    await client._attach(await aio.connect(host, port, **settings))
    return client
