# SPDX-License-Identifier: GPL-2.0-or-later
"""A certificate authority and a server certificate that live for a month, made by openssl, for demonstrations and tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quicctl import process

_CONFIG = """\
[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth,clientAuth
subjectAltName = {names}
"""


@dataclass(frozen=True, slots=True)
class Pki:
    """Files of a small authority."""

    ca: Path
    cert: Path
    key: Path


def make(folder: Path, *, names: str = "DNS:localhost,IP:127.0.0.1,IP:::1", prefix: str = "") -> Pki:
    """Put an authority and a certificate for these names into folder."""
    made = Pki(folder / f"{prefix}ca.pem", folder / f"{prefix}server.pem", folder / f"{prefix}server.key")
    ca_key, request = folder / f"{prefix}ca.key", folder / f"{prefix}server.csr"
    for name, key in (("ca", ca_key), ("leaf", made.key)):
        (folder / f"{prefix}{name}.cnf").write_text(
            _CONFIG.format(name="quicctl authority" if name == "ca" else "localhost", names=names)
        )
        process.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key])
    process.run(
        ["openssl", "req", "-x509", "-new", "-key", ca_key, "-days", "30", "-out", made.ca,
         "-config", folder / f"{prefix}ca.cnf", "-extensions", "ca"],
    )  # fmt: skip
    leaf = folder / f"{prefix}leaf.cnf"
    process.run(["openssl", "req", "-new", "-key", made.key, "-out", request, "-config", leaf])
    process.run(
        ["openssl", "x509", "-req", "-in", request, "-CA", made.ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "30",
         "-out", made.cert, "-extfile", leaf, "-extensions", "leaf"],
    )  # fmt: skip
    return made
