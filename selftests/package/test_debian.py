# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian packages on a machine: apt installs them, DKMS builds, a guest loads and uses what came of it, purge undoes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import MIB, Handshake, apt, files_of, module_file, unpacked_library

from quicctl import debroot, kernel
from quicctl.packaging import build

OLD, NEW = "6.1", "6.12"


@dataclass(frozen=True, slots=True)
class Machine:
    """A root in which the packages were installed, a newer kernel came, and the packages went."""

    session: debroot.Session
    old: kernel.Kernel
    new: kernel.Kernel
    built_for_old: bytes
    built_for_new: bytes
    status_before: str
    status_after: str
    came: set[str]
    """Files that installing brought."""
    left: set[str]
    missing: set[str]


def package(debs: build.Packaged, name: str) -> Path:
    [found] = [path for path in debs.packages if path.name.startswith(f"{name}_") and path.suffix == ".deb"]
    return found


@pytest.fixture(scope="module")
def machine(debs: build.Packaged, bare: Path) -> Iterator[Machine]:
    old, new = kernel.newest(OLD), kernel.newest(NEW)
    local = [f"./{package(debs, name).name}" for name in ("quic-dkms", "libquic1", "libquic-dev")]
    with debroot.session(bare, debs.folder) as session:
        apt(session, "update")
        apt(session, "install", "dkms", f"linux-headers-{old.release}", "libgnutls28-dev")
        before = files_of(session)
        apt(session, "install", *local)
        came = files_of(session) - before
        status = session.run(["dkms", "status"]).stdout
        built = module_file(session, old.release)
        # The upgrade: a newer kernel with its headers. Nobody asks for the module.
        apt(session, "install", f"linux-headers-{new.release}", f"linux-image-{new.release}")
        after = session.run(["dkms", "status"]).stdout
        rebuilt = module_file(session, new.release)
        newer = (f"linux-headers-{new.release}", f"linux-image-{new.release}")
        apt(session, "purge", "quic-dkms", "libquic1", "libquic-dev", *newer)
        apt(session, "autoremove", "--purge")
        left = files_of(session)
        yield Machine(session, old, new, built, rebuilt, status, after, came, left - before, before - left)


def test_lintian_accepts_the_packages(debs: build.Packaged) -> None:
    assert debs.checks == ("lintian",)
    assert {"quic-dkms", "libquic1", "libquic-dev", "quicctl"} <= {path.name.partition("_")[0] for path in debs.packages}


def test_install_builds_for_the_kernel_that_is_there(machine: Machine) -> None:
    assert machine.old.release in machine.status_before
    assert "installed" in machine.status_before
    assert vermagic(machine.built_for_old) == machine.old.release


def test_kernel_upgrade_builds_again(machine: Machine) -> None:
    assert machine.new.release not in machine.status_before
    assert re.search(rf"^quic.*{re.escape(machine.new.release)}.*installed", machine.status_after, re.M)
    assert vermagic(machine.built_for_new) == machine.new.release


@pytest.mark.parametrize("series", [OLD, NEW])
def test_module_loads_and_shakes_hands(
    machine: Machine, debs: build.Packaged, handshake: Handshake, tmp_path: Path, series: str
) -> None:
    built = machine.built_for_old if series == OLD else machine.built_for_new
    target = machine.old if series == OLD else machine.new
    report = handshake(target, built, unpacked_library(package(debs, "libquic1"), tmp_path / "libquic"))
    assert report["verified"] is True
    assert report["kernel"] == target.release
    assert report["to_server"]["bytes"] == MIB << 20  # type: ignore[index]


def test_purge_leaves_nothing(machine: Machine) -> None:
    for part in ("/usr/src/quic-", "/var/lib/dkms/quic", f"/lib/modules/{machine.old.release}/updates", "/libquic.so.1"):
        assert any(part in path for path in machine.came), part
    ours = {path for path in machine.left if "quic" in path or "/updates" in path}
    assert ours == set()
    # What came with the newer kernel went with it; nothing that was there before is gone.
    assert {path for path in machine.missing if "quic" in path} == set()
    assert machine.session.run(["dkms", "status"]).stdout == ""


def test_module_builds_by_the_dkms_of_a_newer_release_for_a_newer_kernel(
    debs: build.Packaged, handshake: Handshake, tmp_path: Path
) -> None:
    newest = kernel.newest("7")
    with debroot.session(debroot.root("trixie", ()), debs.folder) as session:
        apt(session, "update")
        apt(session, "install", f"linux-headers-{newest.release}", f"./{package(debs, 'quic-dkms').name}")
        assert newest.release in session.run(["dkms", "status", "quic"]).stdout
        built = module_file(session, newest.release)
    report = handshake(newest, built, unpacked_library(package(debs, "libquic1"), tmp_path / "libquic"))
    assert report["verified"] is True


def test_installed_library_is_found_by_pkg_config(debs: build.Packaged, bare: Path) -> None:
    program = '#include <netinet/quic.h>\n#include <stdio.h>\nint main(void) { puts(quic_strerror(0)); return 0; }\n'
    (debs.folder / "try.c").write_text(program)
    with debroot.session(bare, debs.folder) as session:
        apt(session, "update")
        apt(session, "install", "gcc", "libc6-dev", "pkg-config",
            *(f"./{package(debs, name).name}" for name in ("libquic1", "libquic-dev")))  # fmt: skip
        session.run(["sh", "-euc", "gcc -o /tmp/try try.c $(pkg-config --cflags --libs libquic); /tmp/try; man=/usr/share/man; "
                     "test -e $man/man7/quic.7.gz"])  # fmt: skip


def test_tool_runs_where_the_distribution_has_what_it_needs(debs: build.Packaged) -> None:
    with debroot.session(debroot.root("trixie", ()), debs.folder) as session:
        apt(session, "update")
        apt(session, "install", f"./{package(debs, 'quicctl').name}")
        shown = session.run(["quicctl", "--version"]).stdout
        assert shown.startswith("quicctl ")
        assert session.run(["quicctl", "status", "--json"]).stdout.startswith("{")
        for name in ("man/man1/quicctl-cat.1.gz", "bash-completion/completions/quicctl", "zsh/vendor-completions/_quicctl",
                     "fish/vendor_completions.d/quicctl.fish"):  # fmt: skip
            session.run(["test", "-s", f"/usr/share/{name}"])
        assert session.run(["quicctl", "doctor"], check=False).returncode in (0, 1)


def vermagic(module: bytes) -> str:
    match = re.search(rb"\0vermagic=([^\0 ]+)", module)
    assert match is not None
    return match[1].decode()
