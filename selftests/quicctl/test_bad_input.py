# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad input for each command that takes files, kernels or folders, and what is left when a command is ended in the middle."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Cli
from test_cli import refused
from test_modinfo import make_module

from quicctl import cache


@pytest.fixture
def wrong(tmp_path: Path) -> dict[str, Path]:
    """Files of the wrong kinds."""
    folder = tmp_path / "wrong"
    (folder / "folder").mkdir(parents=True)
    (folder / "text").write_text("no module, no key, no certificate\n")
    (folder / "empty").touch()
    shutil.copy("/bin/true", folder / "program")
    if shutil.which("gcc"):
        ko = make_module(folder, vermagic="6.12.0-test SMP ")
        (folder / "truncated").write_bytes(ko.read_bytes()[:-100])
    return {path.name: path for path in folder.iterdir()}


TAKE_MODULES = (
    ("inspect", "{}"), ("load", "{}"), ("reload", "{}"), ("sign", "{}"), ("install", "{}", "--no-library", "--root", "."),
    ("demo", "--ko", "{}"), ("bench", "--ko", "{}"), ("vm", "run", "--ko", "{}", "--", "true"), ("vm", "shell", "--ko", "{}"),
)  # fmt: skip


@pytest.mark.parametrize("kind", ["text", "empty", "program", "truncated", "folder"])
@pytest.mark.parametrize("words", TAKE_MODULES, ids=" ".join)
def test_no_module(cli: Cli, wrong: dict[str, Path], words: tuple[str, ...], kind: str) -> None:
    if kind not in wrong:
        pytest.skip("no C compiler")
    text = refused(cli, 42 if kind == "folder" else 21, *(word.format(wrong[kind]) for word in words))
    assert str(wrong[kind]) in text
    assert not list(Path(wrong["text"].parents[1]).glob("*/quicctl/runs")), "nothing was booted"


@pytest.mark.skipif(shutil.which("gcc") is None or shutil.which("openssl") is None, reason="no C compiler, or no openssl")
@pytest.mark.parametrize("kind", ["text", "empty", "folder", "missing"])
def test_no_key(cli: Cli, wrong: dict[str, Path], tmp_path: Path, kind: str) -> None:
    ko = make_module(tmp_path, vermagic="6.12.0-test SMP ")
    before = ko.read_bytes()
    key = wrong.get(kind, tmp_path / "missing")
    done = cli("sign", ko, "--key", key, "--cert", wrong["text"])
    assert done.returncode in (42, 88), done.stderr
    assert done.stderr.count("error: ") == done.stderr.count("remedy: ") == 1
    assert ko.read_bytes() == before


@pytest.mark.parametrize(
    "words",
    [("build", "--kernel", "9.9"), ("install", "--kernel", "9.9"), ("package", "rpm", "--no-build", "--kernel", "9.9")],
    ids=" ".join,
)
def test_kernel_that_is_not_installed(cli: Cli, words: tuple[str, ...]) -> None:
    assert "9.9" in refused(cli, 13, *words)


@pytest.mark.parametrize(
    "words",
    [("demo",), ("vm", "run"), ("vm", "shell"), ("bench",), ("selftest", "--where", "vm")],
    ids=" ".join,
)
def test_series_that_does_not_exist(cli: Cli, words: tuple[str, ...]) -> None:
    command = [*words, "--kernel", "9", *(["--", "true"] if words[-1] == "run" else [])]
    done = cli(*command)
    assert done.returncode not in (0, 1), done.stderr
    assert "known series: 6.1, 6.12, 7" in done.stderr


@pytest.mark.parametrize("target", ["deb", "rpm", "arch", "dkms", "kmm", "ansible"])
def test_folder_that_is_a_file(cli: Cli, wrong: dict[str, Path], target: str) -> None:
    build = [] if target in ("dkms", "kmm", "ansible") else ["--no-build"]
    text = refused_after_progress(cli, 43, "package", target, *build, "--out", wrong["text"])
    assert str(wrong["text"]) in text
    assert wrong["text"].read_text().startswith("no module")


def refused_after_progress(cli: Cli, code: int, *words: str | Path, **env: str) -> str:
    done = cli(*words, **env)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == done.stderr.count("remedy: ") == 1
    return done.stderr


