# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands start fast: guests under emulation pay every import twentyfold.

A wall clock says little on a busy machine, so what is imported is counted, and time is compared with the interpreter's own.
"""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from quicctl.cli.app import COMMANDS

HEAVY = ("rich", "pygments", "pydantic", "pyroute2", "elftools", "jinja2", "pytest", "asyncio", "ssl", "ctypes")


def imported_by(*words: str) -> set[str]:
    script = (
        "import sys; from quicctl.cli.app import app\n"
        f"try: app({list(words)!r}, prog_name='quicctl')\n"
        "except SystemExit: pass\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return {name.split(".")[0] for name in done.stderr.splitlines()}


def test_overview_imports_nothing_heavy() -> None:
    assert imported_by("--help").isdisjoint(HEAVY)


COMMANDS_OFTEN_USED = (
    "handshake", "status", "load", "unload", "reload", "demo", "bench", "doctor", "build", "inspect", "sign", "install",
    "uninstall", "config", "cat", "conns", "top",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS_OFTEN_USED)
def test_command_starts_without_what_it_may_not_need(command: str) -> None:
    allowed = {"ctypes"} if command in ("handshake", "cat", "demo") else set()
    assert imported_by(command, "--help").isdisjoint(set(HEAVY) - allowed)


def test_overview_names_every_command() -> None:
    done = subprocess.run([sys.executable, "-m", "quicctl", "--help"], capture_output=True, text=True, timeout=60, check=True)
    for name, summary in COMMANDS.items():
        assert name in done.stdout
        assert summary.split()[0] in done.stdout


def test_start_takes_few_times_what_the_interpreter_takes() -> None:
    def fastest(argv: list[str]) -> float:
        times = []
        for _ in range(5):
            began = time.perf_counter()
            subprocess.run(argv, check=True, capture_output=True, timeout=60)
            times.append(time.perf_counter() - began)
        return min(times)

    bare = fastest([sys.executable, "-c", "import argparse, subprocess, typing, pathlib"])
    ours = fastest([sys.executable, "-m", "quicctl", "handshake", "--help"])
    assert ours < 6 * bare, f"{ours:.3f} s against {bare:.3f} s"
