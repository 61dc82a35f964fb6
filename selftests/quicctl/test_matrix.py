# SPDX-License-Identifier: GPL-2.0-or-later
"""Several kernels, several compilers: what fails is told and stops nothing else, two builds at once are one after the other."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli
from test_modinfo import make_module
from typer.testing import CliRunner

from quicctl import archive, clangtree, errors, kernel, matrix, process, sourcetree, toolroot
from quicctl.cli.app import app
from quicctl.matrix import Compiler, Result

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler")

GOOD = "@cp {kdir}/good.ko $(M)/quic.ko; echo x >> {kdir}/count"
BAD = "@echo 'quic.c:1: error: no such thing' >&2; exit 1"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(clangtree, "program", lambda: None)
    return tmp_path


def tree(folder: Path, release: str, body: str = GOOD, vermagic: str = "") -> kernel.Kernel:
    """A kernel's tree that compiles nothing: it copies a module that was made by hand."""
    kdir = folder / f"kdir-{release}"
    (kdir / "include" / "config").mkdir(parents=True)
    (kdir / "include" / "config" / "kernel.release").write_text(release + "\n")
    make_module(kdir, vermagic=vermagic or f"{release} SMP ", name="good")
    (kdir / "Makefile").write_text("modules:\n\t" + body.format(kdir=kdir) + "\n")
    return kernel.Kernel(release, kdir)


def archived(folder: Path, suite: str) -> kernel.Kernel:
    """A kernel of the archive, which takes its suite's tools unless that is "here"."""
    target = tree(folder, "6.1.1-a")
    (target.kdir / ".config").write_text('CONFIG_CC_VERSION_TEXT="Suite\'s clang version 99"\n')
    (target.kdir / "Module.symvers").write_text("")
    tools = None if suite == "here" else kernel.Tools(suite, ("gcc-99",))
    return kernel.Kernel(target.release, target.kdir, image=folder, tools=tools)


def unpack(release: str, scratch: Path) -> None:
    """A source whose Makefile does next to nothing."""
    for folder in ("scripts", "include/config", "drivers/net"):
        (scratch / folder).mkdir(parents=True)
    (scratch / "scripts" / "config").write_text("#!/bin/sh\n")
    (scratch / "scripts" / "config").chmod(0o755)
    (scratch / "drivers" / "net" / "big.c").touch()
    (scratch / "drivers" / "net" / "Kconfig").touch()
    make_module(scratch, vermagic=f"{release} SMP ", name="good")
    (scratch / "Makefile").write_text(
        "olddefconfig modules_prepare:\n\t@echo $@ $(CC) $(KERNELRELEASE) >> made\n"
        "modules:\n\tcp good.ko $(M)/quic.ko\n"
    )


def count(target: kernel.Kernel) -> int:
    return len((target.kdir / "count").read_text().splitlines())


def test_failure_of_one_does_not_stop_the_others(home: Path) -> None:
    targets = [tree(home, "6.1.1-a"), tree(home, "6.12.1-b", BAD), tree(home, "7.0.1-c")]
    cells = matrix.run(targets, [Compiler.GCC])
    assert [cell.result for cell in cells] == [Result.OK, Result.FAIL, Result.OK]
    assert "no such thing" in cells[1].detail
    assert "inspected" in cells[0].verdict
    again = matrix.run(targets, [Compiler.GCC])
    assert [cell.build.cached for cell in again if cell.build] == [True, True]


def test_kernel_of_unknown_source_is_not_built_by_clang(home: Path) -> None:
    [gcc, clang] = matrix.run([tree(home, "6.1.1-a")], list(Compiler))
    assert (gcc.result, clang.result) == (Result.OK, Result.SKIP)
    assert "source" in clang.verdict


def test_root_of_tools_that_cannot_be_entered_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolroot.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(clangtree, "_unpack", unpack)
    cell = matrix.cell(archived(home, "here"), Compiler.CLANG)
    assert cell.result is Result.SKIP
    assert "root's rights" in cell.verdict


