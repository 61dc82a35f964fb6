# SPDX-License-Identifier: GPL-2.0-or-later
"""Tracing QUIC connections into qlog files, one for each connection, while they go on or from text that was kept."""

from __future__ import annotations

import contextlib
import datetime
import errno
import io
import itertools
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quicctl import conns, errors, netns, qlog, qvis, tracefs, tracepoints
from quicctl.qlog_frames import Data
from quicctl.tracepoints import Lost, Order, Record

DEFAULT_BUFFER_MIB = 16
_POLL_SECONDS = 0.02
_QUIET_SECONDS = 0.3
"""When a command has ended, its connections have so long to say something more."""
_LINGER_SECONDS = 3.0
_OPEN_FILES = 128
_FLUSH_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class TraceFile:
    """A file and what is in it. ``conn`` is the cookie of the socket, 0 for what belongs to no connection."""

    path: Path
    conn: int
    role: str
    events: int
    packets_sent: int
    packets_received: int
    packets_lost: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What was traced."""

    seconds: float
    connections: int
    records: int
    """Events of the kernel; those of qlog are counted with the files."""
    lost: int
    """Events that the kernel had no room for."""
    files: tuple[TraceFile, ...]
    status: int | None = None
    """How the command ended, if there was one."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a trace is."""

    seconds: float
    connections: int
    records: int
    lost: int


class _Writer:
    """A file of JSON texts (RFC 7464). It is open only while something is written, as there may be many of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pending = io.BytesIO()
        self._begun = False

    def add(self, record: Data) -> None:
        from json import dumps

        text = dumps(record, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        self._pending.write(b"\x1e" + text.encode("utf-8", "replace") + b"\n")
        if self._pending.tell() >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Raises NoSpace or FileUnwritable; whole records stay behind then, or none."""
        data = self._pending.getvalue()
        if not data:
            return
        whole = 0
        try:
            with self.path.open("ab" if self._begun else "wb", buffering=0) as stream:
                whole = stream.seek(0, os.SEEK_END)
                self._begun = True
                rest = memoryview(data)
                while rest:
                    rest = rest[stream.write(rest) :]
        except OSError as failure:
            with contextlib.suppress(OSError):
                if self._begun and whole:
                    os.truncate(self.path, whole)
                elif self._begun:
                    self.path.unlink()
            self._pending = io.BytesIO()
            if failure.errno in (errno.ENOSPC, errno.EDQUOT):
                raise errors.NoSpace(
                    f"the disk is full: {self.path}", remedy="make room, or name another folder"
                ) from failure
            raise errors.FileUnwritable(
                f"{self.path} cannot be written: {failure.strerror}", remedy="name another folder"
            ) from failure
        self._pending = io.BytesIO()


