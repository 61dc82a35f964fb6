# SPDX-License-Identifier: GPL-2.0-or-later
"""What every command keeps to, whoever wrote it: help, --json, --dry-run, narrow terminals, pipes, no colours."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from conftest import Cli

from quicctl.cli.app import COMMANDS, app

# A guest's shell and an agent have no result.
WITHOUT_JSON = {"vm shell", "tlshd"}
CHANGES_THINGS = {
    "sign", "install", "uninstall", "load", "unload", "reload", "config set", "config profile", "config persist",
    "config forget", "package deb", "package rpm", "package arch", "package dkms", "package kmm", "package ansible",
    "package tree", "man", "offload", "trace",
}  # fmt: skip
# Those that end at once and change nothing, whether there is a module or not.
HARMLESS = (
    ("doctor",), ("status",), ("config", "list"), ("config", "profile"), ("config", "get", "quic_mem"),
    ("config", "profile", "server", "--persist", "--dry-run"), ("config", "persist", "--dry-run"), ("unload", "--dry-run"),
    ("package", "deb", "--no-build", "--dry-run"), ("package", "kmm", "--dry-run"), ("package", "dkms", "--dry-run"),
    ("man", "--dry-run"), ("completion", "bash"),
)  # fmt: skip


def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if not inner:
        yield name, command
    for each, one in (inner or {}).items():
        yield from walk(f"{name} {each}", one)


def everything() -> dict[str, Any]:
    program: Any = typer.main.get_command(app)
    context = program.make_context("quicctl", [], resilient_parsing=True)
    return {path: one for name in COMMANDS for path, one in walk(name, program.get_command(context, name))}


ALL = everything()


@pytest.mark.parametrize("name", ALL)
def test_command_is_explained_with_an_example(name: str) -> None:
    help_ = ALL[name].help
    examples = re.findall(r"Example: (.+)", help_)
    assert len(help_.split(".")[0]) > 10
    assert any(f"quicctl {name}" in example for example in examples), "an example shows the command itself"


@pytest.mark.parametrize("name", ALL)
def test_options_are_explained_and_those_of_all_commands_are_there(name: str) -> None:
    params = ALL[name].params
    names = {option for param in params for option in param.opts}
    for param in params:
        assert param.help, param.name
        assert param.help.endswith((".", "!")), param.name
    assert ("--json" in names) == (name not in WITHOUT_JSON)
    assert ("--dry-run" in names) == (name in CHANGES_THINGS)


@pytest.mark.parametrize("words", HARMLESS, ids=" ".join)
def test_json_is_json_and_nothing_else(cli: Cli, words: tuple[str, ...]) -> None:
    done = cli(*words, "--json")
    assert done.returncode in (0, 1), done.stderr
    json.loads(done.stdout)


@pytest.mark.parametrize("words", HARMLESS, ids=" ".join)
def test_a_pipe_gets_plain_text_whatever_the_columns(cli: Cli, words: tuple[str, ...]) -> None:
    shown = {cli(*words, COLUMNS=columns, FORCE_COLOR="1").stdout for columns in ("40", "200")}
    changing = words in (("doctor",), ("status",), ("config", "profile"))  # with the machine's memory, for one
    assert len(shown) == 1 or changing, "the width of a terminal is nothing to a pipe"
    for text in shown:
        assert text
        assert "\033" not in text
        assert "│" not in text
        assert "┃" not in text


def on_terminal(columns: int, *words: str, **env: str) -> str:
    """What is drawn on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    clean = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")}
    argv = [sys.executable, "-m", "quicctl", *words]
    child = subprocess.Popen(argv, stdout=theirs, stderr=theirs, env=clean | {"TERM": "xterm-256color"} | env)
    os.close(theirs)
    drawn = b""
    try:
        while piece := os.read(ours, 65536):
            drawn += piece
    except OSError:
        pass
    os.close(ours)
    assert child.wait(60) in (0, 1), drawn.decode()
    return drawn.decode()


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("words", [each for each in HARMLESS if each[0] in ("doctor", "status", "config")], ids=" ".join)
def test_tables_fit_the_terminal(words: tuple[str, ...], columns: int) -> None:
    drawn = on_terminal(columns, *words, NO_COLOR="1")
    assert not re.search(r"\033\[[\d;]*3[0-7]m", drawn), "NO_COLOR"
    for line in re.sub(r"\033\[[\d;]*m", "", drawn).splitlines():
        if line.startswith(("┃", "│", "┏", "└", "├", "┡", "┌")):
            assert len(line) <= columns, line


def test_colours_are_there_when_they_are_wanted() -> None:
    assert re.search(r"\033\[[\d;]*3[0-7]m", on_terminal(80, "doctor"))


@pytest.mark.parametrize("words", [("doctor",), ("status",)], ids=" ".join)
def test_terminal_without_unicode_gets_the_same_table(words: tuple[str, ...]) -> None:
    drawn = on_terminal(80, *words, PYTHONIOENCODING="latin-1")
    assert "kernel" in drawn
    assert "Traceback" not in drawn
    assert all(len(line) <= 80 for line in re.sub(r"\033\[[\d;]*m", "", drawn).splitlines())


def test_name_that_is_no_text_is_shown_all_the_same(cli: Cli, tmp_path: Path) -> None:
    """Names of files are bytes."""
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    done = cli("package", "dkms", "--dry-run", "--out", folder)
    assert done.returncode == 0, done.stderr
    assert "\\udcff/" in done.stdout


def test_overview_fits_eighty_columns(cli: Cli) -> None:
    for words in ((), *((name,) for name in COMMANDS)):
        assert max(len(line) for line in cli(*words, "--help", COLUMNS="80").stdout.splitlines()) <= 80, words


@pytest.mark.parametrize("words", [("doctor",), ("config", "list")], ids=" ".join)
def test_reader_that_goes_away_is_no_trouble(words: tuple[str, ...]) -> None:
    argv = ["sh", "-c", '"$@" | true', "sh", sys.executable, "-m", "quicctl", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
