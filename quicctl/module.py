# SPDX-License-Identifier: GPL-2.0-or-later
"""The module in the running kernel: load it with what it needs, unload it when nobody uses it, tell how it is.

Everything that would make the kernel refuse is looked at first, and what was loaded on the way is taken out again if the
module itself cannot be.
"""

from __future__ import annotations

import errno
import os
import platform
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from quicctl import errors, process, uapi

NAME = "quic"

# Loaded when the kernel has them as modules: the ciphers are found by name, not by symbol, so no dependency lists them.
CRYPTO = (
    "aesni_intel", "ghash_clmulni_intel", "gcm", "ccm", "ctr", "ecb", "cmac", "hmac", "sha256_generic", "sha512_generic",
    "chacha_x86_64", "poly1305_x86_64", "chacha20poly1305",
)  # fmt: skip

_SYS = Path("/sys/module")
_TAKEN = Path("/proc/modules")
"""There if the kernel takes modules at all."""
_RECORD = Path("/run/quicctl-loaded")
_SOURCE = Path("/run/quicctl-module")
"""Names the file that load() loaded."""
_CLOSED_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class LoadedModule:
    """The module as the running kernel has it."""

    version: str
    build_id: str
    """The linker's fingerprint: tells one build from another."""
    references: int
    state: str
    tainted: str


@dataclass(frozen=True, slots=True)
class Connection:
    """A line of /proc/net/quic/conns."""

    state: str
    local: str
    remote: str
    window: int
    mss: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class Status:
    """What the running kernel has of QUIC."""

    kernel: str
    loaded: LoadedModule | None
    usable: bool
    """Whether a socket of protocol 261 can be made."""
    listeners: tuple[str, ...]
    connections: tuple[Connection, ...]
    counters: dict[str, int]


@dataclass(frozen=True, slots=True)
class Loading:
    """What load() did."""

    path: Path
    module: LoadedModule
    dependencies: tuple[str, ...]
    """Modules that were loaded for it."""


@dataclass(frozen=True, slots=True)
class Unloading:
    """What unload() did."""

    was_loaded: bool
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reloading:
    """What reload() did."""

    before: LoadedModule | None
    loading: Loading
    settings: tuple[str, ...]
    """Those that were not at their defaults and are as they were."""


_STATES = {1: "established", 3: "establishing", 7: "closed", 10: "listening"}


def loaded(name: str = NAME) -> LoadedModule | None:
    """The module in the running kernel, or None."""
    folder = _SYS / name
    if not (folder / "refcnt").exists():
        return None  # not there, or built in
    return LoadedModule(
        version=_read(folder / "version"),
        build_id=_build_id(folder / "notes" / ".note.gnu.build-id"),
        references=int(_read(folder / "refcnt") or 0),
        state=_read(folder / "initstate"),
        tainted=_read(folder / "taint"),
    )


