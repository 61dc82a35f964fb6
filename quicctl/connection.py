# SPDX-License-Identifier: GPL-2.0-or-later
"""What QuicSocket and its asyncio face have in common: an established connection, sorted into streams, datagrams, events.

Each stream gets a descriptor of its own as soon as it is known (QUIC_SOCKOPT_STREAM_PEELOFF). So a reader of one stream never
takes what belongs to another, nothing of a stream is queued here, and a stream that is not read holds up its sender alone:
flow control works as if each were a connection of TCP. What is left for the connection's own descriptor is queued within
bounds: streams that the peer opened, as many as its limit allows; the newest datagrams and events.

Nothing here waits; that is what the two faces do, each in its way.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypedDict

from quicctl import endpoint, errors, handshake, uapi
from quicctl.endpoint import Address, Endpoint
from quicctl.libquic import Handshake, TlsFailure
from quicctl.uapi import EventType, StreamState

PathLike = str | os.PathLike[str]

_TIMEOUT = 10.0
_MESSAGE_SIZE = 1 << 16
_KEPT = 1024
"""Datagrams, and events, that wait to be taken; the oldest are dropped."""
_EVENTS = (
    EventType.STREAM_MAX_STREAM,
    EventType.CONNECTION_MIGRATION,
    EventType.KEY_UPDATE,
)
"""Beside those that a handshake turns on."""
_NO_CREDIT = (errno.EINVAL, errno.EAGAIN, errno.ENOSPC)
"""What a session that remembers no credit for it makes of a call."""


class Settings(TypedDict, total=False):
    """What both ends can be told by keyword."""

    alpn: str
    """Application protocols, joined by commas; the peer must know one of them."""
    ca: PathLike
    """PEM file of the authorities to trust in place of the system's; a server then wants certificates of its clients."""
    cert: PathLike
    """PEM file of the certificate to show, and its chain."""
    key: PathLike
    """PEM file of its key."""
    psk: PathLike
    """File of pre-shared keys, lines ``IDENTITY:HEXKEY``."""
    insecure: bool
    """Accept whatever certificate the peer shows."""
    timeout: float
    """Seconds that the handshake may take; 10 unless given."""
    keepalive: float
    """Seconds of silence after which the peer is probed, at least 1.5; never unless given."""
    congestion: uapi.Congestion
    params: uapi.TransportParams
    """Transport parameters of this end; zeros leave the kernel's defaults. max_datagram_frame_size lets datagrams come."""
    keylog: PathLike
    """File to which TLS secrets are appended, for Wireshark."""
    version: int
    """QUIC version to begin with or to prefer."""


class ClientSettings(Settings, total=False):
    """What a client can be told beside."""

    server_name: str
    """The name that the certificate must bear, if not the host's."""
    session: bytes
    """What session() of an earlier connection gave: resume it."""
    early: Callable[[Early], None]
    """Is called before the handshake if the session allows early data, to send some; whoever records it can replay it."""


class ServerSettings(Settings, total=False):
    """What a server can be told beside."""

    client_auth: str
    """none, request or require: whether clients must show a certificate."""
    retry: bool
    """Clients must show that they are where they say they are, which costs a round trip. RFC 9000, section 8.1.2."""
    early_data: bool
    """Take early data of clients that resume. accept() gives the connection after its handshake, so no replay gets that far."""


class Early:
    """What a client sends before its handshake: streams are opened and written to, nothing is waited for.

    If the server does not take it, the kernel sends it again after the handshake.
    """

    def __init__(self, sock: Endpoint) -> None:
        self._endpoint = sock
        self.streams: list[int] = []
        """IDs of the streams that were opened."""

    def open_stream(self, *, uni: bool = False) -> int:
        """Open a stream; raises BlockingIOError if the session allows no more."""
        try:
            stream_id = self._endpoint.open_stream(uni=uni, wait=False)
        except OSError as failure:
            if failure.errno not in _NO_CREDIT:
                raise
            raise BlockingIOError(errno.EAGAIN, "the session allows no more streams") from failure
        self.streams.append(stream_id)
        return stream_id

    def send(self, stream_id: int, data: bytes | memoryview, *, fin: bool = False) -> int:
        """Send on one of these streams, with fin up to its end; how many bytes were taken, less if the session allows no more.

        The end goes along only if all was taken.
        """
        flags = uapi.MsgFlag.STREAM_FIN if fin else 0
        try:
            return self._endpoint.send(data, stream_id, flags, wait=False)
        except OSError as failure:
            if failure.errno not in _NO_CREDIT:
                raise
            return 0


def send_early(sock: Endpoint, early: Callable[[Early], None] | None, session: bytes | None) -> list[int]:
    """Let the caller send what it has before the handshake, if there is credit remembered; the streams that it opened."""
    if early is None or not session or not sock.transport_params(remote=True).max_data:
        return []
    sending = Early(sock)
    early(sending)
    return sending.streams


