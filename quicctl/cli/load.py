# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl load``."""

from __future__ import annotations

from typing import Annotated

import typer

from quicctl import builder, modinfo, module
from quicctl.cli import output
from quicctl.cli.options import DryRunOption, JsonOption, KoArgument
from quicctl.module import Loading


def load(
    ko: KoArgument = None,
    replace: Annotated[bool, typer.Option("--replace", help="Unload another build first.")] = False,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
) -> None:
    """Load the module, with the modules it needs, and show what the kernel now runs.

    What would make the kernel refuse it is looked at first: quicctl inspect.

    Example: quicctl build && quicctl load
    """
    path = ko or builder.latest()
    if dry_run:
        module.check(path)
        module.check_loading_possible(signed=modinfo.read(path).signed)
        output.show_plan([f"insmod {path}"], json=json)
        return
    output.show(module.load(path, replace=replace), json=json, render=_render)


def _render(done: Loading) -> list[output.Table]:
    rows = [
        ["module", str(done.path)],
        ["version", done.module.version or "-"],
        ["build", done.module.build_id or "-"],
        ["also loaded", ", ".join(done.dependencies) or "-"],
    ]
    return [output.Table("loaded", (), rows)]
