# SPDX-License-Identifier: GPL-2.0-or-later
"""Disk images for guests under QEMU: a small distribution root, a kernel's modules, the Python packages, a job's payload.

All are ext4 images filled without mounting, so no root is needed. Which image goes where is vm.py's decision.
"""

from __future__ import annotations

import lzma
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from quicctl import archive, cache, errors, process
from quicctl.kernel import Kernel

# What a guest needs to run the tests: an interpreter, networking tools, module tools, other QUIC stacks to talk to.
PACKAGES = (
    "base-files", "bash", "coreutils", "dash", "findutils", "gnutls-bin", "grep", "iproute2", "iputils-ping", "kmod",
    "libc-bin", "libgnutls30", "ngtcp2-client", "ngtcp2-server", "openssl", "procps", "python3", "sed", "strace", "tar",
    "util-linux", "mount", "mawk", "ethtool",
)  # fmt: skip
_IF_OFFERED = ("ngtcp2-client", "ngtcp2-server")
"""Those of them that not each suite has: their tests skip."""
_RECIPE = "4"
_WITHOUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/zoneinfo", "var/cache/debconf")
_MODULE_FOLDERS = (
    "kernel/crypto", "kernel/arch/x86/crypto", "kernel/lib", "kernel/net/ipv4", "kernel/net/ipv6", "kernel/net/sched",
    "kernel/net/tls", "kernel/net/core", "kernel/net/packet", "kernel/net/unix", "kernel/net/netlink", "kernel/net/bridge",
    "kernel/net/802", "kernel/net/llc", "kernel/net/netfilter", "kernel/net/sunrpc", "kernel/net/handshake",
    "kernel/net/key", "kernel/net/sctp", "kernel/drivers/net", "kernel/drivers/block",
    "kernel/drivers/virtio", "kernel/drivers/char/virtio_console", "kernel/fs/overlayfs", "kernel/fs/ext4",
    "kernel/fs/jbd2", "kernel/fs/mbcache.ko", "kernel/drivers/char/hw_random", "kernel/drivers/nvme",
)  # fmt: skip
_IMAGES_KEPT = 8
"""Of folders: three a version of the peers, and those of other trees."""
_NOT_FOR_GUESTS = {"mypy", "mypyc", "ruff", "pip", "setuptools"}


def distribution() -> Path:
    """The image of the distribution root, made once."""
    suite = archive.host_suite()
    home = cache.root() / "roots" / f"{suite}-{cache.key(_RECIPE, *PACKAGES)}"
    return cache.entry(home, _make_distribution) / "root.img"


def python_version(root_image: Path) -> tuple[int, int]:
    """Major and minor version of the distribution root's Python."""
    major, minor = (root_image.parent / "python").read_text().split(".")[:2]
    return int(major), int(minor)


def kernel_modules(kernel: Kernel) -> Path:
    """A folder with the modules a guest can need, unpacked from their compression and indexed, and ``modules.img`` of it."""
    if kernel.modules is None:
        raise errors.HeadersMissing(f"kernel {kernel.release} comes without modules", remedy="boot an archive kernel")
    source = kernel.modules

    def make(scratch: Path) -> None:
        tree = scratch / "tree"
        place = tree / "lib" / "modules" / kernel.release
        place.mkdir(parents=True)
        for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
            if (source / name).exists():
                shutil.copy(source / name, place / name)
        for path in source.rglob("*.ko*"):
            inside = str(path.relative_to(source))
            if inside.startswith(_MODULE_FOLDERS):
                _unpack_module(path, place / inside)
        process.run([_tool("depmod"), "-b", str(tree), kernel.release], timeout=300)
        make_image(tree / "lib" / "modules", scratch / "modules.img")

    return cache.entry(cache.root() / "modules" / f"{kernel.release}-{cache.key(_RECIPE, *_MODULE_FOLDERS)}", make)


def site_packages(root_image: Path) -> Path | None:
    """The image of this interpreter's installed packages, or None outside a virtual environment."""
    if sys.prefix == sys.base_prefix:
        return None
    theirs = python_version(root_image)
    if sys.version_info[:2] != theirs:
        raise errors.GuestUnavailable(
            f"quicctl runs on Python {sys.version_info[0]}.{sys.version_info[1]}, the guest has {theirs[0]}.{theirs[1]}",
            remedy="make the virtual environment with /usr/bin/python3: rm -r .venv && make venv PYTHON=/usr/bin/python3",
        )
    source = Path(sys.prefix) / "lib" / f"python{theirs[0]}.{theirs[1]}" / "site-packages"
    stamp = [f"{p.name} {p.stat().st_mtime_ns}" for p in sorted(source.iterdir()) if p.name.endswith((".dist-info", ".pth"))]

    def make(scratch: Path) -> None:
        tree = scratch / "tree"
        shutil.copytree(source, tree, symlinks=True, ignore=_ignore_tools)
        make_image(tree, scratch / "python.img")
        shutil.rmtree(tree)

    home = cache.root() / "python"
    image = cache.entry(home / cache.key(_RECIPE, *stamp), make) / "python.img"
    os.utime(image.parent)
    cache.prune(home, keep=3)
    return image


