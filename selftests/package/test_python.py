# SPDX-License-Identifier: GPL-2.0-or-later
"""sdist and wheel of the tool, made from a clone; installed by pipx, quicctl does without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from quicctl import sourcetree

TREE = sourcetree.project()


@dataclass(frozen=True, slots=True)
class Made:
    """What was built, and what with."""

    sdist: Path
    wheel: Path
    tracked: frozenset[str]
    tools: Path


def run(*argv: str | Path, cwd: Path, **env: str | Path) -> str:
    """Run a program with no trace of this environment; returns its output."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(word) for word in argv], cwd=cwd, env={**kept, **{name: str(value) for name, value in env.items()}},
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("python")
    if not (TREE / ".git").exists():
        pytest.skip("this tree is no clone")
    run("git", "clone", "-q", TREE, folder / "clone", cwd=folder)
    run(sys.executable, "-m", "venv", folder / "tools", cwd=folder)
    run(folder / "tools" / "bin" / "pip", "install", "-q", "build", "pipx", cwd=folder)
    run(folder / "tools" / "bin" / "python", "-m", "build", "--outdir", folder / "dist", folder / "clone", cwd=folder)
    [sdist] = (folder / "dist").glob("quicctl-*.tar.gz")
    [wheel] = (folder / "dist").glob("quicctl-*.whl")
    tracked = run("git", "ls-files", cwd=folder / "clone").splitlines()
    return Made(sdist, wheel, frozenset(tracked), folder / "tools" / "bin")


def test_sdist_holds_what_git_holds(made: Made) -> None:
    with tarfile.open(made.sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    assert names == made.tracked | {"PKG-INFO"}


def test_wheel_carries_the_project_once(made: Made) -> None:
    with zipfile.ZipFile(made.wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    carried = f"quicctl/{sourcetree.CARRIED}/"
    expected = {name if name.startswith("quicctl/") else carried + name for name in made.tracked if not name.startswith(".")}
    assert names == expected


@pytest.fixture(scope="module", params=["sdist", "wheel"])
def installed(request: pytest.FixtureRequest, made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, installed by pipx in a folder of its own."""
    home = tmp_path_factory.mktemp("pipx")
    package = made.sdist if request.param == "sdist" else made.wheel
    run(made.tools / "pipx", "install", package, cwd=home, PIPX_HOME=home, PIPX_BIN_DIR=home / "bin", PIPX_MAN_DIR=home / "man")
    return home / "bin" / "quicctl"


def test_installed_tool_builds_and_packages(installed: Path, made: Made, tmp_path: Path) -> None:
    assert run(installed, "--version", cwd=tmp_path).startswith("quicctl ")
    built = json.loads(run(installed, "build", "--kernel", "6.12", "--json", cwd=tmp_path))
    assert "quic.ko" in json.dumps(built)
    run(installed, "package", "deb", "--no-build", "--out", tmp_path / "deb", cwd=tmp_path)
    [source] = (tmp_path / "deb").glob("*.orig.tar.gz")
    with tarfile.open(source) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    assert names >= {name for name in made.tracked if not name.startswith(".")}


def test_installed_library_is_at_hand(installed: Path, tmp_path: Path) -> None:
    python = installed.resolve().parent / "python"
    asked = "import quicctl; print(quicctl.QuicSocket.__name__, quicctl.__file__)"
    name, file = run(python, "-c", asked, cwd=tmp_path).split()
    assert name == "QuicSocket"
    assert Path(file).is_relative_to(installed.parent.parent)
    assert Path(file).with_name("py.typed").exists()
