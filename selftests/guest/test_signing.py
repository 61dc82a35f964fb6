# SPDX-License-Identifier: GPL-2.0-or-later
"""A distribution's kernel with module.sig_enforce=1, or locked down, takes the module that quicctl signed, and no other.

Such a kernel trusts the one key its own build threw away. Here the certificate of ours is put into that place of the image;
no code of the kernel is touched, and its own modules are refused like any stranger's.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import trial
from trial import answer

from quicctl import builder, kernel, process, signature

CERTIFICATE = re.compile(rb"\x30\x82(..)\x30\x82..\xa0\x03\x02\x01\x02", re.DOTALL)


def unpacked(image: Path) -> bytearray:
    """The ELF image inside a bzImage, by the fields of its setup header."""
    data = image.read_bytes()
    assert data[0x202:0x206] == b"HdrS"
    start = (data[0x1F1] + 1) * 512 + int.from_bytes(data[0x248:0x24C], "little")
    length = int.from_bytes(data[0x24C:0x250], "little")
    payload = data[start : start + length - 4]  # without the length at its end
    program = {b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zX": "xz", b"\x1f\x8b\x08\x00": "gzip"}[payload[:4]]
    done = subprocess.run([program, "-dc"], input=payload, stdout=subprocess.PIPE, timeout=120)
    assert done.stdout.startswith(b"\x7fELF")
    return bytearray(done.stdout)


def trust(image: bytearray, cert: bytes) -> None:
    """Put a certificate where the build left its own; its length stands behind it, twice."""
    for found in CERTIFICATE.finditer(image):
        length = int.from_bytes(found[1], "big") + 4
        sizes = (found.start() + length + 7) // 8 * 8
        if image[sizes : sizes + 16] == 2 * length.to_bytes(8, "little"):
            assert len(cert) <= length, "our certificate is too long for the place"
            image[found.start() : found.start() + length] = cert.ljust(length, b"\0")
            image[sizes : sizes + 16] = 2 * len(cert).to_bytes(8, "little")
            return
    raise AssertionError("the kernel has no certificate of its own")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a kernel that trusts our key, and what it is to be asked."""
    folder = tmp_path_factory.mktemp("signing")
    wanted = kernel.newest()
    assert wanted.image is not None
    ours = signature.make_pair(folder / "ours", kind="ec", name="test key")
    stranger = signature.make_pair(folder / "stranger", kind="ec", name="test key")  # the same name proves nothing
    image = unpacked(wanted.image)
    trust(image, ours.cert.with_suffix(".der").read_bytes())
    (folder / "vmlinux").write_bytes(image)

    plain = folder / "quic.ko"
    process.run(["objcopy", "--strip-debug", str(builder.module(wanted).module), str(plain)])
    needed = trial.needed(wanted)

    def signed(source: Path, pair: signature.KeyPair) -> bytes:
        signature.sign(source, pair, out=folder / "signed.ko")
        return (folder / "signed.ko").read_bytes()

    good = signed(plain, ours)
    tried = [
        ("by-distribution", needed[0].read_bytes()),
        *((own.stem, signed(own, ours)) for own in needed),
        ("unsigned", plain.read_bytes()),
        ("stranger", signed(plain, stranger)),
        ("tampered", good.replace(b"QUIC transport protocol", b"QUIC transport Protocol")),
        ("signed", good),
    ]
    trial.initramfs(tried, folder)
    return folder


@pytest.fixture(scope="module", params=["module.sig_enforce=1", "lockdown=integrity"])
def said(machine: Path, request: pytest.FixtureRequest) -> str:
    """What the guest's console showed."""
    return trial.boot(machine / "vmlinux", machine / "initramfs", request.param)


@pytest.mark.timeout(900)
def test_signatures_are_enforced(said: str) -> None:
    assert "SHOWN sig_enforce=Y" in said or "SHOWN lockdown=none [integrity]" in said, said[-3000:]


@pytest.mark.parametrize("name", ["unsigned", "tampered", "stranger", "by-distribution"])
def test_module_that_our_key_did_not_sign_is_refused(said: str, name: str) -> None:
    assert answer(said, name) in ("Key was rejected by service", "Operation not permitted")


@pytest.mark.parametrize("name", ["inet_diag", "udp_tunnel", "signed"])
def test_module_that_we_signed_is_taken(said: str, name: str) -> None:
    assert answer(said, name) == "taken", said[-3000:]


def test_module_that_was_taken_works(said: str) -> None:
    assert answer(said, "socket") == "taken", said[-3000:]


def test_kernels_keys_are_read_as_it_shows_them(said: str, tmp_path: Path) -> None:
    lines = [line.removeprefix("SHOWN key=") for line in said.splitlines() if "asymmetri" in line]
    (tmp_path / "keys").write_text("\n".join(lines) + "\n")
    assert "test key" in (signature.kernel_keys(tmp_path / "keys") or ()), lines
