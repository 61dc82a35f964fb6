# SPDX-License-Identifier: GPL-2.0-or-later
"""The tracepoints of one connection as qlog.

Sources: draft-ietf-quic-qlog-main-schema and draft-ietf-quic-qlog-quic-events as they were after numbers 13 and 12; section
names below are theirs. Times are milliseconds, sizes bytes. What the module does not know is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from quicctl import qlog_frames, qlog_state
from quicctl.qlog_frames import Data
from quicctl.qlog_state import Told, endpoint
from quicctl.tracepoints import UNKNOWN, Record

EVENT_SCHEMAS = ("urn:ietf:params:qlog:events:quic-13", "urn:ietf:params:qlog:events:loglevel")
FILE_SCHEMA = "urn:ietf:params:qlog:file:sequential"
SERIALIZATION = "application/qlog+json-seq"

_PACKET_TYPES = {"initial": "initial", "handshake": "handshake", "0rtt": "0RTT", "1rtt": "1RTT"}
_SPACES = {"initial": "initial", "handshake": "handshake", "0rtt": "application_data", "1rtt": "application_data"}
_STATES = {"handshake": "attempted", "established": "handshake_complete"}
_ECN = ("Not-ECT", "ECT(1)", "ECT(0)", "CE")
_SENDING = {"ready", "send", "data_sent", "data_received", "reset_sent", "reset_acked"}
_STREAM_STATES = {"reset_acked": "reset_received", "received": "data_received", "read": "data_read"}
_DEFAULT_EXPONENT = 3
"""Of ACK delays, until the peer has said another. RFC 9000, section 18.2."""

DROP_TRIGGERS = {
    "header": "invalid", "fixed_bit": "invalid", "reserved_bits": "invalid", "version": "unsupported", "type": "invalid",
    "too_short": "invalid", "small_initial": "invalid", "other_dcid": "invalid", "source_cid": "invalid",
    "packet_number": "invalid", "duplicate": "duplicate", "frame": "invalid", "key_phase": "invalid",
    "authentication": "decryption_failure", "key_unavailable": "key_unavailable", "cipher_busy": "internal_error",
    "offload": "internal_error",
    "waiting_full": "rejected", "receive_buffer": "rejected", "backlog_full": "rejected", "listener_full": "rejected",
    "validation": "rejected", "no_memory": "internal_error", "checksum": "invalid", "no_connection": "connection_unknown",
    "no_listener": "connection_unknown", "address": "rejected", "closed": "general",
}  # fmt: skip
"""The module's reasons, and what qlog calls their kinds."""

RECOVERY = {
    "reordering_threshold": 3, "time_threshold": 1.125, "timer_granularity": 1, "persistent_congestion_threshold": 3,
}  # fmt: skip
"""What the module begins with; a test compares it with module/core."""

_METRICS = {
    "min_rtt": 1e-6, "smoothed_rtt": 1e-6, "latest_rtt": 1e-6, "rtt_variance": 1e-6, "pto_count": 1, "congestion_window": 1,
    "bytes_in_flight": 1, "ssthresh": 1, "pacing_rate": 8,
}  # fmt: skip
"""Names are the same; nanoseconds become milliseconds, bytes a second bits."""

