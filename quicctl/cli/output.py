# SPDX-License-Identifier: GPL-2.0-or-later
"""The only place that prints: results to stdout, progress and errors to stderr.

A result is a dataclass. With ``--json`` its fields are printed as they are; else the command's own tables, drawn on a
terminal and as aligned plain text in a pipe. NO_COLOR is respected.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import io
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TextIO

from quicctl import errors

_NUMBER = re.compile(r"-?\d[\d.,]*( (%|s|ms|us|B|[KMG]i?B)(/s)?)?")
_KEYWORD = re.compile(r"`(\w+)`")
_OPTIONS = {"server_name": "servername"}
"""Those that are called otherwise on the command line."""
_NARROW = 120
"""Columns of a terminal that tables with two columns of sentences do without."""
_STYLES = {"ok": "green", "pass": "green", "warn": "yellow", "skip": "yellow", "fail": "bold red"}


@dataclass(frozen=True, slots=True)
class Table:
    """A table to show; ``columns`` may be empty for a list of names and values.

    One that ``folds`` shows its last column below the one before where the terminal is narrow. ``spare`` columns are left
    out there, the last of them first.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    folds: bool = False
    spare: Sequence[str] = ()


def show(
    result: Any,
    *,
    json: bool = False,
    render: Callable[[Any], Iterable[Table]] | None = None,
    aside: bool = False,
) -> None:
    """Print a command's result: a dataclass or a sequence of them.

    ``aside`` sends it to stderr, for a command whose stdout carries data.
    """
    stream = sys.stderr if aside else sys.stdout
    if json:
        from json import dumps

        line(dumps(to_json(result), indent=2), stream)
        return
    for table in (render or default_tables)(result):
        show_table(table, stream)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around what writes a file, or below a folder, that was named on the command line; raises FileUnwritable, NoSpace."""
    try:
        yield
    except OSError as failure:
        place = failure.filename or path
        if failure.errno in (errno.ENOSPC, errno.EDQUOT):
            raise errors.NoSpace(f"the disk of {place} is full", remedy="make room and try again") from failure
        raise errors.FileUnwritable(
            f"{place} cannot be written: {failure.strerror}", remedy="check the path and its permissions"
        ) from failure


def check_writable(*paths: Path | None) -> None:
    """Find out before long work whether its results can be left in these files; raises FileUnwritable."""
    for path in filter(None, paths):
        with writing(path):
            path.open("ab").close()


def show_plan(steps: Sequence[str], *, json: bool = False) -> None:
    """Print what --dry-run would do, a line a step."""
    if json:
        from json import dumps

        line(dumps({"would": list(steps)}, indent=2))
        return
    for step in steps:
        line(step)


def show_table(table: Table, stream: TextIO | None = None) -> None:
    """Print one table, to stdout if nothing else is said."""
    stream = stream or sys.stdout
    if stream.isatty():
        _draw(table, stream)
    else:
        _write_plain(table, stream)


def line(text: str, stream: TextIO | None = None) -> None:
    """Print a line of a result."""
    print(text, file=stream or sys.stdout)


def progress(text: str) -> None:
    """Say what is going on."""
    print(text, file=sys.stderr, flush=True)


def show_error(error: errors.QuicctlError) -> None:
    """Print an error with its detail and remedy."""
    stream = sys.stderr
    if error.detail:
        print("\n".join("  | " + text for text in error.detail.splitlines()), file=stream)
    print(f"{paint('error:', '1;31', stream)} {error.message}", file=stream)
    if error.remedy:
        print(f"{paint('remedy:', '1;32', stream)} {_KEYWORD.sub(_option, error.remedy)}", file=stream)
    stream.flush()


def _option(keyword: re.Match[str]) -> str:
    """A keyword of the library as the option of the commands."""
    return "--" + _OPTIONS.get(keyword[1], keyword[1].replace("_", "-"))


def paint(text: str, code: str, stream: TextIO) -> str:
    """Colour the text if the stream shows colours."""
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\033[{code}m{text}\033[0m"


def to_json(value: Any) -> Any:
    """The value in terms JSON knows; fields keep their names."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(item) for item in value]
    return value


def json_line(value: Any) -> str:
    """The value as JSON on one line, for results that come one after the other."""
    from json import dumps

    return dumps(to_json(value))


