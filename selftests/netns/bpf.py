# SPDX-License-Identifier: GPL-2.0-or-later
"""The smallest of eBPF programs, loaded and attached: packets that leave a device go out of another one instead."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import subprocess
from pathlib import Path

from wire import Namespace, tool

_SYSCALL = {"x86_64": 321, "aarch64": 280}
_PROG_LOAD, _OBJ_PIN = 5, 6
_SCHED_CLS = 3
_REDIRECT = 23
_MOV, _CALL, _EXIT = 0xB7, 0x85, 0x95
_FOLDER = Path("/sys/fs/bpf")
_libc = ctypes.CDLL(None, use_errno=True)


def _call(command: int, attributes: bytes) -> int:
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    result = _libc.syscall(_SYSCALL[platform.machine()], command, buffer, len(attributes))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"bpf({command}): {os.strerror(code)}")
    return int(result)


def redirect(end: Namespace, device: str, index: int) -> None:
    """Let what leaves a device of an end go out of the device with that index, as it is."""

    def instruction(code: int, register: int = 0, value: int = 0) -> bytes:
        return struct.pack("<BBhi", code, register, 0, value)

    program = b"".join(
        (instruction(_MOV, 1, index), instruction(_MOV, 2, 0), instruction(_CALL, 0, _REDIRECT), instruction(_EXIT))
    )
    code = ctypes.create_string_buffer(program, len(program))
    licence = ctypes.create_string_buffer(b"GPL")
    handle = _call(
        _PROG_LOAD, struct.pack("<IIQQ", _SCHED_CLS, len(program) // 8, ctypes.addressof(code), ctypes.addressof(licence))
    )
    pinned = _FOLDER / f"quic-{os.getpid()}-{index}"
    try:
        if not os.path.ismount(_FOLDER):
            subprocess.run(["mount", "-t", "bpf", "none", _FOLDER], check=True)
        name = ctypes.create_string_buffer(os.fsencode(pinned))
        _call(_OBJ_PIN, struct.pack("<QII", ctypes.addressof(name), handle, 0))
        # ip netns exec has a /sys of its own, without what is mounted here.
        tc = ["nsenter", f"--net=/run/netns/{end.name}", "tc"]
        tool(*tc, "qdisc", "add", "dev", device, "clsact")
        tool(*tc, "filter", "add", "dev", device, "egress", "bpf", "da", "object-pinned", str(pinned))
    finally:
        os.close(handle)
        pinned.unlink(missing_ok=True)
