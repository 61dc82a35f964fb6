# SPDX-License-Identifier: GPL-2.0-or-later
"""The module as part of a kernel tree, on a tree in miniature; selftests/package builds and runs a whole one."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Cli

from quicctl import errors, sourcetree
from quicctl.packaging import tree

MODULE = sourcetree.project() / "module"
KCONFIG = 'menu "Networking"\nsource "net/sctp/Kconfig"\nsource "net/rds/Kconfig"\nendmenu\n'
MAKEFILE = "obj-$(CONFIG_IP_SCTP)\t\t+= sctp/\nobj-$(CONFIG_RDS)\t\t+= rds/\n"


@pytest.fixture
def kdir(tmp_path: Path) -> Path:
    """A tree with what matters here; one name in it is not UTF-8, as in old kernel files."""
    home = tmp_path / "linux"
    make_tree(home)
    return home


def make_tree(home: Path, version: str = "7.3") -> None:
    major, minor = version.split(".")
    (home / "net").mkdir(parents=True)
    (home / "Makefile").write_text(f"# SPDX\nVERSION = {major}\nPATCHLEVEL = {minor}\nSUBLEVEL = 4\n")
    (home / "net" / "Kconfig").write_text(KCONFIG)
    (home / "net" / "Makefile").write_bytes(b"# \xe9\n" + MAKEFILE.encode())


def content(home: Path) -> dict[str, bytes]:
    return {str(path.relative_to(home)): path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}


def apply(home: Path) -> list[tree.Change]:
    changes = tree.plan(home, MODULE)
    tree.apply(home, changes)
    return changes


def test_lines_stand_next_to_sctp(kdir: Path) -> None:
    apply(kdir)
    assert (kdir / "net" / "Kconfig").read_text() == KCONFIG.replace(
        'sctp/Kconfig"\n', 'sctp/Kconfig"\nsource "net/quic/Kconfig"\n'
    )
    assert (kdir / "net" / "Makefile").read_bytes() == b"# \xe9\n" + MAKEFILE.replace(
        "sctp/\n", "sctp/\nobj-$(CONFIG_IP_QUIC)\t\t+= quic/\n"
    ).encode()


def test_sources_and_headers_are_where_the_kernel_has_them(kdir: Path) -> None:
    apply(kdir)
    for theirs, ours in (
        ("net/quic/core/conn.c", "core/conn.c"), ("net/quic/Kconfig", "Kconfig"),
        ("net/quic/tests/rtt_test.c", "tests/rtt_test.c"),
        ("include/uapi/linux/quic.h", "include/uapi/linux/quic.h"), ("include/linux/quic.h", "include/linux/quic.h"),
        ("include/trace/events/quic.h", "include/trace/events/quic.h"),
        ("include/trace/misc/quic.h", "include/trace/misc/quic.h"),
    ):  # fmt: skip
        assert (kdir / theirs).read_bytes() == (MODULE / ours).read_bytes()


def test_what_serves_other_builds_stays_behind(kdir: Path) -> None:
    apply(kdir)
    made = (kdir / "net" / "quic" / "Makefile").read_text()
    assert not [name for name in ("compat.h", "compat.mk", "Kbuild", "include") if (kdir / "net" / "quic" / name).exists()]
    assert "obj-$(CONFIG_IP_QUIC) += quic.o" in made
    assert "compat" not in made
    assert "KBUILD_EXTMOD" not in made
    assert made.count("ifneq") == made.count("endif") == 0


def test_applying_again_changes_nothing(kdir: Path) -> None:
    assert len(apply(kdir)) > 100
    before = content(kdir)
    assert apply(kdir) == []
    assert content(kdir) == before


def test_newer_sources_replace_older_ones(kdir: Path) -> None:
    apply(kdir)
    (kdir / "net" / "quic" / "core" / "gone.c").touch()
    (kdir / "net" / "quic" / "main.c").write_text("/* older */\n")
    (kdir / "net" / "quic" / "main.o").touch()
    changes = {str(change.path): change.action for change in apply(kdir)}
    assert changes == {"net/quic/core/gone.c": "remove", "net/quic/main.c": "edit"}
    assert (kdir / "net" / "quic" / "main.o").exists()


def test_removal_leaves_the_tree_as_it_was(kdir: Path) -> None:
    before = content(kdir)
    apply(kdir)
    (kdir / "net" / "quic" / "main.o").touch()
    (kdir / "net" / "quic" / "core" / ".conn.o.cmd").touch()
    tree.apply(kdir, tree.removal(kdir, MODULE))
    assert content(kdir) == before
    assert not (kdir / "net" / "quic").exists()
    assert tree.removal(kdir, MODULE) == []


def test_the_sources_themselves_tell_the_oldest_kernel(tmp_path: Path) -> None:
    (tmp_path / "compat.h").write_text("/* 6.9: one. */\n/* 6.12: other. */\n/* 6.2: third. */\n")
    assert tree.needed_version(tmp_path) == (6, 12)
    assert tree.needed_version(MODULE) >= (7, 2)


def test_older_kernel_is_refused(tmp_path: Path) -> None:
    make_tree(tmp_path / "old", "6.12")
    with pytest.raises(errors.KernelTreeUnsuitable, match=r"6\.12") as caught:
        tree.plan(tmp_path / "old", MODULE)
    assert "quicctl package dkms" in caught.value.remedy


def test_folder_that_is_no_kernel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.KernelTreeUnsuitable):
        tree.plan(tmp_path, MODULE)


def test_tree_with_another_quic_is_refused(kdir: Path) -> None:
    (kdir / "net" / "quic").mkdir()
    (kdir / "net" / "quic" / "socket.c").touch()
    for act in (tree.plan, tree.removal):
        with pytest.raises(errors.KernelTreeUnsuitable, match="another"):
            act(kdir, MODULE)


def test_tree_without_the_neighbour_is_refused_before_anything_is_changed(kdir: Path) -> None:
    (kdir / "net" / "Kconfig").write_text('menu "Networking"\nendmenu\n')
    before = content(kdir)
    with pytest.raises(errors.KernelTreeUnsuitable, match="SCTP"):
        apply(kdir)
    assert content(kdir) == before


def test_dry_run_is_a_patch(cli: Cli, kdir: Path) -> None:
    before = content(kdir)
    done = cli("package", "tree", kdir, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert content(kdir) == before
    assert '+source "net/quic/Kconfig"' in done.stdout
    assert "+++ b/net/quic/core/conn.c" in done.stdout


def test_command_applies_and_removes(cli: Cli, kdir: Path) -> None:
    before = content(kdir)
    done = cli("package", "tree", kdir)
    assert done.returncode == 0, done.stderr
    assert (kdir / "net" / "quic" / "main.c").exists()
    assert "net/Kconfig" in done.stdout
    assert cli("package", "tree", kdir, "--remove").returncode == 0
    assert content(kdir) == before


def test_command_refuses_politely(cli: Cli, tmp_path: Path) -> None:
    done = cli("package", "tree", tmp_path)
    assert done.returncode == 70
    assert "remedy: " in done.stderr
    assert "Traceback" not in done.stderr
