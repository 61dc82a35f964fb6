# SPDX-License-Identifier: GPL-2.0-or-later
"""The Ansible role at work on a root: it installs and configures once, changes nothing the second time, undoes all of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import TREE, apt

from quicctl import debroot, kernel
from quicctl.packaging import build, recipe, render


@dataclass(frozen=True, slots=True)
class Host:
    """A root with Ansible in it, which plays on itself."""

    session: debroot.Session
    release: str
    packages: tuple[str, ...]

    def play(self, **variables: object) -> dict[str, int]:
        """Run the playbook; returns how many tasks were ok, changed, ..."""
        settings = {
            "quic_package_files": self.packages, "quic_load": False, "quic_sysctl": {"quic_linger_ms": 500},
            "quic_header_packages": {"Debian": [f"linux-headers-{self.release}"]}, **variables,
        }  # fmt: skip
        said = self.session.run(
            ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", json.dumps(settings), "playbook.yml"],
            cwd=f"{debroot.SHARE}/role",
        ).stdout
        recap = said.rpartition("PLAY RECAP")[2]
        return {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", recap)}


@pytest.fixture(scope="module")
def host(debs: build.Packaged, bare: Path, what: recipe.Recipe) -> Iterator[Host]:
    render.write(render.folder(TREE), "ansible", what, debs.folder / "role")
    files = tuple(f"{debroot.SHARE}/{p.name}" for p in debs.packages if p.name.startswith(("libquic1_", "quic-dkms_")))
    with debroot.session(bare, debs.folder) as session:
        apt(session, "update")
        apt(session, "install", "ansible-core", "python3-apt", "procps")
        yield Host(session, kernel.newest("6.1").release, files)


def test_role_installs_once_and_undoes(host: Host) -> None:
    first = host.play()
    assert first["failed"] == 0
    assert first["changed"] > 0
    shown = host.session.run(["dkms", "status", "quic"]).stdout
    assert host.release in shown
    assert host.session.run(["cat", "/etc/sysctl.d/60-quic.conf"]).stdout == "net.quic.quic_linger_ms = 500\n"
    assert host.play()["changed"] == 0

    assert host.play(quic_state="absent")["failed"] == 0
    left = host.session.run(["find", "/etc", "/usr/src", "/lib/modules", "/var/lib/dkms", "-name", "*quic*",
                             "-not", "-path", "/usr/src/linux-*"]).stdout  # fmt: skip
    assert left == ""
    assert host.play(quic_state="absent")["changed"] == 0
