# SPDX-License-Identifier: GPL-2.0-or-later
"""How packages are built and trees are proved, with programs and guests that only pretend; selftests/package has real ones."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_packaging import RECIPE

from quicctl import archive, builder, debroot, errors, guest, process
from quicctl.kernel import Kernel
from quicctl.packaging import build, proof

KERNEL = Kernel("6.12.1-x", Path("/k"))


class Machine:
    """Notes what is run and leaves the files that the real programs would."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.makes: tuple[str, ...] = ()
        self.out = Path()

    def run(self, argv: list[Any], **_: Any) -> process.Result:
        self.calls.append([str(word) for word in argv])
        for name in self.makes:
            (self.out / name).parent.mkdir(parents=True, exist_ok=True)
            (self.out / name).touch()
        return process.Result(tuple(self.calls[-1]), 0, "", "")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    fake = Machine()
    fake.out = tmp_path

    @contextlib.contextmanager
    def session(lower: Path, share: Path) -> Iterator[Machine]:
        yield fake

    monkeypatch.setattr(process, "run", fake.run)
    monkeypatch.setattr(process, "which", lambda name: Path("/opt") / name)
    monkeypatch.setattr(debroot, "root", lambda suite, packages, progress: Path("/root-of") / suite)
    monkeypatch.setattr(debroot, "session", session)
    monkeypatch.setattr(archive, "architecture", lambda: "amd64")
    monkeypatch.setattr(build, "_give", lambda folder, owner: fake.calls.append(["chown", str(owner)]))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return fake


def laid(name: str, folder: Path) -> build.Packaged:
    return build.Packaged(name, folder, ())


def test_debian_packages_are_built_and_looked_at(machine: Machine, tmp_path: Path) -> None:
    machine.makes = ("quic-dkms_1_all.deb",)
    done = build.build(laid("deb", tmp_path), RECIPE)
    assert [call[0] for call in machine.calls] == ["dpkg-buildpackage", "lintian"]
    assert machine.calls[1][-1] == f"{tmp_path}/linux-quic_9.8.7-0upstream6_amd64.changes"
    assert [path.name for path in done.packages] == ["quic-dkms_1_all.deb"]
    assert done.checks == ("lintian",)


def test_in_a_root_paths_are_the_roots(machine: Machine, tmp_path: Path) -> None:
    machine.makes = ("x.deb",)
    build.build(laid("deb", tmp_path), RECIPE, suite="trixie")
    assert machine.calls[1][-1].startswith("/build/linux-quic_")


def test_makepkg_does_not_run_as_root(machine: Machine, tmp_path: Path) -> None:
    machine.makes = ("a.pkg.tar.gz",)
    build.build(laid("arch", tmp_path), RECIPE)
    assert machine.calls[0] == ["chown", "65534"]
    assert machine.calls[1][0] == "setpriv"
    assert "makepkg" in machine.calls[1]
    assert machine.calls[2] == ["chown", "0"]


