# SPDX-License-Identifier: GPL-2.0-or-later
"""Real shells, on a terminal of our own, whose completion is driven by keys: what a line has become is seen by running it.

A program of its own, too, for machines that have nothing else of this project: ``shells.py SHELL SCRIPT LINE...`` prints what
quicctl was called with for each line, a line each.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

READY = "ready-for-keys "
PATIENCE = 60.0

# What is typed, and what it has become when TAB was pressed.
LINES = {
    "quicctl ha": "handshake",
    "quicctl handshake --serv": "handshake --servername",
    "quicctl vm run --where u": "vm run --where uml",
    "quicctl bench --kernel 7": "bench --kernel 7",
    "quicctl config prof": "config profile",
    "quicctl config profile se": "config profile server",
    "quicctl config get quic_rm": "config get quic_rmem",
    "quicctl config set net.quic.quic_rm": "config set net.quic.quic_rmem",
    "quicctl selftest kun": "selftest kunit",
    "quicctl handshake --cc cu": "handshake --cc cubic",
    "quicctl top --sort win": "top --sort window",
    "quicctl man hands": "man handshake",
    "quicctl inspect some-mo": "inspect some-module.ko",
}

# In the place of quicctl: asked by a completion it is itself, run by the user it says with what.
WRAPPER = """#!/bin/sh
case "$_QUICCTL_COMPLETE" in
"") echo "called-with[$*]" ;;
*) exec {program} "$@" ;;
esac
"""

STARTS = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        # What bash-completion does when a command is completed for the first time.
        "PS1='{ready}'; . {script}\n",
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        "PS1='{ready}'; fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -D\n",
    ),
    "fish": (
        ["fish", "--no-config", "-i"],
        "set -g fish_autosuggestion_enabled 0; function fish_prompt; echo -n '{ready}'; end;"
        " set -p fish_complete_path {folder}\n",
    ),
}


def called_with(shell: str, script: Path, program: str, lines: list[str], folder: Path) -> list[str]:
    """What quicctl is called with for each line after TAB and Enter; ``folder`` is where the shell stands."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    wrapper = tools / "quicctl"
    wrapper.write_text(WRAPPER.format(program=program))
    wrapper.chmod(0o755)
    argv, start = STARTS[shell]
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(folder)
        env = {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(folder), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        env |= {name: value for name, value in os.environ.items() if name.startswith(("PYTHON", "FPATH"))}
        os.execvpe(argv[0], argv, env)
    terminal = _Terminal(master)
    try:
        terminal.settle()
        terminal.type(start.format(ready=READY, script=script, folder=script.parent))
        found = []
        for line in lines:
            terminal.until(re.escape(READY))
            terminal.type(f"{line}\t\r")
            found.append(terminal.until(r"called-with\[(.*?)\]"))
        return found
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(master)


class _Terminal:
    def __init__(self, master: int) -> None:
        self._master = master
        self._text = ""

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def settle(self) -> None:
        """Until the shell has said something and is quiet."""
        deadline = time.monotonic() + PATIENCE
        while self._read(1.0) or not self._text:
            if time.monotonic() > deadline:
                raise TimeoutError("the shell does not start")

    def until(self, pattern: str) -> str:
        """What the pattern's group matched; what came so far is forgotten."""
        deadline = time.monotonic() + PATIENCE
        while not (match := re.search(pattern, plain := self._plain())):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{pattern!r} does not come: {self._text!r}")
            self._read(0.2)
        self._text = plain[match.end() :]
        return match[1] if match.groups() else match[0]

    def _plain(self) -> str:
        return re.sub(r"\x1b(\[[0-9;?=>]*[a-zA-Z]|[()][A-Z0-9]|[=>]|\][^\x07\x1b]*(\x07|\x1b\\\\))", "", self._text)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        piece = os.read(self._master, 65536).decode(errors="replace")
        if re.search(r"\x1b\[0?c", piece):
            self.type("\x1b[?62c")  # fish asks what terminal this is, and waits for the answer
        self._text += piece
        return True


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "some-module.ko").touch()
        real = shutil.which("quicctl") or sys.exit("quicctl is not installed")
        for result in called_with(sys.argv[1], Path(sys.argv[2]), real, sys.argv[3:], Path(name)):
            print(result)
