# SPDX-License-Identifier: GPL-2.0-or-later
"""A client and a server: handshake, move data over one bidirectional stream, report what was agreed and moved.

The client opens the stream. Each end sends what it was given, ends its half, and is done when its bytes are acknowledged
and it has what it wants from the peer; the client closes first. Sending has a thread of its own, so both directions move at
the same time.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import mmap
import os
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from quicctl import endpoint, errors, libquic, uapi
from quicctl.endpoint import Address, QuicSocket
from quicctl.libquic import Handshake, TlsFailure
from quicctl.uapi import MsgFlag, TransportParams

STANDARD_STREAM = Path("-")
"""Stands for standard input or output where a file is expected."""

_SLICE = 1 << 20
_TICK = 1.0
_LINGER = 5.0
_CONFIRMATION = 2.0
_SIOCOUTQ = 0x5411
_NO_ALERT = -1
_ALERT_NO_ALPN = 120
_ALERTS_ON_CERTIFICATE = range(42, 50)


@dataclass(frozen=True, slots=True)
class Identity:
    """What an end shows and what it trusts."""

    cert: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    psk: Path | None = None
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """Everything both roles can be told."""

    identity: Identity = Identity()
    alpn: str | None = None
    congestion: uapi.Congestion | None = None
    send: Path | None = None
    receive: Path | None = None
    echo: bool = False
    timeout: float = 10.0
    """Seconds for the handshake, and seconds without progress after it."""
    keylog: Path | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """Bytes moved in one direction."""

    bytes: int
    sha256: str
    seconds: float

    @property
    def rate(self) -> float:
        """Megabytes in a second."""
        return self.bytes / 1e6 / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """What one connection agreed on and moved."""

    role: str
    local: str
    peer: str
    handshake: Handshake
    local_params: TransportParams
    remote_params: TransportParams
    sent: Transfer
    received: Transfer
    closed_by: str


def connect(address: Address, options: Options, *, hostname: str | None = None) -> Report:
    """Be a client of the server at address, whose certificate must name hostname, otherwise the address's host."""
    family, where = endpoint.resolve(address)
    with _Source(options.send) as source, _Sink(options.receive) as sink, QuicSocket(family) as sock:
        with _credentials(options.identity, server=False) as credentials:
            _configure(sock, options)
            sock.connect(where)
            tls = _shake(sock, credentials, options, where, server=False, hostname=hostname or address[0])
        flow = _Flow(sock, options, source, sink, where)
        if options.send is not None or options.receive is not None:
            flow.run_client()
        else:
            flow.await_server()
        return flow.report("client", tls)


def serve(
    address: Address,
    options: Options,
    *,
    count: int = 1,
    on_listening: Callable[[Address], None] | None = None,
    on_report: Callable[[Report], None] | None = None,
    on_error: Callable[[errors.QuicctlError], None] | None = None,
) -> list[Report]:
    """Be a server for count connections, or for ever if count is 0.

    With one connection its failure is raised; with more a failure goes to on_error, the others go on, and the first one is
    raised at the end.
    """
    _check_server_identity(options.identity)
    family, where = endpoint.resolve(address, passive=True)
    reports: list[Report] = []
    failures: list[Exception] = []
    workers: list[threading.Thread] = []
    with (
        _Source(options.send) as source,  # opened and hashed before a client comes
        QuicSocket(family) as listener,
        _credentials(options.identity, server=True) as credentials,
    ):
        _configure(listener, options)
        listener.bind(where)
        if options.alpn:
            listener.set_alpn(options.alpn)
        listener.listen()
        if on_listening:
            on_listening(listener.local)

        def attend(sock: QuicSocket, number: int) -> None:
            try:
                report = _attend(sock, options, source, credentials, number if count != 1 else 0)
                reports.append(report)
                if on_report:
                    on_report(report)
            except Exception as failure:
                failures.append(failure)
                if on_error and count != 1 and isinstance(failure, errors.QuicctlError):
                    on_error(failure)

        try:
            number = 0
            while count == 0 or number < count:
                number += 1
                worker = threading.Thread(target=attend, args=(listener.accept(), number), daemon=True)
                worker.start()
                workers = [w for w in workers if w.is_alive()] + [worker]
        finally:
            for worker in workers:
                worker.join()
    if failures:
        raise failures[0]
    return reports


