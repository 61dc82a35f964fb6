# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that dies in the middle: its console's tail is shown, its processes are gone, nothing is left in /tmp."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from quicctl import errors, guest, vm

READY = "echo 'QUICCTL ready' >&{control}"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A place for guests that are shell scripts; returns the folder of scratch files."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return scratch


def behave(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    def prepare(job: guest.Job, scratch: Path, ports: Mapping[str, int]) -> guest.Launch:
        text = script.format(control=f"{ports['control']}")
        return guest.Launch(("bash", "-c", text), tuple(ports.values()), lambda place: None)

    monkeypatch.setattr(vm, "prepare", prepare)


def test_death_shows_the_end_of_the_console(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    behave(monkeypatch, READY + "; echo 'the last words of the console'; exit 1")
    with pytest.raises(errors.GuestDied) as caught:
        guest.run(guest.Lane.VM, guest.Job(("true",)))
    assert caught.value.exit_code == 31
    assert "the last words of the console" in caught.value.detail
    assert "console.log" in caught.value.remedy
    assert list(machine.iterdir()) == []


def test_panic_is_told_as_what_it_is(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    behave(monkeypatch, READY + "; echo '[    5.0] Kernel panic - not syncing: planted'; exit 0")
    with pytest.raises(errors.KernelSplat) as caught:
        guest.run(guest.Lane.VM, guest.Job(("true",)))
    assert "planted" in caught.value.detail + caught.value.message
    assert list(machine.iterdir()) == []


@pytest.mark.parametrize("deaths", (1, 2))
def test_death_while_booting_is_tried_once_more(
    machine: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, deaths: int
) -> None:
    """Nothing of ours has run by then; it is said, and what the first one said is kept."""
    count = tmp_path / "count"
    behave(
        monkeypatch,
        f"echo x >>{count}; echo \"boot $(wc -l <{count})\"; [ $(wc -l <{count}) -gt {deaths} ] || exit 1;"
        " echo 'QUICCTL begun' >&{control}; echo 'QUICCTL job 0' >&{control}; echo 'QUICCTL done 0' >&{control}",
    )
    said: list[bytes] = []
    if deaths == 1:
        outcome = guest.run(guest.Lane.VM, guest.Job(("true",)), on_output=lambda name, data: said.append(data))
        assert outcome.status == 0
        assert "boot 1" in (outcome.folder / "console-first.log").read_text()
    else:
        with pytest.raises(errors.GuestDied, match="before the job was done"):
            guest.run(guest.Lane.VM, guest.Job(("true",)), on_output=lambda name, data: said.append(data))
    assert count.read_text() == "x\n" * 2
    assert b"died while it booted" in b"".join(said)


def test_guest_that_hangs_is_stopped(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    behave(monkeypatch, READY + "; echo 'still here'; sleep 600")
    with pytest.raises(errors.GuestTimeout) as caught:
        guest.run(guest.Lane.VM, guest.Job(("true",), timeout=1.0))
    assert caught.value.exit_code == 32
    assert "still here" in caught.value.detail
    assert list(machine.iterdir()) == []
