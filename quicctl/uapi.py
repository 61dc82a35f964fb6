# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel interface in Python terms: the numbers of linux/quic.h and its structures as dataclasses.

Packing and unpacking only; which call carries a structure is endpoint.py's business. A shorter structure from an older
kernel is read with its missing tail as zeros, as the kernel does with ours.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

IPPROTO_QUIC = 261
SOL_QUIC = 288

CMSG_STREAM_INFO = 0
CMSG_HANDSHAKE_INFO = 1

NO_STREAM = -1


class MsgFlag(IntFlag):
    """Flags of messages and streams that QUIC gives a meaning of its own."""

    STREAM_FIN = 0x200
    STREAM_NEW = 0x400
    STREAM_UNI = 0x800
    DATAGRAM = 0x1000
    STREAM_SNDBLOCK = 0x2000
    NOTIFICATION = 0x8000
    STREAM_DONTWAIT = 0x10000


class Option(IntEnum):
    """Socket options of level SOL_QUIC."""

    EVENT = 0
    STREAM_OPEN = 1
    STREAM_RESET = 2
    STREAM_STOP_SENDING = 3
    CONNECTION_ID = 4
    CONNECTION_CLOSE = 5
    CONNECTION_MIGRATION = 6
    KEY_UPDATE = 7
    TRANSPORT_PARAM = 8
    CONFIG = 9
    TOKEN = 10
    ALPN = 11
    SESSION_TICKET = 12
    CRYPTO_SECRET = 13
    TRANSPORT_PARAM_EXT = 14
    STREAM_PEELOFF = 15
    OFFLOAD = 16


class EventType(IntEnum):
    """Events a socket can be told of."""

    STREAM_UPDATE = 1
    STREAM_MAX_DATA = 2
    STREAM_MAX_STREAM = 3
    CONNECTION_ID = 4
    CONNECTION_CLOSE = 5
    CONNECTION_MIGRATION = 6
    KEY_UPDATE = 7
    NEW_TOKEN = 8
    NEW_SESSION_TICKET = 9


class StreamState(IntEnum):
    """States of a stream's two halves."""

    SEND_READY = 0
    SEND_SEND = 1
    SEND_SENT = 2
    SEND_RECVD = 3
    SEND_RESET_SENT = 4
    SEND_RESET_RECVD = 5
    RECV_RECV = 6
    RECV_SIZE_KNOWN = 7
    RECV_RECVD = 8
    RECV_READ = 9
    RECV_RESET_RECVD = 10
    RECV_RESET_READ = 11


class Congestion(IntEnum):
    """Congestion controllers."""

    RENO = 0
    CUBIC = 1
    BBR = 2


class Cipher(IntEnum):
    """Ciphers by the numbers of linux/tls.h."""

    AES_128_GCM = 51
    AES_256_GCM = 52
    AES_128_CCM = 53
    CHACHA20_POLY1305 = 54


VERSIONS = {0x00000001: "1", 0x6B3343CF: "2"}

TRANSPORT_ERRORS = {
    0x00: "no error",
    0x01: "internal error",
    0x02: "connection refused",
    0x03: "flow control error",
    0x04: "stream limit error",
    0x05: "stream state error",
    0x06: "final size error",
    0x07: "frame encoding error",
    0x08: "transport parameter error",
    0x09: "connection ID limit error",
    0x0A: "protocol violation",
    0x0B: "invalid token",
    0x0C: "application error",
    0x0D: "crypto buffer exceeded",
    0x0E: "key update error",
    0x0F: "AEAD limit reached",
    0x10: "no viable path",
    0x11: "version negotiation error",
}
CRYPTO_ERROR = 0x100

# TLS alerts that reach a peer as transport errors. RFC 9001, section 4.8; RFC 8446, section 6.
TLS_ALERTS = {
    10: "unexpected message",
    20: "bad record MAC",
    40: "handshake failure",
    42: "bad certificate",
    43: "unsupported certificate",
    44: "certificate revoked",
    45: "certificate expired",
    46: "certificate unknown",
    47: "illegal parameter",
    48: "unknown certificate authority",
    49: "access denied",
    50: "decode error",
    51: "decrypt error",
    70: "protocol version",
    71: "insufficient security",
    80: "internal error",
    90: "user canceled",
    109: "missing extension",
    110: "unsupported extension",
    112: "unrecognized name",
    115: "unknown PSK identity",
    116: "certificate required",
    120: "no application protocol",
}

