# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTP/3 over our sockets: requests and answers, bodies both ways. Framing and QPACK are aioquic's.

One socket carries all streams, and waits; quicctl/http3 does it otherwise. What the two share is the adapter.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from aioquic.h3.events import DatagramReceived, DataReceived, H3Event, HeadersReceived
from aioquic.quic.events import DatagramFrameReceived, StreamDataReceived

from quicctl import endpoint, errors, libquic, uapi
from quicctl.endpoint import Endpoint
from quicctl.http3 import adapter
from quicctl.http3.adapter import ALPN

NO_ERROR = 0x100
_PIECE = 1 << 16
_TICK = 1.0
_TICKET_TIME = 5.0
_EVENTS = (
    uapi.EventType.STREAM_UPDATE,
    uapi.EventType.CONNECTION_CLOSE,
    uapi.EventType.CONNECTION_MIGRATION,
    uapi.EventType.KEY_UPDATE,
)


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
    requests: int = 1
    """As server: how many were answered."""
    datagrams: int = 0
    """As server of WebTransport: how many came, and were sent back."""


class _Transport:
    """What quicctl's adapter asks of a connection, done by a socket that waits."""

    def __init__(self, sock: Endpoint) -> None:
        self._sock = sock

    def datagram_limit(self) -> int:
        return self._sock.transport_params(remote=True).max_datagram_frame_size

    def open_stream(self, *, uni: bool) -> int:
        return self._sock.open_stream(uni=uni)

    def send(self, stream_id: int, data: bytes, fin: bool) -> None:
        rest = memoryview(data)
        while True:
            rest = rest[self._sock.send(rest, stream_id, uapi.MsgFlag.STREAM_FIN if fin else 0) :]
            if not rest:
                return

    def reset_stream(self, stream_id: int, code: int) -> None:
        self._sock.reset_stream(stream_id, code)

    def send_datagram(self, data: bytes) -> None:
        self._sock.send_datagram(data)

    def broken(self, code: int, reason: str) -> None:
        raise AssertionError(f"HTTP/3 is broken: {code:#x} {reason}")


class _Connection:
    """A connection that speaks HTTP/3."""

    tls: libquic.Handshake

    def __init__(self, sock: Endpoint, timeout: float, *, client: bool, webtransport: bool = False) -> None:
        self.sock = sock
        self.events: list[uapi.Event] = []
        self._timeout = timeout
        self._pending: deque[H3Event] = deque()
        sock.settimeout(timeout)
        self.h3 = adapter.connection(_Transport(sock), client=client, webtransport=webtransport)
        sock.settimeout(_TICK)

    def incoming(self) -> Iterator[H3Event | uapi.Event]:
        """What the peer sends and what the kernel tells, until the connection is closed."""
        deadline = time.monotonic() + self._timeout
        while True:
            while self._pending:
                yield self._pending.popleft()
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
                with contextlib.suppress(BrokenPipeError):  # it was closed meanwhile: what comes next says why
                    self._pending.extend(self.h3.handle_event(data))
            elif isinstance(message, endpoint.Datagram):
                self._pending.extend(self.h3.handle_event(DatagramFrameReceived(bytes(message.data))))
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

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def exchange(self, connection: _Connection, acknowledged: bool, requests: int = 1, datagrams: int = 0) -> Exchange:
        events = tuple(connection.events)
        return Exchange(self.headers, self.size, self.sha256, connection.tls, events, acknowledged, requests, datagrams)


