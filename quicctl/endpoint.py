# SPDX-License-Identifier: GPL-2.0-or-later
"""A QUIC socket's descriptor with types: what comes out of it is data of a stream, an event, a datagram or handshake bytes.

Speaks to the kernel through the standard socket module. TLS is left to libquic.py, what to send and when to the callers.
Programs import quicctl.QuicSocket, which does both.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from dataclasses import dataclass
from types import TracebackType

from quicctl import errors, uapi
from quicctl.uapi import MsgFlag, Option

_RECEIVE_SIZE = 1 << 20
_ANCILLARY = socket.CMSG_SPACE(uapi.STREAM_INFO_SIZE)

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class StreamData:
    """Bytes of a stream, in order; ``data`` is valid until the next receive."""

    stream_id: int
    data: memoryview
    fin: bool


@dataclass(frozen=True, slots=True)
class Datagram:
    """One datagram; ``data`` is valid until the next receive."""

    data: memoryview


@dataclass(frozen=True, slots=True)
class HandshakeData:
    """TLS bytes of one encryption level; ``data`` is valid until the next receive."""

    level: int
    data: memoryview


Message = StreamData | Datagram | HandshakeData | uapi.Event


class Endpoint:
    """A connection or a listener."""

    def __init__(self, family: socket.AddressFamily = socket.AF_INET, *, handle: socket.socket | None = None) -> None:
        self._buffer: bytearray | None = None
        if handle is not None:
            self._handle = handle
            return
        try:
            self._handle = socket.socket(family, socket.SOCK_DGRAM, uapi.IPPROTO_QUIC)
        except OSError as failure:
            if failure.errno in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT, errno.EINVAL):
                raise errors.ModuleNotLoaded("the running kernel has no QUIC: the module is not loaded") from failure
            if failure.errno == errno.EAFNOSUPPORT:
                raise errors.BadAddress("this kernel has no IPv6", remedy="use an IPv4 address") from failure
            raise

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def fileno(self) -> int:
        """The descriptor."""
        return self._handle.fileno()

    def close(self) -> None:
        """Close the socket; a live connection ends with CONNECTION_CLOSE."""
        self._handle.close()

    def settimeout(self, seconds: float | None) -> None:
        """Limit blocking calls, by the kernel's own timeouts: the descriptor stays blocking for libquic."""
        value = struct.pack("@ll", int(seconds or 0), int((seconds or 0) % 1 * 1e6))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._handle.setsockopt(socket.SOL_SOCKET, option, value)

    def setblocking(self, blocking: bool) -> None:
        """Make calls wait, or return at once."""
        self._handle.setblocking(blocking)

    # Connections.

    def bind(self, address: Address) -> None:
        """Take a local address."""
        try:
            self._handle.bind(address)
        except OSError as failure:
            raise _address_error(failure, address) from failure

    def listen(self, backlog: int = 64) -> None:
        """Accept connections from now on."""
        try:
            self._handle.listen(backlog)
        except OSError as failure:
            raise _address_error(failure, self.local) from failure

    def accept(self) -> Endpoint:
        """The next connection, its handshake not yet begun."""
        # Python's own accept() takes the family from the listener; the kernel keeps it.
        handle, _ = self._handle.accept()
        return Endpoint(handle=handle)

    def connect(self, address: Address) -> None:
        """Set the peer; nothing is sent before the handshake."""
        try:
            self._handle.connect(address)
        except OSError as failure:
            if failure.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
                raise errors.NetworkUnreachable(
                    f"there is no route to {shown(address)}", remedy="check the address and: ip route"
                ) from failure
            raise _address_error(failure, address) from failure

    @property
    def local(self) -> Address:
        """The local address."""
        host, port, *_ = self._handle.getsockname()
        return host, port

    @property
    def peer(self) -> Address:
        """The peer's address."""
        host, port, *_ = self._handle.getpeername()
        return host, port

    # Data.

    def send(self, data: bytes | memoryview, stream_id: int = uapi.NO_STREAM, flags: int = 0, *, wait: bool = True) -> int:
        """Send on a stream; returns what was taken, which may be less without waiting or on a non-blocking socket."""
        info = uapi.StreamInfo(stream_id, flags)
        control = [(uapi.SOL_QUIC, uapi.CMSG_STREAM_INFO, info.pack())]
        return self._handle.sendmsg([data], control, socket.MSG_NOSIGNAL | (0 if wait else socket.MSG_DONTWAIT))

    def send_datagram(self, data: bytes, *, wait: bool = True) -> int:
        """Send one datagram."""
        return self._handle.send(data, MsgFlag.DATAGRAM | socket.MSG_NOSIGNAL | (0 if wait else socket.MSG_DONTWAIT))

    def receive(self, size: int = _RECEIVE_SIZE, *, wait: bool = True) -> Message:
        """Take what comes next; raises ConnectionClosed when there is nothing left and there never will be.

        BlockingIOError: nothing is there, or came in time.
        """
        if self._buffer is None or len(self._buffer) < size:
            self._buffer = bytearray(size)
        view = memoryview(self._buffer)[:size]
        try:
            count, control, flags, _ = self._handle.recvmsg_into([view], _ANCILLARY, 0 if wait else socket.MSG_DONTWAIT)
        except OSError as failure:
            raise _closed(failure) from failure
        data = view[:count]
        if flags & MsgFlag.NOTIFICATION:
            return uapi.unpack_event(bytes(data))
        if flags & MsgFlag.DATAGRAM:
            return Datagram(data)
        for level, kind, payload in control:
            if level != uapi.SOL_QUIC:
                continue
            if kind == uapi.CMSG_HANDSHAKE_INFO:
                return HandshakeData(payload[0], data)
            if kind == uapi.CMSG_STREAM_INFO:
                info = uapi.StreamInfo.unpack(payload)
                return StreamData(info.stream_id, data, bool(info.flags & MsgFlag.STREAM_FIN))
        raise errors.ConnectionClosed("the kernel delivered a message without saying what it is")

    def open_stream(self, *, uni: bool = False, wait: bool = True) -> int:
        """Open the next stream of this end; returns its ID."""
        flags = (MsgFlag.STREAM_UNI if uni else 0) | (0 if wait else MsgFlag.STREAM_DONTWAIT)
        given = uapi.StreamInfo(uapi.NO_STREAM, flags)
        return uapi.StreamInfo.unpack(self._exchange(Option.STREAM_OPEN, given.pack())).stream_id

    def incoming_stream(self) -> int | None:
        """The stream whose data comes next, None if another message does; takes nothing and does not wait.

        Raises BlockingIOError if nothing is there, ConnectionClosed if nothing ever will be.
        """
        try:
            _, control, _, _ = self._handle.recvmsg(1, _ANCILLARY, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError as failure:
            raise _closed(failure) from failure
        for level, kind, payload in control:
            if (level, kind) == (uapi.SOL_QUIC, uapi.CMSG_STREAM_INFO):
                return uapi.StreamInfo.unpack(payload).stream_id
        return None

    def peel(self, stream_id: int) -> socket.socket:
        """A socket of its own for a stream, with what of it was not received yet.

        Its data then never comes out of this one, whose end it may outlive. Raises OSError: ENOSTR for a stream that is over
        and read, EPIPE if the connection has ended and left nothing of it.
        """
        family = self._handle.family
        given = uapi.pack_peeloff(stream_id, os.O_CLOEXEC)
        descriptor = uapi.unpack_peeloff(self._exchange(Option.STREAM_PEELOFF, given))
        return socket.socket(family, socket.SOCK_STREAM, uapi.IPPROTO_QUIC, fileno=descriptor)

    def reset_stream(self, stream_id: int, errcode: int) -> None:
        """Give up sending on a stream."""
        self._set(Option.STREAM_RESET, uapi.pack_errinfo(stream_id, errcode))

    def stop_sending(self, stream_id: int, errcode: int) -> None:
        """Ask the peer to give up sending on a stream."""
        self._set(Option.STREAM_STOP_SENDING, uapi.pack_errinfo(stream_id, errcode))

    # Settings.

    def transport_params(self, *, remote: bool = False) -> uapi.TransportParams:
        """The parameters of this end, or those the peer sent."""
        asked = uapi.TransportParams().pack(remote=remote)
        return uapi.TransportParams.unpack(self._exchange(Option.TRANSPORT_PARAM, asked))

    def set_transport_params(self, params: uapi.TransportParams, *, remote: bool = False) -> None:
        """Change the parameters of this end that are not zero, or what is remembered of the peer; before the handshake."""
        self._set(Option.TRANSPORT_PARAM, params.pack(remote=remote))

    def config(self) -> uapi.Config:
        """The settings of this end."""
        return uapi.Config.unpack(self._get(Option.CONFIG, uapi.Config.SIZE))

    def set_config(self, config: uapi.Config) -> None:
        """Change the settings that are not zero; before the handshake."""
        self._set(Option.CONFIG, config.pack())

    def alpn(self) -> str:
        """The application protocols, joined by commas."""
        return self._get(Option.ALPN, 256).decode()

    def set_alpn(self, protocols: str) -> None:
        """Set the application protocols; a listener then takes only clients that offer one of them."""
        self._set(Option.ALPN, protocols.encode())

    def enable(self, *kinds: uapi.EventType) -> None:
        """Be told of these events."""
        for kind in kinds:
            self._set(Option.EVENT, uapi.pack_event_option(kind, True))

    def close_reason(self) -> uapi.ConnectionClose:
        """Why the connection ended."""
        return uapi.ConnectionClose.unpack(self._get(Option.CONNECTION_CLOSE, uapi.ConnectionClose.SIZE))

    def set_close_reason(self, errcode: int, phrase: str = "") -> None:
        """Set what a later close tells the peer."""
        self._set(Option.CONNECTION_CLOSE, uapi.ConnectionClose(errcode, 0, phrase).pack())

    def token(self) -> bytes:
        """The address token that the server gave."""
        return self._get(Option.TOKEN, 1024)

    def set_token(self, token: bytes) -> None:
        """Show a token that the server gave in an earlier connection; before the handshake."""
        self._set(Option.TOKEN, token)

    def migrate(self, address: Address) -> None:
        """Move this end of an established connection to another address of this machine."""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        packed = socket.inet_pton(family, address[0])
        if family == socket.AF_INET:
            value = struct.pack("=H", family) + struct.pack("!H4s8x", address[1], packed)
        else:
            value = struct.pack("=H", family) + struct.pack("!HI16s", address[1], 0, packed) + struct.pack("=I", 0)
        self._set(Option.CONNECTION_MIGRATION, value)

    def update_key(self) -> None:
        """Begin the next key phase."""
        self._set(Option.KEY_UPDATE, b"")

    def allow_offload(self, allowed: bool) -> None:
        """Whether devices may protect the packets of the connection; they may by default."""
        self._set(Option.OFFLOAD, struct.pack("=I", allowed))

    def offload(self) -> tuple[bool, bool, bool]:
        """Whether devices may protect packets; whether one encrypts, whether one decrypts."""
        (flags,) = struct.unpack("=I", self._get(Option.OFFLOAD, 4))
        return bool(flags & 1), bool(flags & 2), bool(flags & 4)

    def _set(self, option: Option, value: bytes) -> None:
        self._handle.setsockopt(uapi.SOL_QUIC, option, value)

    def _get(self, option: Option, size: int) -> bytes:
        return self._handle.getsockopt(uapi.SOL_QUIC, option, size)

    def _exchange(self, option: Option, value: bytes) -> bytes:
        from quicctl import libquic  # socket.getsockopt() cannot pass anything in

        return libquic.getsockopt(self.fileno(), uapi.SOL_QUIC, option, value)


def parse_address(text: str) -> Address:
    """``HOST:PORT`` or ``[V6]:PORT``."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise errors.BadAddress(f"{text!r} is no address with a port", remedy="write HOST:PORT, or [ADDRESS]:PORT for IPv6")
    return host, int(port)


def resolve(address: Address, *, passive: bool = False) -> tuple[socket.AddressFamily, Address]:
    """The first address that a name has, with its family."""
    return _found(address, passive=passive)[0]


def addresses(address: Address) -> tuple[Address, ...]:
    """All that a name has, in the order in which they are to be tried: RFC 6724."""
    return tuple(dict.fromkeys(where for _, where in _found(address)))


def _found(address: Address, *, passive: bool = False) -> list[tuple[socket.AddressFamily, Address]]:
    flags = socket.AI_PASSIVE if passive else 0
    try:
        found = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM, flags=flags)
    except (socket.gaierror, UnicodeError) as failure:
        raise errors.BadAddress(
            f"{address[0]!r} has no address: {failure}", remedy="check the spelling, or give an address in numbers"
        ) from failure
    return [(family, (str(where[0]), int(where[1]))) for family, _, _, _, where in found]


def shown(address: Address) -> str:
    """An address as people write it."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _closed(failure: OSError) -> Exception:
    if failure.errno in (errno.ENOTCONN, errno.ECONNRESET, errno.EPIPE):
        return errors.ConnectionClosed("the connection is closed")
    return failure


def _address_error(failure: OSError, address: Address) -> Exception:
    where = shown(address)
    match failure.errno:
        case errno.EADDRINUSE:
            return errors.AddressInUse(f"{where} is taken", remedy="choose another port, or find its owner with: ss -ulpn")
        case errno.EADDRNOTAVAIL:
            return errors.BadAddress(f"{where} is no address of this machine", remedy="see the addresses with: ip address")
        case errno.EACCES:
            return errors.NotRoot(f"port {address[1]} is for root only", remedy="use a port above 1023, or run it as root")
        case errno.ENETUNREACH | errno.EHOSTUNREACH:
            return errors.NoAnswer(f"there is no way to {where}", remedy="see the routes with: ip route, ip -6 route")
        case errno.EINVAL:
            return errors.BadAddress(f"{where} cannot be used", remedy="give a unicast address and a port")
        case _:
            return failure
