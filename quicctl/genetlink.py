# SPDX-License-Identifier: GPL-2.0-or-later
"""The handshake family of generic netlink: how the kernel asks user space for TLS on a socket of its own.

Documentation/netlink/specs/handshake.yaml in the kernel's tree. The descriptor that comes with a request belongs to the
calling process, whichever socket the answer goes through.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

from quicctl.sock_diag import messages

_NETLINK_GENERIC = 16
_SOL_NETLINK = 270
_NETLINK_ADD_MEMBERSHIP = 1
_NLM_F_REQUEST = 1
_NLM_F_ACK = 4
_NLMSG_ERROR = 2
_CONTROL = 16
_GETFAMILY = 3
_FAMILY_ID = 1
_FAMILY_NAME = 2
_MCAST_GROUPS = 7
_GROUP_NAME = 1
_GROUP_ID = 2
_KIND = 0x3FFF

_HEADER = struct.Struct("=IHHII")
_GENERIC = struct.Struct("=BBH")
_ATTRIBUTE = struct.Struct("=HH")

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
    certificate: bool
    """Whether the certificate to show is named by a key of the kernel's."""
    identities: tuple[int, ...]


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
        family = dict(_attributes(body))
        self._family = int.from_bytes(family[_FAMILY_ID], "little")
        groups = [dict(_attributes(group)) for _, group in _attributes(family[_MCAST_GROUPS])]
        self._groups = {g[_GROUP_NAME].rstrip(b"\0").decode(): int.from_bytes(g[_GROUP_ID], "little") for g in groups}

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
        pairs = list(_attributes(body))
        found = dict(pairs)
        number = {kind: int.from_bytes(value[:4], "little") for kind, value in pairs}
        return Request(
            fd=number[1],
            server=number[3] == _SERVERHELLO,
            auth=number.get(5, AUTH_UNAUTH),
            timeout=number.get(4, 0) / 1000,
            peername=found.get(8, b"").rstrip(b"\0").decode(),
            certificate=7 in found,
            identities=tuple(int.from_bytes(value, "little") for kind, value in pairs if kind == 6),
        )

    def done(self, request: Request, status: int) -> None:
        """Tell the kernel how it went: 0 or an errno."""
        list(self._ask(self._family, _DONE, [(1, struct.pack("=I", status)), (2, struct.pack("=i", request.fd))]))

    def _ask(self, kind: int, command: int, attributes: Sequence[tuple[int, bytes]]) -> list[bytes]:
        payload = _GENERIC.pack(command, 1, 0)
        for name, value in attributes:
            size = _ATTRIBUTE.size + len(value)
            payload += _ATTRIBUTE.pack(size, name) + value + bytes(-size % 4)
        self._socket.send(_HEADER.pack(_HEADER.size + len(payload), kind, _NLM_F_REQUEST | _NLM_F_ACK, 0, 0) + payload)
        bodies: list[bytes] = []
        while True:
            for answer, body in messages(self._socket.recv(1 << 16)):
                if answer == _NLMSG_ERROR:
                    code = -struct.unpack_from("=i", body)[0]
                    if code:
                        raise OSError(code, os.strerror(code))
                    return bodies
                bodies.append(body[_GENERIC.size :])


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        size, kind = _ATTRIBUTE.unpack_from(data, at)
        yield kind & _KIND, data[at + _ATTRIBUTE.size : at + size]
        at += (max(size, _ATTRIBUTE.size) + 3) & ~3
