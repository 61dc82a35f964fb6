# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl conns``."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from quicctl import conns as library
from quicctl.cli import output
from quicctl.cli.options import JsonOption, NamespacesOption, PortsOption
from quicctl.conns import Conn, State


def conns(
    namespace: NamespacesOption = None,
    state: Annotated[list[State] | None, typer.Option("--state", help="Only this state; may be given again.")] = None,
    port: PortsOption = None,
    details: Annotated[bool, typer.Option("--details", "-d", help="All that is known of each.")] = False,
    json: JsonOption = False,
) -> None:
    """Show QUIC connections and listeners.

    Example: quicctl conns --netns web --state established --port 443 --details
    """
    found = library.conns(namespaces=namespace or (), states=state or (), ports=port or ())
    output.show(found, json=json, render=_details if details else _overview)


def _overview(found: tuple[Conn, ...]) -> list[output.Table]:
    """Narrow enough for 80 columns with addresses of IPv4."""
    named = any(conn.netns for conn in found)
    columns = (*(("netns",) if named else ()), "state", "local", "peer", "rtt", "window", "lost")
    rows = [
        [
            *((conn.netns or "-",) if named else ()),
            conn.state.value,
            conn.local,
            conn.peer or "-",
            "-" if conn.rtt is None else output.duration(conn.rtt),
            "-" if conn.congestion_window is None else output.size(conn.congestion_window),
            output.text(conn.packets_lost),
        ]
        for conn in found
    ]
    return [output.Table("", columns, rows, spare=("rtt", "window"))]


_TIMES = ("rtt", "rtt_variance", "min_rtt", "idle_timeout")
_SIZES = (
    "congestion_window", "slow_start_threshold", "bytes_in_flight", "bytes_sent", "bytes_received", "send_credit",
    "receive_credit", "send_buffer", "receive_buffer",
)  # fmt: skip


def _details(found: tuple[Conn, ...]) -> list[output.Table]:
    """A list of names and values for each, without what is not known."""
    tables = []
    for conn in found:
        rows = []
        for field in dataclasses.fields(conn):
            value = getattr(conn, field.name)
            if value is None or field.name in ("local", "peer"):
                continue
            rows.append([field.name.replace("_", " "), _value(field.name, value)])
        tables.append(output.Table(f"{conn.local} - {conn.peer}" if conn.peer else conn.local, (), rows))
    return tables


def _value(name: str, value: object) -> str:
    if name in _TIMES and isinstance(value, float):
        return output.duration(value)
    if name in _SIZES and isinstance(value, int):
        return output.size(value)
    if name == "pacing_rate" and isinstance(value, int):
        return f"{output.size(value)}/s"
    return output.text(value.value if isinstance(value, State) else value)
