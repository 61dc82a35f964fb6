# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys that the kernel keeps (keyrings(7)), by system call: what a user inside the kernel names by serial number."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SESSION = -3
"""The keyring of this session: what is linked to it, this process may use."""

_CALL = {"x86_64": 250, "ppc64le": 271, "s390x": 280, "armv7l": 311}.get(platform.machine(), 219)
"""Number of keyctl(2); 219 where the kernel's generic list is used."""
_JOIN, _DESCRIBE, _LINK, _READ = 1, 6, 8, 11
_PROC = Path("/proc/keys")


@dataclass(frozen=True, slots=True)
class Key:
    """What may be told of a key without its payload."""

    serial: int
    type: str
    description: str


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _keyctl(command: int, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    wide = (ctypes.c_long(value) if isinstance(value, int) else value for value in arguments)
    got = int(_libc().syscall(ctypes.c_long(_CALL), ctypes.c_long(command), *wide))
    if got == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return got


def _bytes(command: int, serial: int) -> bytes:
    """What a call fills a buffer with, of whatever size."""
    size = 0
    while True:
        buffer = ctypes.create_string_buffer(max(size, 1))
        got = _keyctl(command, serial, buffer, size)
        if got <= size:
            return buffer.raw[:got]
        size = got


def join() -> None:
    """Begin a session keyring of this process's own; raises OSError, ENOSYS without CONFIG_KEYS."""
    _keyctl(_JOIN, None)


def link(serial: int) -> None:
    """Let this process use what is in a keyring; raises OSError."""
    _keyctl(_LINK, serial, SESSION)


def describe(serial: int) -> Key:
    """Type and description of a key; raises OSError."""
    kind, _uid, _gid, _rights, description = _bytes(_DESCRIBE, serial).rstrip(b"\0").decode().split(";", 4)
    return Key(serial, kind, description)


def read(serial: int) -> bytes:
    """The payload of a key; raises OSError."""
    return _bytes(_READ, serial)


def members(serial: int) -> list[Key]:
    """The keys of a keyring and of those in it, each once; those that this process may not see are left out."""
    found: dict[int, Key] = {}
    visited: set[int] = set()
    todo = [serial]
    while todo:
        ring = todo.pop()
        if ring in visited:
            continue
        visited.add(ring)
        payload = read(ring)
        for at in range(0, len(payload) - 3, 4):
            number = int.from_bytes(payload[at : at + 4], sys.byteorder, signed=True)
            try:
                key = describe(number)
            except OSError:  # revoked, expired, or not for us
                continue
            if key.type == "keyring":
                todo.append(number)
            else:
                found[number] = key
    return list(found.values())


def find(name: str) -> int | None:
    """The serial number of the keyring of this name; None if this process sees none."""
    for line in _PROC.read_text().splitlines():
        words = line.split(maxsplit=8)
        if len(words) == 9 and words[7] == "keyring" and words[8].rpartition(": ")[0] == name:
            return int(words[0], 16)
    return None
