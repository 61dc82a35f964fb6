# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's tracer, listening to QUIC alone."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TRACEFS = Path("/sys/kernel/tracing")


class Trace:
    """An instance of the tracer with all events of ours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "buffer_size_kb").write_text("8192")
        (folder / "events" / "quic" / "enable").write_text("1")

    def stop(self) -> None:
        (self.folder / "events" / "quic" / "enable").write_text("0")

    def events(self) -> list[tuple[str, dict[str, str]]]:
        """Name and fields of each event, in order."""
        found = []
        for line in (self.folder / "trace").read_text().splitlines():
            if match := re.search(r": (quic_\w+): (.*)$", line):
                fields = dict(re.findall(r'(\w+)=("[^"]*"|\{[^}]*\}|\S*)', match[2]))
                found.append((match[1], fields))
        return found


@contextlib.contextmanager
def tracing() -> Iterator[Trace]:
    """Until the block ends; skips the test where the kernel has no tracepoints."""
    if not (TRACEFS / "events" / "quic").is_dir():
        pytest.skip("the kernel has no tracepoints, or tracefs is not mounted")
    folder = TRACEFS / "instances" / "quic-selftest"
    folder.mkdir()
    made = Trace(folder)
    try:
        yield made
    finally:
        made.stop()
        with contextlib.suppress(OSError):
            folder.rmdir()