def folder_image(folder: Path) -> Path:
    """The image of a folder that does not change, such as an entry of the cache; made once."""
    home = cache.root() / "images"
    image = cache.entry(home / cache.key(_RECIPE, str(folder)), lambda scratch: make_image(folder, scratch / "image")) / "image"
    os.utime(image.parent)
    cache.prune(home, keep=_IMAGES_KEPT)
    return image


def make_image(tree: Path, image: Path) -> None:
    """An ext4 image with the content of tree."""
    used = inodes = 0
    for _, size in _sizes(tree):
        used += (size + 4095) // 4096 * 4096
        inodes += 1
    size = used + used // 10 + inodes * 512 + (8 << 20)
    process.run(
        [_tool("mke2fs"), "-q", "-F", "-t", "ext4", "-O", "^has_journal,^resize_inode", "-E", "root_owner=0:0", "-m", "0",
         "-N", str(inodes + 64), "-d", str(tree), str(image), f"{size // 1024}k"],
        timeout=300,
    )  # fmt: skip


def _make_distribution(scratch: Path) -> None:
    source = archive.Archive()
    tree = scratch / "tree"
    tree.mkdir()
    names = [name for name in PACKAGES if name not in _IF_OFFERED or source.version(name)]
    with tempfile.TemporaryDirectory(dir=scratch.parent) as folder:
        archive.unpack(source.download_closure(names, Path(folder)), tree)
    for name in _WITHOUT:
        shutil.rmtree(tree / name, ignore_errors=True)
    for name in ("proc", "sys", "dev", "run", "tmp", "root", "mnt", "etc", "var/tmp", "lib/modules", "run/quic"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    for link, target in (("usr/bin/sh", "dash"), ("usr/bin/awk", "mawk"), ("etc/mtab", "/proc/mounts"), ("var/run", "/run")):
        path = tree / link
        if not path.exists() and not path.is_symlink():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(target)
    (tree / "etc" / "passwd").write_text(
        "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    )
    (tree / "etc" / "group").write_text("root:x:0:\ntty:x:5:\nnogroup:x:65534:\n")
    (tree / "etc" / "hosts").write_text("127.0.0.1 localhost guest\n::1 localhost ip6-localhost\n")
    (tree / "etc" / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
    [python] = (p for p in (tree / "usr" / "bin").glob("python3.*") if p.name.removeprefix("python3.").isdigit())
    (scratch / "python").write_text(python.name.removeprefix("python") + "\n")
    library = tree / "usr" / "lib" / python.name
    for name in ("test", "idlelib", "lib2to3", "tkinter", "ensurepip"):
        shutil.rmtree(library / name, ignore_errors=True)
    # Compiling takes its time under emulation, so it is done here if this machine has the same interpreter.
    compiler = shutil.which(python.name)
    if compiler:
        process.run(
            [compiler, "-m", "compileall", "-q", "-s", str(tree), "-p", "/", str(library), str(tree / "usr/lib/python3")],
            check=False, timeout=300,
        )  # fmt: skip
    make_image(tree, scratch / "root.img")
    shutil.rmtree(tree)


def _unpack_module(path: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".xz":
        place.with_suffix("").write_bytes(lzma.decompress(path.read_bytes()))
    elif path.suffix == ".zst":
        process.run(["zstd", "-q", "-d", str(path), "-o", str(place.with_suffix(""))])
    else:
        shutil.copy(path, place)


def _sizes(tree: Path) -> Iterator[tuple[str, int]]:
    for folder, names, files in os.walk(tree):
        for name in names:
            yield name, 4096
        for name in files:
            yield name, os.lstat(os.path.join(folder, name)).st_size


def _ignore_tools(_folder: str, names: list[str]) -> set[str]:
    return {n for n in names if n.split("-")[0] in _NOT_FOR_GUESTS}


def _tool(name: str) -> str:
    path = process.which(name)
    if path is None:
        raise errors.ToolMissing(f"{name} is not installed", remedy="install e2fsprogs and kmod, or run: make deps")
    return str(path)