_STREAM_INFO = struct.Struct("=qI4x")
_ERRINFO = struct.Struct("=qI4x")
_PEELOFF = struct.Struct("=qIi")
_EVENT_OPTION = struct.Struct("=BB")
_CLOSE = struct.Struct("=IB3x64s")
_TRANSPORT_PARAM = struct.Struct("=8BHHIIHHQQQQ")
_CONFIG = struct.Struct("=IIIIBBBBB3xI")
_STREAM_UPDATE = struct.Struct("=qB3xIQ")
_STREAM_MAX_DATA = struct.Struct("=qQ")
_CONNECTION_ID = struct.Struct("=B3xII")
_SECRET = struct.Struct("=BBHI48s")

STREAM_INFO_SIZE = _STREAM_INFO.size


def _fit(data: bytes, layout: struct.Struct) -> bytes:
    return data[: layout.size].ljust(layout.size, b"\0")


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """Which stream a message belongs to, with its flags."""

    stream_id: int = NO_STREAM
    flags: int = 0

    def pack(self) -> bytes:
        """As ``struct quic_stream_info``."""
        return _STREAM_INFO.pack(self.stream_id, self.flags)

    @classmethod
    def unpack(cls, data: bytes) -> StreamInfo:
        """From ``struct quic_stream_info``."""
        return cls(*_STREAM_INFO.unpack(_fit(data, _STREAM_INFO)))


@dataclass(frozen=True, slots=True)
class TransportParams:
    """Transport parameters of one end; times in microseconds, zero means unchanged when set."""

    disable_active_migration: bool = False
    grease_quic_bit: bool = False
    stateless_reset: bool = False
    disable_1rtt_encryption: bool = False
    disable_compatible_version: bool = False
    active_connection_id_limit: int = 0
    ack_delay_exponent: int = 0
    max_datagram_frame_size: int = 0
    max_udp_payload_size: int = 0
    max_idle_timeout: int = 0
    max_ack_delay: int = 0
    max_streams_bidi: int = 0
    max_streams_uni: int = 0
    max_data: int = 0
    max_stream_data_bidi_local: int = 0
    max_stream_data_bidi_remote: int = 0
    max_stream_data_uni: int = 0

    SIZE = _TRANSPORT_PARAM.size

    def pack(self, *, remote: bool = False) -> bytes:
        """As ``struct quic_transport_param``, selecting whose they are."""
        return _TRANSPORT_PARAM.pack(
            remote,
            self.disable_active_migration,
            self.grease_quic_bit,
            self.stateless_reset,
            self.disable_1rtt_encryption,
            self.disable_compatible_version,
            self.active_connection_id_limit,
            self.ack_delay_exponent,
            self.max_datagram_frame_size,
            self.max_udp_payload_size,
            self.max_idle_timeout,
            self.max_ack_delay,
            self.max_streams_bidi,
            self.max_streams_uni,
            self.max_data,
            self.max_stream_data_bidi_local,
            self.max_stream_data_bidi_remote,
            self.max_stream_data_uni,
        )

    @classmethod
    def unpack(cls, data: bytes) -> TransportParams:
        """From ``struct quic_transport_param``."""
        values = _TRANSPORT_PARAM.unpack(_fit(data, _TRANSPORT_PARAM))[1:]
        return cls(*(bool(value) for value in values[:5]), *values[5:])


@dataclass(frozen=True, slots=True)
class Config:
    """Settings that stay on this end; times in microseconds, zero means unchanged when set."""

    version: int = 0
    plpmtud_probe_interval: int = 0
    initial_smoothed_rtt: int = 0
    payload_cipher_type: int = 0
    congestion_control_algo: int = 0
    validate_peer_address: bool = False
    stream_data_nodelay: bool = False
    receive_session_ticket: int = 0
    certificate_request: int = 0
    keepalive_probe_interval: int = 0

    SIZE = _CONFIG.size

    def pack(self) -> bytes:
        """As ``struct quic_config``."""
        return _CONFIG.pack(
            self.version,
            self.plpmtud_probe_interval,
            self.initial_smoothed_rtt,
            self.payload_cipher_type,
            self.congestion_control_algo,
            self.validate_peer_address,
            self.stream_data_nodelay,
            self.receive_session_ticket,
            self.certificate_request,
            self.keepalive_probe_interval,
        )

    @classmethod
    def unpack(cls, data: bytes) -> Config:
        """From ``struct quic_config``."""
        values = list(_CONFIG.unpack(_fit(data, _CONFIG)))
        values[5], values[6] = bool(values[5]), bool(values[6])
        return cls(*values)


