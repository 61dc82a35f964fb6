# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels to build for and to boot: the running one, a tree of the user's, the archive's cloud kernels.

Finds, downloads and unpacks them into the cache. Building against one is builder.py's, booting one guest.py's.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import platform
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from quicctl import archive, cache, errors, process

DEFAULT_SERIES = "6.12"

_TOOLS = "tools.json"
_POCKET = re.compile(r"-(backports|security|updates)$")


@dataclass(frozen=True, slots=True)
class Series:
    """A kernel series of the support matrix and the suites that carry it, nearest first; None is the machine's own."""

    name: str
    suites: tuple[str | None, ...]


SERIES = (
    Series("6.1", (None, "bookworm", "bookworm-security")),
    Series("6.12", (None, "bookworm-backports", "trixie")),
    Series("7", (None, "trixie-backports", "sid")),
)


@dataclass(frozen=True, slots=True)
class Tools:
    """A suite whose compiler and build tools a kernel's modules take, and the packages that hold them."""

    suite: str
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel tree that modules can be built against, and its image if it is one that boots."""

    release: str
    kdir: Path
    arch: str = "x86"
    image: Path | None = None
    modules: Path | None = None
    tools: Tools | None = None
    """None if this machine's own will do."""
    compiler: str = ""
    """What a tree was prepared for, if not the compiler that it names itself."""


def running() -> Kernel:
    """The kernel this machine runs; raises HeadersMissing if its tree is not there."""
    return installed(platform.release())


def installed(release: str) -> Kernel:
    """A kernel of this machine, or one of the cache, by its release."""
    kdir = Path("/lib/modules") / release / "build"
    if (kdir / "Makefile").exists():
        return Kernel(release, kdir.resolve(), image=None, modules=kdir.parent)
    cached = _cached(release)
    if cached is not None:
        return cached
    raise errors.HeadersMissing(
        f"no headers for kernel {release}",
        remedy=f"install linux-headers-{release}, pass --kdir DIR with a prepared kernel tree, "
        f"or --where vm for the guest's kernel",
    )


def choose(release: str | None, kdir: Path | None) -> Kernel:
    """What ``--kernel`` and ``--kdir`` ask for: a tree, a series of the matrix, a release, else the running kernel."""
    if kdir is not None:
        return from_tree(kdir)
    if release is None:
        return running()
    if any(series.name == release for series in SERIES):
        return newest(release)
    return installed(release)


def all_installed() -> list[Kernel]:
    """Every kernel of this machine whose headers are there."""
    found = []
    for kdir in sorted(Path("/lib/modules").glob("*/build")):
        if (kdir / "Makefile").exists():
            found.append(Kernel(kdir.parent.name, kdir.resolve(), modules=kdir.parent))
    return found


def from_tree(kdir: Path) -> Kernel:
    """A prepared kernel tree of the user's."""
    kdir = kdir.resolve()
    if not (kdir / "Makefile").exists():
        raise errors.HeadersMissing(f"{kdir} is no kernel tree", remedy="pass a folder with a prepared kernel Makefile")
    release = ""
    for name in ("include/config/kernel.release", "include/generated/utsrelease.h"):
        path = kdir / name
        if path.exists():
            match = re.search(r'([0-9]+\.[^\s"]+)', path.read_text())
            release = match[1] if match else ""
            break
    if not release:
        raise errors.HeadersMissing(
            f"{kdir} is not prepared for building modules", remedy=f"run: make -C {kdir} modules_prepare"
        )
    config = kdir / ".config"
    um = config.exists() and "\nCONFIG_UML=y" in config.read_text()
    return Kernel(release, kdir, arch="um" if um else "x86")


def config(release: str, kdir: Path | None = None) -> dict[str, str] | None:
    """The options of a kernel that are on, from its tree or from wherever it keeps them."""
    text = ""
    if kdir is None and Path("/proc/config.gz").exists() and release == platform.release():
        with gzip.open("/proc/config.gz", "rt") as packed:
            text = packed.read()
    places = [Path(f"/boot/config-{release}"), Path(f"/lib/modules/{release}/build/.config")]
    for path in places if kdir is None else [kdir / ".config", kdir / "include" / "config" / "auto.conf", *places]:
        text = text or (path.read_text(errors="replace") if os.access(path, os.R_OK) else "")
    if not text:
        return None
    pairs = (line.partition("=") for line in text.splitlines() if line.startswith("CONFIG_"))
    return {name: value for name, _, value in pairs if value in ("y", "m")}


def known_series(name: str) -> Series:
    """A series of the support matrix by its name; raises HeadersMissing."""
    wanted = next((s for s in SERIES if s.name == name), None)
    if wanted is None:
        raise errors.HeadersMissing(f"no kernel series {name}", remedy="known series: " + ", ".join(s.name for s in SERIES))
    return wanted


def newest(series: str = DEFAULT_SERIES) -> Kernel:
    """The newest cloud kernel of a series that the archive offers, downloaded and unpacked if need be."""
    wanted = known_series(series)
    answer = cache.root() / "kernels" / f".newest-{series}"
    if answer.exists() and time.time() - answer.stat().st_mtime < archive.INDEX_LIFETIME:
        known = _cached(answer.read_text())
        if known is not None:
            return known
    found = _find_newest(wanted)
    answer.write_text(found.release)
    return found


