# SPDX-License-Identifier: GPL-2.0-or-later
"""A plain server over our sockets: what comes on any stream of a client is hashed, and answered on it where that can be."""

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
from quicctl.endpoint import QuicSocket

_EVENTS = (uapi.EventType.STREAM_UPDATE, uapi.EventType.CONNECTION_CLOSE, uapi.EventType.KEY_UPDATE)


@dataclass(frozen=True, slots=True)
class Brought:
    """What a client brought."""

    handshake: libquic.Handshake
    streams: dict[int, tuple[int, str]]
    """By stream: bytes and hash."""
    events: tuple[uapi.Event, ...]


def _attend(
    sock: QuicSocket, tls: libquic.Handshake, body: bytes, begin: Callable[[QuicSocket], None] | None, expected: int | None
) -> Brought:
    hashes: dict[int, Any] = {}
    sizes: dict[int, int] = {}
    events: list[uapi.Event] = []
    acknowledged = False
    while not (acknowledged and expected is not None and sum(sizes.values()) >= expected):
        try:
            message = sock.receive()
        except errors.ConnectionClosed:
            break
        if isinstance(message, uapi.Event):
            events.append(message)
            acknowledged |= isinstance(message, uapi.StreamUpdate) and message.state == uapi.StreamState.SEND_RECVD
        elif isinstance(message, endpoint.StreamData):
            stream = message.stream_id
            new = stream not in hashes
            hashes.setdefault(stream, hashlib.sha256()).update(message.data)
            sizes[stream] = sizes.get(stream, 0) + len(message.data)
            if new and not stream & 2:
                if begin is not None:
                    begin(sock)
                _send(sock, stream, body)
    return Brought(tls, {s: (sizes[s], h.hexdigest()) for s, h in hashes.items()}, tuple(events))


def _send(sock: QuicSocket, stream: int, body: bytes) -> None:
    rest = memoryview(body)
    while True:
        rest = rest[sock.send(rest, stream, uapi.MsgFlag.STREAM_FIN) :]
        if not rest:
            return


class Server:
    """A server of one connection, in a thread. It begins to answer a stream when its first bytes come.

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
        begin: Callable[[QuicSocket], None] | None = None,
        expected: int | None = None,
    ) -> None:
        self._patience = 4 * timeout
        self._port: queue.Queue[int | BaseException] = queue.Queue()
        self._result: queue.Queue[Brought | BaseException] = queue.Queue()

        def run() -> None:
            try:
                family, where = endpoint.resolve((host, 0), passive=True)
                with QuicSocket(family) as listener, libquic.Credentials(server=True) as credentials:
                    credentials.certificate(cert, key)
                    if params is not None:
                        listener.set_transport_params(params)
                    listener.enable(*_EVENTS)
                    listener.bind(where)
                    listener.set_alpn(alpn)
                    listener.settimeout(timeout)
                    listener.listen()
                    self._port.put(listener.local[1])
                    with listener.accept() as sock:
                        tls = libquic.handshake(sock.fileno(), credentials, server=True, alpn=alpn, timeout=timeout)
                        sock.settimeout(timeout)
                        self._result.put(_attend(sock, tls, body, begin, expected))
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
