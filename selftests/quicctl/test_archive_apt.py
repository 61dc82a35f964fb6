# SPDX-License-Identifier: GPL-2.0-or-later
"""The package archive by apt itself: a repository of small packages on disk, read, downloaded, unpacked; no network."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from quicctl import archive, errors, process

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("apt-get", "dpkg-deb", "dpkg")), reason="no apt here"
)


def package(folder: Path, name: str, version: str, depends: str = "") -> str:
    """Build a package; returns its stanza for the index."""
    tree = folder / f"{name}-tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "bin").mkdir()
    (tree / "bin" / name).write_text(version)
    control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n"
    control += f"Depends: {depends}\n" if depends else ""
    (tree / "DEBIAN" / "control").write_text(control)
    deb = folder / f"{name}_{version}_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, deb], check=True, capture_output=True)
    shutil.rmtree(tree)
    digest = subprocess.run(["sha256sum", deb], check=True, capture_output=True, text=True).stdout.split()[0]
    return control + f"Filename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    stanzas = [
        package(folder, "linux-source-7.9", "7.9.1-1"),
        package(folder, "linux-source-7.10", "7.10.2-1", "tool | other, library"),
        package(folder, "tool", "1"),
        package(folder, "library", "2", "tool"),
    ]
    (folder / "Packages").write_text("\n".join(stanzas))
    return folder


@pytest.fixture
def source(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> archive.Archive:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = archive.Archive("sid")
    # A flat repository, which no suite is; what apt is told beside is the class's own.
    configure = made._configure

    def flat() -> None:
        configure()
        (made._home / "sources.list").write_text(f"deb [trusted=yes] copy:{repository} ./\n")

    monkeypatch.setattr(made, "_configure", flat)
    monkeypatch.setattr(made, "_sources", list)
    return made


def test_newest_is_by_number(source: archive.Archive) -> None:
    assert source.names(r"linux-source-7\.\d+") == ["linux-source-7.9", "linux-source-7.10"]
    assert source.newest(r"linux-source-7\.\d+") == archive.Package("linux-source-7.10", "7.10.2-1")
    assert source.newest("nothing") is None
    assert source.version("tool") == "1"
    assert source.version("nothing") == ""
    assert source.source_lines()[0].endswith("./")


def test_first_alternatives_are_what_is_needed(source: archive.Archive) -> None:
    assert source.depends("linux-source-7.10") == ["tool", "library"]


def test_packages_are_downloaded_and_laid_out(source: archive.Archive, tmp_path: Path) -> None:
    place, root = tmp_path / "debs", tmp_path / "root"
    place.mkdir()
    [deb] = source.download(["tool"], place)
    assert deb.name == "tool_1_all.deb"
    closure = source.download_closure(["linux-source-7.10"], place)
    assert {path.name.split("_")[0] for path in closure} == {"linux-source-7.10", "library", "tool"}
    archive.unpack([deb], root)
    archive.unpack([deb], root)
    assert (root / "bin").is_symlink()
    assert (root / "usr" / "bin" / "tool").read_text() == "1"


def test_index_is_read_once_in_a_while(source: archive.Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    source.version("tool")
    stamp = source._home / "stamp"
    again = archive.Archive("sid")
    monkeypatch.setattr(again, "_configure", lambda: pytest.fail("the index is fresh"))
    assert again.version("tool") == "1"
    os.utime(stamp, (0, 0))
    stale = archive.Archive("sid")
    monkeypatch.setattr(stale, "_configure", lambda: None)
    apt = stale._apt

    def offline(*argv: str, **options: object) -> process.Result:
        if "update" in argv:
            raise errors.CommandFailed("no network")
        return apt(*argv, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(stale, "_apt", offline)
    assert stale.version("tool") == "1", "an old index is better than none"


def test_no_index_at_all(source: archive.Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: str, **__: object) -> process.Result:
        raise errors.CommandFailed("no network")

    monkeypatch.setattr(source, "_apt", offline)
    with pytest.raises(errors.ArchiveUnavailable, match="no network"):
        source.version("tool")


def test_machine_without_a_release(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Missing:
        def read_text(self) -> str:
            raise FileNotFoundError

    monkeypatch.setattr(archive, "Path", lambda _: Missing())
    with pytest.raises(errors.ArchiveUnavailable, match="code name"):
        archive.host_suite()


def test_name_of_the_processor_family() -> None:
    assert archive.architecture() in ("amd64", "arm64", "riscv64", "i386", "armhf", "ppc64el", "s390x")