def default_tables(result: Any) -> list[Table]:
    """One row a field for a dataclass, one row an item for a sequence of them."""
    if isinstance(result, (list, tuple)):
        names = [field.name for field in dataclasses.fields(result[0])] if result else []
        return [Table("", [_label(n) for n in names], [[text(getattr(item, n)) for n in names] for item in result])]
    fields = dataclasses.fields(result)
    return [Table("", (), [[_label(field.name), text(getattr(result, field.name))] for field in fields])]


def text(value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, (list, tuple)):
        return ", ".join(text(item) for item in value) or "-"
    return str(value)


def duration(seconds: float) -> str:
    """A time as people read it."""
    if seconds >= 1:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} us"


def size(number: int) -> str:
    """A number of bytes as people read it."""
    value = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{number} B" if unit == "B" else f"{value:.3g} {unit}"


def take_any_text() -> None:
    """Names of files and peers' words need not fit the terminal's encoding: what does not is shown escaped, as stderr does."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def end_as_by_sigpipe() -> None:
    """As any filter ends when nobody reads it: quietly, and with a status that tells shells why."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)


def wants_meter() -> bool:
    """Whether somebody sees a line of progress, which does not get between data on the same terminal."""
    return sys.stderr is not None and sys.stderr.isatty() and not sys.stdout.isatty()


class Meter:
    """A line of progress on a terminal, rewritten a few times a second."""

    def __init__(self) -> None:
        self._began = self._last = time.monotonic()
        self._width = 0

    def __call__(self, moved: int, text: str) -> None:
        """Show the text, and the rate that the bytes moved so far make."""
        now = time.monotonic()
        if now - self._last < 0.5:
            return
        self._last = now
        text = f"{text}, {size(int(moved / (now - self._began)))}/s"
        self._write("\r" + text.ljust(self._width))
        self._width = len(text)

    def clear(self) -> None:
        """Take the line away."""
        if self._width:
            self._write("\r" + " " * self._width + "\r")

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def _label(name: str) -> str:
    return name.replace("_", " ")


def _draw(table: Table, stream: TextIO) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console(file=stream)
    if table.folds and console.width < _NARROW:
        table = _folded(table)
    for name in reversed(table.spare):
        if _width(table) > console.width:
            table = _without(table, name)
    drawn = RichTable(show_header=bool(table.columns))
    for index, column in enumerate(table.columns or [""] * max((len(row) for row in table.rows), default=0)):
        cells = [row[index] for row in table.rows if index < len(row)]
        # Numbers are compared by their lengths; a list of names and values is read from the left.
        are_numbers = bool(table.columns) and any(_NUMBER.fullmatch(cell) for cell in cells)
        right = are_numbers and all(cell == "-" or _NUMBER.fullmatch(cell) for cell in cells)
        drawn.add_column(column, overflow="fold", justify="right" if right else "left")
    for row in table.rows:
        drawn.add_row(*(f"[{_STYLES[cell]}]{cell}[/]" if cell in _STYLES else escape(cell) for cell in row))
    if table.title:
        # Not the table's own title, which would be wrapped to a narrow table's width.
        console.print(Text(table.title, style="table.title"))
    console.print(drawn)


def _folded(table: Table) -> Table:
    rows = [[*row[:-2], f"{row[-2]}\n-> {row[-1]}" if row[-1] else row[-2]] for row in table.rows]
    return Table(table.title, table.columns[:-1], rows)


def _width(table: Table) -> int:
    """Columns that the table takes, frames and all, if nothing is wrapped."""
    return 1 + sum(3 + max(map(len, cells)) for cells in zip(table.columns, *table.rows, strict=True))


def _without(table: Table, name: str) -> Table:
    at = list(table.columns).index(name)
    columns, *rows = [[*row[:at], *row[at + 1 :]] for row in (table.columns, *table.rows)]
    return dataclasses.replace(table, columns=columns, rows=rows)


def _write_plain(table: Table, stream: TextIO) -> None:
    rows = [list(table.columns), *table.rows] if table.columns else list(table.rows)
    if table.title:
        line(table.title, stream)
    count = max((len(row) for row in rows), default=0)
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(count)]
    for row in rows:
        line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip(), stream)