def options(settings: Settings | ClientSettings | ServerSettings) -> handshake.Options:
    """Keywords as handshake.py takes them; raises TypeError for an unknown one."""
    known = {**Settings.__annotations__, **ClientSettings.__annotations__, **ServerSettings.__annotations__}
    if unknown := settings.keys() - known.keys():
        raise TypeError(f"unknown keywords: {', '.join(sorted(unknown))}")
    identity = handshake.Identity(
        cert=_path(settings.get("cert")),
        key=_path(settings.get("key")),
        ca=_path(settings.get("ca")),
        psk=_path(settings.get("psk")),
        insecure=settings.get("insecure", False),
        client_auth=_text(settings.get("client_auth")),
    )
    return handshake.Options(
        identity=identity,
        alpn=settings.get("alpn"),
        congestion=settings.get("congestion"),
        version=settings.get("version", 0),
        retry=bool(settings.get("retry", False)),
        params=settings.get("params"),
        timeout=settings.get("timeout", _TIMEOUT),
        keepalive=settings.get("keepalive", 0.0),
        keylog=_path(settings.get("keylog")),
        early_data=bool(settings.get("early_data", False)) or settings.get("early") is not None,
    )


def attempts(
    host: str, port: int, settings: ClientSettings
) -> Iterator[tuple[contextlib.AbstractContextManager[handshake.Begun], handshake.Spared]]:
    """As handshake.attempts(): a connection to each address of the host, before its handshake."""
    name, resumed = settings.get("server_name", host), settings.get("session")
    for where, shared, spared in handshake.attempts((host, port), options(settings)):
        yield handshake.begun_client(where, shared, hostname=name, resumed=resumed), spared


def _path(value: object) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"a path is expected, not {value!r}")
    return Path(value)


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"text is expected, not {value!r}")


Incoming = tuple[int, socket.socket]
"""A stream and its descriptor."""


