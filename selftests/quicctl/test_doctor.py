# SPDX-License-Identifier: GPL-2.0-or-later
"""The doctor judges the newest build and the machine's rules by the checks of inspect."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

import pytest
from test_modinfo import make_module

from quicctl import doctor, inspection, modprobe
from quicctl.inspection import Target, Verdict

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler")


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A build for the running kernel, in a cache of its own, on a machine that shows nothing of itself."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    release = platform.release()
    folder = tmp_path / "quicctl" / "built" / f"{release}-0123"
    folder.mkdir(parents=True)
    target = Target(release, "x64", 64, frozenset({"SMP"}), None, None, None, False, tmp_path / "root")
    monkeypatch.setattr(inspection, "running", lambda: target)
    return make_module(folder, vermagic=f"{release} SMP ")


def test_sound_build(built: Path) -> None:
    [row] = doctor._built()
    assert row.verdict is Verdict.OK
    assert str(built) in row.finding


def test_build_of_another_configuration(built: Path) -> None:
    make_module(built.parent, vermagic=f"{platform.release()} SMP preempt ")
    [row] = doctor._built()
    assert row.verdict is Verdict.WARN
    assert row.finding.startswith("vermagic: ")
    assert "preempt" in row.finding
    assert "quicctl build" in row.remedy


def test_build_that_is_damaged(built: Path) -> None:
    built.write_bytes(built.read_bytes()[:100])
    [row] = doctor._built()
    assert "truncated" in row.finding


def test_build_for_a_guest_is_not_judged_by_this_kernel(built: Path) -> None:
    built.parent.rename(built.parent.parent / "1.2.3-0123")
    assert doctor._built() == []


def test_rules_that_bar_the_module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "etc" / "modprobe.d").mkdir(parents=True)
    (tmp_path / "etc" / "modprobe.d" / "x.conf").write_text("install quic /bin/false\nblacklist other\n")
    rules = modprobe.rules(tmp_path)
    monkeypatch.setattr(modprobe, "rules", lambda: rules)
    monkeypatch.setattr(modprobe, "kernel_blacklist", lambda: frozenset({"quic"}))
    verdicts = [(row.verdict, row.finding) for row in doctor._blacklist()]
    assert [verdict for verdict, _ in verdicts] == [Verdict.FAIL, Verdict.WARN]
    assert "module_blacklist=quic" in verdicts[0][1]
    assert "x.conf: install quic /bin/false" in verdicts[1][1]
