# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl doctor``."""

from __future__ import annotations

import typer

from quicctl import doctor as library
from quicctl.cli import output
from quicctl.cli.options import JsonOption
from quicctl.doctor import Diagnosis


def doctor(json: JsonOption = False) -> None:
    """Check what this machine has and lacks; ends with 1 if something would stop a command.

    Example: quicctl doctor
    """
    found = library.run()
    output.show(found, json=json, render=_render)
    if not found.healthy:
        raise typer.Exit(1)


def _render(found: Diagnosis) -> list[output.Table]:
    rows = [[row.verdict.value, row.subject, row.finding, row.remedy] for row in found.rows]
    return [output.Table("", ("", "subject", "found", "remedy"), rows, folds=True)]
