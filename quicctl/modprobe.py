# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules that modprobe follows: what is not to be loaded, what is run instead, parameters.

Its folders are read in the order in which they hide each other: a file of the same name in an earlier one counts alone.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

FOLDERS = ("etc/modprobe.d", "run/modprobe.d", "usr/local/lib/modprobe.d", "usr/lib/modprobe.d", "lib/modprobe.d")
_NOTHING = ("true", "false", ":")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the configuration."""

    word: str
    """``blacklist``, ``install``, ``options``, ..."""
    module: str
    rest: str
    file: Path
    text: str

    @property
    def bars(self) -> bool:
        """Whether it puts nothing in the module's place."""
        program = shlex.split(self.rest, comments=True)[:1] if self.word == "install" else []
        return bool(program) and Path(program[0]).name in _NOTHING


def rules(root: Path = Path("/")) -> list[Rule]:
    """Every rule in force below a root."""
    files: dict[str, Path] = {}
    for folder in FOLDERS:
        for path in sorted((root / folder).glob("*.conf")):
            files.setdefault(path.name, path)
    found = []
    for name in sorted(files):
        if not os.access(files[name], os.R_OK):
            continue
        text = files[name].read_text(errors="replace").replace("\\\n", " ")
        for line in text.splitlines():
            words = line.split(None, 2)
            if len(words) < 2 or words[0].startswith("#"):
                continue
            rest = words[2] if len(words) > 2 else ""
            found.append(Rule(words[0], words[1].replace("-", "_"), rest, files[name], " ".join(line.split())))
    return found


def kernel_blacklist(cmdline: Path = Path("/proc/cmdline")) -> frozenset[str]:
    """What the running kernel itself refuses by name, whoever asks."""
    names: set[str] = set()
    for word in cmdline.read_text().split() if cmdline.exists() else ():
        key, _, value = word.partition("=")
        if key == "module_blacklist":
            names |= set(value.split(","))
    return frozenset(names)
