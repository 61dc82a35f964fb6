# SPDX-License-Identifier: GPL-2.0-or-later
"""What moves over a connection that is established: a source, a sink, and the flow between them over one stream.

The client opens the stream. Each end sends what it was given, ends its half, and is done when its bytes are acknowledged
and it has what it wants from the peer; the client closes first. Sending has a thread of its own, so both directions move at
the same time.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import mmap
import os
import stat
import struct
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from quicctl import endpoint, errors, uapi
from quicctl.endpoint import Address, Endpoint
from quicctl.uapi import MsgFlag

STANDARD_STREAM = Path("-")
"""Stands for standard input or output where a file is expected."""

_SLICE = 1 << 20
_EARLY = 8 << 10
"""Bytes that go out before the handshake at most: about what the first window holds."""
_TICK = 1.0
_LINGER = 20.0
_CONFIRMATION = 2.0
_SIOCOUTQ = 0x5411


@dataclass(frozen=True, slots=True)
class Transfer:
    """Bytes moved in one direction."""

    bytes: int
    sha256: str
    seconds: float

    @property
    def rate(self) -> float:
        """Megabytes in a second."""
        return self.bytes / 1e6 / self.seconds if self.seconds > 0 else 0.0


class _Hash(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...


class Source:
    """What is sent: a file, mapped and hashed before the connection, or standard input, hashed as it goes."""

    def __init__(self, path: Path | None) -> None:
        self._hash: _Hash = hashlib.sha256()
        self.given = path is not None
        self._stream: BinaryIO | None = None
        self._map: mmap.mmap | None = None
        self._view: memoryview | None = None
        if path == STANDARD_STREAM and sys.stdin is not None:  # None: it was closed; there is nothing then
            # Unbuffered: a thread that waits in the buffered reader would stop the interpreter from ending.
            self._stream = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
        elif path is not None and path != STANDARD_STREAM:
            self._open(path)

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the file go."""
        # A sender whose connection broke may still hold a slice; the memory then lives as long as that.
        with contextlib.suppress(BufferError):
            if self._view is not None:
                self._view.release()
            if self._map is not None:
                self._map.close()

    def head(self, size: int) -> memoryview | None:
        """The first bytes, if they are there without waiting; fewer than asked for is all there is."""
        if self._view is not None:
            return self._view[:size]
        return memoryview(b"") if self._stream is None else None

    def slices(self, skip: int = 0) -> Iterator[bytes | memoryview]:
        """The content in pieces, without its first bytes."""
        if self._view is not None:
            for start in range(skip, len(self._view), _SLICE):
                yield self._view[start : start + _SLICE]
        elif self._stream is not None:
            while piece := self._stream.read(65536):
                self._hash.update(piece)
                yield piece

    @property
    def sha256(self) -> str:
        """Of all that was given out."""
        return self._hash.hexdigest()

    def _open(self, path: Path) -> None:
        try:
            with path.open("rb") as handle:
                if stat.S_ISDIR(os.fstat(handle.fileno()).st_mode):
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
                if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
                    self._view = memoryview(handle.read())
                elif os.fstat(handle.fileno()).st_size:
                    self._map = mmap.mmap(handle.fileno(), 0, prot=mmap.PROT_READ)
                    self._view = memoryview(self._map)
        except OSError as failure:
            raise errors.FileUnreadable(
                f"{path} cannot be read: {failure.strerror}", remedy="check the path and its permissions"
            ) from failure
        if self._view is not None:
            self._hash.update(self._view)


class Sink:
    """Where received bytes go: a file, hashed afterwards, standard output, or nowhere, hashed as they come."""

    def __init__(self, path: Path | None) -> None:
        self.bytes = 0
        self.wanted = path is not None
        self._path = path
        self._hash: _Hash = hashlib.sha256()
        self._stream: BinaryIO | None = None
        self._hash_later = False
        if path == STANDARD_STREAM:
            self._stream = sys.stdout.buffer
        elif path is not None:
            try:
                self._stream = path.open("w+b")
            except OSError as failure:
                raise errors.FileUnwritable(
                    f"{path} cannot be written: {failure.strerror}", remedy="check the folder and its permissions"
                ) from failure
            self._hash_later = self._stream.seekable()

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            if self._stream is sys.stdout.buffer:
                self._stream.flush()
            else:
                self._stream.close()

    def write(self, data: memoryview) -> None:
        """Take the next bytes; FileUnwritable when there is no room for them."""
        self.bytes += len(data)
        if not self._hash_later:
            self._hash.update(data)
        if self._stream is not None:
            try:
                self._stream.write(data)
            except OSError as failure:
                raise errors.FileUnwritable(
                    f"{self._path} cannot be written: {failure.strerror}", remedy="see how full the file system is"
                ) from failure

    @property
    def sha256(self) -> str:
        """Of all that was taken."""
        if self._hash_later and self._stream is not None:
            self._stream.flush()
            self._stream.seek(0)
            whole = hashlib.sha256()
            while piece := self._stream.read(_SLICE):
                whole.update(piece)
            return whole.hexdigest()
        return self._hash.hexdigest()


