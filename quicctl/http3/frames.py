# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames of HTTP/3 as far as somebody has to see them before, or beside, aioquic: RFC 9114, section 7.

aioquic takes GOAWAY and PRIORITY_UPDATE without telling, and a frame of headers of any length.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

STREAM_CONTROL = 0x00
DATA = 0x00
HEADERS = 0x01
GOAWAY = 0x07
PRIORITY_UPDATE = 0xF0700
SETTINGS_MAX_FIELD_SECTION_SIZE = 0x06

_LARGEST = (1 << 62) - 1
_PRIORITY_SIZE = 1024
"""Bytes; the field itself has a dozen."""


class ErrorCode(IntEnum):
    """RFC 9114, section 8.1."""

    NO_ERROR = 0x100
    GENERAL_PROTOCOL_ERROR = 0x101
    INTERNAL_ERROR = 0x102
    STREAM_CREATION_ERROR = 0x103
    CLOSED_CRITICAL_STREAM = 0x104
    FRAME_UNEXPECTED = 0x105
    FRAME_ERROR = 0x106
    EXCESSIVE_LOAD = 0x107
    ID_ERROR = 0x108
    SETTINGS_ERROR = 0x109
    MISSING_SETTINGS = 0x10A
    REQUEST_REJECTED = 0x10B
    REQUEST_CANCELLED = 0x10C
    REQUEST_INCOMPLETE = 0x10D
    MESSAGE_ERROR = 0x10E
    CONNECT_ERROR = 0x10F
    VERSION_FALLBACK = 0x110
    QPACK_DECOMPRESSION_FAILED = 0x200
    QPACK_ENCODER_STREAM_ERROR = 0x201
    QPACK_DECODER_STREAM_ERROR = 0x202


def describe(code: int) -> str:
    """An error code by its name in the RFCs."""
    try:
        name = ErrorCode(code).name
    except ValueError:
        return f"{code:#x}"
    return name if name.startswith("QPACK") else f"H3_{name}"


class Violation(Exception):
    """The peer broke a rule for which the connection is closed with this code."""

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def varint(value: int) -> bytes:
    """A variable-length integer: RFC 9000, section 16."""
    for exponent, size in enumerate((1, 2, 4, 8)):
        if value < 1 << (8 * size - 2):
            return (value | exponent << (8 * size - 2)).to_bytes(size, "big")
    raise ValueError(f"{value} does not fit into 62 bits")


def read_varint(data: bytes | bytearray) -> tuple[int, int] | None:
    """A variable-length integer at the beginning, and its size in bytes; None if its end is missing."""
    if not data:
        return None
    size = 1 << (data[0] >> 6)
    if len(data) < size:
        return None
    return int.from_bytes(data[:size], "big") & (1 << (8 * size - 2)) - 1, size


def frame(kind: int, payload: bytes) -> bytes:
    """A frame's bytes."""
    return varint(kind) + varint(len(payload)) + payload


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a frame."""

    kind: int
    length: int
    """Bytes of payload that will follow."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A frame that was asked for, with its payload."""

    kind: int
    payload: bytes


@dataclass(slots=True)
class FrameReader:
    """The frames of one stream while its bytes come; of payloads only those in ``kept`` are, up to their greatest length."""

    kept: Mapping[int, int] = field(default_factory=dict)
    _buffer: bytearray = field(default_factory=bytearray)
    _head: Head | None = None
    _missing: int = 0

    def feed(self, data: bytes) -> Iterator[Head | Whole]:
        """What of frames these bytes bring; raises Violation if one that is kept is too long."""
        self._buffer += data
        while True:
            if self._head is None:
                head = self._begin()
                if head is None:
                    return
                yield head
            yield from self._go_on()
            if self._head is not None:
                return

    def _begin(self) -> Head | None:
        if (kind := read_varint(self._buffer)) is None or (length := read_varint(self._buffer[kind[1] :])) is None:
            return None
        del self._buffer[: kind[1] + length[1]]
        self._head, self._missing = Head(kind[0], length[0]), length[0]
        if length[0] > self.kept.get(kind[0], _LARGEST):
            raise Violation(ErrorCode.EXCESSIVE_LOAD, f"a frame of type {kind[0]:#x} has {length[0]} bytes")
        return self._head

    def _go_on(self) -> Iterator[Whole]:
        assert self._head is not None
        if self._head.kind in self.kept:
            if len(self._buffer) < self._missing:
                return
            whole = Whole(self._head.kind, bytes(self._buffer[: self._missing]))
            del self._buffer[: self._missing]
            self._head = None
            yield whole
            return
        passing = min(self._missing, len(self._buffer))
        del self._buffer[:passing]
        self._missing -= passing
        if not self._missing:
            self._head = None


