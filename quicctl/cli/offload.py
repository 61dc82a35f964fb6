# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl offload``."""

from __future__ import annotations

from typing import Annotated

import typer

from quicctl import offload as library
from quicctl.cli import output
from quicctl.cli.options import DryRunOption, JsonOption, NamespaceOption


def offload(
    allowed: Annotated[
        bool | None, typer.Option("--allow/--forbid", help="Let connections of the namespace use devices, or not.")
    ] = None,
    namespace: NamespaceOption = None,
    details: Annotated[bool, typer.Option("--details", "-d", help="All counters.")] = False,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
) -> None:
    """Show devices that protect QUIC packets, and allow or forbid them in a network namespace.

    Example: quicctl offload --details; quicctl offload --netns web --forbid
    """
    if allowed is not None and not dry_run:
        library.allow(allowed, namespace)
    found = library.offload(namespace)
    if allowed is not None and dry_run:
        now = "allowed" if found.allowed else "forbidden"
        output.progress(f"would {'allow' if allowed else 'forbid'} devices; they are {now}")
    output.show(found, json=json, render=_details if details else _overview)


def _switch(found: library.Offload) -> output.Table:
    return output.Table("", (), [["devices", "allowed" if found.allowed else "forbidden"]])


def _overview(found: library.Offload) -> list[output.Table]:
    total = [found.total] if found.total and any(found.total.counts.values()) else []
    rows = [
        [
            "all" if device is found.total else device.name,
            f"{device.associations} of {device.most}",
            *(output.text(device.counts[name]) for name in ("TX_DEVICE", "TX_SOFTWARE", "RX_DEVICE", "RX_SOFTWARE")),
        ]
        for device in (*found.devices, *total)
    ]
    columns = ("device", "associations", "sent by it", "by the kernel", "received by it", "by the kernel")
    return [_switch(found), *([output.Table("", columns, rows)] if rows else [])]


def _details(found: library.Offload) -> list[output.Table]:
    tables = [_switch(found)]
    for device in (*found.devices, *([found.total] if found.total else [])):
        rows = [["associations", f"{device.associations} of {device.most}"]]
        rows += [[name.lower().replace("_", " "), output.text(value)] for name, value in device.counts.items()]
        tables.append(output.Table("all" if device is found.total else device.name, (), rows))
    return tables
