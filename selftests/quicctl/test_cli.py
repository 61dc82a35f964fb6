# SPDX-License-Identifier: GPL-2.0-or-later
"""The command as a user meets it: messages, remedies, exit codes, output for people and for programs."""

from __future__ import annotations

import io
import json
import os
import platform
import re
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Cli
from test_modinfo import make_module

from quicctl import uapi
from quicctl.cli import output


def module_is_loaded() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM, uapi.IPPROTO_QUIC).close()
    except OSError:
        return False
    return True


needs_no_module = pytest.mark.skipif(module_is_loaded(), reason="the module is loaded here")
needs_compiler = pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler")


def refused(cli: Cli, code: int, *words: str | Path, **env: str) -> str:
    """Run a command that must fail politely: exit code, one message, one remedy, no traceback, nothing on stdout."""
    done = cli(*words, **env)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("error: ") == 1
    assert done.stderr.count("remedy: ") == 1
    assert "Traceback" not in done.stderr
    return done.stderr


@needs_no_module
def test_no_module(cli: Cli) -> None:
    assert "quicctl load" in refused(cli, 24, "handshake", "127.0.0.1:4433")
    assert "quicctl load" in refused(cli, 24, "cat", "127.0.0.1:4433")
    assert "quicctl load" in refused(cli, 24, "demo", "--inside")
    assert "quicctl load" in refused(cli, 24, "bench", "--where", "host") if shutil.which("gcc") else True


def test_bad_address(cli: Cli) -> None:
    assert "HOST:PORT" in refused(cli, 41, "handshake", "localhost")


def test_unresolvable_name(cli: Cli) -> None:
    assert "name.invalid" in refused(cli, 41, "handshake", "name.invalid:1")


def test_unreadable_file(cli: Cli, tmp_path: Path) -> None:
    text = refused(cli, 42, "handshake", "127.0.0.1:1", "--send", tmp_path / "missing")
    assert str(tmp_path / "missing") in text


def test_unwritable_file(cli: Cli, tmp_path: Path) -> None:
    assert "cannot be written" in refused(cli, 43, "handshake", "127.0.0.1:1", "--recv", tmp_path / "no" / "folder")


def test_server_without_certificate(cli: Cli) -> None:
    assert "--cert" in refused(cli, 44, "handshake", "--listen", "127.0.0.1:0")


def test_cat_needs_something_to_show_and_somewhere_to_write(cli: Cli) -> None:
    assert "--cert" in refused(cli, 44, "cat", "--listen", "127.0.0.1:0")
    assert "HOST:PORT" in refused(cli, 41, "cat", "localhost")


def test_nothing_built(cli: Cli) -> None:
    assert "quicctl build" in refused(cli, 20, "load")


def test_missing_module_file(cli: Cli, tmp_path: Path) -> None:
    assert "quicctl build" in refused(cli, 20, "load", tmp_path / "quic.ko")


def test_file_that_is_no_module(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "quic.ko").write_text("no")
    refused(cli, 21, "load", tmp_path / "quic.ko")


@needs_compiler
@pytest.mark.parametrize("command", ["load", "reload", "inspect", "sign", "install"])
def test_truncated_module(cli: Cli, tmp_path: Path, command: str) -> None:
    ko = make_module(tmp_path, vermagic=f"{platform.release()} SMP ")
    ko.write_bytes(ko.read_bytes()[:-100])
    root = ["--root", tmp_path, "--no-library"] if command == "install" else []
    assert "truncated" in refused(cli, 21, command, ko, *root)


@needs_compiler
def test_module_of_another_kernel(cli: Cli, tmp_path: Path) -> None:
    ko = make_module(tmp_path, vermagic="1.2.3-other SMP ")
    text = refused(cli, 22, "load", ko)
    assert "1.2.3-other" in text
    assert platform.release() in text
    assert ("quicctl build" if Path("/proc/modules").exists() else "quicctl vm") in text, "what helps here"


@needs_compiler
@pytest.mark.skipif(os.geteuid() == 0 or not Path("/proc/modules").exists(), reason="runs as root, or no modules here")
def test_not_root(cli: Cli, tmp_path: Path) -> None:
    ko = make_module(tmp_path, vermagic=f"{platform.release()} SMP ")
    assert "root" in refused(cli, 10, "load", ko)


@needs_compiler
def test_no_headers(cli: Cli) -> None:
    text = refused(cli, 13, "build", "--kernel", "9.9.9-none")
    assert "linux-headers-9.9.9-none" in text


def test_no_compiler(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "Makefile").touch()
    (tmp_path / "tree" / "include" / "config").mkdir(parents=True)
    (tmp_path / "tree" / "include" / "config" / "kernel.release").write_text("6.12.0\n")
    assert "gcc" in refused(cli, 12, "build", "--kdir", tmp_path / "tree", PATH="/nonexistent")