def usable() -> bool:
    """Whether the running kernel makes QUIC sockets."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM, uapi.IPPROTO_QUIC).close()
    except OSError:
        return False
    return True


def status() -> Status:
    """All there is to know without touching anything."""
    return Status(
        kernel=platform.release(),
        loaded=loaded(),
        usable=usable(),
        listeners=tuple(shown_address(row["LOCAL_ADDRESS"]) for row in proc_table(Path("/proc/net/quic/eps"))),
        connections=tuple(_connection(row) for row in proc_table(Path("/proc/net/quic/conns"))),
        counters=_counters(Path("/proc/net/quic/snmp")),
    )


def check(ko: Path) -> None:
    """Find out why loading would fail: raises ModuleNotBuilt, ModuleUnreadable, or what inspection finds."""
    from quicctl import inspection

    if not ko.exists():
        raise errors.ModuleNotBuilt(f"{ko} does not exist")
    try:
        info = inspection.require(ko)
    except errors.QuicctlError as failure:
        if not _TAKEN.exists() and not isinstance(failure, errors.ModuleUnreadable):
            failure.remedy = f"this kernel takes no modules, whatever they are: {errors.ModulesUnsupported.default_remedy}"
        raise
    if not info.vermagic:  # a kernel may take it, but nobody knows what for
        raise errors.ModuleUnreadable(f"{ko} does not say which kernel it is for", remedy="build it again: quicctl build")


def signature_enforced() -> str:
    """What makes the running kernel take signed modules only, or nothing."""
    if _read(_SYS / "module" / "parameters" / "sig_enforce") in ("Y", "1"):
        return "module.sig_enforce"
    lockdown = _read(Path("/sys/kernel/security/lockdown"))
    return "lockdown" if "[integrity]" in lockdown or "[confidentiality]" in lockdown else ""


def check_loading_possible(*, signed: bool = False) -> None:
    """Raise if this kernel takes no modules at all, or none without a signature, or not from this user."""
    if not _TAKEN.exists():
        raise errors.ModulesUnsupported("the running kernel is built without loadable modules")
    if _read(Path("/proc/sys/kernel/modules_disabled")) == "1":
        raise errors.ModulesUnsupported("loading of modules is switched off until the next boot")
    if not signed and (reason := signature_enforced()):
        raise errors.ModulesUnsupported(
            f"the running kernel takes signed modules only ({reason})",
            remedy="sign the module with a key that the machine knows: quicctl sign; or use the guest: make demo",
        )
    if os.geteuid() != 0:
        raise errors.NotRoot("loading and unloading modules is for root only")
    if not _may_load():
        raise errors.ModulesUnsupported("this process may not load modules (a container without CAP_SYS_MODULE?)")


def load(ko: Path, *, replace: bool = False) -> Loading:
    """Insert ko and what it needs; raises VermagicMismatch, ModuleBusy, ModuleAlreadyLoaded, LoadFailed."""
    from quicctl import modinfo

    check(ko)
    info = modinfo.read(ko)
    check_loading_possible(signed=info.signed)
    present = loaded()
    previous = source()
    if present is not None:
        if present.build_id and present.build_id == info.build_id and not replace:
            return Loading(ko, present, ())
        if not replace:
            raise errors.ModuleAlreadyLoaded("another build of the module is loaded")
        unload()
    try:
        return _load(ko, info.depends)
    except errors.QuicctlError as failure:
        if present is not None:
            failure.remedy = _go_back(previous, failure.remedy)
        raise


def _load(ko: Path, depends: tuple[str, ...]) -> Loading:
    before = _names()
    try:
        for name in depends:
            _insert_dependency(name)
        for name in CRYPTO:
            _insert_optional(name)
        _insert(ko)
        module = loaded()
        if module is None or not usable():
            raise errors.LoadFailed(
                "the kernel took the module but makes no QUIC sockets", remedy="see the kernel's log: dmesg"
            )
    except BaseException:
        _remove_new(before)
        raise
    new = tuple(name for name in _names() if name not in before and name != NAME)
    _record(new)
    _SOURCE.write_text(str(ko.resolve()))
    return Loading(ko, module, new)


def source() -> Path | None:
    """The file that the loaded module came from, if load() loaded it and it is still that build."""
    from quicctl import modinfo

    present = loaded()
    path = Path(_read(_SOURCE) or "/nonexistent")
    if present is None or not path.is_file():
        return None
    try:
        return path if modinfo.read(path).build_id == present.build_id else None
    except errors.QuicctlError:
        return None


def _go_back(previous: Path | None, remedy: str) -> str:
    """Load the module that was there before; returns what the user is told to do."""
    from quicctl import modinfo

    if previous is None:
        return f"{remedy}; the module that was loaded before is gone, load it again"
    try:
        _load(previous, modinfo.read(previous).depends)
    except errors.QuicctlError as failure:
        return f"{remedy}; {previous}, which was loaded before, could not be loaded again: {failure.message}"
    return f"{remedy}; {previous} is loaded again, as before"


def check_reload(ko: Path) -> None:
    """Raise what reload() would, without doing anything."""
    from quicctl import modinfo

    check(ko)
    check_loading_possible(signed=modinfo.read(ko).signed)
    _check_idle(loaded())


def reload(ko: Path, *, wait: float = 0.0) -> Reloading:
    """Replace the loaded module by a build of it and keep the settings; raises ModuleBusy, and what load() raises."""
    from quicctl import settings

    check(ko)
    before = loaded()
    _when_idle(wait)
    ours = (one for one in settings.everything() if one.name.startswith("net.quic."))
    kept = {one.name: one.value for one in ours if one.changed and one.value is not None}
    loading = load(ko, replace=True)
    settings.apply(kept)
    return Reloading(before, loading, tuple(kept))


def unload(*, wait: float = 0.0) -> Unloading:
    """Take the module out, and what load() brought in with it; raises ModuleBusy if sockets exist after waiting."""
    module = loaded()
    if module is None:
        return Unloading(False, ())
    if os.geteuid() != 0:
        raise errors.NotRoot("loading and unloading modules is for root only")
    _when_idle(wait, lambda: _remove(NAME))
    removed = [NAME]
    for name in reversed(_recorded()):
        other = loaded(name)
        if other is not None and other.references == 0 and process.run([_tool("rmmod"), name], check=False).returncode == 0:
            removed.append(name)
    _RECORD.unlink(missing_ok=True)
    _SOURCE.unlink(missing_ok=True)
    return Unloading(True, tuple(removed))


def _when_idle(seconds: float, step: Callable[[], None] = lambda: None) -> None:
    """Do a step once nobody uses the module any more, again if somebody was quicker; raises ModuleBusy.

    A socket that was closed holds the module until all processors have let go of it (RCU), so there is always a moment's wait.
    """
    deadline = time.monotonic() + max(seconds, _CLOSED_SECONDS)
    while True:
        try:
            _check_idle(loaded())
            step()
            return
        except errors.ModuleBusy:
            if time.monotonic() >= deadline:
                raise
        time.sleep(0.1)


def _check_idle(module: LoadedModule | None) -> None:
    connections, listeners = (len(proc_table(Path(f"/proc/net/quic/{name}"))) for name in ("conns", "eps"))
    if module is not None and (module.references or connections or listeners):
        raise errors.ModuleBusy(
            f"the module is in use: {_plural(connections, 'connection')},"
            f" {_plural(listeners, 'listener')}, {_plural(module.references, 'reference')}",
            remedy="close the programs that use QUIC sockets (quicctl conns shows them), or let it `wait` for them",
        )


def _insert(ko: Path) -> None:
    done = process.run([_tool("insmod"), ko], check=False)
    if done.returncode == 0:
        return
    said = done.stderr.strip().rpartition(": ")[2] or f"status {done.returncode}"
    log = process.run(["dmesg"], check=False)
    if "Invalid module format" in said or "Exec format error" in said:
        raise errors.VermagicMismatch(
            f"the kernel finds {ko} not made for it", remedy="build it again: quicctl build", detail=process.tail(log.stdout, 5)
        )
    if "Operation not permitted" in said or "Permission denied" in said:
        raise errors.NotRoot(f"the kernel does not let this process load {ko}", remedy="run it as root, outside containers")
    remedy = "see the kernel's last lines above"
    if "Key was rejected" in said:
        remedy = "sign the module with a key that the machine knows"
    raise errors.LoadFailed(f"the kernel refused {ko}: {said}", remedy=remedy, detail=process.tail(log.stdout, 8))


def _insert_dependency(name: str) -> None:
    if (_SYS / name).exists():
        return
    if _modprobe(name):
        return
    path = find(name)
    if path is None:
        raise errors.LoadFailed(
            f"the module needs {name}, which this kernel does not have",
            remedy="install the kernel's module package, e.g. linux-modules-extra, or use the guest: make demo",
        )
    from quicctl import modinfo

    for deeper in modinfo.read(path).depends:
        _insert_dependency(deeper)
    done = process.run([_tool("insmod"), path], check=False)
    if done.returncode != 0 and not (_SYS / name).exists():
        raise errors.LoadFailed(f"{name}, which the module needs, cannot be loaded: {done.stderr.strip()}")


def _insert_optional(name: str) -> None:
    if (_SYS / name).exists() or _modprobe(name):
        return
    path = find(name)
    if path is not None:
        process.run([_tool("insmod"), path], check=False)


def _modprobe(name: str) -> bool:
    program = process.which("modprobe")
    return program is not None and process.run([program, "-q", name], check=False).returncode == 0


def find(name: str) -> Path | None:
    """The file of one of the running kernel's modules."""
    folder = Path("/lib/modules") / platform.release()
    if not folder.is_dir():
        return None
    for spelling in {name, name.replace("_", "-")}:
        for path in folder.rglob(f"{spelling}.ko*"):
            return path
    return None


