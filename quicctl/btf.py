# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the type information of a module fits that of a kernel.

A module's BTF goes on where the kernel's ends: names and types are numbered through both. Against another kernel's the
numbers lead elsewhere, which the kernel notices as invalid names or types and refuses the module for.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_MAGIC = 0xEB9F
_HEADER = struct.Struct("HBBIIIII")
_INT, _ARRAY, _STRUCT, _UNION, _ENUM, _FUNC_PROTO, _VAR, _DATASEC, _TAG, _ENUM64 = 1, 3, 4, 5, 6, 13, 14, 15, 17, 19
_REFERS = frozenset({2, 8, 9, 10, 11, 12, 14, 17, 18})
_LAST_KIND = 19
# Bytes after the three words of every type: fixed, and for each member.
_TAIL = {
    _INT: (4, 0), _ARRAY: (12, 0), _STRUCT: (0, 12), _UNION: (0, 12), _ENUM: (0, 8), _FUNC_PROTO: (0, 8), _VAR: (4, 0),
    _DATASEC: (0, 12), _TAG: (4, 0), _ENUM64: (0, 12),
}  # fmt: skip


class Invalid(Exception):
    """The bytes are no BTF, or not on this base; says what is wrong."""


@dataclass(frozen=True, slots=True)
class Base:
    """What of a kernel's BTF a module's refers to."""

    strings: bytes
    types: int
    """The first number that is free."""


def base(data: bytes) -> Base:
    """Read a kernel's BTF (/sys/kernel/btf/vmlinux, or the section of vmlinux); raises Invalid."""
    types, strings = _parts(data)
    return Base(strings, 1 + sum(1 for _ in _walk(types)))


def check(data: bytes, on: Base) -> None:
    """Raise Invalid if a module's BTF does not go on from this base."""
    types, strings = _parts(data)
    all_types = list(_walk(types))
    most = on.types + len(all_types)
    for number, (name, kind, word, tail) in enumerate(all_types, on.types):
        _check_name(name, on.strings, strings, number)
        references = [word] if kind in _REFERS else []
        names: list[int] = []
        if kind == _ARRAY:
            references += struct.unpack_from("II", tail)
        elif kind in (_STRUCT, _UNION):
            for member, reference, _ in struct.iter_unpack("III", tail):
                names.append(member)
                references.append(reference)
        elif kind == _FUNC_PROTO:
            references.append(word)
            for parameter, reference in struct.iter_unpack("II", tail):
                names.append(parameter)
                references.append(reference)
        for reference in references:
            if reference >= most:
                raise Invalid(f"type {number} refers to type {reference} of {most}")
        for member in names:
            _check_name(member, on.strings, strings, number)


def _check_name(offset: int, before: bytes, own: bytes, number: int) -> None:
    """A name begins after the end of another."""
    if offset < len(before):
        fits = offset == 0 or before[offset - 1] == 0
    else:
        at = offset - len(before)
        fits = at < len(own) and (at == 0 or own[at - 1] == 0)
    if not fits:
        raise Invalid(f"the name of type {number} or of a member begins in the middle of another")


def _parts(data: bytes) -> tuple[bytes, bytes]:
    if len(data) < _HEADER.size:
        raise Invalid("too short")
    magic, _, _, header, types_at, types_size, strings_at, strings_size = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise Invalid("no BTF")
    if max(header + types_at + types_size, header + strings_at + strings_size) > len(data):
        raise Invalid("it ends too early")
    start = header + types_at
    return data[start : start + types_size], data[header + strings_at : header + strings_at + strings_size]


def _walk(types: bytes) -> list[tuple[int, int, int, bytes]]:
    """Each type: offset of its name, kind, its size or what it refers to, and what follows."""
    found, at = [], 0
    unpack = struct.Struct("III").unpack_from
    while at < len(types):
        if at + 12 > len(types):
            raise Invalid("a type ends too early")
        name, info, word = unpack(types, at)
        kind, count = info >> 24 & 0x1F, info & 0xFFFF
        if not 0 < kind <= _LAST_KIND:
            raise Invalid(f"a type of kind {kind}")
        fixed, each = _TAIL.get(kind, (0, 0))
        end = at + 12 + fixed + each * count
        found.append((name, kind, word, types[at + 12 : end]))
        at = end
    return found
