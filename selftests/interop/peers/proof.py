# SPDX-License-Identifier: GPL-2.0-or-later
"""That a peer's program cannot be told to do something, found out from the program itself whenever the test runs.

What a later version learns breaks the proof, and with it the test, which then has to be written.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from conftest import SLOW

from quicctl import peers


class Gap(Protocol):
    """What a peer cannot do."""

    @property
    def reason(self) -> str:
        """In words, for the table."""

    def check(self, root: peers.Root) -> None:
        """Fails if the program in this root might be able to."""


@dataclass(frozen=True, slots=True)
class Says:
    """What a program prints about itself has no line with such words."""

    program: str
    words: Sequence[str]
    without: str
    """Regular expression."""
    reason: str
    knows: str = "-"
    """What it must have printed, so that an error message is not taken for the list."""

    def check(self, root: peers.Root) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
        argv = [*root.command(self.program), *self.words]
        said = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
            timeout=30 * SLOW,
        ).stdout  # fmt: skip
        assert self.knows in said, said
        found = [line.strip() for line in said.splitlines() if re.search(self.without, line, re.IGNORECASE)]
        assert not found, f"it might be able to: {found}"


@dataclass(frozen=True, slots=True)
class Holds:
    """Of the names of a kind that a program's file holds, such as those of its directives, none is about the subject."""

    program: str
    kind: bytes
    """Regular expression; its group is the name."""
    without: bytes
    knows: bytes
    """A name that must be among them."""
    reason: str

    def check(self, root: peers.Root) -> None:
        path = next(p for folder in ("bin", "sbin") if (p := root.tree / "usr" / folder / self.program).exists())
        names = set(re.findall(self.kind, path.read_bytes()))
        assert self.knows in names, f"{len(names)} names, but not {self.knows!r}"
        found = [name for name in names if re.search(self.without, name, re.IGNORECASE)]
        assert not found, f"it might be able to: {found}"
