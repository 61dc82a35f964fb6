# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTP/3 over our sockets: one request, one answer, bodies both ways. Framing and QPACK are aioquic's.

Transport and TLS are the kernel's and libquic's; aioquic's HTTP/3 layer sees a stand-in for the connection that it expects.
"""

from __future__ import annotations

import errno
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import StreamDataReceived

from quicctl import endpoint, errors, libquic, uapi
from quicctl.endpoint import QuicSocket

ALPN = "h3"
NO_ERROR = 0x100
_PIECE = 1 << 16
_TICK = 1.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """What came with a request or an answer."""

    headers: dict[str, str]
    received: int
    sha256: str
    handshake: libquic.Handshake
    events: tuple[uapi.Event, ...]
    acknowledged: bool
    """The peer has all that was sent."""


class _StandIn:
    """What aioquic's HTTP/3 layer asks of a QUIC connection, done by a socket."""

    _quic_logger = None
    _remote_max_datagram_frame_size = None

    def __init__(self, sock: QuicSocket, *, client: bool) -> None:
        self.configuration = QuicConfiguration(is_client=client)
        self._sock = sock

    def get_next_available_stream_id(self, is_unidirectional: bool = False) -> int:
        return self._sock.open_stream(uni=is_unidirectional)

    def send_stream_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
        rest = memoryview(data)
        flags = uapi.MsgFlag.STREAM_FIN if end_stream else 0
        while len(rest) or end_stream:
            rest = rest[self._sock.send(rest, stream_id, flags) :]
            if not rest:
                return

    def reset_stream(self, stream_id: int, error_code: int) -> None:
        self._sock.reset_stream(stream_id, error_code)

    def send_datagram_frame(self, data: bytes) -> None:
        self._sock.send_datagram(data)

    def close(self, error_code: int = NO_ERROR, frame_type: int | None = None, reason_phrase: str = "") -> None:
        raise AssertionError(f"HTTP/3 is broken: {error_code:#x} {reason_phrase}")


class _Connection:
    """A connection that speaks HTTP/3."""

    def __init__(self, sock: QuicSocket, tls: libquic.Handshake, timeout: float, *, client: bool) -> None:
        self.sock = sock
        self.tls = tls
        self.events: list[uapi.Event] = []
        self._timeout = timeout
        sock.settimeout(timeout)
        self.h3 = H3Connection(_StandIn(sock, client=client))  # type: ignore[arg-type]
        sock.settimeout(_TICK)

    def incoming(self) -> Iterator[H3Event | uapi.Event]:
        """What the peer sends and what the kernel tells, until the connection is closed."""
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                message = self.sock.receive()
            except errors.ConnectionClosed:
                return
            except OSError as failure:
                if failure.errno != errno.EAGAIN:
                    raise
                if time.monotonic() > deadline:
                    raise TimeoutError(f"nothing came for {self._timeout:g} s") from failure
                continue
            deadline = time.monotonic() + self._timeout
            if isinstance(message, endpoint.StreamData):
                data = StreamDataReceived(bytes(message.data), message.fin, message.stream_id)
                yield from self.h3.handle_event(data)
            elif isinstance(message, uapi.Event):
                self.events.append(message)
                yield message

    def send(self, stream_id: int, headers: list[tuple[bytes, bytes]], body: bytes | None) -> None:
        """Send one message."""
        self.sock.settimeout(self._timeout)
        self.h3.send_headers(stream_id, headers, end_stream=body is None)
        if body is not None:
            for start in range(0, max(len(body), 1), _PIECE):
                self.h3.send_data(stream_id, body[start : start + _PIECE], end_stream=start + _PIECE >= len(body))
        self.sock.settimeout(_TICK)


class _Message:
    """A message as it comes."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.ended = False
        self.size = 0
        self._hash = hashlib.sha256()

    def take(self, event: H3Event | uapi.Event) -> None:
        if isinstance(event, HeadersReceived):
            self.headers |= {name.decode(): value.decode() for name, value in event.headers}
            self.ended |= event.stream_ended
        elif isinstance(event, DataReceived):
            self._hash.update(event.data)
            self.size += len(event.data)
            self.ended |= event.stream_ended

    def exchange(self, connection: _Connection, acknowledged: bool) -> Exchange:
        events = tuple(connection.events)
        return Exchange(self.headers, self.size, self._hash.hexdigest(), connection.tls, events, acknowledged)


def request(
    address: endpoint.Address,
    ca: Path,
    path: str,
    *,
    body: bytes | None = None,
    timeout: float,
    config: uapi.Config | None = None,
) -> Exchange:
    """Fetch a path; with a body by POST. Returns when the answer is whole and the body is acknowledged."""
    family, where = endpoint.resolve(address)
    with QuicSocket(family) as sock, libquic.Credentials(server=False) as credentials:
        credentials.trust(ca)
        if config is not None:
            sock.set_config(config)
        sock.enable(uapi.EventType.STREAM_UPDATE, uapi.EventType.CONNECTION_CLOSE, uapi.EventType.KEY_UPDATE)
        sock.connect(where)
        tls = libquic.handshake(sock.fileno(), credentials, server=False, hostname="localhost", alpn=ALPN, timeout=timeout)
        connection = _Connection(sock, tls, timeout, client=True)
        stream = sock.open_stream()
        headers = [
            (b":method", b"GET" if body is None else b"POST"), (b":scheme", b"https"), (b":authority", b"localhost"),
            (b":path", path.encode()),
        ]  # fmt: skip
        connection.send(stream, headers, body)
        answer = _Message()
        acknowledged = False
        for event in connection.incoming():
            answer.take(event)
            match event:
                case uapi.StreamUpdate(stream_id, uapi.StreamState.SEND_RECVD) if stream_id == stream:
                    acknowledged = True
            if answer.ended and acknowledged:
                break
        sock.set_close_reason(NO_ERROR)
        return answer.exchange(connection, acknowledged)


def answer(
    cert: Path,
    key: Path,
    body: bytes,
    *,
    host: str,
    timeout: float,
    listening: Callable[[int], Any],
    config: uapi.Config | None = None,
) -> Exchange:
    """Serve one connection with one request, and stay until the client leaves."""
    family, where = endpoint.resolve((host, 0), passive=True)
    with QuicSocket(family) as listener, libquic.Credentials(server=True) as credentials:
        credentials.certificate(cert, key)
        if config is not None:
            listener.set_config(config)
        listener.enable(uapi.EventType.STREAM_UPDATE, uapi.EventType.CONNECTION_CLOSE, uapi.EventType.KEY_UPDATE)
        listener.bind(where)
        listener.set_alpn(ALPN)
        listener.settimeout(timeout)
        listener.listen()
        listening(listener.local[1])
        with listener.accept() as sock:
            tls = libquic.handshake(sock.fileno(), credentials, server=True, alpn=ALPN, timeout=timeout)
            connection = _Connection(sock, tls, timeout, client=False)
            asked = _Message()
            stream: int | None = None
            acknowledged = False
            for event in connection.incoming():
                asked.take(event)
                match event:
                    case uapi.StreamUpdate(stream_id, uapi.StreamState.SEND_RECVD) if stream_id == stream:
                        acknowledged = True
                if isinstance(event, HeadersReceived) and stream is None:
                    stream = event.stream_id
                    head = [(b":status", b"200"), (b"content-length", str(len(body)).encode())]
                    connection.send(event.stream_id, head, body)
            return asked.exchange(connection, acknowledged)
