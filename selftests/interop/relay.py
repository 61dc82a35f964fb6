# SPDX-License-Identifier: GPL-2.0-or-later
"""A UDP relay between a client and a server: remembers the first datagrams of each side, and loses those it is told to."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

_KEPT = 32
_HOST = "127.0.0.1"


@dataclass(slots=True)
class Side:
    """What one side sent, and which of its datagrams do not arrive."""

    lost: Collection[int]
    count: int = 0
    first: list[bytes] = field(default_factory=list)
    first_flight: int = 0
    """Client: how many datagrams it sent before the first of the server came."""

    def passes(self, datagram: bytes) -> bool:
        """Note a datagram; whether it goes on."""
        number = self.count
        self.count += 1
        if number < _KEPT:
            self.first.append(datagram)
        return number not in self.lost


class Relay:
    """A port whose datagrams go to a server's port, and the answers back."""

    def __init__(self, server_port: int, *, lose_of_client: Collection[int] = (), lose_of_server: Collection[int] = ()) -> None:
        self.client = Side(lose_of_client)
        self.server = Side(lose_of_server)
        self._near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for end in (self._near, self._far):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._near.bind((_HOST, 0))
        self._far.connect((_HOST, server_port))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where a client connects to."""
        port: int = self._near.getsockname()[1]
        return port

    def close(self) -> None:
        """End the relay."""
        self._stop.set()
        self._thread.join()
        self._near.close()
        self._far.close()

    def _run(self) -> None:
        client = None
        while not self._stop.is_set():
            ready, _, _ = select.select((self._near, self._far), (), (), 0.2)
            # A refusal of the far port comes as an error of the socket; the datagram counts as lost.
            with contextlib.suppress(ConnectionRefusedError):
                if self._near in ready:
                    datagram, client = self._near.recvfrom(65535)
                    if self.server.count == 0:
                        self.client.first_flight += 1
                    if self.client.passes(datagram):
                        self._far.send(datagram)
                if self._far in ready:
                    datagram = self._far.recv(65535)
                    if self.server.passes(datagram) and client is not None:
                        self._near.sendto(datagram, client)


@contextlib.contextmanager
def relay(server_port: int, *, lose_of_client: Collection[int] = (), lose_of_server: Collection[int] = ()) -> Iterator[Relay]:
    """A relay for as long as the block lasts."""
    made = Relay(server_port, lose_of_client=lose_of_client, lose_of_server=lose_of_server)
    try:
        yield made
    finally:
        made.close()


def connection_ids(initial: bytes) -> tuple[bytes, bytes]:
    """Destination and source connection ID of a packet with a long header."""
    assert initial[0] & 0x80, "no long header"
    middle = 6 + initial[5]
    return initial[6:middle], initial[middle + 1 : middle + 1 + initial[middle]]
