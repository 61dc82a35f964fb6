# SPDX-License-Identifier: GPL-2.0-or-later
"""Two connections of asyncio without a kernel, end to end: a stream is a pair of Unix sockets, which cannot be reset."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fake_connection import AGREED, PEER, FakeEndpoint, FakeTls

from quicctl import aio, connection, endpoint, handshake, uapi


class LinkedEndpoint(FakeEndpoint):
    """One end of two."""

    def __init__(self, *, server: bool) -> None:
        super().__init__()
        self._server = server
        self._reason = uapi.ConnectionClose()
        self.other: LinkedEndpoint

    def open_stream(self, *, uni: bool, wait: bool) -> int:
        if self.ended or self.other.closed:
            raise BrokenPipeError
        if not self.allowed:
            raise BlockingIOError(errno.EAGAIN, "no credit")
        number, self._next = self._next, self._next + 1
        stream_id = number * 4 + 2 * uni + self._server
        self._pair(stream_id)
        self.other.near[stream_id] = self.far.pop(stream_id)
        self.other.say(endpoint.StreamData(stream_id, memoryview(b""), False))
        return stream_id

    def send(self, data: bytes, stream_id: int, flags: int, *, wait: bool) -> int:
        """Early data."""
        taken = self.near[stream_id].send(data)
        if flags:
            self.near[stream_id].shutdown(1)
        return taken

    def set_close_reason(self, code: int, reason: str) -> None:
        self._reason = uapi.ConnectionClose(code, 0, reason)

    def close(self) -> None:
        if not self.closed and not self.other.closed:
            self.other.end(self._reason)
        super().close()


class FakeListener:
    """Stands in for aio.Listener."""

    local = ("192.0.2.2", 443)

    def __init__(self) -> None:
        self.knocking: asyncio.Queue[aio.Connection | None] = asyncio.Queue()
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[aio.Connection]:
        while (one := await self.knocking.get()) is not None:
            yield one

    async def close(self) -> None:
        self.closed = True
        await self.knocking.put(None)


class FakeWeb:
    """Stands in for aio.connect() and aio.listen(): whoever connects gets to the newest listener."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.listener: FakeListener
        self.settings: list[dict[str, Any]] = []
        self.agreed = AGREED
        self.server_streams = 100
        """How many a client allows it to open."""
        monkeypatch.setattr(aio, "listen", self._listen)
        monkeypatch.setattr(aio, "connect", self._connect)

    async def _listen(self, host: str, port: int, **settings: Any) -> FakeListener:
        self.listener = FakeListener()
        return self.listener

    async def _connect(self, host: str, port: int, **settings: Any) -> aio.Connection:
        self.settings.append(settings)
        near, far = LinkedEndpoint(server=False), LinkedEndpoint(server=True)
        near.other, far.other = far, near
        far.allowed = self.server_streams
        streams: list[int] = []
        agreed = self.agreed
        if (early := settings.get("early")) is not None and settings.get("session"):
            streams = connection.send_early(near, early, settings["session"])  # type: ignore[arg-type]
            agreed = dataclasses.replace(agreed, resumed=True, early_data="accepted")
        connected = _connection(near, agreed)
        for stream_id, peeled in connected._peel_early(streams):
            connected.early_streams[stream_id] = await aio.Stream(connected, stream_id)._start(peeled)
        await self.listener.knocking.put(_connection(far, agreed, server=True))
        return connected


def _connection(fake: LinkedEndpoint, agreed: Any, *, server: bool = False) -> aio.Connection:
    stack = contextlib.ExitStack()
    stack.enter_context(fake)
    tls = FakeTls(server=server, tickets=(b"ticket",))
    return aio.Connection(handshake.Connection(fake, PEER, tls, agreed), stack)  # type: ignore[arg-type]
