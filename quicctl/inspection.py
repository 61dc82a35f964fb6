# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a kernel would refuse a module, found out without asking the kernel.

A check looks at the facts of a file (modinfo.py) and of a kernel (Target), and returns findings; the first that fails names the
error that loading would end with. ``quicctl inspect`` shows all, ``quicctl load`` raises the first, ``quicctl doctor`` asks
about the running kernel.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from quicctl import btf, errors, kernel, modinfo, modprobe, module, signature, symvers
from quicctl.modinfo import ModuleInfo

_SHOWN = 6
_MACHINES = {"x86_64": ("x64", 64), "i386": ("x86", 32), "i686": ("x86", 32), "aarch64": ("AArch64", 64), "armv7l": ("ARM", 32)}
_CONFIG_MACHINES = {"CONFIG_X86_64": ("x64", 64), "CONFIG_X86_32": ("x86", 32), "CONFIG_ARM64": ("AArch64", 64)}
# What the kernel itself gives to every module, or drops while it loads one.
_LINKER_MADE = frozenset({"_GLOBAL_OFFSET_TABLE_", "__this_module"})


class Verdict(StrEnum):
    """How a thing is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Need:
    """A kernel option the module needs."""

    option: str
    why: str


# What module/ calls, by the option that provides it.
NEEDS = (
    Need("CONFIG_MODULES", "loadable modules"),
    Need("CONFIG_INET", "IPv4"),
    Need("CONFIG_IPV6", "IPv6"),
    Need("CONFIG_NET_UDP_TUNNEL", "UDP sockets of the kernel's own"),
    Need("CONFIG_CRYPTO_AES", "header protection"),
    Need("CONFIG_CRYPTO_GCM", "AES-GCM"),
    Need("CONFIG_CRYPTO_SHA256", "key derivation"),
    Need("CONFIG_CRYPTO_SHA512", "key derivation by SHA-384"),
)


@dataclass(frozen=True, slots=True)
class Target:
    """The kernel a module is judged for; None stands for what is not known."""

    release: str
    machine: str | None
    bits: int
    flags: frozenset[str] | None
    exports: symvers.Exports | None
    config: dict[str, str] | None
    btf: Path | None
    running: bool
    root: Path = Path("/")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; ``code`` is the exit code of the error that a failure is."""

    subject: str
    verdict: Verdict
    finding: str
    remedy: str = ""
    code: int = 0


@dataclass(frozen=True, slots=True)
class Inspection:
    """A module's facts and what a kernel would say to it."""

    module: ModuleInfo
    kernel: str
    symbols_from: str
    signature: signature.Signature | None
    findings: tuple[Finding, ...]

    @property
    def loadable(self) -> bool:
        """Whether nothing is known that would make the kernel refuse."""
        return self.code == 0

    @property
    def code(self) -> int:
        """Exit code of the first failure, 0 without one."""
        return next((f.code for f in self.findings if f.verdict is Verdict.FAIL), 0)


def running() -> Target:
    """The kernel this machine runs, with whatever of it is there."""
    release = platform.release()
    kdir = Path("/lib/modules") / release / "build"
    live = Path("/sys/kernel/btf/vmlinux")
    return _target(release, kdir if kdir.exists() else None, running=True, types=live if live.exists() else None)


def of_kernel(wanted: kernel.Kernel) -> Target:
    """A kernel of which there are headers."""
    types = wanted.kdir / "vmlinux"
    return _target(wanted.release, wanted.kdir, running=False, types=types if types.exists() else None)


def with_symvers(target: Target, path: Path) -> Target:
    """The same kernel with another list of symbols."""
    return Target(
        target.release, target.machine, target.bits, target.flags, symvers.read(path), target.config, target.btf,
        target.running, target.root,
    )  # fmt: skip


def _target(release: str, kdir: Path | None, *, running: bool, types: Path | None) -> Target:
    config = kernel.config(release, kdir)
    machine, bits = _MACHINES.get(platform.machine(), (None, 64)) if running else (None, 64)
    for option, known in _CONFIG_MACHINES.items():
        if config and option in config:
            machine, bits = known
    if config and "CONFIG_UML" in config:
        machine, bits = ("x64", 64) if "CONFIG_64BIT" in config else ("x86", 32)
    exports = symvers.of_release(release, kdir)
    if exports is None and running:
        exports = symvers.of_running()
    return Target(release, machine, bits, _flags(config, release), exports, config, types, running)


