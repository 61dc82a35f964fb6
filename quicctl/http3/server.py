# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers to requests: a handler is called for each, the most urgent answer is sent first."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self, Unpack

from quicctl import aio, errors
from quicctl.connection import ServerSettings
from quicctl.endpoint import Address
from quicctl.http3 import adapter, exchange, frames
from quicctl.http3.exchange import Headers, Message
from quicctl.http3.frames import ErrorCode, PriorityUpdate
from quicctl.http3.priority import Priority, Turns, parse

PIECE = 1 << 15
"""Bytes of a body that are sent in one turn."""
_PATIENCE = 0.05
"""Seconds of a turn after which others are let in: a client that gives one stream no credit may want another."""
_LINGER = 5.0
"""Seconds after the last answer in which a client that was told to go can leave by itself."""
_FAREWELL = 1.0
"""Seconds that handlers have to notice that the client is gone."""
_FORETOLD = 256
"""Priorities that are kept of requests still to come."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for."""

    method: str
    path: str
    """With its query, as it was sent."""
    authority: str
    headers: dict[str, str]
    """Fields that came more than once joined by commas: RFC 9110, section 5.3."""
    peer: Address
    stream_id: int
    message: Message
    """Its body and its trailers."""


class Body(Protocol):
    """A body in pieces of at most PIECE bytes, such as an asynchronous generator makes."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces."""

    async def aclose(self) -> None:
        """Is called in any case when the answer is done with."""


@dataclass(slots=True)
class Response:
    """What to answer."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes | Body = b""
    trailers: Headers = field(default_factory=list)
    """Are sent after the body; an iterator may still fill them in."""


@dataclass(frozen=True, slots=True)
class Served:
    """A request that is done with."""

    peer: Address
    method: str
    path: str
    status: int
    """0: the client gave it up, or left, before there was one."""
    sent: int
    """Bytes of the body."""
    complete: bool
    """All of the answer was handed over."""
    early_data: str
    """What became of the connection's: none, accepted or rejected."""


Handler = Callable[[Request], Awaitable[Response]]
OnServed = Callable[[Served], None]


class _Attendant(exchange.Exchange):
    """A connection with a client."""

    def __init__(self, handler: Handler, on_served: OnServed | None) -> None:
        super().__init__(client=False)
        self._handler = handler
        self._on_served = on_served
        self._turns = Turns()
        self._foretold: dict[int, Priority] = {}
        self._requests: set[asyncio.Task[None]] = set()
        self._next = 0
        self._limit: int | None = None
        self._ending: asyncio.Task[None]

    async def attend(self, quic: aio.Connection) -> None:
        """Until the client leaves, or finish() has ended it."""
        self._ending = await self._attach(quic)
        await self._ending
        if self._requests:
            await asyncio.wait(self._requests, timeout=_FAREWELL)
        await self._end(ErrorCode.NO_ERROR)

    async def finish(self) -> None:
        """Take no more requests, finish those that came, and close: RFC 9114, section 5.2."""
        if self._layer is None or self._violation is not None:
            return
        self._limit = self._next
        self._say(frames.go_away(self._limit))
        lingers = bool(self._requests)
        while self._requests:
            await asyncio.wait(self._requests)
        if lingers:
            # Some clients drop what they have not looked at yet when the connection is closed under them.
            await asyncio.wait([self._ending], timeout=_LINGER)
        self._quic_now().close(ErrorCode.NO_ERROR)

    def _welcome(self, stream: aio.Stream) -> None:
        if self._limit is not None and stream.id >= self._limit:
            self._spawn(self._reject(stream))
            return
        self._next = max(self._next, stream.id + 4)
        task = self._spawn(self._attend_request(stream))
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    def _control(self, event: frames.GoAway | frames.PriorityUpdate) -> None:
        if not isinstance(event, PriorityUpdate):
            return  # no pushes are under way that a client could refuse
        priority = parse(event.value)
        if event.stream_id in self._messages:
            self._turns.set(event.stream_id, priority)
        elif event.stream_id >= self._next:
            self._foretold[event.stream_id] = priority
            if len(self._foretold) > _FORETOLD:
                del self._foretold[next(iter(self._foretold))]

    async def _reject(self, stream: aio.Stream) -> None:
        with contextlib.suppress(errors.QuicctlError, OSError):
            stream.stop(ErrorCode.REQUEST_REJECTED)
            stream.reset(ErrorCode.REQUEST_REJECTED)
            await stream.close()

    async def _attend_request(self, stream: aio.Stream) -> None:
        message = self._messages[stream.id] = Message(stream.id)
        self._channel(stream)
        reading = self._spawn(self._read_message(stream, message))
        sending = _Sending(self, stream)
        request: Request | None = None
        try:
            request = await self._request(stream, message)
            await sending.send(await self._handler(request), with_body=request.method != "HEAD")
        except (errors.StreamReset, errors.ConnectionClosed, errors.Http3Failed) as failure:
            _log.info("%s", failure)
        except Exception as failure:
            large = isinstance(failure, exchange.TooLarge)
            if not large:
                _log.exception("a request could not be answered")
            with contextlib.suppress(errors.QuicctlError, OSError):
                await sending.give_up(431 if large else 500)
        finally:
            reading.cancel()
            if not message.ended:
                # All was answered without having read all: RFC 9114, section 4.1
                with contextlib.suppress(errors.QuicctlError, OSError):
                    stream.stop(ErrorCode.NO_ERROR)
            self._forget(stream.id)
            self._turns.forget(stream.id)
            self._foretold.pop(stream.id, None)
            with contextlib.suppress(errors.QuicctlError, OSError):
                await stream.close()
            if self._on_served is not None:
                method, path = (request.method, request.path) if request is not None else ("-", "-")
                quic = self._quic_now()
                self._on_served(
                    Served(quic.peer, method, path, sending.status, sending.sent, sending.complete, quic.handshake.early_data)
                )

    async def _request(self, stream: aio.Stream, message: Message) -> Request:
        """The request, when its fields are there; raises exchange.TooLarge."""
        head = await message.wait_for_head()
        fields: dict[str, str] = {}
        for name, value in head:
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
        priority = self._foretold.pop(stream.id, None)
        self._turns.set(stream.id, priority or parse(fields.get("priority", "")))
        pseudo = {name: fields.pop(f":{name}", "") for name in ("method", "path", "authority", "scheme")}
        return Request(
            pseudo["method"], pseudo["path"], pseudo["authority"] or fields.get("host", ""), fields,
            self._quic_now().peer, stream.id, message,
        )  # fmt: skip

    async def send_piece(self, stream: aio.Stream, piece: bytes) -> None:
        """A piece of a body, when it is its turn, and when the kernel has taken it."""
        async with self._turns.turn(stream.id):
            self._layer_now().send_data(stream.id, piece, end_stream=False)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await stream.drain()
        await stream.drain()

    def send_end(self, stream_id: int) -> None:
        """The end of a body."""
        self._layer_now().send_data(stream_id, b"", end_stream=True)

    def send_fields(self, stream_id: int, headers: Headers, *, end: bool) -> None:
        """A field section."""
        self._layer_now().send_headers(stream_id, exchange.encoded(headers), end_stream=end)


