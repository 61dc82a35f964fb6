# SPDX-License-Identifier: GPL-2.0-or-later
"""The Arch packages: built by makepkg as nobody, and what they hold."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest
from conftest import TREE

from quicctl import sourcetree
from quicctl.packaging import build, recipe


@pytest.fixture(scope="module")
def packages(suite: str, what: recipe.Recipe, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    laid = build.lay_out("arch", TREE, what, tmp_path_factory.mktemp("arch"))
    built = build.build(laid, what, suite=suite)
    return {path.name.partition(f"-{what.version}")[0]: path for path in built.packages}


def names(package: Path) -> set[str]:
    with tarfile.open(package) as opened:
        return {entry.name for entry in opened.getmembers() if entry.isfile() or entry.issym()}


def test_three_packages_are_built(packages: dict[str, Path]) -> None:
    assert set(packages) == {"quic-dkms", "libquic", "quicctl"}


def test_module_is_as_dkms_wants_it(packages: dict[str, Path], what: recipe.Recipe) -> None:
    held = names(packages["quic-dkms"])
    home = f"usr/src/quic-{what.version}"
    wanted = {f"{home}/{path.relative_to(TREE / 'module')}" for path in sourcetree.tree_files(TREE / "module")}
    assert wanted | {f"{home}/dkms.conf"} == {name for name in held if name.startswith("usr/")}


def test_library_and_tool_are_whole(packages: dict[str, Path]) -> None:
    assert {"usr/lib/libquic.so.1", "usr/lib/pkgconfig/libquic.pc", "usr/include/netinet/quic.h"} <= names(packages["libquic"])
    tool = names(packages["quicctl"])
    assert {"usr/share/man/man1/quicctl.1.gz", "usr/share/man/man1/quicctl-cat.1.gz"} <= tool
    assert {"usr/share/zsh/site-functions/_quicctl", "usr/share/fish/vendor_completions.d/quicctl.fish",
            "usr/share/bash-completion/completions/quicctl"} <= tool  # fmt: skip
    # Where programs and Python packages go is the building machine's choice; this one is no Arch Linux.
    assert any(name.endswith("/bin/quicctl") for name in tool)
    assert any(name.endswith("-packages/quicctl/cli/app.py") for name in tool)


def test_packages_tell_what_they_need(packages: dict[str, Path], what: recipe.Recipe) -> None:
    for name, need in (("quic-dkms", "dkms"), ("libquic", f"gnutls>={what.gnutls_min}"), ("quicctl", "python-typer>=")):
        info = subprocess.run(["tar", "-xOf", packages[name], ".PKGINFO"], capture_output=True, text=True, check=True).stdout
        assert f"depend = {need}" in info
        assert f"pkgver = {what.version}-{what.revision}" in info
