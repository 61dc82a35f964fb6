# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of quicctl share. They need no root, no network and no module."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

import pytest

from quicctl import libquic, pki, sourcetree

# What a shell starts in the background ignores SIGINT, and so would all that is started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run the command as a user would, in a folder of its own, with a cache of its own."""

    def run(*words: str | Path, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("QUICCTL_", "XDG_", "NO_COLOR", "FORCE_COLOR"))}
        clean |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "COLUMNS": "120", **env}
        argv = [sys.executable, "-m", "quicctl", *map(str, words)]
        return subprocess.run(argv, cwd=tmp_path, env=clean, input=stdin, capture_output=True, text=True, timeout=100)

    return run


Came = TypeVar("Came")


def in_thread(call: Callable[[], Came], seconds: float = 10) -> Callable[[], Came]:
    """Start it; the result's function waits so long, and returns what came out or raises what was raised."""
    came: list[Came] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            came.append(call())
        except Exception as failure:
            failed.append(failure)

    thread = threading.Thread(target=run)
    thread.start()

    def result() -> Came:
        thread.join(seconds)
        assert not thread.is_alive()
        if failed:
            raise failed[0]
        return came[0]

    return result


@pytest.fixture(scope="session")
def libquic_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """libquic over the stand-in for the kernel that its own tests use."""
    for tool in ("gcc", "make", "openssl", "pkg-config"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    if subprocess.run(["pkg-config", "--exists", "gnutls"], check=False).returncode:
        pytest.skip("the headers of GnuTLS are not installed")
    out = tmp_path_factory.mktemp("libquic")
    done = subprocess.run(
        ["make", "-C", sourcetree.project() / "selftests" / "libquic", f"O={out}", "fake"],
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    return out / "fake" / "libquic.so.1"


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> pki.Pki:
    """An authority and the certificate of localhost."""
    return pki.make(tmp_path_factory.mktemp("pki"))


@dataclass(frozen=True, slots=True)
class Ends:
    """A connected pair of the stand-in's sockets."""

    client: int
    server: int
    kernel: ctypes.CDLL


@pytest.fixture
def ends(libquic_alone: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ends]:
    """A connected pair, which the library is used on."""
    monkeypatch.setenv("QUICCTL_LIBQUIC", str(libquic_alone))
    libquic._library.cache_clear()
    kernel = ctypes.CDLL(str(libquic_alone), use_errno=True)
    calls = SimpleNamespace(sendmsg=kernel.__wrap_sendmsg, recvmsg=kernel.__wrap_recvmsg)
    monkeypatch.setattr(libquic, "_libc", lambda: calls)
    pair = (ctypes.c_int * 2)()
    kernel.fake_pair(pair)
    yield Ends(pair[0], pair[1], kernel)
    kernel.fake_release(pair)
    libquic._library.cache_clear()