class Session:
    """A client's connection: requests one after the other, or many at once.

    When it resumes a session that lets it, the streams of HTTP/3 itself and SETTINGS go before the handshake.
    """

    def __init__(
        self,
        address: endpoint.Address,
        ca: Path,
        *,
        timeout: float,
        config: uapi.Config | None = None,
        params: uapi.TransportParams | None = None,
        priority: str | None = None,
        more_alpns: Sequence[str] = (),
        resume: bytes | None = None,
    ) -> None:
        family, where = endpoint.resolve(address)
        self._acknowledged: set[int] = set()
        with contextlib.ExitStack() as stack:
            self.sock = stack.enter_context(Endpoint(family))
            credentials = stack.enter_context(libquic.Credentials(server=False))
            credentials.trust(ca)
            if config is not None:
                self.sock.set_config(config)
            if params is not None:
                self.sock.set_transport_params(params)
            self.sock.enable(*_EVENTS)
            self.sock.connect(where)
            tls = libquic.Tls(
                self.sock.fileno(), credentials, server=False, hostname="localhost", alpn=",".join([ALPN, *more_alpns]),
                priority=priority, timeout=timeout, session=resume, early_data=resume is not None,
            )  # fmt: skip
            self._tls = stack.enter_context(tls)
            early = resume is not None and self.sock.transport_params(remote=True).max_data
            connection = _Connection(self.sock, timeout, client=True) if early else None
            self.tls = self._tls.handshake()
            self._connection = connection or _Connection(self.sock, timeout, client=True)
            self._connection.tls = self.tls
            self._stack = stack.pop_all()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def session(self) -> bytes | None:
        """What the next connection resumes."""
        return self._tls.session(_TICKET_TIME)

    @property
    def events(self) -> list[uapi.Event]:
        """What the kernel told so far."""
        return self._connection.events

    def fetch(self, path: str, body: bytes | None = None) -> Exchange:
        """One request; with a body by POST. Returns when the answer is whole and the body is acknowledged."""
        return self.fetch_all([path], body)[0]

    def fetch_all(self, paths: Sequence[str], body: bytes | None = None) -> list[Exchange]:
        """As many requests at once as the peer allows; the answers in the order of the paths."""
        waiting = deque(paths)
        messages: dict[int, _Message] = {}
        incoming = self._connection.incoming()
        while True:
            while waiting and (stream := self._open(wait=all(m.ended for m in messages.values()))) is not None:
                messages[stream] = _Message()
                self._connection.send(stream, self._headers(waiting.popleft(), body is not None), body)
            if not waiting and all(m.ended and stream in self._acknowledged for stream, m in messages.items()):
                return [m.exchange(self._connection, True) for _, m in sorted(messages.items())]
            event = next(incoming, None)
            if event is None:
                whole = sum(m.ended for m in messages.values())
                raise errors.ConnectionClosed(
                    f"closed with {whole} of {len(paths)} answers: {self.sock.close_reason()}; {self.events[-3:]}"
                )
            match event:
                case uapi.StreamUpdate(stream_id, uapi.StreamState.SEND_RECVD):
                    self._acknowledged.add(stream_id)
                case HeadersReceived() | DataReceived() if event.stream_id in messages:
                    messages[event.stream_id].take(event)

    def until_closed(self) -> uapi.ConnectionClose | None:
        """Wait for the end of the connection; what the kernel told of it."""
        for event in self._connection.incoming():
            if isinstance(event, uapi.ConnectionClose):
                return event
        return None

    def close(self, code: int = NO_ERROR) -> None:
        """Leave, saying why."""
        self.sock.set_close_reason(code)
        self._stack.close()

    def _open(self, *, wait: bool) -> int | None:
        try:
            return self.sock.open_stream(wait=wait)
        except OSError as failure:
            if failure.errno != errno.EAGAIN:
                raise
            return None

    @staticmethod
    def _headers(path: str, body: bool) -> list[tuple[bytes, bytes]]:
        return [
            (b":method", b"POST" if body else b"GET"), (b":scheme", b"https"), (b":authority", b"localhost"),
            (b":path", path.encode()),
        ]  # fmt: skip


def request(
    address: endpoint.Address,
    ca: Path,
    path: str,
    *,
    body: bytes | None = None,
    timeout: float,
    config: uapi.Config | None = None,
) -> Exchange:
    """A connection for one request, see Session.fetch()."""
    with Session(address, ca, timeout=timeout, config=config) as session:
        answered = session.fetch(path, body)
        session.close()
        return answered


