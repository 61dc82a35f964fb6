# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices that protect packets, read from the module's file."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Cli
from typer.testing import CliRunner

from quicctl import errors, module, offload
from quicctl.cli.app import app

TEXT = "offload on\nDEVICE\tASSOCS\tMOST\tTX_DEVICE\tTX_SOFTWARE\tRX_DEVICE\tRX_SOFTWARE\neth0\t2\t64\t10\t1\t20\t0\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "offload"
    path.write_text(TEXT)
    monkeypatch.setattr(offload, "_FILE", path)
    monkeypatch.setattr(module, "usable", lambda: True)
    return path


def test_devices_and_counters() -> None:
    found = offload.parse(TEXT)
    assert found.allowed
    assert found.devices == (
        offload.Device("eth0", 2, 64, {"TX_DEVICE": 10, "TX_SOFTWARE": 1, "RX_DEVICE": 20, "RX_SOFTWARE": 0}),
    )
    assert found.total is None
    assert offload.parse(f"{TEXT}/\t2\t64\t15\t1\t22\t0\n") == offload.Offload(
        True,
        found.devices,
        offload.Device("/", 2, 64, {"TX_DEVICE": 15, "TX_SOFTWARE": 1, "RX_DEVICE": 22, "RX_SOFTWARE": 0}),
    )
    assert offload.parse("offload off\nDEVICE\tASSOCS\tMOST\n") == offload.Offload(False, ())


def test_switch(file: Path) -> None:
    offload.allow(False)
    assert file.read_text() == "0"


def test_older_module_has_no_file(file: Path) -> None:
    file.unlink()
    with pytest.raises(errors.ModuleNotLoaded, match="knows no devices"):
        offload.offload()


def test_without_the_module(cli: Cli) -> None:
    ended = cli("offload")
    assert ended.returncode == errors.ModuleNotLoaded.exit_code
    assert "quicctl load" in ended.stderr


def shown(*words: str) -> str:
    ended = CliRunner().invoke(app, ["offload", *words])
    assert ended.exit_code == 0, ended.output
    return ended.output


def test_command_shows_devices_and_their_sum(file: Path) -> None:
    file.write_text(f"{TEXT}/\t2\t64\t15\t1\t22\t0\n")
    lines = [line.split() for line in shown().splitlines()]
    assert ["devices", "allowed"] in lines
    assert ["eth0", "2", "of", "64", "10", "1", "20", "0"] in lines
    assert ["all", "2", "of", "64", "15", "1", "22", "0"] in lines
    details = [line.split() for line in shown("--details").splitlines()]
    assert [name for [name] in (line for line in details if len(line) == 1)] == ["eth0", "all"]
    assert details.count(["tx", "software", "1"]) == 2


def test_command_shows_no_sum_of_nothing(file: Path) -> None:
    file.write_text("offload off\nDEVICE\tASSOCS\tMOST\tTX_DEVICE\n/\t0\t0\t0\n")
    assert shown().split() == ["devices", "forbidden"]


def test_command_switches_unless_it_is_to_tell_only(file: Path) -> None:
    assert "would forbid devices; they are allowed" in shown("--forbid", "--dry-run")
    assert file.read_text() == TEXT
    ended = CliRunner().invoke(app, ["offload", "--forbid"])
    assert file.read_text() == "0", ended.output