def test_files_are_given_back_when_a_build_fails(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(argv: list[Any], **_: Any) -> process.Result:
        raise errors.CommandFailed("makepkg ended")

    monkeypatch.setattr(process, "run", fail)
    with pytest.raises(errors.CommandFailed):
        build.build(laid("arch", tmp_path), RECIPE)
    assert machine.calls == [["chown", "65534"], ["chown", "0"]]


@pytest.mark.parametrize(("suite", "source"), [(None, "/k"), ("bookworm", "/lib/modules/6.12.1-x/build")])
def test_rpm_for_a_kernel_is_built_against_it(machine: Machine, tmp_path: Path, suite: str | None, source: str) -> None:
    machine.makes = ("RPMS/x86_64/a.rpm",)
    build.build(laid("rpm", tmp_path), RECIPE, suite=suite, kernel=KERNEL)
    last = machine.calls[-1]
    assert last[-1] == "SPECS/quic-kmod.spec"
    assert "-bb" in last
    assert f"--define=kernel_source {source}" in last
    assert "--define=kernel_version 6.12.1-x" in last
    assert any("linux-headers-6.12.1-x" in call for call in machine.calls) is (suite is not None)


def test_build_without_a_result_is_an_error(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(errors.PackageBroken, match="no package"):
        build.build(laid("rpm", tmp_path), RECIPE)


def test_what_will_run_is_told(machine: Machine, tmp_path: Path) -> None:
    shown = build.commands("rpm", RECIPE, tmp_path, KERNEL, "trixie")
    assert [words[-1] for words in shown] == ["SPECS/linux-quic.spec", "SPECS/quic-kmod.spec", "SPECS/quic-kmod.spec"]
    assert all("--define=_topdir /build" in words for words in shown)


def test_a_root_has_what_every_format_needs() -> None:
    assert {"lintian", "rpm", "makepkg", "dh-dkms", "build-essential"} <= set(build.root_packages())


# The proof of a kernel tree.


class Prover:
    """A kernel that builds at once, and a guest that reports what it is told to."""

    def __init__(self, objects: Path) -> None:
        self.objects = objects
        self.granted = True
        self.report = {"verified": True, "kernel": "7.3-x", "client_tls": {"milliseconds": 4.5}, "to_server": {"bytes": 4}}
        self.status = 0
        self.jobs: list[guest.Job] = []
        self.said = "  CC net/quic/a.o\nnet/quic/a.c:1: warning: odd\nnet/core/b.c:1: warning: not ours\n"

    def run(self, argv: list[Any], **_: Any) -> process.Result:
        words = [str(word) for word in argv]
        if "--set-val" in words:
            lines = f"CONFIG_IP_QUIC={words[-1]}\n" if self.granted else "# CONFIG_IP_QUIC is not set\n"
            (self.objects / ".config").write_text(lines)
        (self.objects / "include" / "config").mkdir(parents=True, exist_ok=True)
        (self.objects / "include" / "config" / "kernel.release").write_text("7.3-x\n")
        return process.Result(tuple(words), 0, self.said if words[-1].startswith("-j") else "", "")

    def guest(self, lane: guest.Lane, job: guest.Job) -> guest.Outcome:
        self.jobs.append(job)
        folder = self.objects / "run"
        folder.mkdir(exist_ok=True)
        (folder / "stdout").write_text(json.dumps(self.report))
        (folder / "stderr").write_text("error: it does not\n")
        return guest.Outcome(self.status, 1.0, (), (), folder)


@pytest.fixture
def prover(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Prover:
    fake = Prover(tmp_path)
    monkeypatch.setattr(process, "run", fake.run)
    monkeypatch.setattr(guest, "run", fake.guest)
    monkeypatch.setattr(builder, "libquic", lambda progress: builder.LibraryBuild(tmp_path, (), True))
    return fake


def test_both_choices_are_built_and_run(prover: Prover, tmp_path: Path) -> None:
    proofs = proof.prove(Path("/linux"), tmp_path)
    assert [(p.choice, p.kernel, p.handshake_ms, p.bytes, p.warnings) for p in proofs] == [
        ("m", "7.3-x", 4.5, 4, 1), ("y", "7.3-x", 4.5, 4, 1),
    ]  # fmt: skip
    assert [job.modules for job in prover.jobs] == [(tmp_path / "net" / "quic" / "quic.ko",), ()]
    assert all(job.kernel is not None and job.kernel.image == tmp_path / "linux" for job in prover.jobs)


def test_choice_that_kconfig_refuses_is_an_error(prover: Prover, tmp_path: Path) -> None:
    prover.granted = False
    with pytest.raises(errors.KernelTreeUnsuitable, match="CONFIG_IP_QUIC=m"):
        proof.prove(Path("/linux"), tmp_path)


def test_kernel_that_moves_no_data_is_no_proof(prover: Prover, tmp_path: Path) -> None:
    prover.status = 1
    with pytest.raises(errors.PackageBroken) as caught:
        proof.prove(Path("/linux"), tmp_path)
    assert "it does not" in caught.value.detail


def test_other_bytes_than_were_sent_are_no_proof(prover: Prover, tmp_path: Path) -> None:
    prover.report["verified"] = False
    with pytest.raises(errors.PackageBroken, match="bytes"):
        proof.prove(Path("/linux"), tmp_path)


def test_kernel_that_does_not_build_is_no_proof(
    prover: Prover, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run(argv: list[Any], **given: Any) -> process.Result:
        if str(argv[-1]).startswith("-j"):
            raise errors.CommandFailed("make ended", detail="net/quic/a.c:1: error: no")
        return prover.run(argv, **given)

    monkeypatch.setattr(process, "run", run)
    with pytest.raises(errors.BuildFailed) as caught:
        proof.prove(Path("/linux"), tmp_path)
    assert "error: no" in caught.value.detail
