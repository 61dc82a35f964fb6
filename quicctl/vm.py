# SPDX-License-Identifier: GPL-2.0-or-later
"""Lane vm: QEMU with a distribution kernel and a root of its own, all from images, no root needed.

Disks in order: distribution root, kernel modules, payload and tree, Python packages, one for each folder to mount, and last
a blank one that carries the results back as a tar archive.
"""

from __future__ import annotations

import re
import shutil
import string
from collections.abc import Mapping, Sequence
from functools import cache as remembered
from pathlib import Path

from quicctl import archive, cache, errors, guest, kernel, process, rootfs, sourcetree
from quicctl.kernel import Kernel

_NEEDED_AT_BOOT = ("virtio_pci", "virtio_blk", "virtio_console", "ext4", "overlay", "virtio_rng")
# String instructions count one per byte while the counter runs, which makes any memset lie.
_COUNT_LIES = ("erms", "fsrm", "fsrs", "fsrc", "fzrm")
_RESULTS_SIZE = 1 << 30
_PROBE_SECONDS = 12.0
_PORTS = ("stdout", "stderr", "control")


def prepare(job: guest.Job, scratch: Path, ports: Mapping[str, int]) -> guest.Launch:
    """Make the images of a job and the command line that boots them."""
    emulator = _emulator()
    booted = job.kernel or kernel.newest()
    if booted.image is None:
        raise errors.GuestUnavailable(f"kernel {booted.release} has no image to boot", remedy="use an archive kernel")
    root = rootfs.distribution()
    modules = rootfs.kernel_modules(booted)
    python = rootfs.site_packages(root)
    places = [*([f"{guest.BASE}/python"] if python else []), *(f"{guest.BASE}/{name}" for name, _ in job.mounts)]
    image = _payload_image(job, scratch, places)
    disks = [root, modules / "modules.img", image, *([python] if python else [])]
    disks += [rootfs.folder_image(folder) for _, folder in job.mounts]
    results = scratch / "results.img"
    with open(results, "wb") as blank:
        blank.truncate(_RESULTS_SIZE)
    initramfs = scratch / "initramfs"
    initramfs.write_bytes(_initramfs(modules / "tree", booted.release, _orders(places)))
    accelerator = _accelerator(emulator, booted) if not job.icount else "tcg"
    argv = [
        emulator, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", f"pc,accel={accelerator}",
        "-cpu", _cpu(emulator, accelerator), "-m", str(job.memory), "-smp", str(1 if job.icount else job.processors),
        "-kernel", str(booted.image), "-initrd", str(initramfs),
        "-append", "console=ttyS0 loglevel=7 panic=-1 oops=panic rdinit=/init net.ifnames=0"
        + (" panic_on_warn=1" if job.panic_on_warn else ""),
        "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console", "-device", "virtio-rng-pci",
        "-device", "virtio-serial-pci",
    ]  # fmt: skip
    if job.icount:
        # Idle time stays real time (sleep=off would skip it): else a slow disk of the host lets minutes pass in the guest.
        argv += ["-icount", "shift=0"]
    for number, name in enumerate(_PORTS, 1):
        argv += ["-chardev", f"socket,id={name},fd={ports[name]}", "-device", f"virtserialport,chardev={name},nr={number}"]
    for number, disk in enumerate([*disks, results]):
        mode = "off" if disk is results else "on"
        argv += ["-drive", f"if=none,id=disk{number},format=raw,readonly={mode},cache=unsafe,file={disk}"]
        argv += ["-device", f"virtio-blk-pci,drive=disk{number}"]

    def fetch(place: Path) -> None:
        process.run(["tar", "-x", "--no-same-owner", "-f", str(results), "-C", str(place)], timeout=300)

    return guest.Launch(tuple(argv), tuple(ports.values()), fetch)


def _payload_image(job: guest.Job, scratch: Path, places: Sequence[str]) -> Path:
    """The image of what the guest has at its base, with a folder for each other image."""
    payload = scratch / "payload"
    guest.write_env(
        payload, job,
        {
            "PATH": f"{guest.BASE}/payload/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": f"{guest.BASE}/tree:{guest.BASE}/python",
            "QUIC_OUT_DEVICE": _device(3 + len(places)), "QUIC_LANE": "vm",
        },
    )  # fmt: skip
    whole = scratch / "whole"
    for name in ("tree", "out", *(place.removeprefix(f"{guest.BASE}/") for place in places)):
        (whole / name).mkdir(parents=True)
    payload.rename(whole / "payload")
    if job.tree is not None:
        for name, path in sourcetree.everything(job.tree):
            place = whole / "tree" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place, follow_symlinks=False)
    image = scratch / "payload.img"
    rootfs.make_image(whole, image)
    return image


def _device(number: int) -> str:
    """The disk with this number, from 0."""
    return "/dev/vd" + string.ascii_lowercase[number]


