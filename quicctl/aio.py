# SPDX-License-Identifier: GPL-2.0-or-later
"""QUIC for asyncio: the connections of quicsocket.py, awaited; docs/python.md shows both.

No thread is at work: the handshake goes by libquic's steps, and the loop watches the descriptors. A stream's descriptor is a
stream socket to the loop, so its reader and writer are asyncio's own, with their buffers and limits.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections import deque
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Self, TypeVar, Unpack

from quicctl import connection, endpoint, errors, handshake, uapi
from quicctl.connection import ClientSettings, ServerSettings
from quicctl.endpoint import Address, Endpoint
from quicctl.libquic import Handshake, TlsFailure, Wait

_T = TypeVar("_T")

_GLANCE = 0.02
"""Seconds after which what cannot be waited for is tried again."""
_LOOK = 1.0
"""Seconds after which what should have been told is looked at."""
_SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS)
"""What an accept() lacks that may be there again later."""
_log = logging.getLogger(__name__)


async def connect(host: str, port: int, **settings: Unpack[ClientSettings]) -> Connection:
    """Connect to a server and do the handshake; connection.ClientSettings lists the keywords.

    Raises NoAnswer, CertificateNotTrusted, AlpnMismatch, PeerRefused and others of errors.py.
    """
    loop = asyncio.get_running_loop()
    for attempt, spared in await loop.run_in_executor(None, lambda: list(connection.attempts(host, port, settings))):
        with spared, contextlib.ExitStack() as stack:
            begun = stack.enter_context(attempt)
            streams = connection.send_early(begun.sock, settings.get("early"), settings.get("session"))
            connected = Connection(await _shake(begun), stack.pop_all())
            for stream_id, peeled in connected._peel_early(streams):
                connected.early_streams[stream_id] = await Stream(connected, stream_id)._start(peeled)
            return connected
    raise AssertionError("the last attempt returns or raises")


async def listen(host: str, port: int, *, backlog: int = 64, **settings: Unpack[ServerSettings]) -> Listener:
    """Listen there; port 0 lets the kernel choose. connection.ServerSettings lists the keywords.

    Up to ``backlog`` clients are served their handshakes, or wait to be accepted, at a time; others wait in the kernel.
    """
    options = connection.options(settings)
    return Listener(await _resolve((host, port), passive=True), options, backlog)


class Stream:
    """One stream: asyncio's reader and writer on it, with errors that say what happened.

    StreamReset: the peer gave it up; ConnectionClosed: the connection ended before the stream did. Leaving ``async with``
    closes it; by an exception, resets it, so that nobody takes a part for the whole.
    """

    def __init__(self, parent: Connection, stream_id: int) -> None:
        """Streams come from open_stream() and accept_stream()."""
        self._parent = parent
        self.id = stream_id
        """RFC 9000, section 2.1: bit 0 is set if the server opened it, bit 1 if it is unidirectional."""
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter
        self._write_side: asyncio.StreamReader
        self._transports: list[asyncio.BaseTransport] = []

    async def _start(self, peeled: socket.socket) -> Self:
        # A transport each way: the peer may give up one, and the other goes on. RFC 9000, section 2.4.
        loop = asyncio.get_running_loop()
        self._write_side = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(self._write_side, loop=loop)
        writing, _ = await loop.create_connection(lambda: protocol, sock=peeled.dup())
        writing.pause_reading()
        self.writer = asyncio.StreamWriter(writing, protocol, self._write_side, loop)
        self._transports.append(writing)
        if self._parent.may_read(self.id):
            self.reader, hearing = await asyncio.open_connection(sock=peeled)
            self._transports.append(hearing.transport)
        else:
            self.reader = asyncio.StreamReader(loop=loop)
            self.reader.feed_eof()
            peeled.close()
        return self

    def __repr__(self) -> str:
        return f"<Stream {self.id}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and self._parent.may_write(self.id):
            with contextlib.suppress(OSError, errors.QuicctlError):  # the first error is the one to tell
                self.reset()
        await self.close()

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Its lines."""
        return self._lines()

    async def _lines(self) -> AsyncIterator[bytes]:
        while line := await self.readline():
            yield line

    async def read(self, size: int = -1) -> bytes:
        """What is there, up to size bytes; without a size all up to the end. b"" is the end."""
        with self._explained(self.reader, writing=False):
            return await self.reader.read(size)

    async def readexactly(self, size: int) -> bytes:
        """So many bytes; raises asyncio.IncompleteReadError if the stream ends before."""
        with self._explained(self.reader, writing=False):
            return await self.reader.readexactly(size)

    async def readline(self) -> bytes:
        """A line, with its end; b"" is the end of the stream."""
        with self._explained(self.reader, writing=False):
            return await self.reader.readline()

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send data, waiting while more is under way than the writer's buffer holds."""
        with self._explained(self._write_side, writing=True):
            self.writer.write(data)
            await self.writer.drain()

    async def drain(self) -> None:
        """Wait until no more is under way than the writer's buffer holds."""
        with self._explained(self._write_side, writing=True):
            await self.writer.drain()

    def write_eof(self) -> None:
        """End this direction: the peer reads to the end. The other goes on."""
        with self._explained(self._write_side, writing=True):
            self.writer.write_eof()

    def reset(self, code: int = 0) -> None:
        """Give up sending: what was not delivered is lost, the peer's reader gets StreamReset with this code."""
        self._parent._give_up(self.id, code)
        self.writer.transport.abort()

    def stop(self, code: int = 0) -> None:
        """Ask the peer to give up sending, with this code. RFC 9000, section 3.5."""
        self._parent._refuse(self.id, code)

    async def close(self) -> None:
        """End this direction when what was written has gone to the kernel, and read no more."""
        for transport in self._transports:
            transport.close()
        with contextlib.suppress(OSError):  # of its end the readers and writers have been told
            await self.writer.wait_closed()
        self._parent._forget(self.id)

    @contextlib.contextmanager
    def _explained(self, side: asyncio.StreamReader, *, writing: bool) -> Iterator[None]:
        try:
            yield
        except OSError as failure:
            cause = side.exception() if failure.errno is None else failure
            if not isinstance(cause, OSError) or cause.errno is None:
                cause = OSError(errno.EPIPE if writing else errno.ENOTCONN, str(failure))
            raise self._parent._failed(cause, self.id, writing=writing) from failure