@dataclass(frozen=True, slots=True)
class GoAway:
    """The peer opens, or takes, nothing from this ID on: RFC 9114, section 5.2."""

    identifier: int


@dataclass(frozen=True, slots=True)
class PriorityUpdate:
    """A request, which may be still to come, has another priority: RFC 9218, section 7."""

    stream_id: int
    value: str


class ControlReader:
    """What a unidirectional stream says, if it is the peer's control stream: RFC 9114, section 6.2.1."""

    def __init__(self, *, server: bool) -> None:
        """``server``: this end is one."""
        self._server = server
        self._kind: int | None = None
        self._buffer = bytearray()
        self._frames = FrameReader({GOAWAY: 8, PRIORITY_UPDATE: _PRIORITY_SIZE})
        self._last: int | None = None

    def feed(self, data: bytes) -> Iterator[GoAway | PriorityUpdate]:
        """What these bytes say; raises Violation."""
        if self._kind is None:
            self._buffer += data
            if (kind := read_varint(self._buffer)) is None:
                return
            self._kind = kind[0]
            data = bytes(self._buffer[kind[1] :])
        if self._kind != STREAM_CONTROL:
            return
        for event in self._frames.feed(data):
            if isinstance(event, Head) and event.kind == PRIORITY_UPDATE and not self._server:
                raise Violation(ErrorCode.FRAME_UNEXPECTED, "PRIORITY_UPDATE is for servers")
            if isinstance(event, Whole):
                yield self._go_away(event.payload) if event.kind == GOAWAY else self._priority(event.payload)

    def _go_away(self, payload: bytes) -> GoAway:
        number = read_varint(payload)
        if number is None or number[1] != len(payload):
            raise Violation(ErrorCode.FRAME_ERROR, "GOAWAY holds one number")
        identifier = number[0]
        if not self._server and identifier % 4:
            raise Violation(ErrorCode.ID_ERROR, f"GOAWAY names stream {identifier}, which is none of a request")
        if self._last is not None and identifier > self._last:
            raise Violation(ErrorCode.ID_ERROR, f"GOAWAY names {identifier} after {self._last}")
        self._last = identifier
        return GoAway(identifier)

    @staticmethod
    def _priority(payload: bytes) -> PriorityUpdate:
        number = read_varint(payload)
        if number is None:
            raise Violation(ErrorCode.FRAME_ERROR, "PRIORITY_UPDATE begins with a stream's number")
        if number[0] % 4:
            raise Violation(ErrorCode.ID_ERROR, f"PRIORITY_UPDATE names stream {number[0]}, which is none of a request")
        return PriorityUpdate(number[0], payload[number[1] :].decode("latin-1"))


def go_away(identifier: int) -> bytes:
    """A GOAWAY frame."""
    return frame(GOAWAY, varint(identifier))


def priority_update(stream_id: int, value: str) -> bytes:
    """A PRIORITY_UPDATE frame for a request's stream."""
    return frame(PRIORITY_UPDATE, varint(stream_id) + value.encode("ascii"))


def section_size(headers: list[tuple[bytes, bytes]]) -> int:
    """The size of a field section as RFC 9114, section 4.2.2 counts it, in bytes."""
    return sum(len(name) + len(value) + 32 for name, value in headers)
