# SPDX-License-Identifier: GPL-2.0-or-later
"""A folder's files until a signal comes: what ``quicctl serve`` does."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Unpack

from quicctl.connection import ServerSettings
from quicctl.endpoint import Address
from quicctl.http3 import server
from quicctl.http3.files import Files

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(
    folder: Path,
    host: str,
    port: int,
    *,
    lists: bool = True,
    grace: float = 30.0,
    on_listening: Callable[[Address], None] | None = None,
    on_served: server.OnServed | None = None,
    on_signal: Callable[[], None] | None = None,
    **settings: Unpack[ServerSettings],
) -> bool:
    """Serve until SIGINT or SIGTERM, then finish within ``grace`` seconds, or until the next signal; whether all was finished.

    Raises FileUnreadable for the folder, what aio.listen() raises, and what ended the listener.
    """
    files = Files(folder, lists=lists)
    _raise_descriptors()

    async def run() -> bool:
        loop = asyncio.get_running_loop()
        signals: asyncio.Queue[None] = asyncio.Queue()
        for number in _SIGNALS:
            loop.add_signal_handler(number, signals.put_nowait, None)
        async with await server.listen(host, port, files, on_served=on_served, **settings) as listening:
            if on_listening is not None:
                on_listening(listening.local)
            serving = asyncio.create_task(listening.serve())
            first = asyncio.create_task(signals.get())
            done, _ = await asyncio.wait((serving, first), return_when=asyncio.FIRST_COMPLETED)
            if first not in done:
                first.cancel()
                await serving
                return False
            if on_signal is not None:
                on_signal()
            finishing = asyncio.create_task(listening.shutdown(grace))
            second = asyncio.create_task(signals.get())
            await asyncio.wait((finishing, second), return_when=asyncio.FIRST_COMPLETED)
            if second.done():
                await listening.shutdown(0)
            second.cancel()
            return await finishing

    return asyncio.run(run())


def _raise_descriptors() -> None:
    """A stream takes two descriptors, so take as many as the system gives."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