def _flags(config: dict[str, str] | None, release: str) -> frozenset[str] | None:
    """The vermagic flags of a kernel: as its own modules have them, else as its options make them."""
    own = module.kernel_flags(release)
    if own is not None or config is None:
        return own
    if any(option.startswith("CONFIG_RANDSTRUCT_") and option != "CONFIG_RANDSTRUCT_NONE" for option in config):
        return None  # the flag has a hash in it
    found = {
        "SMP": "CONFIG_SMP" in config,
        "preempt_rt": "CONFIG_PREEMPT_RT" in config,
        "preempt": "CONFIG_PREEMPT_BUILD" in config and "CONFIG_PREEMPT_RT" not in config,
        "mod_unload": "CONFIG_MODULE_UNLOAD" in config,
        "modversions": "CONFIG_MODVERSIONS" in config,
        "aarch64": "CONFIG_ARM64" in config,
    }
    return frozenset(flag for flag, on in found.items() if on)


def inspect(path: Path, target: Target, *, cert: Path | None = None) -> Inspection:
    """Read a module and run every check; raises ModuleUnreadable, FileUnreadable where there is nothing to judge."""
    info = modinfo.read(path)
    signed, findings = _signature(info, target, cert)
    checks: tuple[Callable[[ModuleInfo, Target], list[Finding]], ...] = (
        _architecture, _vermagic, _options, _symbols, _namespaces,
    )  # fmt: skip
    rows = [row for check in checks for row in check(info, target)]
    rows += findings
    for check in (_types, _blacklist, _conflicts):
        rows += check(info, target)
    return Inspection(info, target.release, target.exports.source if target.exports else "", signed, tuple(rows))


def require(path: Path, target: Target | None = None) -> ModuleInfo:
    """Raise the error of the first check that fails."""
    found = inspect(path, target or running())
    for row in found.findings:
        if row.verdict is Verdict.FAIL:
            raise _ERRORS[row.code](f"{path}: {row.finding}", remedy=row.remedy)
    return found.module


_ERRORS: dict[int, type[errors.QuicctlError]] = {
    kind.exit_code: kind
    for kind in (
        errors.WrongArchitecture, errors.VermagicMismatch, errors.KernelOptionMissing, errors.SymbolsMissing,
        errors.SymbolMismatch, errors.SignatureRefused, errors.BtfMismatch, errors.ModuleBlacklisted, errors.ModuleConflict,
        errors.ModuleUnreadable,
    )
}  # fmt: skip


def _ok(subject: str, text: str) -> list[Finding]:
    return [Finding(subject, Verdict.OK, text)]


def _skip(subject: str, text: str, remedy: str = "") -> list[Finding]:
    return [Finding(subject, Verdict.SKIP, text, remedy)]


def _fail(subject: str, kind: type[errors.QuicctlError], text: str, remedy: str) -> list[Finding]:
    return [Finding(subject, Verdict.FAIL, text, remedy, kind.exit_code)]


def _unless_forced(subject: str, kind: type[errors.QuicctlError], text: str, remedy: str, target: Target) -> list[Finding]:
    """What a kernel with forced loading takes, but holds against the module from then on."""
    if target.config is not None and "CONFIG_MODULE_FORCE_LOAD" in target.config:
        text += "; it would load and taint the kernel, without tracepoints"
        return [Finding(subject, Verdict.WARN, text, remedy)]
    return _fail(subject, kind, text, remedy)


def _architecture(info: ModuleInfo, target: Target) -> list[Finding]:
    ours = f"{info.machine}, {info.bits} bit" + ("" if info.little_endian else ", big-endian")
    if target.machine is None:
        return _skip("architecture", f"{ours}; that of the kernel is not known")
    if (info.machine, info.bits) != (target.machine, target.bits) or not info.little_endian:
        text = f"the module is for {ours}, the kernel for {target.machine}, {target.bits} bit"
        return _fail("architecture", errors.WrongArchitecture, text, "build it for this machine: quicctl build")
    return _ok("architecture", ours)


