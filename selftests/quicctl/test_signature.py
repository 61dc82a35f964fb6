# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules are signed in the kernel's own form, and keys that cannot sign are named. That a kernel takes the result is shown by
selftests/guest/test_signing.py."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import Cli
from test_modinfo import make_module

from quicctl import cache, errors, inspection, module, signature
from quicctl.signature import KeyPair

pytestmark = pytest.mark.skipif(
    shutil.which("gcc") is None or shutil.which("openssl") is None, reason="no C compiler, or no openssl"
)


@pytest.fixture(scope="session", params=["rsa", "ec"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return signature.make_pair(tmp_path_factory.mktemp("keys") / "new", kind=request.param, name="test key")


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return signature.make_pair(tmp_path_factory.mktemp("other"), kind="ec", name="test key")


@pytest.fixture
def ko(tmp_path: Path) -> Path:
    return make_module(tmp_path, vermagic="6.12.1 SMP mod_unload ")


def openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *words], check=True, timeout=60, capture_output=True)


def test_signature_verifies_with_its_certificate_only(ko: Path, pair: KeyPair, other: KeyPair) -> None:
    plain = ko.read_bytes()
    done = signature.sign(ko, pair)
    data = ko.read_bytes()
    assert data.startswith(plain)
    assert done.signature.signer == "test key"
    assert signature.verifies(data, pair.cert)
    assert signature.verifies(data, pair.cert.with_suffix(".der"))
    assert not signature.verifies(data, other.cert)
    assert not signature.verifies(data.replace(b"version=1.2", b"version=1.3"), pair.cert)
    assert not signature.verifies(plain, pair.cert)


@pytest.mark.parametrize("hash", signature.HASHES)
def test_others_tools_verify_it(ko: Path, pair: KeyPair, tmp_path: Path, hash: str) -> None:
    """Taken apart here by the layout of include/linux/module_signature.h, verified by openssl as a user would."""
    signature.sign(ko, pair, hash=hash)
    data = ko.read_bytes().removesuffix(b"~Module signature appended~\n")
    trailer, length = data[-12:-4], int.from_bytes(data[-4:], "big")
    assert trailer == bytes([0, 0, 2, 0, 0, 0, 0, 0])
    (tmp_path / "message").write_bytes(data[-12 - length : -12])
    (tmp_path / "content").write_bytes(data[: -12 - length])
    openssl("cms", "-verify", "-binary", "-inform", "DER", "-in", tmp_path / "message", "-content", tmp_path / "content",
            "-certfile", pair.cert, "-noverify", "-out", "/dev/null")  # fmt: skip
    shown = subprocess.run(
        ["openssl", "cms", "-cmsout", "-print", "-inform", "DER", "-in", tmp_path / "message"], capture_output=True, text=True
    ).stdout
    assert f"algorithm: {hash} " in shown
    assert " signedAttrs:\n          <ABSENT>" in shown  # the kernel's own tool writes none
    assert "certificates:\n      <ABSENT>" in shown


def kernels_own_tool() -> Path | None:
    return next(iter(sorted((cache.root() / "kernels").glob("*/usr/lib/linux-kbuild-*/scripts/sign-file"))), None)


def test_kernels_own_tool_writes_the_same(ko: Path, pair: KeyPair, tmp_path: Path) -> None:
    tool = kernels_own_tool()
    if tool is None or subprocess.run([tool], capture_output=True).returncode == 127:
        pytest.skip("no sign-file of a kernel here")
    theirs = tmp_path / "theirs.ko"
    made = subprocess.run([tool, "sha256", pair.key, pair.cert, ko, theirs], capture_output=True, text=True)
    if "not found" in made.stderr:
        pytest.skip(made.stderr.strip())
    assert made.returncode == 0, made.stderr
    signature.sign(ko, pair)
    assert signature.verifies(theirs.read_bytes(), pair.cert)
    ours, others = (signature.split(path.read_bytes()) for path in (ko, theirs))
    assert ours[0] == others[0]
    assert signature.describe(ours[1] or b"") == signature.describe(others[1] or b"")
    if "modulus" in subprocess.run(["openssl", "pkey", "-in", pair.key, "-text"], capture_output=True, text=True).stdout:
        assert ours[1] == others[1]  # such signatures have no randomness in them