def _orders(places: Sequence[str]) -> list[str]:
    return [
        f"overlay {_device(0)}",
        f"mount {_device(1)} ext4 ro /lib/modules",
        f"mount {_device(2)} ext4 ro {guest.BASE}",
        *(f"mount {_device(number)} ext4 ro {place}" for number, place in enumerate(places, 3)),
        f"mount out tmpfs rw {guest.BASE}/out",
        *(f"port {name} /dev/vport1p{number}" for number, name in enumerate(_PORTS, 1)),
        f"exec {guest.BASE}/payload/session.sh",
    ]


def _initramfs(modules: Path, release: str, orders: list[str]) -> bytes:
    """The first file system: init, the modules the disks need, the orders."""
    base = modules / "lib" / "modules" / release
    files: list[tuple[str, int, bytes]] = [("init", 0o100755, guest.guest_init().read_bytes()), ("m", 0o040755, b"")]
    loads = []
    for number, inside in enumerate(_load_order(base)):
        name = f"m/{number}.ko"
        files.append((name, 0o100644, (base / inside).read_bytes()))
        loads.append(f"module /{name}")
    files.append(("orders", 0o100644, "\n".join([*loads, *orders, ""]).encode()))
    files += [(name, 0o040755, b"") for name in ("dev", "lower", "upper", "new")]
    return b"".join(_cpio_member(*f) for f in files) + _cpio_member("TRAILER!!!", 0, b"")


def _load_order(base: Path) -> list[str]:
    """The files to insert for what is needed at boot, dependencies first."""
    needs: dict[str, list[str]] = {}
    for line in (base / "modules.dep").read_text().splitlines():
        name, _, rest = line.partition(":")
        needs[name] = rest.split()
    by_name = {Path(path).name.removesuffix(".ko").replace("-", "_"): path for path in needs}
    order: list[str] = []
    for wanted in _NEEDED_AT_BOOT:
        path = by_name.get(wanted)  # what is not a module is built in
        if path is not None:
            # modules.dep lists the nearest dependency first.
            order += [p for p in [*reversed(needs[path]), path] if p not in order]
    return order


def _cpio_member(name: str, mode: int, data: bytes) -> bytes:
    """One member of a cpio archive in the newc format, which the kernel unpacks."""
    encoded = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 2 if mode & 0o040000 else 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
    head = b"070701" + b"".join(b"%08X" % value for value in fields) + encoded
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def _emulator() -> str:
    if archive.architecture() != "amd64":
        raise errors.GuestUnavailable("lane vm is made for x86-64", remedy="use --where host")
    path = shutil.which("qemu-system-x86_64")
    if path is None:
        raise errors.GuestUnavailable("qemu-system-x86_64 is not installed", remedy="install qemu-system-x86, or run make deps")
    return path


@remembered
def _cpu(emulator: str, accelerator: str) -> str:
    if accelerator == "kvm":
        return "host"
    known = set(process.run([emulator, "-cpu", "help"]).stdout.split())
    without = [flag for flag in _COUNT_LIES if flag in known]
    version = re.search(r"version (\d+)\.(\d+)", process.run([emulator, "--version"]).stdout)
    if version and int(version[1]) == 7:
        without.append("cx16")  # its cmpxchg16b corrupts the flags
    return ",".join(["max", *(f"-{flag}" for flag in without)])


def _accelerator(emulator: str, booted: Kernel) -> str:
    """``kvm`` if a guest has really booted with it since this machine started, else ``tcg``."""
    if not Path("/dev/kvm").exists():
        return "tcg"
    try:
        open("/dev/kvm", "r+b", buffering=0).close()
    except OSError:
        return "tcg"
    started = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    verdict = cache.root() / "kvm" / cache.key(started, emulator, booted.release)
    with cache.locked(verdict):
        if not verdict.exists():
            verdict.write_text("kvm" if _kvm_boots(emulator, booted) else "tcg")
    return verdict.read_text()


def known_accelerator() -> str | None:
    """The verdict on KVM since this machine started, or None if no guest has tried it; nothing is booted to find out."""
    emulator = shutil.which("qemu-system-x86_64")
    verdicts = cache.root() / "kvm"
    if emulator is None or not verdicts.is_dir():
        return None
    started = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    for home in (cache.root() / "kernels").glob("*"):
        verdict = verdicts / cache.key(started, emulator, home.name)
        if verdict.exists():
            return verdict.read_text()
    return None


def _kvm_boots(emulator: str, booted: Kernel) -> bool:
    """Boot the kernel without a root; under a /dev/kvm that works its panic comes within a second."""
    try:
        shown = process.run(
            [emulator, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", "pc,accel=kvm",
             "-cpu", "host", "-m", "512", "-kernel", str(booted.image), "-append", "console=ttyS0 panic=-1",
             "-serial", "stdio"],
            check=False, timeout=_PROBE_SECONDS,
        )  # fmt: skip
    except errors.CommandFailed:
        return False
    return "Unable to mount root" in shown.stdout
