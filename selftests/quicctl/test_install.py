# SPDX-License-Identifier: GPL-2.0-or-later
"""Installing is all or nothing, whatever gets in between, and uninstalling leaves what was there before."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Cli
from test_modinfo import make_module

from quicctl import errors, install, process, transaction
from quicctl.cli import install as cli_install
from quicctl.install import Options
from quicctl.transaction import File, Transaction

pytestmark = pytest.mark.skipif(
    process.which("depmod") is None or shutil.which("gcc") is None, reason="no C compiler, or no depmod"
)

RELEASE = "6.12.1-test"


def snapshot(root: Path) -> dict[str, tuple[int, bytes]]:
    """Every file, link and folder below a root with what is in it."""
    found = {}
    for path in sorted(root.rglob("*")):
        data = os.readlink(path).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(root))] = (path.lstat().st_mode, data)
    return found


@pytest.fixture
def ko(tmp_path: Path) -> Path:
    (tmp_path / "built").mkdir()
    return make_module(tmp_path / "built", vermagic=f"{RELEASE} SMP ", extra="alias=net-pf-2-proto-261\\0")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system with a kernel of its own modules, indexed, and a file in the way."""
    top = tmp_path / "root"
    folder = top / "lib" / "modules" / RELEASE
    (folder / "kernel").mkdir(parents=True)
    own = make_module(tmp_path, vermagic=f"{RELEASE} SMP ", name="other")
    own.rename(folder / "kernel" / "other.ko")
    subprocess.run([process.which("depmod") or "depmod", "-b", top, RELEASE], check=True, capture_output=True)
    (top / "etc" / "modules-load.d").mkdir(parents=True)
    (top / "etc" / "modules-load.d" / "quic.conf").write_text("# of the site\nquic\n")
    (top / "etc" / "modules-load.d" / "quic.conf").chmod(0o600)
    return top


def options(root: Path) -> Options:
    return Options(root=root, library=False)


def test_files_are_where_the_system_looks(root: Path, ko: Path) -> None:
    done = install.install([ko], options(root))
    assert done.releases == (RELEASE,)
    assert (root / "lib" / "modules" / RELEASE / "updates" / "quic.ko").exists()
    assert "updates/quic.ko:" in (root / "lib" / "modules" / RELEASE / "modules.dep").read_text()
    assert "net-pf-2-proto-261 quic" in (root / "lib" / "modules" / RELEASE / "modules.alias").read_text()
    assert (root / "etc" / "modules-load.d" / "quic.conf").read_text().splitlines()[-1] == "quic"
    assert "#net.quic.quic_linger_ms = 10000" in (root / "etc" / "sysctl.d" / "60-quic.conf").read_text()
    assert not (root / "var" / "lib" / "quicctl" / "journal").exists()


def test_uninstall_leaves_what_was_there(root: Path, ko: Path) -> None:
    before = snapshot(root)
    install.install([ko], options(root))
    assert snapshot(root) != before
    done = install.uninstall(root)
    assert "restore" in {step.action for step in done.steps}
    assert snapshot(root) == before


def test_uninstall_leaves_nothing_in_an_empty_system(tmp_path: Path, ko: Path) -> None:
    (tmp_path / "empty").mkdir()
    install.install([ko], options(tmp_path / "empty"))
    install.uninstall(tmp_path / "empty")
    assert snapshot(tmp_path / "empty") == {}


def test_second_installation_replaces_the_first_and_remembers_the_original(root: Path, ko: Path, tmp_path: Path) -> None:
    before = snapshot(root)
    install.install([ko], options(root))
    first = snapshot(root)
    install.install([ko], options(root))
    assert snapshot(root).keys() == first.keys()
    (tmp_path / "newer").mkdir()
    newer = make_module(tmp_path / "newer", vermagic=f"{RELEASE} SMP ", extra="author=somebody\\0")
    assert {step.action for step in install.install([newer], options(root)).steps} == {"replace", "run"}
    assert b"author" in (root / "lib" / "modules" / RELEASE / "updates" / "quic.ko").read_bytes()
    install.uninstall(root)
    assert snapshot(root) == before


