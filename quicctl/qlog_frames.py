# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames of the tracepoints quic_frame_sent and quic_frame_received as those of qlog (draft-ietf-quic-qlog-quic-events)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quicctl.tracepoints import numbers

Data = dict[str, Any]
"""A map of qlog, on its way to JSON."""

TRANSPORT_ERRORS = (
    "no_error", "internal_error", "connection_refused", "flow_control_error", "stream_limit_error", "stream_state_error",
    "final_size_error", "frame_encoding_error", "transport_parameter_error", "connection_id_limit_error", "protocol_violation",
    "invalid_token", "application_error", "crypto_buffer_exceeded", "key_update_error", "aead_limit_reached", "no_viable_path",
)  # fmt: skip
"""By their codes. RFC 9000, section 20.1."""

_NOT_RESENT = {"padding", "ping", "ack", "datagram", "path_challenge", "path_response", "connection_close"}
"""What is not sent again when its packet is lost. RFC 9000, section 13.3; RFC 9221, section 5.2."""


def transport_error(code: int) -> Data:
    """An error as its name, or "unknown" and the code."""
    if code < len(TRANSPORT_ERRORS):
        return {"error": TRANSPORT_ERRORS[code]}
    if 0x100 <= code <= 0x1FF:
        return {"error": f"crypto_error_0x{code:x}"}
    return {"error": "unknown", "error_code": code}


def is_resent(frame: Data) -> bool:
    """Whether what the frame carries is sent again after a loss."""
    return frame["frame_type"] not in _NOT_RESENT


def ranges(fields: dict[str, str]) -> list[tuple[int, int]]:
    """First and last packet numbers that an ACK frame tells, upwards."""
    flat = numbers(fields["ranges"])
    return sorted(zip(flat[::2], flat[1::2], strict=True))


def is_ack(fields: dict[str, str]) -> bool:
    """Whether it is an ACK frame, of either type."""
    return fields["type"] in ("0x2", "0x3")


def frame(fields: dict[str, str], ack_delay_exponent: int) -> Data:
    """A frame; the exponent is that of the endpoint that sent it."""
    kind = int(fields["type"], 16)
    if 0x08 <= kind <= 0x0F:
        kind = 0x08
    make = _MAKERS.get(kind)
    if make is None:
        return {"frame_type": "unknown", "frame_type_bytes": kind}
    made = make(fields)
    if is_ack(fields):
        # The field is in units of 2^exponent microseconds.
        made["ack_delay"] = (int(fields["value"]) << ack_delay_exponent) / 1000
    return made


def _ack(fields: dict[str, str]) -> Data:
    made: Data = {"frame_type": "ack", "acked_ranges": [[a] if a == b else [a, b] for a, b in ranges(fields)]}
    ecn = numbers(fields["ecn"])
    if ecn:
        made |= dict(zip(("ect0", "ect1", "ce"), ecn, strict=True))
    return made


def _stream(fields: dict[str, str]) -> Data:
    made: Data = {"frame_type": "stream", "stream_id": int(fields["stream"]), "offset": int(fields["offset"])}
    if fields["fin"] == "1":
        made["fin"] = True
    return made | _length(fields)


def _length(fields: dict[str, str]) -> Data:
    return {"raw": {"length": int(fields["len"])}}


def _reset(fields: dict[str, str]) -> Data:
    return {
        "frame_type": "reset_stream", "stream_id": int(fields["stream"]), "error": "unknown",
        "error_code": int(fields["value"]), "final_size": int(fields["offset"]),
    }  # fmt: skip


def _close(fields: dict[str, str], space: str) -> Data:
    made: Data = {"frame_type": "connection_close", "error_space": space}
    code = int(fields["value"])
    if space == "application":
        return made | {"error": "unknown", "error_code": code}
    return made | transport_error(code) | {"trigger_frame_type": int(fields["offset"])}


def _limit(name: str, field: str, *, stream: bool = False, kind: str = "") -> Callable[[dict[str, str]], Data]:
    """One of the frames that tell a limit, or that it was met."""

    def make(fields: dict[str, str]) -> Data:
        made: Data = {"frame_type": name}
        if stream:
            made["stream_id"] = int(fields["stream"])
        if kind:
            made["stream_type"] = kind
        return made | {field: int(fields["value"])}

    return make


_MAKERS: dict[int, Callable[[dict[str, str]], Data]] = {
    0x00: lambda f: {"frame_type": "padding", "raw": {"payload_length": int(f["len"])}},
    0x01: lambda f: {"frame_type": "ping"},
    0x02: _ack,
    0x03: _ack,
    0x04: _reset,
    0x05: lambda f: {
        "frame_type": "stop_sending", "stream_id": int(f["stream"]), "error": "unknown", "error_code": int(f["value"]),
    },
    0x06: lambda f: {"frame_type": "crypto", "offset": int(f["offset"])} | _length(f),
    0x07: lambda f: {"frame_type": "new_token", "token": {"type": "resumption"} | _length(f)},
    0x08: _stream,
    0x10: _limit("max_data", "maximum"),
    0x11: _limit("max_stream_data", "maximum", stream=True),
    0x12: _limit("max_streams", "maximum", kind="bidirectional"),
    0x13: _limit("max_streams", "maximum", kind="unidirectional"),
    0x14: _limit("data_blocked", "limit"),
    0x15: _limit("stream_data_blocked", "limit", stream=True),
    0x16: _limit("streams_blocked", "limit", kind="bidirectional"),
    0x17: _limit("streams_blocked", "limit", kind="unidirectional"),
    0x18: lambda f: {
        "frame_type": "new_connection_id", "sequence_number": int(f["value"]), "retire_prior_to": int(f["offset"]),
        "connection_id_length": len(f["bytes"]) // 2, "connection_id": f["bytes"],
    },
    0x19: lambda f: {"frame_type": "retire_connection_id", "sequence_number": int(f["value"])},
    0x1A: lambda f: {"frame_type": "path_challenge", "data": f["bytes"]},
    0x1B: lambda f: {"frame_type": "path_response", "data": f["bytes"]},
    0x1C: lambda f: _close(f, "transport"),
    0x1D: lambda f: _close(f, "application"),
    0x1E: lambda f: {"frame_type": "handshake_done"},
    0x30: lambda f: {"frame_type": "datagram"} | _length(f),
    0x31: lambda f: {"frame_type": "datagram"} | _length(f),
}  # fmt: skip
