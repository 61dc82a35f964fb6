# SPDX-License-Identifier: GPL-2.0-or-later
"""A UDP relay between a client and a server: notes the first datagrams of each side, can lose some, keeps ECN marks."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

_KEPT = 32
_LONG_HEADER = 0x80
_HOST = "127.0.0.1"


@dataclass(slots=True)
class Side:
    """What one side sent, and which of its datagrams do not arrive."""

    lost: Collection[int]
    count: int = 0
    first: list[bytes] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    """The ECN codepoint of each datagram."""
    first_flight: int = 0
    """Client: how many datagrams it sent before the first of the server came."""

    def passes(self, datagram: bytes, mark: int) -> bool:
        """Note a datagram; whether it goes on."""
        number = self.count
        self.marks.append(mark)
        self.count += 1
        if number < _KEPT:
            self.first.append(datagram)
        return number not in self.lost


class Relay:
    """A port whose datagrams go to a server's port, and the answers back."""

    def __init__(
        self,
        server_port: int,
        *,
        lose_of_client: Collection[int] = (),
        lose_of_server: Collection[int] = (),
        forget_after: int | None = None,
    ) -> None:
        self.client = Side(lose_of_client)
        self.server = Side(lose_of_server)
        self.forgot = False
        """The server sees the client at another port than before."""
        self.heard_before = 0
        """Datagrams of the server that came before that."""
        self._forget_after = forget_after
        self._confirmed = False
        self._near, self._far = _socket(), _socket()
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

    def forget(self) -> None:
        """Before the client's next datagram: another port towards the server; what it sends to the old one is lost."""
        self._forget_after = self.client.count

    def _is_time_to_forget(self) -> bool:
        """Not during the handshake, which stays where it began: RFC 9000, section 9. A server confirms it in 1-RTT packets."""
        due = self._forget_after is not None and self.client.count >= self._forget_after
        return due and self._confirmed and not self.forgot

    def _forget(self) -> None:
        fresh = _socket()
        fresh.connect(self._far.getpeername())
        self._far.close()
        self._far = fresh
        self.heard_before = self.server.count
        self.forgot = True

    def _run(self) -> None:
        client = None
        while not self._stop.is_set():
            ready, _, _ = select.select((self._near, self._far), (), (), 0.2)
            # A refusal of the far port comes as an error of the socket; the datagram counts as lost.
            with contextlib.suppress(ConnectionRefusedError):
                if self._near in ready:
                    datagram, mark, client = _receive(self._near)
                    if self.server.count == 0:
                        self.client.first_flight += 1
                    if self._is_time_to_forget():
                        self._forget()
                    if self.client.passes(datagram, mark):
                        _send(self._far, datagram, mark)
                if self._far in ready:  # the new one is not
                    datagram, mark, _ = _receive(self._far)
                    self._confirmed |= not datagram[0] & _LONG_HEADER
                    if self.server.passes(datagram, mark) and client is not None:
                        _send(self._near, datagram, mark, client)


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    made.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    return made


def _receive(end: socket.socket) -> tuple[bytes, int, Any]:
    """A datagram, its ECN codepoint, and whose it is."""
    datagram, control, _, whose = end.recvmsg(65535, socket.CMSG_SPACE(4))
    mark = next((data[0] & 3 for level, kind, data in control if (level, kind) == (socket.IPPROTO_IP, socket.IP_TOS)), 0)
    return datagram, mark, whose


def _send(end: socket.socket, datagram: bytes, mark: int, *where: Any) -> None:
    """Send a datagram with its ECN codepoint."""
    end.sendmsg([datagram], [(socket.IPPROTO_IP, socket.IP_TOS, struct.pack("=i", mark))], 0, *where)


@contextlib.contextmanager
def relay(server_port: int, **rules: Any) -> Iterator[Relay]:
    """A relay for as long as the block lasts; with the rules of Relay."""
    made = Relay(server_port, **rules)
    try:
        yield made
    finally:
        made.close()


def connection_ids(initial: bytes) -> tuple[bytes, bytes]:
    """Destination and source connection ID of a packet with a long header."""
    assert initial[0] & 0x80, "no long header"
    middle = 6 + initial[5]
    return initial[6:middle], initial[middle + 1 : middle + 1 + initial[middle]]
