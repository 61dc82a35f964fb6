# SPDX-License-Identifier: GPL-2.0-or-later
"""netcat over QUIC: a descriptor's bytes go to the peer, the peer's bytes to another, until both directions have ended.

By default over streams: each end sends on the first bidirectional stream that its peer opened, if there is one when it has
something to say, and else opens one; with ``uni`` always one of its own. A server waits a moment for that of the client, for
others know one stream only; a client that has said nothing is still spoken to. What comes is that of the peer's first stream.
End of file is FIN, each way alone. The client closes when both directions have ended; the server waits for that.

Datagrams have no end: the client closes when its input has ended and it was silent for a moment.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from quicctl import endpoint, errors, handshake, transfer, uapi
from quicctl.endpoint import Address, Endpoint
from quicctl.handshake import Connection, Options
from quicctl.uapi import MsgFlag, StreamState

_PIECE = 1 << 16
_DATAGRAM = 1100
"""Payload of a datagram at most, in bytes: it fits the smallest packets with the longest connection IDs."""
_OVERHEAD = 44
"""Of the packet around a datagram, in bytes at most. RFC 9221, section 3 counts the frame alone."""
_TICK = 0.25
_LINGER = 20.0
_GRACE = 2.0
"""Seconds after the handshake in which a client's stream should show."""
_SHORTEST_IDLE = 1.0
"""Seconds: no idle timeout is shorter."""
_READER_GONE = 1
"""Application error code of a close whose reason is that nobody reads our output."""


class OutputClosed(Exception):
    """Nobody reads what comes: the pipe behind the output is closed."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one connection moved."""

    role: str
    peer: str
    sent: int
    received: int
    seconds: float
    alpn: str
    cipher_suite: str
    resumed: bool


@dataclass(frozen=True, slots=True)
class Wishes:
    """How to move data, beside what a handshake is told."""

    datagrams: bool = False
    uni: bool = False
    """Send on a unidirectional stream."""
    wait: float = 1.0
    """Client, datagrams: seconds of silence after the end of input that end the connection."""


OnProgress = Callable[[int, int], None]


