# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl top``."""

from __future__ import annotations

import dataclasses
import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from quicctl import top as library
from quicctl.cli import output
from quicctl.cli.options import JsonOption, NamespacesOption, PortsOption
from quicctl.conns import State
from quicctl.top import Row, Sample, Sampler, Sort

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

T = TypeVar("T")

_GAP = 2
_ADDRESS = 21
"""Columns of an IPv4 address with its port; the rest of a longer one is shown where there is room."""
_OPTIONAL = 8
"""Rank from which columns give way to whole addresses."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Column:
    """A column and when it gives way: those of the highest rank first."""

    title: str
    width: int
    rank: int
    value: Callable[[Row], str]
    sorts: Sort | None = None
    right: bool = True


_COLUMNS = (
    _Column("netns", 10, 1, lambda row: row.conn.netns or "-", right=False),
    _Column("local", _ADDRESS, 8, lambda row: row.conn.local, Sort.LOCAL, right=False),
    _Column("peer", _ADDRESS, 0, lambda row: row.conn.peer or "-", Sort.PEER, right=False),
    _Column("state", 12, 2, lambda row: row.conn.state.value, Sort.STATE, right=False),
    _Column("rtt", 8, 1, lambda row: _known(row.conn.rtt, output.duration), Sort.RTT),
    _Column("window", 9, 4, lambda row: _known(row.conn.congestion_window, output.size), Sort.WINDOW),
    _Column("in flight", 9, 6, lambda row: _known(row.conn.bytes_in_flight, output.size), Sort.FLIGHT),
    _Column("lost", 6, 3, lambda row: _known(row.lost_share, _share), Sort.LOST),
    _Column("sent/s", 9, 1, lambda row: _known(row.sent_rate, _rate), Sort.SENT),
    _Column("recv/s", 9, 1, lambda row: _known(row.received_rate, _rate), Sort.RECEIVED),
    _Column("streams", 7, 5, lambda row: output.text(row.streams), Sort.STREAMS),
    _Column("sent", 9, 9, lambda row: _known(row.conn.bytes_sent, output.size)),
    _Column("received", 9, 9, lambda row: _known(row.conn.bytes_received, output.size)),
    _Column("retransm.", 9, 10, lambda row: output.text(row.conn.frames_retransmitted)),
    _Column("cc", 5, 10, lambda row: row.conn.congestion or "-", right=False),
    _Column("alpn", 12, 11, lambda row: output.text(row.conn.alpn), right=False),
)


def top(
    interval: Annotated[float, typer.Option("--interval", "-d", metavar="S", help="Seconds from one look to the next.")] = 1.0,
    count: Annotated[int, typer.Option("--count", "-n", metavar="N", help="End after N looks; 0: never.")] = 0,
    sort: Annotated[
        Sort, typer.Option("--sort", "-o", metavar="KEY", help=f"Order of the connections: {', '.join(Sort)}.")
    ] = Sort.TRAFFIC,
    namespace: NamespacesOption = None,
    port: PortsOption = None,
    batch: Annotated[bool, typer.Option("--batch", "-b", help="Print a table for each look, as in a pipe.")] = False,
    json: JsonOption = False,
) -> None:
    """Show QUIC connections as they change: round-trip time, window, loss, rates, streams.

    On a terminal the keys are q to quit, s to sort by the next column, r to reverse the order. In a pipe, and with --batch,
    a table is printed for each look; with --json an object a line. Rates and loss are those since the last look.

    Example: quicctl top --sort rtt --netns web
    Example: quicctl top --json --interval 10 >> connections.jsonl
    """
    if not 0.1 <= interval <= 86400:
        raise typer.BadParameter("--interval takes 0.1 to 86400 seconds")
    sampler = Sampler(namespace or (), port or ())
    if json or batch or not (sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()):
        _print_all(sampler, interval, count, sort, json)
    else:
        _Screen(sampler, interval, count, sort).run()


def _print_all(sampler: Sampler, interval: float, count: int, sort: Sort, json: bool) -> None:
    looks = 0
    while True:
        began = time.monotonic()
        sample = sampler.sample()
        sample = dataclasses.replace(sample, rows=tuple(library.ordered(sample.rows, sort)))
        if json:
            from json import dumps

            output.line(dumps(_flat(sample)))
        else:
            columns = _columns(sample, None)
            rows = [[column.value(row) for column in columns] for row in sample.rows]
            output.show_table(output.Table(_summary(sample), [column.title for column in columns], rows))
            output.line("")
        sys.stdout.flush()
        looks += 1
        if looks == count:
            return
        time.sleep(max(0.0, began + interval - time.monotonic()))


def _flat(sample: Sample) -> dict[str, Any]:
    """A connection with its rates as one object, its fields those of conns --json."""
    connections = []
    for row in sample.rows:
        whole = output.to_json(row)
        connections.append(whole.pop("conn") | whole)
    return {
        "time": sample.time,
        "interval": sample.interval,
        "listeners": sample.listeners,
        "sent_rate": sample.sent_rate,
        "received_rate": sample.received_rate,
        "connections": connections,
    }


def _columns(sample: Sample, width: int | None) -> list[_Column]:
    """Those that fit, with whole addresses before rarer columns; all but empty ones where nothing limits them."""
    chosen = [
        column
        for column in _COLUMNS
        if (column.title != "netns" or any(row.conn.netns for row in sample.rows))
        and (column.title not in ("alpn", "cc") or any(column.value(row) != "-" for row in sample.rows))
    ]
    if width is None:
        return chosen
    wide = [
        dataclasses.replace(column, width=max(len(column.value(row)) for row in sample.rows))
        if column.title in ("local", "peer") and sample.rows
        else column
        for column in chosen
    ]
    for columns, least in ((wide, _OPTIONAL), (chosen, 1)):
        while _width(columns) > width and any(column.rank >= least for column in columns):
            columns.remove(max(columns, key=lambda column: column.rank))
        if _width(columns) <= width:
            return columns
    return chosen


def _width(columns: list[_Column]) -> int:
    return sum(column.width + _GAP for column in columns) - _GAP


def _summary(sample: Sample, width: int | None = None) -> str:
    connections = len(sample.rows)
    parts = [
        time.strftime("%H:%M:%S", time.localtime(sample.time)),
        f"{connections} connection{'' if connections == 1 else 's'}, {sample.count(State.ESTABLISHED)} established",
        f"{sample.listeners} listener{'' if sample.listeners == 1 else 's'}",
        f"out {_rate(sample.sent_rate)}/s, in {_rate(sample.received_rate)}/s",
    ]
    while width is not None and len(parts) > 1 and len("  ".join(parts)) > width:
        del parts[-2]
    return "  ".join(parts)


def _known(value: T | None, shown: Callable[[T], str]) -> str:
    return "-" if value is None else shown(value)


def _rate(bytes_a_second: float) -> str:
    return output.size(round(bytes_a_second))


def _share(share: float) -> str:
    percent = share * 100
    return "0 %" if not percent else f"{percent:.1f} %" if percent < 99.95 else "100 %"


class _Ended(Exception):
    """A key or a signal ends the display; its status is the command's."""

    def __init__(self, status: int = 0) -> None:
        super().__init__()
        self.status = status


