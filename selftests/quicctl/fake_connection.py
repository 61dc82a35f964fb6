# SPDX-License-Identifier: GPL-2.0-or-later
"""A connection's descriptor without a kernel: messages are queued by the test, streams are pairs of Unix sockets."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
from collections import deque
from pathlib import Path

from quicctl import endpoint, errors, handshake, libquic, uapi

PEER = ("192.0.2.1", 443)


class FakeEndpoint:
    """Stands in for endpoint.Endpoint; ``far`` holds the peer's ends of streams by ID."""

    def __init__(self) -> None:
        self._event = os.eventfd(0, os.EFD_NONBLOCK)
        self._messages: deque[object] = deque()
        self._lock = threading.Lock()
        self.far: dict[int, socket.socket] = {}
        self.near: dict[int, socket.socket] = {}
        self.calls: list[tuple[object, ...]] = []
        self.allowed = 100
        self.ended = False
        self.closed = False
        self.peel_failures: dict[int, int] = {}
        self.local = ("192.0.2.2", 1)
        self.peer = PEER
        self.early_credit = 0
        self._next = 0

    def __enter__(self) -> FakeEndpoint:
        return self

    def __exit__(self, *about: object) -> None:
        self.close()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            os.close(self._event)

    def fileno(self) -> int:
        return self._event

    # What the peer does.

    def say(self, *messages: object) -> None:
        """Bytes of stream IDs, datagrams and events, in the order in which they are received."""
        with self._lock:
            self._messages.extend(messages)
            os.eventfd_write(self._event, 1)

    def stream(self, stream_id: int, data: bytes = b"") -> socket.socket:
        """The peer opens a stream with some data; returns its end."""
        self._pair(stream_id)
        self.far[stream_id].sendall(data)
        self.say(endpoint.StreamData(stream_id, memoryview(data), False))
        return self.far[stream_id]

    def end(self, close: uapi.ConnectionClose | None = None) -> None:
        """The peer closes the connection."""
        self.ended = True
        self.say(*([close] if close else []))

    def _pair(self, stream_id: int) -> None:
        self.near[stream_id], self.far[stream_id] = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

    # What Endpoint does.

    def _first(self) -> object:
        with self._lock:
            if self._messages:
                return self._messages[0]
            if self.ended:
                raise errors.ConnectionClosed("the connection is closed")
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._event)  # not readable any more, until something is said
            raise BlockingIOError(errno.EAGAIN, "nothing")

    def incoming_stream(self) -> int | None:
        first = self._first()
        return first.stream_id if isinstance(first, endpoint.StreamData) else None

    def receive(self, size: int, *, wait: bool) -> object:
        assert not wait
        self._first()
        return self._messages.popleft()

    def peel(self, stream_id: int) -> socket.socket:
        first = self._messages[0] if self._messages else None
        if isinstance(first, endpoint.StreamData) and first.stream_id == stream_id:
            self._messages.popleft()
        if failure := self.peel_failures.pop(stream_id, None):
            raise OSError(failure, os.strerror(failure))
        return self.near.pop(stream_id)

    def open_stream(self, *, uni: bool, wait: bool) -> int:
        assert not wait
        if self.ended:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        if not self.allowed:
            raise BlockingIOError(errno.EAGAIN, "no credit")
        self.allowed -= 1
        stream_id = self._next * 4 + 2 * uni
        self._next += 1
        self._pair(stream_id)
        return stream_id

    def send(self, data: bytes, stream_id: int, flags: int, *, wait: bool) -> int:
        assert not wait
        if not self.early_credit:
            raise BlockingIOError(errno.EAGAIN, "no credit")
        taken = min(len(data), self.early_credit)
        self.early_credit -= taken
        return taken

    def enable(self, *kinds: uapi.EventType) -> None:
        self.calls.append(("enable", *kinds))

    def reset_stream(self, stream_id: int, code: int) -> None:
        self.calls.append(("reset", stream_id, code))

    def stop_sending(self, stream_id: int, code: int) -> None:
        self.calls.append(("stop", stream_id, code))

    def set_close_reason(self, code: int, reason: str) -> None:
        self.calls.append(("close", code, reason))

    def send_datagram(self, data: bytes, *, wait: bool = True) -> int:
        if self.ended:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        self.calls.append(("datagram", data))
        return len(data)

    def update_key(self) -> None:
        self.calls.append(("update_key",))

    def migrate(self, address: endpoint.Address) -> None:
        self.calls.append(("migrate", address))

    def transport_params(self, *, remote: bool) -> uapi.TransportParams:
        return uapi.TransportParams(max_data=2 if remote else 1)


class FakeTls:
    """Stands in for libquic.Tls."""

    def __init__(self, *, server: bool = False, tickets: tuple[bytes | None, ...] = ()) -> None:
        self.server = server
        self.tickets = list(tickets)

    def session(self, timeout: float) -> bytes | None:
        return self.tickets.pop(0) if self.tickets else None


AGREED = libquic.Handshake(
    complete=True, milliseconds=1.0, cipher_suite="TLS_AES_128_GCM_SHA256", group="X25519", signature="", alpn="shout",
    server_name="", resumed=False, early_data="none", psk_identity="", verify="ok", verify_text="", peer_subject="",
    peer_issuer="", peer_sha256="", close_code=0, close_frame=0, close_phrase="", alert_sent=-1, alert_received=-1,
)  # fmt: skip


def established(fake: FakeEndpoint, **tls: object) -> tuple[handshake.Connection, contextlib.ExitStack]:
    """What a handshake leaves behind."""
    stack = contextlib.ExitStack()
    stack.enter_context(fake)
    return handshake.Connection(fake, PEER, FakeTls(**tls), AGREED), stack  # type: ignore[arg-type]


KEYS = {"cert": Path("cert.pem"), "key": "key.pem"}
