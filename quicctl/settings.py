# SPDX-License-Identifier: GPL-2.0-or-later
"""What can be set: the module's sysctls and parameters, and the few of the network that bear on QUIC.

Each has a type, a range, a unit, a meaning and a default, so that a value is judged before the kernel sees it. The module's own
sysctls exist once for the machine; others may exist in each network namespace.
"""

from __future__ import annotations

import mmap
import os
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from quicctl import errors, modinfo, modprobe, module, netns, signature

_SYS = Path("/proc/sys")
_ZONES = ("DMA", "DMA32", "Normal")
_INT = (1 << 31) - 1
_SUFFIXES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SYSCTL_FILE = Path("etc/sysctl.d/70-quicctl.conf")
_MODPROBE_FILE = Path("etc/modprobe.d/quicctl.conf")

Values = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    """What defaults are computed from."""

    pages: int
    """Free for buffers, as the kernel counts them when the module is loaded."""
    page_size: int


@dataclass(frozen=True, slots=True)
class Setting:
    """One sysctl."""

    name: str
    parts: tuple[str, ...]
    unit: str
    low: int
    high: int
    meaning: str
    default: Callable[[Machine], Values]
    ordered: bool = False
    scope: str = "machine"

    @property
    def path(self) -> Path:
        """Its file below /proc/sys."""
        return Path(*self.name.split("."))


