# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of quicctl share. They need no root, no network and no module."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run the command as a user would, in a folder of its own, with a cache of its own."""

    def run(*words: str | Path, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("QUICCTL_", "XDG_", "NO_COLOR", "FORCE_COLOR"))}
        clean |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "COLUMNS": "120", **env}
        argv = [sys.executable, "-m", "quicctl", *map(str, words)]
        return subprocess.run(argv, cwd=tmp_path, env=clean, input=stdin, capture_output=True, text=True, timeout=100)

    return run
