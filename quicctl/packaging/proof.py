# SPDX-License-Identifier: GPL-2.0-or-later
"""Proof that a kernel tree with the module in it works: built as User-Mode Linux with QUIC as a module and built in, and run.

Each kernel moves data both ways between a client and a server; its own reports count as failure. The tree stays as it is,
what is built lies in a folder beside it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quicctl import builder, errors, guest, process, sourcetree
from quicctl.kernel import Kernel
from quicctl.packaging import render

_BUILD_SECONDS = 3600.0
_MEBIBYTES = 4

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Proof:
    """One kernel that was built and run."""

    choice: str
    """CONFIG_IP_QUIC: m or y."""
    kernel: str
    handshake_ms: float
    bytes: int
    """Moved each way, the hashes the same at both ends."""
    warnings: int
    """Of the compiler, in net/quic."""


def prove(kdir: Path, objects: Path, progress: Progress = lambda text: None) -> list[Proof]:
    """Build the tree into objects with CONFIG_IP_QUIC=m and =y, and run both."""
    objects.mkdir(parents=True, exist_ok=True)
    return [_prove(kdir, objects, choice, progress) for choice in ("m", "y")]


def _prove(kdir: Path, objects: Path, choice: str, progress: Progress) -> Proof:
    progress(f"building {kdir} for User-Mode Linux with CONFIG_IP_QUIC={choice}: minutes")
    warnings = _build(kdir, objects, choice)
    release = (objects / "include" / "config" / "kernel.release").read_text().strip()
    ko = objects / "net" / "quic" / "quic.ko"
    if choice == "y" and ko.exists():
        raise errors.PackageBroken(f"CONFIG_IP_QUIC=y left {ko}", remedy="remove the build folder and try again")
    progress(f"running it: {release}, QUIC {'built in' if choice == 'y' else 'loaded'}")
    job = guest.Job(
        ("python3", "-m", "quicctl", "demo", "--inside", "--json", "--size", str(_MEBIBYTES)),
        modules=(ko,) if choice == "m" else (),
        files=(("lib", builder.libquic(progress=progress).folder / "lib"),),
        tree=sourcetree.project(), leaks=False, kernel=Kernel(release, objects, arch="um", image=objects / "linux"),
    )  # fmt: skip
    outcome = guest.run(guest.Lane.UML, job)
    if outcome.status != 0 or not outcome.healthy:
        said = (outcome.folder / "stderr").read_text(errors="replace")
        raise errors.PackageBroken(
            f"the kernel with CONFIG_IP_QUIC={choice} moves no data", detail=process.tail(said), remedy=f"see {outcome.folder}"
        )
    report = json.loads((outcome.folder / "stdout").read_text())
    if not report["verified"]:
        raise errors.PackageBroken("the bytes that arrived are not those that were sent", remedy=f"see {outcome.folder}")
    return Proof(choice, report["kernel"], report["client_tls"]["milliseconds"], report["to_server"]["bytes"], warnings)


def _build(kdir: Path, objects: Path, choice: str) -> int:
    """Configure and build; returns how many warnings net/quic made."""
    make = ["nice", "make", "-C", str(kdir), f"O={objects}", "ARCH=um", f"-j{os.cpu_count() or 1}"]
    config = objects / ".config"
    fragment = render.folder(sourcetree.project()) / "tree" / "uml.config"
    for name in ("quic.ko", "quic.o"):
        (objects / "net" / "quic" / name).unlink(missing_ok=True)
    process.run([*make, "tinyconfig"], timeout=300)
    process.run([kdir / "scripts/kconfig/merge_config.sh", "-m", "-O", objects, config, fragment], cwd=objects)
    process.run([kdir / "scripts/config", "--file", config, "--set-val", "IP_QUIC", choice])
    process.run([*make, "olddefconfig"], timeout=300)
    if f"CONFIG_IP_QUIC={choice}" not in config.read_text().splitlines():
        raise errors.KernelTreeUnsuitable(f"{kdir} does not grant CONFIG_IP_QUIC={choice}", remedy=f"see {config}")
    try:
        said = process.run(make, timeout=_BUILD_SECONDS, on_line=lambda _: None).stdout
    except errors.CommandFailed as failed:
        raise errors.BuildFailed(
            f"{kdir} does not build with CONFIG_IP_QUIC={choice}", detail=failed.detail, returncode=failed.returncode
        ) from failed
    return sum("net/quic/" in line and "warning:" in line for line in said.splitlines())
