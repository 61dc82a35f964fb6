# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl rfc-coverage``."""

from __future__ import annotations

from typing import Annotated

import typer

from quicctl import rfc_coverage as library
from quicctl import sourcetree
from quicctl.cli import output
from quicctl.cli.options import JsonOption
from quicctl.rfc_coverage import Coverage


def rfc_coverage(
    write: Annotated[bool, typer.Option("--write", help=f"Write {library.PAGE} too.")] = False,
    json: JsonOption = False,
) -> None:
    """Show which obligations of the RFCs no code or no test cites; a citation that leads nowhere is an error.

    Example: quicctl rfc-coverage --write
    """
    root = sourcetree.project()
    found = library.assess(root)
    if write:
        with output.writing(root / library.PAGE):
            (root / library.PAGE).write_text(library.render(found))
    output.show(found, json=json, render=_render)


def _render(found: Coverage) -> list[output.Table]:
    counts = []
    for rfc in (rfc for rfc in found.rfcs if rfc.obligations):
        n = found.count(rfc.number)
        counts.append([f"RFC {rfc.number}", *map(str, (n.all, n.exact, n.by_section, n.untestable, n.exempt, n.open))])
    left = [
        [str(row.place), " and ".join(what for what, by in (("code", row.code), ("test", row.tests)) if not by.files), row.text]
        for row in found.rows
        if row.open
    ]
    tables = [output.Table("", ("", "all", "each by itself", "by section", "beyond tests", "not ours", "open"), counts)]
    if left:
        tables.append(output.Table("open", ("obligation", "lacks", ""), left))
    return tables