@pytest.mark.parametrize("option", ["--junit", "--ktap", "--matrix"])
def test_results_that_cannot_be_left_are_known_before_the_tests_run(cli: Cli, tmp_path: Path, option: str) -> None:
    began = time.monotonic()
    refused(cli, 43, "selftest", "--where", "core", "rtt", option, tmp_path / "no" / "folder")
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("words", [("package", "deb", "--no-build", "--out", "deb"), ("man", "--out", "here")], ids=" ".join)
def test_disk_without_room(tmp_path: Path, words: tuple[str, ...]) -> None:
    """A file system of a few pages, in a mount namespace of our own; that of a build is in test_matrix.py."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode != 0:
        pytest.skip("no mount namespaces for this user")
    (tmp_path / "small").mkdir()
    script = 'mount -t tmpfs -o size=16k none "$0" && cd "$0" && exec "$@"'
    argv = ["unshare", "-Urm", "sh", "-c", script, tmp_path / "small", sys.executable, "-m", "quicctl", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=100)
    assert done.returncode == 91, done.stderr
    assert "full" in done.stderr
    assert done.stderr.count("remedy: ") == 1
    assert "Traceback" not in done.stderr


# Ended in the middle.

MAKER = """
import sys, time
from pathlib import Path
from quicctl import cache
place, log, slow = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "slow"
def make(scratch):
    with log.open("a") as file:
        file.write("made\\n")
    (scratch / "file").write_text("half")
    if slow:
        time.sleep(600)
    (scratch / "file").write_text("whole")
cache.entry(place, make)
"""


def maker(place: Path, log: Path, how: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", MAKER, place, log, how])


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists() or not path.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_download_or_build_that_is_ended_is_made_anew_and_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """Kernels, roots, builds: what the cache holds is whole, or not there."""
    place, log = tmp_path / "cache" / "6.12.1", tmp_path / "log"
    (tmp_path / "cache" / ".6.12.abcdefgh").mkdir(parents=True)  # of another entry, whose maker may live
    child = maker(place, log, "slow")
    wait_for(log)
    child.send_signal(number)
    assert child.wait(60) != 0
    assert not place.exists()
    assert maker(place, log, "quick").wait(60) == 0
    assert (place / "file").read_text() == "whole"
    assert {path.name for path in place.parent.iterdir()} == {"6.12.1", ".6.12.1.lock", ".6.12.abcdefgh"}


def test_two_that_want_the_same_at_once_make_it_once(tmp_path: Path) -> None:
    place, log = tmp_path / "cache" / "entry", tmp_path / "log"
    with cache.locked(place):
        children = [maker(place, log, "quick") for _ in range(3)]
        time.sleep(1)
        assert [child.poll() for child in children] == [None] * 3, "they wait for the one that is at work"
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert log.read_text() == "made\n"


BUILD = """
import sys
from pathlib import Path
from quicctl import builder, kernel, sourcetree
tree = Path(sys.argv[1])
sourcetree.project = lambda: tree / "project"
built = builder.module(kernel.Kernel("6.12.1-test", tree / "kdir"))
print(built.module.read_bytes() == (tree / "expected").read_bytes())
"""


@pytest.mark.skipif(shutil.which("gcc") is None or shutil.which("make") is None, reason="no C compiler")
def test_two_builds_at_once_build_once(tmp_path: Path) -> None:
    (tmp_path / "project" / "module").mkdir(parents=True)
    (tmp_path / "project" / "module" / "Kbuild").write_text("obj-m := quic.o\n")
    (tmp_path / "kdir").mkdir()
    (tmp_path / "expected").write_bytes(b"ELF\0vermagic=6.12.1-test SMP\0")
    (tmp_path / "kdir" / "Makefile").write_text(
        f"modules:\n\t@echo x >> {tmp_path}/count; sleep 1; cp {tmp_path}/expected $(M)/quic.ko\n"
    )
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    argv = [sys.executable, "-c", BUILD, str(tmp_path)]
    children = [subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [child.communicate(timeout=60)[0] for child in children] == ["True\n", "True\n"]
    assert (tmp_path / "count").read_text() == "x\n"