@pytest.mark.parametrize("suite", ["here", "next"])
def test_clang_is_of_the_suite_of_the_kernels_tools(home: Path, monkeypatch: pytest.MonkeyPatch, suite: str) -> None:
    """Where this machine has none; the suite is this machine's own for what its own tools build."""
    ran: list[tuple[str, str]] = []

    def run(tools: kernel.Tools, argv: Sequence[str], **given: Any) -> process.Result:
        assert "clang" in tools.packages
        ran.append((tools.suite, argv[-1]))
        return process.run(argv, timeout=given["timeout"])

    monkeypatch.setattr(toolroot, "run", run)
    monkeypatch.setattr(archive, "host_suite", lambda: "here")
    monkeypatch.setattr(clangtree, "_unpack", unpack)
    monkeypatch.setenv("CC", "no-such-compiler")  # this machine needs none
    cell = matrix.cell(archived(home, suite), Compiler.CLANG)
    assert (cell.result, cell.build and cell.build.tools) == (Result.OK, suite), cell
    assert ran == [(suite, "olddefconfig"), (suite, "modules_prepare"), (suite, "modules")]
    assert cell.verdict == "compiles, Suite's clang version 99"


def test_clang_builds_in_a_tree_of_its_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clang = home / "clang-19"
    clang.write_text("#!/bin/sh\necho clang version 19\n")
    clang.chmod(0o755)
    target = tree(home, "6.1.1-a")
    prepared = tree(home / "clang", "6.1.1-a", GOOD + "; echo $(CC) > {kdir}/cc")
    (prepared.kdir / ".config").write_text("")
    monkeypatch.setattr(clangtree, "program", lambda: clang)
    own = kernel.Kernel("6.1.1-a", prepared.kdir, compiler=str(clang))
    monkeypatch.setattr(clangtree, "prepared", lambda wanted, progress=None: own)
    wanted = kernel.Kernel("6.1.1-a", target.kdir, image=home)
    [first, second] = matrix.run([wanted], list(Compiler))
    assert (first.result, second.result) == (Result.OK, Result.OK), (first, second)
    assert (prepared.kdir / "cc").read_text().strip() == str(clang)
    assert first.build and second.build
    assert first.build.module != second.build.module