@dataclass(slots=True)
class _Trace:
    """A connection's mapping and its file."""

    mapper: qlog.Mapper
    writer: _Writer
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a connection before its file is opened; empty and 0: it is not."""

    role: str = ""
    peer: str = ""
    odcid: str = ""
    netns: int = 0


Lookup = Callable[[int], conns.Conn | None]


@dataclass(slots=True)
class Collector:
    """Sorts records by connection and writes each one's file into ``folder``.

    ``reference`` is the tracer's time, in nanoseconds, that counts as zero, and ``wall`` what the wall clock said then; without
    them it is the first record that counts. ``lookup`` finds a connection that was there before the trace; with ``netns``, the
    inode of a network namespace, what is not of that one is left out, and what belongs to no connection.
    """

    folder: Path
    reference: int | None = None
    wall: float | None = None
    for_qvis: bool = False
    lookup: Lookup | None = None
    conn: int | None = None
    netns: int | None = None
    records: int = 0
    lost: int = 0
    _order: Order = field(default_factory=Order)
    _traces: dict[int, _Trace] = field(default_factory=dict)
    _others: set[int] = field(default_factory=set)
    """Connections of other namespaces."""
    _last: int = 0

    @property
    def connections(self) -> int:
        """How many were seen."""
        return sum(1 for conn in self._traces if conn)

    def line(self, text: str) -> None:
        """Take a line of the tracer's output."""
        found = tracepoints.parse(text)
        if isinstance(found, Record):
            if self.conn in (None, found.conn):
                self._order.add(found)
        elif isinstance(found, Lost):
            self.lose(found.count or 1, found.cpu)

    def lose(self, count: int, cpu: int | None = None) -> None:
        """Events are missing; each file says so."""
        self.lost += count
        self.settle()
        where = "" if cpu is None else f" on processor {cpu}"
        for trace in self._traces.values():
            self._write(trace, [qlog.warning(self._last, f"the tracer lost {count} events{where}; larger --buffer helps")])

    def settle(self, *, end: bool = False) -> None:
        """Write what is in order by now; at the ``end``, all."""
        for record in self._order.ready(all=end):
            self._take(record)
        if end:
            for trace in self._traces.values():
                self._write(trace, trace.mapper.finish())
                trace.writer.flush()

    def files(self) -> tuple[TraceFile, ...]:
        """What was written."""
        return tuple(
            TraceFile(
                trace.writer.path, conn, trace.mapper.role, sum(trace.counts.values()),
                *(trace.counts.get(f"quic:packet_{what}", 0) for what in ("sent", "received", "lost")),
            )
            for conn, trace in self._traces.items()
        )  # fmt: skip

    def _take(self, record: Record) -> None:
        if record.conn in self._others:
            return
        known = self._known(record) if record.conn not in self._traces else None
        if known is not None and self.netns not in (None, known.netns):
            self._others.add(record.conn)
            return
        self.records += 1
        if self.reference is None:
            self.reference = record.time
        self._last = max(self._last, record.time)
        trace = self._traces.get(record.conn)
        if known is not None:
            trace = self._traces[record.conn] = self._open(record.conn, known)
        assert trace is not None
        self._write(trace, trace.mapper.events(record))

    def _write(self, trace: _Trace, events: Iterable[qlog.Event]) -> None:
        for event in events:
            made = event.to_json(self.reference or 0)
            trace.writer.add(qvis.event(made) if self.for_qvis else made)
            trace.counts[event.name] = trace.counts.get(event.name, 0) + 1

    def _known(self, record: Record) -> _Known:
        """What the first record of a connection tells of it, or else the look-up."""
        if record.name == "connection_started":
            f = record.fields
            return _Known(f["role"], f["peer"], f["odcid"], int(f.get("netns", "0")))
        found = self.lookup(record.conn) if self.lookup and record.conn else None
        if found is None:
            return _Known()
        # Whoever looks up looks into the one namespace.
        return _Known(found.role or "", found.peer or "", netns=self.netns or 0)

    def _open(self, conn: int, known: _Known) -> _Trace:
        mapper = qlog.Mapper(conn, known.role or "unknown")
        role, peer, name = known.role, known.peer, known.odcid
        role = role or "unknown"
        if conn:
            stem = "-".join(part for part in (name, role, str(conn)) if part)
            title = f"QUIC {role}, socket {conn}" + (f", peer {peer}" if peer else "")
        else:
            stem, title = "no-connection", "QUIC packets that belong to no connection"
        header = qlog.header(title=title, role=role, wall_clock=self._wall(), group=name or None)
        if self.for_qvis:
            header = qvis.header(header, round((self.wall or 0.0) * 1000, 3))
        writer = _Writer(self.folder / f"{stem}.sqlog")
        writer.add(header)
        return _Trace(mapper, writer)

    def _wall(self) -> str:
        moment = datetime.datetime.fromtimestamp(self.wall or 0.0, datetime.UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def convert(text: Path, folder: Path, *, for_qvis: bool = False, conn: int | None = None) -> Summary:
    """Turn kept text of the tracer, or of ``trace-cmd report``, into files.

    Raises FileUnreadable, NotATrace, NoSpace, FileUnwritable.
    """
    _make(folder)
    collector = Collector(folder, for_qvis=for_qvis, conn=conn)
    try:
        with text.open("rb") as stream:
            for number, line in enumerate(tracepoints.lines(itertools.chain(_chunks(stream), [b"\n"]))):
                collector.line(line)
                if number % 4096 == 0:
                    collector.settle()
    except OSError as failure:
        raise errors.FileUnreadable(f"{text} cannot be read: {failure.strerror}", remedy="name a file that can") from failure
    collector.settle(end=True)
    if not collector.records:
        raise errors.NotATrace(
            f"{text} has no events of QUIC", remedy="give it what trace_pipe or trace-cmd report printed of the events quic:*"
        )
    return Summary(0.0, collector.connections, collector.records, collector.lost, collector.files())


def _chunks(stream: Any) -> Iterator[bytes]:
    while chunk := stream.read(1 << 16):
        yield chunk


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise errors.FileUnwritable(
            f"{folder} cannot be made: {failure.strerror}", remedy="name another folder"
        ) from failure


def trace(
    folder: Path,
    *,
    command: Sequence[str] = (),
    duration: float | None = None,
    conn: int | None = None,
    namespace: str | None = None,
    buffer_mib: int = DEFAULT_BUFFER_MIB,
    for_qvis: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Summary:
    """Trace until ``command`` has ended, ``duration`` seconds are over, or ``stopped`` says so.

    All network namespaces are traced, or the connections of one. Raises NotRoot, NetnsMissing, TracingUnavailable,
    ModuleNotLoaded, ToolMissing (there is no such command), NoSpace, FileUnwritable.
    """
    inode = None if namespace is None else netns.inode(namespace)
    with tracefs.open_instance(buffer_kb=buffer_mib << 10, conn=conn) as instance:
        _make(folder)
        collector = Collector(
            folder, reference=time.clock_gettime_ns(time.CLOCK_MONOTONIC), wall=time.time(), for_qvis=for_qvis,
            lookup=lambda cookie: _lookup(cookie, namespace), conn=conn, netns=inode,
        )  # fmt: skip
        began = time.monotonic()
        instance.start()
        with _running(command) as child:
            lines = tracepoints.lines(_pieces(instance, _until(child, began, duration, stopped), collector, on_progress))
            for line in lines:
                collector.line(line)
            status = child.wait() if child else None
        missing = instance.overrun() - collector.lost
        if missing > 0:
            collector.lose(missing)
        collector.settle(end=True)
        seconds = time.monotonic() - began
    return Summary(seconds, collector.connections, collector.records, collector.lost, collector.files(), status)


def _until(
    child: subprocess.Popen[bytes] | None, began: float, duration: float | None, stopped: Callable[[], bool]
) -> Callable[[float], bool]:
    """Whether the trace is over, given the seconds of silence before."""
    ended: list[float] = []

    def over(silence: float) -> bool:
        now = time.monotonic()
        if stopped() or (duration is not None and now - began >= duration):
            return True
        if child is None or child.poll() is None:
            return False
        ended.append(now)
        return silence >= _QUIET_SECONDS or now - ended[0] >= _LINGER_SECONDS

    return over


def _pieces(
    instance: tracefs.Instance,
    over: Callable[[float], bool],
    collector: Collector,
    on_progress: Callable[[Progress], None] | None,
) -> Iterator[bytes]:
    """What the tracer says, until it is over and the rings are empty."""
    began = heard = shown = time.monotonic()
    draining = False
    while True:
        chunk = instance.read()
        now = time.monotonic()
        if chunk:
            heard = now
            yield chunk
        elif draining:
            return
        else:
            time.sleep(_POLL_SECONDS)
        if now - shown >= 0.1:
            shown = now
            collector.settle()
            if on_progress:
                on_progress(Progress(now - began, collector.connections, collector.records, collector.lost))
        if not draining and over(now - heard):
            instance.stop()
            draining = True


@contextlib.contextmanager
def _running(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes] | None]:
    """The command, on our own terminal; it does not outlive us."""
    if not command:
        yield None
        return
    try:
        child = subprocess.Popen(list(command))
    except OSError as failure:
        raise errors.ToolMissing(
            f"{command[0]} cannot be started: {failure.strerror}", remedy="name a program that exists"
        ) from failure
    try:
        yield child
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _lookup(cookie: int, namespace: str | None) -> conns.Conn | None:
    """The connection as sock_diag knows it, in one namespace, or in ours and any that has a name."""
    places = [(namespace,)] if namespace else [(), *((name,) for name in netns.names())]
    for place in places:
        with contextlib.suppress(errors.QuicctlError, OSError):
            for conn in conns.conns(namespaces=place):
                if conn.cookie == cookie:
                    return conn
    return None