def _vermagic(info: ModuleInfo, target: Target) -> list[Finding]:
    if not info.vermagic:
        text = "the module does not say which kernel it is for"
        return _unless_forced("vermagic", errors.ModuleUnreadable, text, "build it again: quicctl build", target)
    if target.flags is not None and info.flags != target.flags:
        odd = ", ".join(sorted(info.flags ^ target.flags))
        text = f"built for another configuration of the kernel: they differ in {odd}"
        if info.release != target.release:
            text = f"built for kernel {info.release}, the kernel is {target.release}, and they differ in {odd}"
        remedy = "build it against this kernel's own headers: quicctl build"
        return _fail("vermagic", errors.VermagicMismatch, text, remedy)
    if info.release != target.release:
        text = f"built for kernel {info.release}, the kernel is {target.release}"
        if _checksums_decide(info, target):
            return [Finding("vermagic", Verdict.WARN, text + "; both compare checksums instead, so it may load")]
        remedy = "build it for that kernel: quicctl build --kernel REL, or boot the kernel it is for"
        return _fail("vermagic", errors.VermagicMismatch, text, remedy)
    return _ok("vermagic", info.vermagic)


def _checksums_decide(info: ModuleInfo, target: Target) -> bool:
    """With module versions the kernel leaves the release out of the comparison, and so do we where all checksums are known."""
    if "modversions" not in info.flags or not info.symbols or target.exports is None or not target.exports.has_crcs:
        return False
    return all((found := target.exports.symbols.get(s.name)) is not None and found.crc == s.crc for s in info.symbols)


def _options(_: ModuleInfo, target: Target) -> list[Finding]:
    if target.config is None:
        return _skip("kernel options", "the kernel's configuration is not there to see", "pass --kdir")
    missing = [need for need in NEEDS if need.option not in target.config]
    if missing:
        text = "missing: " + ", ".join(f"{need.option} ({need.why})" for need in missing)
        remedy = "boot a kernel that has them, or use the guest: make demo"
        return _fail("kernel options", errors.KernelOptionMissing, text, remedy)
    return _ok("kernel options", "all that the module needs")


def _symbols(info: ModuleInfo, target: Target) -> list[Finding]:
    if target.exports is None:
        text = "which symbols the kernel exports is not there to see"
        return _skip("symbols", text, "pass --kdir, or --symvers FILE, or install the kernel's headers")
    known = target.exports.symbols
    needed = [name for name in info.undefined if name not in _LINKER_MADE]
    missing = [name for name in needed if name not in known]
    rows: list[Finding] = []
    if missing and not target.exports.complete:
        offered, unseen = _by_dependencies(info)
        missing = [name for name in missing if name not in offered]
        if missing and unseen:
            text = f"{len(missing)} of {len(needed)} may be those of {', '.join(unseen)}, which is not there to see"
            return _skip("symbols", text, "install the kernel's headers, or pass --kdir, or --symvers FILE")
    if missing:
        text = f"{len(missing)} of {len(needed)} symbols are not exported: {_some(missing)}"
        remedy = "build it for this kernel: quicctl build, or boot a kernel that has what it needs"
        rows += _fail("symbols", errors.SymbolsMissing, text, remedy)
    else:
        rows += _ok("symbols", f"all {len(needed)} are exported ({target.exports.source})")
    if not info.license.startswith(("GPL", "Dual")):
        barred = [name for name in needed if name in known and known[name].gpl_only]
        if barred:
            text = f"the licence is {info.license or 'not given'}, but only for GPL are: {_some(barred)}"
            rows += _fail("licence", errors.SymbolsMissing, text, "MODULE_LICENSE must name a licence that is compatible")
    return rows + _checksums(info, target)


