# SPDX-License-Identifier: GPL-2.0-or-later
"""aioquic as the stranger at the other end: a server or a client in a thread of its own, over one raw stream.

Both roles do what ``quicctl handshake`` does: the client opens a bidirectional stream, each end sends what it has and ends
its half. What arrived comes back as hashes; what was wrong is raised in the test's own thread.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted, QuicEvent, StreamDataReceived
from aioquic.quic.stream import QuicStream

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one connection brought to the stranger."""

    alpn: str | None
    received: int
    sha256: str
    version: int = 0
    """Negotiated."""
    retries: int = 0
    """Retry packets that the stranger acted on, as client."""


class Failed(Exception):
    """The connection ended before everything had come."""


class _Exchange(QuicConnectionProtocol):
    """Takes the client's stream, answers on it, and tells when all has come."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.content = b""
        self.received = 0
        self.alpn: str | None = None
        self.done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._hash = hashlib.sha256()
        self._stream: QuicStream | None = None
        self._all_received = False

    def begin(self) -> None:
        """As client: open the stream."""
        self._send(self._quic.get_next_available_stream_id())
        self.transmit()

    def datagram_received(self, data: bytes | str, addr: Any) -> None:
        super().datagram_received(data, addr)
        self._look()

    def quic_event_received(self, event: QuicEvent) -> None:
        match event:
            case HandshakeCompleted():
                self.alpn = event.alpn_protocol
            case StreamDataReceived():
                self._hash.update(event.data)
                self.received += len(event.data)
                self._all_received |= event.end_stream
                if self._stream is None:
                    self._send(event.stream_id)
            case ConnectionTerminated() if not self.done.done():
                self.done.set_exception(
                    Failed(f"closed with {event.error_code:#x} {event.reason_phrase!r} after {self.received} bytes")
                )

    def _send(self, stream_id: int) -> None:
        self._quic.send_stream_data(stream_id, self.content, end_stream=True)
        self._stream = self._quic._streams[stream_id]

    def _look(self) -> None:
        """All is done when all has come and all that was sent is acknowledged."""
        if self._all_received and self._stream is not None and self._stream.sender.is_finished and not self.done.done():
            self.done.set_result(
                Outcome(self.alpn, self.received, self._hash.hexdigest(), self._quic._version or 0, self._quic._retry_count)
            )


class Stranger:
    """An event loop in a thread, for as long as a test needs it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def call(self, coroutine: Coroutine[Any, Any, T], timeout: float) -> T:
        """Run something in the loop and wait for it."""
        return self.start(coroutine).result(timeout)

    def start(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run something in the loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def close(self) -> None:
        """End the loop and what still runs in it."""

        async def end() -> None:
            rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        self.call(end(), 60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()


@contextmanager
def stranger() -> Iterator[Stranger]:
    """A stranger's thread."""
    made = Stranger()
    try:
        yield made
    finally:
        made.close()


async def run_server(
    host: str, configuration: QuicConfiguration, content: bytes, listening: Callable[[int], None], *, retry: bool = False
) -> Outcome:
    """Serve one connection on a free port, which is told to listening; with retry only to who comes back after Retry."""
    loop = asyncio.get_running_loop()
    first: asyncio.Future[_Exchange] = loop.create_future()

    def create(*args: Any, **kwargs: Any) -> _Exchange:
        made = _Exchange(*args, **kwargs)
        made.content = content
        if not first.done():
            first.set_result(made)
        return made

    server = await serve(host, 0, configuration=configuration, create_protocol=create, retry=retry)
    try:
        listening(server._transport.get_extra_info("sockname")[1])
        exchange = await first
        outcome = await exchange.done
        await exchange.wait_closed()
        return outcome
    finally:
        server.close()


async def run_client(
    host: str,
    port: int,
    configuration: QuicConfiguration,
    content: bytes,
    on_token: Callable[[bytes], None] | None = None,
    *,
    wait: bool = True,
    changes: int = 0,
) -> Outcome:
    """Connect, send the content, take the answer, leave; tokens for later connections go to on_token.

    The connection ID is changed so many times before. Without wait a server that refuses is told by Failed, with its reason.
    """
    async with connect(
        host,
        port,
        configuration=configuration,
        create_protocol=_Exchange,
        token_handler=on_token,
        wait_connected=wait,
    ) as protocol:
        assert isinstance(protocol, _Exchange)
        for _ in range(changes):
            protocol.change_connection_id()
            await protocol.ping()
        protocol.content = content
        protocol.begin()
        return await protocol.done