def _attend(sock: QuicSocket, options: Options, source: _Source, credentials: libquic.Credentials, number: int) -> Report:
    receive = options.receive
    if number and receive is not None and receive != STANDARD_STREAM:
        receive = receive.with_name(f"{receive.name}.{number}")
    with sock, _Sink(receive) as sink:
        peer = sock.peer
        tls = _shake(sock, credentials, options, peer, server=True)
        flow = _Flow(sock, options, source, sink, peer)
        flow.run_server()
        return flow.report("server", tls)


def _configure(sock: QuicSocket, options: Options) -> None:
    if options.congestion is not None:
        sock.set_config(uapi.Config(congestion_control_algo=options.congestion))
    sock.enable(
        uapi.EventType.STREAM_UPDATE,
        uapi.EventType.CONNECTION_CLOSE,
        uapi.EventType.NEW_TOKEN,
        uapi.EventType.NEW_SESSION_TICKET,
    )


@contextlib.contextmanager
def _credentials(identity: Identity, *, server: bool) -> Iterator[libquic.Credentials]:
    with libquic.Credentials(server=server) as credentials:
        if identity.cert is not None and identity.key is not None:
            credentials.certificate(identity.cert, identity.key)
        elif identity.cert is not None or identity.key is not None:
            raise errors.CredentialsInvalid("a certificate needs its key", remedy="give both --cert and --key")
        if identity.ca is not None:
            credentials.trust(identity.ca)
            if server:
                credentials.client_auth("require")
        if identity.psk is not None:
            credentials.psk(identity.psk)
        if identity.insecure:
            credentials.insecure()
        yield credentials


def _check_server_identity(identity: Identity) -> None:
    if identity.cert is None and identity.psk is None:
        raise errors.CredentialsInvalid(
            "a server needs something to show", remedy="give --cert and --key, or --psk (openssl req -x509 makes one)"
        )


def _shake(
    sock: QuicSocket,
    credentials: libquic.Credentials,
    options: Options,
    peer: Address,
    *,
    server: bool,
    hostname: str | None = None,
) -> Handshake:
    try:
        return libquic.handshake(
            sock.fileno(),
            credentials,
            server=server,
            hostname=hostname,
            alpn=options.alpn,
            keylog=options.keylog,
            timeout=options.timeout,
        )
    except TlsFailure as failure:
        raise explain(failure, peer, options, server=server) from failure


def explain(failure: TlsFailure, peer: Address, options: Options, *, server: bool) -> errors.QuicctlError:
    """The failure of a handshake as an error that says what to do."""
    where = endpoint.shown(peer)
    code, seen = failure.code, failure.handshake
    alert = _NO_ALERT
    if libquic.ERR_TRANSPORT < code <= libquic.ERR_PEER_ALERT:
        alert = libquic.ERR_PEER_ALERT - code
    if code == libquic.ERR_ALPN or alert == _ALERT_NO_ALPN:
        return errors.AlpnMismatch(
            f"no application protocol in common with {where}: this end offers {options.alpn or 'none'}",
            remedy="give --alpn a protocol that the peer speaks",
        )
    if code == libquic.ERR_CERTIFICATE:
        who = "client" if server else "server"
        why = seen.verify_text or failure.text
        return errors.CertificateNotTrusted(
            f"the certificate of the {who} {where} is not trusted: {why}",
            remedy="give the CA that signed it with --ca FILE"
            + ("" if server else ", the right name with --servername, or --insecure to accept any"),
        )
    if code == libquic.ERR_CREDENTIALS:
        return errors.CredentialsInvalid(failure.text, remedy="check --cert, --key, --ca and --psk")
    if libquic.is_timeout(code):
        return errors.NoAnswer(
            f"no answer from {where} within {options.timeout:g} s"
            + ("" if server else ": the port may be closed (QUIC sends no refusal then) or a firewall drops UDP"),
            remedy="check the address and that a QUIC server listens there, or wait longer with --timeout",
        )
    if code == -errno.ECONNREFUSED:
        return errors.NoAnswer(f"nothing listens at {where}", remedy="start the server, or check the port")
    if alert in _ALERTS_ON_CERTIFICATE:
        return errors.PeerRefused(
            f"{where} does not accept our certificate: TLS alert {alert}, {uapi.TLS_ALERTS.get(alert, 'unknown')}",
            remedy="the peer must trust the CA that signed it: pass that CA to the peer",
        )
    if alert != _NO_ALERT:
        return errors.PeerRefused(
            f"{where} ended the handshake: TLS alert {alert}, {uapi.TLS_ALERTS.get(alert, 'unknown')}",
            remedy="compare certificates, keys, PSK and protocols of the two ends",
        )
    if libquic.ERR_TLS < code <= libquic.ERR_TRANSPORT or code == libquic.ERR_CLOSED:
        reason = uapi.describe_close(uapi.ConnectionClose(seen.close_code, seen.close_frame, seen.close_phrase))
        return errors.PeerRefused(
            f"{where} closed the connection during the handshake: {reason}",
            remedy="look at the peer's log; a full accept queue shows as connection refused",
        )
    return errors.HandshakeFailed(
        f"the handshake with {where} failed: {failure.text}", remedy="run again with --debug and QUICCTL_DEBUG=1"
    )


