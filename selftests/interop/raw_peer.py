# SPDX-License-Identifier: GPL-2.0-or-later
"""Plain ends over our sockets: what comes on any stream is hashed, and a server answers on it where that can be."""

from __future__ import annotations

import errno
import hashlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quicctl import endpoint, errors, libquic, uapi
from quicctl.endpoint import Endpoint

_AT_ONCE = 50
"""Streams of our client that wait for their answers."""
_EVENTS = (
    uapi.EventType.STREAM_UPDATE,
    uapi.EventType.CONNECTION_CLOSE,
    uapi.EventType.CONNECTION_MIGRATION,
    uapi.EventType.KEY_UPDATE,
)


@dataclass(frozen=True, slots=True)
class Brought:
    """What a client brought."""

    handshake: libquic.Handshake
    streams: dict[int, tuple[int, str]]
    """By stream: bytes and hash."""
    events: tuple[uapi.Event, ...]
    datagrams: int = 0
    """As server: each was sent back."""


def _attend(
    sock: Endpoint, tls: libquic.Handshake, body: bytes, begin: Callable[[Endpoint], None] | None, expected: int | None,
    whole: bool, told: queue.SimpleQueue[uapi.Event],
) -> Brought:  # fmt: skip
    hashes: dict[int, Any] = {}
    sizes: dict[int, int] = {}
    events: list[uapi.Event] = []
    acknowledged = False
    datagrams = 0
    while not (acknowledged and expected is not None and sum(sizes.values()) >= expected):
        try:
            message = sock.receive()
        except errors.ConnectionClosed:
            break
        if isinstance(message, uapi.Event):
            events.append(message)
            told.put(message)
            acknowledged |= isinstance(message, uapi.StreamUpdate) and message.state == uapi.StreamState.SEND_RECVD
        elif isinstance(message, endpoint.Datagram):
            datagrams += 1
            sock.send_datagram(bytes(message.data))
        elif isinstance(message, endpoint.StreamData):
            stream = message.stream_id
            new = stream not in hashes
            hashes.setdefault(stream, hashlib.sha256()).update(message.data)
            sizes[stream] = sizes.get(stream, 0) + len(message.data)
            if new and begin is not None and not stream & 2:
                begin(sock)
            if (message.fin if whole else new) and not stream & 2:
                _send(sock, stream, body)
    return Brought(tls, {s: (sizes[s], h.hexdigest()) for s, h in hashes.items()}, tuple(events), datagrams)


def _send(sock: Endpoint, stream: int, body: bytes) -> None:
    rest = memoryview(body)
    while True:
        rest = rest[sock.send(rest, stream, uapi.MsgFlag.STREAM_FIN) :]
        if not rest:
            return