def _remove(name: str) -> None:
    done = process.run([_tool("rmmod"), name], check=False)
    if done.returncode != 0:
        if "in use" in done.stderr:
            raise errors.ModuleBusy(f"{name} is in use")
        raise errors.LoadFailed(
            f"{name} cannot be unloaded: {done.stderr.strip().rpartition(': ')[2]}", remedy="see the kernel's log: dmesg"
        )


def _remove_new(before: tuple[str, ...]) -> None:
    """Take out, newest first, what came in since."""
    for name in _names():  # /proc/modules lists the newest first
        if name not in before:
            process.run([_tool("rmmod"), name], check=False)


def _names() -> tuple[str, ...]:
    return tuple(line.split()[0] for line in _read(_TAKEN).splitlines())


def _record(names: tuple[str, ...]) -> None:
    """Remember across processes what unload() may take out; newest last."""
    known = _recorded()
    fresh = [name for name in reversed(names) if name not in known]
    _RECORD.write_text("\n".join([*known, *fresh]))


def _recorded() -> list[str]:
    return _read(_RECORD).split()


def _may_load() -> bool:
    """CAP_SYS_MODULE, from this process's effective set."""
    for line in _read(Path("/proc/self/status")).splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> 16 & 1)
    return True


def kernel_flags(release: str) -> frozenset[str] | None:
    """The vermagic flags of a kernel, from any module of its own."""
    from quicctl import modinfo

    folder = Path("/lib/modules") / release / "kernel"
    for path in folder.rglob("*.ko*"):
        if not path.is_file():
            continue
        try:
            return modinfo.read(path).flags
        except errors.QuicctlError:
            return None
    return None


