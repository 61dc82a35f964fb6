# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration file of ktls-utils' tlshd, tlshd.conf(5), as far as it concerns handshakes."""

from __future__ import annotations

import configparser
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from quicctl import errors

DEFAULT = Path("/etc/tlshd/config")


@dataclass(frozen=True, slots=True)
class Role:
    """Files of PEM for one end."""

    truststore: Path | None
    certificate: Path | None
    private_key: Path | None


@dataclass(frozen=True, slots=True)
class Config:
    """What the agent shows and trusts as a client, and as a server."""

    client: Role
    server: Role
    keyrings: tuple[str, ...] = ()
    """Names of keyrings whose keys may be used."""
    loglevel: int = 0
    """0: failures; 1 and more: each handshake."""


def read(path: Path) -> Config:
    """Read the file; raises FileUnreadable, CredentialsInvalid."""
    parser = configparser.ConfigParser(interpolation=None, strict=False, comment_prefixes=("#", ";"))
    try:
        parser.read_string(path.read_text(), str(path))
    except OSError as failure:
        raise errors.FileUnreadable(f"{path} cannot be read: {failure.strerror}", remedy="name a file: --config") from failure
    except configparser.Error as failure:
        raise errors.CredentialsInvalid(f"{path}: {failure}", remedy="see tlshd.conf(5)") from failure
    try:
        loglevel = parser.getint("debug", "loglevel", fallback=0)
    except ValueError as failure:
        raise errors.CredentialsInvalid(f"{path}: loglevel is no number", remedy="see tlshd.conf(5)") from failure
    names = (name.strip() for name in parser.get("authenticate", "keyrings", fallback="").split(";"))
    return Config(_role(parser, path, "client"), _role(parser, path, "server"), tuple(filter(None, names)), loglevel)


def _role(parser: configparser.ConfigParser, path: Path, name: str) -> Role:
    section = f"authenticate.{name}"

    def file(option: str) -> Path | None:
        value = parser.get(section, f"x509.{option}", fallback="")
        return Path(value) if value else None

    if file("crl") is not None:
        # Taking what was revoked for good would be worse than to do nothing.
        raise errors.CredentialsInvalid(
            f"{path}: certificates are not looked up in x509.crl",
            remedy=f"remove it from [{section}], or use ktls-utils' tlshd",
        )
    return Role(file("truststore"), file("certificate"), file("private_key"))


def checked(path: Path, most: int) -> Path:
    """The file, if it is one of ours that others can do no more with than these mode bits say; raises CredentialsInvalid."""
    try:
        found = path.lstat()
    except OSError as failure:
        raise errors.FileUnreadable(f"{path} cannot be read: {failure.strerror}", remedy="check the configuration") from failure
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & ~most:
        raise errors.CredentialsInvalid(
            f"{path} could be changed or read by others", remedy=f"make it a file of root's, no link, of mode {most:o} or less"
        )
    return path
