# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl top``: rates, order, columns; and the screen, on a terminal of our own, with connections that are made up."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Cli

from quicctl import conns, module, top
from quicctl.cli import top as command
from quicctl.conns import Conn, State
from quicctl.top import Row, Sample, Sampler, Sort

WIDE = "[2001:db8:1111:2222:3333:4444:5555:6666]:65000"


def conn(cookie: int, **values: object) -> Conn:
    whole = {
        "state": State.ESTABLISHED, "role": "client", "local": f"10.0.0.1:{40000 + cookie}", "peer": f"10.0.0.{cookie}:443",
        "netns": None, "uid": 0, "inode": 1, "rx_queue": 0, "tx_queue": 0, "cookie": cookie, "rtt": 0.01 * cookie,
        "congestion_window": 14720, "bytes_in_flight": 100, "packets_sent": 100, "bytes_sent": 1000, "bytes_received": 2000,
        "packets_lost": 1, "streams_opened": (1, 2), "streams_accepted": (3, 4), "congestion": "cubic",
    }  # fmt: skip
    return Conn(**(whole | values))  # type: ignore[arg-type]


LISTENER = Conn(State.LISTENING, None, "0.0.0.0:443", None, None, 0, 2, 0, 0)


def sampler(*looks: tuple[Conn, ...]) -> Sampler:
    """One that sees these, a look every two seconds."""
    queue, times = iter(looks), iter(range(0, 100, 2))
    return Sampler(look=lambda **_: next(queue), clock=lambda: float(next(times)))


def test_rates_are_those_since_the_last_look() -> None:
    grown = conn(1, bytes_sent=5000, bytes_received=2000, packets_sent=140, packets_lost=5)
    seen = sampler((conn(1), LISTENER), (grown, LISTENER))
    first, second = seen.sample(), seen.sample()
    assert (first.interval, first.listeners, first.rows) == (None, 1, (Row(conn(1)),))
    assert second.interval == 2
    assert second.rows == (Row(grown, sent_rate=2000, received_rate=0, lost_share=0.1),)
    assert (second.sent_rate, second.received_rate) == (2000, 0)
    assert second.rows[0].streams == 10


def test_a_new_connection_has_no_rates_and_is_not_taken_for_an_old_one() -> None:
    seen = sampler((conn(1),), (conn(2, bytes_sent=9000), conn(1, netns="web")))
    seen.sample()
    assert all(row.sent_rate is None for row in seen.sample().rows)


def test_a_module_without_sock_diag_tells_no_rates() -> None:
    bare = Conn(State.ESTABLISHED, None, "10.0.0.1:1", "10.0.0.2:2", None, 0, 77, 0, 0)
    seen = sampler((bare,), (bare,))
    seen.sample()
    (row,) = seen.sample().rows
    assert (row.sent_rate, row.lost_share, row.streams) == (None, None, None)
    assert [column.value(row) for column in command._COLUMNS if column.title in ("rtt", "lost", "sent/s")] == ["-", "-", "-"]


def test_order() -> None:
    closing = conn(4, state=State.CLOSING)
    rows = [Row(conn(1), 10.0, 0.0, 0.5), Row(conn(2), 30.0, 5.0, 0.0), Row(conn(3)), Row(closing, 1.0, 99.0)]

    def order(sort: Sort, **how: bool) -> list[int | None]:
        return [row.conn.cookie for row in top.ordered(rows, sort, **how)]

    assert order(Sort.TRAFFIC) == [4, 2, 1, 3]
    assert order(Sort.TRAFFIC, reverse=True) == [1, 2, 4, 3], "what is not known stays last"
    assert order(Sort.SENT) == [2, 1, 4, 3]
    assert order(Sort.RTT) == [4, 3, 2, 1]
    assert order(Sort.LOST) == [1, 2, 3, 4]
    assert order(Sort.PEER) == [1, 2, 3, 4]
    assert order(Sort.STATE) == [4, 1, 2, 3]
    assert sorted(order(Sort.STREAMS)) == [1, 2, 3, 4]


@pytest.mark.parametrize("width", [20, 40, 80, 120, 200])
def test_columns_fit(width: int) -> None:
    sample = Sample(0.0, 1.0, 1, (Row(conn(1), 10.0, 0.0, 0.5),))
    chosen = command._columns(sample, width)
    assert sum(column.width for column in chosen) + 2 * (len(chosen) - 1) <= max(width, 21)
    assert "peer" in [column.title for column in chosen]
    if width >= 80:
        assert {"state", "rtt", "lost", "sent/s", "recv/s"} <= {column.title for column in chosen}
    assert len(command._summary(sample, width)) <= width


def test_namespaces_have_a_column_if_there_are_any() -> None:
    for netns in (None, "web"):
        sample = Sample(0.0, 1.0, 1, (Row(conn(1, netns=netns)),))
        assert ("netns" in [column.title for column in command._columns(sample, 80)]) == (netns is not None)


# The command, with connections that are made up.

SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from quicctl import conns
from test_top import LISTENER, WIDE, conn
looks = 0
def look(**_):
    global looks
    looks += 1
    return tuple(
        conn(n, bytes_sent=1000 * looks * n, packets_sent=100 + 10 * looks, packets_lost=looks,
             peer=WIDE if n == 7 else f"10.0.0.{{n}}:443")
        for n in range(1, {number} + 1)
    ) + (LISTENER,)