@dataclass(frozen=True, slots=True)
class Current:
    """A setting as it is."""

    name: str
    value: Values | None
    """None where this kernel does not have it now."""
    default: Values
    unit: str
    parts: tuple[str, ...]
    low: int
    high: int
    scope: str
    meaning: str

    @property
    def changed(self) -> bool:
        """Whether it differs from what it would be by itself."""
        return self.value is not None and self.value != self.default


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the module, as it says itself."""

    name: str
    kind: str
    value: str | None
    writable: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class Change:
    """What was, or would be, set."""

    name: str
    before: Values | None
    after: Values


def _mem(machine: Machine, eighths: int = 1) -> Values:
    pages = max(machine.pages * eighths // 8, 128)
    return pages // 4 * 3, pages, pages // 4 * 3 * 2


def _most(machine: Machine) -> int:
    shift = machine.page_size.bit_length() - 1
    return min(4 << 20, _mem(machine)[1] << (shift - 7))


SETTINGS = (
    Setting(
        "net.quic.quic_mem", ("least", "pressure", "most"), "pages", 0, ((1 << 63) - 1) >> 12,
        "Memory of all QUIC sockets together: below the first nobody is held back, above the second sockets get sparing, the"
        " third is never passed.",
        _mem, ordered=True,
    ),
    Setting(
        "net.quic.quic_rmem", ("least", "middle", "most"), "bytes", 1, _INT,
        "The first is what a socket may receive into even when memory is short. The others size no buffer: that follows from"
        " max_data.",
        lambda m: (m.page_size, 1 << 20, max(1 << 20, _most(m))), ordered=True,
    ),
    Setting(
        "net.quic.quic_wmem", ("least", "middle", "most"), "bytes", 1, _INT,
        "The first is what a socket may have to send even when memory is short. The others size no buffer: that follows the"
        " congestion window.",
        lambda m: (m.page_size, 16 << 10, max(64 << 10, _most(m))), ordered=True,
    ),
    Setting(
        "net.quic.quic_linger_ms", ("time",), "ms", 0, 600_000,
        "How long what a closed socket still has to send is delivered; never longer than the idle timeout.",
        lambda _: (10_000,),
    ),
    Setting(
        "net.core.rmem_max", ("most",), "bytes", 2304, _INT,
        "The most that a program without privileges gets by SO_RCVBUF.", lambda _: (212_992,),
    ),
    Setting(
        "net.core.wmem_max", ("most",), "bytes", 4608, _INT,
        "The most that a program without privileges gets by SO_SNDBUF.", lambda _: (212_992,),
    ),
    Setting(
        "net.core.somaxconn", ("most",), "connections", 0, _INT,
        "The most connections that may wait for accept(), whatever listen() asks for.", lambda _: (4096,), scope="netns",
    ),
    Setting(
        "net.ipv4.ip_local_port_range", ("first", "last"), "ports", 1, 65_535,
        "Ports for sockets that did not bind to one.", lambda _: (32_768, 60_999), ordered=True, scope="netns",
    ),
)  # fmt: skip

PROFILES: Mapping[str, tuple[str, Mapping[str, Callable[[Machine], Values]]]] = {
    "default": ("What kernel and module choose by themselves.", {s.name: s.default for s in SETTINGS}),
    "lan": (
        "Short ways, little loss: closed sockets are let go soon, buffers may be asked for generously.",
        {
            "net.quic.quic_linger_ms": lambda _: (2_000,),
            "net.core.rmem_max": lambda _: (8 << 20,),
            "net.core.wmem_max": lambda _: (8 << 20,),
        },
    ),
    "wan": (
        "Long ways with loss: twice the memory, buffers for much data under way, time to deliver the rest.",
        {
            "net.quic.quic_mem": lambda m: _mem(m, 2),
            "net.quic.quic_linger_ms": lambda _: (30_000,),
            "net.core.rmem_max": lambda _: (64 << 20,),
            "net.core.wmem_max": lambda _: (64 << 20,),
        },
    ),
    "server": (
        "Many clients: half of the memory, long queues of connections that wait, all ports for connections of its own.",
        {
            "net.quic.quic_mem": lambda m: _mem(m, 4),
            "net.quic.quic_linger_ms": lambda _: (15_000,),
            "net.core.rmem_max": lambda _: (16 << 20,),
            "net.core.wmem_max": lambda _: (16 << 20,),
            "net.core.somaxconn": lambda _: (16_384,),
            "net.ipv4.ip_local_port_range": lambda _: (10_000, 65_535),
        },
    ),
}


def machine(zoneinfo: Path = Path("/proc/zoneinfo")) -> Machine:
    """The machine we are on, its pages counted as nr_free_buffer_pages() does."""
    pages = 0
    text = zoneinfo.read_text() if os.access(zoneinfo, os.R_OK) else ""
    for zone in re.split(r"^(?=Node )", text, flags=re.MULTILINE):
        name = re.match(r"Node \d+, zone +(\S+)", zone)
        high, managed = re.search(r"^ +high +(\d+)", zone, re.MULTILINE), re.search(r"^ +managed +(\d+)", zone, re.MULTILINE)
        if name and high and managed and name[1] in _ZONES:
            pages += max(int(managed[1]) - int(high[1]), 0)
    return Machine(pages, mmap.PAGESIZE)


def find(name: str) -> Setting:
    """A setting by its name, in full or by its end; raises SettingUnknown."""
    for setting in SETTINGS:
        if name in (setting.name, setting.name.rpartition(".")[2], setting.name.replace(".", "/")):
            return setting
    raise errors.SettingUnknown(f"there is no setting {name}", remedy="see them all: quicctl config list")


def parse(setting: Setting, words: tuple[str, ...]) -> Values:
    """A value as a user writes it, such as ``4096 1M 16M``; raises SettingInvalid."""
    parts = [part for word in words for part in re.split(r"[\s,]+", word) if part]
    values = tuple(_number(setting, part) for part in parts)
    validate(setting, values)
    return values


def _number(setting: Setting, text: str) -> int:
    found = re.fullmatch(r"(-?\d+)\s*(ms|s|min|[KMG]i?B?)?", text, re.IGNORECASE)
    unit = (found[2] or "") if found else ""
    if found and not unit:
        return int(found[1])
    if found and setting.unit == "ms" and unit.lower() in ("ms", "s", "min"):
        return int(found[1]) * {"ms": 1, "s": 1000, "min": 60_000}[unit.lower()]
    if found and setting.unit in ("bytes", "pages") and unit[0].upper() in _SUFFIXES:
        number = int(found[1]) * _SUFFIXES[unit[0].upper()]
        return number // mmap.PAGESIZE if setting.unit == "pages" else number
    raise errors.SettingInvalid(f"{text} is no number of {setting.unit} for {setting.name}", remedy=_expected(setting))


def validate(setting: Setting, values: Values) -> None:
    """Raise SettingInvalid for what the kernel would refuse."""
    remedy = _expected(setting)
    if len(values) != len(setting.parts):
        text = f"{setting.name} takes {_count(len(setting.parts), 'number')}, not {len(values)}"
        raise errors.SettingInvalid(text, remedy=remedy)
    for part, value in zip(setting.parts, values, strict=True):
        if not setting.low <= value <= setting.high:
            raise errors.SettingInvalid(f"{part} of {setting.name} cannot be {value}", remedy=remedy)
    if setting.ordered and list(values) != sorted(values):
        raise errors.SettingInvalid(f"the numbers of {setting.name} must not fall: {_text(values)}", remedy=remedy)


def _expected(setting: Setting) -> str:
    return f"give {', '.join(setting.parts)} in {setting.unit}, each from {setting.low} to {setting.high}"


def current(setting: Setting, where: str | None = None) -> Current:
    """A setting as it is, in a network namespace if it has one of its own there."""
    space = where if setting.scope == "netns" else None
    text = netns.inside(space, lambda: _read(_SYS / setting.path))
    value = tuple(int(word) for word in text.split()) if text else None
    return Current(
        setting.name, value, setting.default(machine()), setting.unit, setting.parts, setting.low, setting.high, setting.scope,
        setting.meaning,
    )  # fmt: skip


def everything(where: str | None = None) -> tuple[Current, ...]:
    """All settings as they are."""
    return tuple(current(setting, where) for setting in SETTINGS)


def profile(name: str) -> dict[str, Values]:
    """What a profile sets on this machine; raises SettingUnknown."""
    if name not in PROFILES:
        raise errors.SettingUnknown(f"there is no profile {name}", remedy="profiles: " + ", ".join(PROFILES))
    here = machine()
    return {setting: value(here) for setting, value in PROFILES[name][1].items()}


def apply(wanted: Mapping[str, Values], where: str | None = None, *, dry_run: bool = False) -> tuple[Change, ...]:
    """Set all or nothing; raises SettingInvalid, ModuleNotLoaded, NotRoot."""
    changes = []
    for name, values in wanted.items():
        setting = find(name)
        validate(setting, values)
        before = current(setting, where).value
        if before is None:
            if name.startswith("net.quic."):
                raise errors.ModuleNotLoaded(f"{name} is there only while the module is loaded")
            raise errors.SettingUnknown(f"this kernel has no {name}", remedy="leave it out")
        changes.append(Change(name, before, values))
    done: list[Change] = []
    try:
        for change in changes if not dry_run else ():
            if change.before != change.after:
                _write(find(change.name), change.after, where)
                done.append(change)
    except BaseException:
        for change in reversed(done):
            _write(find(change.name), change.before or (), where)
        raise
    return tuple(changes)


def _write(setting: Setting, values: Values, where: str | None) -> None:
    path = _SYS / setting.path

    def write() -> None:
        path.write_text(_text(values) + "\n")

    try:
        netns.inside(where if setting.scope == "netns" else None, write)
    except PermissionError as failure:
        raise errors.NotRoot(f"{setting.name} may not be changed by this user") from failure
    except OSError as failure:
        raise errors.SettingInvalid(
            f"the kernel does not take {_text(values)} for {setting.name}: {failure.strerror}", remedy=_expected(setting)
        ) from failure


def persist(wanted: Mapping[str, Values], root: Path = Path("/"), *, dry_run: bool = False) -> tuple[Path, str]:
    """Have settings made at every boot; what was persisted before stays, unless it is named. Returns the file and its text."""
    path = root / _SYSCTL_FILE
    kept = {name: values for name, values in persisted(root).items() if name not in wanted}
    lines = ["# Made by quicctl config; the module's own exist only once it is loaded, which a leading - forgives."]
    lines += [f"-{name} = {_text(values)}" for name, values in sorted({**kept, **wanted}.items())]
    text = "\n".join([*lines, ""])
    if not dry_run:
        _replace(path, text)
    return path, text


def persisted(root: Path = Path("/")) -> dict[str, Values]:
    """What persist() wrote."""
    found = re.findall(r"^-(\S+) = ([\d ]+)$", _read(root / _SYSCTL_FILE), re.MULTILINE)
    return {name: tuple(int(word) for word in text.split()) for name, text in found}


def forget(root: Path = Path("/")) -> bool:
    """Take back what persist() wrote; returns whether there was anything."""
    found = False
    for inside in (_SYSCTL_FILE, _MODPROBE_FILE):
        if (root / inside).exists():
            try:
                (root / inside).unlink()
            except OSError as failure:
                raise errors.NotRoot(f"{root / inside} cannot be removed: {failure.strerror}") from failure
            found = True
    return found


def parameters(
    folder: Path = Path("/sys/module"), entries: tuple[tuple[str, str], ...] | None = None
) -> tuple[Parameter, ...]:
    """The module's parameters: as a file declares them (``parmtype`` and ``parm``), and as the loaded one has them."""
    if entries is None:
        ours = module.source() if (folder / module.NAME / "parameters").is_dir() else None
        entries = modinfo.read(ours).parameters if ours is not None else ()
    kinds = dict(value.split(":", 1) for key, value in entries if key == "parmtype" and ":" in value)
    meanings = dict(value.split(":", 1) for key, value in entries if key == "parm" and ":" in value)
    live = folder / module.NAME / "parameters"
    names = {*kinds, *(path.name for path in (live.iterdir() if live.is_dir() else ()))}
    return tuple(
        Parameter(
            name, kinds.get(name, ""), _read(live / name) or None, os.access(live / name, os.W_OK), meanings.get(name, "")
        )
        for name in sorted(names)
    )  # fmt: skip


