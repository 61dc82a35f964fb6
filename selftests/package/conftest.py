# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of packages share: a machine that is root and has an archive, packages built once, guests that use them."""

from __future__ import annotations

import dataclasses
import json
import lzma
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quicctl import archive, debroot, errors, guest, kernel, sourcetree
from quicctl.cli import share
from quicctl.packaging import build, recipe

TREE = sourcetree.project()
MIB = 2
Handshake = Callable[[kernel.Kernel, bytes, Path], dict[str, object]]


@pytest.fixture(scope="session")
def suite() -> str:
    """The machine's own release: what is built for it runs in the guest, too."""
    if os.geteuid() != 0:
        pytest.skip("Debian roots need root's rights")
    try:
        return archive.host_suite()
    except errors.ArchiveUnavailable as reason:
        pytest.skip(reason.message)


@pytest.fixture(scope="session")
def what() -> recipe.Recipe:
    whole = recipe.of(TREE)
    return dataclasses.replace(whole, share=tuple(share.files(whole.date).items()))


@pytest.fixture(scope="session")
def debs(suite: str, what: recipe.Recipe, tmp_path_factory: pytest.TempPathFactory) -> build.Packaged:
    """The Debian packages, built in a clean root."""
    laid = build.lay_out("deb", TREE, what, tmp_path_factory.mktemp("deb"))
    return build.build(laid, what, suite=suite)


@pytest.fixture(scope="session")
def bare(suite: str) -> Path:
    """A root with nothing in it but apt."""
    return debroot.root(suite, ())


def files_of(session: debroot.Session) -> set[str]:
    """Every file, link and folder of a root, but for apt's and the kernel's own books and what tells the time."""
    listed = session.run(["find", "/", "-xdev", "-not", "-path", "/proc/*", "-not", "-path", f"{debroot.SHARE}/*"]).stdout
    books = ("/var/lib/apt/", "/var/lib/dpkg/", "/var/cache/", "/var/log/", "/tmp/", "/dev/", "/etc/resolv.conf")
    return {path for path in listed.splitlines() if not path.startswith(books)}


def apt(session: debroot.Session, *words: str) -> str:
    """Run apt-get to its end."""
    return session.run(["apt-get", "-q", "-y", *words]).stdout


def module_file(session: debroot.Session, release: str) -> bytes:
    """The one quic.ko that the root has for a kernel, out of its compression."""
    found = session.run(["find", f"/lib/modules/{release}", "-name", "quic.ko*"]).stdout.split()
    assert len(found) == 1, found
    data = session.upper("/usr" + found[0]) if session.upper("/usr" + found[0]).exists() else session.upper(found[0])
    return lzma.decompress(data.read_bytes()) if data.suffix == ".xz" else data.read_bytes()


@pytest.fixture
def handshake(tmp_path: Path) -> Iterator[Handshake]:
    """Boot a kernel, load this module, and let client and server of this libquic move data both ways."""

    def run(target: kernel.Kernel, module: bytes, library: Path) -> dict[str, object]:
        ko = tmp_path / "quic.ko"
        ko.write_bytes(module)
        job = guest.Job(
            ("python3", "-m", "quicctl", "demo", "--inside", "--json", "--size", str(MIB)),
            modules=(ko,), files=(("lib", library),), tree=TREE, kernel=target,
        )  # fmt: skip
        outcome = guest.run(guest.Lane.VM, job, folder=tmp_path / "guest")
        assert outcome.status == 0, (outcome.folder / "stderr").read_text()
        assert outcome.healthy, (outcome.splats, outcome.complaints)
        report: dict[str, object] = json.loads((outcome.folder / "stdout").read_text())
        return report

    yield run


def unpacked_library(package: Path, folder: Path) -> Path:
    """The folder with libquic.so.1 of a Debian package."""
    subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
    [library] = folder.rglob("libquic.so.1")
    return library.parent
