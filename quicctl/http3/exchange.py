# SPDX-License-Identifier: GPL-2.0-or-later
"""A connection that speaks HTTP/3: what its streams bring goes through the layer, what the layer says goes to its streams."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any

from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.events import QuicEvent, StreamDataReceived, StreamReset

from quicctl import aio, connection, errors
from quicctl.http3 import adapter, frames
from quicctl.http3.frames import ErrorCode

Headers = list[tuple[str, str]]

LIMIT = 1 << 16
"""Bytes of a field section that are taken: RFC 9114, section 4.2.2."""
PIECE = 1 << 16
"""Bytes that are read or sent at once."""
OWN_STREAMS = 3
"""For control, and for both directions of QPACK."""
_QUEUED = 1 << 18
"""Bytes of a body that wait to be taken, before no more is read from its stream."""


class TooLarge(Exception):
    """A field section is larger than we take."""


@dataclass(slots=True)
class _Channel:
    """A stream as the layer writes to it: what comes before it has a descriptor is kept."""

    stream: aio.Stream | None = None
    kept: bytearray = field(default_factory=bytearray)
    ended: bool = False

    def send(self, data: bytes, fin: bool) -> None:
        if self.stream is None:
            self.kept += data
        elif data:
            self.stream.writer.write(data)
        if fin:
            self.ended = True
            if self.stream is not None:
                self.stream.write_eof()

    def attach(self, stream: aio.Stream, *, ended: bool = False) -> None:
        """``ended``: its end went out with what came before."""
        self.stream = stream
        # With nothing buffered here, its turn to send lasts until the kernel has all: priority.Turns.
        stream.writer.transport.set_write_buffer_limits(high=0)
        if self.kept:
            stream.writer.write(bytes(self.kept))
            self.kept.clear()
        if self.ended and not ended:
            stream.write_eof()


class Message:
    """A request or an answer as it comes. Raises errors.StreamReset if the peer gives it up, ConnectionClosed, Http3Failed."""

    def __init__(self, stream_id: int) -> None:
        self.stream_id = stream_id
        self.head: Headers = []
        self.trailers: Headers = []
        self.early_hints: list[Headers] = []
        """Answers with a status of 1xx, which came before the one that counts."""
        self.ended = False
        """All of it came."""
        self.received = 0
        """Bytes of the body that came."""
        self._waiting: deque[bytes] = deque()
        self._queued = 0
        self._failure: Exception | None = None
        self._news = aio.News()

    async def wait_for_head(self) -> Headers:
        """The pseudo-header fields and the others, when they are there."""
        while not self.head:
            await self._more()
        return self.head

    async def read(self) -> bytes:
        """The next piece of the body; b"" when it is whole, and ``trailers`` are there."""
        while not self._waiting:
            if self.ended:
                return b""
            await self._more()
        piece = self._waiting.popleft()
        self._queued -= len(piece)
        self._news.spread()
        return piece

    async def body(self) -> AsyncIterator[bytes]:
        """The body in pieces."""
        while piece := await self.read():
            yield piece

    def take(self, event: H3Event) -> None:
        """What the layer made of the stream's bytes."""
        if isinstance(event, HeadersReceived):
            if frames.section_size(event.headers) > LIMIT:
                self.fail(TooLarge())
                return
            self._take_headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers])
            self.ended |= event.stream_ended
        elif isinstance(event, DataReceived):
            if event.data:
                self._waiting.append(event.data)
                self._queued += len(event.data)
                self.received += len(event.data)
            self.ended |= event.stream_ended
        self._news.spread()

    def fail(self, failure: Exception) -> None:
        """No more will come."""
        if not self.ended and self._failure is None:
            self._failure = failure
        self._news.spread()

    async def room(self) -> None:
        """Until somebody has taken enough of what waits."""
        while self._queued > _QUEUED:
            await self._news.wait()

    def _take_headers(self, headers: Headers) -> None:
        if self.head:
            self.trailers = headers
        elif headers and headers[0][0] == ":status" and headers[0][1].startswith("1"):
            self.early_hints.append(headers)
        else:
            self.head = headers

    async def _more(self) -> None:
        if self._failure is not None:
            raise self._failure
        await self._news.wait()


