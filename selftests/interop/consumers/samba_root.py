# SPDX-License-Identifier: GPL-2.0-or-later
"""A root with Debian's Samba in it, put together of the suite's packages and a few files."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from conftest import SLOW, Pki
from programs import root

PATIENCE = 60 * SLOW
PORT = 443

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


def made(home: Path, pki: Pki) -> Samba:
    """Make the root, with all but the packages' own files in a folder."""
    found = Samba(home, root("sid").tree)
    for folder in _FOLDERS:
        (home / folder).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (home / name).symlink_to(f"usr/{name}")
    for path, text in _FILES.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(text)
    (home / "pki").mkdir()
    for file in pki.folder.glob("*.*"):
        (home / "pki" / file.name).write_bytes(file.read_bytes())
        (home / "pki" / file.name).chmod(0o600)  # smbd takes no key that others may read
    return found
