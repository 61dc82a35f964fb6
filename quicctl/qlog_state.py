# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tracepoints tell of a connection beside packets, as qlog: timers, connection IDs, paths, ECN, application protocols.

The kernel tells what is so, qlog what has changed; what was told last is remembered here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from quicctl.qlog_frames import Data
from quicctl.tracepoints import UNKNOWN

Told = Iterator[tuple[str, Data]]
"""Names of events without their namespace, and data."""

_TIMERS = {"idle": "idle_timeout", "ack": "ack", "loss": "pto", "path_validation": "path_validation"}


def endpoint(address: str, *cids: str) -> Data:
    """A TupleEndpointInfo of an address as the kernel prints it."""
    made: Data = {}
    v6 = re.fullmatch(r"\[(.*)\]:(\d+)", address)
    v4 = re.fullmatch(r"([\d.]+):(\d+)", address)
    if v6:
        made = {"ip_v6": v6[1], "port_v6": int(v6[2])}
    elif v4:
        made = {"ip_v4": v4[1], "port_v4": int(v4[2])}
    ids = [cid for cid in cids if cid]
    return made | ({"connection_ids": ids} if ids else {})


def protocols(text: str) -> list[Data]:
    """ALPNIdentifiers of a list, its bytes as hexadecimal digits."""
    made: list[Data] = []
    for name in filter(None, bytes.fromhex(text).split(b",")):
        shown = name.decode("ascii", "replace")
        made.append({"string_value": shown} if name.isascii() and shown.isprintable() else {"byte_value": name.hex()})
    return made


def stateless(fields: dict[str, str]) -> Data:
    """A packet that belongs to no packet number space: Retry, Version Negotiation."""
    scid, dcid, versions = fields["scid"], fields["dcid"], fields["versions"]
    header: Data = {
        "packet_type": fields["type"], "version": fields["version"].removeprefix("0x"), "scil": len(scid) // 2,
        "dcil": len(dcid) // 2, "scid": scid, "dcid": dcid,
    }  # fmt: skip
    made: Data = {"header": header, "raw": {"length": int(fields["size"])}}
    if versions:
        made["supported_versions"] = [versions[at : at + 8] for at in range(0, len(versions), 8)]
    return made


@dataclass(slots=True)
class State:
    """What was told last of one connection."""

    _timers: dict[str, tuple[str, int]] = field(default_factory=dict)
    _cids: dict[tuple[str, str], str] = field(default_factory=dict)
    _addresses: dict[str, tuple[str, str]] = field(default_factory=dict)
    _migrations: dict[str, str] = field(default_factory=dict)
    _ecn: dict[str, str] = field(default_factory=dict)

    def started(self, fields: dict[str, str]) -> Told:
        """The connection's beginning: what else is told of it counts from there."""
        self._cids = {("local", "0"): fields["dcid"], ("remote", "0"): fields["scid"]}
        self._addresses["0"] = (fields["local"], fields["peer"])
        offered = protocols(fields.get("alpn", ""))
        if offered:
            yield "alpn_information", {f"{fields['role']}_alpns": offered}

    def alpn(self, fields: dict[str, str], role: str) -> Told:
        """The list of protocols was set anew: to one, which is the chosen one."""
        names = protocols(fields["alpn"])
        if len(names) == 1:
            yield "alpn_information", {"chosen_alpn": names[0]}
        elif names and role != "unknown":
            yield "alpn_information", {f"{role}_alpns": names}

    def connection_id(self, sender: str, fields: dict[str, str]) -> Told:
        """The ID that a packet of ``sender``'s, local or remote, went to; each path has its own."""
        cid, key = fields.get("dcid", ""), (sender, fields["path"])
        old = self._cids.get(key)
        if cid and cid != old:
            self._cids[key] = cid
            yield "connection_id_updated", {"initiator": sender, **({"old": old} if old else {}), "new": cid}

    def timers(self, fields: dict[str, str]) -> Told:
        """When each timer is due."""
        now = int(fields["now"])
        for name, usual in _TIMERS.items():
            kind = "loss_timeout" if name == "loss" and fields["pto"] == "0" else usual
            due, old = int(fields[name]), self._timers.pop(name, None)
            if due == UNKNOWN:
                if old:
                    yield "timer_updated", {"timer_type": old[0], "event_type": "cancelled"}
                continue
            self._timers[name] = (kind, due)
            if old == (kind, due):
                continue
            if old and old[0] != kind:
                yield "timer_updated", {"timer_type": old[0], "event_type": "cancelled"}
            yield "timer_updated", {"timer_type": kind, "event_type": "set", "delta": round(max(0, due - now) / 1e6, 6)}

    def expired(self, fields: dict[str, str]) -> Told:
        """A timer has gone off; those that qlog has no name for are left out."""
        name = {"path": "path_validation"}.get(fields["timer"], fields["timer"])
        if name in _TIMERS:
            kind, _ = self._timers.pop(name, (_TIMERS[name], 0))
            yield "timer_updated", {"timer_type": kind, "event_type": "expired"}

    def migration(self, fields: dict[str, str]) -> Told:
        """What becomes of a path; at first, which addresses it is between."""
        path, new, addresses = fields["path"], fields["state"], (fields["local"], fields["peer"])
        about: Data = {
            "tuple_id": path if path != "0" else "", "tuple_remote": endpoint(fields["peer"]),
            "tuple_local": endpoint(fields["local"]),
        }  # fmt: skip
        if self._addresses.get(path) != addresses:
            self._addresses[path] = addresses
            self._migrations.pop(path, None)
            yield "tuple_assigned", about
        old = self._migrations.get(path)
        self._migrations[path] = new
        yield "migration_state_updated", {**({"old": old} if old else {}), "new": new, **about}

    def ecn(self, fields: dict[str, str]) -> Told:
        """Whether a path's packets are marked."""
        path, new = fields["path"], fields.get("ecn", "")
        old = self._ecn.get(path)
        if new and new != old:
            self._ecn[path] = new
            yield "ecn_state_updated", {**({"old": old} if old else {}), "new": new}
