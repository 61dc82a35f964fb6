# SPDX-License-Identifier: GPL-2.0-or-later
"""quiche as the stranger: quiche_peer.mjs under node, as client or as server, and what it tells of its connections."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import SLOW, Pki
from programs import root

from quicctl import peers, process

PATIENCE = 30 * SLOW
_SCRIPT = Path(__file__).with_suffix(".mjs")


@dataclass(frozen=True, slots=True)
class Task:
    """What quiche shall do; the names are the script's."""

    server: bool = False
    port: int = 0
    alpn: str = "sample"
    more_alpns: tuple[str, ...] = ()
    ca: str = ""
    cert: str = ""
    key: str = ""
    body: str = ""
    """File: sent on each stream."""
    streams: int = 1
    datagrams: int = 0
    session: str = ""
    """Client, file: taken up if it is there, and replaced."""
    early: bool = True
    retry: bool = False
    stay: bool = False
    """Client: do not leave."""
    update: bool = False
    """Change keys when the first bytes come; aioquic alone."""
    large: bool = False
    """Client: have a transport parameter that nobody knows and that fills a datagram; aioquic alone."""
    version_2: bool = False
    """Speak no other; aioquic alone."""
    move: bool = False
    """Client: to another port, before the streams are opened."""
    id_length: int = 16
    idle: int = int(20000 * SLOW)
    code: int = 42
    ask: bool = False
    """Say what the library offers, and nothing else."""


@dataclass(frozen=True, slots=True)
class Told:
    """What quiche tells of a connection."""

    streams: list[tuple[int, int, str, bool]]
    """ID, bytes, hash, whether it ended."""
    datagrams: int
    early: bool
    resumed: bool
    alpn: str
    timed_out: bool
    trouble: str
    retried: bool
    paths: int
    closed: dict[str, Any] | None = field(default=None)


def _told(said: dict[str, Any]) -> Told:
    return Told(**{**said, "streams": [tuple(stream) for stream in said["streams"]]})


class Server:
    """quiche as a server, for any number of connections."""

    def __init__(self, quiche: Quiche, number: int) -> None:
        self._quiche = quiche
        self._number = number
        self.port: int = quiche.next(number)["port"]

    def told(self) -> Told:
        """Of the next connection that ended."""
        return _told(self._quiche.next(self._number))


class Quiche:
    """A process in which quiche is client and server, for as many connections as a test has."""

    updates_keys = False

    def __init__(self) -> None:
        modules = peers.here(peers.NPM)
        if isinstance(modules, peers.Absent):
            pytest.skip(f"no quiche: {modules.reason}")
        node = root("trixie")
        # Debian's node reads parts of itself from /usr/share.
        within = ["unshare", "-m", "sh", "-c", 'mount --bind "$0/usr/share" /usr/share && exec "$@"', str(node.tree)]
        package = modules.tree / "node_modules" / "@matrixai" / "quic"
        self._child = subprocess.Popen(
            [*within, *node.command("node"), str(_SCRIPT), str(package)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment(), start_new_session=True,
        )  # fmt: skip
        self._lines: dict[int, queue.Queue[dict[str, Any]]] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """End the process, which a test may have stopped."""
        process.kill(self._child)

    def stop(self) -> None:
        """Let it hang."""
        os.killpg(self._child.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it run again."""
        os.killpg(self._child.pid, signal.SIGCONT)

    def begin(self, task: Task) -> int:
        """Give it a task; the number of the task."""
        number = len(self._lines)
        self._lines[number] = queue.Queue()
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps({**asdict(task), "number": number}).encode() + b"\n")
        self._child.stdin.flush()
        return number

    def next(self, number: int) -> dict[str, Any]:
        """The next line about a task."""
        try:
            return self._lines[number].get(timeout=4 * PATIENCE)
        except queue.Empty:
            raise AssertionError(f"quiche says nothing; its process: {self._child.poll()}") from None

    def offers(self) -> dict[str, Any]:
        """What the library says of itself."""
        return self.next(self.begin(Task(ask=True)))

    def client(self, task: Task) -> Told:
        """One connection of quiche, to its end."""
        return self.told(self.begin(task))

    def told(self, number: int) -> Told:
        """What came of a task."""
        return _told(self.next(number))

    def serve(self, pki: Pki, body: Path, **more: Any) -> Server:
        """quiche as a server, from now on."""
        return Server(self, self.begin(Task(server=True, cert=str(pki.cert), key=str(pki.key), body=str(body), **more)))

    def _listen(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            said = json.loads(line)
            self._lines[said.pop("number")].put(said)


def _environment() -> dict[str, str]:
    """Without our library's path, which is for our own programs."""
    return {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
