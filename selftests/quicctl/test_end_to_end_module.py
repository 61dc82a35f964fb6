# SPDX-License-Identifier: GPL-2.0-or-later
"""Installing, reloading and setting on a real system: a guest with the module loaded."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quicctl import module, settings, uapi

pytestmark = [
    pytest.mark.skipif(not module.usable(), reason="the module is not loaded"),
    pytest.mark.timeout(900),
]

in_vm = pytest.mark.skipif(os.environ.get("QUIC_LANE") != "vm", reason="needs a distribution's modules")
KO = Path(os.environ.get("QUIC_PAYLOAD", "/run/quic/payload")) / "quic.ko"


def quicctl(*words: str | Path, code: int = 0) -> str:
    done = subprocess.run([sys.executable, "-m", "quicctl", *map(str, words)], capture_output=True, text=True, timeout=400)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def told(*words: str | Path) -> Any:
    return json.loads(quicctl(*words, "--json"))


def sysctl(name: str) -> list[int]:
    return [int(word) for word in (Path("/proc/sys/net/quic") / name).read_text().split()]


@pytest.fixture
def settings_restored() -> Iterator[None]:
    before = {one.name: one.value for one in settings.everything() if one.value is not None}
    yield
    settings.apply(before)


@pytest.fixture
def modules(tmp_path: Path) -> Iterator[Path]:
    """The kernel's folder of modules, made writable for a while."""
    top = Path("/lib/modules")
    held = tmp_path / "held"
    subprocess.run(["mount", "--mkdir", "-t", "tmpfs", "held", held], check=True)
    (held / "upper").mkdir()
    (held / "work").mkdir()
    over = f"lowerdir={top},upperdir={held}/upper,workdir={held}/work"
    subprocess.run(["mount", "-t", "overlay", "over", "-o", over, top], check=True)
    yield top / platform.release()
    subprocess.run(["umount", top], check=True)
    subprocess.run(["umount", held], check=True)


def test_kernels_defaults_are_known() -> None:
    """The formula of the settings, counted from what the kernel shows, is the module's own."""
    for one in settings.everything():
        if one.name.startswith("net.quic."):
            assert one.value is not None
            for value, default in zip(one.value, one.default, strict=True):
                assert abs(value - default) <= default // 50, one


def test_setting_reaches_the_kernel(settings_restored: None, tmp_path: Path) -> None:
    quicctl("config", "set", "quic_linger_ms", "3s", "--persist", "--root", tmp_path)
    assert sysctl("quic_linger_ms") == [3000]
    assert told("config", "get", "quic_linger_ms")["value"] == [3000]
    assert "-net.quic.quic_linger_ms = 3000" in (tmp_path / "etc/sysctl.d/70-quicctl.conf").read_text()
    quicctl("config", "profile", "server")
    assert sysctl("quic_mem") == list(settings.profile("server")["net.quic.quic_mem"])
    quicctl("config", "profile", "default")
    assert sysctl("quic_linger_ms") == [10000]


def test_range_of_ports_is_the_namespaces_own(settings_restored: None) -> None:
    name = f"quicctl-config-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        here = told("config", "get", "ip_local_port_range")["value"]
        quicctl("config", "set", "ip_local_port_range", "20000", "20999", "--netns", name)
        assert told("config", "get", "ip_local_port_range", "--netns", name)["value"] == [20000, 20999]
        assert told("config", "get", "ip_local_port_range")["value"] == here
        # the module's own are the machine's, whoever looks
        assert told("config", "get", "quic_mem", "--netns", name) == told("config", "get", "quic_mem")
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def test_reload_and_unload_wait_for_nobody_they_would_hurt() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, uapi.IPPROTO_QUIC):
        assert "quicctl conns" in quicctl("unload", code=23)
        assert "is in use" in quicctl("reload", KO, "--dry-run", code=23)
        assert "is in use" in quicctl("reload", KO, code=23)
    assert module.usable()


@in_vm
def test_reload_keeps_settings_and_brings_the_same_build(settings_restored: None) -> None:
    settings.apply({"net.quic.quic_linger_ms": (1234,)})
    build = told("status")["loaded"]["build_id"]
    done = told("reload", KO)
    assert done["settings"] == ["net.quic.quic_linger_ms"]
    assert done["loading"]["module"]["build_id"] == done["before"]["build_id"] == build
    assert sysctl("quic_linger_ms") == [1234]


@in_vm
def test_inspection_agrees_with_the_kernel_that_took_the_module() -> None:
    found = told("inspect", KO)
    assert [f for f in found["findings"] if f["verdict"] == "fail"] == []


@in_vm
def test_installed_module_is_found_by_the_kernel(modules: Path) -> None:
    listed = sorted(path.name for path in modules.iterdir())
    done = told("install", KO, "--no-library")
    assert done["releases"] == [platform.release()]
    assert (modules / "updates" / "quic.ko").exists()
    assert Path("/etc/modules-load.d/quic.conf").read_text().endswith("quic\n")
    quicctl("unload")
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM, uapi.IPPROTO_QUIC).close()  # loaded on demand, by its alias
    assert module.loaded() is not None
    quicctl("uninstall")
    assert sorted(path.name for path in modules.iterdir()) == listed
    assert not Path("/etc/modules-load.d/quic.conf").exists()
    assert not Path("/var/lib/quicctl").exists()
    assert "updates/quic.ko" not in (modules / "modules.dep").read_text()


@in_vm
def test_installation_on_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    root = tmp_path / "small"
    subprocess.run(["mount", "--mkdir", "-t", "tmpfs", "-o", "size=256k", "small", root], check=True)
    try:
        assert "is full" in quicctl("install", KO, "--no-library", "--root", root, code=91)
        assert list(root.iterdir()) == []
    finally:
        subprocess.run(["umount", root], check=True)
