# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest

from quicctl import archive, cache, errors, kernel


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "quicctl"


def prepared(folder: Path, release: str, config: str = "") -> Path:
    (folder / "include" / "config").mkdir(parents=True)
    (folder / "Makefile").write_text("")
    (folder / ".config").write_text(config)
    (folder / "include" / "config" / "kernel.release").write_text(release + "\n")
    return folder


def test_tree_of_the_user(tmp_path: Path) -> None:
    found = kernel.from_tree(prepared(tmp_path / "k", "6.12.1-mine"))
    assert (found.release, found.arch) == ("6.12.1-mine", "x86")


def test_tree_for_user_mode_linux_is_known_by_its_configuration(tmp_path: Path) -> None:
    assert kernel.from_tree(prepared(tmp_path / "k", "7.3.4", "A=y\nCONFIG_UML=y\n")).arch == "um"


def test_folder_that_is_no_tree(tmp_path: Path) -> None:
    with pytest.raises(errors.HeadersMissing, match="no kernel tree"):
        kernel.from_tree(tmp_path)


def test_tree_that_is_not_prepared_says_how(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("")
    with pytest.raises(errors.HeadersMissing) as caught:
        kernel.from_tree(tmp_path)
    assert "modules_prepare" in caught.value.remedy


def test_kernel_without_headers_names_them() -> None:
    with pytest.raises(errors.HeadersMissing) as caught:
        kernel.installed("9.9.9-none")
    assert "linux-headers-9.9.9-none" in caught.value.remedy


def test_series_that_is_not_supported() -> None:
    with pytest.raises(errors.HeadersMissing) as caught:
        kernel.newest("2.6")
    assert "6.12" in caught.value.remedy


class FakeArchive:
    """Offers names; every one but those given as withdrawn has a version."""

    asked: tuple[str | None, ...] = ()

    def __init__(self, offers: dict[str | None, list[str]], withdrawn: frozenset[str] = frozenset()) -> None:
        self.offers = offers
        self.withdrawn = withdrawn

    def __call__(self, suite: str | None) -> FakeArchive:
        self.suite = suite
        FakeArchive.asked = (*FakeArchive.asked, suite)
        return self

    def names(self, pattern: str) -> list[str]:
        import re

        return [n for n in self.offers.get(self.suite, []) if re.fullmatch(pattern, n)]

    def version(self, name: str) -> str:
        return "" if name in self.withdrawn else "1"


def both(*releases: str) -> list[str]:
    return [f"linux-{part}-{r}-cloud-amd64" for r in releases for part in ("headers", "image")]


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    monkeypatch.setattr(archive, "architecture", lambda: "amd64")

    def fetch(_source: object, release: str) -> kernel.Kernel:
        (own_cache / "kernels").mkdir(parents=True, exist_ok=True)
        return kernel.Kernel(release, Path("/nowhere"))

    monkeypatch.setattr(kernel, "_fetch", fetch)
    FakeArchive.asked = ()


@pytest.mark.usefixtures("fetched")
def test_newest_is_by_number_not_by_spelling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "Archive", FakeArchive({None: both("6.12.9+deb12", "6.12.100+deb12")}))
    assert kernel.newest("6.12").release == "6.12.100+deb12-cloud-amd64"


@pytest.mark.usefixtures("fetched")
def test_image_without_headers_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    offers = [*both("6.12.9+deb12"), "linux-image-6.12.10+deb12-cloud-amd64"]
    monkeypatch.setattr(archive, "Archive", FakeArchive({None: offers}))
    assert kernel.newest("6.12").release == "6.12.9+deb12-cloud-amd64"


@pytest.mark.usefixtures("fetched")
def test_withdrawn_package_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = frozenset({"linux-headers-6.12.10-cloud-amd64"})
    monkeypatch.setattr(archive, "Archive", FakeArchive({None: both("6.12.9", "6.12.10")}, gone))
    assert kernel.newest("6.12").release == "6.12.9-cloud-amd64"


@pytest.mark.usefixtures("fetched")
def test_own_archive_is_asked_before_other_suites(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "Archive", FakeArchive({"trixie-backports": both("7.3.4+deb13")}))
    assert kernel.newest("7").release == "7.3.4+deb13-cloud-amd64"
    assert FakeArchive.asked == (None, "trixie-backports")


@pytest.mark.usefixtures("fetched")
def test_series_6_1_is_not_6_12(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "Archive", FakeArchive({None: both("6.1.0-50", "6.12.9", "6.16.1")}))
    assert kernel.newest("6.1").release == "6.1.0-50-cloud-amd64"


@pytest.mark.parametrize(
    ("user", "buildable", "asked", "wanted"),
    [
        (1000, ("6.1", "6.12"), None, "6.12"),
        (1000, ("7", "6.1"), None, "7"),
        (1000, ("6.1",), None, "6.1"),
        (1000, (), None, "6.12"),
        (1000, ("7",), "6.12", "6.12"),
        (0, ("7",), None, "6.12"),
    ],
)
def test_user_gets_a_guest_whose_modules_can_be_built_here(
    monkeypatch: pytest.MonkeyPatch, user: int, buildable: tuple[str, ...], asked: str | None, wanted: str
) -> None:
    """On sid the compiler is that of 7.x; root builds for the others in a root of their suite."""

    def newest(series: str) -> kernel.Kernel:
        if series == "7" and series not in buildable:
            raise errors.HeadersMissing("the archive offers none")
        return kernel.Kernel(series, Path("/nowhere"), tools=None if series in buildable else kernel.Tools("other", ()))

    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(kernel, "newest", newest)
    assert kernel.for_guest(asked).release == wanted


def test_cache_entry_is_made_once_and_whole(tmp_path: Path) -> None:
    made = []

    def make(scratch: Path) -> None:
        made.append(scratch)
        (scratch / "file").write_text("x")

    for _ in range(2):
        assert (cache.entry(tmp_path / "c" / "e", make) / "file").read_text() == "x"
    assert len(made) == 1


def test_cache_entry_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def make(scratch: Path) -> None:
        (scratch / "half").write_text("x")
        raise errors.BuildFailed("no")

    with pytest.raises(errors.BuildFailed):
        cache.entry(tmp_path / "c" / "e", make)
    assert [p.name for p in (tmp_path / "c").iterdir()] == [".e.lock"]


def test_cache_keeps_what_was_used_last(tmp_path: Path) -> None:
    import os

    for age, name in enumerate(("new", "middle", "old")):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    cache.prune(tmp_path, keep=2)
    assert {p.name for p in tmp_path.iterdir()} == {"new", "middle"}