class Connection(connection.Connection):
    """A connection. Its handshake is done, the peer's certificate verified.

    ``async for`` yields the streams that the peer opens, until the connection is closed without an error code.
    """

    def __init__(self, established: handshake.Connection, resources: contextlib.ExitStack) -> None:
        """Connections come from connect() and from a listener; a loop must be running."""
        super().__init__(established, resources)
        self._loop = asyncio.get_running_loop()
        self._news = News()
        self._pause: asyncio.TimerHandle | None = None
        self.early_streams: dict[int, Stream] = {}
        """Client: the streams opened before the handshake, by ID, less those that are over already."""
        self._watch()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> AsyncIterator[Stream]:
        return self._incoming()

    async def _incoming(self) -> AsyncIterator[Stream]:
        while True:
            try:
                stream = await self.accept_stream()
            except errors.ConnectionClosed:
                if self.closed_with is not None and self.closed_with.errcode:
                    raise
                return
            yield stream

    def close(self, code: int = 0, reason: str = "") -> None:
        """Close the connection and tell the peer why; who waits for something gets ConnectionClosed.

        What was handed to the kernel is still delivered, in the background; close streams first that may have more.
        """
        self._unwatch()
        self._finish(code, reason)
        self._news.spread()

    async def open_stream(self, *, uni: bool = False) -> Stream:
        """Open a stream, bidirectional unless uni; waits while the peer allows no more."""
        while True:
            if self._ended:
                raise self._closed()
            try:
                stream_id, peeled = self._open(uni=uni)
            except BlockingIOError:
                # The event of fresh credit may find no room and be lost.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK):
                        await self._news.wait()
            else:
                return await Stream(self, stream_id)._start(peeled)

    async def accept_stream(self) -> Stream:
        """The next stream that the peer opened; raises ConnectionClosed when there will be none."""
        stream_id, peeled = await self._wait(self._streams)
        return await Stream(self, stream_id)._start(peeled)

    async def send_datagram(self, data: bytes | bytearray | memoryview) -> None:
        """Send one datagram, which may get lost. Raises OSError: EMSGSIZE for one too long, EINVAL if the peer takes none."""
        while True:
            try:
                self._endpoint.send_datagram(bytes(data), wait=False)
            except BlockingIOError:
                await asyncio.sleep(_GLANCE)
            except OSError as failure:
                raise self._closed(failure) from failure
            else:
                return

    async def receive_datagram(self) -> bytes:
        """The next datagram; raises ConnectionClosed when there will be none."""
        return await self._wait(self._datagrams)

    async def next_event(self) -> uapi.Event:
        """The next event, one of uapi's: KeyUpdate, Migration, SessionTicket, Token, ConnectionIdInfo, ConnectionClose."""
        return await self._wait(self._events)

    async def session(self, wait: float = 2.0) -> bytes | None:
        """Client: what connect(session=...) needs to resume; None if the server gives no ticket within that many seconds."""
        deadline = self._loop.time() + wait
        while (given := self._session(0)) is None and self._loop.time() < deadline:
            await asyncio.sleep(_GLANCE)
        return given

    async def _wait(self, queue: deque[_T]) -> _T:
        while not queue:
            if self._ended:
                raise self._closed()
            await self._news.wait()
        return queue.popleft()

    def _drain(self) -> None:
        try:
            super()._drain()
        finally:
            self._news.spread()

    def _watch(self) -> None:
        self._pause = None
        self._watched = self._endpoint.fileno()
        self._loop.add_reader(self._watched, self._on_readable)

    def _unwatch(self) -> None:
        if self._watched >= 0:
            self._loop.remove_reader(self._watched)
            self._watched = -1
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _on_readable(self) -> None:
        try:
            self._drain()
        except OSError as failure:
            # No descriptor is left for a stream, as a rule; the loop says so, and we try again.
            self._unwatch()
            self._pause = self._loop.call_later(_LOOK, self._watch)
            self._loop.call_exception_handler({"message": "a QUIC connection cannot be read", "exception": failure})
        if self._ended:
            self._unwatch()