def _tool(name: str) -> Path:
    path = process.which(name)
    if path is None:
        raise errors.ToolMissing(f"{name} is not installed", remedy="install kmod")
    return path


def proc_table(path: Path) -> list[dict[str, str]]:
    """The rows of a file below /proc/net/quic, by the names of its header."""
    lines = _read(path).splitlines()
    if not lines:
        return []
    names = lines[0].split()
    return [dict(zip(names, line.split(), strict=False)) for line in lines[1:]]


def shown_address(address: str) -> str:
    """An address of those tables as people write it: of IPv6 in brackets."""
    host, _, port = address.rpartition(":")
    return f"[{host}]:{port}" if ":" in host else address


def _connection(row: dict[str, str]) -> Connection:
    return Connection(
        state=_STATES.get(int(row["STATE"]), row["STATE"]),
        local=shown_address(row["LOCAL_ADDRESS"]),
        remote=shown_address(row["REMOTE_ADDRESS"]),
        window=int(row["WINDOW"]),
        mss=int(row["MSS"]),
        in_flight=int(row["IN_FLIGHT"]),
    )


def _counters(path: Path) -> dict[str, int]:
    return {words[0]: int(words[1]) for words in map(str.split, _read(path).splitlines()) if len(words) == 2}


def build_id_of(note: bytes, byteorder: Literal["little", "big"] = sys.byteorder) -> str:
    """The linker's fingerprint out of an ELF note: sizes of name and value, type, name padded to four bytes, value."""
    name_size, size = (int.from_bytes(note[at : at + 4], byteorder) for at in (0, 4))
    start = 12 + (name_size + 3) // 4 * 4
    return note[start : start + size].hex()


def _build_id(path: Path) -> str:
    try:
        return build_id_of(path.read_bytes())
    except OSError:
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as failure:
        if failure.errno not in (errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR):
            raise
        return ""


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
