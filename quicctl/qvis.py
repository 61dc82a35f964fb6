# SPDX-License-Identifier: GPL-2.0-or-later
"""qlog as qvis reads it: draft-02 of the main schema, with the event names and fields of its time.

The published qvis refuses files without ``qlog_version`` and knows neither the one namespace nor the fields of later drafts.
"""

from __future__ import annotations

from typing import Any

from quicctl.qlog_frames import Data

_NAMES = {
    "connection_started": "connectivity", "connection_state_updated": "connectivity", "connection_closed": "connectivity",
    "connection_id_updated": "connectivity", "mtu_updated": "connectivity", "migration_state_updated": "connectivity",
    "tuple_assigned": "connectivity", "key_updated": "security", "packet_lost": "recovery",
    "congestion_state_updated": "recovery", "marked_for_retransmit": "recovery", "ecn_state_updated": "recovery",
}  # fmt: skip
"""Categories; those of the others are "transport"."""

_RENAMED = {
    "recovery_metrics_updated": "recovery:metrics_updated", "recovery_parameters_set": "recovery:parameters_set",
    "timer_updated": "recovery:loss_timer_updated", "key_discarded": "security:key_retired",
    "udp_datagrams_sent": "transport:datagrams_sent", "udp_datagrams_received": "transport:datagrams_received",
}  # fmt: skip


def header(made: Data, reference_ms: float) -> Data:
    """The first record; ``reference_ms`` is the time that counts as zero, in milliseconds since 1970."""
    trace = made["trace"]
    return {
        "qlog_version": "draft-02",
        "qlog_format": "JSON-SEQ",
        "title": made["title"],
        "trace": {
            "title": trace["title"],
            "vantage_point": trace["vantage_point"],
            "common_fields": {"protocol_type": ["QUIC"], "time_format": "relative", "reference_time": reference_ms},
        },
    }


def event(made: Data) -> Data:
    """An event of today's schema in that of then."""
    namespace, name = made["name"].split(":")
    data = made["data"]
    old = {"time": made["time"], "name": made["name"], "data": data}
    if namespace != "quic":
        return old
    old["name"] = _RENAMED.get(name) or f"{_NAMES.get(name, 'transport')}:{name}"
    if name == "connection_started":
        old["data"] = _started(data)
    elif name == "parameters_set":
        old["data"] = {"owner" if key == "initiator" else key: value for key, value in data.items()}
    elif "frames" in data:
        old["data"] = data | {"frames": [_frame(frame) for frame in data["frames"]]}
    return old


def _started(data: Data) -> Data:
    version = "v6" if "ip_v6" in data["local"] else "v4"
    sides: Data = {"ip_version": version, "protocol": "QUIC"}
    for name, side in (("src", data["local"]), ("dst", data["remote"])):
        sides[f"{name}_ip"] = side.get(f"ip_{version}", "")
        sides[f"{name}_port"] = side.get(f"port_{version}", 0)
        sides[f"{name}_cid"] = next(iter(side.get("connection_ids", ())), "")
    return sides


def _frame(frame: Data) -> Data:
    """Lengths stood in the frame itself, and a code was not split into name and number."""
    raw: dict[str, Any] = frame.get("raw", {})
    made = {key: value for key, value in frame.items() if key != "raw"}
    if "length" in raw:
        made["length"] = raw["length"]
    if "payload_length" in raw:
        made["payload_length"] = raw["payload_length"]
    return made
