# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's Samba as it is: smbd and smbclient move files over our sockets.

Both open SOCK_STREAM sockets and bring their own handshake code, built against an older interface header. They run in a root
of their own, put together of the suite's packages and a few files.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import SLOW, Content, Pki
from programs import root

from quicctl import process

PATIENCE = 60 * SLOW
_PORT = 443

# usr of the packages and the kernel's own folders, in a mount namespace that ends with the program.
_INSIDE = """
for folder in usr dev proc; do case $folder in usr) from=$1/usr;; *) from=/$folder;; esac; mount --rbind $from $0/$folder; done
home=$0; shift; exec chroot "$home" "$@"
"""
_CONFIG = """\
[global]
    server role = standalone server
    map to guest = bad user
    guest account = root
    server smb transports = quic
    client smb transports = quic
    tls enabled = yes
    tls certfile = /pki/server.pem
    tls keyfile = /pki/server.key
    tls cafile = /pki/ca.pem
    tls verify peer = ca_and_name
    interfaces = lo
    bind interfaces only = yes
    disable netbios = yes
    load printers = no
    printcap name = /dev/null
    pid directory = /run/samba
[share]
    path = /share
    guest ok = yes
    read only = no
"""
_FILES = {
    "etc/passwd": "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/samba/smb.conf": _CONFIG,
}
_FOLDERS = ("usr", "dev", "proc", "tmp", "share", "run/samba", "var/lib/samba/private", "var/cache/samba", "var/log/samba")


@dataclass(frozen=True, slots=True)
class Samba:
    """A root with Samba in it."""

    home: Path
    tree: Path

    def inside(self, *argv: str) -> list[str]:
        """How to run a program in the root."""
        return ["unshare", "--mount", "sh", "-ec", _INSIDE, str(self.home), str(self.tree), *argv]

    def client(self, script: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run smbclient on the share."""
        words = [f"--option={option}" for option in options]
        argv = self.inside("/usr/bin/smbclient", "//localhost/share", "-N", *words, "-c", script)
        return subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, check=False)


def listeners() -> str:
    return Path("/proc/net/quic/eps").read_text()


def established() -> tuple[int, int]:
    """Connections that sockets of this namespace began, and took."""
    counts = dict(line.split() for line in Path("/proc/net/quic/snmp").read_text().splitlines())
    return int(counts["QuicConnActiveEstabs"]), int(counts["QuicConnPassiveEstabs"])


@pytest.fixture(scope="module")
def samba(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    """smbd, listening."""
    found = Samba(tmp_path_factory.mktemp("samba"), root("sid").tree)
    for folder in _FOLDERS:
        (found.home / folder).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (found.home / name).symlink_to(f"usr/{name}")
    for path, text in _FILES.items():
        (found.home / path).parent.mkdir(parents=True, exist_ok=True)
        (found.home / path).write_text(text)
    (found.home / "pki").mkdir()
    for file in pki.folder.glob("*.*"):
        (found.home / "pki" / file.name).write_bytes(file.read_bytes())
        (found.home / "pki" / file.name).chmod(0o600)  # smbd takes no key that others may read
    log = found.home / "smbd.log"
    smbd = found.inside("/usr/sbin/smbd", "--foreground", "--no-process-group", "--debug-stdout")
    with log.open("wb") as said, process.running(smbd, stdout=said, stderr=subprocess.STDOUT) as child:
        deadline = time.monotonic() + PATIENCE
        while f"127.0.0.1:{_PORT}" not in listeners():
            assert child.poll() is None, log.read_text()
            assert time.monotonic() < deadline, f"smbd does not listen: {log.read_text()}"
            time.sleep(0.05)
        yield found


def moves_files(samba: Samba, content: Content, *options: str) -> None:
    (samba.home / "tmp" / "mine").write_bytes(content.path.read_bytes())
    (samba.home / "tmp" / "back").unlink(missing_ok=True)
    got = samba.client("put /tmp/mine theirs; get theirs /tmp/back; del theirs", *options)
    assert got.returncode == 0, got.stdout + got.stderr
    assert (samba.home / "tmp" / "back").read_bytes() == content.path.read_bytes()


def test_client_and_server_move_files(samba: Samba, ours: Content) -> None:
    active, passive = established()
    moves_files(samba, ours)
    assert established() == (active + 1, passive + 1)


def test_server_serves_a_client_of_another_stack(samba: Samba, ours: Content) -> None:
    """The client's own fallback where the kernel has no QUIC: ngtcp2 over UDP."""
    active, passive = established()
    moves_files(samba, ours, "client smb transport:force_ngtcp2_quic = yes")
    assert established() == (active, passive + 1)


def test_client_does_not_trust_a_stranger(samba: Samba) -> None:
    got = samba.client("ls", "tls cafile = /pki/other-ca.pem")
    assert got.returncode != 0
    assert "signer_not_found" in got.stderr
    # smbd lives on.
    assert samba.client("ls").returncode == 0
