# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections over time: the sockets of conns.py looked at again and again, with rates from one look to the next."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from quicctl import conns
from quicctl.conns import Conn, State


class Sort(enum.StrEnum):
    """What rows are ordered by; all but names and states from the largest down."""

    TRAFFIC = "traffic"
    SENT = "sent"
    RECEIVED = "received"
    RTT = "rtt"
    WINDOW = "window"
    FLIGHT = "flight"
    LOST = "lost"
    STREAMS = "streams"
    STATE = "state"
    PEER = "peer"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Row:
    """A connection, and what it did since the last look; None where it was not seen before or does not tell."""

    conn: Conn
    sent_rate: float | None = None
    """Bytes a second."""
    received_rate: float | None = None
    """Bytes a second."""
    lost_share: float | None = None
    """Packets found lost, of those sent meanwhile."""

    @property
    def streams(self) -> int | None:
        """Streams that are open, of all kinds."""
        opened, accepted = self.conn.streams_opened, self.conn.streams_accepted
        return None if opened is None or accepted is None else sum(opened) + sum(accepted)


@dataclass(frozen=True, slots=True)
class Sample:
    """One look."""

    time: float
    """Seconds since the epoch."""
    interval: float | None
    """Seconds since the last look; None for the first."""
    listeners: int
    rows: tuple[Row, ...]

    @property
    def sent_rate(self) -> float:
        """Bytes a second of all together."""
        return sum(row.sent_rate or 0.0 for row in self.rows)

    @property
    def received_rate(self) -> float:
        """Bytes a second of all together."""
        return sum(row.received_rate or 0.0 for row in self.rows)

    def count(self, state: State) -> int:
        """How many connections are in a state."""
        return sum(row.conn.state is state for row in self.rows)


_Key = tuple[str | None, int]


@dataclass(slots=True)
class Sampler:
    """Looks, and remembers the last look."""

    namespaces: Sequence[str] = ()
    ports: Sequence[int] = ()
    look: Callable[..., tuple[Conn, ...]] = field(default_factory=lambda: conns.conns)
    clock: Callable[[], float] = time.monotonic
    _before: dict[_Key, Conn] = field(default_factory=dict)
    _when: float | None = None

    def sample(self) -> Sample:
        """Look now; raises ModuleNotLoaded, NetnsMissing, NotRoot."""
        found = self.look(namespaces=self.namespaces, ports=self.ports)
        now = self.clock()
        elapsed = None if self._when is None else now - self._when
        alive = [conn for conn in found if conn.state is not State.LISTENING]
        rows = tuple(_row(conn, self._before.get(_key(conn)), elapsed) for conn in alive)
        self._before = {_key(conn): conn for conn in alive}
        self._when = now
        return Sample(time.time(), elapsed, len(found) - len(alive), rows)


def ordered(rows: Sequence[Row], sort: Sort, *, reverse: bool = False) -> list[Row]:
    """The rows by a key, equal ones by their peer; what is not known comes last."""
    by_name = sorted(rows, key=lambda row: (row.conn.netns or "", row.conn.peer or "", row.conn.local))
    if sort in (Sort.PEER, Sort.LOCAL, Sort.STATE):
        return sorted(by_name, key=lambda row: str(getattr(row.conn, sort.value) or ""), reverse=reverse)
    known = [row for row in by_name if _value(row, sort) is not None]
    unknown = [row for row in by_name if _value(row, sort) is None]
    return sorted(known, key=lambda row: (_value(row, sort) or 0.0) * (1 if reverse else -1)) + unknown


def _key(conn: Conn) -> _Key:
    """The cookie is never used twice; an inode is, but only /proc leaves us with it."""
    return conn.netns, conn.inode if conn.cookie is None else conn.cookie


def _row(conn: Conn, before: Conn | None, elapsed: float | None) -> Row:
    if before is None or not elapsed:
        return Row(conn)
    sent = _grown(conn.bytes_sent, before.bytes_sent)
    received = _grown(conn.bytes_received, before.bytes_received)
    packets = _grown(conn.packets_sent, before.packets_sent)
    lost = _grown(conn.packets_lost, before.packets_lost)
    return Row(
        conn,
        sent_rate=None if sent is None else sent / elapsed,
        received_rate=None if received is None else received / elapsed,
        lost_share=None if lost is None or packets is None else min(1.0, lost / packets) if packets else 0.0,
    )


def _grown(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else max(0, after - before)


def _value(row: Row, sort: Sort) -> float | None:
    match sort:
        case Sort.TRAFFIC:
            return None if row.sent_rate is None else row.sent_rate + (row.received_rate or 0.0)
        case Sort.SENT:
            return row.sent_rate
        case Sort.RECEIVED:
            return row.received_rate
        case Sort.RTT:
            return row.conn.rtt
        case Sort.WINDOW:
            return row.conn.congestion_window
        case Sort.FLIGHT:
            return row.conn.bytes_in_flight
        case Sort.LOST:
            return row.lost_share
        case _:
            return row.streams
