# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian roots, with programs that only note how they were called; selftests/package uses real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quicctl import archive, debroot, errors, process

Calls = list[list[str]]


class FakeArchive:
    """An archive with a source line a suite; sid has no backports, and one suite is not offered."""

    def __init__(self, suite: str | None = None) -> None:
        self.suite = suite or "own"

    def source_lines(self) -> list[str]:
        if self.suite == "lonely-backports":
            raise errors.ArchiveUnavailable("no such suite")
        return [f"deb http://archive.invalid {self.suite} main"]

    def version(self, name: str) -> str:
        return "1:2.3-4"

    def download(self, names: list[str], folder: Path) -> list[Path]:
        return [folder / f"{name}.deb" for name in names]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Calls:
    noted: Calls = []

    def run(argv: list[Any], **_: Any) -> process.Result:
        words = [str(word) for word in argv]
        noted.append(words)
        if "--mode=root" in words:
            noted.append(Path(words[-1]).read_text().splitlines())
        return process.Result(tuple(words), 0, "", "")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(process, "run", run)
    monkeypatch.setattr(process, "which", lambda name: Path("/opt") / name)
    monkeypatch.setattr(archive, "Archive", FakeArchive)
    monkeypatch.setattr(archive, "architecture", lambda: "amd64")
    monkeypatch.setattr(archive, "host_suite", lambda: "home")
    return noted


def test_root_is_made_once_with_its_packages(calls: Calls) -> None:
    said: list[str] = []
    tree = debroot.root("home", ("gcc", "make"), said.append)
    assert tree.is_dir()
    assert calls[0][0] == "/opt/mmdebstrap"
    assert "--include=gcc,make" in calls[0]
    assert calls[0][-3:-1] == ["home", calls[0][-2]]
    assert debroot.root("home", ("gcc", "make"), said.append) == tree
    assert len(said) == 1
    assert len(calls) == 2
    assert debroot.root("home", ("gcc",)) != tree


@pytest.mark.parametrize(
    ("suite", "wanted"),
    [("home", ["own", "home-backports"]), ("other", ["other", "other-backports"]), ("sid", ["sid"]), ("lonely", ["lonely"])],
)
def test_sources_are_those_of_the_machine(calls: Calls, suite: str, wanted: list[str]) -> None:
    debroot.root(suite, ())
    assert calls[1] == [f"deb http://archive.invalid {name} main" for name in wanted]
    assert not any(word.startswith("--include") for word in calls[0])


def test_mmdebstrap_comes_from_the_archive_if_it_is_not_installed(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[str] = []

    def unpack(packages: list[Path], folder: Path) -> None:
        unpacked.extend(package.name for package in packages)

    monkeypatch.setattr(process, "which", lambda name: None)
    monkeypatch.setattr(archive, "unpack", unpack)
    debroot.root("home", ())
    assert unpacked == ["mmdebstrap.deb"]
    assert calls[0][0].endswith("/tools/mmdebstrap-1_2.3-4/usr/bin/mmdebstrap")


def test_root_that_cannot_be_made_says_why(calls: Calls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(argv: list[Any], **_: Any) -> process.Result:
        raise errors.CommandFailed("no", detail="E: unable to locate package")

    monkeypatch.setattr(process, "run", fail)
    with pytest.raises(errors.ArchiveUnavailable) as caught:
        debroot.root("home", ("nonsense",))
    assert "unable to locate" in caught.value.detail
    assert not list((tmp_path / "cache" / "quicctl" / "roots").glob("[!.]*"))


@pytest.mark.parametrize("act", [lambda p: debroot.root("home", ()), lambda p: debroot.session(p, p).__enter__()])
def test_root_needs_rights(calls: Calls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, act: Callable[[Path], Any]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(errors.NotRoot):
        act(tmp_path)
    assert calls == []


def test_session_leaves_nothing(calls: Calls, tmp_path: Path) -> None:
    tree = debroot.root("home", ())
    with debroot.session(tree, tmp_path) as session:
        (session.upper("/usr/x").parent).mkdir()
        session.upper("/usr/x").touch()
        session.run(["true"], cwd="/")
        scratch = session.scratch
    assert not scratch.exists()
    assert list(tree.iterdir()) == []
    assert calls[-1][0] == "unshare"
    assert calls[-1][-4:] == [str(tmp_path), debroot.SHARE, "/", "true"]


def in_session(place: Path) -> subprocess.Popen[str]:
    """A process with a session open in a root below a folder; for a minute."""
    script = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from quicctl import debroot\n"
        "os.geteuid, debroot._NO_UPPER = lambda: 0, ()\n"
        "place = Path(sys.argv[1])\n"
        "with debroot.session(place / 'roots' / 'a' / 'tree', place):\n"
        "    print('there', flush=True)\n"
        "    time.sleep(60)\n"
    )
    (place / "roots" / "a" / "tree").mkdir(parents=True, exist_ok=True)
    child = subprocess.Popen([sys.executable, "-c", script, place], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "there\n"
    return child


def sessions(place: Path) -> int:
    return sum(path.is_dir() and path.name != "a" for path in (place / "roots").iterdir())


def test_session_that_is_ended_leaves_nothing(tmp_path: Path) -> None:
    """As systemd or a time limit end a build in a root."""
    with in_session(tmp_path) as child:
        assert sessions(tmp_path) == 1
        child.terminate()
        assert child.wait(60) == 128 + signal.SIGTERM
    assert sessions(tmp_path) == 0


def test_session_that_is_killed_leaves_what_the_next_one_removes(tmp_path: Path) -> None:
    """And none that is in use."""
    with in_session(tmp_path) as killed:
        killed.kill()
        killed.wait(60)
        assert sessions(tmp_path) == 1
    with in_session(tmp_path) as first, in_session(tmp_path) as second:
        assert sessions(tmp_path) == 2
        for child in (first, second):
            child.terminate()
    assert sessions(tmp_path) == 0
