# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl status``."""

from __future__ import annotations

from quicctl import module
from quicctl.cli import output
from quicctl.cli.options import JsonOption
from quicctl.module import Status


def status(json: JsonOption = False) -> None:
    """Show the module as the running kernel has it: version, users, connections, counters.

    Example: quicctl status --json
    """
    output.show(module.status(), json=json, render=_render)


def _render(now: Status) -> list[output.Table]:
    rows = [["kernel", now.kernel], ["QUIC sockets", "yes" if now.usable else "no"]]
    if now.loaded is None:
        rows.append(["module", "built in" if now.usable else "not loaded (quicctl load)"])
    else:
        rows += [
            ["module", f"loaded, version {now.loaded.version or '-'}, build {now.loaded.build_id or '-'}"],
            ["references", str(now.loaded.references)],
        ]
    rows.append(["listeners", ", ".join(now.listeners) or "-"])
    tables = [output.Table("", (), rows)]
    if now.connections:
        tables.append(
            output.Table(
                "connections",
                ("state", "local", "remote", "window", "mss", "in flight"),
                [
                    [c.state, c.local, c.remote, output.size(c.window), output.size(c.mss), output.size(c.in_flight)]
                    for c in now.connections
                ],
                spare=("in flight", "window", "mss"),
            )
        )
    counted = [[name, str(value)] for name, value in now.counters.items() if value]
    if counted:
        tables.append(output.Table("counters", (), counted))
    return tables
