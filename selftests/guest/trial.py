# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that does nothing but hand modules to a distribution's kernel and tell what it answered (tries.c)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from quicctl import process, rootfs, vm
from quicctl.kernel import Kernel

# What quic.ko needs of the distribution's modules, to be linked and to find its ciphers.
NEEDED = ("inet_diag", "udp_tunnel", "ip6_udp_tunnel", "ghash-generic", "gcm", "ecb", "ctr", "sha512_generic")


def needed(wanted: Kernel) -> list[Path]:
    """The distribution's modules that quic.ko needs, those first that others need."""
    folder = rootfs.kernel_modules(wanted) / "tree" / "lib" / "modules" / wanted.release
    needs = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        name, _, rest = line.partition(":")
        needs[name] = rest.split()
    order: list[str] = []
    for module in NEEDED:
        for path in (path for path in needs if Path(path).stem == module):  # what is not a module is built in
            order += [other for other in [*reversed(needs[path]), path] if other not in order]
    return [folder / path for path in order]


def initramfs(tried: Sequence[tuple[str, bytes]], folder: Path) -> Path:
    """A first file system with the modules to be tried, by names of ours."""
    process.run(["gcc", "-static", "-Os", "-Wall", "-o", folder / "init", Path(__file__).parent / "tries.c"])
    members = [("init", 0o100755, (folder / "init").read_bytes()), ("dev", 0o040755, b""), ("m", 0o040755, b"")]
    members += [(f"m/{number:02}-{name}.ko", 0o100644, data) for number, (name, data) in enumerate(tried)]
    image = folder / "initramfs"
    image.write_bytes(b"".join(vm._cpio_member(*m) for m in members) + vm._cpio_member("TRAILER!!!", 0, b""))
    return image


def boot(image: Path, first: Path, *words: str) -> str:
    """What the guest's console shows."""
    emulator = vm._emulator()
    done = process.run(
        [emulator, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", "pc,accel=tcg",
         "-cpu", vm._cpu(emulator, "tcg"), "-m", "512", "-kernel", image, "-initrd", first, "-serial", "stdio",
         "-append", " ".join(["console=ttyS0 loglevel=5 panic=-1 oops=panic rdinit=/init", *words])],
        timeout=400,
    )  # fmt: skip
    return done.stdout.replace("\r", "")


def answer(said: str, name: str) -> str:
    """What the kernel said to one of the modules: ``taken``, or the error in words."""
    found = re.search(rf"^TRIED (?:\d+-)?{name}(?:\.ko)? (.*)$", said, re.MULTILINE)
    assert found, said[-3000:]
    return found[1]
