# SPDX-License-Identifier: GPL-2.0-or-later
"""Completion and manual pages as a package brings them: each shell of the distribution finds its own and completes by it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

import pytest
from conftest import TREE, apt

from quicctl import debroot
from quicctl.packaging import build

sys.path.insert(0, str(TREE / "selftests" / "quicctl"))
from shells import LINES

PLACES = {
    "bash": "/usr/share/bash-completion/completions/quicctl",
    "zsh": "/usr/share/zsh/vendor-completions/_quicctl",
    "fish": "/usr/share/fish/vendor_completions.d/quicctl.fish",
}


@pytest.fixture(scope="module")
def machine(debs: build.Packaged) -> Iterator[debroot.Session]:
    """A root of the oldest release that has what the tool needs, with the tool, shells, and what reads manual pages."""
    [deb] = [path for path in debs.packages if path.name.startswith("quicctl_") and path.suffix == ".deb"]
    shutil.copy(TREE / "selftests" / "quicctl" / "shells.py", debs.folder)
    with debroot.session(debroot.root("trixie", ()), debs.folder) as session:
        apt(session, "update")
        apt(session, "install", "zsh", "fish", "bash-completion", "mandoc", f"./{deb.name}")
        yield session


@pytest.mark.parametrize("shell", PLACES)
def test_shell_completes(machine: debroot.Session, shell: str) -> None:
    done = machine.run(["python3", "shells.py", shell, PLACES[shell], *LINES])
    assert dict(zip(LINES, (line.strip() for line in done.stdout.splitlines()), strict=True)) == LINES


def test_mandoc_finds_no_fault(machine: debroot.Session) -> None:
    script = (
        "for page in /usr/share/man/man1/quicctl*; do zcat $page >/tmp/$(basename $page .gz); done;"
        " mandoc -T lint -W warning /tmp/quicctl*.1"
    )
    assert machine.run(["sh", "-euc", script]).stdout == ""


def test_start_is_fast_there_too(machine: debroot.Session) -> None:
    script = (
        "import os, subprocess, time\n"
        "env = {**os.environ, '_QUICCTL_COMPLETE': 'complete_bash', 'COMP_WORDS': 'quicctl ha', 'COMP_CWORD': '1'}\n"
        "times = []\n"
        "for _ in range(5):\n"
        "    began = time.perf_counter()\n"
        "    subprocess.run(['quicctl'], env=env, check=True, capture_output=True)\n"
        "    times.append(time.perf_counter() - began)\n"
        "print(min(times))\n"
    )
    assert float(machine.run(["python3", "-c", script]).stdout) < 0.3 * 3, "three times what an idle machine takes at most"
