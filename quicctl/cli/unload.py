# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl unload``."""

from __future__ import annotations

from quicctl import module
from quicctl.cli import output
from quicctl.cli.options import DryRunOption, JsonOption, WaitOption
from quicctl.module import Unloading


def unload(wait: WaitOption = 0.0, dry_run: DryRunOption = False, json: JsonOption = False) -> None:
    """Unload the module, and what load brought in with it; refused while QUIC sockets exist.

    Example: quicctl unload --wait 60
    """
    if dry_run:
        step = "rmmod quic" if module.loaded() is not None else "nothing to do: the module is not loaded"
        output.show_plan([step], json=json)
        return
    output.show(module.unload(wait=wait), json=json, render=_render)


def _render(done: Unloading) -> list[output.Table]:
    text = ", ".join(done.removed) if done.was_loaded else "nothing: the module was not loaded"
    return [output.Table("", (), [["unloaded", text]])]
