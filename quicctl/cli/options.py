# SPDX-License-Identifier: GPL-2.0-or-later
"""Options that several commands share, so that they look and read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quicctl.cli import complete

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")]
KernelOption = Annotated[
    str | None,
    typer.Option("--kernel", metavar="REL", help="Kernel release to work for.", autocompletion=complete.kernels),
]
KdirOption = Annotated[Path | None, typer.Option("--kdir", metavar="DIR", help="Prepared kernel tree to build against.")]
KoArgument = Annotated[Path | None, typer.Argument(metavar="[KO]", help="The module file; default: the newest build.")]
RootOption = Annotated[Path, typer.Option("--root", metavar="DIR", help="The system to change, if not the running one.")]
WaitOption = Annotated[
    float, typer.Option("--wait", metavar="SECONDS", help="How long to wait for connections to end before giving up.")
]
NamespaceOption = Annotated[
    str | None,
    typer.Option("--netns", metavar="NAME", help="Network namespace. Default: this one.", autocompletion=complete.namespaces),
]
NamespacesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--netns",
        metavar="NAME",
        help="Look into this network namespace; may be given again.",
        autocompletion=complete.namespaces,
    ),
]
PortsOption = Annotated[
    list[int] | None, typer.Option("--port", metavar="N", help="Only this port at either end; may be given again.")
]
