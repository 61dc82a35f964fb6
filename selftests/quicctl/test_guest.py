# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that are shell scripts speaking the control protocol."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from quicctl import errors, guest, kernel, rootfs, sourcetree, uml, vm

Boot = Callable[..., guest.Outcome]


@pytest.fixture
def boot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Boot:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))

    def run(script: str, **fields: object) -> guest.Outcome:
        def prepare(job: guest.Job, scratch: Path, ports: Mapping[str, int]) -> guest.Launch:
            head = "".join(f"{name}={fd}\n" for name, fd in ports.items())
            body = f'{head}tell() {{ echo "QUICCTL $*" >&$control; }}\ncd {scratch}\n{script}'

            def fetch(place: Path) -> None:
                if (scratch / "out").exists():
                    shutil.copytree(scratch / "out", place, dirs_exist_ok=True)

            return guest.Launch(("bash", "-c", body), tuple(ports.values()), fetch)

        monkeypatch.setattr(vm, "prepare", prepare)
        sink = fields.pop("on_output", None)
        return guest.run(guest.Lane.VM, guest.Job(("true",), **fields), on_output=sink)  # type: ignore[arg-type]

    return run


def test_status_of_the_job_is_the_outcomes(boot: Boot) -> None:
    outcome = boot("tell ready; tell job 3; tell done 0")
    assert (outcome.status, outcome.healthy) == (3, True)


def test_output_arrives_by_stream_and_is_kept(boot: Boot) -> None:
    seen: dict[str, bytes] = {}

    def sink(name: str, data: bytes) -> None:
        seen[name] = seen.get(name, b"") + data

    outcome = boot("echo out >&$stdout; echo err >&$stderr; tell job 0; tell done 0", on_output=sink)
    assert seen == {"stdout": b"out\n", "stderr": b"err\n"}
    assert (outcome.folder / "stdout").read_bytes() == b"out\n"


def test_results_come_back(boot: Boot) -> None:
    outcome = boot("mkdir out; echo 42 >out/answer; tell job 0; tell done 0")
    assert (outcome.results / "answer").read_text() == "42\n"


def test_report_on_the_console_makes_the_guest_ill(boot: Boot) -> None:
    outcome = boot("echo '[ 1.0] BUG: KASAN: slab-out-of-bounds in x'; tell job 0; tell done 0")
    assert not outcome.healthy
    assert outcome.splats[0].kind == "kasan"


@pytest.mark.parametrize("line", ["unload rmmod: ERROR: busy", "stray sleep 100", "locks 0", "lost results"])
def test_complaints(boot: Boot, line: str) -> None:
    outcome = boot(f"tell job 0; tell {line}; tell done 0")
    assert len(outcome.complaints) == 1
    assert not outcome.healthy


def test_module_that_does_not_load(boot: Boot) -> None:
    with pytest.raises(errors.LoadFailed, match="Invalid module format"):
        boot("tell load insmod: Invalid module format; tell done 125")


def test_session_that_cannot_start(boot: Boot) -> None:
    with pytest.raises(errors.GuestDied, match="mount /lib/modules"):
        boot("tell failed mount /lib/modules: No such file")


def test_end_without_the_jobs_end_is_a_death(boot: Boot) -> None:
    with pytest.raises(errors.GuestDied, match="before the job was done"):
        boot("tell ready; tell done 0")


def test_guest_that_does_not_power_off_is_ended(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest, "_POWER_OFF_GRACE", 0.5)
    assert boot("tell job 0; tell done 0; sleep 600").status == 0


def test_two_guests_at_once_do_not_meet(boot: Boot) -> None:
    outcomes: list[guest.Outcome] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(boot("echo x >&$stdout; sleep 0.3; tell job 7; tell done 0")))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [o.status for o in outcomes] == [7, 7]
    assert len({o.folder for o in outcomes}) == 2


def test_payload_holds_job_modules_and_files(boot: Boot, tmp_path: Path) -> None:
    (tmp_path / "x.ko").write_text("ko")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_text("a")
    outcome = boot(
        "mkdir out; cp -r payload/. out; tell job 0; tell done 0",
        modules=(tmp_path / "x.ko",), files=(("lib", tmp_path / "folder"),),
    )  # fmt: skip
    assert {p.name for p in outcome.results.iterdir()} >= {"x.ko", "lib", "job.sh", "session.sh"}
    assert (outcome.results / "lib" / "a").read_text() == "a"


def test_arguments_survive_the_shell(tmp_path: Path) -> None:
    job = guest.Job(("echo", "two words", "$HOME", "it's"))
    payload = tmp_path / "payload"
    guest._fill_payload(payload, job)
    assert (payload / "job.sh").read_text() == "exec echo 'two words' '$HOME' 'it'\"'\"'s'\n"


def test_initramfs_member_is_aligned_and_whole() -> None:
    member = vm._cpio_member("a/b", 0o100644, b"12345")
    assert member[:6] == b"070701"
    assert len(member) % 4 == 0
    assert int(member[54:62], 16) == 5
    assert int(member[94:102], 16) == len("a/b") + 1


def test_modules_are_inserted_after_what_they_need(tmp_path: Path) -> None:
    (tmp_path / "modules.dep").write_text(
        "kernel/fs/overlayfs/overlay.ko:\nkernel/drivers/block/virtio_blk.ko: kernel/b.ko kernel/a.ko\nkernel/a.ko:\n"
        "kernel/b.ko: kernel/a.ko\n"
    )
    order = vm._load_order(tmp_path)
    assert order.index("kernel/a.ko") < order.index("kernel/b.ko") < order.index("kernel/drivers/block/virtio_blk.ko")
    assert order.count("kernel/a.ko") == 1


def test_image_holds_the_tree(tmp_path: Path) -> None:
    from quicctl import process

    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "file").write_text("content")
    (tree / "big").write_bytes(os.urandom(3 << 20))
    rootfs.make_image(tree, tmp_path / "image")
    debugfs = process.which("debugfs")
    assert debugfs is not None
    shown = process.run([debugfs, "-R", "cat /sub/file", tmp_path / "image"])
    assert shown.stdout == "content"


def test_tree_is_taken_without_what_was_built(tmp_path: Path) -> None:
    for name in ("a.c", "a.o", ".a.o.cmd", "quic.ko", "quic.mod.c", "sub/b.py", ".git/config", "sub/__pycache__/b.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert {str(p.relative_to(tmp_path)) for p in sourcetree.tree_files(tmp_path)} == {"a.c", "sub/b.py"}


def test_debug_guest_finds_an_environment_that_lies_below_tmp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment = tmp_path / "clone" / ".venv"
    monkeypatch.setattr(uml, "debug_kernel", lambda: kernel.Kernel("7.0", tmp_path, "um", image=Path("/bin/true")))
    monkeypatch.setattr(guest, "guest_init", lambda: tmp_path / "init")
    monkeypatch.setattr(sys, "executable", str(environment / "bin" / "python"))
    (tmp_path / "payload").mkdir()
    uml.prepare(guest.Job(("true",)), tmp_path, {})
    mounts = dict(line.split()[4:0:-3] for line in (tmp_path / "orders").read_text().splitlines() if line.startswith("mount "))
    said = (tmp_path / "payload" / "env.sh").read_text()
    assert mounts[f"{guest.BASE}/python"] == str(environment)
    assert f"{guest.BASE}/python/bin" in said
    assert str(environment) not in said
