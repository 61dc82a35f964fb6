# SPDX-License-Identifier: GPL-2.0-or-later
"""Options that several commands share, so that they look and read the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from quicctl.cli import complete


def _several(flag: str, metavar: str, text: str, completed: Callable[..., Any] | None = None) -> Any:
    """An option that collects its values."""
    return typer.Option(flag, metavar=metavar, help=f"{text}; may be given again.", autocompletion=completed)


JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")]
KernelOption = Annotated[
    str | None,
    typer.Option("--kernel", metavar="REL", help="Kernel release to work for.", autocompletion=complete.kernels),
]
SeveralKernelsOption = Annotated[list[str] | None, _several("--kernel", "REL", "Kernel release to work for", complete.kernels)]
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
    list[str] | None, _several("--netns", "NAME", "Look into this network namespace", complete.namespaces)
]
PortsOption = Annotated[list[int] | None, _several("--port", "N", "Only this port at either end")]
SeveralSeriesOption = Annotated[
    list[str] | None, _several("--kernel", "SERIES", "Lane vm: 6.1, 6.12 or 7; default: 6.12", complete.series)
]
