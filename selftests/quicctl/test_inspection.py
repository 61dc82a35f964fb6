# SPDX-License-Identifier: GPL-2.0-or-later
"""A bad specimen of each kind, made of a module that was really built: each is named before a kernel sees it."""

from __future__ import annotations

import dataclasses
import gzip
import json
import lzma
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Cli

from quicctl import builder, errors, inspection, kernel, modinfo, module
from quicctl.inspection import Finding, Inspection, Target, Verdict

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("objcopy") is None or shutil.which("gcc") is None, reason="no compiler and binutils"),
]


@pytest.fixture(scope="session")
def built() -> tuple[kernel.Kernel, Path]:
    """A kernel with headers, and the module built for it."""
    try:
        wanted = kernel.newest()
    except errors.QuicctlError as reason:
        pytest.skip(f"no kernel to build for: {reason.message}")
    return wanted, builder.module(wanted).module


@pytest.fixture(scope="session")
def stripped(built: tuple[kernel.Kernel, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stripped") / "quic.ko"
    objcopy(built[1], path, "--strip-debug")
    return path


@pytest.fixture
def good(stripped: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copy(stripped, tmp_path / "quic.ko"))


@pytest.fixture(scope="session")
def known(built: tuple[kernel.Kernel, Path], tmp_path_factory: pytest.TempPathFactory) -> Target:
    """The kernel it is for, on a machine of its own."""
    return dataclasses.replace(inspection.of_kernel(built[0]), root=tmp_path_factory.mktemp("root"))


@pytest.fixture
def target(known: Target, tmp_path: Path) -> Target:
    return dataclasses.replace(known, root=tmp_path / "root")


def objcopy(source: Path, result: Path, *words: str) -> None:
    subprocess.run(["objcopy", *words, source, result], check=True, timeout=120)


def lenient(target: Target) -> Target:
    """The same kernel with forced loading."""
    return dataclasses.replace(target, config={**(target.config or {}), "CONFIG_MODULE_FORCE_LOAD": "y"})


def strict(target: Target) -> Target:
    """The same kernel without forced loading."""
    config = {name: value for name, value in (target.config or {}).items() if name != "CONFIG_MODULE_FORCE_LOAD"}
    return dataclasses.replace(target, config=config)


def patch(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert data.count(old) == 1
    assert len(old) == len(new)
    path.write_bytes(data.replace(old, new))


def row(found: Inspection, subject: str) -> Finding:
    [one] = [finding for finding in found.findings if finding.subject == subject]
    return one


def refused(path: Path, target: Target, subject: str, kind: type[errors.QuicctlError]) -> str:
    """The check fails, alone or first, and loading would raise its error."""
    found = inspection.inspect(path, target)
    bad = row(found, subject)
    assert bad.verdict is Verdict.FAIL, bad
    assert bad.remedy
    assert not found.loadable
    assert found.code == bad.code == kind.exit_code
    with pytest.raises(kind) as caught:
        inspection.require(path, target)
    assert bad.finding in caught.value.message
    return bad.finding


def unreadable(path: Path) -> str:
    with pytest.raises(errors.ModuleUnreadable) as caught:
        modinfo.read(path)
    assert caught.value.remedy
    return caught.value.message


def test_sound_module_passes_every_check(good: Path, target: Target) -> None:
    found = inspection.inspect(good, target)
    assert found.loadable
    assert {finding.verdict for finding in found.findings} == {Verdict.OK}, found.findings
    assert "all" in row(found, "checksums").finding
    assert "goes on" in row(found, "BTF").finding
    assert len(found.module.undefined) > 100
    offload = {name for name in found.module.exports if name.startswith("quic_offload_")}
    assert "quic_offload_dev_create" in offload
    assert set(found.module.exports) - offload == {"quic_do_setsockopt", "quic_do_getsockopt"}


def test_other_configuration_of_the_kernel(good: Path, target: Target) -> None:
    patch(good, b" SMP preempt mod_unload", b" SMP preempT mod_unload")
    assert "preempT, preempt" in refused(good, target, "vermagic", errors.VermagicMismatch)


def test_other_release_with_other_checksums(good: Path, target: Target) -> None:
    other = dataclasses.replace(target, release="9.9.9-other")
    spoil_checksum(good)
    assert "9.9.9-other" in refused(good, other, "vermagic", errors.VermagicMismatch)


def test_other_release_with_the_same_checksums_may_load(good: Path, target: Target) -> None:
    found = inspection.inspect(good, dataclasses.replace(target, release="9.9.9-other"))
    assert found.loadable
    assert row(found, "vermagic").verdict is Verdict.WARN


def test_no_vermagic_at_all(good: Path, target: Target) -> None:
    patch(good, b"\0vermagic=", b"\0vermagiX=")
    refused(good, strict(target), "vermagic", errors.ModuleUnreadable)
    assert row(inspection.inspect(good, lenient(target)), "vermagic").verdict is Verdict.WARN
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(inspection, "running", lambda: lenient(target))
        with pytest.raises(errors.ModuleUnreadable, match="which kernel"):
            module.check(good)


def spoil_checksum(path: Path) -> str:
    symbol = modinfo.read(path).symbols[7]
    entry = symbol.crc.to_bytes(8, "little") + symbol.name.encode() + b"\0"
    patch(path, entry, (symbol.crc ^ 1).to_bytes(8, "little") + entry[8:])
    return symbol.name


def test_checksum_of_a_symbol_differs(good: Path, target: Target) -> None:
    name = spoil_checksum(good)
    text = refused(good, target, "checksums", errors.SymbolMismatch)
    assert name in text
    assert text.startswith("1 of ")


def test_checksums_taken_away(good: Path, target: Target) -> None:
    objcopy(good, good, "--remove-section", "__versions")
    refused(good, strict(target), "checksums", errors.SymbolMismatch)
    found = inspection.inspect(good, lenient(target))
    assert found.loadable
    assert row(found, "checksums").verdict is Verdict.WARN


def test_checksum_of_one_symbol_taken_away(good: Path, target: Target) -> None:
    symbol = modinfo.read(good).symbols[7]
    patch(good, symbol.crc.to_bytes(8, "little") + symbol.name.encode() + b"\0", bytes(8) + b"x" * len(symbol.name) + b"\0")
    assert symbol.name in refused(good, target, "checksums", errors.SymbolMismatch)


def test_symbol_the_kernel_does_not_have(good: Path, target: Target) -> None:
    objcopy(good, good, "--redefine-sym", "inet_diag_register=inet_diag_nowhere")
    assert "inet_diag_nowhere" in refused(good, target, "symbols", errors.SymbolsMissing)


def test_names_of_what_is_loaded_are_completed_by_the_files_of_dependencies(
    good: Path, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel without headers shows the names of what is loaded; the modules that quic needs may not be yet."""
    assert target.exports is not None
    loaded = {name: export for name, export in target.exports.symbols.items() if export.owner == "vmlinux"}
    live = dataclasses.replace(target, exports=dataclasses.replace(target.exports, symbols=loaded, complete=False), flags=None)
    dependencies = modinfo.read(good).depends
    assert "udp_tunnel" in dependencies
    for owner in dependencies:
        names = [name for name, export in target.exports.symbols.items() if export.owner == owner]
        source = "".join(f"int __ksymtab_{name};\n" for name in names) + '__asm__(".section .modinfo,\\"a\\"\\n.byte 0");'
        (tmp_path / f"{owner}.c").write_text(source)
        subprocess.run(["gcc", "-c", "-o", tmp_path / f"{owner}.ko", tmp_path / f"{owner}.c"], check=True, timeout=60)
    monkeypatch.setattr(module, "find", lambda name: tmp_path / f"{name}.ko")
    assert row(inspection.inspect(good, live), "symbols").verdict is Verdict.OK
    monkeypatch.setattr(module, "find", lambda name: None)
    unseen = row(inspection.inspect(good, live), "symbols")
    assert unseen.verdict is Verdict.SKIP
    assert "udp_tunnel" in unseen.finding
    monkeypatch.setattr(module, "find", lambda name: tmp_path / f"{name}.ko")
    objcopy(good, good, "--redefine-sym", "inet_diag_register=inet_diag_nowhere")
    assert row(inspection.inspect(good, live), "symbols").verdict is Verdict.FAIL


def test_symbols_of_a_namespace_it_does_not_name(good: Path, target: Target) -> None:
    patch(good, b"import_ns=CRYPTO_INTERNAL\0", b"import_ns=CRYPTO_INTERNAT\0")
    assert "CRYPTO_INTERNAL" in refused(good, target, "namespaces", errors.SymbolsMissing)


def test_licence_that_bars_symbols(good: Path, target: Target) -> None:
    patch(good, b"\0license=GPL\0", b"\0license=BSD\0")
    assert "BSD" in refused(good, target, "licence", errors.SymbolsMissing)


def test_kernel_without_an_option(good: Path, target: Target) -> None:
    assert target.config is not None
    config = {name: value for name, value in target.config.items() if name != "CONFIG_CRYPTO_GCM"}
    text = refused(good, dataclasses.replace(target, config=config), "kernel options", errors.KernelOptionMissing)
    assert "CONFIG_CRYPTO_GCM" in text


@pytest.mark.parametrize("enforced", ["module.sig_enforce", "lockdown"])
def test_unsigned_where_signatures_are_enforced(
    good: Path, target: Target, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, enforced: str
) -> None:
    files = {
        Path("/sys/kernel/security/lockdown"): "none [integrity] confidentiality" if enforced == "lockdown" else "",
        Path("/sys/module/module/parameters/sig_enforce"): "N" if enforced == "lockdown" else "Y",
    }
    monkeypatch.setattr(module, "_read", lambda path: files.get(path, ""))
    text = refused(good, dataclasses.replace(target, running=True), "signature", errors.SignatureRefused)
    assert enforced in text


def test_unsigned_where_the_kernel_is_built_to_insist(good: Path, target: Target) -> None:
    assert target.config is not None
    strict = dataclasses.replace(target, config={**target.config, "CONFIG_MODULE_SIG_FORCE": "y"})
    assert "CONFIG_MODULE_SIG_FORCE" in refused(good, strict, "signature", errors.SignatureRefused)


def test_damaged_signature(good: Path, target: Target) -> None:
    with good.open("ab") as out:
        out.write(b"x" * 100 + bytes.fromhex("0000020000000000 7fffffff") + b"~Module signature appended~\n")
    assert "length" in refused(good, target, "signature", errors.SignatureRefused)


def test_module_for_another_processor(good: Path, target: Target) -> None:
    data = bytearray(good.read_bytes())
    data[18:20] = (183).to_bytes(2, "little")  # EM_AARCH64
    good.write_bytes(data)
    text = refused(good, target, "architecture", errors.WrongArchitecture)
    assert "AArch64" in text
    assert "x64" in text


@pytest.mark.skipif(shutil.which("pahole") is None, reason="no pahole")
def test_types_that_go_on_from_those_of_another_build(
    built: tuple[kernel.Kernel, Path], target: Target, tmp_path: Path
) -> None:
    """Made as a build makes it, but against the types of another program than this kernel."""
    (tmp_path / "other.c").write_text("struct other { int one; struct other *next; } x; int main(void) { return x.one; }\n")
    subprocess.run(["gcc", "-g", "-c", "-o", tmp_path / "other.o", tmp_path / "other.c"], check=True, timeout=60)
    subprocess.run(["pahole", "-J", tmp_path / "other.o"], check=True, timeout=60)
    bad = Path(shutil.copy(built[1], tmp_path / "quic.ko"))
    objcopy(bad, bad, "--remove-section", ".BTF")
    subprocess.run(["pahole", "-J", "--btf_base", tmp_path / "other.o", bad], check=True, timeout=300)
    assert target.config is not None
    config = {name: value for name, value in target.config.items() if name != "CONFIG_MODULE_ALLOW_BTF_MISMATCH"}
    refused(bad, dataclasses.replace(target, config=config), "BTF", errors.BtfMismatch)
    lax = inspection.inspect(bad, dataclasses.replace(target, config={**config, "CONFIG_MODULE_ALLOW_BTF_MISMATCH": "y"}))
    assert lax.loadable
    assert row(lax, "BTF").verdict is Verdict.WARN


def rule(target: Target, text: str, folder: str = "etc/modprobe.d", name: str = "local.conf") -> None:
    place = target.root / folder
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_text(text)


@pytest.mark.parametrize("line", ["install quic /bin/false", "install quic /usr/bin/true # not here", "install quic \\\n  :"])
def test_rule_that_bars_the_module(good: Path, target: Target, line: str) -> None:
    rule(target, f"# of the site\n{line}\n")
    assert "local.conf" in refused(good, target, "blacklist", errors.ModuleBlacklisted)


def test_blacklist_bars_loading_on_demand_only(good: Path, target: Target) -> None:
    rule(target, "blacklist quic\nblacklist quicker\n", "usr/lib/modprobe.d")
    found = inspection.inspect(good, target)
    assert found.loadable
    assert row(found, "blacklist").verdict is Verdict.WARN


def test_rule_hidden_by_a_file_of_the_same_name_does_not_count(good: Path, target: Target) -> None:
    rule(target, "install quic /bin/false\n", "usr/lib/modprobe.d")
    rule(target, "# emptied\n")
    assert row(inspection.inspect(good, target), "blacklist").verdict is Verdict.OK


def test_kernels_own_blacklist(good: Path, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection.modprobe, "kernel_blacklist", lambda: frozenset({"quic"}))
    text = refused(good, dataclasses.replace(target, running=True), "blacklist", errors.ModuleBlacklisted)
    assert "module_blacklist" in text


def test_quic_built_into_the_kernel(good: Path, target: Target) -> None:
    assert target.config is not None
    with_quic = dataclasses.replace(target, config={**target.config, "CONFIG_IP_QUIC": "y"})
    refused(good, with_quic, "conflict", errors.ModuleConflict)
    folder = target.root / "lib" / "modules" / target.release
    folder.mkdir(parents=True)
    (folder / "modules.builtin").write_text("kernel/net/quic/quic.ko\n")
    assert "built into" in refused(good, target, "conflict", errors.ModuleConflict)


def test_another_module_exports_the_same(good: Path, target: Target) -> None:
    assert target.exports is not None
    theirs = {**target.exports.symbols, "quic_do_setsockopt": dataclasses.replace(
        next(iter(target.exports.symbols.values())), owner="otherquic")}  # fmt: skip
    busy = dataclasses.replace(target, exports=dataclasses.replace(target.exports, symbols=theirs))
    assert "otherquic" in refused(good, busy, "conflict", errors.ModuleConflict)


def test_protocol_served_by_another_module(good: Path, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable", lambda: True)
    monkeypatch.setattr(module, "loaded", lambda name="quic": None)
    refused(good, dataclasses.replace(target, running=True), "conflict", errors.ModuleConflict)


def test_other_build_that_is_loaded_is_named(good: Path, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "loaded", lambda name="quic": module.LoadedModule("0.0.9", "abcd", 0, "live", ""))
    found = inspection.inspect(good, dataclasses.replace(target, running=True))
    assert "0.0.9" in row(found, "loaded").finding


def test_module_of_the_kernels_own_tree_is_named(good: Path, target: Target) -> None:
    own = target.root / "lib" / "modules" / target.release / "kernel" / "net" / "quic"
    own.mkdir(parents=True)
    (own / "quic.ko.xz").touch()
    assert "quic.ko.xz" in row(inspection.inspect(good, target), "in tree").finding


@pytest.mark.parametrize("kept", [0.01, 0.3, 0.7, 0.999])
def test_truncated_module(good: Path, kept: float) -> None:
    data = good.read_bytes()
    good.write_bytes(data[: int(len(data) * kept)])
    assert "truncated" in unreadable(good)


def test_section_that_reaches_beyond_the_end(good: Path) -> None:
    """The table of sections may stand before them, and is whole then."""
    data = bytearray(good.read_bytes())
    table, entry = int.from_bytes(data[40:48], "little"), int.from_bytes(data[58:60], "little")
    size = table + entry + 32  # of the first section
    data[size : size + 8] = len(data).to_bytes(8, "little")
    good.write_bytes(data)
    assert "truncated" in unreadable(good)


@pytest.mark.parametrize("length", [5, 20, 63])
def test_less_than_a_header(good: Path, length: int) -> None:
    good.write_bytes(good.read_bytes()[:length])
    assert "truncated" in unreadable(good)


def test_random_damage_never_ends_in_a_traceback(good: Path, target: Target) -> None:
    data = good.read_bytes()
    for at in range(0, 64 + 24 * 40, 53):
        spoilt = bytearray(data)
        spoilt[at] ^= 0xFF
        good.write_bytes(spoilt)
        try:
            inspection.inspect(good, target)
        except errors.QuicctlError as failure:
            assert failure.remedy
    table = int.from_bytes(data[40:48], "little")
    for at in range(table, len(data), 499):
        spoilt = bytearray(data)
        spoilt[at] ^= 0xFF
        good.write_bytes(spoilt)
        try:
            modinfo.read(good)
        except errors.QuicctlError as failure:
            assert failure.remedy


def test_object_file_that_was_never_made_a_module(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int x;\n")
    subprocess.run(["gcc", "-c", "-o", tmp_path / "a.o", tmp_path / "a.c"], check=True, timeout=60)
    assert "no .modinfo" in unreadable(tmp_path / "a.o")


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-qc"], input=data, stdout=subprocess.PIPE, check=True, timeout=60).stdout


PACKERS: dict[str, Callable[[bytes], bytes]] = {"xz": lzma.compress, "gzip": gzip.compress, "zstd": zstd}


@pytest.mark.parametrize("kind", PACKERS)
def test_compressed_module_is_judged_like_what_is_in_it(good: Path, target: Target, kind: str) -> None:
    if kind == "zstd" and shutil.which("zstd") is None:
        pytest.skip("no zstd")
    packed = PACKERS[kind](good.read_bytes())
    good.write_bytes(packed)
    found = inspection.inspect(good, target)
    assert found.loadable
    assert found.module.compression == kind
    good.write_bytes(packed[: len(packed) // 2])
    assert "ends too early" in unreadable(good)


def test_without_headers_what_cannot_be_judged_is_said(good: Path, target: Target) -> None:
    blind = dataclasses.replace(target, exports=None, config=None, btf=None, flags=None, machine=None)
    found = inspection.inspect(good, blind)
    skipped = {finding.subject for finding in found.findings if finding.verdict is Verdict.SKIP}
    assert skipped == {"architecture", "kernel options", "symbols", "BTF"}


# The command.


def judged(cli: Cli, code: int, *words: str | Path) -> str:
    done = cli("inspect", *words)
    assert done.returncode == code, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_command_shows_facts_and_verdicts(cli: Cli, good: Path, built: tuple[kernel.Kernel, Path]) -> None:
    text = judged(cli, 0, good, "--kdir", built[0].kdir, "--symbols", "--sections")
    assert "nothing speaks against loading it" in text
    for part in ("vermagic", "inet_diag_register", ".gnu.linkonce.this_module"):
        assert part in text


def test_command_ends_with_the_code_of_what_is_wrong(cli: Cli, good: Path, built: tuple[kernel.Kernel, Path]) -> None:
    spoil_checksum(good)
    assert "would refuse it (checksums)" in judged(cli, 83, good, "--kdir", built[0].kdir)
    found = json.loads(cli("inspect", good, "--kdir", built[0].kdir, "--json").stdout)
    assert [f["subject"] for f in found["findings"] if f["verdict"] == "fail"] == ["checksums"]
    assert found["module"]["name"] == "quic"


def test_command_compares_with_a_list_of_symbols(
    cli: Cli, good: Path, built: tuple[kernel.Kernel, Path], tmp_path: Path
) -> None:
    lines = (built[0].kdir / "Module.symvers").read_text().splitlines(keepends=True)
    (tmp_path / "symvers").write_text("".join(line for line in lines if "\tinet_diag_register\t" not in line))
    text = judged(cli, 82, good, "--kdir", built[0].kdir, "--symvers", tmp_path / "symvers")
    assert "inet_diag_register" in text


def test_command_on_what_is_no_module(cli: Cli, good: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    assert "no ELF" in judged(cli, 21, tmp_path / "text")
    assert "cannot be read" in judged(cli, 42, tmp_path / "none.ko")
    assert "cannot be read" in judged(cli, 42, tmp_path)
    assert "no headers for kernel 9.9.9" in judged(cli, 13, good, "--kernel", "9.9.9")
    assert "no kernel tree" in judged(cli, 13, good, "--kdir", tmp_path)
    (tmp_path / "symvers").write_text("nonsense\n")
    assert "no Module.symvers" in judged(cli, 42, good, "--symvers", tmp_path / "symvers")
    if os.geteuid() != 0:
        good.chmod(0)
        assert "cannot be read" in judged(cli, 42, good)
