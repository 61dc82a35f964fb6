# SPDX-License-Identifier: GPL-2.0-or-later
"""The module as part of a kernel tree: net/quic, its headers, and the lines in net/ that lead there.

The sources are laid out as net/quic already; what serves builds outside of a tree stays behind. Applying twice changes
nothing, removing leaves the tree as it was.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from quicctl import errors, sourcetree

_HOME = Path("net/quic")
_LEFT_BEHIND = {"Makefile", "compat.h", "compat.mk", "Kbuild"}
_OUT_OF_TREE = re.compile(r"^ifneq \(\$\(KBUILD_EXTMOD\),\)\n.*?^endif\n+", re.M | re.S)
_COMPAT_VERSION = re.compile(r"^/\* (\d+)\.(\d+): ", re.M)
_PROOF_OF_OURS = _HOME / "core" / "cursor.c"
_KBUILD = ("Kbuild", "Kconfig", "Makefile")


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that belongs into a file of the tree, behind the one of a neighbour that every kernel has."""

    file: Path
    line: str
    neighbour: re.Pattern[str]


_LINES = (
    _Line(Path("net/Kconfig"), 'source "net/quic/Kconfig"\n', re.compile(r'^source "net/sctp/Kconfig"\n', re.M)),
    _Line(Path("net/Makefile"), "obj-$(CONFIG_IP_QUIC)\t\t+= quic/\n", re.compile(r"^obj-\$\(CONFIG_IP_SCTP\).*\n", re.M)),
)


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one file of the tree; None stands for no file."""

    path: Path
    before: str | None
    after: str | None

    @property
    def action(self) -> str:
        """The change in a word."""
        if self.before is None:
            return "add"
        return "remove" if self.after is None else "edit"

    def diff(self) -> str:
        """The change as patch(1) reads it; bytes that are not UTF-8 are shown as such."""
        old = f"a/{self.path}" if self.before is not None else "/dev/null"
        new = f"b/{self.path}" if self.after is not None else "/dev/null"
        lines = difflib.unified_diff((self.before or "").splitlines(True), (self.after or "").splitlines(True), old, new)
        return "".join(lines).encode(errors="surrogateescape").decode(errors="replace")


def version(kdir: Path) -> tuple[int, int]:
    """The tree's version by its Makefile; raises KernelTreeUnsuitable if it is none."""
    makefile = kdir / "Makefile"
    text = makefile.read_text() if makefile.is_file() else ""
    found = [re.search(rf"^{name}\s*=\s*(\d+)", text, re.M) for name in ("VERSION", "PATCHLEVEL")]
    if None in found or not (kdir / "net" / "Kconfig").is_file():
        raise errors.KernelTreeUnsuitable(
            f"{kdir} is no kernel source tree",
            remedy="pass the top folder of an unpacked kernel source (Debian: package linux-source), not of its headers",
        )
    major, minor = (int(match[1]) for match in found if match is not None)
    return major, minor


def needed_version(module: Path) -> tuple[int, int]:
    """The oldest kernel whose interfaces the sources are written for: the newest change that compat.h makes up for."""
    versions = [(int(major), int(minor)) for major, minor in _COMPAT_VERSION.findall((module / "compat.h").read_text())]
    return max(versions)


def plan(kdir: Path, module: Path) -> list[Change]:
    """What applying changes; empty if the tree has all of it. Raises KernelTreeUnsuitable."""
    found, needed = version(kdir), needed_version(module)
    if found < needed:
        raise errors.KernelTreeUnsuitable(
            f"{kdir} is Linux {_dotted(found)}; as part of a tree the module needs {_dotted(needed)} or newer",
            remedy="for an older kernel build it outside of the tree: quicctl build --kdir, or quicctl package dkms",
        )
    _refuse_another_quic(kdir)
    wanted = dict(_files(module))
    changes = [_change(kdir, path, text) for path, text in wanted.items()]
    changes += [_change(kdir, path, None) for path in _ours(kdir) if path not in wanted]
    changes += [_change(kdir, line.file, _with(kdir, line)) for line in _LINES]
    return _sorted(changes)


def removal(kdir: Path, module: Path) -> list[Change]:
    """What taking the module out of the tree changes."""
    version(kdir)
    _refuse_another_quic(kdir)
    paths = {*_ours(kdir), *(path for path, _ in _files(module))}
    changes = [_change(kdir, path, None) for path in paths if (kdir / path).exists()]
    for line in _LINES:
        changes.append(_change(kdir, line.file, _read(kdir, line.file).replace(line.line, "")))
    return _sorted(changes)


def apply(kdir: Path, changes: Sequence[Change]) -> None:
    """Make the changes."""
    for change in changes:
        place = kdir / change.path
        if change.after is None:
            place.unlink()
            _prune(place.parent, kdir)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(change.after, errors="surrogateescape")


def _files(module: Path) -> Iterator[tuple[Path, str]]:
    """Each file's place in the tree and its content."""
    for source in sourcetree.tree_files(module):
        inside = source.relative_to(module)
        if inside.parts[0] == "include":
            yield inside, source.read_text()
        elif str(inside) not in _LEFT_BEHIND:
            yield _HOME / inside, source.read_text()
    yield _HOME / "Makefile", _OUT_OF_TREE.sub("", (module / "Kbuild").read_text())


def _ours(kdir: Path) -> list[Path]:
    home = kdir / _HOME
    found = sourcetree.tree_files(home)
    return [path.relative_to(kdir) for path in found if path.suffix in (".c", ".h") or path.name in _KBUILD]


def _refuse_another_quic(kdir: Path) -> None:
    if (kdir / _HOME).exists() and not (kdir / _PROOF_OF_OURS).exists():
        raise errors.KernelTreeUnsuitable(
            f"{kdir} has another {_HOME} already",
            remedy="take a tree without it; two implementations cannot share protocol 261",
        )


def _with(kdir: Path, line: _Line) -> str:
    text = _read(kdir, line.file)
    if line.line in text:
        return text
    neighbour = line.neighbour.search(text)
    if neighbour is None:
        raise errors.KernelTreeUnsuitable(
            f"{kdir / line.file} does not mention SCTP, next to which the line for QUIC belongs",
            remedy=f"add it by hand and try again: {line.line.strip()}",
        )
    return text[: neighbour.end()] + line.line + text[neighbour.end() :]


def _change(kdir: Path, path: Path, after: str | None) -> Change:
    return Change(path, _read(kdir, path) if (kdir / path).exists() else None, after)


def _read(kdir: Path, path: Path) -> str:
    return (kdir / path).read_text(errors="surrogateescape")


def _sorted(changes: Sequence[Change]) -> list[Change]:
    return sorted((c for c in changes if c.before != c.after), key=lambda change: change.path)


def _prune(folder: Path, kdir: Path) -> None:
    """Remove folders that the module had for itself, with what builds left there of it."""
    if _HOME not in (own := folder.relative_to(kdir), *own.parents):
        return
    if any(path.suffix in (".c", ".h") or path.name in _KBUILD for path in sourcetree.tree_files(folder)):
        return
    for left in sorted(folder.rglob("*"), reverse=True):
        left.rmdir() if left.is_dir() else left.unlink()
    folder.rmdir()
    _prune(folder.parent, kdir)


def _dotted(numbers: tuple[int, int]) -> str:
    return ".".join(map(str, numbers))
