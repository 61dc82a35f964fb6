# SPDX-License-Identifier: GPL-2.0-or-later
"""A look at the QUIC packets of one end of a wire: what leaves and what arrives, aggregates as one."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from wire import Namespace

_ETH_P_ALL = 3
_PACKET_OUTGOING = 4
_UDP = 17
_SO_RCVBUFFORCE = 33
_ROOM = 128


@dataclass(frozen=True, slots=True)
class Seen:
    """One packet, or one aggregate of them."""

    outgoing: bool
    ecn: int
    long: bool
    """A long header: a packet of the handshake."""
    size: int
    """Of the IP packet."""
    source: str
    label: int
    """The flow label, 0 with IPv4."""
    dcid: bytes
    """Where a short header's connection ID stands, if it has eight bytes."""
    head: bytes = b""
    """The first bytes of the UDP payload."""


@dataclass(slots=True)
class Tap:
    """What was seen so far."""

    seen: list[Seen] = field(default_factory=list)

    def of(self, *, outgoing: bool) -> list[Seen]:
        """1-RTT packets of one direction."""
        return [s for s in self.seen if s.outgoing == outgoing and not s.long]


def _read(packet: bytes, size: int, outgoing: bool) -> Seen | None:
    if packet[0] >> 4 == 4:
        start, protocol, ecn = (packet[0] & 15) * 4, packet[9], packet[1] & 3
        source, label = socket.inet_ntop(socket.AF_INET, packet[12:16]), 0
    else:
        start, protocol, ecn = 40, packet[6], packet[1] >> 4 & 3
        source, label = socket.inet_ntop(socket.AF_INET6, packet[8:24]), struct.unpack("!I", packet[:4])[0] & 0xFFFFF
    if protocol != _UDP or len(packet) <= start + 8:
        return None
    first, dcid = packet[start + 8], packet[start + 9 : start + 17]
    return Seen(outgoing, ecn, bool(first & 0x80), size, source, label, dcid, packet[start + 8 :])


@contextmanager
def tap(end: Namespace) -> Iterator[Tap]:
    """Watch an end's device."""
    made = Tap()
    ready, stop = threading.Event(), threading.Event()

    def watch() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, struct.pack("i", 64 << 20))
            sock.bind((end.device, _ETH_P_ALL))
            sock.settimeout(0.2)
            buffer = bytearray(_ROOM)
            ready.set()
            while True:
                if stop.is_set():
                    sock.setblocking(False)  # what has come is read still
                try:
                    size, (_, _, kind, *_) = sock.recvfrom_into(buffer, 0, socket.MSG_TRUNC)
                except TimeoutError:
                    continue
                except BlockingIOError:
                    return
                one = _read(bytes(buffer[: min(size, _ROOM)]), size, kind == _PACKET_OUTGOING)
                if one is not None:
                    made.seen.append(one)

    watching = end.start(watch)
    assert ready.wait(20) or watching.result(1)
    try:
        yield made
    finally:
        stop.set()
        watching.result(20)
