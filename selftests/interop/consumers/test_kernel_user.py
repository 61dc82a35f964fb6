# SPDX-License-Identifier: GPL-2.0-or-later
"""A user of QUIC inside the kernel, module/sample/quic_rpc.c, and the agent that does TLS for it, quicctl tlshd."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import pytest
from conftest import SLOW, Pki

from quicctl import process
from quicctl.genetlink import HandshakeSocket, Request

_KO = Path(os.environ.get("QUIC_PAYLOAD", "/nonexistent")) / "quic_rpc.ko"
_CONFIG = """\
[authenticate.client]
x509.truststore = {ca}
[authenticate.server]
x509.certificate = {cert}
x509.private_key = {key}
"""
_STREAMS, _RECORD = 4, 16384
_BYTES = int(os.environ.get("QUIC_CONSUMER_BYTES", str(512 << 10)))
"""Each way; up to 1 GiB, for which an idle machine is wanted."""
_FEW = 2
"""Rounds where it is not data that counts."""
_FINIT_MODULE = 313
_ADD_KEY, _KEYCTL = 248, 250
"""On x86_64, which the guests are."""
_USER_KEYRING = -4
_REVOKE, _SETPERM = 3, 5
_OWNER_MAY_ALL = 0x3F3F0000


def call(**parameters: object) -> int:
    """Load the module, which serves and calls; returns 0, or the errno with which the kernel refused it."""
    given = {"timeout_ms": int(60_000 * SLOW), "streams": _STREAMS, "rounds": _FEW, **parameters}
    words = " ".join(f"{name}={value}" for name, value in given.items())
    # insmod has words of its own for some codes.
    libc = ctypes.CDLL(None, use_errno=True)
    with _KO.open("rb") as file:
        if libc.syscall(_FINIT_MODULE, file.fileno(), words.encode(), 0) != 0:
            return ctypes.get_errno()
    subprocess.run(["rmmod", "quic_rpc"], check=True)
    return 0


def counters() -> dict[str, int]:
    return {name: int(n) for name, n in map(str.split, Path("/proc/net/quic/snmp").read_text().splitlines())}


@contextmanager
def agent(ca: Path, pki: Pki, folder: Path, settings: str = "", log: Path | None = None) -> Iterator[None]:
    """quicctl tlshd, taking requests."""
    config = folder / "tlshd.conf"
    config.write_text(settings + _CONFIG.format(ca=ca, cert=pki.cert, key=pki.key))
    argv = [sys.executable, "-m", "quicctl", "tlshd", "--config", config]
    with log.open("wb") if log else nullcontext() as said, process.running(argv, stderr=said) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        yield
        assert child.poll() is None


@contextmanager
def pre_shared_key() -> Iterator[int]:
    """A key that root may read, by its serial number; afterwards it is revoked."""
    libc = ctypes.CDLL(None, use_errno=True)
    size, ring = ctypes.c_size_t(32), ctypes.c_long(_USER_KEYRING)
    serial = int(libc.syscall(_ADD_KEY, b"user", b"somebody", os.urandom(32), size, ring))
    assert serial > 0, os.strerror(ctypes.get_errno())
    try:
        assert libc.syscall(_KEYCTL, _SETPERM, serial, _OWNER_MAY_ALL) == 0
        yield serial
    finally:
        libc.syscall(_KEYCTL, _REVOKE, serial)


@contextmanager
def answering(status: int | None) -> Iterator[list[Request]]:
    """An agent that takes the client's request, and says this of it or lets go of it without a word.

    As the client then sends nothing, the server makes no request.
    """
    taken: list[Request] = []
    with HandshakeSocket() as wakeups, HandshakeSocket() as commands:
        wakeups.subscribe()

        def run() -> None:
            while not taken:
                wakeups.wait()
                while (request := commands.accept()) is not None:
                    taken.append(request)
                    if status is not None:
                        commands.done(request, status)
                    os.close(request.fd)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield taken
        thread.join(10 * SLOW)
        assert not thread.is_alive()


@pytest.mark.timeout(120 + SLOW * _BYTES / (1 << 20))
def test_records_return(pki: Pki, tmp_path: Path) -> None:
    before = counters()
    with agent(pki.ca, pki, tmp_path):
        assert call(rounds=_BYTES // _STREAMS // _RECORD) == 0
    after = counters()
    for name in ("QuicConnActiveEstabs", "QuicConnPassiveEstabs"):
        assert after[name] == before[name] + 1


def test_session_is_resumed(pki: Pki, tmp_path: Path) -> None:
    """Two calls: the second has the ticket that the first one's agent left in the socket, and asks for no certificate."""
    log = tmp_path / "log"
    with agent(pki.ca, pki, tmp_path, "[debug]\nloglevel=1\n", log):
        assert call(resume=1) == 0
    told = [line for line in log.read_text().splitlines() if "quic-rpc" in line]
    assert ["resumed" in line for line in told] == [False, False, True, True], told