class Listener:
    """Takes connections and does their handshakes side by side; ``async for`` yields them.

    A client whose handshake fails is told to the logger ``quicctl.aio``, and to nobody else.
    """

    def __init__(self, address: Address, options: handshake.Options, backlog: int) -> None:
        """Listeners come from listen(); a loop must be running."""
        self._options = options
        self._news = News()
        self._ready: deque[Connection] = deque()
        self._closed = False
        self._room = asyncio.Semaphore(backlog)
        self._greetings: set[asyncio.Task[None]] = set()
        with contextlib.ExitStack() as stack:
            self._endpoint, self._credentials = stack.enter_context(handshake.listener(address, options))
            self._endpoint.setblocking(False)
            self._resources = stack.pop_all()
        self._task = asyncio.get_running_loop().create_task(self._serve())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[Connection]:
        return self._incoming()

    async def _incoming(self) -> AsyncIterator[Connection]:
        while not self._closed:
            try:
                accepted = await self.accept()
            except errors.ConnectionClosed:
                return
            yield accepted

    @property
    def local(self) -> Address:
        """The address it listens at."""
        return self._endpoint.local

    async def accept(self) -> Connection:
        """The next connection, its handshake done; raises ConnectionClosed when the listener is closed."""
        while not self._ready:
            if self._task.done() and not self._closed:
                self._task.result()
            if self._closed:
                raise errors.ConnectionClosed("the listener is closed", remedy="accept no more from it")
            await self._news.wait()
        self._room.release()
        return self._ready.popleft()

    async def close(self) -> None:
        """Take no more connections, and drop those that nobody accepted; those that were accepted go on."""
        if self._closed:
            return
        self._closed = True
        tasks = [self._task, *self._greetings]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while self._ready:
            self._ready.popleft().close()
        self._resources.close()
        self._news.spread()

    async def _serve(self) -> None:
        try:
            while True:
                await self._room.acquire()
                client = await self._knock()
                task = asyncio.create_task(self._greet(client))
                self._greetings.add(task)
                task.add_done_callback(self._greetings.discard)
        finally:
            self._news.spread()

    async def _knock(self) -> Endpoint:
        while True:
            try:
                return self._endpoint.accept()
            except BlockingIOError:
                await _readable(self._endpoint.fileno())
            except OSError as failure:
                if failure.errno not in _SCARCE:
                    raise
                # Who knocks stays there; by then somebody else may have gone.
                _log.warning("no client can be accepted: %s", failure)
                await asyncio.sleep(_LOOK)

    async def _greet(self, client: Endpoint) -> None:
        try:
            with contextlib.ExitStack() as stack:
                begun = stack.enter_context(handshake.begun_server(client, self._credentials, self._options))
                self._ready.append(Connection(await _shake(begun), stack.pop_all()))
        except (errors.QuicctlError, OSError) as failure:
            _log.info("%s", failure)
            self._room.release()
        self._news.spread()


class News:
    """Wakes all that wait for something new, to look for themselves."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    async def wait(self) -> None:
        """Until there is some."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    def spread(self) -> None:
        """There is some."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)


async def _resolve(address: Address, *, passive: bool) -> Address:
    loop = asyncio.get_running_loop()
    _, found = await loop.run_in_executor(None, lambda: endpoint.resolve(address, passive=passive))
    return found


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    readable = loop.create_future()
    loop.add_reader(descriptor, lambda: None if readable.done() else readable.set_result(None))
    try:
        await readable
    finally:
        loop.remove_reader(descriptor)


async def _shake(begun: handshake.Begun) -> handshake.Connection:
    """The handshake in steps, within its time limit."""
    try:
        async with asyncio.timeout(begun.options.timeout):
            return begun.agreed(await _walk(begun))
    except TimeoutError as failure:
        raise begun.explained(begun.tls.expired()) from failure
    except TlsFailure as failure:
        raise begun.explained(failure) from failure


async def _walk(begun: handshake.Begun) -> Handshake:
    steps = begun.tls.steps()
    while True:
        try:
            wait = next(steps)
        except StopIteration as end:
            agreed: Handshake = end.value
            return agreed
        if wait is Wait.READ:
            await _readable(begun.sock.fileno())
        else:
            await asyncio.sleep(_GLANCE)
