# SPDX-License-Identifier: GPL-2.0-or-later
"""libquic.so.1 by ctypes: credentials, the handshake whole or in steps, its result, the session to resume.

The only file that calls C. Codes become TlsFailure here; what a failure means for the user is said in handshake.py.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from quicctl import errors

ERR_CREDENTIALS = -0x10001
ERR_CERTIFICATE = -0x10002
ERR_ALPN = -0x10003
ERR_NO_TRANSPORT_PARAMS = -0x10004
ERR_TRANSPORT_PARAMS = -0x10005
ERR_SESSION_DATA = -0x10006
ERR_CLOSED = -0x10007
ERR_PEER_ALERT = -0x20000
ERR_TRANSPORT = -0x30000
ERR_TLS = -0x40000

VERIFY = ("none", "ok", "failed", "ignored", "resumed")
CLIENT_AUTH = ("none", "request", "require")
EARLY_DATA = ("none", "rejected", "accepted")

_OP_SENDMSG = 1
_FLAG_EARLY_DATA = 1 << 0
_SESSION_MAX = 1 << 16

_NAME = "libquic.so.1"


class _Options(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_size_t),
        ("credentials", ctypes.c_void_p),
        ("hostname", ctypes.c_char_p),
        ("alpns", ctypes.c_char_p),
        ("priority", ctypes.c_char_p),
        ("keylog_file", ctypes.c_char_p),
        ("session", ctypes.c_char_p),
        ("session_size", ctypes.c_size_t),
        ("timeout_ms", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("log", ctypes.c_void_p),
        ("log_arg", ctypes.c_void_p),
    )


class _Result(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_size_t),
        ("error", ctypes.c_int32),
        ("alert_sent", ctypes.c_int32),
        ("alert_received", ctypes.c_int32),
        ("close_code", ctypes.c_uint32),
        ("close_frame", ctypes.c_uint32),
        ("cipher_type", ctypes.c_uint32),
        ("verify", ctypes.c_uint32),
        ("verify_status", ctypes.c_uint32),
        ("early_data", ctypes.c_uint32),
        ("resumed", ctypes.c_uint8),
        ("psk", ctypes.c_uint8),
        ("server", ctypes.c_uint8),
        ("complete", ctypes.c_uint8),
        ("duration_us", ctypes.c_uint64),
        ("not_after", ctypes.c_uint64),
        ("close_phrase", ctypes.c_char * 64),
        ("cipher_suite", ctypes.c_char * 64),
        ("group", ctypes.c_char * 32),
        ("signature", ctypes.c_char * 32),
        ("alpn", ctypes.c_char * 256),
        ("server_name", ctypes.c_char * 256),
        ("psk_identity", ctypes.c_char * 256),
        ("peer_subject", ctypes.c_char * 256),
        ("peer_issuer", ctypes.c_char * 256),
        ("peer_sha256", ctypes.c_char * 65),
        ("verify_text", ctypes.c_char * 256),
        ("error_text", ctypes.c_char * 256),
    )


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a TLS handshake agreed on; after a failure as far as it got."""

    complete: bool
    milliseconds: float
    cipher_suite: str
    group: str
    signature: str
    alpn: str
    server_name: str
    resumed: bool
    early_data: str
    """none, rejected or accepted."""
    psk_identity: str
    verify: str
    verify_text: str
    peer_subject: str
    peer_issuer: str
    peer_sha256: str
    close_code: int
    close_frame: int
    close_phrase: str
    alert_sent: int
    alert_received: int


class TlsFailure(Exception):
    """A handshake that failed: libquic's code and text, and how far it got."""

    def __init__(self, code: int, text: str, handshake: Handshake) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.handshake = handshake


