# SPDX-License-Identifier: GPL-2.0-or-later
"""What a new user does first: a fresh clone in a root of each release, and the README's commands, with what they say."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator

import pytest
from conftest import TREE, apt

from quicctl import debroot

Shell = Callable[..., str]
SERIES = {"bookworm": "6.12", "trixie": "6.12", "sid": "7"}
"""Kernels that each one's own compiler builds modules for, as a user may."""
USER = "newcomer"
HOME = f"/home/{USER}"


@pytest.fixture(scope="module", params=SERIES)
def release(request: pytest.FixtureRequest) -> str:
    """The suite that is walked through."""
    return str(request.param)


@pytest.fixture(scope="module")
def machine(release: str, suite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[debroot.Session]:
    """A machine with git, make and python3, a user, and a clone in the user's home."""
    if not (TREE / ".git").exists():
        pytest.skip("this tree is no clone")
    share = tmp_path_factory.mktemp("walk")
    subprocess.run(["git", "clone", "-q", TREE, share / "clone"], check=True)
    # Those of whoever stands between this machine and the package index are among them.
    shutil.copy(ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt", share / "certificates.crt")
    with debroot.session(debroot.root(release, ()), share) as session:
        apt(session, "update")
        apt(session, "install", "git", "make", "python3", "passwd")
        session.run(["useradd", "--create-home", USER])
        session.run(["cp", "-r", "clone", f"{HOME}/quic"])
        session.run(["cp", "certificates.crt", HOME])
        session.run(["chown", "-R", f"{USER}:", HOME])
        yield session


@pytest.fixture(scope="module")
def series(release: str) -> str:
    """The kernels that this machine is tried with."""
    return SERIES[release]


@pytest.fixture(scope="module")
def user(machine: debroot.Session) -> Shell:
    """Run a line in the clone, as the user; its errors are among its output."""

    def run(line: str, *, fails: bool = False) -> str:
        words = ["su", USER, "-c", f"export HOME={HOME} PIP_CERT={HOME}/certificates.crt && cd ~/quic && {line}"]
        done = machine.run(["sh", "-c", 'exec "$@" 2>&1', "sh", *words], cwd="/", check=False)
        assert (done.returncode != 0) is fails, done.stdout
        return done.stdout

    return run


def test_a_user_learns_what_root_has_to_install_and_root_gets_it(machine: debroot.Session, user: Shell) -> None:
    [line] = [line for line in user("make demo", fails=True).splitlines() if line.startswith("install them as root: ")]
    install = line.removeprefix("install them as root: ")
    assert install.startswith("apt-get install ")
    machine.run(["sh", "-euc", install.replace("install", "install -q -y", 1)])
    packages = install.removeprefix("apt-get install ")
    assert "missing" not in user(f"make deps PACKAGES='{packages}'"), "what was named is enough"


def test_user_sees_data_move_without_being_root(user: Shell) -> None:
    """What make demo does, with less data."""
    shown = user("make venv && .venv/bin/quicctl demo --where vm --size 1")
    assert shown.count("same at both ends") == 2
    assert "Traceback" not in shown


def test_tool_knows_its_machine_and_builds(user: Shell, series: str) -> None:
    assert "boots a guest" in user(".venv/bin/quicctl doctor || test $? = 1")
    assert "quic.ko" in user(f".venv/bin/quicctl build --kernel {series}")
    assert "vermagic" in user(".venv/bin/quicctl inspect $(find ~/.cache/quicctl/built -name quic.ko) || true")
    assert "linux-quic_" in user(".venv/bin/quicctl package deb --no-build")
    assert "quicctl-doctor.1" in user(".venv/bin/quicctl man --out ~/man && ls ~/man")
    assert "_quicctl" in user(".venv/bin/quicctl completion bash")


def test_root_installs_and_takes_out_again(machine: debroot.Session, series: str) -> None:
    tool = f"{HOME}/quic/.venv/bin/quicctl"
    assert "/updates/quic.ko" in machine.run([tool, "install", "--kernel", series], cwd="/").stdout
    assert "remove" in machine.run([tool, "uninstall"], cwd="/").stdout
    assert machine.run(["find", "/usr/lib/modules", "/usr/local", "-name", "*quic*"], cwd="/", check=False).stdout == ""


def test_pipx_installs_from_the_sdist(machine: debroot.Session, user: Shell, series: str) -> None:
    apt(machine, "install", "pipx", "python3-build", "python3-venv")
    user("python3 -m build --sdist && pipx install dist/quicctl-*.tar.gz")
    assert "quic.ko" in user(f"cd / && ~/.local/bin/quicctl build --kernel {series}")
