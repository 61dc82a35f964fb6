# SPDX-License-Identifier: GPL-2.0-or-later
"""The handshake family of generic netlink: how the kernel asks user space for TLS on a socket of its own.

Documentation/netlink/specs/handshake.yaml in the kernel's tree. The descriptor that comes with a request belongs to the
calling process, whichever socket the answer goes through.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType

from quicctl import netlink

_NETLINK_GENERIC = 16
_SOL_NETLINK = 270
_NETLINK_ADD_MEMBERSHIP = 1
_CONTROL = 16
_GETFAMILY = 3
_FAMILY_ID = 1
_FAMILY_NAME = 2
_MCAST_GROUPS = 7
_GROUP_NAME = 1
_GROUP_ID = 2

_GENERIC = struct.Struct("=BBH")

_ACCEPT, _DONE = 2, 3
_CLASS_TLSHD = 1
_SERVERHELLO = 2
AUTH_UNAUTH, AUTH_PSK, AUTH_X509 = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Request:
    """A handshake that the kernel wants made."""

    fd: int
    server: bool
    auth: int
    timeout: float
    """Seconds; 0 if the kernel waits for ever."""
    peername: str
    certificate: tuple[int, int] | None
    """Keys of the kernel's that hold the certificate to show, and its private key."""
    identities: tuple[int, ...]
    """Keys of the kernel's that hold pre-shared keys."""
    keyring: int
    """Where else to look for keys; 0: nowhere."""


class HandshakeSocket:
    """A netlink socket of the family; raises OSError if the kernel has none."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_GENERIC)
        try:
            self._socket.bind((0, 0))
            (body,) = self._ask(_CONTROL, _GETFAMILY, [(_FAMILY_NAME, b"handshake\0")])
        except BaseException:
            self._socket.close()
            raise
        family = dict(netlink.attributes(body))
        self._family = int.from_bytes(family[_FAMILY_ID], sys.byteorder)
        groups = [dict(netlink.attributes(group)) for _, group in netlink.attributes(family[_MCAST_GROUPS])]
        self._groups = {g[_GROUP_NAME].rstrip(b"\0").decode(): int.from_bytes(g[_GROUP_ID], sys.byteorder) for g in groups}

    def __enter__(self) -> HandshakeSocket:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._socket.close()

    def fileno(self) -> int:
        """To wait on."""
        return self._socket.fileno()

    def subscribe(self) -> None:
        """From now on wait() returns when there is a request; the kernel has an agent."""
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, self._groups["tlshd"])

    def wait(self) -> None:
        """Return when the kernel says that requests are ready."""
        try:
            self._socket.recv(1 << 16)
        except OSError as failure:
            if failure.errno != errno.ENOBUFS:  # more of them than fit is news, too
                raise

    def accept(self) -> Request | None:
        """Take over a request, or None."""
        try:
            (body,) = self._ask(self._family, _ACCEPT, [(2, struct.pack("=I", _CLASS_TLSHD))])
        except BlockingIOError:
            return None
        pairs = list(netlink.attributes(body))
        found = dict(pairs)
        number = {kind: int.from_bytes(value[:4], sys.byteorder) for kind, value in pairs}
        return Request(
            fd=number[1],
            server=number[3] == _SERVERHELLO,
            auth=number.get(5, AUTH_UNAUTH),
            timeout=number.get(4, 0) / 1000,
            peername=found.get(8, b"").rstrip(b"\0").decode(),
            certificate=_certificate(found.get(7)),
            identities=tuple(int.from_bytes(value, sys.byteorder) for kind, value in pairs if kind == 6),
            keyring=number.get(9, 0),
        )

    def done(self, request: Request, status: int, peers: Iterable[int] = ()) -> None:
        """Tell the kernel how it went: 0 or an errno; and by which of its keys the peer is known."""
        said = [(1, struct.pack("=I", status)), (2, struct.pack("=i", request.fd))]
        self._ask(self._family, _DONE, said + [(3, struct.pack("=I", serial)) for serial in peers])

    def _ask(self, kind: int, command: int, attributes: Sequence[tuple[int, bytes]]) -> list[bytes]:
        payload = _GENERIC.pack(command, 1, 0)
        payload += b"".join(netlink.attribute(*pair) for pair in attributes)
        self._socket.send(netlink.message(kind, netlink.REQUEST | netlink.ACK, payload))
        bodies: list[bytes] = []
        while True:
            for answer, body in netlink.messages(self._socket.recv(1 << 16)):
                if answer == netlink.ERROR:  # an acknowledgement is one without an error
                    netlink.check(body)
                    return bodies
                bodies.append(body[_GENERIC.size :])


def _certificate(nest: bytes | None) -> tuple[int, int] | None:
    """The keys of certificate and private key; None unless both are named."""
    if nest is None:
        return None
    found = {kind: int.from_bytes(value[:4], sys.byteorder, signed=True) for kind, value in netlink.attributes(nest)}
    return (found[1], found[2]) if found.get(1) and found.get(2) else None