def test_folder_that_is_no_kernel_tree(cli: Cli, tmp_path: Path) -> None:
    refused(cli, 13, "build", "--kdir", tmp_path)


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("handshake",),
        ("handshake", "a:1", "--listen", "b:2"),
        ("handshake", "a:1", "--echo"),
        ("handshake", "a:1", "--retry"),
        ("handshake", "a:1", "--version", "3"),
        ("handshake", "--listen", "a:1", "--token", "file"),
        ("handshake", "a:1", "--cc", "vegas"),
        ("handshake", "a:1", "--timeout", "soon"),
        ("cat",),
        ("cat", "a:1", "--keep"),
        ("cat", "a:1", "--uni", "--datagrams"),
        ("cat", "a:1", "--idle-timeout", "0.5"),
        ("demo", "--size", "0"),
        ("bench", "-p", "sctp"),
    ],
)
def test_wrong_usage_ends_with_2(cli: Cli, words: tuple[str, ...]) -> None:
    done = cli(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(cli: Cli) -> None:
    done = cli("--debug", "handshake", "localhost")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_status_as_json_has_the_fields_of_the_library(cli: Cli) -> None:
    done = cli("status", "--json")
    assert done.returncode == 0
    assert set(json.loads(done.stdout)) == {"kernel", "loaded", "usable", "listeners", "connections", "counters"}


def test_version(cli: Cli) -> None:
    done = cli("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("quicctl ")


def test_doctor_has_a_verdict_and_a_remedy_a_row(cli: Cli) -> None:
    done = cli("doctor", "--json")
    rows = json.loads(done.stdout)["rows"]
    assert {"kernel", "compiler", "module", "GnuTLS", "make demo"} <= {row["subject"] for row in rows}
    assert all(row["verdict"] in ("ok", "warn", "fail") for row in rows)
    assert all(row["remedy"] for row in rows if row["verdict"] == "fail")
    assert done.returncode == (1 if any(row["verdict"] == "fail" for row in rows) else 0)


def test_piped_output_is_plain(cli: Cli) -> None:
    done = cli("status", FORCE_COLOR="1")
    assert "\033" not in done.stdout
    assert "│" not in done.stdout


# Rendering.


@dataclass(frozen=True, slots=True)
class Thing:
    a_name: str
    path: Path
    flag: bool
    raw: bytes
    parts: tuple[int, ...]


THING = Thing("x", Path("/p"), True, b"\x01\xff", (1, 2))


def test_json_keeps_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(THING, json=True)
    assert json.loads(capsys.readouterr().out) == {
        "a_name": "x", "path": "/p", "flag": True, "raw": "01ff", "parts": [1, 2],
    }  # fmt: skip


def test_plain_table_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    output.show([THING, THING])
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.index("path") == first.index("/p")
    assert first == second


def test_result_can_go_aside(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(THING, aside=True)
    seen = capsys.readouterr()
    assert seen.out == ""
    assert "a name" in seen.err


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    @property
    def text(self) -> str:
        return re.sub(r"\033\[[\d;]*m", "", self.getvalue())

    def isatty(self) -> bool:
        return True


def test_numbers_stand_under_each_other_on_a_terminal() -> None:
    stream = Terminal()
    rows = [["one", "5 B", "-"], ["two", "1.25 KiB", "12.5 ms"], ["10.0.0.1:443", "117 MiB", "3 %"]]
    output.show_table(output.Table("", ("name", "size", "time"), rows), stream)  # type: ignore[arg-type]
    cells = [line.split("│")[1:-1] for line in stream.text.splitlines() if line.startswith("│")]
    assert [row[1] for row in cells] == ["      5 B ", " 1.25 KiB ", "  117 MiB "]
    assert [row[2] for row in cells] == ["       - ", " 12.5 ms ", "     3 % "]
    assert all(row[0].startswith((" one", " two", " 10.")) for row in cells)


def test_title_is_not_wrapped_to_a_narrow_table() -> None:
    stream = Terminal()
    output.show_table(output.Table("a title of many words [and brackets]", ("x",), [["y"]]), stream)  # type: ignore[arg-type]
    assert stream.text.splitlines()[0] == "a title of many words [and brackets]"


@pytest.mark.parametrize(("columns", "titles"), [(200, "state peer mss window"), (44, "state peer window"), (20, "state peer")])
def test_columns_that_can_be_spared_go_before_anything_is_wrapped(
    monkeypatch: pytest.MonkeyPatch, columns: int, titles: str
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = Terminal()
    rows = [["open", "192.168.100.200:45047", "64 KiB", "128 KiB"], ["open", "-", "-", "-"]]
    table = output.Table("", ("state", "peer", "mss", "window"), rows, spare=("window", "mss"))
    output.show_table(table, stream)  # type: ignore[arg-type]
    assert re.findall(r"[a-z]+", stream.text.splitlines()[1]) == titles.split()
    assert ("192.168.100.200:45047" in stream.text) is (columns > 20), "what cannot be spared is wrapped"


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert output.paint("x", "31", Terminal()) == "\033[31mx\033[0m"  # type: ignore[arg-type]
    monkeypatch.setenv("NO_COLOR", "1")
    assert output.paint("x", "31", Terminal()) == "x"  # type: ignore[arg-type]


@pytest.mark.parametrize(("columns", "below"), [(80, True), (200, False)])
def test_remedies_go_below_what_was_found_where_there_is_no_room_beside(
    monkeypatch: pytest.MonkeyPatch, columns: int, below: bool
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = Terminal()
    found, remedy = "not found: CONFIG_CRYPTO_CHACHA20POLY1305", "install the kernel's full package"
    rows = [["warn", "ciphers", found, remedy], ["ok", "x", "y", ""]]
    output.show_table(output.Table("", ("", "subject", "found", "remedy"), rows, folds=True), stream)  # type: ignore[arg-type]
    lines = stream.getvalue().splitlines()
    (upper,) = (number for number, line in enumerate(lines) if "CHACHA20POLY1305" in line)
    (lower,) = (number for number, line in enumerate(lines) if "full package" in line)
    assert (lower == upper + 1 and "-> install" in lines[lower]) if below else lower == upper