conns.conns = look
from quicctl.cli.app import app
app({words!r}, prog_name="quicctl")
"""


def script(number: int, *words: str) -> list[str]:
    return [sys.executable, "-c", SCRIPT.format(tests=str(Path(__file__).parent), number=number, words=["top", *words])]


def test_in_a_pipe_a_table_is_printed_for_each_look() -> None:
    argv = script(2, "--count", "2", "--interval", "0.2")
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    blocks = done.stdout.split("\n\n")
    assert "\033" not in done.stdout
    assert len(blocks) == 3 and not blocks[2]
    assert "2 connections, 2 established  1 listener" in blocks[0]
    assert re.search(r"10\.0\.0\.2:443 .* 10.0 % +[\d.]+ KiB ", blocks[1])
    assert blocks[1].index("10.0.0.2:443") < blocks[1].index("10.0.0.1:443"), "by traffic"


def test_json_is_an_object_a_line() -> None:
    done = subprocess.run(
        script(1, "--json", "--count", "3", "--interval", "0.1"), capture_output=True, text=True, timeout=60, check=True
    )
    first, _, last = map(json.loads, done.stdout.splitlines())
    assert first["interval"] is None
    assert last["interval"] == pytest.approx(0.1, abs=0.09)
    (one,) = last["connections"]
    assert {field.name for field in conns.Conn.__dataclass_fields__.values()} <= set(one)
    assert one["sent_rate"] == pytest.approx(1000 / last["interval"])
    assert (one["lost_share"], last["listeners"]) == (0.1, 1)


class Terminal:
    """A terminal with a program in its foreground."""

    def __init__(self, argv: list[str], columns: int = 80, rows: int = 24, **env: str) -> None:
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            size = struct.pack("HHHH", rows, columns, 0, 0)
            fcntl.ioctl(0, termios.TIOCSWINSZ, size)
            clean = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
            os.execve(argv[0], argv, clean | {"TERM": "xterm-256color"} | env)
        self.text = ""

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def until(self, wanted: str) -> str:
        """Read until the text has come, and forget what came so far."""
        deadline = time.monotonic() + 60
        while wanted not in self.text:
            assert time.monotonic() < deadline, self.text
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    self.text += os.read(self.master, 65536).decode(errors="replace")
                except OSError:
                    break
        assert wanted in self.text
        seen, self.text = self.text, ""
        return seen

    def end(self) -> tuple[int, str]:
        """Its status, and what it still said."""
        with contextlib.suppress(OSError):
            while piece := os.read(self.master, 65536):
                self.text += piece.decode(errors="replace")
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status), self.text

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)


@contextlib.contextmanager
def terminal(number: int, *words: str, columns: int = 80, rows: int = 24, **env: str) -> Iterator[Terminal]:
    opened = Terminal(script(number, "--interval", "0.3", *words), columns, rows, **env)
    try:
        yield opened
    finally:
        opened.close()


ENTER, LEAVE, CURSOR = "\033[?1049h", "\033[?1049l", "\033[?25h"


@pytest.mark.parametrize(
    ("how", "status"), [(b"q", 0), (b"\x03", 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["q", "^C", "TERM", "HUP"]
)
def test_the_screen_is_given_back_whatever_ends_it(how: bytes | signal.Signals, status: int) -> None:
    with terminal(3) as screen:
        modes = termios.tcgetattr(screen.master)
        screen.until(ENTER)
        screen.until("q quit")
        assert not termios.tcgetattr(screen.master)[3] & termios.ECHO, "keys are not shown"
        if isinstance(how, bytes):
            screen.type(how)
        else:
            os.kill(screen.pid, how)
        screen.until(LEAVE)
        assert screen.end()[0] == status
        assert termios.tcgetattr(screen.master)[3] == modes[3]


def test_count_ends_the_live_view() -> None:
    with terminal(1, "--count", "2") as screen:
        screen.until(LEAVE)
        code, rest = screen.end()
        assert code == 0
        assert ENTER not in rest


def test_keys_change_the_order() -> None:
    with terminal(3) as screen:
        screen.until("by traffic")
        screen.type(b"s")
        screen.until("by sent")
        screen.type(b"r")
        screen.until("by sent, reversed")
        screen.type(b"q")


def test_it_follows_the_size_of_the_window() -> None:
    with terminal(30, columns=80, rows=24) as screen:
        seen = screen.until("q quit")
        assert "10 more" in seen
        assert "local" not in seen
        screen.resize(200, 50)
        seen = screen.until("retransm.") + screen.until("q quit")
        assert "more" not in seen
        assert WIDE in seen, "IPv6 has room"
        screen.type(b"q")


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_it_can_be_stopped_and_continued(tmp_path: Path) -> None:
    """By a shell: a program that nobody would continue is not stopped."""
    (tmp_path / "start").write_text(shlex.join(script(1)))
    shell = Terminal([str(shutil.which("bash")), "--norc", "--noprofile", "-i"], PS1="$ ")
    try:
        shell.type(f". {tmp_path / 'start'}\n".encode())
        shell.until("q quit")
        shell.type(b"\x1a")
        assert LEAVE in shell.until("Stopped")
        shell.type(b"fg\n")
        shell.until(ENTER)
        shell.until("q quit")
        shell.type(b"q")
        shell.until(LEAVE)
        shell.type(b"echo status=$?; exit\n")
        shell.until("status=0")
    finally:
        shell.close()


def test_no_color_means_none() -> None:
    with terminal(1, NO_COLOR="1") as screen:
        seen = screen.until("q quit")
        assert not re.search(r"\033\[[\d;]*3[0-7]m", seen)
        screen.type(b"q")


@pytest.mark.skipif(module.usable(), reason="the module is loaded here")
def test_without_the_module(cli: Cli) -> None:
    done = cli("top", "--count", "1")
    assert done.returncode == 24
    assert "quicctl load" in done.stderr


@pytest.mark.parametrize("words", [("--interval", "0"), ("--sort", "colour")])
def test_options_that_make_no_sense_are_refused(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli("top", *words).returncode == 2
