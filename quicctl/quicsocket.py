# SPDX-License-Identifier: GPL-2.0-or-later
"""QUIC for programs that wait: a connection, a listener, and streams that are files.

``import quicctl`` offers the three. aio.py is the same for event loops; docs/python.md shows both.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, Unpack

from quicctl import connection, errors, handshake, uapi
from quicctl.connection import ClientSettings, ServerSettings
from quicctl.endpoint import Address, Endpoint

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_T = TypeVar("_T")

_GLANCE = 0.05
"""Seconds after which somebody who waits for credit looks again."""


class Waiter:
    """Waits for a descriptor, until somebody calls it off."""

    def __init__(self) -> None:
        self._signal = io.FileIO(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK), "r+")

    def wait(self, descriptor: int, deadline: float) -> None:
        """Until it is readable, at its end, the time has come, or wake() was called."""
        poll = select.poll()
        for number in (descriptor, self._signal.fileno()):
            poll.register(number, select.POLLIN)
        poll.poll(None if deadline == float("inf") else max(0.0, deadline - time.monotonic()) * 1000)

    def wake(self) -> None:
        """End a wait() under way, or the next one at once."""
        self._signal.write((1).to_bytes(8, sys.byteorder))

    def clear(self) -> None:
        """Let the next wait() wait."""
        self._signal.read(8)

    def close(self) -> None:
        """Nobody waits any more."""
        self._signal.close()


def _deadline(seconds: float | None) -> float:
    return float("inf") if seconds is None else time.monotonic() + seconds


class QuicStream(io.RawIOBase):
    """One stream of a connection, as a file without a buffer: read(n) returns what is there, up to n bytes, b"" at the end.

    All calls raise TimeoutError after the connection's time limit, StreamReset if the peer gave the stream up, and
    ConnectionClosed if the connection ended before the stream did. Leaving ``with`` closes it; by an exception, resets it, so
    that nobody takes a part for the whole.
    """

    def __init__(self, parent: QuicSocket, stream_id: int, peeled: socket.socket) -> None:
        """Streams come from open_stream() and accept_stream()."""
        self._parent = parent
        self._peeled = peeled
        self.id = stream_id
        """RFC 9000, section 2.1: bit 0 is set if the server opened it, bit 1 if it is unidirectional."""

    def __repr__(self) -> str:
        return f"<QuicStream {self.id}{' closed' if self.closed else ''}>"

    def fileno(self) -> int:
        """A descriptor of this stream alone, for select() and poll()."""
        return self._peeled.fileno()

    def settimeout(self, seconds: float | None) -> None:
        """Limit the waiting of this stream; None: wait for ever."""
        self._peeled.settimeout(seconds)

    def readable(self) -> bool:
        """Whether the peer may send on it."""
        return self._parent.may_read(self.id)

    def writable(self) -> bool:
        """Whether this end may send on it."""
        return self._parent.may_write(self.id)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read what is there, at least a byte, into buffer; returns how much, 0 at the end."""
        self._check(self.readable(), "reading")
        try:
            return self._peeled.recv_into(buffer)
        except TimeoutError:
            raise
        except OSError as failure:
            raise self._parent._failed(failure, self.id, writing=False) from failure

    def peek(self, size: int = io.DEFAULT_BUFFER_SIZE) -> bytes:
        """What is there, up to size bytes, without taking it; b"" at the end. Lines are read by it."""
        self._check(self.readable(), "reading")
        try:
            return self._peeled.recv(max(1, size), socket.MSG_PEEK)
        except TimeoutError:
            raise
        except OSError as failure:
            raise self._parent._failed(failure, self.id, writing=False) from failure

    def write(self, data: ReadableBuffer, /) -> int:
        """Hand all of data to the kernel, waiting for the peer's credit where needed; returns its size."""
        self._check(self.writable(), "writing")
        view = memoryview(data).cast("B")
        try:
            self._peeled.sendall(view, socket.MSG_NOSIGNAL)
        except TimeoutError:
            raise
        except OSError as failure:
            raise self._parent._failed(failure, self.id, writing=True) from failure
        return len(view)

    def write_eof(self) -> None:
        """End this direction: the peer reads to the end. The other goes on."""
        self._check(self.writable(), "writing")
        try:
            self._peeled.shutdown(socket.SHUT_WR)
        except OSError as failure:
            raise self._parent._failed(failure, self.id, writing=True) from failure

    def reset(self, code: int = 0) -> None:
        """Give up sending: what was not delivered is lost, the peer's reader gets StreamReset with this code."""
        self._check(self.writable(), "writing")
        self._parent._give_up(self.id, code)

    def stop(self, code: int = 0) -> None:
        """Ask the peer to give up sending, with this code. RFC 9000, section 3.5."""
        self._check(self.readable(), "reading")
        self._parent._refuse(self.id, code)

    def close(self) -> None:
        """End this direction if it has not ended, and read no more: a peer that still sends is asked to stop."""
        if not self.closed:
            super().close()
            self._peeled.close()
            self._parent._forget(self.id)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None and not self.closed and self.writable():
            with contextlib.suppress(OSError, errors.QuicctlError):  # the first error is the one to tell
                self.reset()
        self.close()

    def _check(self, allowed: bool, what: str) -> None:
        if self.closed:
            raise ValueError(f"stream {self.id} is closed")
        if not allowed:
            raise io.UnsupportedOperation(f"stream {self.id} is not for {what}")