def test_signing_again_replaces(ko: Path, pair: KeyPair, other: KeyPair) -> None:
    signature.sign(ko, other)
    done = signature.sign(ko, pair)
    assert done.replaced
    data = ko.read_bytes()
    assert data.count(signature.MAGIC) == 1
    assert signature.verifies(data, pair.cert)


def test_inspection_tells_signer_and_tampering(ko: Path, pair: KeyPair, other: KeyPair) -> None:
    target = inspection.Target("6.12.1", None, 64, None, None, None, None, False, Path("/nonexistent"))
    signature.sign(ko, pair)

    def verdict(cert: Path | None = None) -> tuple[str, str]:
        [row] = [f for f in inspection.inspect(ko, target, cert=cert).findings if f.subject == "signature"]
        return row.verdict.value, row.finding

    assert verdict()[0] == verdict(pair.cert)[0] == "ok"
    assert "by test key" in verdict()[1]
    assert verdict(other.cert)[0] == "fail"
    ko.write_bytes(ko.read_bytes().replace(b"version=1.2", b"version=1.3"))
    assert verdict(pair.cert)[0] == "fail"


@pytest.mark.parametrize(
    ("keys", "enforced", "verdict"),
    [
        (frozenset({"test key"}), "lockdown", "ok"),
        (frozenset({"another"}), "lockdown", "fail"),
        (frozenset({"another"}), "", "warn"),
        (None, "lockdown", "ok"),  # the kernel does not show its keys: nothing is known against it
    ],
)
def test_signer_is_looked_for_among_the_running_kernels_keys(
    ko: Path, other: KeyPair, monkeypatch: pytest.MonkeyPatch, keys: frozenset[str] | None, enforced: str, verdict: str
) -> None:
    monkeypatch.setattr(signature, "kernel_keys", lambda: keys)
    monkeypatch.setattr(module, "signature_enforced", lambda: enforced)
    signature.sign(ko, other)
    target = inspection.Target("6.12.1", None, 64, None, None, None, None, True, Path("/nonexistent"))
    [row] = [f for f in inspection.inspect(ko, target).findings if f.subject == "signature"]
    assert row.verdict.value == verdict
    assert "by test key" in row.finding