def test_stranger_is_not_trusted(pki: Pki, tmp_path: Path) -> None:
    with agent(pki.stranger_ca, pki, tmp_path):
        assert call() == errno.EACCES


def test_wrong_name_is_not_trusted(pki: Pki, tmp_path: Path) -> None:
    with agent(pki.ca, pki, tmp_path):
        assert call(peername="elsewhere.example") == errno.EACCES


def test_no_agent() -> None:
    assert call() == errno.ESRCH


def test_agent_refuses() -> None:
    with answering(errno.ECONNREFUSED) as taken:
        assert call() == errno.ECONNREFUSED
    assert [(request.server, request.peername) for request in taken] == [(False, "localhost")]


def test_agent_dies() -> None:
    """Who took a request and is gone has not answered: the user's own patience ends the wait."""
    with answering(None) as taken:
        assert call(timeout_ms=1000) == errno.ETIMEDOUT
    assert [request.server for request in taken] == [False]


def test_agent_is_slow() -> None:
    """The user gives up: a request that nobody took is gone, and the answer to one that was taken goes nowhere."""
    taken: list[Request] = []
    with HandshakeSocket() as wakeups, HandshakeSocket() as commands:
        wakeups.subscribe()
        assert call(timeout_ms=1000) == errno.ETIMEDOUT
        assert commands.accept() is None
    with HandshakeSocket() as wakeups, HandshakeSocket() as commands:
        wakeups.subscribe()

        def take() -> None:
            while not taken:
                wakeups.wait()
                if (request := commands.accept()) is not None:
                    taken.append(request)

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        assert call(timeout_ms=1000) == errno.ETIMEDOUT
        thread.join(10 * SLOW)
        with suppress(OSError):  # kernels differ in whether they say that it comes too late
            commands.done(taken[0], 0)
        os.close(taken[0].fd)
    assert call() == errno.ESRCH


def test_agent_is_killed_in_the_middle(pki: Pki, tmp_path: Path) -> None:
    """With a handshake on its hands; the next agent is asked as if nothing had been."""
    script = (
        "import time\nfrom quicctl.genetlink import HandshakeSocket\n"
        "with HandshakeSocket() as wakeups, HandshakeSocket() as commands:\n"
        "    wakeups.subscribe()\n    print('ready', flush=True)\n    wakeups.wait()\n    request = commands.accept()\n"
        "    print('taken', flush=True)\n    time.sleep(1000)\n"
    )
    with process.running([sys.executable, "-c", script]) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"

        def kill() -> None:
            assert child.stdout is not None
            child.stdout.readline()
            child.kill()

        thread = threading.Thread(target=kill, daemon=True)
        thread.start()
        assert call(timeout_ms=3000) == errno.ETIMEDOUT
        thread.join(10 * SLOW)
    with agent(pki.ca, pki, tmp_path):
        assert call() == 0


def test_pre_shared_key(pki: Pki, tmp_path: Path) -> None:
    with agent(pki.stranger_ca, pki, tmp_path), pre_shared_key() as key:
        assert call(auth="psk", key=key) == 0


def test_key_is_gone(pki: Pki, tmp_path: Path) -> None:
    with pre_shared_key() as key:
        pass
    with agent(pki.ca, pki, tmp_path):
        assert call(auth="psk", key=key) in (errno.EKEYREVOKED, errno.ENOKEY)


def test_client_that_asks_for_no_proof(pki: Pki, tmp_path: Path) -> None:
    with agent(pki.stranger_ca, pki, tmp_path):
        assert call(auth="anon") == 0