class Connection:
    """An established connection. It closes what made it: descriptor, TLS session, credentials."""

    def __init__(self, established: handshake.Connection, resources: contextlib.ExitStack) -> None:
        self._endpoint = established.sock
        self._tls = established.tls
        self._resources = resources
        self._handshake = established.handshake
        self._peer = established.peer
        self._streams: deque[Incoming] = deque()
        self._datagrams: deque[bytes] = deque(maxlen=_KEPT)
        self._events: deque[uapi.Event] = deque(maxlen=_KEPT)
        self._open_ids: set[int] = set()
        self._read_codes: dict[int, int] = {}
        self._write_codes: dict[int, int] = {}
        self._close: uapi.ConnectionClose | None = None
        self._ended = False
        self._taking = threading.Lock()
        self._endpoint.enable(*_EVENTS)

    # What is known of it.

    @property
    def handshake(self) -> Handshake:
        """What TLS agreed on."""
        return self._handshake

    @property
    def alpn(self) -> str:
        """The application protocol, empty if none was asked for."""
        return self._handshake.alpn

    @property
    def local(self) -> Address:
        """The address of this end."""
        return self._endpoint.local

    @property
    def peer(self) -> Address:
        """The address of the peer, as it was at the handshake."""
        return self._peer

    @property
    def closed_with(self) -> uapi.ConnectionClose | None:
        """Code and reason with which the connection ended, None while it lasts or if nobody said. All zero: it was idle."""
        return self._close

    def transport_params(self, *, remote: bool = False) -> uapi.TransportParams:
        """The transport parameters of this end, or the peer's."""
        return self._endpoint.transport_params(remote=remote)

    # What can be done without waiting.

    def update_key(self) -> None:
        """Change the keys of packets. RFC 9001, section 6."""
        self._endpoint.update_key()

    def migrate(self, host: str, port: int = 0) -> None:
        """Move this end to another address of the machine; a Migration event tells when it is done. RFC 9000, section 9."""
        self._endpoint.migrate((host, port))

    def fileno(self) -> int:
        """The connection's descriptor: readable when a stream, a datagram or an event came."""
        return self._endpoint.fileno()

    def _finish(self, code: int, reason: str) -> None:
        """Close everything; what was written still arrives, the kernel sees to that."""
        if not self._ended:
            # A connection that ended by itself takes no reason any more.
            with contextlib.suppress(OSError):
                self._endpoint.set_close_reason(code, reason)
        self._ended = True
        self._resources.close()
        while self._streams:
            self._streams.popleft()[1].close()

    # Sorting what comes.

    def _take(self) -> bool:
        """Sort one message in; False if there is none."""
        with self._taking:
            try:
                stream_id = self._endpoint.incoming_stream()
                if stream_id is not None:
                    self._welcome(stream_id)
                    return True
                message = self._endpoint.receive(_MESSAGE_SIZE, wait=False)
            except BlockingIOError:
                return False
            except errors.ConnectionClosed:
                self._ended = True
                return False
            self._sort(message)
            return True

    def _sort(self, message: endpoint.Message) -> None:
        match message:
            case endpoint.Datagram(data):
                self._datagrams.append(bytes(data))
            case uapi.StreamUpdate():
                self._note(message)
            case uapi.StreamMaxStream() | uapi.StreamMaxData() | endpoint.HandshakeData():
                pass  # whoever waits for credit tries again; TLS after the handshake is the kernel's business
            case endpoint.StreamData(stream_id):
                raise AssertionError(f"data of stream {stream_id} came without having been announced")
            case _:
                if isinstance(message, uapi.ConnectionClose):
                    self._close = message
                self._events.append(message)

    def _welcome(self, stream_id: int) -> None:
        peeled = self._peel(stream_id)
        if peeled is not None:
            self._streams.append((stream_id, peeled))

    def _peel(self, stream_id: int) -> socket.socket | None:
        """The descriptor of a stream; None if it has come to its end since we heard of it."""
        try:
            peeled = self._endpoint.peel(stream_id)
        except OSError as failure:
            if failure.errno not in (errno.ENOSTR, errno.EPIPE):
                raise
            return None
        self._open_ids.add(stream_id)
        return peeled

    def _drain(self) -> None:
        while self._take():
            pass

    def _note(self, update: uapi.StreamUpdate) -> None:
        if update.stream_id not in self._open_ids:
            return
        if update.state in (StreamState.RECV_RESET_RECVD, StreamState.RECV_RESET_READ):
            self._read_codes[update.stream_id] = update.errcode
        elif update.state in (StreamState.SEND_RESET_SENT, StreamState.SEND_RESET_RECVD):
            self._write_codes[update.stream_id] = update.errcode

    # For streams.

    def _peel_early(self, streams: list[int]) -> list[Incoming]:
        """What was opened before the handshake, without what is over already."""
        return [(stream_id, peeled) for stream_id in streams if (peeled := self._peel(stream_id)) is not None]

    def _open(self, *, uni: bool) -> Incoming:
        """A new stream; raises BlockingIOError while the peer allows none, ConnectionClosed."""
        self._drain()
        try:
            stream_id = self._endpoint.open_stream(uni=uni, wait=False)
            peeled = self._endpoint.peel(stream_id)
        except BlockingIOError:
            raise
        except OSError as failure:
            raise self._closed(failure) from failure
        self._open_ids.add(stream_id)
        return stream_id, peeled

    def _forget(self, stream_id: int) -> None:
        self._open_ids.discard(stream_id)
        self._read_codes.pop(stream_id, None)
        self._write_codes.pop(stream_id, None)

    def may_read(self, stream_id: int) -> bool:
        """Whether the stream's peer may send on it. RFC 9000, section 2.1."""
        return not stream_id & 2 or bool(stream_id & 1) is not self._is_server

    def may_write(self, stream_id: int) -> bool:
        """Whether this end may send on the stream."""
        return not stream_id & 2 or bool(stream_id & 1) is self._is_server

    @property
    def _is_server(self) -> bool:
        return self._tls.server

    def _give_up(self, stream_id: int, code: int) -> None:
        try:
            self._endpoint.reset_stream(stream_id, code)
        except OSError as failure:
            self._unless_over(failure)

    def _refuse(self, stream_id: int, code: int) -> None:
        try:
            self._endpoint.stop_sending(stream_id, code)
        except OSError as failure:
            self._unless_over(failure)

    def _unless_over(self, failure: OSError) -> None:
        """A stream that is over cannot be given up; nothing is amiss then."""
        if failure.errno not in (errno.EINVAL, errno.ENOSTR, errno.EAGAIN):
            raise self._closed(failure) from failure

    def _failed(self, failure: OSError, stream_id: int, *, writing: bool) -> Exception:
        """What a failed call on a stream means."""
        if failure.errno not in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN, errno.EBADF):
            return failure
        if not self._ended:
            self._drain()
        codes = self._write_codes if writing else self._read_codes
        if stream_id in codes or failure.errno == errno.ECONNRESET:
            code = codes.get(stream_id)
            what = "reads no more of" if writing else "gave up"
            why = "" if code is None else f": application code {code}"
            return errors.StreamReset(f"the peer {what} stream {stream_id}{why}", code=code)
        return self._closed(failure)

    def _closed(self, failure: OSError | None = None) -> Exception:
        """The end of the connection as an error, with what is known of the reason."""
        if failure is not None and failure.errno not in (errno.EPIPE, errno.ENOTCONN, errno.EBADF):
            return failure
        why = "" if self._close is None else _reason(self._close)
        return errors.ConnectionClosed(f"the connection is closed{why}", remedy="look at the other end's output")

    # For resumption.

    def _session(self, timeout: float) -> bytes | None:
        try:
            return self._tls.session(timeout)
        except TlsFailure as failure:
            raise errors.HandshakeFailed(f"there is no session to resume: {failure.text}") from failure


def _reason(close: uapi.ConnectionClose) -> str:
    if close == uapi.ConnectionClose():
        return ""
    # Without a frame at fault the code is the application's, as a rule: it alone knows what it means.
    text = (
        uapi.describe_close(close) if close.frame else f"code {close.errcode}" + (f" ({close.phrase})" if close.phrase else "")
    )
    return f": {text}"
