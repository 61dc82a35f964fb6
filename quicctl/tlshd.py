# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent that makes TLS handshakes for QUIC sockets of the kernel's own: what ktls-utils' tlshd does, for QUIC.

The kernel hands over a descriptor of the socket; libquic does the handshake on it, and the kernel is told how it went. Each
request has a thread, its own time limit, and its own credentials, of files (tlshd_config.py) or of the kernel's keys.
"""

from __future__ import annotations

import base64
import errno
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quicctl import errors, keyring, libquic, uapi
from quicctl.genetlink import AUTH_PSK, AUTH_UNAUTH, HandshakeSocket, Request
from quicctl.tlshd_config import Config, Role, checked

log = logging.getLogger(__name__)

_AT_ONCE = 64
"""Handshakes; further requests wait in the kernel."""
_ALPN_MAX = 128
_TICKET_MAX = 4096
_NO_CREDENTIALS_CHECK = 3
"""certificate_request of a client that shows no certificate and takes any."""
_PSK = "psk"
"""Type of the keys that a server takes from keyrings unasked."""
_CIPHERS = {51: "AES-128-GCM", 52: "AES-256-GCM", 53: "AES-128-CCM", 54: "CHACHA20-POLY1305"}
"""TLS_CIPHER_* in GnuTLS's words."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the kernel is told of a handshake."""

    status: int
    """0 or an errno for the consumer."""
    peers: tuple[int, ...] = ()
    """Keys of the kernel's by which the peer is known."""


def serve(config: Config, ready: Callable[[], None]) -> None:
    """Make handshakes, several at once, and never return; raises OSError without the family, KernelOptionMissing."""
    _open_keyrings(config.keyrings)
    slots = threading.BoundedSemaphore(_AT_ONCE)
    with HandshakeSocket() as wakeups, HandshakeSocket() as commands:
        wakeups.subscribe()
        _tell_systemd("READY=1")
        ready()
        while True:
            wakeups.wait()
            while True:
                slots.acquire()
                request = commands.accept()
                if request is None:
                    slots.release()
                    break
                threading.Thread(target=_answer, args=(config, request, slots), daemon=True).start()


def _open_keyrings(names: tuple[str, ...]) -> None:
    """Let this process use the keyrings of these names, and those that requests will name."""
    try:
        keyring.join()
    except OSError as failure:
        if names or failure.errno != errno.ENOSYS:
            raise errors.KernelOptionMissing(
                f"keyrings cannot be used: {failure.strerror}", remedy="it takes CONFIG_KEYS; or remove keyrings= from the file"
            ) from failure
        return
    for name in names:
        serial = keyring.find(name)
        if serial is None:
            log.warning("there is no keyring %s, or not for us", name)
        else:
            keyring.link(serial)


def _tell_systemd(state: str) -> None:
    """Say how far we are to whoever started us, if it wants to know: sd_notify(3)."""
    where = os.environ.get("NOTIFY_SOCKET")
    if where:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(state.encode(), "\0" + where[1:] if where.startswith("@") else where)


def _answer(config: Config, request: Request, slots: threading.BoundedSemaphore) -> None:
    outcome = Outcome(errno.EIO)  # what a defect of ours comes to
    try:
        outcome = attempt(config, request)
    finally:
        try:
            with HandshakeSocket() as answers:
                answers.done(request, outcome.status, outcome.peers)
        except OSError as failure:
            log.warning("the kernel no longer waits for this handshake: %s", failure.strerror)
        finally:
            os.close(request.fd)
            slots.release()


def attempt(config: Config, request: Request) -> Outcome:
    """Do one handshake."""
    who = "server" if request.server else "client"
    try:
        with socket.socket(fileno=os.dup(request.fd)) as end:
            protocol = end.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL)
        if protocol != uapi.IPPROTO_QUIC:
            log.warning("%s: a socket of protocol %d is not for this agent", who, protocol)
            return Outcome(errno.EPROTONOSUPPORT)
        agreed, peers = _handshake(config.server if request.server else config.client, request)
    except libquic.TlsFailure as failure:
        log.warning("%s: %s", who, failure.text)
        return Outcome(errno.ETIMEDOUT if libquic.is_timeout(failure.code) else errno.EACCES)
    except errors.QuicctlError as failure:
        log.warning("%s: %s", who, failure.message)
        return Outcome(errno.ENOKEY)
    except OSError as failure:
        log.warning("%s: %s", who, failure.strerror)
        return Outcome(failure.errno or errno.EIO)
    by = agreed.peer_subject or agreed.psk_identity or "no certificate"
    resumed = ", resumed" if agreed.resumed else ""
    log.info("%s: %s, %s, %s%s", who, agreed.alpn or "no protocol", agreed.cipher_suite, by, resumed)
    return Outcome(0, peers)


