# SPDX-License-Identifier: GPL-2.0-or-later
"""What a module file says about itself, read from its ELF sections; nothing is loaded to find out.

Whether a kernel would take it is judged in inspection.py.
"""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quicctl import errors, process, signature
from quicctl.module import build_id_of

_XZ, _GZIP, _ZSTD = b"\xfd7zXZ\0", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_ELF_HEADERS = {1: (52, "IIIHHHHHH", 24), 2: (64, "QQQIHHHHHH", 24)}
_REMEDY = "give a .ko file"


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol that the module needs, with the checksum of the interface it was built against."""

    name: str
    crc: int


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the file and its size."""

    name: str
    size: int


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
    bits: int = 64
    little_endian: bool = True
    undefined: tuple[str, ...] = ()
    """What the linker of the kernel must find, without the weak ones."""
    exports: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    """Of symbols, that the module asks to use."""
    sections: tuple[Section, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    """What it says of its parameters: ``parmtype`` or ``parm``, and ``NAME:TYPE`` or ``NAME:MEANING``."""
    compression: str = ""
    """``xz``, ``gzip``, ``zstd``, or empty."""

    @property
    def release(self) -> str:
        """The kernel release it is built for."""
        return self.vermagic.split(" ")[0] if self.vermagic else ""

    @property
    def flags(self) -> frozenset[str]:
        """The build properties that must match the kernel's."""
        return frozenset(self.vermagic.split()[1:])

    @property
    def has_btf(self) -> bool:
        """Whether it describes its types, in terms of those of one kernel."""
        names = {section.name for section in self.sections}
        return ".BTF" in names and ".BTF.base" not in names


def read(path: Path) -> ModuleInfo:
    """Read a module file, compressed or not; raises ModuleUnreadable, FileUnreadable."""
    from elftools.common.exceptions import ELFError
    from elftools.construct import ConstructError

    data, compression = content(path)
    _check_whole(path, data)
    try:
        return _parse(path, data, compression)
    except (ELFError, ConstructError, struct.error, UnicodeDecodeError, ValueError) as failure:
        raise errors.ModuleUnreadable(f"{path} is damaged: {failure}", remedy=_REMEDY) from failure


def content(path: Path) -> tuple[bytes, str]:
    """The module's bytes and how they were compressed; raises ModuleUnreadable, FileUnreadable."""
    try:
        data = path.read_bytes()
    except OSError as failure:
        raise errors.FileUnreadable(
            f"{path} cannot be read: {failure.strerror}", remedy="check the path and its permissions"
        ) from failure
    try:
        if data.startswith(_XZ):
            return lzma.decompress(data), "xz"
        if data.startswith(_GZIP):
            return gzip.decompress(data), "gzip"
    except (lzma.LZMAError, EOFError, zlib.error, gzip.BadGzipFile) as failure:
        raise errors.ModuleUnreadable(
            f"{path} cannot be unpacked, its compressed content ends too early or is damaged: {failure}", remedy="copy it again"
        ) from failure
    if data.startswith(_ZSTD):
        return _zstd(path), "zstd"
    return data, ""


def _zstd(path: Path) -> bytes:
    with tempfile.TemporaryFile() as unpacked:
        done = process.run(["zstd", "-dcq", path], check=False, stdout=unpacked)
        if done.returncode == process.NOT_FOUND:
            raise errors.ToolMissing(f"{path} is compressed with zstd, which is not installed", remedy="install zstd")
        if done.returncode != 0:
            raise errors.ModuleUnreadable(
                f"{path} cannot be unpacked, its compressed content ends too early or is damaged", remedy="copy it again"
            )
        unpacked.seek(0)
        return unpacked.read()


def section(data: bytes, name: str) -> bytes | None:
    """The content of a section of an ELF file."""
    from elftools.elf.elffile import ELFFile

    found = ELFFile(io.BytesIO(data)).get_section_by_name(name)
    return None if found is None else bytes(found.data())


def _check_whole(path: Path, data: bytes) -> None:
    """Tell a file that is something else from one that ends too early."""
    if not data:
        raise errors.ModuleUnreadable(f"{path} is empty", remedy="copy it again, or build it again: quicctl build")
    if not data.startswith(b"\x7fELF"):
        raise errors.ModuleUnreadable(f"{path} is no ELF file", remedy=_REMEDY)
    size, layout, at = _ELF_HEADERS.get(data[4] if len(data) > 4 else 2, _ELF_HEADERS[2])
    short = errors.ModuleUnreadable(
        f"{path} is truncated: its sections reach beyond its end at {len(data)} bytes",
        remedy="copy it again, or build it again: quicctl build",
    )
    if len(data) < size:
        raise short
    order = "<" if data[5] == 1 else ">"
    fields = struct.unpack_from(order + layout, data, at)
    table, entry, count = fields[2], fields[-3], fields[-2]
    if table + entry * count > len(data):
        raise short
    wide = data[4] == 2
    for number in range(count):
        start = table + number * entry
        kind = struct.unpack_from(order + "I", data, start + 4)[0]
        offset, length = struct.unpack_from(order + ("QQ" if wide else "II"), data, start + (24 if wide else 16))
        if kind not in (0, 8) and offset + length > len(data):  # SHT_NULL and SHT_NOBITS take no room
            raise short


def _parse(path: Path, data: bytes, compression: str) -> ModuleInfo:
    from elftools.elf.elffile import ELFFile

    elf = ELFFile(io.BytesIO(data))
    if elf.header["e_type"] != "ET_REL":
        raise errors.ModuleUnreadable(
            f"{path} is no kernel module: it is a program or library and has no .modinfo section", remedy=_REMEDY
        )
    found = elf.get_section_by_name(".modinfo")
    if found is None:
        raise errors.ModuleUnreadable(f"{path} is no kernel module: it has no .modinfo section", remedy=_REMEDY)
    entries = _entries(found.data())
    note = elf.get_section_by_name(".note.gnu.build-id")
    undefined, exports = _symbol_table(elf)

    def one(key: str) -> str:
        return next((value for name, value in entries if name == key), "")

    def all_of(key: str) -> tuple[str, ...]:
        return tuple(value for name, value in entries if name == key)

    return ModuleInfo(
        path=path,
        name=one("name") or path.name.split(".")[0].replace("-", "_"),
        version=one("version"),
        vermagic=one("vermagic").strip(),
        srcversion=one("srcversion"),
        license=one("license"),
        depends=tuple(name for name in one("depends").split(",") if name),
        softdeps=all_of("softdep"),
        aliases=all_of("alias"),
        symbols=_versions(elf),
        signed=signature.is_signed(data),
        machine=str(elf.get_machine_arch()),
        build_id=build_id_of(note.data(), "little" if elf.little_endian else "big") if note is not None else "",
        bits=int(elf.elfclass),
        little_endian=bool(elf.little_endian),
        undefined=undefined,
        exports=exports,
        namespaces=all_of("import_ns"),
        sections=tuple(Section(s.name, int(s["sh_size"])) for s in elf.iter_sections() if s.name),
        parameters=tuple(entry for entry in entries if entry[0] in ("parm", "parmtype")),
        compression=compression,
    )


def _entries(data: bytes) -> list[tuple[str, str]]:
    pairs = (entry.decode(errors="replace").partition("=") for entry in data.split(b"\0") if entry)
    return [(key, value) for key, _, value in pairs]


def _symbol_table(elf: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names that must be found elsewhere, and those exported."""
    table = elf.get_section_by_name(".symtab")
    if table is None:
        return (), ()
    undefined, exports = [], []
    for symbol in table.iter_symbols():
        if symbol["st_shndx"] == "SHN_UNDEF" and symbol.name and symbol["st_info"]["bind"] == "STB_GLOBAL":
            undefined.append(symbol.name)
        elif symbol.name.startswith("__ksymtab_"):
            exports.append(symbol.name.removeprefix("__ksymtab_"))
    return tuple(undefined), tuple(exports)


def _versions(elf: Any) -> tuple[Symbol, ...]:
    """The checksums of what the module needs, in the form of before or after Linux 6.14."""
    order = "<" if elf.little_endian else ">"
    plain = elf.get_section_by_name("__versions")
    if plain is not None:
        return _symbols(plain.data(), elf.elfclass, elf.little_endian)
    crcs, names = elf.get_section_by_name("__version_ext_crcs"), elf.get_section_by_name("__version_ext_names")
    if crcs is None or names is None:
        return ()
    values = [crc for (crc,) in struct.iter_unpack(order + "I", crcs.data())]
    words = [word.decode() for word in names.data().split(b"\0")]
    return tuple(Symbol(name, crc) for name, crc in zip(words, values, strict=False))


def _symbols(data: bytes, bits: int, little: bool) -> tuple[Symbol, ...]:
    """Entries of struct modversion_info: an unsigned long and a name that fills 64 bytes with it."""
    layout = struct.Struct(("<" if little else ">") + ("Q56s" if bits == 64 else "I60s"))
    usable = len(data) - len(data) % layout.size
    return tuple(Symbol(name.split(b"\0")[0].decode(), crc) for crc, name in layout.iter_unpack(data[:usable]))
