# SPDX-License-Identifier: GPL-2.0-or-later
"""A client and a server of HTTP/3 in one loop, and what they are tried with, over whatever connection."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from quicctl.http3 import client, server
from quicctl.http3.server import Request, Response

BIG = 8 << 20
"""More than all buffers on the way hold."""


@dataclass
class Pair:
    """A server, a client of it, and what the server said of its requests."""

    server: server.Server
    client: client.Client
    served: list[server.Served]

    @property
    def attendant(self) -> server._Attendant:
        return next(iter(self.server._attendants))

    async def ask(self, path: str, method: str = "GET", **more: Any) -> client.Answer:
        return await self.client.request(client.Request("localhost", path, method, **more))


async def until(truth: Callable[[], Any]) -> None:
    """Wait for something to become true; the test's own limit ends it."""
    while not truth():
        await asyncio.sleep(0.001)


async def answer(request: Request) -> Response:
    """Says what came: for the path /big that is a lot."""
    body = b"".join([piece async for piece in request.message.body()])
    seen = f"{request.method} {request.path} {len(body)} {dict(request.message.trailers)}"
    if request.path.startswith("/big"):
        return Response(200, [("content-length", str(BIG))], _zeros())
    return Response(200, [("x-seen", seen)], body, [("x-sum", hashlib.sha256(body).hexdigest())])


async def _zeros() -> AsyncIterator[bytes]:
    for _ in range(BIG >> 15):
        yield bytes(1 << 15)


async def body_and_trailers_go_both_ways(both: Pair) -> None:
    """With answer() as the handler."""
    body = os.urandom(1 << 18)
    asked = await both.ask("/there", "POST", body=body, trailers=[("x-end", "yes")])
    assert await asked.read() == body
    assert dict(await asked.head())["x-seen"] == f"POST /there {len(body)} {{'x-end': 'yes'}}"
    assert asked.trailers == [("x-sum", hashlib.sha256(body).hexdigest())]
    await asked.close()
    await until(lambda: both.served)
    assert both.served == [server.Served(both.served[0].peer, "POST", "/there", 200, len(body), True, "none")]


async def order_of_ends(asked: Sequence[client.Answer]) -> list[int]:
    """Which of some answers of BIG bytes, read at once, is complete first, and so on."""
    ended: list[int] = []

    async def read(number: int) -> None:
        assert len(await asked[number].read()) == BIG
        ended.append(number)

    await asyncio.gather(*map(read, range(len(asked))))
    return ended
