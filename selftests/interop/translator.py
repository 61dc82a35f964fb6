# SPDX-License-Identifier: GPL-2.0-or-later
"""An address translator that forgets: a UDP relay between one client and a server, whose outer address can be changed."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Translator:
    """A translator in a thread of its own, towards a server at 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._inner = self._socket("127.0.0.1")
        self._outer = self._socket("127.0.0.1")
        self._client: tuple[str, int] | None = None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._inner, selectors.EVENT_READ)
        self._selector.register(self._outer, selectors.EVENT_READ)
        self._lock = threading.Lock()
        self._over = False
        self.forwarded = 0
        """Datagrams that went to the server since the outer address was changed last."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where the client finds us."""
        return int(self._inner.getsockname()[1])

    @property
    def outer(self) -> tuple[str, int]:
        """Where the server sees the client."""
        host, port = self._outer.getsockname()
        return str(host), int(port)

    def rebind(self, host: str = "127.0.0.1") -> None:
        """From now on the client is somewhere else; what is sent to the old address is lost."""
        with self._lock:
            self._selector.unregister(self._outer)
            self._outer.close()
            self._outer = self._socket(host)
            self._selector.register(self._outer, selectors.EVENT_READ)
            self.forwarded = 0

    def close(self) -> None:
        """End the thread."""
        self._over = True
        self._thread.join(10)
        self._inner.close()
        self._outer.close()

    @staticmethod
    def _socket(host: str) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        made.bind((host, 0))
        made.setblocking(False)
        return made

    def _run(self) -> None:
        while not self._over:
            self._selector.select(0.1)
            with self._lock:
                self._forward()

    def _forward(self) -> None:
        for _ in range(64):
            moved = False
            try:
                data, self._client = self._inner.recvfrom(65536)
                self._outer.sendto(data, self._server)
                self.forwarded += 1
                moved = True
            except OSError:
                pass
            try:
                data = self._outer.recv(65536)
                if self._client:
                    self._inner.sendto(data, self._client)
                moved = True
            except OSError:
                pass
            if not moved:
                return


@contextmanager
def translator(port: int) -> Iterator[Translator]:
    """A translator for as long as a test needs it."""
    made = Translator(port)
    try:
        yield made
    finally:
        made.close()
