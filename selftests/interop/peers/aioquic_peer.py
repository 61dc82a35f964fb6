# SPDX-License-Identifier: GPL-2.0-or-later
"""aioquic as the stranger of test_raw.py, client or server, in a thread of this process; see quiche_peer.py for the other."""

from __future__ import annotations

import asyncio
import hashlib
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aio_peer import Stranger
from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import (
    ConnectionTerminated,
    DatagramFrameReceived,
    HandshakeCompleted,
    QuicEvent,
    StreamDataReceived,
)
from aioquic.tls import SessionTicket
from conftest import Pki
from programs import HOST
from quiche_peer import PATIENCE, Task, Told

_V2 = 0x6B3343CF
_TICK = 0.02
_GIVE_UP = 4 * PATIENCE


class _Stream:
    """What came on a stream."""

    def __init__(self) -> None:
        self.size = 0
        self.ended = False
        self.hash = hashlib.sha256()


class _End(QuicConnectionProtocol):
    """One connection: sends the body on each stream, hashes what comes, and tells of it when all is over."""

    task: Task
    told: Callable[[Told], None]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.streams: dict[int, _Stream] = {}
        self.datagrams = 0
        self.agreed: HandshakeCompleted | None = None
        self._left = self._updated = False

    def begin(self) -> None:
        """As client: open all streams, and send all datagrams."""
        for _ in range(self.task.streams):
            self._quic.send_stream_data(self._quic.get_next_available_stream_id(), self._body(), end_stream=True)
        for number in range(self.task.datagrams):
            self._quic.send_datagram_frame(b"datagram %d" % number)
        self.transmit()

    async def move(self) -> None:
        """To another port, with another connection ID, as soon as the peer has given one."""
        while not self._quic._peer_cid_available:
            await asyncio.sleep(_TICK)
        # The loop tells us of the new transport as it did of the first one, and from then on we send there.
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=("::", 0))
        self.change_connection_id()

    def quic_event_received(self, event: QuicEvent) -> None:
        match event:
            case HandshakeCompleted():
                self.agreed = event
            case StreamDataReceived():
                self._take(event)
            case DatagramFrameReceived():
                self.datagrams += 1
                if self.task.server:
                    self._quic.send_datagram_frame(event.data)
            case ConnectionTerminated():
                self._tell(event)
        self._leave()

    def _take(self, event: StreamDataReceived) -> None:
        stream = self.streams.setdefault(event.stream_id, _Stream())
        stream.size += len(event.data)
        stream.hash.update(event.data)
        stream.ended |= event.end_stream
        if self.task.update and not self._updated:
            self._updated = True
            self._quic.request_key_update()
        if self.task.server and event.end_stream:
            self._quic.send_stream_data(event.stream_id, self._body(), end_stream=True)

    def _leave(self) -> None:
        """As client: when all has come."""
        if self.task.server or self._left or self.datagrams < self.task.datagrams:
            return
        if len(self.streams) == self.task.streams and all(stream.ended for stream in self.streams.values()):
            self._left = True
            self._quic.close(error_code=self.task.code, reason_phrase="gone")

    def _body(self) -> bytes:
        return Path(self.task.body).read_bytes()

    def _tell(self, event: ConnectionTerminated) -> None:
        timed_out = event.reason_phrase == "Idle timeout"
        closed = None
        if not self._left and not timed_out:
            application = event.frame_type is None
            closed = {"application": application, "code": event.error_code, "reason": event.reason_phrase}
        self.told(
            Told(
                streams=[(number, s.size, s.hash.hexdigest(), s.ended) for number, s in self.streams.items()],
                datagrams=self.datagrams,
                early=bool(self.agreed and self.agreed.early_data_accepted),
                resumed=bool(self.agreed and self.agreed.session_resumed),
                alpn=(self.agreed and self.agreed.alpn_protocol) or "",
                timed_out=timed_out,
                trouble="",
                retried=self.task.retry if self.task.server else self._quic._retry_count > 0,
                paths=len(self._quic._network_paths),
                closed=closed,
            )
        )


