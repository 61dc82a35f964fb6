# SPDX-License-Identifier: GPL-2.0-or-later
"""quicctl get and quicctl serve as programs, and the library behind them in this process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import SLOW, Pki
from http3_ends import Pair

from quicctl import process
from quicctl.http3 import client, server

HOST = "127.0.0.1"
PATIENCE = 30 * SLOW
_QUICCTL = (sys.executable, "-m", "quicctl")


def get(pki: Pki, *words: str | Path, status: int = 0, timeout: float = PATIENCE) -> subprocess.CompletedProcess[bytes]:
    """Run quicctl get, which must end with this status."""
    argv = [*_QUICCTL, "get", "--ca", str(pki.ca), "--timeout", f"{timeout:g}", *map(str, words)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=4 * PATIENCE)
    assert done.returncode == status, (done.returncode, done.stderr.decode(), done.stdout[-2000:])
    return done


def get_json(pki: Pki, *words: str | Path) -> list[dict[str, Any]]:
    """The same; the report, of bodies that go elsewhere."""
    report: list[dict[str, Any]] = json.loads(get(pki, "--json", *words).stdout)
    return report


@dataclass
class Serving:
    """A running quicctl serve."""

    port: int
    child: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        """By its address; a name may have others, where nobody listens."""
        return f"https://{HOST}:{self.port}"

    @property
    def named(self) -> str:
        """For those who look further then."""
        return f"https://localhost:{self.port}"

    def said(self, count: int = 1) -> list[str]:
        """The lines it says of the requests that are done, as soon as there are so many."""
        deadline = time.monotonic() + PATIENCE
        while len(lines := self.log.read_text().splitlines()) < count:
            assert time.monotonic() < deadline, lines
            time.sleep(0.02)
        return lines

    def lines(self, count: int = 1) -> list[dict[str, Any]]:
        """What quicctl serve tells in them."""
        return [json.loads(line) for line in self.said(count)]


@contextlib.contextmanager
def serving(pki: Pki, folder: Path, log: Path, *words: str) -> Iterator[Serving]:
    """Run quicctl serve; begins when it listens."""
    argv = [
        *_QUICCTL, "serve", str(folder), "--listen", f"{HOST}:0", "--json", "--cert", str(pki.cert), "--key", str(pki.key),
        *words,
    ]  # fmt: skip
    with started(argv, log, log.with_suffix(".err"), log.with_suffix(".err")) as serving:
        yield serving


@contextlib.contextmanager
def started(argv: Sequence[str], log: Path, complaints: Path, said: Path) -> Iterator[Serving]:
    """Run a server that says in one of the two files where it listens, as a URL; begins when it does."""
    with (
        log.open("wb") as out,
        complaints.open("wb") as err,
        process.running(argv, stdout=out, stderr=err) as child,
    ):
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(rb"https://[^/]*:(\d+)/", said.read_bytes())):
            assert child.poll() is None and time.monotonic() < deadline, said.read_text() + complaints.read_text()
            time.sleep(0.02)
        yield Serving(int(found[1]), child, log)


def run(pki: Pki, handler: server.Handler, test: Callable[[Pair], Awaitable[None]], **settings: Any) -> None:
    """Run a test with both ends in one loop."""

    async def main() -> None:
        async with asyncio.timeout(4 * PATIENCE), pair(pki, handler, **settings) as both:
            await test(both)

    asyncio.run(main())


@contextlib.asynccontextmanager
async def pair(pki: Pki, handler: server.Handler, **settings: Any) -> AsyncIterator[Pair]:
    """A server and a client of it."""
    served: list[server.Served] = []
    async with (
        await server.listen(
            HOST, 0, handler, on_served=served.append, cert=pki.cert, key=pki.key, timeout=PATIENCE, **settings
        ) as listening,
        await client.connect(*listening.local, ca=pki.ca, timeout=PATIENCE) as connected,
    ):
        yield Pair(listening, connected, served)
