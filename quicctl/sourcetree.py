# SPDX-License-Identifier: GPL-2.0-or-later
"""The project's sources: where they are, and which files belong to them.

In a clone the package lies among them. A wheel carries what a clone holds beside the package, so that an installed quicctl
builds modules and packages as well; hatch_build.py puts it there and, like packages of distributions, uses this file alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from quicctl import errors

CARRIED = "_project"
"""The folder of a wheel's package that holds the rest of the project."""

_PARTS = ("CHANGELOG.md", "LICENSES", "Makefile", "README.md", "docs", "hatch_build.py", "libquic", "module", "packaging",
          "pyproject.toml", "quicctl", "selftests")  # fmt: skip
_BUILT = (".so", ".so.1", ".so.1.0.0", ".d")


def project() -> Path:
    """The source tree that this package belongs to; raises FileUnreadable where it came without one."""
    package = Path(__file__).resolve().parent
    for tree in (package.parent, package / CARRIED):
        if (tree / "module" / "Kbuild").exists():
            return tree
    raise errors.FileUnreadable(
        f"{package} came without the module's sources",
        remedy="run quicctl from a clone (make, then .venv/bin/quicctl) or install it by pipx from one",
    )


def tree_files(tree: Path) -> Iterator[Path]:
    """The project's own files below tree: no build results, no environments, no version control."""
    for folder, names, files in os.walk(tree):
        names[:] = [n for n in names if not n.startswith(".") and n not in ("__pycache__", "node_modules", CARRIED)]
        for name in files:
            if not name.endswith((".o", ".ko", ".cmd", ".mod", ".mod.c", ".pyc", ".a")):
                yield Path(folder) / name


def everything(tree: Path) -> Iterator[tuple[str, Path]]:
    """Every file of a tree: the name in it, the file; a carried one has the package in its place again."""
    for home, prefix in ((tree, Path()), *([(tree.parent, Path("quicctl"))] if tree.name == CARRIED else [])):
        for path in tree_files(home):
            yield str(prefix / path.relative_to(home)), path


def whole(tree: Path) -> Iterator[tuple[str, Path]]:
    """All that belongs into a source package: the name in the project, the file; in order."""
    for part in _PARTS:
        path = tree / part
        if part == "quicctl" and tree.name == CARRIED:
            path = tree.parent
        if path.is_file():
            yield part, path
            continue
        for found in sorted(tree_files(path)):
            inside = found.relative_to(path)
            if not found.name.endswith(_BUILT) and "build" not in inside.parts[:-1]:
                yield str(part / inside), found
