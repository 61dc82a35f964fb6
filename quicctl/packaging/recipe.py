# SPDX-License-Identifier: GPL-2.0-or-later
"""What packages say, for every format alike: the one context that templates see.

Nothing is written down here that the tree tells already: versions come from pyproject.toml and libquic/Makefile, symbols from
libquic.map, kernel options from module/Kconfig.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from quicctl import errors
from quicctl.kernel import SERIES


@dataclass(frozen=True, slots=True)
class Library:
    """libquic as its Makefile and its export map have it."""

    version: str
    major: str
    """Of the soname."""
    exports: tuple[tuple[str, str], ...]
    """Version node and symbol of all that is exported."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A Python package that quicctl needs."""

    name: str
    minimum: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that the templates of packaging/ can use, by these names."""

    module: str
    """Of the kernel module, which is also its name with DKMS."""
    source: str
    """Of the source package and its tarball."""
    version: str
    revision: str
    """Of the packaging."""
    summary: str
    description: tuple[str, ...]
    license: str
    library_license: str
    maintainer: str
    email: str
    date: datetime
    kernel_min: str
    kernel_options: tuple[str, ...]
    """CONFIG_ names without which the module cannot work."""
    gnutls_min: str
    library: Library
    python_min: str
    requirements: tuple[Requirement, ...]
    share: tuple[tuple[str, str], ...] = ()
    """What is made from quicctl's commands: files by their paths in the source package's folder ``share``, with their text."""
    source_sha256: str = "SKIP"
    registry: str = "registry.example/quic"
    """Where a cluster finds images."""

    @property
    def stem(self) -> str:
        """Source and version: the tarball's name and its top folder."""
        return f"{self.source}-{self.version}"


def of(tree: Path, *, revision: str = "1", maintainer: str | None = None) -> Recipe:
    """The recipe of a source tree. The maintainer is the project, DEBFULLNAME and DEBEMAIL, or who is given.

    What belongs into ``share`` is the caller's to add: the library does not know its commands.
    """
    project = tomllib.loads((tree / "pyproject.toml").read_text())["project"]
    name, email = _maintainer(project, maintainer)
    return Recipe(
        module="quic",
        source="linux-quic",
        version=project["version"],
        revision=revision,
        summary="QUIC as a socket protocol of the Linux kernel",
        description=(
            "The QUIC transport (RFC 9000, RFC 9001, RFC 9002 and RFC 9369) behind the",
            "socket API: socket(AF_INET, SOCK_STREAM, IPPROTO_QUIC). Packets, loss",
            "recovery, congestion control, flow control and encryption run in the kernel;",
            "the TLS 1.3 handshake runs in user space.",
        ),
        license=project["license"],
        library_license="LGPL-2.1-or-later",
        maintainer=name,
        email=email,
        date=_date(tree),
        kernel_min=SERIES[0].name,
        kernel_options=_kernel_options((tree / "module" / "Kconfig").read_text()),
        gnutls_min=_find(r"gnutls >= (\S+)", tree / "libquic" / "libquic.pc.in"),
        library=_library(tree / "libquic"),
        python_min=project["requires-python"].removeprefix(">="),
        requirements=tuple(_requirement(text) for text in project["dependencies"]),
    )


def _library(folder: Path) -> Library:
    exports = []
    for node, body in re.findall(r"^([\w.]+) \{(.*?)^\}", (folder / "libquic.map").read_text(), re.M | re.S):
        names = body.partition("global:")[2].partition("local:")[0]
        exports += [(node.strip(), name.strip()) for name in names.split(";") if name.strip()]
    return Library(
        version=_find(r"^VERSION\s*:=\s*(\S+)", folder / "Makefile"),
        major=_find(r"^SONAME\s*:=\s*libquic\.so\.(\d+)", folder / "Makefile"),
        exports=tuple(exports),
    )


def _kernel_options(kconfig: str) -> tuple[str, ...]:
    """What Kconfig asks of the kernel; names of the kernel's inner libraries come and go and are left to the compiler."""
    entry = kconfig.partition("menuconfig IP_QUIC\n")[2].partition("\thelp\n")[0]
    names = re.findall(r"\bselect (\w+)", entry)
    for line in re.findall(r"\bdepends on (.+)", entry):
        names[:0] = re.findall(r"\w+", line)
    return tuple(f"CONFIG_{name}" for name in names if "_LIB_" not in name)


def _requirement(text: str) -> Requirement:
    match = re.match(r"([\w.-]+)\s*>=\s*([\d.]+)", text)
    if match is None:
        raise errors.FileUnreadable(f"pyproject.toml: {text!r} names no minimum version")
    return Requirement(match[1], match[2])


def _maintainer(project: Mapping[str, list[Mapping[str, str]]], given: str | None) -> tuple[str, str]:
    if given is not None:
        match = re.fullmatch(r"\s*([^<>]+?)\s*<([^<>@\s]+@[^<>@\s]+)>\s*", given)
        if match is None:
            raise errors.BadAddress(f"{given!r} is no maintainer", remedy="write it as: Name <name@host>")
        return match[1], match[2]
    [author] = project["authors"]
    return os.environ.get("DEBFULLNAME") or author["name"], os.environ.get("DEBEMAIL") or author["email"]


def _date(tree: Path) -> datetime:
    """SOURCE_DATE_EPOCH, or when the change log was touched last: builds of the same tree are the same."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    seconds = float(epoch) if epoch and epoch.isdigit() else (tree / "CHANGELOG.md").stat().st_mtime
    return datetime.fromtimestamp(int(seconds), UTC)


def _find(pattern: str, path: Path) -> str:
    match = re.search(pattern, path.read_text(), re.M)
    if match is None:
        raise errors.FileUnreadable(f"{path} does not say what packages must tell", remedy=f"it lacks a line like: {pattern}")
    return match[1]