class Server:
    """A server of connections one after the other, by default of one, in a thread; tells of the last.

    It begins to answer a stream when its first bytes come, or with whole when all of them have.

    It stays until the client leaves, or until as many bytes as expected have come and its own are acknowledged.
    """

    def __init__(
        self,
        cert: Path,
        key: Path,
        body: bytes,
        *,
        host: str,
        timeout: float,
        alpn: str = "sample",
        params: uapi.TransportParams | None = None,
        begin: Callable[[Endpoint], None] | None = None,
        expected: int | None = None,
        whole: bool = False,
        config: uapi.Config | None = None,
        priority: str | None = None,
        early_data: bool = False,
        connections: int = 1,
    ) -> None:
        self.told: queue.SimpleQueue[uapi.Event] = queue.SimpleQueue()
        """What the kernel tells, as it does."""
        self._patience = 4 * timeout
        self._port: queue.Queue[int | BaseException] = queue.Queue()
        self._result: queue.Queue[Brought | BaseException] = queue.Queue()

        def run() -> None:
            try:
                family, where = endpoint.resolve((host, 0), passive=True)
                with Endpoint(family) as listener, libquic.Credentials(server=True) as credentials:
                    credentials.certificate(cert, key)
                    if config is not None:
                        listener.set_config(config)
                    if params is not None:
                        listener.set_transport_params(params)
                    listener.enable(*_EVENTS)
                    listener.bind(where)
                    listener.set_alpn(alpn)
                    listener.settimeout(timeout)
                    listener.listen()
                    self._port.put(listener.local[1])
                    for _ in range(connections):
                        with listener.accept() as sock:
                            tls = libquic.handshake(
                                sock.fileno(), credentials, server=True, alpn=alpn, timeout=timeout,
                                priority=priority, early_data=early_data,
                            )  # fmt: skip
                            sock.settimeout(timeout)
                            brought = _attend(sock, tls, body, begin, expected, whole, self.told)
                    self._result.put(brought)
            except OSError as failure:
                timed_out = failure.errno == errno.EAGAIN
                self._fail(TimeoutError(f"nothing came for {timeout:g} s") if timed_out else failure)
            except BaseException as failure:
                self._fail(failure)

        threading.Thread(target=run, daemon=True).start()
        self.port: int = self._take(self._port)

    def end(self) -> Brought:
        """What came, once the client has left; raises what went wrong."""
        brought: Brought = self._take(self._result)
        return brought

    def _fail(self, failure: BaseException) -> None:
        self._port.put(failure)
        self._result.put(failure)

    def _take(self, source: queue.Queue[Any]) -> Any:
        got = source.get(timeout=self._patience)
        if isinstance(got, BaseException):
            raise got
        return got


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a connection of our client brought."""

    handshake: libquic.Handshake
    streams: dict[int, tuple[int, str]]
    """By stream: bytes and hash."""
    datagrams: int
    session: bytes | None
    version: int
    events: tuple[uapi.Event, ...]


def exchange(
    port: int,
    ca: Path,
    body: bytes,
    *,
    host: str,
    timeout: float,
    alpn: str = "sample",
    streams: int = 1,
    datagrams: int = 0,
    config: uapi.Config | None = None,
    params: uapi.TransportParams | None = None,
    priority: str | None = None,
    session: bytes | None = None,
    keep: bool = False,
    middle: Callable[[Endpoint], None] | None = None,
    code: int = 0,
) -> Fetched:
    """Be a client: send the body on each stream, and as many datagrams; take the answers and leave with a code.

    A session is resumed, and the first stream begun before the handshake; with keep, a new one is waited for. In the middle,
    when the handshake is over, something can be done to the socket.
    """
    family, where = endpoint.resolve((host, port))
    open_: dict[int, memoryview] = {}
    hashes: dict[int, Any] = {}
    sizes: dict[int, int] = {}
    events: list[uapi.Event] = []
    ended = came = 0
    with Endpoint(family) as sock, libquic.Credentials(server=False) as credentials:
        credentials.trust(ca)
        if config is not None:
            sock.set_config(config)
        if params is not None:
            sock.set_transport_params(params)
        sock.enable(*_EVENTS)
        sock.settimeout(timeout)
        sock.connect(where)
        with libquic.Tls(
            sock.fileno(), credentials, server=False, hostname="localhost", alpn=alpn, timeout=timeout,
            priority=priority, session=session, early_data=session is not None,
        ) as tls:  # fmt: skip
            if session is not None:
                open_[sock.open_stream(wait=False)] = memoryview(body)
                _some(sock, open_)
            agreed = tls.handshake()
            if middle is not None:
                middle(sock)
            for number in range(datagrams):
                sock.send_datagram(b"datagram %d" % number)
            opened = int(session is not None)
            while ended < streams or came < datagrams:
                while opened < streams and opened - ended < _AT_ONCE:
                    open_[sock.open_stream()] = memoryview(body)
                    opened += 1
                _some(sock, open_)
                match sock.receive():
                    case endpoint.StreamData(stream_id, data, fin):
                        hashes.setdefault(stream_id, hashlib.sha256()).update(data)
                        sizes[stream_id] = sizes.get(stream_id, 0) + len(data)
                        ended += fin
                    case endpoint.Datagram():
                        came += 1
                    case uapi.ConnectionClose() as close:
                        raise errors.ConnectionClosed(f"closed: {close}")
                    case event if not isinstance(event, endpoint.HandshakeData):
                        events.append(event)
            fresh = tls.session(timeout) if keep else None
        sock.set_close_reason(code, "gone")
        version = sock.config().version
    return Fetched(agreed, {s: (sizes[s], h.hexdigest()) for s, h in hashes.items()}, came, fresh, version, tuple(events))


def _some(sock: Endpoint, open_: dict[int, memoryview]) -> None:
    """Send what is still to be sent."""
    for stream in list(open_):
        rest = open_.pop(stream)
        while rest:
            rest = rest[sock.send(rest, stream, uapi.MsgFlag.STREAM_FIN) :]