@cache
def _library() -> ctypes.CDLL:
    """The library: the one of QUICCTL_LIBQUIC, the system's, or the newest build of this tree."""
    named = os.environ.get("QUICCTL_LIBQUIC")
    tried = []
    for candidate in [named] if named else [_NAME, *map(str, _built())]:
        try:
            library = ctypes.CDLL(candidate)
            break
        except OSError as failure:
            tried.append(str(failure))
    else:
        raise errors.LibraryMissing(f"{named or _NAME} cannot be loaded", detail="\n".join(tried))
    library.quic_strerror.restype = ctypes.c_char_p
    for name in ("create_client", "create_server"):
        getattr(library, f"quic_credentials_{name}").argtypes = (ctypes.POINTER(ctypes.c_void_p),)
    for name, *rest in (
        ("destroy",),
        ("set_insecure",),
        ("set_ca_file", ctypes.c_char_p),
        ("set_certificate", ctypes.c_char_p, ctypes.c_char_p),
        ("add_psk", ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t),
        ("add_psk_file", ctypes.c_char_p),
        ("set_client_auth", ctypes.c_int),
    ):
        getattr(library, f"quic_credentials_{name}").argtypes = (ctypes.c_void_p, *rest)
    for name in ("client", "server"):
        function = getattr(library, f"quic_tls_create_{name}")
        function.argtypes = (ctypes.c_int, ctypes.POINTER(_Options), ctypes.POINTER(ctypes.c_void_p))
    for name in ("destroy", "handshake"):
        getattr(library, f"quic_tls_{name}").argtypes = (ctypes.c_void_p,)
    library.quic_tls_step.argtypes = (ctypes.c_void_p, ctypes.POINTER(ctypes.POINTER(_Message)))
    library.quic_tls_get_result.argtypes = (ctypes.c_void_p, ctypes.POINTER(_Result))
    library.quic_tls_get_session.argtypes = (
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_char_p, ctypes.POINTER(ctypes.c_size_t)
    )  # fmt: skip
    return library


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _built() -> list[Path]:
    """The library as quicctl build left it in the cache, newest first."""
    from quicctl import cache as kept

    found = (kept.root() / "built").glob(f"*/lib/{_NAME}")
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def location() -> str:
    """The file that the library is loaded from; raises LibraryMissing."""
    name = str(_library()._name)
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.partition("/")[2].rpartition("/")[2].startswith("libquic.so"):
            return "/" + line.partition("/")[2]
    return name


def strerror(code: int) -> str:
    """The library's text for an error."""
    return (_library().quic_strerror(code) or b"").decode(errors="replace")


class Credentials:
    """Certificates and keys, loaded once and used by any number of handshakes."""

    def __init__(self, *, server: bool) -> None:
        self._handle = ctypes.c_void_p()
        self._closed = False
        self._users = 1  # ourselves
        self._lock = threading.Lock()
        create = "quic_credentials_create_server" if server else "quic_credentials_create_client"
        self._check(getattr(_library(), create)(ctypes.byref(self._handle)), "credentials cannot be made")

    def __enter__(self) -> Credentials:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Forget them, as soon as no Tls uses them any more."""
        if not self._closed:
            self._closed = True
            self._release()

    def acquire(self) -> ctypes.c_void_p:
        """For a Tls, which must release them."""
        with self._lock:
            self._users += 1
        return self._handle

    def release(self) -> None:
        """A Tls that acquired them is gone."""
        self._release()

    def _release(self) -> None:
        with self._lock:
            self._users -= 1
            last = self._users == 0
        if last:
            _library().quic_credentials_destroy(self._handle)
            self._handle = ctypes.c_void_p()

    def trust(self, ca_file: Path) -> None:
        """Trust the certificates of this file and not the system's."""
        self._load(_library().quic_credentials_set_ca_file, f"{ca_file} holds no CA certificate", ca_file)

    def certificate(self, cert_file: Path, key_file: Path) -> None:
        """Show this certificate."""
        text = f"{cert_file} and {key_file} are no certificate with its key"
        self._load(_library().quic_credentials_set_certificate, text, cert_file, key_file)

    def psk(self, psk_file: Path) -> None:
        """Use the pre-shared keys of this file."""
        text = f"{psk_file} holds no pre-shared key"
        self._load(_library().quic_credentials_add_psk_file, text, psk_file, remedy="write lines IDENTITY:HEXKEY")

    def psk_key(self, identity: str, key: bytes) -> None:
        """Use a pre-shared key; a client uses the first."""
        code = _library().quic_credentials_add_psk(self._handle, identity.encode(), key, len(key))
        self._check(code, f"the pre-shared key of {identity} is none", "give it an identity, and 16 bytes or more")

    def insecure(self) -> None:
        """Accept whatever certificate the peer shows."""
        self._check(_library().quic_credentials_set_insecure(self._handle), "verification cannot be turned off")

    def client_auth(self, mode: str) -> None:
        """Server: none, request or require a certificate of clients."""
        code = _library().quic_credentials_set_client_auth(self._handle, CLIENT_AUTH.index(mode))
        self._check(code, "client authentication cannot be set")

    def _load(self, function: Callable[..., int], text: str, *files: Path, remedy: str | None = None) -> None:
        for path in files:
            try:
                with path.open("rb"):
                    pass
            except OSError as failure:
                raise errors.FileUnreadable(
                    f"{path} cannot be read: {failure.strerror}", remedy="check the path and its permissions"
                ) from failure
        self._check(function(self._handle, *(os.fsencode(path) for path in files)), text, remedy)

    @staticmethod
    def _check(code: int, text: str, remedy: str | None = None) -> None:
        if code < 0:
            raise errors.CredentialsInvalid(f"{text}: {strerror(code)}", remedy=remedy or "check the file; PEM is expected")


