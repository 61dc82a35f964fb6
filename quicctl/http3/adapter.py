# SPDX-License-Identifier: GPL-2.0-or-later
"""The HTTP/3 layer of aioquic over other QUIC than aioquic's: it sees a stand-in for the connection that it expects."""

from __future__ import annotations

from typing import Any, Protocol, cast

from quicctl import errors
from quicctl.http3.frames import SETTINGS_MAX_FIELD_SECTION_SIZE

try:
    import pylsqpack
    from aioquic.h3.connection import H3Connection, H3Stream
    from aioquic.quic.configuration import QuicConfiguration
except ImportError as failure:
    raise errors.Http3Missing(f"HTTP/3 needs the Python package aioquic, which cannot be imported: {failure}") from failure

ALPN = "h3"


class Transport(Protocol):
    """What the layer needs of a QUIC connection; none of it may wait."""

    def open_stream(self, *, uni: bool) -> int:
        """Open a stream; returns its ID."""

    def send(self, stream_id: int, data: bytes, fin: bool) -> None:
        """Send all of data on a stream, with fin its end."""

    def reset_stream(self, stream_id: int, code: int) -> None:
        """Give up sending on a stream."""

    def send_datagram(self, data: bytes) -> None:
        """Send a datagram."""

    def datagram_limit(self) -> int:
        """The largest datagram that the peer takes, in bytes; 0 if none."""

    def broken(self, code: int, reason: str) -> None:
        """The peer broke the protocol: close the connection with this code."""


class StandIn:
    """What H3Connection asks of aioquic's QuicConnection, done by a transport."""

    _quic_logger = None

    def __init__(self, transport: Transport, *, client: bool) -> None:
        self.configuration = QuicConfiguration(is_client=client)
        self._transport = transport

    @property
    def _remote_max_datagram_frame_size(self) -> int | None:
        return self._transport.datagram_limit() or None

    def get_next_available_stream_id(self, is_unidirectional: bool = False) -> int:
        """A fresh stream."""
        return self._transport.open_stream(uni=is_unidirectional)

    def send_stream_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
        """Send, if there is anything."""
        if data or end_stream:
            self._transport.send(stream_id, data, end_stream)

    def reset_stream(self, stream_id: int, error_code: int) -> None:
        """Give up sending."""
        self._transport.reset_stream(stream_id, error_code)

    def send_datagram_frame(self, data: bytes) -> None:
        """Send a datagram."""
        self._transport.send_datagram(data)

    def close(self, error_code: int = 0x100, frame_type: int | None = None, reason_phrase: str = "") -> None:
        """The layer found a mistake."""
        self._transport.broken(int(error_code), reason_phrase)


def connection(transport: Transport, *, client: bool, webtransport: bool = False) -> H3Connection:
    """The layer as aioquic has it, which opens its streams at once."""
    return H3Connection(cast(Any, StandIn(transport, client=client)), enable_webtransport=webtransport)


class Layer(H3Connection):
    """The layer with limits to what a peer can make it keep.

    No dynamic table for what comes: a byte that refers to it could stand for kilobytes, and a stream that waits for an
    entry would be kept whole. No pushes. A field section has at most ``limit`` bytes, which the peer is told; that it is so
    is checked by exchange.py, before the layer sees it.
    """

    def __init__(self, transport: Transport, *, client: bool, limit: int) -> None:
        self._limit = limit
        super().__init__(cast(Any, StandIn(transport, client=client)))

    @property
    def control_stream(self) -> int:
        """Our control stream."""
        assert self._local_control_stream_id is not None
        return self._local_control_stream_id

    def _init_connection(self) -> None:
        self._max_table_capacity = self._blocked_streams = 0
        self._decoder = pylsqpack.Decoder(0, 0)
        self._max_push_id = None
        super()._init_connection()

    def _get_local_settings(self) -> dict[int, int]:
        return {**super()._get_local_settings(), SETTINGS_MAX_FIELD_SECTION_SIZE: self._limit}

    def _check_content_length(self, stream: H3Stream) -> None:
        # An answer to HEAD, and 304, have a length but no content: RFC 9114, section 4.1.2. The client knows which are such.
        if not (self._is_client and stream.content_length == 0):
            super()._check_content_length(stream)
