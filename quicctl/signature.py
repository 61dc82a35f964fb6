# SPDX-License-Identifier: GPL-2.0-or-later
"""Signatures at the end of module files: found, taken apart, checked, and made, by openssl.

The kernel takes what its own sign-file writes: the module, a detached PKCS#7 message without attributes and certificates,
twelve bytes that tell its length, and a magic line.
"""

from __future__ import annotations

import os
import re
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quicctl import errors, process

MAGIC = b"~Module signature appended~\n"
HASHES = ("sha256", "sha384", "sha512")
_TRAILER = struct.Struct(">BBBBB3xI")
_PKCS7 = 2
_PIN = "QUICCTL_SIGN_PIN"
_CONFIG = """\
[req]
distinguished_name = name
prompt = no
x509_extensions = extensions
[name]
CN = {name}
[extensions]
basicConstraints = critical, CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = codeSigning, 1.3.6.1.4.1.2312.16.1.2
subjectKeyIdentifier = hash
"""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a signature says of itself."""

    signer: str
    serial: str
    hash: str
    algorithm: str


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key and the certificate that goes with it."""

    key: Path
    cert: Path
    passphrase: str | None = None


@dataclass(frozen=True, slots=True)
class Signing:
    """What sign() did."""

    path: Path
    key: Path
    cert: Path
    cert_der: Path | None
    """The form that mokutil takes, if it lies beside the certificate."""
    signature: Signature
    replaced: bool
    """Whether another signature was there."""
    key_made: bool


def is_signed(data: bytes) -> bool:
    """Whether there is a signature at the end."""
    return data.endswith(MAGIC)


def split(data: bytes) -> tuple[bytes, bytes | None]:
    """The module without its signature, and the PKCS#7 message; raises ModuleUnreadable if the signature is damaged."""
    if not is_signed(data):
        return data, None
    end = len(data) - len(MAGIC) - _TRAILER.size
    if end < 0:
        raise errors.ModuleUnreadable("the signature is cut off", remedy="sign it again: quicctl sign")
    algorithm, digest, kind, signer, key_id, length = _TRAILER.unpack_from(data, end)
    if kind != _PKCS7 or any((algorithm, digest, signer, key_id)) or length > end:
        raise errors.ModuleUnreadable(
            "the signature has a form or a length that the kernel does not take", remedy="sign it again: quicctl sign"
        )
    return data[: end - length], data[end - length : end]


def describe(message: bytes) -> Signature:
    """Who signed and how; raises ModuleUnreadable if that cannot be read."""
    with _files(message=message) as paths:
        done = process.run(["openssl", "cms", "-cmsout", "-print", "-inform", "DER", "-in", paths["message"]], check=False)
    if done.returncode == process.NOT_FOUND:
        raise errors.ToolMissing("openssl is not installed", remedy="install openssl")
    signers = done.stdout.partition("signerInfos:")[2]
    if done.returncode != 0 or not signers:
        raise errors.ModuleUnreadable("the signature is no PKCS#7 message", remedy="sign it again: quicctl sign")

    def after(pattern: str) -> str:
        found = re.search(pattern, signers)
        return found[1].strip() if found else ""

    issuer = after(r"issuer: *([^\n]*)")
    name = re.search(r"CN *= *([^,\n]+)", issuer)
    return Signature(
        signer=name[1].strip() if name else issuer or after(r"subjectKeyIdentifier:?\s*\n?([^\n]*)"),
        serial=after(r"serialNumber: *(\S+)"),
        hash=after(r"digestAlgorithm:\s*algorithm: *(\S+)"),
        algorithm=after(r"signatureAlgorithm:\s*algorithm: *(\S+)"),
    )


def verifies(data: bytes, cert: Path) -> bool:
    """Whether the signature of a module was made with the key of this certificate and is of this content."""
    content, message = split(data)
    if message is None:
        return False
    with _files(content=content, message=message, cert=_pem(cert)) as paths:
        done = process.run(
            ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", paths["message"], "-content", paths["content"],
             "-certfile", paths["cert"], "-nointern", "-noverify", "-out", os.devnull],
            check=False,
        )  # fmt: skip
    if done.returncode == process.NOT_FOUND:
        raise errors.ToolMissing("openssl is not installed", remedy="install openssl")
    return done.returncode == 0


