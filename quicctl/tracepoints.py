# SPDX-License-Identifier: GPL-2.0-or-later
"""The module's tracepoints as text, as the kernel's tracer prints them (module/include/trace/events/quic.h)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

UNKNOWN = (1 << 64) - 1
"""A measurement that was not made yet."""

_EVENT = re.compile(r"-(\d+)\s.*?\[(\d+)\]\s+(?:\S+\s+)?(\d+)\.(\d+):\s+quic_(\w+):\s+(.*)$")
_LOST = re.compile(r"^CPU:(\d+) \[LOST (?:(\d+) )?EVENTS\]")
_FIELD = re.compile(r'(\w+)=("[^"]*"|\{[^}]*\}|\S*)')
_REASON = re.compile(r'^(.*) reason="(.*)"$')


@dataclass(frozen=True, slots=True)
class Record:
    """One event of the tracer: ``name`` is without its prefix, ``fields`` are as printed."""

    time: int
    """Nanoseconds of the tracer's clock."""
    cpu: int
    task: int
    """The thread that ran then; in softirq that is anybody."""
    name: str
    fields: dict[str, str]

    @property
    def conn(self) -> int:
        """Cookie of the connection's socket; 0 where no connection was found."""
        return int(self.fields["conn"])


@dataclass(frozen=True, slots=True)
class Lost:
    """The tracer's ring was full. ``count`` is None where the kernel does not say how many events it had no room for."""

    cpu: int
    count: int | None


def parse(line: str) -> Record | Lost | None:
    """What a line of trace_pipe, of the file ``trace`` or of ``trace-cmd report`` tells of us, if anything."""
    event = _EVENT.search(line)
    if event is None:
        lost = _LOST.match(line)
        return Lost(int(lost[1]), int(lost[2]) if lost[2] else None) if lost else None
    rest = event[6]
    # A peer's words stand between the outermost quotation marks, whatever they are.
    reason = _REASON.match(rest) if event[5] == "connection_closed" else None
    fields = dict(_FIELD.findall(reason[1] if reason else rest))
    if reason:
        fields["reason"] = reason[2]
    if not fields.get("conn", "").isdecimal():
        return None
    time = int(event[3]) * 1_000_000_000 + int(event[4].ljust(9, "0")[:9])
    return Record(time, int(event[2]), int(event[1]), event[5], fields)


def numbers(text: str) -> tuple[int, ...]:
    """An array as __print_array() shows it: ``{0x1,0x2}``."""
    inside = text.strip("{}")
    return tuple(int(word, 16) for word in inside.split(",")) if inside else ()


class Order:
    """Puts records of several processors into the order of their times.

    The tracer merges its rings as it finds them, so one processor's record may come late. Records are held until others are
    ``span`` nanoseconds younger. What shares a time stays in the order it came in.
    """

    def __init__(self, span: int = 200_000_000) -> None:
        self._span = span
        self._held: list[Record] = []
        self._newest = 0

    def add(self, record: Record) -> None:
        """Hold a record."""
        self._held.append(record)
        self._newest = max(self._newest, record.time)

    def ready(self, *, all: bool = False) -> Iterable[Record]:
        """Those that nothing can come before any more; at the end, ``all``."""
        if not self._held:
            return ()
        self._held.sort(key=lambda record: record.time)
        if all:
            ripe, self._held = self._held, []
            return ripe
        limit = self._newest - self._span
        count = next((i for i, record in enumerate(self._held) if record.time > limit), len(self._held))
        ripe, self._held = self._held[:count], self._held[count:]
        return ripe


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Whole lines of what is read in pieces; an unfinished last one is left out."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in whole)
