# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that are made from the commands and installed beside them: manual pages, completions."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import typer

from quicctl import __version__, completion, manpage
from quicctl.cli.app import COMMANDS, app


def pages(date: datetime | None = None) -> dict[str, str]:
    """The manual pages by file name; the date is that of SOURCE_DATE_EPOCH, or of the program, if none is given."""
    program = typer.main.get_command(app)
    program.name = "quicctl"
    with program.make_context("quicctl", [], resilient_parsing=True) as context:
        return manpage.pages(program, context, COMMANDS, manpage.Edition(__version__, date or _date()))


def files(date: datetime) -> dict[str, str]:
    """All of them, by their paths in a source package's folder ``share``."""
    whole = {f"man/{name}": text for name, text in pages(date).items()}
    for shell in completion.Shell:
        whole[f"completions/{shell}/{completion.FILES[shell]}"] = completion.script(shell)
    return whole


def _date() -> datetime:
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    seconds = int(epoch) if epoch.isdigit() else int(Path(manpage.__file__).stat().st_mtime)
    return datetime.fromtimestamp(seconds, UTC)
