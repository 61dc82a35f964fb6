# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl reload``."""

from __future__ import annotations

from quicctl import builder, module
from quicctl.cli import output
from quicctl.cli.options import DryRunOption, JsonOption, KoArgument, WaitOption
from quicctl.module import Reloading


def reload(ko: KoArgument = None, wait: WaitOption = 0.0, dry_run: DryRunOption = False, json: JsonOption = False) -> None:
    """Unload the module and load a build of it, with the settings as they are now; refused while QUIC sockets exist.

    The new file is judged before the old module goes. If the kernel refuses it all the same, the old one is loaded
    again, if it was loaded by quicctl and its file is still there.

    Example: quicctl build && quicctl reload --wait 60
    """
    path = ko or builder.latest()
    if dry_run:
        module.check_reload(path)
        first = f"rmmod {module.NAME}" if module.loaded() is not None else "nothing to unload"
        output.show_plan([first, f"insmod {path}"], json=json)
        return
    output.show(module.reload(path, wait=wait), json=json, render=_render)


def _render(done: Reloading) -> list[output.Table]:
    rows = [
        ["before", done.before.build_id if done.before else "not loaded"],
        ["module", str(done.loading.path)],
        ["version", done.loading.module.version or "-"],
        ["build", done.loading.module.build_id or "-"],
        ["settings kept", ", ".join(done.settings) or "all were defaults"],
    ]
    return [output.Table("reloaded", (), rows)]