class _Hash(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...


class _Source:
    """What is sent: a file, mapped and hashed before the connection, or standard input, hashed as it goes."""

    def __init__(self, path: Path | None) -> None:
        self._hash: _Hash = hashlib.sha256()
        self._stream: BinaryIO | None = None
        self._map: mmap.mmap | None = None
        self._view: memoryview | None = None
        if path == STANDARD_STREAM:
            # Unbuffered: a thread that waits in the buffered reader would stop the interpreter from ending.
            self._stream = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
        elif path is not None:
            self._open(path)

    def __enter__(self) -> _Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        # A sender whose connection broke may still hold a slice; the memory then lives as long as that.
        with contextlib.suppress(BufferError):
            if self._view is not None:
                self._view.release()
            if self._map is not None:
                self._map.close()

    def slices(self) -> Iterator[bytes | memoryview]:
        """The content in pieces."""
        if self._view is not None:
            for start in range(0, len(self._view), _SLICE):
                yield self._view[start : start + _SLICE]
        elif self._stream is not None:
            while piece := self._stream.read(65536):
                self._hash.update(piece)
                yield piece

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def _open(self, path: Path) -> None:
        try:
            with path.open("rb") as handle:
                if stat.S_ISDIR(os.fstat(handle.fileno()).st_mode):
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
                if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
                    self._view = memoryview(handle.read())
                elif os.fstat(handle.fileno()).st_size:
                    self._map = mmap.mmap(handle.fileno(), 0, prot=mmap.PROT_READ)
                    self._view = memoryview(self._map)
        except OSError as failure:
            raise errors.FileUnreadable(
                f"{path} cannot be read: {failure.strerror}", remedy="check the path and its permissions"
            ) from failure
        if self._view is not None:
            self._hash.update(self._view)


class _Sink:
    """Where received bytes go: a file, hashed afterwards, standard output, or nowhere, hashed as they come."""

    def __init__(self, path: Path | None) -> None:
        self.bytes = 0
        self._path = path
        self._hash: _Hash = hashlib.sha256()
        self._stream: BinaryIO | None = None
        self._hash_later = False
        if path == STANDARD_STREAM:
            self._stream = sys.stdout.buffer
        elif path is not None:
            try:
                self._stream = path.open("w+b")
            except OSError as failure:
                raise errors.FileUnwritable(
                    f"{path} cannot be written: {failure.strerror}", remedy="check the folder and its permissions"
                ) from failure
            self._hash_later = self._stream.seekable()

    def __enter__(self) -> _Sink:
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            if self._stream is sys.stdout.buffer:
                self._stream.flush()
            else:
                self._stream.close()

    def write(self, data: memoryview) -> None:
        self.bytes += len(data)
        if not self._hash_later:
            self._hash.update(data)
        if self._stream is not None:
            try:
                self._stream.write(data)
            except OSError as failure:
                raise errors.FileUnwritable(
                    f"{self._path} cannot be written: {failure.strerror}", remedy="see how full the file system is"
                ) from failure

    @property
    def sha256(self) -> str:
        if self._hash_later and self._stream is not None:
            self._stream.flush()
            self._stream.seek(0)
            whole = hashlib.sha256()
            while piece := self._stream.read(_SLICE):
                whole.update(piece)
            return whole.hexdigest()
        return self._hash.hexdigest()


class _Flow:
    """Moves the data of one connection."""

    def __init__(self, sock: QuicSocket, options: Options, source: _Source, sink: _Sink, peer: Address) -> None:
        self._sock = sock
        self._options = options
        self._source = source
        self._sink = sink
        self._local = endpoint.shown(sock.local)
        self._peer = endpoint.shown(peer)
        # Known since the handshake; the connection may be gone when the report is made.
        self._params = sock.transport_params(), sock.transport_params(remote=True)
        self._stream: int | None = None
        self._began = time.monotonic()
        self._sender: threading.Thread | None = None
        self._sender_error: OSError | None = None
        self._sent = 0
        self._sent_seconds = 0.0
        self._received_seconds = 0.0
        self._handed_over = False  # all that is to be sent is in the kernel, FIN included
        self._acknowledged = False
        self._fin_received = False
        self._confirmed = False
        self._echo_hash = hashlib.sha256()
        self._close: uapi.ConnectionClose | None = None
        sock.settimeout(_TICK)

    def run_client(self) -> None:
        """Send, receive, and leave when both are done."""
        self._stream = self._sock.open_stream()
        self._start_sender(self._stream)
        wants_data = self._options.receive is not None
        while not (self._sending_done() and (self._fin_received or not wants_data)):
            if not self._step():
                break
        self._finish(complete=self._sending_done() and (self._fin_received or not wants_data))

    def await_server(self) -> None:
        """Stay until the server is through with the handshake: a close that overtakes it would spoil it.

        The kernel tells nothing of HANDSHAKE_DONE, but a server that is done usually sends a token or a ticket.
        """
        leave = time.monotonic() + _CONFIRMATION
        while not self._confirmed and time.monotonic() < leave:
            with contextlib.suppress(BlockingIOError):
                self._take(self._sock.receive())
        if self._close is not None and self._close.errcode != 0:
            raise errors.PeerRefused(
                f"{self._peer} ended the connection after the handshake: {uapi.describe_close(self._close)}",
                remedy="compare certificates, keys, PSK and protocols of the two ends",
            )

    def run_server(self) -> None:
        """Answer the client's stream, and stay until the client leaves or has had time to."""
        leave: float | None = None
        while leave is None or time.monotonic() < leave:
            if not self._step():
                break
            if leave is None and self._fin_received and self._sending_done():
                leave = time.monotonic() + _LINGER
        wants_data = self._options.receive is not None
        wants_to_send = self._options.send is not None
        content = self._close is not None and self._close.errcode == 0
        sent = self._sending_done() or (self._handed_over and content)
        untouched = self._stream is None and not wants_data and not wants_to_send
        self._finish(complete=untouched or ((self._fin_received or not wants_data) and (sent or not wants_to_send)))

    def report(self, role: str, tls: Handshake) -> Report:
        sha256 = self._echo_hash.hexdigest() if self._options.echo else self._source.sha256
        return Report(
            role=role,
            local=self._local,
            peer=self._peer,
            handshake=tls,
            local_params=self._params[0],
            remote_params=self._params[1],
            sent=Transfer(self._sent, sha256, self._sent_seconds),
            received=Transfer(self._sink.bytes, self._sink.sha256, self._received_seconds),
            closed_by="peer" if self._close is not None else "this end",
        )

    def _sending_done(self) -> bool:
        return self._handed_over and self._acknowledged

    def _step(self) -> bool:
        """Take one message; False when the connection has ended and is read empty."""
        stalled_since = time.monotonic()
        while True:
            before = self._sent
            try:
                message = self._sock.receive()
                break
            except errors.ConnectionClosed:
                return False
            except OSError as failure:
                if failure.errno not in (errno.EAGAIN, errno.EINTR):
                    raise
            if self._sender_error is not None:
                return False
            if self._handed_over and not self._acknowledged and self._unacknowledged() == 0:
                self._acknowledged = True  # the event may have found no room
                return True
            if self._sent != before:
                stalled_since = time.monotonic()
            if self._fin_received and self._sending_done():
                return True
            if time.monotonic() - stalled_since >= self._options.timeout:
                raise errors.ConnectionClosed(
                    f"nothing moved for {self._options.timeout:g} s: {self._sent} bytes sent, {self._sink.bytes} received",
                    remedy="check the network, or wait longer with --timeout",
                )
        self._take(message)
        return True

    def _take(self, message: endpoint.Message) -> None:
        match message:
            case endpoint.StreamData(stream_id, data, fin):
                if self._stream is None and not stream_id & 2:
                    self._stream = stream_id
                    if not self._options.echo:
                        self._start_sender(stream_id)
                if stream_id != self._stream:
                    return
                self._sink.write(data)
                if self._options.echo:
                    self._echo(data, fin)
                if data or fin:
                    self._received_seconds = time.monotonic() - self._began
                self._fin_received |= fin
            case uapi.StreamUpdate(stream_id, uapi.StreamState.SEND_RECVD) if stream_id == self._stream:
                self._acknowledged = True
                self._sent_seconds = time.monotonic() - self._began
            case uapi.ConnectionClose():
                self._close = message
                self._confirmed = True
            case uapi.Token() | uapi.SessionTicket():
                self._confirmed = True

    def _start_sender(self, stream_id: int) -> None:
        self._sender = threading.Thread(target=self._send_all, args=(stream_id,), daemon=True)
        self._sender.start()

    def _send_all(self, stream_id: int) -> None:
        """Send the source and end the stream; runs beside the receiver."""
        try:
            for piece in self._source.slices():
                self._send_piece(piece, stream_id, 0)
            self._send_piece(b"", stream_id, MsgFlag.STREAM_FIN)
            self._sent_seconds = time.monotonic() - self._began
            self._handed_over = True
        except OSError as failure:
            self._sender_error = failure

    def _send_piece(self, piece: bytes | memoryview, stream_id: int, flags: int) -> None:
        rest = memoryview(piece)
        waited_since = time.monotonic()
        while True:
            try:
                count = self._sock.send(rest, stream_id, flags)
            except OSError as failure:
                if failure.errno not in (errno.EAGAIN, errno.ENOSPC, errno.EINTR):
                    raise
                if time.monotonic() - waited_since >= self._options.timeout:
                    raise
                continue
            self._sent += count
            rest = rest[count:]
            if not rest:
                return
            waited_since = time.monotonic()

    def _echo(self, data: memoryview, fin: bool) -> None:
        assert self._stream is not None
        self._echo_hash.update(data)
        try:
            if data or fin:
                self._send_piece(data, self._stream, MsgFlag.STREAM_FIN if fin else 0)
        except OSError as failure:
            self._sender_error = failure
        self._handed_over |= fin and self._sender_error is None

    def _unacknowledged(self) -> int:
        try:
            packed = fcntl.ioctl(self._sock.fileno(), _SIOCOUTQ, struct.pack("@i", 0))
        except OSError:
            return -1
        return int(struct.unpack("@i", packed)[0])

    def _finish(self, *, complete: bool) -> None:
        if not complete:
            self._sock.close()  # lets a sender that still waits fail
        if self._sender is not None and (complete or self._sender_error is not None):
            self._sender.join()
        if complete:
            return
        why = "it timed out" if self._close is None else uapi.describe_close(self._close)
        if self._sender_error is not None and self._close is None:
            why = os.strerror(self._sender_error.errno or 0)
        raise errors.ConnectionClosed(
            f"the connection with {self._peer} ended before everything was moved: {why}"
            f" ({self._sent} bytes sent, {self._sink.bytes} received)",
            remedy="look at the other end's output",
        )