def _by_dependencies(info: ModuleInfo) -> tuple[frozenset[str], list[str]]:
    """What the modules that this one depends on export, from their files, and which of them are not found."""
    offered: set[str] = set()
    unseen = []
    for name in info.depends:
        path = module.find(name)
        if path is not None:
            offered |= set(modinfo.read(path).exports)
        elif module.loaded(name) is None:
            unseen.append(name)
    return frozenset(offered), unseen


def _checksums(info: ModuleInfo, target: Target) -> list[Finding]:
    exports = target.exports
    if target.flags is not None and "modversions" not in target.flags:
        return _ok("checksums", "this kernel does not compare them")
    if exports is None or not exports.has_crcs:
        return _skip("checksums", "the kernel shows no checksums of its symbols", "pass --kdir, or --symvers FILE")
    if not info.symbols:
        text = "the module has no checksums, and this kernel asks for them"
        remedy = "build it against this kernel's own headers: quicctl build"
        return _unless_forced("checksums", errors.SymbolMismatch, text, remedy, target)
    odd = [s.name for s in info.symbols if s.name in exports.symbols and exports.symbols[s.name].crc != s.crc]
    bare = sorted((set(info.undefined) - _LINKER_MADE) & set(exports.symbols) - {s.name for s in info.symbols})
    if odd:
        text = f"{len(odd)} of {len(info.symbols)} were built against another interface: {_some(odd)}"
    elif bare:
        text = f"{len(bare)} symbols have none: {_some(bare)}"
    else:
        return _ok("checksums", f"all {len(info.symbols)} are as the kernel has them")
    return _fail("checksums", errors.SymbolMismatch, text, "build it against this kernel's own headers: quicctl build")


def _namespaces(info: ModuleInfo, target: Target) -> list[Finding]:
    if target.exports is None:
        return []
    known = target.exports.symbols
    lacking = {known[n].namespace for n in info.undefined if n in known and known[n].namespace} - set(info.namespaces)
    if not lacking:
        return []
    text = f"it uses symbols of {', '.join(sorted(lacking))} without saying so"
    return _fail("namespaces", errors.SymbolsMissing, text, "add MODULE_IMPORT_NS to the source")


def _signature(
    info: ModuleInfo, target: Target, cert: Path | None
) -> tuple[signature.Signature | None, list[Finding]]:
    forced = _force(target)
    if not info.signed:
        if cert is not None:
            return None, _fail("signature", errors.SignatureRefused, "none", "sign it: quicctl sign")
        if forced:
            text = f"none, and the kernel takes signed modules only ({forced})"
            return None, _fail("signature", errors.SignatureRefused, text, "sign it with a key the machine knows: quicctl sign")
        return None, _ok("signature", "none, and none is asked for" if target.running or target.config else "none")
    data, _ = modinfo.content(info.path)
    try:
        _, message = signature.split(data)
        assert message is not None
        found = signature.describe(message)
    except errors.ModuleUnreadable as failure:
        return None, _fail("signature", errors.SignatureRefused, failure.message, failure.remedy)
    shown = f"by {found.signer}, {found.hash}, {found.algorithm}"
    if cert is not None:
        if not signature.verifies(data, cert):
            text = f"{shown}, but not with the key of {cert}, or the file was changed since"
            return found, _fail("signature", errors.SignatureRefused, text, "sign it again: quicctl sign")
        shown += f"; verified with {cert}"
    trusted = signature.kernel_keys() if target.running else None
    if trusted is None:
        return found, _ok("signature", shown)
    if found.signer in trusted:
        return found, _ok("signature", shown + "; the kernel has this key")
    if forced:
        text = f"{shown}; the kernel has no such key and takes signed modules only ({forced})"
        return found, _fail("signature", errors.SignatureRefused, text, "enrol the key: quicctl sign --help")
    return found, [Finding("signature", Verdict.WARN, shown + "; the kernel has no such key, so it will be tainted")]


def _force(target: Target) -> str:
    """What makes the kernel insist on signatures, if anything does."""
    if target.running:
        return module.signature_enforced()
    return "CONFIG_MODULE_SIG_FORCE" if target.config and "CONFIG_MODULE_SIG_FORCE" in target.config else ""


