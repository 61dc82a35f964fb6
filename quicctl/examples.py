# SPDX-License-Identifier: GPL-2.0-or-later
"""The HTTP/3 client and server in C of selftests/http3, built with the libnghttp3 of several suites.

Each is built in a root of its suite, since a machine has one version of the library. A guest gets the programs and a list of
them: who is of a newer suite than the machine runs with that suite's loader, from the root that peers.py unpacks.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quicctl import builder, errors, peers
from quicctl.kernel import Tools

FOLDER = "http3"
SUITES = ("bookworm", "trixie", "sid")
"""With libnghttp3 0.8, 1.8, and what is newest."""
PROGRAMS = ("h3get", "h3serve")

MANIFEST = "examples.json"
_PACKAGES = ("gcc", "libc6-dev", "libgnutls28-dev", "libnghttp3-dev", "make", "pkg-config")
# The libraries come along in the programs: a guest need not have them.
_OPTIONS = ("NGHTTP3=-l:libnghttp3.a", "QUIC=-l:libquic.a")

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Example:
    """The programs of one suite as a guest finds them."""

    suite: str
    folder: Path
    loader: tuple[str, ...] = ()

    def command(self, program: str) -> list[str]:
        """How to start one: the words before its arguments."""
        return [*self.loader, str(self.folder / program)]


def files(manifest: Path, progress: Progress | None = None) -> list[tuple[str, Path]]:
    """Build all, write the list of them for a guest; returns the programs by their names in its payload.

    Where a suite's root cannot be had, the list tells why. Raises BuildFailed for what does not build.
    """
    found: list[tuple[str, Path]] = []
    absent: dict[str, str] = {}
    for suite in SUITES:
        try:
            build = builder.programs(FOLDER, progress=progress, options=_OPTIONS, tools=Tools(suite, _PACKAGES))
        except (errors.NotRoot, errors.ArchiveUnavailable, errors.ToolMissing) as failure:
            absent[suite] = failure.message
            continue
        found += [(f"{_place(suite)}/{program}", build / program) for program in PROGRAMS]
    manifest.write_text(json.dumps(absent))
    return found


def here(suite: str) -> Example | peers.Absent:
    """The programs of a suite in a guest, or why there are none."""
    payload = Path(os.environ.get("QUIC_PAYLOAD", "/nonexistent"))
    if not (payload / MANIFEST).exists():
        return peers.Absent(suite, "the examples are built for the guests of their tests only")
    absent = json.loads((payload / MANIFEST).read_text())
    if suite in absent:
        return peers.Absent(suite, absent[suite])
    if suite not in peers.PACKAGES:  # old enough to run with any machine's libraries
        return Example(suite, payload / _place(suite))
    root = peers.here(suite)
    if isinstance(root, peers.Absent):
        return root
    return Example(suite, payload / _place(suite), tuple(root.loader()))


def _place(suite: str) -> str:
    return f"examples/{suite}"