_PARAMETERS = {
    "max_udp_payload_size": "max_udp_payload_size", "max_data": "initial_max_data",
    "max_stream_data_bidi_local": "initial_max_stream_data_bidi_local",
    "max_stream_data_bidi_remote": "initial_max_stream_data_bidi_remote",
    "max_stream_data_uni": "initial_max_stream_data_uni", "max_streams_bidi": "initial_max_streams_bidi",
    "max_streams_uni": "initial_max_streams_uni", "ack_delay_exponent": "ack_delay_exponent",
    "active_connection_id_limit": "active_connection_id_limit", "max_datagram_frame_size": "max_datagram_frame_size",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """An event, its time still that of the tracer's clock."""

    time: int
    """Nanoseconds."""
    name: str
    data: Data
    cpu: int = 0
    path: int = 0

    def to_json(self, reference: int) -> Data:
        """As the schema has it; ``reference`` is the time that counts as zero."""
        made: Data = {"time": round((self.time - reference) / 1e6, 6), "name": self.name, "data": self.data}
        if self.path:
            made["tuple"] = str(self.path)
        return made | {"system_info": {"processor_id": self.cpu}}


def header(*, title: str, role: str, wall_clock: str, group: str | None) -> Data:
    """The first record of a file (QlogFileSeq); ``role`` is client, server or unknown, ``wall_clock`` as RFC 3339 writes it."""
    common: Data = {
        "time_format": "relative_to_epoch",
        "reference_time": {"clock_type": "monotonic", "epoch": "unknown", "wall_clock_time": wall_clock},
    }
    if group:
        common["group_id"] = group
    return {
        "file_schema": FILE_SCHEMA,
        "serialization_format": SERIALIZATION,
        "title": title,
        "trace": {
            "title": title,
            "common_fields": common,
            "vantage_point": {"name": f"Linux kernel {role}", "type": role},
            "event_schemas": list(EVENT_SCHEMAS),
        },
    }


def warning(time: int, message: str) -> Event:
    """A remark about the trace itself."""
    return Event(time, "loglevel:warning", {"message": message})


@dataclass(slots=True)
class _Space:
    """A packet number space: what was sent and is not acknowledged, with the frames that a loss would send again."""

    outstanding: dict[int, list[Data]] = field(default_factory=dict)

    def acknowledged(self, ranges: list[tuple[int, int]]) -> list[int]:
        """Those that an ACK frame tells of for the first time."""
        found: list[int] = []
        for first, last in ranges:
            if last - first < len(self.outstanding):
                found += [pn for pn in range(first, last + 1) if pn in self.outstanding]
            else:
                found += [pn for pn in self.outstanding if first <= pn <= last]
        for pn in found:
            del self.outstanding[pn]
        return sorted(found)


_Pending = dict[tuple[str, int], list[Data]]


@dataclass(slots=True)
class Mapper:
    """Turns records of one connection into events; what it remembers of it is in the fields.

    Frames and packets come apart: the frames of a sent packet before it, those of a received one behind it.
    """

    conn: int
    role: str = "unknown"
    version: str = ""
    _state: str = ""
    _sent: _Pending = field(default_factory=dict)
    _received: tuple[Record, Data] | None = None
    _acked: list[tuple[str, list[int]]] = field(default_factory=list)
    _spaces: dict[str, _Space] = field(default_factory=dict)
    _exponents: dict[str, int] = field(default_factory=dict)
    _idle: dict[str, int] = field(default_factory=dict)
    _heard: int = 0
    _streams: dict[tuple[int, str], str] = field(default_factory=dict)
    _metrics: dict[str, Data] = field(default_factory=dict)
    _mss: dict[str, int] = field(default_factory=dict)
    _known: qlog_state.State = field(default_factory=qlog_state.State)

    def events(self, record: Record) -> Iterator[Event]:
        """What this record, and with it an earlier packet, is in qlog. What the mapping does not know is passed over."""
        if self._received and not self._belongs(record):
            yield from self.finish()
        make = _HANDLERS.get(record.name)
        if make is None:
            return
        path = int(record.fields.get("path", "0"))
        for name, data in make(self, record):
            yield Event(record.time, f"quic:{name}", data, record.cpu, path)

    def finish(self) -> Iterator[Event]:
        """The packet whose frames were being collected."""
        if self._received is None:
            return
        record, data = self._received
        self._received = None
        path = int(record.fields["path"])
        yield Event(record.time, "quic:packet_received", data, record.cpu, path)
        acked, self._acked = self._acked, []
        for space, packets in acked:
            yield Event(
                record.time, "quic:packets_acked", {"packet_number_space": space, "packet_numbers": packets}, record.cpu, path
            )

    def _belongs(self, record: Record) -> bool:
        assert self._received is not None
        packet = self._received[0].fields
        return record.name == "frame_received" and all(record.fields[key] == packet[key] for key in ("level", "pn"))

    def _space(self, level: str) -> _Space:
        return self._spaces.setdefault(_SPACES[level], _Space())

    def _packet(self, fields: dict[str, str]) -> Data:
        made: Data = {"packet_type": _PACKET_TYPES[fields["level"]], "packet_number": int(fields["pn"])}
        if self.version and fields["level"] != "1rtt":
            made["version"] = self.version
        return made

    def _frame(self, fields: dict[str, str], sender: str) -> Data:
        exponent = self._exponents.get(sender, _DEFAULT_EXPONENT) if fields["level"] == "1rtt" else _DEFAULT_EXPONENT
        return qlog_frames.frame(fields, exponent)

    def _peer(self) -> str:
        return {"client": "server", "server": "client"}.get(self.role, "unknown")

    # A method for each tracepoint: names without namespace, and data.

    def _started(self, record: Record) -> Told:
        f = record.fields
        self.role, self.version = f["role"], f["version"].removeprefix("0x")
        yield "connection_started", {"local": endpoint(f["local"], f["scid"]), "remote": endpoint(f["peer"], f["dcid"])}
        yield "version_information", {"chosen_version": self.version}
        yield from self._known.started(f)

    def _connection_state(self, record: Record) -> Told:
        yield from self._to_state(_STATES.get(record.fields["new"], record.fields["new"]))

    def _confirmed(self, record: Record) -> Told:
        yield from self._to_state("handshake_confirmed")

    def _to_state(self, new: str) -> Told:
        old, self._state = self._state, new
        yield "connection_state_updated", ({"old": old} if old else {}) | {"new": new}

    def _closed(self, record: Record) -> Told:
        f = record.fields
        trigger = f["trigger"]
        made: Data = {"initiator": "remote" if trigger in ("peer", "stateless_reset") else "local"}
        if trigger in ("application", "error", "peer"):
            if "application_code" in f:
                made |= {"application_error": "unknown", "error_code": int(f["application_code"], 16)}
            else:
                error = qlog_frames.transport_error(int(f["code"], 16))
                made["connection_error"] = error.pop("error")
                made |= error
        if f["reason"]:
            made["reason"] = f["reason"]
        timeouts = [timeout for timeout in self._idle.values() if timeout]
        if trigger == "silent":
            silence = record.time - self._heard if self._heard else 0
            trigger = "idle_timeout" if timeouts and silence >= min(timeouts) else "unspecified"
        made["trigger"] = "unspecified" if trigger == "peer" else trigger
        yield "connection_closed", made

    def _version(self, record: Record) -> Told:
        self.version = record.fields["version"].removeprefix("0x")
        yield "version_information", {"chosen_version": self.version}

    def _parameters(self, record: Record) -> Told:
        f = record.fields
        owner = f["owner"]
        self._exponents[owner] = int(f["ack_delay_exponent"])
        self._idle[owner] = int(f["max_idle_timeout"])
        made: Data = {"initiator": owner}
        made |= {there: int(f[here]) for here, there in _PARAMETERS.items() if int(f[here]) != UNKNOWN}
        made |= {name: int(f[name]) // 1_000_000 for name in ("max_idle_timeout", "max_ack_delay")}
        made |= {name: f[name] == "1" for name in ("disable_active_migration", "grease_quic_bit")}
        yield "parameters_set", made

    def _key_updated(self, record: Record) -> Told:
        f = record.fields
        side = self.role if f["direction"] == "send" else self._peer()
        if side == "unknown":
            return
        made: Data = {"key_type": f"{side}_{f['level']}_secret", "trigger": f["trigger"]}
        if f["level"] == "1rtt":
            made["key_phase"] = int(f["generation"])
        yield "key_updated", made

    def _key_discarded(self, record: Record) -> Told:
        f = record.fields
        if self.role == "unknown":
            return
        if f["level"] == "1rtt":
            # The peer's key of the generation before.
            phase = max(0, int(f["generation"]) - 1)
            yield "key_discarded", {"key_type": f"{self._peer()}_1rtt_secret", "key_phase": phase}
            return
        for side in ("client",) if f["level"] == "0rtt" else ("client", "server"):
            yield "key_discarded", {"key_type": f"{side}_{f['level']}_secret"}

    def _stream_state(self, record: Record) -> Told:
        f = record.fields
        stream, state = int(f["stream"]), f["state"]
        side = "sending" if state in _SENDING else "receiving"
        old = self._streams.get((stream, side))
        new = _STREAM_STATES.get(state, state)
        self._streams[(stream, side)] = new
        yield "stream_state_updated", {
            "stream_id": stream, "stream_type": "unidirectional" if stream & 2 else "bidirectional",
            **({"old": old} if old else {}), "new": new, "stream_side": side,
        }  # fmt: skip

    def _frame_sent(self, record: Record) -> Told:
        f = record.fields
        self._sent.setdefault((f["level"], int(f["pn"])), []).append(self._frame(f, "local"))
        return iter(())

    def _packet_sent(self, record: Record) -> Told:
        f = record.fields
        level, pn = f["level"], int(f["pn"])
        frames = self._sent.pop((level, pn), [])
        # Packets leave in order: what was filled before and did not come was never sealed.
        for key in [key for key in self._sent if key[0] == level and key[1] < pn]:
            del self._sent[key]
        if f["eliciting"] == "1":
            self._space(level).outstanding[pn] = [frame for frame in frames if qlog_frames.is_resent(frame)]
        yield from self._known.connection_id("local", f)
        made: Data = {"header": self._packet(f), "frames": frames, "raw": {"length": int(f["size"])}}
        if f["probe"] == "1":
            made["trigger"] = "pto_probe"
        yield "packet_sent", made

    def _packet_received(self, record: Record) -> Told:
        self._heard = record.time
        data = {"header": self._packet(record.fields), "frames": [], "raw": {"payload_length": int(record.fields["size"])}}
        self._received = (record, data)
        if record.fields["level"] == "1rtt":
            yield from self._known.connection_id("remote", record.fields)

    def _frame_received(self, record: Record) -> Told:
        f = record.fields
        if self._received is None:
            # Its packet was lost to a full ring.
            return iter(())
        self._received[1]["frames"].append(self._frame(f, "remote"))
        if qlog_frames.is_ack(f):
            packets = self._space(f["level"]).acknowledged(qlog_frames.ranges(f))
            if packets:
                self._acked.append((_SPACES[f["level"]], packets))
        return iter(())

    def _packet_lost(self, record: Record) -> Told:
        f = record.fields
        made: Data = {"header": self._packet(f), "trigger": f["trigger"]}
        frames = self._space(f["level"]).outstanding.get(int(f["pn"]))
        if frames:
            made["frames"] = frames
        yield "packet_lost", made
        if frames:
            yield "marked_for_retransmit", {"frames": frames}

    def _packet_dropped(self, record: Record) -> Told:
        reason = record.fields["reason"]
        yield "packet_dropped", {
            "raw": {"length": int(record.fields["size"])}, "details": {"reason": reason},
            "trigger": DROP_TRIGGERS.get(reason, "general"),
        }  # fmt: skip

    def _packet_buffered(self, record: Record) -> Told:
        yield "packet_buffered", {"raw": {"length": int(record.fields["size"])}, "trigger": record.fields["trigger"]}

    def _datagrams(self, record: Record) -> Told:
        f = record.fields
        size, whole = int(f["size"]), int(f["bytes"])
        lengths = [min(size, whole - at) for at in range(0, whole, size)] if size else []
        made: Data = {"count": int(f["count"])}
        if lengths:
            made["raw"] = [{"length": length} for length in lengths]
        made["ecn"] = [_ECN[int(f["ecn"]) & 3]]
        yield f"udp_{record.name}", made

    def _recovery(self, record: Record) -> Told:
        f = record.fields
        path, mss = f["path"], int(f["mss"])
        if not self._metrics:
            window = int(f["congestion_window"])
            yield "recovery_parameters_set", RECOVERY | {"max_datagram_size": mss, "initial_congestion_window": window}
        now: Data = {}
        for name, factor in _METRICS.items():
            value = int(f[name])
            if value not in (UNKNOWN, (1 << 32) - 1):
                now[name] = round(value * factor, 6) if isinstance(factor, float) else min(value * factor, UNKNOWN)
        before = self._metrics.get(path, {})
        changed = {name: value for name, value in now.items() if before.get(name) != value}
        self._metrics[path] = now
        if changed:
            yield "recovery_metrics_updated", changed
        old = self._mss.get(path)
        self._mss[path] = mss
        if old != mss:
            yield "mtu_updated", ({} if old is None else {"old": old}) | {"new": mss}
        yield from self._known.ecn(f)

    def _congestion(self, record: Record) -> Told:
        yield "congestion_state_updated", {"old": record.fields["old"], "new": record.fields["new"]}

    def _alpn(self, record: Record) -> Told:
        return self._known.alpn(record.fields, self.role)

    def _timers(self, record: Record) -> Told:
        return self._known.timers(record.fields)

    def _timer_expired(self, record: Record) -> Told:
        return self._known.expired(record.fields)

    def _migration(self, record: Record) -> Told:
        return self._known.migration(record.fields)

    def _stateless(self, record: Record) -> Told:
        yield f"packet_{record.name.removeprefix('stateless_')}", qlog_state.stateless(record.fields)


_Handler = Callable[[Mapper, Record], Told]
_HANDLERS: dict[str, _Handler] = {
    "connection_started": Mapper._started,
    "connection_state": Mapper._connection_state,
    "connection_closed": Mapper._closed,
    "handshake_confirmed": Mapper._confirmed,
    "version": Mapper._version,
    "parameters": Mapper._parameters,
    "key_updated": Mapper._key_updated,
    "key_discarded": Mapper._key_discarded,
    "stream_state": Mapper._stream_state,
    "frame_sent": Mapper._frame_sent,
    "packet_sent": Mapper._packet_sent,
    "packet_received": Mapper._packet_received,
    "frame_received": Mapper._frame_received,
    "packet_lost": Mapper._packet_lost,
    "packet_dropped": Mapper._packet_dropped,
    "packet_buffered": Mapper._packet_buffered,
    "datagrams_sent": Mapper._datagrams,
    "datagrams_received": Mapper._datagrams,
    "recovery_metrics": Mapper._recovery,
    "congestion_state": Mapper._congestion,
    "alpn": Mapper._alpn,
    "timers": Mapper._timers,
    "timer_expired": Mapper._timer_expired,
    "migration": Mapper._migration,
    "stateless_sent": Mapper._stateless,
    "stateless_received": Mapper._stateless,
}

TRACEPOINTS = frozenset(_HANDLERS)
"""Names of the tracepoints that have a place in qlog, without their prefix."""