class Wait(Enum):
    """What a handshake in steps waits for."""

    READ = "read"
    """Until the socket can be read."""
    SOON = "soon"
    """A moment: a socket without flow control credit never polls writable."""


class _Message(ctypes.Structure):
    """The two kinds of ``struct quic_handshake_step``, alike but for who reads the message."""

    _fields_ = (
        ("op", ctypes.c_int),
        ("message", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("retval", ctypes.c_ssize_t),
    )


class Tls:
    """TLS of one connected or accepted socket, which it does not own."""

    def __init__(
        self,
        fd: int,
        credentials: Credentials,
        *,
        server: bool,
        hostname: str | None = None,
        alpn: str | None = None,
        priority: str | None = None,
        keylog: Path | None = None,
        timeout: float | None = None,
        session: bytes | None = None,
        early_data: bool = False,
    ) -> None:
        """Prepare a handshake; a client may then send early data if its session lets it. Raises TlsFailure.

        A priority, in GnuTLS's words, chooses ciphers and groups in place of libquic's own.
        """
        self._handle = ctypes.c_void_p()
        self._fd = fd
        self.server = server
        self._credentials: Credentials | None = credentials
        options = _Options(
            size=ctypes.sizeof(_Options),
            credentials=credentials.acquire().value,
            hostname=None if hostname is None else hostname.encode(),
            alpns=None if alpn is None else alpn.encode(),
            priority=None if priority is None else priority.encode(),
            keylog_file=None if keylog is None else os.fsencode(keylog),
            session=session or None,
            session_size=len(session or b""),
            timeout_ms=0 if timeout is None else max(1, int(timeout * 1000)),
            flags=_FLAG_EARLY_DATA if early_data else 0,
        )
        create: Any = _library().quic_tls_create_server if server else _library().quic_tls_create_client
        code = create(fd, ctypes.byref(options), ctypes.byref(self._handle))
        if code < 0:
            self.close()
            raise TlsFailure(code, strerror(code), _agreed(_Result()))

    def __enter__(self) -> Tls:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Forget the session and its secrets."""
        _library().quic_tls_destroy(self._handle)
        self._handle = ctypes.c_void_p()
        if self._credentials is not None:
            self._credentials.release()
            self._credentials = None

    def handshake(self) -> Handshake:
        """Do the whole of it; raises TlsFailure."""
        return self._ended(_library().quic_tls_handshake(self._handle))

    def steps(self) -> Generator[Wait, None, Handshake]:
        """Do it without waiting: yields what to wait for before going on, returns what was agreed; raises TlsFailure.

        The time limit is the caller's business.
        """
        step = ctypes.POINTER(_Message)()
        libc = _libc()
        code = _library().quic_tls_step(self._handle, ctypes.byref(step))
        while code == 0 and step:
            call = step.contents
            sends = call.op == _OP_SENDMSG
            function = libc.sendmsg if sends else libc.recvmsg
            done = function(self._fd, ctypes.c_void_p(call.message), call.flags | socket.MSG_DONTWAIT)
            if done < 0:
                done = -ctypes.get_errno()
            if done == -errno.EAGAIN:
                yield Wait.SOON if sends else Wait.READ
            elif done != -errno.EINTR:
                call.retval = done
                code = _library().quic_tls_step(self._handle, ctypes.byref(step))
        return self._ended(code)

    def expired(self) -> TlsFailure:
        """The failure of a handshake in steps whose time is up."""
        return TlsFailure(-errno.ETIMEDOUT, strerror(-errno.ETIMEDOUT), _agreed(self._result()))

    def _ended(self, code: int) -> Handshake:
        result = self._result()
        agreed = _agreed(result)
        if code < 0:
            raise TlsFailure(code, _text(result.error_text) or strerror(code), agreed)
        return agreed

    def _result(self) -> _Result:
        result = _Result(size=ctypes.sizeof(_Result))
        _library().quic_tls_get_result(self._handle, ctypes.byref(result))
        return result

    def session(self, timeout: float) -> bytes | None:
        """Client, after the handshake: what a later connection needs to resume; None if no ticket comes in time."""
        size = ctypes.c_size_t(_SESSION_MAX)
        buffer = ctypes.create_string_buffer(size.value)
        code = _library().quic_tls_get_session(self._handle, int(timeout * 1000), buffer, ctypes.byref(size))
        if code == -errno.EAGAIN:
            return None
        if code < 0:
            raise TlsFailure(code, strerror(code), _agreed(_Result()))
        return buffer.raw[: size.value]


def _agreed(result: _Result) -> Handshake:
    return Handshake(
        complete=bool(result.complete),
        milliseconds=result.duration_us / 1000,
        cipher_suite=_text(result.cipher_suite),
        group=_text(result.group),
        signature=_text(result.signature),
        alpn=_text(result.alpn),
        server_name=_text(result.server_name),
        resumed=bool(result.resumed),
        early_data=EARLY_DATA[result.early_data] if result.early_data < len(EARLY_DATA) else str(result.early_data),
        psk_identity=_text(result.psk_identity),
        verify=VERIFY[result.verify] if result.verify < len(VERIFY) else str(result.verify),
        verify_text=_text(result.verify_text),
        peer_subject=_text(result.peer_subject),
        peer_issuer=_text(result.peer_issuer),
        peer_sha256=_text(result.peer_sha256),
        close_code=result.close_code,
        close_frame=result.close_frame,
        close_phrase=_text(result.close_phrase),
        alert_sent=result.alert_sent,
        alert_received=result.alert_received,
    )


def handshake(fd: int, credentials: Credentials, *, server: bool, **options: Any) -> Handshake:
    """Do the whole TLS handshake on a connected or accepted socket, with the options of Tls; raises TlsFailure."""
    with Tls(fd, credentials, server=server, **options) as tls:
        return tls.handshake()


def getsockopt(fd: int, level: int, option: int, value: bytes) -> bytes:
    """Read a socket option that takes a value in as well."""
    libc = _libc()
    buffer = ctypes.create_string_buffer(value, len(value))
    size = ctypes.c_uint32(len(value))
    if libc.getsockopt(fd, level, int(option), buffer, ctypes.byref(size)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return buffer.raw[: size.value]


def is_timeout(code: int) -> bool:
    """Whether a failure's code says that time ran out."""
    return code in (-errno.ETIMEDOUT, -errno.EAGAIN)


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