class _Screen:
    """The live view: the alternate screen, keys without an echo, and both given back whatever ends it."""

    _SIGNALS = (signal.SIGWINCH, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP)

    def __init__(self, sampler: Sampler, interval: float, count: int, sort: Sort) -> None:
        self._sampler = sampler
        self._interval = interval
        self._count = count
        self._sort = sort
        self._reverse = False
        self._sample: Sample | None = None

    def run(self) -> None:
        """Show until a key, a signal or the count ends it."""
        from rich.console import Console
        from rich.live import Live

        self._sample = self._sampler.sample()  # what goes wrong is said on the normal screen
        console = Console()
        with _signals(self._SIGNALS) as wakeup:
            try:
                while True:
                    with (
                        _keys(sys.stdin.fileno()),
                        Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live,
                    ):
                        self._show(console, live, wakeup)
                    _stop()
            except _Ended as end:
                if end.status:
                    raise typer.Exit(end.status) from None
            except KeyboardInterrupt:
                return

    def _show(self, console: Console, live: Live, wakeup: int) -> None:
        """Returns when the user wants the shell for a moment."""
        looks = 1
        next_look = time.monotonic() + self._interval
        while True:
            live.update(self._render(console), refresh=True)
            if looks == self._count:
                raise _Ended
            # Keys and signals draw at once, and change nothing about when to look.
            timeout = max(0.0, next_look - time.monotonic())
            ready, _, _ = select.select([sys.stdin.fileno(), wakeup], [], [], timeout)
            if wakeup in ready:
                for number in os.read(wakeup, 64):
                    if number == signal.SIGTSTP:
                        return
                    if number in (signal.SIGTERM, signal.SIGHUP):
                        raise _Ended(128 + number)
            if sys.stdin.fileno() in ready:
                self._key(os.read(sys.stdin.fileno(), 64))
            if time.monotonic() >= next_look:
                self._sample = self._sampler.sample()
                looks += 1
                next_look = max(next_look + self._interval, time.monotonic())

    def _key(self, typed: bytes) -> None:
        if not typed or b"q" in typed or b"\x04" in typed:
            raise _Ended
        if b"s" in typed:
            order = list(Sort)
            self._sort = order[(order.index(self._sort) + 1) % len(order)]
        if b"r" in typed:
            self._reverse = not self._reverse

    def _render(self, console: Console) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        assert self._sample is not None
        width, height = console.size
        columns = _columns(self._sample, width)
        table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="reverse", collapse_padding=True)
        for column in columns:
            table.add_column(
                Text(column.title, style="bold" if column.sorts is self._sort else ""),
                justify="right" if column.right else "left", no_wrap=True, overflow="ellipsis",
                width=column.width,
            )  # fmt: skip
        rows = library.ordered(self._sample.rows, self._sort, reverse=self._reverse)
        room = max(0, height - 4)
        for row in rows[:room]:
            style = {State.ESTABLISHED: "", State.ESTABLISHING: "yellow"}.get(row.conn.state, "dim")
            table.add_row(*(Text(column.value(row)) for column in columns), style=style)
        hidden = len(rows) - room
        foot = f"by {self._sort.value}{', reversed' if self._reverse else ''}  q quit  s sort  r reverse"
        if hidden > 0:
            foot = f"{hidden} more  {foot}"
        return Group(
            Text(_summary(self._sample, width), no_wrap=True, overflow="ellipsis"), Text(""), table,
            Text(foot, style="dim", no_wrap=True, overflow="ellipsis"),
        )  # fmt: skip


@contextmanager
def _keys(terminal: int) -> Iterator[None]:
    """Keys come as they are pressed, unseen; as before afterwards."""
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


@contextmanager
def _signals(numbers: tuple[signal.Signals, ...]) -> Iterator[int]:
    """These signals are bytes in a pipe instead, whose reading end is given."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    old = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(old)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def _stop() -> None:
    """As Ctrl-Z stops any program; returns when it is continued."""
    handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTSTP)
    signal.signal(signal.SIGTSTP, handler)
