# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent that makes TLS handshakes for QUIC sockets of the kernel's own: what ktls-utils' tlshd does, for QUIC.

The kernel hands over a descriptor of the socket; libquic does the handshake on it, and the kernel is told how it went. Its
configuration file is tlshd's. What a consumer names by keys of the kernel (certificates, pre-shared keys) is refused.
"""

from __future__ import annotations

import configparser
import errno
import logging
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quicctl import errors, libquic, uapi
from quicctl.genetlink import AUTH_PSK, AUTH_UNAUTH, HandshakeSocket, Request

log = logging.getLogger(__name__)

CONFIG = Path("/etc/tlshd/config")
_ALPN_MAX = 128


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


def read_config(path: Path) -> Config:
    """Read tlshd's configuration file; raises FileUnreadable, CredentialsInvalid."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(path.read_text(), str(path))
    except OSError as failure:
        raise errors.FileUnreadable(f"{path} cannot be read: {failure.strerror}", remedy="name a file: --config") from failure
    except configparser.Error as failure:
        raise errors.CredentialsInvalid(f"{path}: {failure}", remedy="see tlshd.conf(5)") from failure

    def role(name: str) -> Role:
        section = f"authenticate.{name}"

        def file(option: str) -> Path | None:
            value = parser.get(section, f"x509.{option}", fallback="")
            return Path(value) if value else None

        return Role(file("truststore"), file("certificate"), file("private_key"))

    return Config(role("client"), role("server"))


def serve(config: Config, ready: Callable[[], None]) -> None:
    """Make handshakes, several at once, and never return; raises OSError without the family."""
    with HandshakeSocket() as wakeups, HandshakeSocket() as commands:
        wakeups.subscribe()
        ready()
        while True:
            wakeups.wait()
            while (request := commands.accept()) is not None:
                threading.Thread(target=_answer, args=(config, request), daemon=True).start()


def _answer(config: Config, request: Request) -> None:
    try:
        status = attempt(config, request)
        with HandshakeSocket() as answers:
            answers.done(request, status)
    except OSError as failure:
        log.warning("the kernel no longer waits for this handshake: %s", failure.strerror)
    finally:
        os.close(request.fd)


def attempt(config: Config, request: Request) -> int:
    """Do one handshake; returns 0 or an errno for the consumer."""
    who = "server" if request.server else "client"
    try:
        with socket.socket(fileno=os.dup(request.fd)) as end:
            protocol = end.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL)
        if protocol != uapi.IPPROTO_QUIC:
            log.warning("%s: a socket of protocol %d is not for this agent", who, protocol)
            return errno.EPROTONOSUPPORT
        if request.auth == AUTH_PSK or request.certificate:
            log.warning("%s: keys of the kernel's keyrings are not used", who)
            return errno.ENOKEY
        agreed = _handshake(config.server if request.server else config.client, request)
    except libquic.TlsFailure as failure:
        log.warning("%s: %s", who, failure.text)
        return errno.ETIMEDOUT if libquic.is_timeout(failure.code) else errno.EACCES
    except errors.QuicctlError as failure:
        log.warning("%s: %s", who, failure.message)
        return errno.ENOKEY
    except OSError as failure:
        log.warning("%s: %s", who, failure.strerror)
        return failure.errno or errno.EIO
    log.info("%s: %s, %s, %s", who, agreed.alpn or "no protocol", agreed.cipher_suite, agreed.peer_subject or "no certificate")
    return 0


def _handshake(role: Role, request: Request) -> libquic.Handshake:
    alpn = libquic.getsockopt(request.fd, uapi.SOL_QUIC, uapi.Option.ALPN, bytes(_ALPN_MAX)).rstrip(b"\0").decode()
    with libquic.Credentials(server=request.server) as credentials:
        if role.truststore is not None:
            credentials.trust(role.truststore)
        if role.certificate is not None and role.private_key is not None and (request.server or request.auth != AUTH_UNAUTH):
            credentials.certificate(role.certificate, role.private_key)
        if request.auth == AUTH_UNAUTH and not request.server:
            credentials.insecure()
        return libquic.handshake(
            request.fd, credentials, server=request.server, hostname=request.peername or None, alpn=alpn or None,
            timeout=request.timeout or None,
        )  # fmt: skip
