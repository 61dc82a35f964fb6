# SPDX-License-Identifier: GPL-2.0-or-later
"""Completion: by real shells, and how long the program takes to answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import shells
from conftest import Cli
from shells import LINES

from quicctl import completion, process
from quicctl.cli.app import COMMANDS
from quicctl.completion import Shell


def asked(*words: str, **env: str) -> list[str]:
    """What the program answers to bash."""
    env = {**os.environ, "_QUICCTL_COMPLETE": "complete_bash", "COMP_WORDS": "\n".join(words)} | env
    env["COMP_CWORD"] = str(len(words) - 1)
    argv = [sys.executable, "-m", "quicctl"]
    script = "import sys; sys.argv[0] = 'quicctl'; from quicctl.cli.app import main; main()"
    done = subprocess.run([argv[0], "-c", script], env=env, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("shell", list(Shell))
def test_shell_completes(tmp_path: Path, shell: Shell) -> None:
    if process.which(shell.value) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "completions" / completion.FILES[shell]
    script.parent.mkdir()
    script.write_text(completion.script(shell))
    (tmp_path / "some-module.ko").touch()
    program = f"{sys.executable} -c 'from quicctl.cli.app import main; main()'"
    found = shells.called_with(shell.value, script, program, list(LINES), tmp_path)
    assert dict(zip(LINES, (text.strip() for text in found), strict=True)) == LINES


def test_all_commands_are_offered_and_none_is_imported() -> None:
    assert asked("quicctl", "") == list(COMMANDS)
    script = (
        "import os, sys\n"
        "os.environ |= {'_QUICCTL_COMPLETE': 'complete_bash', 'COMP_WORDS': 'quicctl ', 'COMP_CWORD': '1'}\n"
        "from quicctl.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('\\n'.join(name for name in sys.modules if name.startswith('quicctl.')), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stderr.split())
    assert loaded == {"quicctl.cli", "quicctl.cli.app", "quicctl.cli.output", "quicctl.errors"}


def test_kernels_and_namespaces_are_those_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from quicctl import netns
    from quicctl.cli import complete

    monkeypatch.setattr(netns, "names", lambda: ("web", "work"))
    assert complete.namespaces("we") == ["web"]
    (tmp_path / "6.12.0-1").mkdir()
    monkeypatch.setattr(complete, "Path", lambda _: tmp_path)
    assert complete.kernels("6.") == ["6.12.0-1"]
    monkeypatch.setattr(complete, "Path", lambda _: tmp_path / "none")
    assert complete.kernels("") == []


@pytest.mark.parametrize("words", [("ha",), ("config", "get", "quic_"), ("vm", "run", "--where", ""), ("selftest", "ku")])
def test_answer_comes_before_a_finger_is_off_the_key(words: tuple[str, ...]) -> None:
    """In a few times what the interpreter takes for itself: a wall clock says little on a busy machine."""

    def fastest(call: object) -> float:
        times = []
        for _ in range(5):
            began = time.perf_counter()
            call()  # type: ignore[operator]
            times.append(time.perf_counter() - began)
        return min(times)

    bare = fastest(lambda: subprocess.run([sys.executable, "-c", "import argparse, subprocess, typing, pathlib"], check=True))
    ours = fastest(lambda: asked("quicctl", *words))
    assert ours < max(0.3, 6 * bare), f"{ours:.3f} s against {bare:.3f} s"


@pytest.mark.parametrize("shell", list(Shell))
def test_command_prints_the_script(cli: Cli, shell: Shell) -> None:
    assert cli("completion", shell.value).stdout == completion.script(shell)
    told = json.loads(cli("completion", shell.value, "--json").stdout)
    assert told == {"shell": shell.name.lower(), "file": completion.FILES[shell], "text": completion.script(shell)}
    assert cli("completion", "csh").returncode == 2