class _Sending:
    """An answer on its way."""

    def __init__(self, attendant: _Attendant, stream: aio.Stream) -> None:
        self._attendant = attendant
        self._stream = stream
        self.status = 0
        self.sent = 0
        self.complete = False

    async def send(self, response: Response, *, with_body: bool = True) -> None:
        """All of it; raises errors.StreamReset if the client does not want it any more."""
        self.status = response.status
        body = _pieces(response.body) if isinstance(response.body, bytes) else response.body
        async with contextlib.aclosing(body):
            head = [(":status", str(response.status)), *response.headers]
            empty = not with_body or response.body == b""
            attendant, stream_id = self._attendant, self._stream.id
            attendant.send_fields(stream_id, head, end=empty and not response.trailers)
            if not empty:
                async for piece in body:
                    await attendant.send_piece(self._stream, piece)
                    self.sent += len(piece)
            if response.trailers:
                attendant.send_fields(stream_id, response.trailers, end=True)
            elif not empty:
                attendant.send_end(stream_id)
            await self._stream.drain()
        self.complete = True

    async def give_up(self, status: int) -> None:
        """It cannot be answered: say so, if nothing was said yet."""
        if self.status == 0:
            await self.send(Response(status, [("content-length", "0")]))
        else:
            self._attendant.reset_stream(self._stream.id, ErrorCode.INTERNAL_ERROR)


async def _pieces(body: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(body), PIECE):
        yield body[start : start + PIECE]


class Server:
    """A listener whose connections speak HTTP/3. Leaving ``async with`` ends all at once, shutdown() does it in order."""

    def __init__(self, listener: aio.Listener, handler: Handler, on_served: OnServed | None) -> None:
        """Servers come from listen(); a loop must be running."""
        self._listener = listener
        self._handler = handler
        self._on_served = on_served
        self._attendants: dict[_Attendant, asyncio.Task[None]] = {}
        self._accepting = asyncio.get_running_loop().create_task(self._accept())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutdown(0)

    @property
    def local(self) -> Address:
        """The address it listens at."""
        return self._listener.local

    async def serve(self) -> None:
        """Until shutdown(); raises what ended the listener."""
        await asyncio.shield(self._accepting)

    async def shutdown(self, grace: float) -> bool:
        """Send GOAWAY, finish the requests that came within so many seconds, and close all; whether that was time enough."""
        await self._listener.close()
        await asyncio.gather(self._accepting, return_exceptions=True)
        finishing = [asyncio.create_task(attendant.finish()) for attendant in self._attendants]
        late: set[asyncio.Task[None]] = set()
        if finishing:
            _, late = await asyncio.wait(finishing, timeout=grace)
        attending = list(self._attendants.values())
        if attending and not late:
            await asyncio.wait(attending, timeout=2 * _FAREWELL)
        # Those that are left are late, or had not yet begun to speak HTTP/3.
        for task in [*late, *attending]:
            task.cancel()
        await asyncio.gather(*finishing, *attending, return_exceptions=True)
        return not late

    async def _accept(self) -> None:
        async for quic in self._listener:
            attendant = _Attendant(self._handler, self._on_served)
            task = asyncio.create_task(self._attend(attendant, quic))
            self._attendants[attendant] = task

    async def _attend(self, attendant: _Attendant, quic: aio.Connection) -> None:
        try:
            await attendant.attend(quic)
        except (errors.ConnectionClosed, OSError) as failure:
            _log.info("%s", failure)
        finally:
            quic.close(ErrorCode.NO_ERROR)
            del self._attendants[attendant]


async def listen(
    host: str, port: int, handler: Handler, *, on_served: OnServed | None = None, **settings: Unpack[ServerSettings]
) -> Server:
    """Answer requests there; port 0 lets the kernel choose. connection.ServerSettings lists the keywords."""
    settings["alpn"] = adapter.ALPN
    return Server(await aio.listen(host, port, **settings), handler, on_served)