def sign(path: Path, pair: KeyPair, *, hash: str = "sha256", out: Path | None = None, made: bool = False) -> Signing:
    """Put a signature at the end of a module file, in one go; one that is there already is replaced.

    Raises ModuleUnreadable, KeyUnusable, FileUnwritable.
    """
    from quicctl import modinfo

    _, compression = modinfo.content(path)
    if compression:
        raise errors.ModuleUnreadable(
            f"{path} is compressed; the signature belongs to what is inside", remedy="unpack it, sign it, compress it again"
        )
    modinfo.read(path)
    data = path.read_bytes()
    content, before = split(data)
    check(pair)
    with _files(content=content, cert=_pem(pair.cert)) as paths:
        message = paths["content"].with_name("signed")
        done = _openssl(
            ["cms", "-sign", "-binary", "-noattr", "-nocerts", "-md", hash, "-signer", paths["cert"], "-inkey", pair.key,
             "-in", paths["content"], "-outform", "DER", "-out", message],
            pair,
        )  # fmt: skip
        if done.returncode != 0:
            raise errors.KeyUnusable(f"{pair.key} cannot sign", detail=process.tail(done.stderr, 5))
        signed = message.read_bytes()
    whole = content + signed + _TRAILER.pack(0, 0, _PKCS7, 0, 0, len(signed)) + MAGIC
    if not verifies(whole, pair.cert):
        raise errors.KeyUnusable(f"what {pair.key} signed does not verify with {pair.cert}")
    write(out or path, whole, path.stat().st_mode & 0o777)
    der = pair.cert.with_suffix(".der")
    return Signing(
        out or path, pair.key, pair.cert, der if der.exists() else None, describe(signed), before is not None, made
    )


def enrolment(done: Signing) -> tuple[str, ...]:
    """What to do, once, so that a machine's firmware vouches for the key."""
    der = done.cert_der or done.cert.with_suffix(".der")
    convert = () if done.cert_der else (f"openssl x509 -in {done.cert} -outform DER -out {der}",)
    return (
        *convert,
        f"as root: mokutil --import {der} (asks for a password that is used once)",
        "reboot; in the blue screen choose Enroll MOK, Continue, Yes, and type that password",
        f"check: mokutil --test-key {der} says it is enrolled; grep '{done.signature.signer}' /proc/keys",
        "without shim (no MOK): sign with a key whose certificate is in the firmware's db, or is built into the kernel",
    )


def kernel_keys(listing: Path = Path("/proc/keys")) -> frozenset[str] | None:
    """The names of the running kernel's asymmetric keys, as far as this user may see them; None if it shows none."""
    try:
        lines = listing.read_text().splitlines()
    except OSError:
        return None
    found = (re.search(r"\basymmetri +(.*): [0-9a-f]{8,}: X509\.", line) for line in lines)
    names = [match[1] for match in found if match]
    # "Organisation: Name" where the certificate has both.
    return frozenset([*names, *(name.rpartition(": ")[2] for name in names)])


def is_locked(key: Path) -> bool:
    """Whether a passphrase is needed; False for what cannot be read."""
    return key.is_file() and os.access(key, os.R_OK) and b"ENCRYPTED" in key.read_bytes()


