# SPDX-License-Identifier: GPL-2.0-or-later
"""A wire whose ends are simulated devices that protect packets: module/simdev, loaded once and put into two namespaces."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wire import Namespace, Wire, ip

_KO = Path(os.environ.get("QUIC_PAYLOAD", "/nonexistent")) / "quic_simdev.ko"
_DEBUG = Path("/sys/kernel/debug")

TX, RX = 1, 2
"""Bits of the knob ``directions``."""


@dataclass(frozen=True, slots=True)
class Device:
    """The files of one device, and what the module counts for it."""

    end: Namespace

    def set(self, **knobs: int) -> None:
        """Turn knobs."""
        for name, value in knobs.items():
            (_DEBUG / "quic_simdev" / self.end.device / name).write_text(str(value))

    def get(self, name: str) -> int:
        """A knob or a counter."""
        return int((_DEBUG / "quic_simdev" / self.end.device / name).read_text())

    def assocs(self) -> list[dict[str, str]]:
        """The table of the hardware."""
        head, *rows = (_DEBUG / "quic_simdev" / self.end.device / "assocs").read_text().splitlines()
        return [dict(zip(head.split("\t"), row.split("\t"), strict=True)) for row in rows]

    def register(self, **knobs: int) -> None:
        """Register the device, anew if it is, with what counts only then."""
        self.set(registered=0, **knobs)
        self.set(registered=1)

    def counts(self) -> dict[str, int]:
        """/proc/net/quic/offload: all zero while the device is not registered."""

        def read() -> str:
            return Path("/proc/thread-self/net/quic/offload").read_text()

        _, head, *rows = self.end.start(read).result(30).splitlines()
        for row in rows:
            name, *values = row.split("\t")
            if name == self.end.device:
                return dict(zip(head.split("\t")[1:], map(int, values), strict=True))
        return dict.fromkeys(head.split("\t")[1:], 0)

    def allow(self, on: bool) -> None:
        """The switch of the namespace."""
        self.end.start(lambda: Path("/proc/thread-self/net/quic/offload").write_text(str(int(on)))).result(30)


@dataclass(frozen=True, slots=True)
class Simulated(Wire):
    """Both ends, and their devices."""

    here: Device
    there: Device


@contextmanager
def simulated() -> Iterator[Simulated]:
    """Load the devices, make a wire of them, and take all of it away: unloading fails if anything holds on to it."""
    if not (_DEBUG / "kernel").exists() and not any(_DEBUG.iterdir()):
        subprocess.run(["mount", "-t", "debugfs", "none", _DEBUG], check=True)
    near = Namespace(f"quic-near-{os.getpid()}", "qsim0", "10.0.0.1", "fd00::1")
    far = Namespace(f"quic-far-{os.getpid()}", "qsim1", "10.0.0.2", "fd00::2")
    made: list[str] = []
    subprocess.run(["insmod", _KO], check=True)
    try:
        for end in (near, far):
            ip("netns", "add", end.name)
            made.append(end.name)
            ip("link", "set", end.device, "netns", end.name)
            ip("-n", end.name, "link", "set", "lo", "up")
            ip("-n", end.name, "addr", "add", f"{end.v4}/24", "dev", end.device)
            ip("-n", end.name, "addr", "add", f"{end.v6}/64", "dev", end.device, "nodad")
            ip("-n", end.name, "link", "set", end.device, "up")
        wire = Simulated(near, far, Device(near), Device(far))
        for device in (wire.here, wire.there):
            device.register()
        yield wire
    finally:
        for name in made:
            ip("netns", "del", name)
        subprocess.run(["rmmod", "quic_simdev"], check=True)
