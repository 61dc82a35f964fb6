# SPDX-License-Identifier: GPL-2.0-or-later
"""Which release this machine is: what it calls itself, and what apt is set up for."""

from __future__ import annotations

from pathlib import Path

import pytest

from quicctl import archive, errors, process


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(archive, "architecture", lambda: "amd64")
    return monkeypatch


def pretend(machine: pytest.MonkeyPatch, codename: str, *sources: str) -> None:
    machine.setattr(archive, "_os_release", lambda: codename)
    shown = "".join(f"http://mirror.example/debian {source}\n" for source in sources)
    machine.setattr(process, "run", lambda argv, **_: process.Result((), 0, shown, ""))


def written(suite: str | None = None) -> list[tuple[str, str, str]]:
    return archive.Archive(suite)._sources()


def test_release_and_its_pockets(machine: pytest.MonkeyPatch) -> None:
    pretend(machine, "trixie", "trixie main trixie", "trixie-backports main trixie-backports", "sid main sid")
    assert archive.host_suite() == "trixie"
    assert [suite for _, suite, _ in written()] == ["trixie", "trixie-backports"]
    assert written("sid") == [("http://mirror.example/debian", "sid", "main")]


def test_unstable_calls_itself_by_the_next_release(machine: pytest.MonkeyPatch) -> None:
    pretend(machine, "forky", "sid main sid", "sid contrib sid")
    assert archive.host_suite() == "sid"
    assert written() == [("http://mirror.example/debian", "sid", part) for part in ("contrib", "main")]
    assert written("trixie") == [("http://mirror.example/debian", "trixie", "main")]


def test_suite_may_be_written_by_an_alias(machine: pytest.MonkeyPatch) -> None:
    pretend(machine, "trixie", "stable main trixie")
    assert written() == [("http://mirror.example/debian", "stable", "main")]


def test_lists_that_were_never_fetched_tell_no_code_name(machine: pytest.MonkeyPatch) -> None:
    pretend(machine, "bookworm", "bookworm main $(CODENAME)")
    assert written() == [("http://mirror.example/debian", "bookworm", "main")]


def test_sources_of_another_distribution(machine: pytest.MonkeyPatch) -> None:
    pretend(machine, "trixie", "jammy main jammy")
    with pytest.raises(errors.ArchiveUnavailable, match="not set up for trixie"):
        written()


def test_apt_of_this_machine_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is set up, and in a root whose lists were never fetched."""
    if process.which("apt-get") is None:
        pytest.skip("this machine has no apt")
    own = archive._host_sources()
    assert own and all(source.codename and not source.codename.startswith("$") for source in own)
    fresh = tmp_path / "apt.conf"
    fresh.write_text(f'Dir::State::lists "{tmp_path}/none";\n')
    monkeypatch.setenv("APT_CONFIG", str(fresh))
    unfetched = archive._host_sources()
    assert {source.suite for source in unfetched} == {source.suite for source in own}
    assert all(source.codename == source.suite for source in unfetched)