def _handshake(role: Role, request: Request) -> tuple[libquic.Handshake, tuple[int, ...]]:
    fd = request.fd
    alpn = libquic.getsockopt(fd, uapi.SOL_QUIC, uapi.Option.ALPN, bytes(_ALPN_MAX)).rstrip(b"\0").decode()
    wanted = uapi.Config.unpack(libquic.getsockopt(fd, uapi.SOL_QUIC, uapi.Option.CONFIG, bytes(uapi.Config.SIZE)))
    ticket = b"" if request.server else libquic.getsockopt(fd, uapi.SOL_QUIC, uapi.Option.SESSION_TICKET, bytes(_TICKET_MAX))
    cipher = _CIPHERS.get(wanted.payload_cipher_type)
    with libquic.Credentials(server=request.server) as credentials:
        keys = _give_keys(credentials, request) if request.auth == AUTH_PSK else {}
        if request.auth != AUTH_PSK:
            _give_certificates(credentials, role, request, wanted.certificate_request)
        with libquic.Tls(
            fd, credentials, server=request.server, hostname=request.peername or None, alpn=alpn or None,
            priority=f"NORMAL:-CIPHER-ALL:+{cipher}" if cipher else None,
            timeout=request.timeout or None, session=ticket,
        ) as tls:  # fmt: skip
            agreed = tls.handshake()
            if wanted.receive_session_ticket and not request.server:
                _keep_session(tls, fd, wanted.receive_session_ticket)
    return agreed, tuple(serial for serial, identity in keys.items() if identity == agreed.psk_identity)


def _keep_session(tls: libquic.Tls, fd: int, patience: float) -> None:
    """Leave what a later connection needs to resume where the consumer looks for it, in place of the bare ticket."""
    try:
        session = tls.session(patience)
    except libquic.TlsFailure as failure:
        log.warning("client: no session to resume: %s", failure.text)
        return
    if session is None:
        log.info("client: no ticket came within %g s", patience)
    elif len(session) > _TICKET_MAX:
        log.warning("client: a session of %d bytes is too large to be resumed", len(session))
    else:
        with socket.socket(fileno=os.dup(fd)) as end:
            end.setsockopt(uapi.SOL_QUIC, uapi.Option.SESSION_TICKET, session)


def _give_keys(credentials: libquic.Credentials, request: Request) -> dict[int, str]:
    """Pre-shared keys, and by which serial number and identity the kernel knows them; raises OSError, ENOKEY without one."""
    if request.keyring:
        keyring.link(request.keyring)
    keys = [keyring.describe(serial) for serial in request.identities if serial]
    if request.server:
        known = {key.serial for key in keys}
        keys += [key for key in keyring.members(keyring.SESSION) if key.type == _PSK and key.serial not in known]
    if not keys:
        raise OSError(errno.ENOKEY, os.strerror(errno.ENOKEY))
    # A client can offer one only: GnuTLS has no more, and a handshake cannot be repeated on a connection.
    for key in keys if request.server else keys[:1]:
        credentials.psk_key(key.description, keyring.read(key.serial))
    return {key.serial: key.description for key in keys}


def _give_certificates(credentials: libquic.Credentials, role: Role, request: Request, asked: int) -> None:
    unauthenticated = not request.server and (request.auth == AUTH_UNAUTH or asked == _NO_CREDENTIALS_CHECK)
    if role.truststore is not None:
        credentials.trust(role.truststore)
    if unauthenticated:
        credentials.insecure()
    elif request.certificate is not None:
        if request.keyring:
            keyring.link(request.keyring)
        with _pem(request.certificate[0], "CERTIFICATE") as shown, _pem(request.certificate[1], "PRIVATE KEY") as key:
            credentials.certificate(shown, key)
    elif role.certificate is not None and role.private_key is not None:
        credentials.certificate(checked(role.certificate, 0o644), checked(role.private_key, 0o600))
    if request.server and asked:
        credentials.client_auth(libquic.CLIENT_AUTH[min(asked, len(libquic.CLIENT_AUTH) - 1)])


@contextmanager
def _pem(serial: int, label: str) -> Iterator[Path]:
    """The payload of a key, PEM or DER, as a file of PEM that is nowhere but in memory."""
    payload = keyring.read(serial)
    if not payload.startswith(b"-----BEGIN"):
        payload = b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label.encode(), base64.encodebytes(payload), label.encode())
    with open(os.memfd_create("key"), "wb") as file:
        file.write(payload)
        file.flush()
        yield Path(f"/proc/self/fd/{file.fileno()}")