def for_guest(series: str | None = None) -> Kernel:
    """What a guest boots: the newest kernel of the series asked for, else of the default one.

    Modules of a kernel of another suite are built in a root of that suite, which only root can make: a user who asked for none
    gets the series whose modules this machine's own compiler builds, if there is one.
    """
    chosen = newest(series or DEFAULT_SERIES)
    if series is not None or chosen.tools is None or os.geteuid() == 0:
        return chosen
    for other in reversed(SERIES):
        with contextlib.suppress(errors.HeadersMissing):
            offered = newest(other.name)
            if offered.tools is None:
                return offered
    return chosen


def _find_newest(wanted: Series) -> Kernel:
    pattern = re.escape(wanted.name) + r"\.[0-9].*-cloud-" + archive.architecture()
    for suite in wanted.suites:
        source = archive.Archive(suite)
        headers = {name.removeprefix("linux-headers-") for name in source.names("linux-headers-" + pattern)}
        images = {name.removeprefix("linux-image-") for name in source.names("linux-image-" + pattern)}
        for release in sorted(headers & images, key=archive.natural, reverse=True):
            if source.version(f"linux-headers-{release}") and source.version(f"linux-image-{release}"):
                return _fetch(source, release)
    raise errors.HeadersMissing(
        f"the archive offers no cloud kernel {wanted.name}", remedy="pass --kdir DIR, or check /etc/apt and the network"
    )


def _home(release: str) -> Path:
    return cache.root() / "kernels" / release


def _cached(release: str) -> Kernel | None:
    home = _home(release)
    kdir = _headers(home, release)
    modules = home / "lib" / "modules" / release
    image = next((p for p in (home / "boot" / f"vmlinuz-{release}", modules / "vmlinuz") if p.exists()), None)
    if image is None or not kdir.exists():
        return None
    tools = None
    if not _tools_run(kdir):
        note = home / _TOOLS
        if not note.exists():
            return None
        noted = json.loads(note.read_text())
        tools = Tools(noted["suite"], tuple(noted["packages"]))
    return Kernel(release, kdir, image=image, modules=modules, tools=tools)


def _headers(home: Path, release: str) -> Path:
    return home / "usr" / "src" / f"linux-headers-{release}"


def _fetch(source: archive.Archive, release: str) -> Kernel:
    home = _home(release)

    def make(scratch: Path) -> None:
        headers = f"linux-headers-{release}"
        image = f"linux-image-{release}"
        names = [headers, image]
        names += [n for n in source.depends(headers) if n.startswith(("linux-headers-", "linux-kbuild-"))]
        # Newer releases split the image.
        names += [n for n in source.depends(image) if n.startswith(("linux-binary-", "linux-modules-"))]
        with tempfile.TemporaryDirectory(dir=home.parent) as folder:
            archive.unpack(source.download(names, Path(folder)), scratch)
        makefile = _headers(scratch, release) / "Makefile"
        # The package expects to lie below /usr/src; here it lies below the cache.
        makefile.write_text(makefile.read_text().replace("/usr/src", f"{home}/usr/src"))
        for link in ("build", "source"):
            path = scratch / "lib" / "modules" / release / link
            if path.is_symlink():
                target = (path.parent / path.readlink()).name
                path.unlink()
                path.symlink_to(home / "usr" / "src" / target)

    cache.entry(home, make)
    if not (home / _TOOLS).exists():
        _note_tools(source, release, home)
    kernel = _cached(release)
    if kernel is None:
        raise errors.HeadersMissing(
            f"the packages of kernel {release} hold no headers or no image", remedy=f"remove {home} and retry"
        )
    return kernel


def _note_tools(source: archive.Archive, release: str, home: Path) -> None:
    """Write down what the headers depend on and where they are from: the archive knows it, and is not asked every time."""
    packages = {"binutils", "make"}
    pending = [f"linux-headers-{release}"]
    for name in pending:
        needs = source.depends(name)
        pending += [n for n in needs if n.startswith("linux-kbuild-")]
        packages |= {n for n in needs if not n.startswith("linux-")}
    suite = _POCKET.sub("", source.suite or archive.host_suite())
    scratch = home / f"{_TOOLS}.{os.getpid()}"
    scratch.write_text(json.dumps({"suite": suite, "packages": sorted(packages)}))
    scratch.rename(home / _TOOLS)


def _tools_run(kdir: Path) -> bool:
    """Whether this machine has the compiler that the tree names, and the C library that its tools need."""
    variables = kdir / ".kernelvariables"
    named = re.search(r"\)(\S*gcc-\d+)\s*$", variables.read_text(), re.MULTILINE) if variables.exists() else None
    if named and process.which(named[1]) is None:
        return False
    tools = [path for path in (kdir / "scripts" / "mod").glob("modpost*") if path.is_file()]
    return bool(tools) and all(_starts(tool) for tool in tools)


def _starts(tool: Path) -> bool:
    shown = process.run(["ldd", str(tool)], check=False)
    return shown.returncode == 0 and "not found" not in shown.stdout + shown.stderr
