# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings are typed: what the kernel would refuse is refused before, all of a profile is set or nothing."""

from __future__ import annotations

import json
import mmap
from pathlib import Path

import pytest
from conftest import Cli

from quicctl import errors, settings
from quicctl.settings import Machine, Parameter

MACHINE = Machine(pages=800_000, page_size=4096)


@pytest.fixture
def sysctls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc/sys of a machine with the module, all at defaults."""
    top = tmp_path / "sys"
    monkeypatch.setattr(settings, "_SYS", top)
    monkeypatch.setattr(settings, "machine", lambda: MACHINE)
    for setting in settings.SETTINGS:
        (top / setting.path).parent.mkdir(parents=True, exist_ok=True)
        (top / setting.path).write_text("\t".join(map(str, setting.default(MACHINE))) + "\n")
    return top


def test_defaults_are_those_of_the_module() -> None:
    """Written out by hand from the formula of the interface: P = pages / 8."""
    values = {s.name: s.default(MACHINE) for s in settings.SETTINGS}
    assert values["net.quic.quic_mem"] == (75_000, 100_000, 150_000)
    assert values["net.quic.quic_rmem"] == (4096, 1_048_576, 3_200_000)
    assert values["net.quic.quic_wmem"] == (4096, 16_384, 3_200_000)
    small = Machine(pages=100, page_size=4096)
    assert settings.find("quic_mem").default(small) == (96, 128, 192)
    assert settings.find("quic_wmem").default(small) == (4096, 16_384, 65_536)


def test_pages_are_counted_as_the_kernel_counts_them(tmp_path: Path) -> None:
    text = "Node 0, zone      DMA\n  pages free 1\n        high     40\n        managed  3840\n"
    text += "Node 0, zone   Normal\n        high     1000\n        managed  500000\n      high:  7\n"
    text += "Node 1, zone   Normal\n        high     600000\n        managed  500000\n"
    text += "Node 1, zone  Movable\n        high     0\n        managed  99999\n"
    (tmp_path / "zoneinfo").write_text(text)
    assert settings.machine(tmp_path / "zoneinfo").pages == 3800 + 499_000


@pytest.mark.parametrize(
    ("name", "words", "values"),
    [
        ("quic_rmem", ("4096 8192", "16384"), (4096, 8192, 16384)),
        ("quic_rmem", ("4K", "1M", "16MiB"), (4096, 1 << 20, 16 << 20)),
        ("net.quic.quic_linger_ms", ("30s",), (30_000,)),
        ("quic_linger_ms", ("2min",), (120_000,)),
        ("quic_linger_ms", ("0",), (0,)),
        ("quic_mem", ("1G,2G,2G",), ((1 << 30) // mmap.PAGESIZE, *((2 << 30) // mmap.PAGESIZE,) * 2)),
        ("ip_local_port_range", ("1024", "65535"), (1024, 65535)),
    ],
)
def test_values_as_people_write_them(name: str, words: tuple[str, ...], values: tuple[int, ...]) -> None:
    assert settings.parse(settings.find(name), words) == values


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("quic_rmem", ("4096",)),
        ("quic_rmem", ("1", "2", "3", "4")),
        ("quic_rmem", ("0", "6000", "7000")),
        ("quic_rmem", ("9000", "6000", "7000")),
        ("quic_mem", ("3", "2", "1")),
        ("quic_mem", ("-1", "2", "3")),
        ("quic_wmem", ("1", "2", "2147483648")),
        ("quic_linger_ms", ("600001",)),
        ("quic_linger_ms", ("11min",)),
        ("quic_linger_ms", ("-1",)),
        ("quic_linger_ms", ("10K",)),
        ("quic_linger_ms", ("soon",)),
        ("somaxconn", ("1s",)),
        ("ip_local_port_range", ("0", "65535")),
        ("ip_local_port_range", ("60000", "50000")),
        ("quic_rmem", ()),
    ],
)
def test_values_that_cannot_be(name: str, words: tuple[str, ...]) -> None:
    with pytest.raises(errors.SettingInvalid) as caught:
        settings.parse(settings.find(name), words)
    assert "from" in caught.value.remedy


def test_unknown_names() -> None:
    with pytest.raises(errors.SettingUnknown):
        settings.find("quic_memory")
    with pytest.raises(errors.SettingUnknown, match="profile"):
        settings.profile("moon")


@pytest.mark.parametrize("name", settings.PROFILES)
@pytest.mark.parametrize("pages", [64, 4096, 800_000, 1 << 30])
def test_every_profile_is_valid_on_every_machine(name: str, pages: int) -> None:
    for setting, value in settings.PROFILES[name][1].items():
        settings.validate(settings.find(setting), value(Machine(pages, 4096)))


def test_profile_is_set_and_default_brings_back_what_was(sysctls: Path) -> None:
    before = settings.everything()
    assert not any(one.changed for one in before)
    for name in ("lan", "wan", "server"):
        settings.apply(settings.profile(name))
        for setting, values in settings.profile(name).items():
            assert settings.current(settings.find(setting)).value == values
        assert any(one.changed for one in settings.everything())
    settings.apply(settings.profile("default"))
    assert settings.everything() == before


def test_profile_that_fails_half_way_changes_nothing(sysctls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = settings.everything()
    write, count = settings._write, 0

    def some(*arguments: object) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise errors.SettingInvalid("no", remedy="no")
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(settings, "_write", some)
    with pytest.raises(errors.SettingInvalid):
        settings.apply(settings.profile("wan"))
    assert settings.everything() == before


def test_without_the_module_its_settings_are_not_there(sysctls: Path) -> None:
    (sysctls / "net" / "quic" / "quic_mem").unlink()
    assert settings.current(settings.find("quic_mem")).value is None
    with pytest.raises(errors.ModuleNotLoaded):
        settings.apply({"net.quic.quic_mem": (1, 2, 3)})


def test_dry_run_and_change_are_told_alike(sysctls: Path) -> None:
    told = settings.apply(settings.profile("server"), dry_run=True)
    assert not any(one.changed for one in settings.everything())
    assert settings.apply(settings.profile("server")) == told


def test_what_is_persisted_is_added_to_and_forgotten(tmp_path: Path) -> None:
    settings.persist({"net.quic.quic_linger_ms": (5,), "net.quic.quic_mem": (1, 2, 3)}, tmp_path)
    path, _ = settings.persist({"net.quic.quic_linger_ms": (7,)}, tmp_path)
    assert settings.persisted(tmp_path) == {"net.quic.quic_linger_ms": (7,), "net.quic.quic_mem": (1, 2, 3)}
    assert "-net.quic.quic_mem = 1 2 3\n" in path.read_text()
    assert path == tmp_path / "etc/sysctl.d/70-quicctl.conf"
    assert settings.forget(tmp_path)
    assert not settings.forget(tmp_path)
    assert settings.persisted(tmp_path) == {}


def test_parameters_have_the_types_that_the_module_declares(tmp_path: Path) -> None:
    folder = tmp_path / "quic" / "parameters"
    folder.mkdir(parents=True)
    (folder / "depth").write_text("4\n")
    entries = (("parmtype", "depth:uint"), ("parm", "depth:How deep"), ("parmtype", "loud:bool"), ("license", "GPL"))
    depth, loud = settings.parameters(tmp_path, entries)
    assert depth == Parameter("depth", "uint", "4", True, "How deep")
    assert (loud.name, loud.kind, loud.value) == ("loud", "bool", None)
    for parameter, good, bad in ((depth, "7", "-1"), (depth, "0", "x"), (loud, "Y", "maybe")):
        settings.check_parameter(parameter, good)
        with pytest.raises(errors.SettingInvalid):
            settings.check_parameter(parameter, bad)
    settings.set_parameter(depth, "9", tmp_path / "root", folder=tmp_path, keep=True)
    settings.set_parameter(loud, "N", tmp_path / "root", folder=tmp_path, keep=True)
    assert (folder / "depth").read_text() == "9\n"
    kept = (tmp_path / "root" / "etc" / "modprobe.d" / "quicctl.conf").read_text()
    assert kept.splitlines()[1:] == ["options quic depth=9", "options quic loud=N"]
    with pytest.raises(errors.NotRoot) as caught:
        settings.set_parameter(loud, "N", tmp_path / "root", folder=tmp_path)
    assert "--persist" in caught.value.remedy


def test_template_lists_every_setting_of_the_module() -> None:
    for setting in settings.SETTINGS:
        assert (f"#{setting.name} = " in settings.template()) == setting.name.startswith("net.quic.")
    assert all(line.startswith("#") or not line for line in settings.template().splitlines())


# The command.


def refused(cli: Cli, code: int, *words: str | Path) -> str:
    done = cli("config", *words)
    assert done.returncode == code, done.stderr
    assert done.stderr.count("error: ") == done.stderr.count("remedy: ") == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_command_shows_all(cli: Cli) -> None:
    text = cli("config", "list").stdout
    for setting in settings.SETTINGS:
        assert setting.name.rpartition(".")[2] in text
    found = json.loads(cli("config", "list", "--json").stdout)
    assert {one["name"] for one in found["settings"]} == {setting.name for setting in settings.SETTINGS}
    assert "least, pressure, most" in cli("config", "get", "quic_mem").stdout
    profiles = json.loads(cli("config", "profile", "--json").stdout)
    assert [one["name"] for one in profiles] == ["default", "lan", "wan", "server"]


def test_command_persists_and_forgets(cli: Cli, tmp_path: Path) -> None:
    words = ["--root", tmp_path, "--json"]
    assert json.loads(cli("config", "forget", *words).stdout) == {"settings": [], "removed": False}
    settings.persist({"net.quic.quic_linger_ms": (5,)}, tmp_path)
    assert "quic_linger_ms" in cli("config", "forget", "--root", tmp_path, "--dry-run").stdout
    assert json.loads(cli("config", "forget", *words).stdout) == {"settings": ["net.quic.quic_linger_ms"], "removed": True}
    done = cli("config", "persist", "--root", tmp_path, "--dry-run")
    assert "would write" in done.stdout
    assert not (tmp_path / "etc" / "sysctl.d" / "70-quicctl.conf").exists()
    assert "wrote" in cli("config", "persist", "--root", tmp_path).stdout
    assert (tmp_path / "etc" / "sysctl.d" / "70-quicctl.conf").exists()


def test_command_refuses_politely(cli: Cli) -> None:
    assert "config list" in refused(cli, 94, "get", "nonsense")
    assert "lan, wan" in refused(cli, 94, "profile", "moon")
    assert "600000" in refused(cli, 95, "set", "quic_linger_ms", "1000000")
    assert "must not fall" in refused(cli, 95, "set", "quic_rmem", "3", "2", "1", "--dry-run")
    assert "no network namespace" in refused(cli, 55, "get", "somaxconn", "--netns", "nowhere")
