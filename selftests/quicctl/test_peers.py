# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from quicctl import archive, errors, guest, peers, process
from quicctl.peers import Absent, Root


class Archive:
    """An archive with one small package a name."""

    calls = 0

    def __init__(self, suite: str) -> None:
        if suite == "gone":
            raise errors.ArchiveUnavailable("there is no such suite")

    def download_closure(self, names: list[str], folder: Path) -> list[Path]:
        Archive.calls += 1
        files = [folder / f"{name}_1%3a2.3-4_amd64.deb" for name in [*names, "libc6"]]
        for path in files:
            path.write_text("")
        return files


def unpack(files: list[Path], tree: Path) -> None:
    for path in ("usr/lib64/ld-linux-x86-64.so.2", "usr/lib/x86_64-linux-gnu/libc.so.6", "usr/sbin/nginx", "usr/share/doc/x"):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text("")


class Npm:
    """npm, which puts an empty package where it is told to."""

    offers = True

    def __call__(self, argv: list[str], **_: object) -> None:
        if not self.offers:
            raise errors.CommandFailed("npm ended with status 1")
        assert argv[:3] == ["npm", "install", "--ignore-scripts"]
        for wanted in (word for word in argv if word.startswith("@")):
            (Path(argv[argv.index("--prefix") + 1]) / "node_modules" / wanted.rpartition("@")[0]).mkdir(parents=True)


npm = Npm()


@pytest.fixture(autouse=True)
def _small_archive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(archive, "Archive", Archive)
    monkeypatch.setattr(archive, "architecture", lambda: "amd64")
    monkeypatch.setattr(archive, "unpack", unpack)
    monkeypatch.setattr(peers, "PACKAGES", {"next": ("nginx",), "gone": ("curl",)})
    monkeypatch.setattr(process, "run", npm)
    monkeypatch.setattr(npm, "offers", True)
    Archive.calls = 0


def test_modules_are_fetched_once_and_run_no_script() -> None:
    said: list[str] = []
    first, second = peers.modules(said.append), peers.modules(said.append)
    assert first == second
    assert (len(said), first.versions) == (1, peers.MODULES)
    assert (first.tree / "node_modules" / "@matrixai" / "quic").is_dir()


def test_modules_that_cannot_be_had_are_absent_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npm, "offers", False)
    absent = peers.roots()[-1]
    assert isinstance(absent, Absent)
    assert (absent.suite, "npm does not offer @matrixai/quic@" in absent.reason) == ("npm", True)


def test_root_is_made_once_and_tells_upstream_versions() -> None:
    said: list[str] = []
    first, second = peers.root("next", said.append), peers.root("next", said.append)
    assert first == second
    assert (Archive.calls, len(said), dict(first.versions)) == (1, 1, {"nginx": "2.3"})
    assert not (first.tree / "usr/share/doc").exists()


def test_program_is_started_by_its_own_loader() -> None:
    root = peers.root("next")
    loader, option, libraries, program = root.command("nginx")
    assert (Path(loader).name, option) == ("ld-linux-x86-64.so.2", "--library-path")
    assert (libraries, program) == (str(root.tree / "usr/lib/x86_64-linux-gnu"), str(root.tree / "usr/sbin/nginx"))


def test_program_that_is_not_there_is_an_error() -> None:
    with pytest.raises(errors.ToolMissing):
        peers.root("next").command("curl")


def test_suite_that_is_not_offered_is_absent_with_the_reason() -> None:
    found = peers.roots()
    assert found[1] == Absent("gone", "there is no such suite")


def test_guest_finds_what_the_manifest_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = peers.roots()
    mounts = peers.write_manifest(found, tmp_path / peers.MANIFEST)
    assert isinstance(found[0], Root)
    assert isinstance(found[2], Root)
    assert mounts == [("peers/next", found[0].tree), ("peers/npm", found[2].tree)]
    monkeypatch.setenv("QUIC_PAYLOAD", str(tmp_path))
    assert peers.here("next") == Root("next", Path(guest.BASE) / "peers/next", {"nginx": "2.3"})
    assert peers.here("gone") == Absent("gone", "there is no such suite")


def test_lane_without_a_manifest_says_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUIC_PAYLOAD", raising=False)
    assert peers.here("next") == Absent("next", "programs of other suites are at hand in the guests of their tests only")
