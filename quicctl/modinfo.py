# SPDX-License-Identifier: GPL-2.0-or-later
"""What a module file says about itself, read from its ELF sections; nothing is loaded to find out.

Whether the running kernel would take it is decided in module.py.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from quicctl import errors
from quicctl.module import build_id_of

_SIGNATURE = b"~Module signature appended~\n"


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol that the module needs, with the checksum of the interface it was built against."""

    name: str
    crc: int


@dataclass(frozen=True, slots=True)
class ModuleInfo:
    """The facts of one .ko file."""

    path: Path
    name: str
    version: str
    vermagic: str
    srcversion: str
    license: str
    depends: tuple[str, ...]
    softdeps: tuple[str, ...]
    aliases: tuple[str, ...]
    symbols: tuple[Symbol, ...]
    signed: bool
    machine: str
    build_id: str

    @property
    def release(self) -> str:
        """The kernel release it is built for."""
        return self.vermagic.split(" ")[0] if self.vermagic else ""

    @property
    def flags(self) -> frozenset[str]:
        """The build properties that must match the kernel's."""
        return frozenset(self.vermagic.split()[1:])


def read(path: Path) -> ModuleInfo:
    """Read a module file; raises ModuleUnreadable."""
    try:
        with path.open("rb") as handle:
            elf = ELFFile(handle)
            section = elf.get_section_by_name(".modinfo")
            if section is None:
                raise errors.ModuleUnreadable(
                    f"{path} is no kernel module: it has no .modinfo section", remedy="give a .ko file"
                )
            entries = _entries(section.data())
            versions = elf.get_section_by_name("__versions")
            symbols = _symbols(versions.data(), elf.elfclass, elf.little_endian) if versions is not None else ()
            machine = str(elf.get_machine_arch())
            note = elf.get_section_by_name(".note.gnu.build-id")
            build_id = build_id_of(note.data(), "little" if elf.little_endian else "big") if note is not None else ""
        with path.open("rb") as handle:
            handle.seek(0, 2)
            handle.seek(-min(len(_SIGNATURE), handle.tell()), 2)
            signed = handle.read() == _SIGNATURE
    except ELFError as failure:
        raise errors.ModuleUnreadable(f"{path} is no ELF file: {failure}", remedy="give a .ko file") from failure
    except OSError as failure:
        raise errors.FileUnreadable(
            f"{path} cannot be read: {failure.strerror}", remedy="check the path and its permissions"
        ) from failure

    def one(key: str) -> str:
        return next((value for name, value in entries if name == key), "")

    return ModuleInfo(
        path=path,
        name=one("name") or path.name.split(".")[0].replace("-", "_"),
        version=one("version"),
        vermagic=one("vermagic").strip(),
        srcversion=one("srcversion"),
        license=one("license"),
        depends=tuple(name for name in one("depends").split(",") if name),
        softdeps=tuple(value for name, value in entries if name == "softdep"),
        aliases=tuple(value for name, value in entries if name == "alias"),
        symbols=symbols,
        signed=signed,
        machine=machine,
        build_id=build_id,
    )


def _entries(data: bytes) -> list[tuple[str, str]]:
    pairs = (entry.decode(errors="replace").partition("=") for entry in data.split(b"\0") if entry)
    return [(key, value) for key, _, value in pairs]


def _symbols(data: bytes, bits: int, little: bool) -> tuple[Symbol, ...]:
    """Entries of struct modversion_info: an unsigned long and a name that fills 64 bytes with it."""
    layout = struct.Struct(("<" if little else ">") + ("Q56s" if bits == 64 else "I60s"))
    usable = len(data) - len(data) % layout.size
    return tuple(Symbol(name.split(b"\0")[0].decode(), crc) for crc, name in layout.iter_unpack(data[:usable]))