def test_file_that_was_changed_since_is_left_and_named(root: Path, ko: Path) -> None:
    install.install([ko], options(root))
    theirs = root / "etc" / "sysctl.d" / "60-quic.conf"
    theirs.write_text("net.quic.quic_linger_ms = 5\n")
    done = install.uninstall(root)
    assert [step.what for step in done.steps if step.action == "keep"] == [str(theirs)]
    assert theirs.read_text() == "net.quic.quic_linger_ms = 5\n"


def test_links_are_installed_and_restored(root: Path) -> None:
    before = root / "usr" / "lib" / "libx.so"
    before.parent.mkdir(parents=True)
    before.symlink_to("libx.so.0")
    saved = snapshot(root)
    with transaction.begin(root, lambda step: None) as change:
        kept = install._remember(before)
        change.put(File(before, link="libx.so.1"))
    assert os.readlink(before) == "libx.so.1"
    assert kept == {"link": "libx.so.0"}
    with transaction.begin(root, lambda step: None) as change:
        change.put(install._restored(before, kept or {}))
    install.transaction.recover(root, lambda step: None)
    assert {k: v for k, v in snapshot(root).items() if not k.startswith("var")} == saved


def test_dry_run_says_all_and_does_nothing(root: Path, ko: Path) -> None:
    before = snapshot(root)
    done = install.install([ko], options(root), dry_run=True)
    assert snapshot(root) == before
    real = install.install([ko], options(root))
    assert done.steps == real.steps
    after = snapshot(root)
    told = install.uninstall(root, dry_run=True)
    assert snapshot(root) == after
    assert told.steps == install.uninstall(root).steps


def test_nothing_to_uninstall(root: Path) -> None:
    with pytest.raises(errors.NotInstalled):
        install.uninstall(root)
    assert not (root / "var").exists()


def fail_at(monkeypatch: pytest.MonkeyPatch, number: int, failure: BaseException) -> Callable[[], int]:
    """Let the numbered step go wrong after it was written down; returns a function that tells how many there were."""
    note = Transaction.note
    count = 0

    def counted(self: Transaction, step: dict[str, object]) -> None:
        nonlocal count
        note(self, step)
        count += 1
        if count == number:
            raise failure

    monkeypatch.setattr(Transaction, "note", counted)
    return lambda: count


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), errors.NoSpace),
        (OSError(errno.EROFS, "Read-only file system"), errors.NotRoot),
        (OSError(errno.EIO, "Input/output error"), errors.FileUnwritable),
        (transaction.Interrupted(signal.SIGTERM), errors.Interrupted),
        (errors.InstallFailed("depmod failed"), errors.InstallFailed),
    ],
)
def test_failure_at_any_step_leaves_all_as_it_was(
    root: Path, ko: Path, failure: BaseException, kind: type[errors.QuicctlError]
) -> None:
    before = snapshot(root)
    number = 1
    while True:
        with pytest.MonkeyPatch.context() as patch:
            counted = fail_at(patch, number, failure)
            try:
                install.install([ko], options(root))
            except kind:
                assert snapshot(root) == before, f"after step {number}"
                number += 1
                continue
        assert counted() == number - 1
        break
    assert number > 10


def crash(work: Callable[[], object], number: int) -> bool:
    """Do it in a process that ends without a word after the numbered step; returns whether it came that far."""
    child = os.fork()
    if child == 0:
        note = Transaction.note
        steps = 0

        def counted(self: Transaction, step: dict[str, object]) -> None:
            nonlocal steps
            note(self, step)
            steps += 1
            if steps == number:
                os._exit(99)

        Transaction.note = counted  # type: ignore[method-assign]
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 99


