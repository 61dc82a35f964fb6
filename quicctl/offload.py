# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices that protect packets, as /proc/net/quic/offload has them, and the switch of a network namespace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quicctl import errors, module, netns

_FILE = Path("/proc/thread-self/net/quic/offload")


@dataclass(frozen=True, slots=True)
class Device:
    """A device and what is counted for it; docs/offload-driver.md says what each counter is."""

    name: str
    associations: int
    most: int
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Offload:
    """A network namespace's devices."""

    allowed: bool
    devices: tuple[Device, ...]
    total: Device | None = None
    """Their sum, with what devices counted that have gone; None of a module that keeps none."""


def offload(namespace: str | None = None) -> Offload:
    """The devices of a namespace, or of this one. Raises ModuleNotLoaded, NetnsMissing, NotRoot."""
    if not module.usable():
        raise errors.ModuleNotLoaded("the kernel has no QUIC sockets")

    def read() -> str:
        try:
            return _FILE.read_text()
        except FileNotFoundError as failure:
            raise errors.ModuleNotLoaded(
                "the module that is loaded knows no devices", remedy="load this version: quicctl reload"
            ) from failure

    return parse(netns.inside(namespace, read))


def parse(text: str) -> Offload:
    """The file's text."""
    switch, head, *rows = text.splitlines()
    names = head.split("\t")[3:]
    devices = []
    for row in rows:
        name, associations, most, *counts = row.split("\t")
        devices.append(Device(name, int(associations), int(most), dict(zip(names, map(int, counts), strict=True))))
    total = next((device for device in devices if device.name == "/"), None)
    return Offload(switch == "offload on", tuple(device for device in devices if device is not total), total)


def allow(allowed: bool, namespace: str | None = None) -> None:
    """Let connections of a namespace use devices, or keep them in software. Raises NotRoot and what offload() raises."""
    offload(namespace)

    def write() -> None:
        try:
            _FILE.write_text("1" if allowed else "0")
        except PermissionError as failure:
            raise errors.NotRoot("the switch needs CAP_NET_ADMIN in its network namespace") from failure

    netns.inside(namespace, write)
