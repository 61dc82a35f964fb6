# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl completion``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from quicctl import completion as library
from quicctl.cli import complete, output
from quicctl.cli.options import JsonOption
from quicctl.completion import Shell


@dataclass(frozen=True, slots=True)
class Script:
    """What a shell reads, and the name under which it looks for it."""

    shell: Shell
    file: str
    text: str


def completion(
    shell: Annotated[
        Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.", autocompletion=complete.shells)
    ],
    json: JsonOption = False,
) -> None:
    """Print what a shell needs to complete commands, options and their values.

    Packages bring it; after an installation by pip it goes where the shell looks for it.

    Example: quicctl completion bash > ~/.local/share/bash-completion/completions/quicctl
    Example: quicctl completion zsh > ~/.zfunc/_quicctl
    Example: quicctl completion fish > ~/.config/fish/completions/quicctl.fish
    """
    text = library.script(shell)
    if json:
        output.show(Script(shell, library.FILES[shell], text), json=True)
    else:
        output.line(text.rstrip("\n"))