class QuicSocket(connection.Connection):
    """A connection. Its handshake is done, the peer's certificate verified.

    Any thread may use it, and any stream of it. Iterating yields the streams that the peer opens, until the connection ends
    without an error code.
    """

    def __init__(
        self, established: handshake.Connection, resources: contextlib.ExitStack, early: list[int] | None = None
    ) -> None:
        """Connections come from connect() and from a listener."""
        super().__init__(established, resources)
        self._timeout: float | None = None
        self._turn = threading.Condition()
        self._looked_at = False
        self._closing = False
        self._waiter = Waiter()
        self.early_streams = {
            stream_id: self._stream((stream_id, peeled)) for stream_id, peeled in self._peel_early(early or [])
        }
        """Client: the streams opened before the handshake, by ID, less those that are over already."""

    @classmethod
    def connect(cls, host: str, port: int, **settings: Unpack[ClientSettings]) -> Self:
        """Connect to a server and do the handshake; connection.ClientSettings lists the keywords.

        Raises NoAnswer, CertificateNotTrusted, AlpnMismatch, PeerRefused and others of errors.py.
        """
        for attempt, spared in connection.attempts(host, port, settings):
            with spared, contextlib.ExitStack() as stack:
                begun = stack.enter_context(attempt)
                streams = connection.send_early(begun.sock, settings.get("early"), settings.get("session"))
                return cls(begun.finish(), stack.pop_all(), streams)
        raise AssertionError("the last attempt returns or raises")

    @staticmethod
    def listen(host: str, port: int, **settings: Unpack[ServerSettings]) -> QuicListener:
        """Listen there; port 0 lets the kernel choose. connection.ServerSettings lists the keywords."""
        return QuicListener(host, port, **settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[QuicStream]:
        while True:
            try:
                yield self.accept_stream()
            except errors.ConnectionClosed:
                if self.closed_with is not None and self.closed_with.errcode:
                    raise
                return

    def settimeout(self, seconds: float | None) -> None:
        """Limit the waiting of every call, and of streams that come from now on; None, the default: wait for ever."""
        self._timeout = seconds

    def close(self, code: int = 0, reason: str = "") -> None:
        """Close the connection and tell the peer why; who waits for something gets ConnectionClosed.

        What was written is still delivered, in the background.
        """
        with self._turn:
            if self._closing:
                return
            self._closing = True
            self._waiter.wake()
            self._turn.notify_all()
            self._turn.wait_for(lambda: not self._looked_at)
        self._finish(code, reason)
        self._waiter.close()

    def open_stream(self, *, uni: bool = False) -> QuicStream:
        """Open a stream, bidirectional unless uni; waits while the peer allows no more."""
        deadline = _deadline(self._timeout)
        while True:
            if self._closing:
                raise self._closed()
            try:
                return self._stream(self._open(uni=uni))
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise TimeoutError("the peer allows no further stream") from None
            # Not by waiting for the event of it: another thread may have taken that.
            time.sleep(_GLANCE)

    def accept_stream(self) -> QuicStream:
        """The next stream that the peer opened; raises ConnectionClosed when there will be none."""
        return self._stream(self._wait(self._streams))

    def send_datagram(self, data: ReadableBuffer) -> None:
        """Send one datagram, which may get lost. Raises OSError: EMSGSIZE for one too long, EINVAL if the peer takes none."""
        try:
            self._endpoint.send_datagram(bytes(data))
        except OSError as failure:
            raise self._closed(failure) from failure

    def receive_datagram(self) -> bytes:
        """The next datagram; raises ConnectionClosed when there will be none."""
        return self._wait(self._datagrams)

    def next_event(self) -> uapi.Event:
        """The next event, one of uapi's: KeyUpdate, Migration, SessionTicket, Token, ConnectionIdInfo, ConnectionClose."""
        return self._wait(self._events)

    def session(self, wait: float = 2.0) -> bytes | None:
        """Client: what connect(session=...) needs to resume; None if the server gives no ticket within that many seconds."""
        return self._session(wait)

    def _stream(self, incoming: connection.Incoming) -> QuicStream:
        stream_id, peeled = incoming
        peeled.settimeout(self._timeout)
        return QuicStream(self, stream_id, peeled)

    def _drain(self) -> None:
        super()._drain()
        with self._turn:
            # What we took may be what somebody waits for.
            if self._looked_at:
                self._waiter.wake()
            self._turn.notify_all()

    def _wait(self, queue: deque[_T]) -> _T:
        """The next of a queue. One thread at a time looks at the descriptor, for all that wait."""
        deadline = _deadline(self._timeout)
        while True:
            with self._turn:
                if queue:
                    return queue.popleft()
                if self._ended or self._closing:
                    raise self._closed()
                looking = not self._looked_at
                if looking:
                    self._looked_at = True
                elif not self._turn.wait(None if deadline == float("inf") else max(0.0, deadline - time.monotonic())):
                    raise TimeoutError("nothing came in time")
            if looking:
                self._look(deadline)

    def _look(self, deadline: float) -> None:
        try:
            if self._take() or self._ended:
                return
            if time.monotonic() >= deadline:
                raise TimeoutError("nothing came in time")
            self._waiter.wait(self.fileno(), deadline)
            self._waiter.clear()
        finally:
            with self._turn:
                self._looked_at = False
                self._turn.notify_all()


class QuicListener:
    """Takes connections. Any number of threads may accept: each does the handshakes of what it accepted."""

    def __init__(self, host: str, port: int, **settings: Unpack[ServerSettings]) -> None:
        """Listeners come from QuicSocket.listen()."""
        self._options = connection.options(settings)
        self._timeout: float | None = None
        self._turn = threading.Condition()
        self._waiting = 0
        self._closing = False
        with contextlib.ExitStack() as stack:
            self._endpoint, self._credentials = stack.enter_context(handshake.listener((host, port), self._options))
            self._endpoint.setblocking(False)
            self._resources = stack.pop_all()
        self._waiter = Waiter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def local(self) -> Address:
        """The address it listens at."""
        return self._endpoint.local

    def fileno(self) -> int:
        """Readable when a client knocks."""
        return self._endpoint.fileno()

    def settimeout(self, seconds: float | None) -> None:
        """Limit the wait for a client; None, the default: for ever. The handshake has a limit of its own."""
        self._timeout = seconds

    def accept(self) -> QuicSocket:
        """The next connection, its handshake done.

        A client whose handshake fails raises, as connect() does at the other end; the listener is none the worse for it.
        """
        client = self._accept()
        with contextlib.ExitStack() as stack:
            begun = stack.enter_context(handshake.begun_server(client, self._credentials, self._options))
            return QuicSocket(begun.finish(), stack.pop_all())

    def _accept(self) -> Endpoint:
        deadline = _deadline(self._timeout)
        with self._turn:
            self._waiting += 1
        try:
            while not self._closing:
                try:
                    return self._endpoint.accept()
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise TimeoutError("no client came in time") from None
                # Never cleared: all that wait are to hear of the end.
                self._waiter.wait(self._endpoint.fileno(), deadline)
        finally:
            with self._turn:
                self._waiting -= 1
                self._turn.notify_all()
        raise errors.ConnectionClosed("the listener is closed", remedy="accept no more from it")

    def close(self) -> None:
        """Take no more connections; those that were accepted go on."""
        with self._turn:
            if self._closing:
                return
            self._closing = True
            self._waiter.wake()
            self._turn.wait_for(lambda: not self._waiting)
        self._resources.close()
        self._waiter.close()