class Server:
    """aioquic as a server, for any number of connections."""

    def __init__(self, port: int, ends: queue.Queue[Told]) -> None:
        self.port = port
        self._ends = ends

    def told(self) -> Told:
        """Of the next connection that ended."""
        return self._ends.get(timeout=_GIVE_UP)


class Aioquic:
    """A thread in which aioquic is client and server, for as many connections as a test has."""

    updates_keys = True

    def __init__(self) -> None:
        self._stranger = Stranger()
        self._tickets: dict[str, SessionTicket] = {}
        self._kept: dict[bytes, SessionTicket] = {}
        self._running = threading.Event()
        self._running.set()
        self._asked: dict[int, queue.Queue[Told]] = {}

    def close(self) -> None:
        """End the thread."""
        self._stranger.close()

    def offers(self) -> dict[str, Any]:
        """What the library says of itself."""
        return {
            "versions": QuicConfiguration().supported_versions, "connection": dir(QuicConnectionProtocol),
            "config": list(QuicConfiguration.__dataclass_fields__),
        }  # fmt: skip

    def stop(self) -> None:
        """Let it hang."""
        self._running.clear()
        self._stranger._loop.call_soon_threadsafe(self._running.wait)

    def go_on(self) -> None:
        """Let it run again."""
        self._running.set()

    def client(self, task: Task) -> Told:
        """One connection of aioquic, to its end."""
        return self.told(self.begin(task))

    def begin(self, task: Task) -> int:
        """Give it a task as client; the number of the task."""
        number = len(self._asked)
        self._asked[number] = queue.Queue()
        self._stranger.start(self._client(task, self._asked[number].put))
        return number

    def told(self, number: int) -> Told:
        """What came of a task."""
        return self._asked[number].get(timeout=_GIVE_UP)

    def serve(self, pki: Pki, body: Path, **more: Any) -> Server:
        """aioquic as a server, from now on."""
        task = Task(server=True, cert=str(pki.cert), key=str(pki.key), body=str(body), **more)
        ends: queue.Queue[Told] = queue.Queue()

        def create(*args: Any, **kwargs: Any) -> _End:
            return _made(_End(*args, **kwargs), task, ends.put)

        def keep(ticket: SessionTicket) -> None:
            self._kept[ticket.ticket] = ticket

        async def start() -> int:
            server = await serve(
                HOST, 0, configuration=_configure(task), create_protocol=create, retry=task.retry,
                session_ticket_fetcher=self._kept.get, session_ticket_handler=keep,
            )  # fmt: skip
            assert server._transport is not None
            port: int = server._transport.get_extra_info("sockname")[1]
            return port

        return Server(self._stranger.call(start(), PATIENCE), ends)

    async def _client(self, task: Task, told: Callable[[Told], None]) -> None:
        configuration = _configure(task)
        configuration.session_ticket = self._tickets.get(task.session)
        early = configuration.session_ticket is not None

        def keep(ticket: SessionTicket) -> None:
            if task.session:
                self._tickets[task.session] = ticket

        def create(*args: Any, **kwargs: Any) -> _End:
            return _made(_End(*args, **kwargs), task, told)

        try:
            async with connect(
                HOST, task.port, configuration=configuration, create_protocol=create, session_ticket_handler=keep,
                wait_connected=not early,
            ) as end:  # fmt: skip
                assert isinstance(end, _End)
                if task.move:
                    await end.move()
                end.begin()
                await end.wait_closed()
        except ConnectionError:
            pass  # told already


def _made(end: _End, task: Task, told: Callable[[Told], None]) -> _End:
    end.task, end.told = task, told
    return end


def _configure(task: Task) -> QuicConfiguration:
    made = QuicConfiguration(
        is_client=not task.server, alpn_protocols=[task.alpn, *task.more_alpns], idle_timeout=task.idle / 1000,
        connection_id_length=8 if task.id_length else 0, max_datagram_frame_size=65535, quantum_readiness_test=task.large,
    )  # fmt: skip
    if task.server:
        made.load_cert_chain(task.cert, task.key)
    else:
        made.server_name = "localhost"
        made.load_verify_locations(task.ca)
    if task.version_2:
        made.original_version = _V2
        made.supported_versions = [_V2]
    return made
