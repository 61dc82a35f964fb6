# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages and attributes of netlink (RFC 3549, section 2.3.2; netlink(7)), for the two families that are spoken here."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator

REQUEST, ACK, DUMP = 0x01, 0x04, 0x300
ERROR, DONE = 2, 3

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_KIND = 0x3FFF
"""Without the bits for nested and for network byte order."""


def message(kind: int, flags: int, body: bytes) -> bytes:
    """One message."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 0, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, filled up to four bytes."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and body of each message of a datagram; raises OSError for one that is cut."""
    at = 0
    while at + _HEADER.size <= len(data):
        size, kind, _flags, _sequence, _port = _HEADER.unpack_from(data, at)
        if size < _HEADER.size or at + size > len(data):
            raise OSError(errno.EBADMSG, "a netlink message is cut short")
        yield kind, data[at + _HEADER.size : at + size]
        at += (size + 3) & ~3


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of each attribute, up to the first that cannot be one."""
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        size, kind = _ATTRIBUTE.unpack_from(data, at)
        if size < _ATTRIBUTE.size:
            return
        yield kind & _KIND, data[at + _ATTRIBUTE.size : at + size]
        at += (size + 3) & ~3


def check(body: bytes) -> None:
    """Raise what the body of an ERROR or DONE message says went wrong."""
    code = struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
    if code < 0:
        raise OSError(-code, os.strerror(-code))