def home() -> Path:
    """Where keys are made if no place is said."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "quicctl" / "module-signing"


def make_pair(folder: Path, *, kind: str = "rsa", name: str = "quicctl module signing", days: int = 36500) -> KeyPair:
    """Make a key, for its owner's eyes only, and a certificate of it as PEM and as DER; raises FileUnwritable."""
    options = {"rsa": ["rsa:3072"], "ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"]}[kind]
    key, cert = folder / "signing.key", folder / "signing.pem"
    if key.exists():
        raise errors.FileUnwritable(f"{key} exists", remedy="use it: --key, or choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            config = Path(scratch) / "config"
            config.write_text(_CONFIG.format(name=name))
            new_key, new_cert, new_der = (Path(scratch) / end for end in ("key", "pem", "der"))
            process.run(
                ["openssl", "req", "-new", "-x509", "-newkey", *options, "-nodes", "-sha256", "-days", str(days), "-config",
                 config, "-keyout", new_key, "-out", new_cert]
            )  # fmt: skip
            process.run(["openssl", "x509", "-in", new_cert, "-outform", "DER", "-out", new_der])
            new_key.chmod(0o600)
            new_der.rename(cert.with_suffix(".der"))
            new_cert.rename(cert)
            new_key.rename(key)
    except OSError as failure:
        raise errors.FileUnwritable(
            f"no key can be made in {folder}: {failure.strerror}", remedy="choose another folder: --key-dir"
        ) from failure
    return KeyPair(key, cert)


def check(pair: KeyPair) -> None:
    """Raise FileUnreadable or KeyUnusable if a key and its certificate cannot sign modules together."""
    for path in (pair.key, pair.cert):
        try:
            path.read_bytes()
        except OSError as failure:
            raise errors.FileUnreadable(
                f"{path} cannot be read: {failure.strerror}", remedy="check the path and its permissions"
            ) from failure
    public = _openssl(["pkey", "-in", pair.key, "-pubout"], pair)
    if public.returncode != 0:
        encrypted = is_locked(pair.key)
        if encrypted and pair.passphrase is None:
            text, remedy = "is locked by a passphrase", "pass --passphrase-file, or set KBUILD_SIGN_PIN"
        elif encrypted:
            text, remedy = "is not unlocked by this passphrase", "check the passphrase"
        else:
            text, remedy = "holds no private key", "give a private key as PEM"
        raise errors.KeyUnusable(f"{pair.key} {text}", remedy=remedy)
    with _files(cert=_pem(pair.cert)) as paths:
        theirs = _openssl(["x509", "-in", paths["cert"], "-pubkey", "-noout"], pair)
    if theirs.stdout.split() != public.stdout.split():
        raise errors.KeyUnusable(f"{pair.cert} is not the certificate of {pair.key}", remedy="give the one made for this key")
    shown = _openssl(["pkey", "-in", pair.key, "-noout", "-text_pub"], pair).stdout
    if "Modulus" not in shown and "NIST CURVE" not in shown:
        raise errors.KeyUnusable(
            f"{pair.key} is of a kind the kernel does not verify modules with", remedy="use RSA, or EC on a NIST curve"
        )


def find_cert(key: Path) -> Path:
    """The certificate of a key that came without: in the same file, or beside it; raises KeyUnusable."""
    try:
        if b"BEGIN CERTIFICATE" in key.read_bytes():
            return key
    except OSError as failure:
        raise errors.FileUnreadable(
            f"{key} cannot be read: {failure.strerror}", remedy="check the path and its permissions"
        ) from failure
    for end in (".pem", ".crt", ".x509", ".pub", ".der"):
        beside = key.with_suffix(end)
        if beside != key and beside.exists():
            return beside
    raise errors.KeyUnusable(
        f"{key} comes without a certificate", remedy=f"pass --cert, or make one: openssl req -new -x509 -key {key} -out CERT"
    )


def write(path: Path, data: bytes, mode: int) -> None:
    """Replace a file in one go; raises FileUnwritable."""
    name = ""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, mode)
        os.replace(name, path)
    except OSError as failure:
        if name:
            Path(name).unlink(missing_ok=True)
        raise errors.FileUnwritable(
            f"{path} cannot be written: {failure.strerror}", remedy="check the folder, its permissions and the disk's space"
        ) from failure


def _pem(cert: Path) -> bytes:
    try:
        data = cert.read_bytes()
    except OSError as failure:
        raise errors.FileUnreadable(
            f"{cert} cannot be read: {failure.strerror}", remedy="check the path and its permissions"
        ) from failure
    form = "PEM" if b"-----BEGIN" in data else "DER"
    done = process.run(["openssl", "x509", "-in", cert, "-inform", form], check=False)
    if done.returncode == process.NOT_FOUND:
        raise errors.ToolMissing("openssl is not installed", remedy="install openssl")
    if done.returncode != 0:
        raise errors.KeyUnusable(f"{cert} is no certificate", remedy="give an X.509 certificate, PEM or DER")
    return done.stdout.encode()


def _openssl(words: list[str | Path], pair: KeyPair) -> process.Result:
    """Run openssl on the pair's key; the passphrase goes by the environment, where others do not see it."""
    env = {**os.environ, _PIN: pair.passphrase or ""}
    done = process.run(["openssl", *words, *_passin(words)], check=False, env=env)
    if done.returncode == process.NOT_FOUND:
        raise errors.ToolMissing("openssl is not installed", remedy="install openssl")
    return done


def _passin(words: list[str | Path]) -> list[str]:
    return [] if words[0] == "x509" else ["-passin", f"env:{_PIN}"]


@contextmanager
def _files(**contents: bytes) -> Iterator[dict[str, Path]]:
    with tempfile.TemporaryDirectory(prefix="quicctl-sign-") as folder:
        paths = {}
        for name, data in contents.items():
            paths[name] = Path(folder) / name
            paths[name].write_bytes(data)
        yield paths