def test_no_compiler_at_all_is_a_failure(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tree(home, "6.1.1-a")
    monkeypatch.setenv("CC", "no-such-compiler")
    assert [cell.result for cell in matrix.run([target], list(Compiler))] == [Result.FAIL, Result.SKIP]


def test_clang_that_is_too_old_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the words of the kernel's own Kconfig."""
    target = tree(home, "6.1.1-a")
    (target.kdir / ".config").write_text("")
    (target.kdir / "Module.symvers").write_text("")
    clang = home / "clang"
    clang.write_text("#!/bin/sh\necho clang version 14\n")
    clang.chmod(0o755)
    monkeypatch.setattr(clangtree, "program", lambda: clang)

    def old(release: str, scratch: Path) -> None:
        unpack(release, scratch)
        said = ["*** C compiler is too old.", "***   Your Clang version:    14.0.6", "***   Minimum Clang version: 17.0.1"]
        shown = "; ".join(f"echo '{line}' >&2" for line in said)
        (scratch / "Makefile").write_text(f"olddefconfig:\n\t@{shown}; exit 2\n")

    monkeypatch.setattr(clangtree, "_unpack", old)
    monkeypatch.setattr(archive, "host_suite", lambda: "here")
    monkeypatch.setattr(toolroot, "run", lambda tools, argv, timeout, **_: process.run(argv, timeout=timeout))
    cell = matrix.cell(kernel.Kernel("6.1.1-a", target.kdir, image=home), Compiler.CLANG)
    assert (cell.result, cell.verdict) == (
        Result.SKIP,
        "clang 14.0.6 is too old for kernel 6.1.1-a, which takes 17.0.1 or newer",
    )


def test_clang_tree_is_prepared_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tree(home, "6.1.1-a")
    (target.kdir / ".config").write_text("CONFIG_X86_64=y\n")
    (target.kdir / "Module.symvers").write_text("symbols\n")
    clang = home / "clang"
    clang.write_text("#!/bin/sh\necho clang version 19\n")
    clang.chmod(0o755)
    monkeypatch.setattr(clangtree, "program", lambda: clang)
    unpacked = []

    def noted(release: str, scratch: Path) -> None:
        unpacked.append(release)
        unpack(release, scratch)

    monkeypatch.setattr(clangtree, "_unpack", noted)
    wanted = kernel.Kernel("6.1.1-a", target.kdir, image=home)
    first, second = clangtree.prepared(wanted), clangtree.prepared(wanted)
    assert first == second
    assert (first.release, first.compiler, unpacked) == ("6.1.1-a", str(clang), ["6.1.1-a"])
    assert (first.kdir / "made").read_text() == f"olddefconfig {clang} 6.1.1-a\nmodules_prepare {clang} 6.1.1-a\n"
    assert (first.kdir / ".config").read_text() == "CONFIG_X86_64=y\n"
    assert (first.kdir / "Module.symvers").read_text() == "symbols\n"
    assert [p.name for p in (first.kdir / "drivers" / "net").iterdir()] == ["Kconfig"]


def test_result_that_its_kernel_would_refuse_is_no_result(home: Path) -> None:
    target = tree(home, "6.1.1-a")
    (target.kdir / ".config").write_text("CONFIG_X86_64=y\nCONFIG_SMP=y\nCONFIG_MODULE_UNLOAD=y\n")
    cell = matrix.cell(target, Compiler.GCC)
    assert cell.result is Result.FAIL
    assert "mod_unload" in cell.verdict


# The command.


def test_command_builds_and_inspects(cli: Cli, tmp_path: Path) -> None:
    target = tree(tmp_path, "6.1.1-a")
    done = cli("build", "--kdir", target.kdir, "--no-library", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "quic.ko").exists()
    (target.kdir / ".config").write_text("CONFIG_X86_64=y\nCONFIG_SMP=y\nCONFIG_MODULE_UNLOAD=y\n")
    done = cli("build", "--kdir", target.kdir, "--no-library")
    assert done.returncode == 17
    assert "vermagic" in done.stderr


def test_each_kernel_that_is_named_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trees = {name: tree(tmp_path / name, f"{name}.1-a") for name in ("6.1", "6.12")}
    monkeypatch.setattr(kernel, "choose", lambda release, _kdir: trees[release])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = ["build", "--no-library", "--json", *(f"--kernel={name}" for name in ("6.12", "6.1", "6.12"))]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert [cell["kernel"] for cell in json.loads(done.stdout)["cells"]] == ["6.12.1-a", "6.1.1-a"]


def test_command_without_installed_kernels(cli: Cli) -> None:
    if kernel.all_installed():
        pytest.skip("there are kernels' headers here")
    done = cli("build", "--all")
    assert done.returncode == 13
    assert "--matrix" in done.stderr


def test_two_builds_at_once_build_once(tmp_path: Path) -> None:
    slow = GOOD.replace("@cp", "@[ ! -e {kdir}/at-work ] || touch {kdir}/clash; touch {kdir}/at-work; sleep 1; cp", 1)
    target = tree(tmp_path, "6.1.1-a", slow + "; rm {kdir}/at-work")
    argv = [sys.executable, "-m", "quicctl", "build", "--kdir", str(target.kdir), "--no-library", "--json"]
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
    tree_of_ours = sourcetree.project()
    children = [
        subprocess.Popen(argv, env=env, cwd=tree_of_ours, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ended = [child.communicate(timeout=100) for child in children]
    assert [child.returncode for child in children] == [0, 0, 0], ended
    assert len({json.loads(out)["modules"][0]["module"] for out, _ in ended}) == 1
    assert count(target) == 1
    assert not (target.kdir / "clash").exists()


def test_full_disk_is_said_as_such(tmp_path: Path) -> None:
    """On a disk of 64 KiB, in a mount namespace of our own."""
    target = tree(tmp_path, "6.1.1-a")
    argv = [sys.executable, "-m", "quicctl", "build", "--kdir", str(target.kdir), "--no-library"]
    mount = f'mount -t tmpfs -o size=64k full {tmp_path}/cache && exec "$@"'
    (tmp_path / "cache").mkdir()
    outside = ["unshare", "-Urm", "true"]
    if shutil.which("unshare") is None or subprocess.run(outside, capture_output=True).returncode != 0:
        pytest.skip("no mount namespaces for this user")
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
    words = ["unshare", "-Urm", "sh", "-c", mount, "sh", *argv]
    done = subprocess.run(words, env=env, cwd=sourcetree.project(), capture_output=True, text=True, timeout=100)
    assert done.returncode == errors.NoSpace.exit_code, done.stderr
    assert "full" in done.stderr
    assert done.stderr.count("remedy: ") == 1
    assert "Traceback" not in done.stderr
