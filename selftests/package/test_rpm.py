# SPDX-License-Identifier: GPL-2.0-or-later
"""The RPM packages: built by rpmbuild, the module's DKMS flavour installed and removed, the kmod flavour loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import TREE, Handshake, apt, module_file

from quicctl import builder, debroot, kernel
from quicctl.packaging import build, recipe

SERIES = "6.12"
PRETEND = """
mv /usr/bin/uname /usr/bin/uname.real
printf '#!/bin/sh\\n[ "$*" != -r ] || exec echo {release}\\nexec uname.real "$@"\\n' >/usr/bin/uname
chmod +x /usr/bin/uname
"""


@pytest.fixture(scope="module")
def rpms(suite: str, what: recipe.Recipe, tmp_path_factory: pytest.TempPathFactory) -> build.Packaged:
    laid = build.lay_out("rpm", TREE, what, tmp_path_factory.mktemp("rpm"))
    return build.build(laid, what, suite=suite, kernel=kernel.newest(SERIES))


def package(rpms: build.Packaged, name: str) -> str:
    """A package's path as a session sees it."""
    [found] = [p for p in rpms.packages if p.name.startswith(f"{name}-{_version(rpms)}") and not p.name.endswith(".src.rpm")]
    return f"{debroot.SHARE}/{found.relative_to(rpms.folder)}"


def _version(rpms: build.Packaged) -> str:
    [source] = [p for p in rpms.packages if p.name.startswith("linux-quic-") and p.name.endswith(".src.rpm")]
    return source.name.split("-")[2]


def test_every_flavour_is_built(rpms: build.Packaged) -> None:
    names = {path.name.rpartition(f"-{_version(rpms)}")[0] for path in rpms.packages}
    one_kernel = "kmod-quic-" + kernel.newest(SERIES).release.replace("-", "_")
    tool = {"quicctl", "libquic", "libquic-devel", "linux-quic"}
    assert names == {*tool, "quic-dkms", "quic-kmod-common", "quic-kmod", one_kernel}


def test_tool_is_whole(rpms: build.Packaged, bare: Path) -> None:
    with debroot.session(bare, rpms.folder) as session:
        apt(session, "update")
        apt(session, "install", "rpm")
        held = session.run(["rpm", "-qlp", package(rpms, "quicctl")]).stdout.splitlines()
    # Where programs and Python packages go is the building machine's choice; this one is none of RPM's.
    assert any(name.endswith("/bin/quicctl") for name in held)
    assert any(name.endswith("-packages/quicctl/cli/app.py") for name in held)
    for name in ("man/man1/quicctl-top.1", "bash-completion/completions/quicctl", "zsh/site-functions/_quicctl",
                 "fish/vendor_completions.d/quicctl.fish"):  # fmt: skip
        assert any(f"/usr/share/{name}" in path for path in held), name


def test_dkms_flavour_builds_at_install_and_is_gone_at_removal(rpms: build.Packaged, bare: Path) -> None:
    target = kernel.newest(SERIES)
    with debroot.session(bare, rpms.folder) as session:
        apt(session, "update")
        apt(session, "install", "dkms", "rpm", f"linux-headers-{target.release}")
        # DKMS builds for the running kernel, which here is the machine's and not the root's.
        session.run(["sh", "-euc", PRETEND.format(release=target.release)])
        session.run(["rpm", "-i", "--nodeps", package(rpms, "quic-dkms"), package(rpms, "quic-kmod-common")])
        assert target.release in session.run(["dkms", "status", "quic"]).stdout
        assert b"vermagic=" + target.release.encode() in module_file(session, target.release)
        session.run(["rpm", "-e", "quic-dkms", "quic-kmod-common"])
        assert session.run(["dkms", "status", "quic"]).stdout == ""
        places = ["/usr/src", "/var/lib/dkms", "/lib/modules"]
        assert session.run(["find", *places, "-name", "quic*", "-not", "-path", "/usr/src/linux-*"]).stdout == ""


def test_kmod_flavour_loads_and_shakes_hands(rpms: build.Packaged, bare: Path, handshake: Handshake) -> None:
    target = kernel.newest(SERIES)
    with debroot.session(bare, rpms.folder) as session:
        apt(session, "update")
        apt(session, "install", "rpm")
        session.run(["rpm", "-i", "--nodeps", package(rpms, "kmod-quic-" + target.release.replace("-", "_"))])
        module = module_file(session, target.release)
    assert handshake(target, module, builder.libquic().folder / "lib")["verified"] is True