def check_parameter(parameter: Parameter, value: str) -> None:
    """Raise SettingInvalid for a value that is not of the parameter's type."""
    unsigned = parameter.kind.startswith(("u", "byte"))
    fits = {
        "bool": re.fullmatch(r"[01yYnN]", value) is not None,
        "charp": "\n" not in value,
        "": True,
    }.get(parameter.kind, re.fullmatch(r"\d+" if unsigned else r"-?\d+", value) is not None)
    if not fits:
        text = f"{value} is no {parameter.kind} for the parameter {parameter.name}"
        raise errors.SettingInvalid(text, remedy=parameter.meaning or "give another value")


def set_parameter(
    parameter: Parameter, value: str, root: Path = Path("/"), *, folder: Path = Path("/sys/module"), keep: bool = False
) -> None:
    """Set a parameter of the loaded module, and with keep for every time it is loaded; raises SettingInvalid, NotRoot."""
    check_parameter(parameter, value)
    live = folder / module.NAME / "parameters" / parameter.name
    if not keep or live.exists():
        try:
            with open(live, "r+") as file:
                file.write(value + "\n")
        except OSError as failure:
            if not keep:
                raise errors.NotRoot(
                    f"{parameter.name} cannot be changed now: {failure.strerror}",
                    remedy="pass --persist and run: quicctl reload",
                ) from failure
    if keep:
        options = {r.rest.partition("=")[0]: r.text for r in modprobe.rules(root) if r.file == root / _MODPROBE_FILE}
        options[parameter.name] = f"options {module.NAME} {parameter.name}={value}"
        _replace(root / _MODPROBE_FILE, "\n".join(["# Made by quicctl config.", *options.values(), ""]))


def template() -> str:
    """A file for sysctl.d that changes nothing and says what could be changed."""
    lines = ["# Settings of the QUIC module, with their defaults. quicctl config does the same with checks."]
    for setting in SETTINGS:
        if setting.name.startswith("net.quic."):
            lines += ["", *textwrap.wrap(setting.meaning, 78, initial_indent="# ", subsequent_indent="# ")]
            lines.append(f"# {', '.join(setting.parts)}, in {setting.unit}.")
            default = "computed from memory" if setting.default is _mem else _text(setting.default(Machine(1 << 30, 4096)))
            lines.append(f"#{setting.name} = {default}")
    return "\n".join([*lines, ""])


def _replace(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise errors.NotRoot(f"{path.parent} cannot be made: {failure.strerror}") from failure
    signature.write(path, text.encode(), 0o644)


def _text(values: Values) -> str:
    return " ".join(str(value) for value in values)


def _read(path: Path) -> str:
    return path.read_text().strip() if os.access(path, os.R_OK) else ""


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
