# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's Samba as it is: smbd and smbclient move files over our sockets.

Both open SOCK_STREAM sockets and bring their own handshake code, built against an older interface header.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Content, Pki
from samba_root import PATIENCE, PORT, Samba, made

from quicctl import process

_THEIR_FAULT = re.compile(r"ngtcp2_conn\.c:\d+: .*: Assertion ")


def listeners() -> str:
    return Path("/proc/net/quic/eps").read_text()


def established() -> tuple[int, int]:
    """Connections that sockets of this namespace began, and took."""
    counts = dict(line.split() for line in Path("/proc/net/quic/snmp").read_text().splitlines())
    return int(counts["QuicConnActiveEstabs"]), int(counts["QuicConnPassiveEstabs"])


@pytest.fixture(scope="module")
def samba(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    """smbd, listening."""
    found = made(tmp_path_factory.mktemp("samba"), pki)
    log = found.home / "smbd.log"
    smbd = found.inside("/usr/sbin/smbd", "--foreground", "--no-process-group", "--debug-stdout")
    with log.open("wb") as said, process.running(smbd, stdout=said, stderr=subprocess.STDOUT) as child:
        deadline = time.monotonic() + PATIENCE
        while f"127.0.0.1:{PORT}" not in listeners():
            assert child.poll() is None, log.read_text()
            assert time.monotonic() < deadline, f"smbd does not listen: {log.read_text()}"
            time.sleep(0.05)
        yield found


def moves_files(samba: Samba, content: Content, *options: str) -> int:
    """Returns how many connections it took: now and then smbclient's ngtcp2 ends it by an assertion about its own state."""
    (samba.home / "tmp" / "mine").write_bytes(content.path.read_bytes())
    tried = 0
    while True:
        (samba.home / "tmp" / "back").unlink(missing_ok=True)
        got = samba.client("put /tmp/mine theirs; get theirs /tmp/back; del theirs", *options)
        tried += 1
        if tried == 3 or not _THEIR_FAULT.search(got.stderr):
            break
    assert got.returncode == 0, got.stdout + got.stderr
    assert (samba.home / "tmp" / "back").read_bytes() == content.path.read_bytes()
    return tried


def test_client_and_server_move_files(samba: Samba, ours: Content) -> None:
    active, passive = established()
    assert moves_files(samba, ours) == 1
    assert established() == (active + 1, passive + 1)


def test_server_serves_a_client_of_another_stack(samba: Samba, ours: Content) -> None:
    """The client's own fallback where the kernel has no QUIC: ngtcp2 over UDP."""
    active, passive = established()
    tried = moves_files(samba, ours, "client smb transport:force_ngtcp2_quic = yes")
    assert established() == (active, passive + tried)


def test_client_does_not_trust_a_stranger(samba: Samba) -> None:
    got = samba.client("ls", "tls cafile = /pki/other-ca.pem")
    assert got.returncode != 0
    assert "signer_not_found" in got.stderr
    # smbd lives on.
    assert samba.client("ls").returncode == 0
