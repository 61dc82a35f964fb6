# SPDX-License-Identifier: GPL-2.0-or-later
"""A module file is read, and judged, before the kernel sees it."""

from __future__ import annotations

import os
import platform
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from quicctl import errors, kernel, modinfo, module

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler")


def make_module(
    folder: Path, *, vermagic: str, name: str = "quic", extra: str = "", crcs: dict[str, int] | None = None
) -> Path:
    """An object file with the sections of a module."""
    text = f"license=GPL\\0version=1.2\\0srcversion=ABC\\0depends=udp_tunnel,ip6_udp_tunnel\\0name={name}\\0{extra}"
    if vermagic:
        text += f"vermagic={vermagic}\\0"
    table = b"".join(struct.pack("<Q56s", crc, symbol.encode()) for symbol, crc in (crcs or {}).items())
    source = f'__asm__(".section .modinfo,\\"a\\"\\n.ascii \\"{text.replace(chr(92), chr(92) * 2)}\\"\\n'
    if table:
        source += '.section __versions,\\"a\\"\\n.byte ' + ",".join(map(str, table)) + "\\n"
    source += '.previous\\n");\n'
    path = folder / f"{name}.ko"
    (folder / "module.c").write_text(source)
    subprocess.run(["gcc", "-c", "-o", path, folder / "module.c"], check=True, timeout=60)
    return path


def test_all_facts_are_read(tmp_path: Path) -> None:
    aliases = "alias=net-pf-2\\0alias=net-pf-10\\0"
    ko = make_module(tmp_path, vermagic="6.12.1 SMP mod_unload ", extra=aliases, crcs={"a": 7, "bc": 9})
    info = modinfo.read(ko)
    assert (info.name, info.version, info.srcversion, info.license) == ("quic", "1.2", "ABC", "GPL")
    assert info.depends == ("udp_tunnel", "ip6_udp_tunnel")
    assert info.aliases == ("net-pf-2", "net-pf-10")
    assert (info.release, info.flags) == ("6.12.1", {"SMP", "mod_unload"})
    assert info.symbols == (modinfo.Symbol("a", 7), modinfo.Symbol("bc", 9))
    assert not info.signed


def test_signature_is_noticed(tmp_path: Path) -> None:
    ko = make_module(tmp_path, vermagic="6.12.1 SMP")
    with ko.open("ab") as out:
        out.write(b"sig~Module signature appended~\n")
    assert modinfo.read(ko).signed


def test_checksums_in_the_form_of_newer_kernels(tmp_path: Path) -> None:
    """Two sections since Linux 6.14, so that names may be long."""
    ko = make_module(tmp_path, vermagic="6.14.1 SMP")
    (tmp_path / "crcs").write_bytes(struct.pack("<II", 7, 9))
    (tmp_path / "names").write_bytes(b"a\0" + b"b" * 100 + b"\0")
    for part in ("crcs", "names"):
        subprocess.run(["objcopy", "--add-section", f"__version_ext_{part}={tmp_path / part}", ko], check=True, timeout=60)
    assert modinfo.read(ko).symbols == (modinfo.Symbol("a", 7), modinfo.Symbol("b" * 100, 9))


def test_parameters_are_listed(tmp_path: Path) -> None:
    ko = make_module(tmp_path, vermagic="6.12.1 SMP", extra="parm=depth:How deep\\0parmtype=depth:uint\\0")
    assert modinfo.read(ko).parameters == (("parm", "depth:How deep"), ("parmtype", "depth:uint"))


def test_other_file_is_no_module(tmp_path: Path) -> None:
    text = tmp_path / "quic.ko"
    text.write_text("no module")
    with pytest.raises(errors.ModuleUnreadable):
        modinfo.read(text)


def test_empty_file_is_no_module(tmp_path: Path) -> None:
    (tmp_path / "quic.ko").touch()
    with pytest.raises(errors.ModuleUnreadable):
        modinfo.read(tmp_path / "quic.ko")


def test_program_is_no_module() -> None:
    with pytest.raises(errors.ModuleUnreadable) as caught:
        modinfo.read(Path(shutil.which("ls") or "/bin/ls"))
    assert "no .modinfo" in caught.value.message


def test_missing_file_is_said_as_such(tmp_path: Path) -> None:
    with pytest.raises(errors.FileUnreadable):
        modinfo.read(tmp_path / "quic.ko")


@pytest.mark.parametrize(("taken", "remedy"), [(True, "quicctl build"), (False, "quicctl vm")])
def test_module_of_another_kernel_is_refused_before_trying(
    taken: bool, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A better one helps only where the kernel takes modules."""
    monkeypatch.setattr(module, "_TAKEN", tmp_path if taken else tmp_path / "none")
    ko = make_module(tmp_path, vermagic="6.1.0-other SMP mod_unload ")
    with pytest.raises(errors.VermagicMismatch) as caught:
        module.check(ko)
    assert "6.1.0-other" in caught.value.message
    assert platform.release() in caught.value.message
    assert remedy in caught.value.remedy


def test_module_of_another_configuration_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "kernel_flags", lambda release: frozenset({"SMP", "preempt"}))
    ko = make_module(tmp_path, vermagic=f"{platform.release()} SMP mod_unload ")
    with pytest.raises(errors.VermagicMismatch) as caught:
        module.check(ko)
    assert "mod_unload, preempt" in caught.value.message


def test_module_of_this_kernel_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "kernel_flags", lambda release: frozenset({"SMP", "mod_unload"}))
    monkeypatch.setattr(kernel, "config", lambda release, kdir=None: None)
    module.check(make_module(tmp_path, vermagic=f"{platform.release()} SMP mod_unload "))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_module_is_said_as_such(tmp_path: Path) -> None:
    ko = make_module(tmp_path, vermagic="6.12.1 SMP")
    ko.chmod(0)
    with pytest.raises(errors.FileUnreadable):
        modinfo.read(ko)
