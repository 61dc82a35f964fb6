# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl man``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from quicctl.cli import complete, output, share
from quicctl.cli.options import DryRunOption, JsonOption


@dataclass(frozen=True, slots=True)
class Written:
    """The files that were written."""

    files: tuple[Path, ...]


def man(
    command: Annotated[
        str | None,
        typer.Argument(
            metavar="[COMMAND]", help="Print the page of this command alone.", autocompletion=complete.commands
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Leave the pages there.")] = Path("man"),
    dry_run: DryRunOption = False,
    json: JsonOption = False,
) -> None:
    """Write the manual pages: quicctl(1) and one for each command; or print one of them.

    Packages bring them; an installation by pip does not.

    Example: quicctl man --out ~/.local/share/man/man1
    Example: quicctl man cat | man -l -
    """
    pages = share.pages()
    if command is not None:
        page = pages.get(f"quicctl-{command}.1")
        if page is None:
            raise typer.BadParameter(f"there is no command {command!r}", param_hint="COMMAND")
        output.line(page.rstrip("\n"))
        return
    files = tuple(out / name for name in pages)
    if not dry_run:
        with output.writing(out):
            out.mkdir(parents=True, exist_ok=True)
            for path, text in zip(files, pages.values(), strict=True):
                path.write_text(text)
    rows = [["would write" if dry_run else "wrote", str(path)] for path in files]
    output.show(Written(files), json=json, render=lambda _: [output.Table("", (), rows)])