def _types(info: ModuleInfo, target: Target) -> list[Finding]:
    if not info.has_btf:
        return _ok("BTF", "none, or independent of the kernel's")
    if target.btf is None:
        return _skip("BTF", "the kernel's types are not there to see")
    try:
        types = target.btf.read_bytes()
        if types.startswith(b"\x7fELF"):
            types = modinfo.section(types, ".BTF") or b""
        if not types:
            return _ok("BTF", "the kernel has none and does not look")
        base = btf.base(types)
    except (OSError, btf.Invalid) as failure:
        return _skip("BTF", f"the kernel's types cannot be read: {failure}")
    try:
        btf.check(modinfo.section(modinfo.content(info.path)[0], ".BTF") or b"", base)
    except btf.Invalid as failure:
        text = f"the module's types go on from those of another build of the kernel: {failure}"
        remedy = "build it against this kernel's own vmlinux, or strip it: objcopy -R .BTF"
        if target.config is not None and "CONFIG_MODULE_ALLOW_BTF_MISMATCH" in target.config:
            return [Finding("BTF", Verdict.WARN, text + "; this kernel loads it without them", remedy)]
        return _fail("BTF", errors.BtfMismatch, text, remedy)
    return _ok("BTF", "goes on from the kernel's types")


def _blacklist(info: ModuleInfo, target: Target) -> list[Finding]:
    rows: list[Finding] = []
    if target.running and info.name in modprobe.kernel_blacklist():
        text = f"the kernel's command line has module_blacklist={info.name}"
        rows += _fail("blacklist", errors.ModuleBlacklisted, text, "boot without it")
    for rule in modprobe.rules(target.root):
        if rule.module != info.name:
            continue
        where = f"{rule.file}: {rule.text}"
        if rule.bars:
            rows += _fail("blacklist", errors.ModuleBlacklisted, where, f"remove the line from {rule.file}")
        elif rule.word == "blacklist":
            text = f"{where}: it is not loaded on demand, modprobe {info.name} works"
            rows.append(Finding("blacklist", Verdict.WARN, text, f"remove the line from {rule.file}"))
    return rows or _ok("blacklist", "not on it")


def _conflicts(info: ModuleInfo, target: Target) -> list[Finding]:
    """Another module of that name, or a kernel with the protocol built in."""
    rows: list[Finding] = []
    option = target.config.get("CONFIG_IP_QUIC") if target.config else None
    folder = target.root / "lib" / "modules" / target.release
    if option == "y" or f"/{info.name}.ko" in _text(folder / "modules.builtin"):
        text = "QUIC is built into this kernel"
        rows += _fail("conflict", errors.ModuleConflict, text, "use what the kernel has, or boot one without it")
    elif target.running and module.loaded(info.name) is None and module.usable():
        text = "protocol 261 is already served by something else than a module of this name"
        rows += _fail("conflict", errors.ModuleConflict, text, "unload what serves it")
    if target.running and (other := module.loaded(info.name)) is not None and other.build_id != info.build_id:
        text = f"another build is loaded (version {other.version or '-'}, build {other.build_id or '-'})"
        rows.append(Finding("loaded", Verdict.WARN, text, "quicctl reload, or quicctl load --replace"))
    if target.exports is not None:
        owners = {target.exports.symbols[n].owner for n in info.exports if n in target.exports.symbols}
        if owners - {info.name}:
            text = f"it exports what {', '.join(sorted(owners))} exports already"
            rows += _fail("conflict", errors.ModuleConflict, text, "unload the other, or boot a kernel without it")
    for path in _others(folder, info):
        text = f"the kernel brings another: {path}"
        rows.append(Finding("in tree", Verdict.WARN, text, "modprobe takes the one of updates/: quicctl install"))
    return rows or _ok("conflict", "no other QUIC")


def _others(folder: Path, info: ModuleInfo) -> Iterable[Path]:
    kept = folder / "kernel"
    return sorted(p for p in kept.rglob(f"{info.name}.ko*") if p.is_file()) if kept.is_dir() else ()


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if os.access(path, os.R_OK) else ""


def _some(names: Iterable[str]) -> str:
    several = list(names)
    rest = len(several) - _SHOWN
    return ", ".join(several[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