class Exchange:
    """What clients and servers have in common; the transport of their layer."""

    def __init__(self, *, client: bool) -> None:
        self._client = client
        self._quic: aio.Connection | None = None
        self._early: connection.Early | None = None
        self._early_ends: set[int] = set()
        self._layer: adapter.Layer | None = None
        self._channels: dict[int, _Channel] = {}
        self._messages: dict[int, Message] = {}
        self._spare: list[int] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._violation: frames.Violation | None = None

    # The layer's transport.

    def open_stream(self, *, uni: bool) -> int:
        """One of the three that are opened for the layer."""
        assert uni
        return self._spare.pop(0)

    def send(self, stream_id: int, data: bytes, fin: bool) -> None:
        """Hand it to the stream, or to early data as far as the session lets it."""
        channel = self._channels.get(stream_id)
        if channel is None or channel.ended or self._violation is not None:
            return
        if self._early is not None and not channel.kept:
            taken = self._early.send(stream_id, data, fin=fin)
            data = data[taken:]
            if fin and not data:
                self._early_ends.add(stream_id)
        channel.send(data, fin)

    def reset_stream(self, stream_id: int, code: int) -> None:
        """Unless its end has been sent."""
        channel = self._channels.get(stream_id)
        if channel is not None and channel.stream is not None and not channel.ended:
            channel.ended = True
            channel.stream.reset(code)

    def send_datagram(self, data: bytes) -> None:
        """Neither end here has a use for them."""
        raise AssertionError("HTTP/3 datagrams were not offered")

    def datagram_limit(self) -> int:
        """What the peer takes: whoever wants datagrams of HTTP/3 must take those of QUIC, RFC 9297, section 2.1.1."""
        return self._quic_now().transport_params(remote=True).max_datagram_frame_size

    def broken(self, code: int, reason: str) -> None:
        """The peer broke the protocol."""
        if self._violation is None:
            known = code in ErrorCode.__members__.values()
            self._violation = frames.Violation(ErrorCode(code) if known else ErrorCode.GENERAL_PROTOCOL_ERROR, reason)
            self._quic_now().close(code, reason)

    # Its connection.

    def _quic_now(self) -> aio.Connection:
        assert self._quic is not None
        return self._quic

    def _layer_now(self) -> adapter.Layer:
        assert self._layer is not None
        return self._layer

    async def _attach(self, quic: aio.Connection) -> asyncio.Task[None]:
        """The handshake is done: go on with streams that were opened before it, or open those of the layer.

        The task ends with the connection.
        """
        self._quic, self._early = quic, None
        for stream_id, stream in quic.early_streams.items():
            self._channels[stream_id].attach(stream, ended=stream_id in self._early_ends)
        if self._layer is None:
            while len(self._spare) < OWN_STREAMS:
                self._spare.append(self._channel(await quic.open_stream(uni=True)))
            self._layer = adapter.Layer(self, client=self._client, limit=LIMIT)
        return self._spawn(self._accept())

    def _keep(self, stream_id: int) -> int:
        """Keep what the layer writes to a stream that has no descriptor yet; its ID."""
        self._channels[stream_id] = _Channel()
        return stream_id

    def _channel(self, stream: aio.Stream) -> int:
        """Let the layer write to a stream; its ID."""
        channel = self._channels[stream.id] = _Channel()
        channel.attach(stream)
        return stream.id

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _end(self, code: int, reason: str = "") -> None:
        """Close the connection, and see the end of what was at work on it."""
        # First of all: the end of a control stream alone would be an error. RFC 9114, section 6.2.1
        self._quic_now().close(code, reason)
        while tasks := [task for task in self._tasks if task is not asyncio.current_task()]:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for channel in self._channels.values():
            if channel.stream is not None:
                await channel.stream.close()
        self._channels.clear()

    async def _accept(self) -> None:
        with contextlib.suppress(errors.ConnectionClosed):
            async for stream in self._quic_now():
                if stream.id & 2:
                    self._spawn(self._read_control(stream))
                else:
                    self._welcome(stream)

    def _welcome(self, stream: aio.Stream) -> None:
        """The peer opened a bidirectional stream. RFC 9114, section 6.1: only clients do."""
        raise NotImplementedError

    async def _read_control(self, stream: aio.Stream) -> None:
        """A unidirectional stream of the peer's, until its end."""
        reader = frames.ControlReader(server=not self._client)
        try:
            while data := await stream.read(PIECE):
                # The layer first: it checks that SETTINGS come before anything else.
                self._feed(StreamDataReceived(data, False, stream.id))
                if self._violation is not None:
                    return
                for event in reader.feed(data):
                    self._control(event)
            self._feed(StreamDataReceived(b"", True, stream.id))
        except errors.StreamReset as failure:
            self._feed(StreamReset(failure.code or 0, stream.id))
        except frames.Violation as violation:
            self.broken(violation.code, violation.reason)
        except (errors.ConnectionClosed, OSError):
            return  # who waits for an answer is told by its own stream
        finally:
            await stream.close()

    def _control(self, event: frames.GoAway | frames.PriorityUpdate) -> None:
        raise NotImplementedError

    async def _read_message(self, stream: aio.Stream, message: Message) -> None:
        """The stream of a request, until its end."""
        reader = frames.FrameReader()
        try:
            while data := await stream.read(PIECE):
                for event in reader.feed(data):
                    if isinstance(event, frames.Head) and event.kind == frames.HEADERS and event.length > LIMIT:
                        raise TooLarge
                self._feed(StreamDataReceived(data, False, stream.id))
                await message.room()
            self._feed(StreamDataReceived(b"", True, stream.id))
            if self._violation is not None:
                message.fail(self._failure())
        except errors.StreamReset as failure:
            self._feed(StreamReset(failure.code or 0, stream.id))
            message.fail(failure)
        except (errors.ConnectionClosed, OSError) as failure:
            message.fail(self._failure() if self._violation is not None else failure)
        except TooLarge as failure:
            message.fail(failure)

    def _feed(self, event: QuicEvent) -> None:
        for made in self._layer_now().handle_event(event):
            message = self._messages.get(getattr(made, "stream_id", -1))
            if message is not None:
                message.take(made)

    def _failure(self) -> errors.Http3Failed:
        assert self._violation is not None
        return errors.Http3Failed(
            f"the peer broke HTTP/3, {frames.describe(self._violation.code)}: {self._violation.reason or 'no more is known'}"
        )

    def _forget(self, stream_id: int) -> None:
        """A request is done with. The layer is told if its stream was not read to the end."""
        message = self._messages.pop(stream_id, None)
        if message is not None and not message.ended:
            self._channels[stream_id].ended = True
            self._feed(StreamReset(ErrorCode.REQUEST_CANCELLED, stream_id))
        self._channels.pop(stream_id, None)

    def _say(self, frame: bytes) -> None:
        """Send a frame on our control stream."""
        self.send(self._layer_now().control_stream, frame, False)


def encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Fields as the layer takes them: names in lower case, RFC 9114, section 4.2."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
