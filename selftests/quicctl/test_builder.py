# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds, with a kernel tree whose Makefile only pretends to compile."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from quicctl import builder, errors, kernel, sourcetree

MAKEFILE = """\
modules:
	@cp $(M)/quic.c $(M)/made.c
	{body}
"""
GOOD = "@printf 'ELF\\0vermagic=6.12.1-test SMP\\0' > $(M)/quic.ko; echo x >> $(dir $(M))/count"


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    tree = tmp_path / "project"
    (tree / "module").mkdir(parents=True)
    (tree / "module" / "Kbuild").write_text("obj-m := quic.o\n")
    (tree / "module" / "quic.c").write_text("int x;\n")
    monkeypatch.setattr(sourcetree, "project", lambda: tree)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tree


def target(tmp_path: Path, body: str = GOOD) -> kernel.Kernel:
    kdir = tmp_path / "kdir"
    kdir.mkdir(exist_ok=True)
    (kdir / "Makefile").write_text(MAKEFILE.format(body=body))
    return kernel.Kernel("6.12.1-test", kdir)


def times_made(tmp_path: Path) -> int:
    [count] = (tmp_path / "cache" / "quicctl" / "work").glob("*/*/count")
    return len(count.read_text().splitlines())


def test_same_sources_are_built_once(project: Path, tmp_path: Path) -> None:
    first = builder.module(target(tmp_path))
    second = builder.module(target(tmp_path))
    assert (first.cached, second.cached) == (False, True)
    assert first.module == second.module
    assert times_made(tmp_path) == 1


def test_changed_source_is_built_again(project: Path, tmp_path: Path) -> None:
    builder.module(target(tmp_path))
    (project / "module" / "quic.c").write_text("int y;\n")
    assert not builder.module(target(tmp_path)).cached
    assert times_made(tmp_path) == 2


def test_source_tree_stays_clean(project: Path, tmp_path: Path) -> None:
    builder.module(target(tmp_path))
    assert {p.name for p in (project / "module").iterdir()} == {"Kbuild", "quic.c"}


def test_file_taken_away_is_not_built_on(project: Path, tmp_path: Path) -> None:
    (project / "module" / "old.c").write_text("int z;\n")
    builder.module(target(tmp_path))
    (project / "module" / "old.c").unlink()
    builder.module(target(tmp_path))
    assert not list((tmp_path / "cache" / "quicctl" / "work").rglob("old.c"))


def test_warnings_are_kept_with_the_build(project: Path, tmp_path: Path) -> None:
    noisy = target(tmp_path, GOOD + "; echo \"quic.c:1:5: warning: unused variable 'x'\" >&2")
    said: list[str] = []
    first = builder.module(noisy, progress=said.append)
    assert first.warnings == ("quic.c:1:5: warning: unused variable 'x'",)
    assert any("unused variable" in line for line in said)
    said.clear()
    assert builder.module(noisy, progress=said.append).warnings == first.warnings
    assert any("unused variable" in line for line in said)


def test_compiler_of_the_kernel_differing_is_no_warning_of_ours(project: Path, tmp_path: Path) -> None:
    other = target(tmp_path, GOOD + "; echo 'warning: the compiler differs from the one used to build the kernel' >&2")
    assert builder.module(other).warnings == ()


def test_failure_shows_the_compilers_words(project: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.BuildFailed) as caught:
        builder.module(target(tmp_path, "@echo 'quic.c:1: error: no such thing' >&2; exit 1"))
    assert "no such thing" in caught.value.detail
    assert "6.12.1-test" in caught.value.message


def test_success_without_a_module_is_a_failure(project: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.BuildFailed, match=r"no quic\.ko"):
        builder.module(target(tmp_path, "@true"))


def test_module_for_another_kernel_is_refused(project: Path, tmp_path: Path) -> None:
    other = "@printf 'ELF\\0vermagic=6.1.0-other SMP\\0' > $(M)/quic.ko"
    with pytest.raises(errors.VermagicMismatch, match=r"6\.1\.0-other"):
        builder.module(target(tmp_path, other))


def test_no_compiler(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(errors.CompilerMissing):
        builder.module(target(tmp_path))


def test_make_of_an_outer_make_does_not_leak_in(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKEFLAGS", "n")  # a dry run would build nothing
    assert builder.module(target(tmp_path)).module.exists()


def test_tests_of_another_tree_do_not_get_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("one", "other"):
        tests = tmp_path / name / "selftests" / "core"
        tests.mkdir(parents=True)
        (tests / "Makefile").write_text("$(O)/core-tests: $(CURDIR)/main.c\n\tcp $< $@\n")
        (tests / "main.c").write_text(name)
        os.utime(tests / "main.c", (1, 1))
        monkeypatch.setattr(sourcetree, "project", lambda name=name: tmp_path / name)
        assert (builder.programs("core") / "core-tests").read_text() == name


def test_latest_without_a_build(project: Path) -> None:
    with pytest.raises(errors.ModuleNotBuilt):
        builder.latest()


def test_latest_is_for_the_running_kernel_if_there_is_one(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = tmp_path / "cache" / "quicctl" / "built"
    for age, name in enumerate(("6.12.1-old", "6.12.1-new", "6.12.11-other", "7.0.0-newest")):
        (built / name).mkdir(parents=True)
        (built / name / "quic.ko").touch()
        os.utime(built / name, (age, age))
    monkeypatch.setattr(platform, "release", lambda: "6.12.1")
    assert builder.latest().parent.name == "6.12.1-new"
    monkeypatch.setattr(platform, "release", lambda: "9.9.9")
    assert builder.latest().parent.name == "7.0.0-newest"


def test_what_another_compiler_built_is_no_candidate(project: Path, tmp_path: Path) -> None:
    clang = tmp_path / "clang"
    clang.write_text("#!/bin/sh\necho clang\n")
    clang.chmod(0o755)
    own = target(tmp_path)
    builder.module(kernel.Kernel(own.release, own.kdir, compiler=str(clang)))
    with pytest.raises(errors.ModuleNotBuilt):
        builder.latest()


def test_export_of_one_and_of_several(project: Path, tmp_path: Path) -> None:
    build = builder.module(target(tmp_path))
    builder.export([build], None, tmp_path / "one")
    assert (tmp_path / "one" / "quic.ko").exists()
    builder.export([build, build], None, tmp_path / "two")
    assert (tmp_path / "two" / "6.12.1-test" / "quic.ko").exists()