class Flow:
    """Moves the data of one connection."""

    def __init__(
        self, sock: Endpoint, source: Source, sink: Sink, peer: Address, *, echo: bool = False, timeout: float = 10.0
    ) -> None:
        self._sock = sock
        self._source = source
        self._sink = sink
        self._peer = endpoint.shown(peer)
        self._returns = echo
        self._timeout = timeout
        self._stream: int | None = None
        self._began = time.monotonic()
        self._sender: threading.Thread | None = None
        self._sender_error: OSError | None = None
        self._sent = 0
        self._sent_seconds = 0.0
        self._received_seconds = 0.0
        self._ending = threading.Lock()  # held from before FIN is sent until it is known to be
        self._handed_over = False  # all that is to be sent is in the kernel, FIN included
        self._acknowledged = False
        self._fin_received = False
        self._confirmed = False
        self._echo_hash = hashlib.sha256()
        self._close: uapi.ConnectionClose | None = None
        sock.settimeout(_TICK)

    @property
    def sent(self) -> Transfer:
        """What went out so far."""
        sha256 = self._echo_hash.hexdigest() if self._returns else self._source.sha256
        return Transfer(self._sent, sha256, self._sent_seconds)

    @property
    def received(self) -> Transfer:
        """What came in so far."""
        return Transfer(self._sink.bytes, self._sink.sha256, self._received_seconds)

    @property
    def closed_by(self) -> str:
        """Which end closed: peer or this end."""
        return "peer" if self._close is not None else "this end"

    def begin_early(self) -> None:
        """Before the handshake: hand over the first bytes, if the session that is resumed gives credit for them."""
        head = self._source.head(_EARLY + 1)
        if head is None or not self._sock.transport_params(remote=True).max_data:
            return
        whole = len(head) <= _EARLY
        try:
            stream_id = self._sock.open_stream(wait=False)
            self._sent = self._sock.send(head[:_EARLY], stream_id, MsgFlag.STREAM_FIN if whole else 0)
        except OSError as failure:
            if failure.errno not in (errno.EINVAL, errno.EAGAIN, errno.ENOSPC):
                raise
            return  # no credit remembered: all of it goes out later
        self._stream = stream_id
        self._handed_over = whole and self._sent == len(head)

    def run_client(self) -> None:
        """Send, receive, and leave when both are done."""
        if self._stream is None:
            self._began = time.monotonic()
            self._stream = self._open()
        if not self._handed_over:
            self._start_sender(self._stream)
        wants_data = self._sink.wanted
        while not (self._sending_done() and (self._fin_received or not wants_data)):
            if not self._step():
                break
        self._finish(complete=self._sending_done() and (self._fin_received or not wants_data))

    def _open(self) -> int:
        """A stream; a server that dislikes what the client showed ends the connection at this moment."""
        try:
            return self._sock.open_stream()
        except OSError as failure:
            if failure.errno != errno.EPIPE:
                raise
            raise self._refused(self._sock.close_reason()) from failure

    def _refused(self, reason: uapi.ConnectionClose) -> errors.PeerRefused:
        return errors.PeerRefused(
            f"{self._peer} ended the connection after the handshake: {uapi.describe_close(reason)}",
            remedy="compare certificates, keys, PSK and protocols of the two ends",
        )

    def await_server(self) -> None:
        """Stay until the server is through with the handshake: a close that overtakes it would spoil it.

        The kernel tells nothing of HANDSHAKE_DONE, but a server that is done usually sends a token or a ticket.
        """
        leave = time.monotonic() + _CONFIRMATION
        while not self._confirmed and time.monotonic() < leave:
            with contextlib.suppress(BlockingIOError):
                self._take(self._sock.receive())
        if self._close is not None and self._close.errcode != 0:
            raise self._refused(self._close)

    def run_server(self) -> None:
        """Answer the client's stream, and stay until the client leaves or has had time to."""
        leave: float | None = None
        while leave is None or time.monotonic() < leave:
            if not self._step():
                break
            if leave is None and self._fin_received and self._sending_done():
                leave = time.monotonic() + min(_LINGER, self._timeout)
        wants_data = self._sink.wanted
        wants_to_send = self._source.given
        content = self._close is not None and self._close.errcode == 0
        with self._ending:  # a client that has everything may leave before the sender's thread hears that FIN is out
            sent = self._sending_done() or (self._handed_over and content)
        untouched = self._stream is None and not wants_data and not wants_to_send
        self._finish(complete=untouched or ((self._fin_received or not wants_data) and (sent or not wants_to_send)))

    def _sending_done(self) -> bool:
        return self._handed_over and self._acknowledged

    def _step(self) -> bool:
        """Take one message; False when the connection has ended and is read empty."""
        stalled_since = time.monotonic()
        while True:
            before = self._sent
            try:
                message = self._sock.receive()
                break
            except errors.ConnectionClosed:
                return False
            except OSError as failure:
                if failure.errno not in (errno.EAGAIN, errno.EINTR):
                    raise
            if self._sender_error is not None:
                return False
            if self._handed_over and not self._acknowledged and unacknowledged(self._sock) == 0:
                self._acknowledged = True  # the event may have found no room
                return True
            if self._sent != before:
                stalled_since = time.monotonic()
            if self._fin_received and self._sending_done():
                return True
            if time.monotonic() - stalled_since >= self._timeout:
                raise errors.ConnectionClosed(
                    f"nothing moved for {self._timeout:g} s: {self._sent} bytes sent, {self._sink.bytes} received",
                    remedy="check the network, or wait longer with `timeout`",
                )
        self._take(message)
        return True

    def _take(self, message: endpoint.Message) -> None:
        match message:
            case endpoint.StreamData(stream_id, data, fin):
                if self._stream is None and not stream_id & 2:
                    self._stream = stream_id
                    if not self._returns:
                        self._start_sender(stream_id)
                if stream_id != self._stream:
                    return
                self._sink.write(data)
                if self._returns:
                    self._echo(data, fin)
                if data or fin:
                    self._received_seconds = time.monotonic() - self._began
                self._fin_received |= fin
            case uapi.StreamUpdate(stream_id, uapi.StreamState.SEND_RECVD) if stream_id == self._stream:
                self._acknowledged = True
                self._sent_seconds = time.monotonic() - self._began
            case uapi.ConnectionClose():
                self._close = message
                self._confirmed = True
            case uapi.Token() | uapi.SessionTicket():
                self._confirmed = True

    def _start_sender(self, stream_id: int) -> None:
        self._sender = threading.Thread(target=self._send_all, args=(stream_id,), daemon=True)
        self._sender.start()

    def _send_all(self, stream_id: int) -> None:
        """Send the source and end the stream; runs beside the receiver."""
        try:
            for piece in self._source.slices(self._sent):
                self._send_piece(piece, stream_id, 0)
            with self._ending:
                self._send_piece(b"", stream_id, MsgFlag.STREAM_FIN)
                self._sent_seconds = time.monotonic() - self._began
                self._handed_over = True
        except OSError as failure:
            self._sender_error = failure

    def _send_piece(self, piece: bytes | memoryview, stream_id: int, flags: int) -> None:
        rest = memoryview(piece)
        waited_since = time.monotonic()
        while True:
            try:
                count = self._sock.send(rest, stream_id, flags)
            except OSError as failure:
                if failure.errno not in (errno.EAGAIN, errno.ENOSPC, errno.EINTR):
                    raise
                if time.monotonic() - waited_since >= self._timeout:
                    raise
                continue
            self._sent += count
            rest = rest[count:]
            if not rest:
                return
            waited_since = time.monotonic()

    def _echo(self, data: memoryview, fin: bool) -> None:
        assert self._stream is not None
        self._echo_hash.update(data)
        try:
            if data or fin:
                self._send_piece(data, self._stream, MsgFlag.STREAM_FIN if fin else 0)
        except OSError as failure:
            self._sender_error = failure
        self._handed_over |= fin and self._sender_error is None

    def _finish(self, *, complete: bool) -> None:
        if not complete:
            self._sock.close()  # lets a sender that still waits fail
        if self._sender is not None and (complete or self._sender_error is not None):
            self._sender.join()
        if complete:
            return
        why = "it timed out" if self._close is None else uapi.describe_close(self._close)
        if self._sender_error is not None and self._close is None:
            why = os.strerror(self._sender_error.errno or 0)
        raise errors.ConnectionClosed(
            f"the connection with {self._peer} ended before everything was moved: {why}"
            f" ({self._sent} bytes sent, {self._sink.bytes} received)",
            remedy="look at the other end's output",
        )


def unacknowledged(sock: Endpoint) -> int:
    """How many bytes of memory what was sent, but is not acknowledged, takes; -1 if that cannot be known."""
    try:
        packed = fcntl.ioctl(sock.fileno(), _SIOCOUTQ, struct.pack("@i", 0))
    except OSError:
        return -1
    return int(struct.unpack("@i", packed)[0])