@dataclass(frozen=True, slots=True)
class ConnectionClose:
    """Why a connection ended, or the reason this end will give."""

    errcode: int = 0
    frame: int = 0
    phrase: str = ""

    SIZE = _CLOSE.size

    def pack(self) -> bytes:
        """As ``struct quic_connection_close``."""
        return _CLOSE.pack(self.errcode, self.frame, self.phrase.encode()[:63])

    @classmethod
    def unpack(cls, data: bytes) -> ConnectionClose:
        """From ``struct quic_connection_close``."""
        errcode, frame, phrase = _CLOSE.unpack(_fit(data, _CLOSE))
        return cls(errcode, frame, phrase.split(b"\0")[0].decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class StreamUpdate:
    """A stream changed its state."""

    stream_id: int
    state: int
    errcode: int
    final_size: int


@dataclass(frozen=True, slots=True)
class StreamMaxData:
    """The peer lets a stream send more."""

    stream_id: int
    max_data: int


@dataclass(frozen=True, slots=True)
class StreamMaxStream:
    """The peer lets this end open more streams."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class ConnectionIdInfo:
    """Connection IDs in use."""

    dest: bool
    active: int
    prior_to: int


@dataclass(frozen=True, slots=True)
class Migration:
    """A path changed."""

    local: bool


@dataclass(frozen=True, slots=True)
class KeyUpdate:
    """The peer started a new key phase."""

    phase: int


@dataclass(frozen=True, slots=True)
class Token:
    """The server sent a token."""

    token: bytes


@dataclass(frozen=True, slots=True)
class SessionTicket:
    """The server sent a session ticket."""

    message: bytes


Event = (
    StreamUpdate
    | StreamMaxData
    | StreamMaxStream
    | ConnectionIdInfo
    | ConnectionClose
    | Migration
    | KeyUpdate
    | Token
    | SessionTicket
)


def unpack_event(data: bytes) -> Event:
    """An event as it came from the socket: type byte and payload."""
    kind, payload = EventType(data[0]), bytes(data[1:])
    match kind:
        case EventType.STREAM_UPDATE:
            return StreamUpdate(*_STREAM_UPDATE.unpack(_fit(payload, _STREAM_UPDATE)))
        case EventType.STREAM_MAX_DATA:
            return StreamMaxData(*_STREAM_MAX_DATA.unpack(_fit(payload, _STREAM_MAX_DATA)))
        case EventType.STREAM_MAX_STREAM:
            return StreamMaxStream(int.from_bytes(payload[:8], "little", signed=True))
        case EventType.CONNECTION_ID:
            dest, active, prior_to = _CONNECTION_ID.unpack(_fit(payload, _CONNECTION_ID))
            return ConnectionIdInfo(bool(dest), active, prior_to)
        case EventType.CONNECTION_CLOSE:
            return ConnectionClose.unpack(payload)
        case EventType.CONNECTION_MIGRATION:
            return Migration(bool(payload[0]))
        case EventType.KEY_UPDATE:
            return KeyUpdate(payload[0])
        case EventType.NEW_TOKEN:
            return Token(payload)
        case EventType.NEW_SESSION_TICKET:
            return SessionTicket(payload)


def pack_event_option(kind: EventType, on: bool) -> bytes:
    """As ``struct quic_event_option``."""
    return _EVENT_OPTION.pack(kind, on)


def pack_errinfo(stream_id: int, errcode: int) -> bytes:
    """As ``struct quic_errinfo``."""
    return _ERRINFO.pack(stream_id, errcode)


def pack_peeloff(stream_id: int, flags: int) -> bytes:
    """As ``struct quic_stream_peeloff``; flags are those of open()."""
    return _PEELOFF.pack(stream_id, flags, -1)


def unpack_peeloff(data: bytes) -> int:
    """The descriptor in a ``struct quic_stream_peeloff``."""
    descriptor: int = _PEELOFF.unpack(data)[2]
    return descriptor


def pack_secret(*, send: bool, level: int, cipher: Cipher, secret: bytes) -> bytes:
    """As ``struct quic_crypto_secret``."""
    return _SECRET.pack(send, level, 0, cipher, secret)


def describe_close(close: ConnectionClose) -> str:
    """The reason of a close in words. Only 0x1c closes carry transport codes; the kernel keeps both in one field."""
    code = close.errcode
    if CRYPTO_ERROR <= code < CRYPTO_ERROR + 0x100:
        text = f"TLS alert {code - CRYPTO_ERROR}, {TLS_ALERTS.get(code - CRYPTO_ERROR, 'unknown')}"
    else:
        text = TRANSPORT_ERRORS.get(code, f"application code {code}")
    return f"{text} ({close.phrase})" if close.phrase else text