def test_kernels_keys_are_read_by_name(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(
        "0a1b2c3d I------     1 perm 1f030000     0     0 asymmetri Debian: Signing 2026: 6ccece7e4c6c0d1f: X509.rsa 9f []\n"
        "0a1b2c3e I------     1 perm 1f0b0000     0     0 keyring   .builtin_trusted_keys: 1\n"
        "0a1b2c3f I------     1 perm 1f030000     0     0 asymmetri test key: 23e1328ab5957138: X509.ecdsa-nist-p384 aa []\n"
    )
    assert signature.kernel_keys(tmp_path / "keys") == {"Debian: Signing 2026", "Signing 2026", "test key"}
    assert signature.kernel_keys(tmp_path / "none") is None


def test_key_is_for_its_owner_only(pair: KeyPair) -> None:
    assert pair.key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(errors.FileUnwritable):
        signature.make_pair(pair.key.parent)


def test_file_stays_whole_when_it_cannot_be_replaced(ko: Path, pair: KeyPair, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ko.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(signature.os, "replace", full)
    with pytest.raises(errors.FileUnwritable, match="No space left"):
        signature.sign(ko, pair)
    assert ko.read_bytes() == before
    assert [p.name for p in ko.parent.iterdir() if p.name.startswith(".")] == []


# The command.


def refused(cli: Cli, code: int, *words: str | Path, **env: str) -> str:
    done = cli("sign", *words, **env)
    assert done.returncode == code, done.stderr
    assert done.stderr.count("error: ") == done.stderr.count("remedy: ") == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_first_use_makes_a_key_and_tells_how_to_enrol_it(cli: Cli, ko: Path, tmp_path: Path) -> None:
    done = cli("sign", ko, "--new-key", "ec", XDG_DATA_HOME=str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    home = tmp_path / "data" / "quicctl" / "module-signing"
    assert f"mokutil --import {home}/signing.der" in done.stdout
    assert "Enroll MOK" in done.stdout
    again = cli("sign", ko, "--json", XDG_DATA_HOME=str(tmp_path / "data"))
    found = json.loads(again.stdout)
    assert (found["signing"]["key_made"], found["signing"]["replaced"]) == (False, True)
    openssl("x509", "-in", home / "signing.der", "-inform", "DER", "-noout")
    assert cli("inspect", ko, "--cert", home / "signing.pem", "--json").stdout.count("verified with") == 1


def test_dry_run_changes_nothing(cli: Cli, ko: Path, tmp_path: Path) -> None:
    before = ko.read_bytes()
    done = cli("sign", ko, "--dry-run", XDG_DATA_HOME=str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    assert "make a key" in done.stdout
    assert ko.read_bytes() == before
    assert not (tmp_path / "data").exists()


def test_locked_key(cli: Cli, ko: Path, tmp_path: Path, other: KeyPair) -> None:
    locked, cert = tmp_path / "locked.key", tmp_path / "locked.pem"
    openssl("pkey", "-in", other.key, "-aes256", "-passout", "pass:right", "-out", locked)
    shutil.copy(other.cert, cert)
    (tmp_path / "word").write_text("right\n")
    (tmp_path / "wrong").write_text("wrong\n")
    assert "passphrase" in refused(cli, 88, ko, "--key", locked)
    assert "not unlocked" in refused(cli, 88, ko, "--key", locked, "--passphrase-file", tmp_path / "wrong")
    assert "cannot be read" in refused(cli, 42, ko, "--key", locked, "--passphrase-file", tmp_path / "none")
    assert cli("sign", ko, "--key", locked, "--passphrase-file", tmp_path / "word").returncode == 0
    assert cli("sign", ko, "--key", locked, KBUILD_SIGN_PIN="right").returncode == 0
    assert signature.verifies(ko.read_bytes(), cert)


def test_keys_that_cannot_sign(cli: Cli, ko: Path, tmp_path: Path, pair: KeyPair, other: KeyPair) -> None:
    before = ko.read_bytes()
    assert "cannot be read" in refused(cli, 42, ko, "--key", tmp_path / "none")
    assert "cannot be read" in refused(cli, 42, ko, "--key", other.key, "--cert", tmp_path / "none")
    (tmp_path / "text").write_text("text")
    assert "holds no private key" in refused(cli, 88, ko, "--key", tmp_path / "text", "--cert", other.cert)
    assert "is no certificate" in refused(cli, 88, ko, "--key", other.key, "--cert", tmp_path / "text")
    assert "not the certificate of" in refused(cli, 88, ko, "--key", pair.key, "--cert", other.cert)
    alone = Path(shutil.copy(other.key, tmp_path / "alone.key"))
    assert "without a certificate" in refused(cli, 88, ko, "--key", alone)
    openssl("req", "-new", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x", "-keyout", tmp_path / "ed.key",
            "-out", tmp_path / "ed.pem")  # fmt: skip
    assert "kind the kernel does not verify" in refused(cli, 88, ko, "--key", tmp_path / "ed.key")
    if os.geteuid() != 0:
        alone.chmod(0)
        assert "cannot be read" in refused(cli, 42, ko, "--key", alone)
    assert ko.read_bytes() == before


def test_files_that_cannot_be_signed(cli: Cli, tmp_path: Path, other: KeyPair, ko: Path) -> None:
    key = ["--key", other.key]
    assert "cannot be read" in refused(cli, 42, tmp_path / "none.ko", *key)
    (tmp_path / "text.ko").write_text("text")
    assert "no ELF" in refused(cli, 21, tmp_path / "text.ko", *key)
    (tmp_path / "short.ko").write_bytes(ko.read_bytes()[:300])
    assert "truncated" in refused(cli, 21, tmp_path / "short.ko", *key)
    subprocess.run(["xz", "-k", ko], check=True)
    assert "is compressed" in refused(cli, 21, ko.with_name(ko.name + ".xz"), *key)
    assert "cannot be written" in refused(cli, 43, ko, *key, "--out", tmp_path / "no" / "folder")
    assert "no key can be made" in refused(cli, 43, ko, "--key-dir", tmp_path / "text.ko" / "x")


def test_without_openssl(cli: Cli, ko: Path, other: KeyPair) -> None:
    assert "install openssl" in refused(cli, 11, ko, "--key", other.key, PATH="/nonexistent")