def answer(
    cert: Path,
    key: Path,
    body: bytes,
    *,
    host: str,
    timeout: float,
    listening: Callable[[int], Any],
    config: uapi.Config | None = None,
    params: uapi.TransportParams | None = None,
    priority: str | None = None,
    on_request: Callable[[Endpoint, int], None] | None = None,
    connections: int = 1,
    early_data: bool = False,
    webtransport: bool = False,
) -> Exchange:
    """Serve connections one after the other, each request with the same body, each until its client leaves.

    Returns the first request of the last connection.

    A request is answered when it is whole: curl stops sending when it has its answer. Before that on_request is told which.
    With webtransport a session of it is accepted, and each of its datagrams sent back.
    """
    family, where = endpoint.resolve((host, 0), passive=True)
    with Endpoint(family) as listener, libquic.Credentials(server=True) as credentials:
        credentials.certificate(cert, key)
        if config is not None:
            listener.set_config(config)
        if params is not None:
            listener.set_transport_params(params)
        listener.enable(*_EVENTS)
        listener.bind(where)
        listener.set_alpn(ALPN)
        listener.settimeout(timeout)
        listener.listen()
        listening(listener.local[1])
        for _ in range(connections):
            with listener.accept() as sock:
                tls = libquic.handshake(
                    sock.fileno(),
                    credentials,
                    server=True,
                    alpn=ALPN,
                    priority=priority,
                    timeout=timeout,
                    early_data=early_data,
                )
                connection = _Connection(sock, timeout, client=False, webtransport=webtransport)
                connection.tls = tls
                messages: dict[int, _Message] = {}
                answered = datagrams = 0
                session = None
                acknowledged = False
                head = [(b":status", b"200"), (b"content-length", str(len(body)).encode())]
                for event in connection.incoming():
                    match event:
                        case uapi.StreamUpdate(stream_id, uapi.StreamState.SEND_RECVD) if stream_id == next(
                            iter(messages), None
                        ):
                            acknowledged = True
                        case DatagramReceived():
                            datagrams += 1
                            connection.h3.send_datagram(event.stream_id, event.data)
                        case HeadersReceived() if (b":protocol", b"webtransport") in event.headers:
                            session = event.stream_id
                            connection.h3.send_headers(session, head[:1])
                        case DataReceived() if event.stream_id == session:
                            if event.stream_ended:
                                connection.h3.send_data(session, b"", end_stream=True)
                        case HeadersReceived() | DataReceived():
                            message = messages.setdefault(event.stream_id, _Message())
                            message.take(event)
                            if message.ended:
                                if on_request is not None:
                                    on_request(sock, answered)
                                answered += 1
                                connection.send(event.stream_id, head, body)
                first = next(iter(messages.values()), _Message())
                exchange = first.exchange(connection, acknowledged, answered, datagrams)
        return exchange


class Answering:
    """answer() in a thread."""

    def __init__(self, cert: Path, key: Path, body: bytes, *, host: str, timeout: float, **more: Any) -> None:
        self._patience = 4 * timeout
        self._port: queue.Queue[int | BaseException] = queue.Queue()
        self._result: queue.Queue[Exchange | BaseException] = queue.Queue()

        def run() -> None:
            try:
                self._result.put(answer(cert, key, body, host=host, timeout=timeout, listening=self._port.put, **more))
            except BaseException as failure:
                self._port.put(failure)
                self._result.put(failure)

        threading.Thread(target=run, daemon=True).start()
        self.port: int = self._take(self._port)

    def end(self) -> Exchange:
        """What came, once the client has left; raises what went wrong."""
        exchange: Exchange = self._take(self._result)
        return exchange

    def _take(self, source: queue.Queue[Any]) -> Any:
        got = source.get(timeout=self._patience)
        if isinstance(got, BaseException):
            raise got
        return got
