# SPDX-License-Identifier: GPL-2.0-or-later
"""What packages are made of: the source tarball, and the tree that DKMS builds from."""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import tarfile
from pathlib import Path

from quicctl import sourcetree
from quicctl.packaging import render
from quicctl.packaging.recipe import Recipe


def tarball(tree: Path, recipe: Recipe, folder: Path) -> Path:
    """Write the source tarball into folder; the same tree makes the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{recipe.stem}.tar.gz"
    with (
        open(place, "wb") as raw,
        gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, path in sourcetree.whole(tree):
            _add(archive, recipe, name, path.read_bytes(), program=bool(path.stat().st_mode & 0o100))
        for name, text in recipe.share:
            _add(archive, recipe, f"share/{name}", text.encode())
    return place


def _add(archive: tarfile.TarFile, recipe: Recipe, name: str, data: bytes, *, program: bool = False) -> None:
    entry = tarfile.TarInfo(f"{recipe.stem}/{name}")
    entry.size = len(data)
    entry.mtime = int(recipe.date.timestamp())
    entry.mode = 0o755 if program else 0o644
    archive.addfile(entry, io.BytesIO(data))


def sha256(path: Path) -> str:
    """The checksum of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def dkms(tree: Path, recipe: Recipe, folder: Path) -> Path:
    """Lay out ``NAME-VERSION`` below folder as it goes to /usr/src."""
    home = folder / f"{recipe.module}-{recipe.version}"
    if home.exists():
        shutil.rmtree(home)
    for path in sourcetree.tree_files(tree / "module"):
        place = home / path.relative_to(tree / "module")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    render.write(render.folder(tree), "dkms", recipe, home)
    return home