class Input:
    """What is sent: a descriptor, or nothing. A regular file is read anew for each connection, anything else goes on."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._ended = descriptor is None
        self._start = 0
        self._rereads = descriptor is not None and stat.S_ISREG(os.fstat(descriptor).st_mode)
        if descriptor is not None and self._rereads:
            self._start = os.lseek(descriptor, 0, os.SEEK_CUR)

    def rewind(self) -> None:
        """For the next connection."""
        if self._descriptor is not None and self._rereads:
            os.lseek(self._descriptor, self._start, os.SEEK_SET)
            self._ended = False

    def pieces(self, size: int, stop: int) -> Iterator[bytes]:
        """What comes, in pieces of at most so many bytes, until the end or until the descriptor ``stop`` is readable."""
        poll = select.poll()
        poll.register(stop, select.POLLIN)
        if self._descriptor is not None:
            poll.register(self._descriptor, select.POLLIN)
        while not self._ended and self._descriptor is not None:
            ready = dict(poll.poll())
            if stop in ready:
                return
            try:
                piece = os.read(self._descriptor, size)
            except BlockingIOError:
                continue
            except OSError as failure:
                if failure.errno != errno.EIO:  # a terminal that was taken away from us is at its end
                    raise errors.FileUnreadable(
                        f"the input cannot be read: {failure.strerror}", remedy="check what standard input is"
                    ) from failure
                piece = b""
            if not piece:
                self._ended = True
                return
            yield piece


class Output:
    """Where received bytes go: a descriptor that is written at once."""

    def __init__(self, descriptor: int, *, closes: bool = False) -> None:
        self._descriptor = descriptor
        self._closes = closes

    def write(self, data: memoryview) -> None:
        """Write all; raises OutputClosed, NoSpace, FileUnwritable."""
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [])
            except BrokenPipeError as failure:
                raise OutputClosed from failure
            except OSError as failure:
                if failure.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise errors.NoSpace("the output's disk is full", remedy="make room and try again") from failure
                raise errors.FileUnwritable(
                    f"the output cannot be written: {failure.strerror}", remedy="check what standard output is"
                ) from failure

    def end(self) -> None:
        """Nothing more comes: whoever reads a pipe learns of it now, while the other direction may go on."""
        if self._closes:
            # Something stays in its place: its number must not fall to the next file.
            null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(null, self._descriptor)
            os.close(null)


def connect(
    address: Address,
    options: Options,
    wishes: Wishes,
    source: Input,
    sink: Output,
    *,
    hostname: str | None = None,
    on_progress: OnProgress | None = None,
) -> Report:
    """Be a client; returns when both directions have ended."""
    with handshake.client(address, options, hostname=hostname) as connection:
        report = _talk(connection, "client", wishes, source, sink, on_progress)
        connection.save_session(options)
        return report


def serve(
    address: Address,
    options: Options,
    wishes: Wishes,
    source: Input,
    sink: Output,
    *,
    keep: bool = False,
    on_listening: Callable[[Address], None] | None = None,
    on_progress: OnProgress | None = None,
    on_report: Callable[[Report], None] | None = None,
    on_error: Callable[[errors.QuicctlError], None] | None = None,
) -> Report:
    """Be a server for one client, or with ``keep`` for one after another: then a failure goes to on_error."""
    with handshake.listener(address, options) as (listening, credentials):
        if on_listening:
            on_listening(listening.local)
        while True:
            try:
                with handshake.accepted(listening.accept(), credentials, options) as connection:
                    report = _talk(connection, "server", wishes, source, sink, on_progress)
            except errors.QuicctlError as failure:
                if not keep:
                    raise
                if on_error:
                    on_error(failure)
            else:
                if on_report:
                    on_report(report)
                if not keep:
                    return report
            source.rewind()


def _talk(
    connection: Connection, role: str, wishes: Wishes, source: Input, sink: Output, on_progress: OnProgress | None
) -> Report:
    began = time.monotonic()
    talk: _Talk
    if wishes.datagrams:
        talk = _Datagrams(connection, role, source, sink, wishes.wait, on_progress)
    else:
        talk = _Streams(connection, role, source, sink, wishes.uni, on_progress)
    talk.run()
    return Report(
        role=role,
        peer=endpoint.shown(connection.peer),
        sent=talk.sent,
        received=talk.received,
        seconds=time.monotonic() - began,
        alpn=connection.handshake.alpn,
        cipher_suite=connection.handshake.cipher_suite,
        resumed=connection.handshake.resumed,
    )


class _Talk:
    """One connection: a thread sends, this one receives and decides when it is over."""

    def __init__(self, connection: Connection, role: str, source: Input, sink: Output, on_progress: OnProgress | None) -> None:
        self.sent = 0
        self.received = 0
        self._sock: Endpoint = connection.sock
        self._peer = endpoint.shown(connection.peer)
        self._is_client = role == "client"
        self._source = source
        self._sink = sink
        self._on_progress = on_progress
        self._stopping = False
        self._sender_error: Exception | None = None
        self._input_ended = False
        self._close = uapi.ConnectionClose()
        self._began = self._last_heard = time.monotonic()
        # A close that the peer did not make leaves our own reason in place: see _was_silence().
        self._farewell = f"the {role} left"
        self._sock.set_close_reason(0, self._farewell)
        self._sock.settimeout(_TICK)

    def run(self) -> None:
        """Talk until both directions have ended; raises what ended them otherwise, OutputClosed among it."""
        stop, stopper = os.pipe()
        sender = threading.Thread(target=self._send_all, args=(stop,), daemon=True)
        sender.start()
        try:
            self._receive_all()
        except BaseException as failure:
            if isinstance(failure, (OutputClosed, errors.NoSpace, errors.FileUnwritable)):
                self._sock.set_close_reason(_READER_GONE, "nobody takes what was sent")
            raise
        finally:
            self._stop()
            os.close(stopper)
            sender.join()
            os.close(stop)

    def _receive_all(self) -> None:
        leave: float | None = None
        while leave is None or time.monotonic() < leave:
            if self._sender_error is not None:
                raise self._sender_error
            try:
                message = self._sock.receive()
            except errors.ConnectionClosed:
                self._ended()
                return
            except OSError as failure:
                if failure.errno not in (errno.EAGAIN, errno.EINTR):
                    raise
            else:
                if isinstance(message, (endpoint.StreamData, endpoint.Datagram)):
                    self._last_heard = time.monotonic()
                if isinstance(message, uapi.ConnectionClose):
                    self._close = message
                self._take(message)
            if self._on_progress:
                self._on_progress(self.sent, self.received)
            if leave is None and self._is_over():
                if self._is_client:
                    return
                leave = time.monotonic() + _LINGER

    def _ended(self) -> None:
        """Tell why the connection is gone: by the peer or by silence, with everything moved or too early."""
        if self._sender_error is not None and isinstance(self._sender_error, errors.QuicctlError):
            raise self._sender_error
        moved = f"{self.sent} bytes sent, {self.received} received"
        if self._close.errcode:
            raise errors.PeerFailed(f"{self._peer} ended the connection: {uapi.describe_close(self._close)} ({moved})")
        if self._is_content():
            return
        if self._was_silence():
            raise errors.IdleTimeout(f"{self._peer} has been silent for too long ({moved})")
        raise errors.ConnectionClosed(
            f"{self._peer} left before everything was moved ({moved})", remedy="look at the other end's output"
        )

    def _was_silence(self) -> bool:
        """Whether the idle timeout ended the connection: its event is that of a peer that gives no reason."""
        if self._close != uapi.ConnectionClose() or time.monotonic() - self._began < _SHORTEST_IDLE:
            return False
        return self._sock.close_reason().phrase == self._farewell

    def _send_all(self, stop: int) -> None:
        try:
            for piece in self._source.pieces(self._piece_size(), stop):
                self._send(piece)
                if self._stopping:
                    return
            if not self._stopping:
                self._input_ended = True
                self._send_end()
        except Exception as failure:
            self._sender_error = failure

    def _again(self, call: Callable[[], int]) -> int:
        """Until it succeeds, or nobody wants it to; -1 then, and when the connection is gone."""
        while not self._stopping:
            try:
                return call()
            except OSError as failure:
                if failure.errno in (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN):
                    return -1  # the receiver learns why
                if failure.errno not in (errno.EAGAIN, errno.ENOSPC, errno.EINTR):
                    raise
        return -1

    def _stop(self) -> None:
        """The sender shall end, whatever it waits for."""
        self._stopping = True

    def _piece_size(self) -> int:
        return _PIECE

    def _send(self, piece: bytes) -> None:
        raise NotImplementedError

    def _send_end(self) -> None:
        raise NotImplementedError

    def _take(self, message: endpoint.Message) -> None:
        raise NotImplementedError

    def _is_over(self) -> bool:
        """Whether everything has been moved, as far as this end can tell."""
        raise NotImplementedError

    def _is_content(self) -> bool:
        """Whether a peer that has left without an error has left nothing to be wished for."""
        raise NotImplementedError


class _Streams(_Talk):
    """A stream each way, or one for both."""

    def __init__(
        self, connection: Connection, role: str, source: Input, sink: Output, uni: bool, on_progress: OnProgress | None
    ) -> None:
        super().__init__(connection, role, source, sink, on_progress)
        self._uni = uni
        self._choosing = threading.Condition()
        self._send_stream: int | None = None
        self._recv_stream: int | None = None
        self._fin_sent = False
        self._fin_acknowledged = False
        self._fin_received = False

    def _stream(self) -> int:
        """Where to send: chosen when there is something to say."""
        with self._choosing:
            if self._send_stream is None:
                if not self._is_client and not self._uni:
                    grace = self._began + _GRACE - time.monotonic()
                    self._choosing.wait_for(lambda: self._recv_stream is not None or self._stopping, max(0.0, grace))
                peers = self._recv_stream
                if peers is not None and not self._uni and not peers & 2:
                    self._send_stream = peers
                else:
                    self._send_stream = self._again(lambda: self._sock.open_stream(uni=self._uni))
            return self._send_stream

    def _stop(self) -> None:
        with self._choosing:
            self._stopping = True
            self._choosing.notify()

    def _send(self, piece: bytes) -> None:
        stream = self._stream()
        rest = memoryview(piece)
        while rest and stream >= 0:
            count = self._again(lambda rest=rest: self._sock.send(rest, stream))  # type: ignore[misc]
            if count < 0:
                return
            self.sent += count
            rest = rest[count:]

    def _send_end(self) -> None:
        stream = self._stream()
        # FIN may arrive, and the peer be gone, before this thread runs again.
        self._fin_sent = stream >= 0
        if stream >= 0 and self._again(lambda: self._sock.send(b"", stream, MsgFlag.STREAM_FIN)) < 0:
            self._fin_sent = False

    def _take(self, message: endpoint.Message) -> None:
        match message:
            case endpoint.StreamData(stream_id, data, fin):
                with self._choosing:
                    if self._recv_stream is None:
                        self._recv_stream = stream_id
                        self._choosing.notify()
                if stream_id != self._recv_stream:
                    return
                self.received += len(data)
                self._sink.write(data)
                if fin:
                    self._fin_received = True
                    self._sink.end()
            case uapi.StreamUpdate(stream_id, StreamState.SEND_RECVD) if stream_id == self._send_stream:
                self._fin_acknowledged = True
            case uapi.StreamUpdate(stream_id, StreamState.SEND_RESET_SENT | StreamState.SEND_RESET_RECVD, code) if (
                stream_id == self._send_stream
            ):
                raise errors.StreamReset(f"{self._peer} reads no more of what is sent: application code {code}")
            case uapi.StreamUpdate(stream_id, StreamState.RECV_RESET_RECVD, code) if self._recv_stream in (None, stream_id):
                raise errors.StreamReset(f"{self._peer} gave up sending: application code {code}")

    def _is_over(self) -> bool:
        if self._fin_sent and not self._fin_acknowledged and transfer.unacknowledged(self._sock) == 0:
            self._fin_acknowledged = True  # the event may have found no room
        return self._fin_acknowledged and self._fin_received

    def _is_content(self) -> bool:
        # One who has said nothing, and whose input has not ended, has not been cut short.
        return self._fin_received and (self._fin_sent or self.sent == 0)


class _Datagrams(_Talk):
    """A datagram for each piece of input."""

    def __init__(
        self, connection: Connection, role: str, source: Input, sink: Output, wait: float, on_progress: OnProgress | None
    ) -> None:
        super().__init__(connection, role, source, sink, on_progress)
        self._wait = wait
        self._taken = connection.sock.transport_params(remote=True).max_datagram_frame_size
        if self._taken <= _OVERHEAD:
            raise errors.PeerRefused(f"{self._peer} takes no datagrams", remedy="start the other end with `datagrams`, too")

    def _piece_size(self) -> int:
        return min(_DATAGRAM, self._taken - _OVERHEAD)

    def _send(self, piece: bytes) -> None:
        self.sent += max(0, self._again(lambda: self._sock.send_datagram(piece)))

    def _send_end(self) -> None:
        self._last_heard = time.monotonic()

    def _take(self, message: endpoint.Message) -> None:
        if isinstance(message, endpoint.Datagram):
            self.received += len(message.data)
            self._sink.write(message.data)

    def _is_over(self) -> bool:
        return (
            self._is_client
            and self._input_ended
            and time.monotonic() - self._last_heard >= self._wait
            and transfer.unacknowledged(self._sock) == 0
        )

    def _is_content(self) -> bool:
        return not self._was_silence()