def test_crash_at_any_step_is_undone_by_the_next_call(root: Path, ko: Path) -> None:
    before = snapshot(root)
    number = 1
    while crash(lambda: install.install([ko], options(root)), number):
        assert install.recover(root)
        assert snapshot(root) == before, f"after step {number}"
        number += 1
    assert number > 10
    after = snapshot(root)
    number = 1
    while crash(lambda: install.uninstall(root), number):
        assert install.recover(root)
        assert snapshot(root) == after, f"after step {number} of uninstall"
        number += 1
    assert number > 5
    assert snapshot(root) == before


def test_crash_while_undoing_is_undone_too(root: Path, ko: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(root)
    assert crash(lambda: install.install([ko], options(root)), 12)
    undo = Transaction._undo_step

    for most in range(1, 8):
        done = 0

        def some(self: Transaction, step: dict[str, object], most: int = most) -> None:
            nonlocal done
            done += 1
            if done > most:
                raise KeyboardInterrupt
            undo(self, step)

        monkeypatch.setattr(Transaction, "_undo_step", some)
        with pytest.raises(KeyboardInterrupt):
            install.recover(root)
    monkeypatch.undo()
    assert install.recover(root)
    assert snapshot(root) == before


def test_installation_after_a_crash_says_so(root: Path, ko: Path) -> None:
    assert crash(lambda: install.install([ko], options(root)), 9)
    assert install.install([ko], options(root)).recovered
    assert not install.install([ko], options(root)).recovered


def test_index_that_fails_undoes_all(root: Path, ko: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(root)
    state = tmp_path / "called"
    (tmp_path / "bin").mkdir()
    real = process.which("depmod")
    fake = tmp_path / "bin" / "depmod"
    fake.write_text(f'#!/bin/sh\n[ -e {state} ] && exec {real} "$@"\ntouch {state}; echo broken >&2; exit 1\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(errors.InstallFailed) as caught:
        install.install([ko], options(root))
    assert "broken" in caught.value.detail
    assert snapshot(root) == before


def test_what_only_debuggers_read_is_left_out(root: Path, tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text('__asm__(".section .modinfo,\\"a\\"\\n.asciz \\"vermagic=6.12.1-test SMP\\"");int x;\n')
    subprocess.run(["gcc", "-g", "-c", "-o", tmp_path / "quic.ko", tmp_path / "a.c"], check=True, timeout=60)
    assert b".debug_info" in (tmp_path / "quic.ko").read_bytes()
    install.install([tmp_path / "quic.ko"], options(root))
    placed = (root / "lib" / "modules" / RELEASE / "updates" / "quic.ko").read_bytes()
    assert b".debug_info" not in placed
    assert b"vermagic=6.12.1-test SMP" in placed


def test_truncated_module_is_refused_before_anything(root: Path, ko: Path) -> None:
    before = snapshot(root)
    ko.write_bytes(ko.read_bytes()[:200])
    with pytest.raises(errors.ModuleUnreadable):
        install.install([ko], options(root))
    assert snapshot(root) == before


def test_library_comes_from_the_build(tmp_path: Path, ko: Path) -> None:
    if subprocess.run(["pkg-config", "--exists", "gnutls"]).returncode != 0:
        pytest.skip("no headers of GnuTLS")
    root = tmp_path / "root"
    root.mkdir()
    done = install.install([ko], Options(root=root, prefix=Path("/opt/quic")))
    top = root / "opt" / "quic"
    assert os.readlink(top / "lib" / "libquic.so.1") == "libquic.so.1.0.0"
    assert "prefix=/opt/quic" in (top / "lib" / "pkgconfig" / "libquic.pc").read_text()
    assert "ldconfig" not in " ".join(step.what for step in done.steps)  # there is no loader in that root
    for part in ("include/netinet/quic.h", "include/linux/quic.h", "share/man/man7/quic.7"):
        assert (top / part).is_file(), part
    install.uninstall(root)
    assert snapshot(root) == {}


# The command.


def refused(cli: Cli, code: int, *words: str | Path, **env: str) -> str:
    done = cli(*words, **env)
    assert done.returncode == code, done.stderr
    assert done.stderr.count("error: ") == done.stderr.count("remedy: ") == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_command_installs_and_uninstalls(cli: Cli, root: Path, ko: Path) -> None:
    before = snapshot(root)
    words = [ko, "--root", root, "--no-library"]
    assert "would install" in cli("install", *words, "--dry-run").stdout
    assert snapshot(root) == before
    done = cli("install", *words, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["releases"] == [RELEASE]
    done = cli("uninstall", "--root", root)
    assert done.returncode == 0, done.stderr
    assert "updates/quic.ko" in done.stdout
    assert snapshot(root) == before


def test_many_files_of_a_folder_share_a_line() -> None:
    steps = [install.Step("install", f"/man3/{n}.3") for n in range(9)] + [install.Step("install", "/lib/a")]
    [table] = cli_install.steps(install.Installation(Path("/"), ("1",), tuple(steps)), "installed")
    assert table.rows == [["install", "/man3/ (9 files)"], ["install", "/lib/a"]]


def test_command_refuses_politely(cli: Cli, root: Path, ko: Path, tmp_path: Path) -> None:
    assert "is no folder" in refused(cli, 42, "install", ko, "--root", tmp_path / "none", "--no-library")
    assert "cannot be read" in refused(cli, 42, "install", tmp_path / "none.ko", "--root", root, "--no-library")
    (tmp_path / "text.ko").write_text("text")
    assert "no ELF" in refused(cli, 21, "install", tmp_path / "text.ko", "--root", root, "--no-library")
    assert "no headers" in refused(cli, 13, "install", "--kernel", "9.9.9", "--root", root)
    assert "nothing of ours" in refused(cli, 93, "uninstall", "--root", root)


def slow_depmod(folder: Path) -> str:
    """A search path on which depmod says that it began, and takes its time the first time."""
    folder.mkdir()
    program = folder / "depmod"
    first = f"[ -e {folder}/began ] || {{ touch {folder}/began; exec sleep 60; }}"
    program.write_text(f'#!/bin/sh\n{first}\nexec {process.which("depmod")} "$@"\n')
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def wait_for(path: Path, child: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        assert child.poll() is None, child.stderr.read() if child.stderr else ""
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_in_the_middle_undoes_all(root: Path, ko: Path, tmp_path: Path, number: signal.Signals) -> None:
    before = snapshot(root)
    argv = [sys.executable, "-m", "quicctl", "install", str(ko), "--root", str(root), "--no-library"]
    env = {**os.environ, "PATH": slow_depmod(tmp_path / "bin")}
    with subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        wait_for(tmp_path / "bin" / "began", child)
        assert (root / "lib" / "modules" / RELEASE / "updates" / "quic.ko").exists()
        child.send_signal(number)
        _, said = child.communicate(timeout=60)
    assert child.returncode == errors.Interrupted.exit_code, said
    assert number.name in said
    assert snapshot(root) == before


def test_killed_installation_is_undone_by_the_next(root: Path, ko: Path, tmp_path: Path) -> None:
    before = snapshot(root)
    argv = [sys.executable, "-m", "quicctl", "install", str(ko), "--root", str(root), "--no-library"]
    env = {**os.environ, "PATH": slow_depmod(tmp_path / "bin")}
    with subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True) as child:
        wait_for(tmp_path / "bin" / "began", child)
        child.kill()
        child.wait(60)
    assert snapshot(root) != before
    assert "undone first" in subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout
    install.uninstall(root)
    assert snapshot(root) == before


def test_second_installation_waits_for_the_first(root: Path, ko: Path) -> None:
    argv = [sys.executable, "-m", "quicctl", "install", str(ko), "--root", str(root), "--no-library"]
    with transaction.begin(root, lambda step: None):
        child = subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        assert child.stderr is not None
        assert "waiting for it" in child.stderr.readline()
        assert child.poll() is None
        assert not (root / "lib" / "modules" / RELEASE / "updates").exists()
    with child:
        child.communicate(timeout=60)
    assert child.returncode == 0
    assert (root / "lib" / "modules" / RELEASE / "updates" / "quic.ko").exists()
