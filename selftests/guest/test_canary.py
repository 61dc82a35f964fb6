# SPDX-License-Identifier: GPL-2.0-or-later
"""Lane uml notices each kind of bug: a module with planted ones is loaded, and the guest must be judged ill."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from quicctl import errors, guest, process, uml

FOLDER = Path(__file__).parent / "canary"
EXPECTED = {
    "use-after-free": "kasan",
    "out-of-bounds": "kasan",
    "lock-inversion": "lockdep",
    "sleep-in-atomic": "sleep",
    "leak": "leak",
    "warn": "warning",
    "shift": "ubsan",
}


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("canary")
    for source in FOLDER.iterdir():
        shutil.copy(source, work)
    debug = uml.debug_kernel()
    process.run(["make", "-C", str(debug.kdir), "ARCH=um", f"M={work}", "modules"], timeout=300)
    return work / "canary.ko"


def commit(canary: Path, bug: str, folder: Path, *, leaks: bool = False) -> guest.Outcome:
    load = f"insmod {guest.BASE}/payload/canary.ko bug={bug}; status=$?; rmmod canary; exit $status"
    job = guest.Job(("sh", "-c", load), files=(("canary.ko", canary),), timeout=300, leaks=leaks)
    return guest.run(guest.Lane.UML, job, folder=folder)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("bug", EXPECTED)
def test_planted_bug_is_noticed(canary: Path, tmp_path: Path, bug: str) -> None:
    outcome = commit(canary, bug, tmp_path, leaks=bug == "leak")
    assert outcome.status == 0
    assert not outcome.healthy
    assert EXPECTED[bug] in {splat.kind for splat in outcome.splats}, outcome.splats


@pytest.mark.timeout(600)
def test_no_bug_is_no_report(canary: Path, tmp_path: Path) -> None:
    outcome = commit(canary, "none", tmp_path, leaks=True)
    assert outcome.status == 0
    assert outcome.healthy, (outcome.splats, outcome.complaints)


@pytest.mark.timeout(600)
def test_oops_kills_the_guest_with_its_report(canary: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.GuestDied) as caught:
        commit(canary, "oops", tmp_path)
    assert "console.log" in caught.value.remedy
    assert "canary" in (tmp_path / "console.log").read_text()
