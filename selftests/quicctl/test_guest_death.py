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


def test_guest_that_hangs_is_stopped(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    behave(monkeypatch, READY + "; echo 'still here'; sleep 600")
    with pytest.raises(errors.GuestTimeout) as caught:
        guest.run(guest.Lane.VM, guest.Job(("true",), timeout=1.0))
    assert caught.value.exit_code == 32
    assert "still here" in caught.value.detail
    assert list(machine.iterdir()) == []
