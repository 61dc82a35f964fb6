# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the sources are: in a clone, in what a wheel installs, nowhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from quicctl import errors, sourcetree

CLONE = sourcetree.project()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package as a wheel lays it out, with a few files; hatch_build.py decides which go along."""
    package = tmp_path / "site-packages" / "quicctl"
    carried = package / sourcetree.CARRIED
    for name, path in sourcetree.whole(CLONE):
        if name.startswith(("quicctl/cli/", "module/core/", "libquic/", "LICENSES/")) or name == "module/Kbuild":
            place = package.parent / name if name.startswith("quicctl/") else carried / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
    monkeypatch.setattr(sourcetree, "__file__", str(package / "sourcetree.py"))
    return package


def test_clone_is_its_own_project() -> None:
    assert (CLONE / "pyproject.toml").exists() or CLONE.name == sourcetree.CARRIED


def test_installed_package_brings_its_project(installed: Path) -> None:
    assert sourcetree.project() == installed / sourcetree.CARRIED


def test_package_has_its_place_again_in_what_is_made_of_it(installed: Path) -> None:
    tree = sourcetree.project()
    whole, everything = dict(sourcetree.whole(tree)), dict(sourcetree.everything(tree))
    assert whole["quicctl/cli/app.py"] == everything["quicctl/cli/app.py"] == installed / "cli" / "app.py"
    assert whole["module/Kbuild"] == tree / "module" / "Kbuild"
    assert not [name for name in {*whole, *everything} if sourcetree.CARRIED in name]
    assert set(everything) == set(whole)


def test_package_without_sources_says_so(installed: Path) -> None:
    shutil.rmtree(installed / sourcetree.CARRIED)
    with pytest.raises(errors.FileUnreadable, match="without the module's sources") as caught:
        sourcetree.project()
    assert "pipx" in caught.value.remedy
