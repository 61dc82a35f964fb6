# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel and its modules export, from a Module.symvers or, without checksums, from the running kernel itself."""

from __future__ import annotations

import gzip
import lzma
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quicctl import errors

_KSYMTAB = re.compile(r"__ksymtab_(\S+)(?:\s+\[(\S+)\])?$")


@dataclass(frozen=True, slots=True)
class Export:
    """A symbol as its owner offers it."""

    crc: int | None
    """None where it is not known, or the kernel has no checksums."""
    owner: str
    gpl_only: bool
    namespace: str


@dataclass(frozen=True, slots=True)
class Exports:
    """All that is offered, and where that is known from."""

    symbols: Mapping[str, Export]
    source: str
    complete: bool = True
    """Whether what is not there is not offered; not so for a list of what is loaded."""

    @property
    def has_crcs(self) -> bool:
        """Whether there are checksums to compare."""
        return any(export.crc for export in self.symbols.values())


def read(path: Path) -> Exports:
    """A Module.symvers, compressed or not; raises FileUnreadable."""
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        elif path.suffix == ".xz":
            data = lzma.decompress(data)
        symbols = dict(_line(line) for line in data.decode().splitlines() if line)
    except OSError as failure:
        text = failure.strerror or str(failure)
        raise errors.FileUnreadable(f"{path} cannot be read: {text}", remedy="check the path and its permissions") from failure
    except (ValueError, IndexError, EOFError, lzma.LZMAError) as failure:
        raise errors.FileUnreadable(f"{path} is no Module.symvers", remedy="give the one of the kernel's headers") from failure
    return Exports(symbols, str(path))


def _line(line: str) -> tuple[str, Export]:
    crc, name, owner, kind, *rest = line.split("\t")
    return name, Export(int(crc, 16), owner.rpartition("/")[2], "GPL" in kind, rest[0] if rest else "")


def of_release(release: str, kdir: Path | None, root: Path = Path("/")) -> Exports | None:
    """What a kernel exports, from wherever distributions keep the list."""
    places = [kdir / "Module.symvers"] if kdir is not None else []
    modules = root / "lib" / "modules" / release
    places += [modules / "build" / "Module.symvers"]
    places += [modules / f"symvers{end}" for end in ("", ".gz", ".xz")]
    places += [root / "boot" / f"symvers-{release}{end}" for end in ("", ".gz", ".xz")]
    return next((read(place) for place in places if place.exists()), None)


def of_running(kallsyms: Path = Path("/proc/kallsyms")) -> Exports | None:
    """Names alone: the kernel shows no checksums. None if it shows no names of exports either."""
    try:
        lines = kallsyms.read_text().splitlines()
    except OSError:
        return None
    found = (_KSYMTAB.search(line) for line in lines)
    symbols = {m[1]: Export(None, m[2] or "vmlinux", False, "") for m in found if m}
    return Exports(symbols, str(kallsyms), complete=False) if len(symbols) > 100 else None
