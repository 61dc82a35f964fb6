# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl install``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from quicctl import builder, kernel
from quicctl import install as library
from quicctl.cli import output
from quicctl.cli.options import DryRunOption, JsonOption, KdirOption, KernelOption, RootOption
from quicctl.install import Installation, Options

# More files of one folder than these share a line.
_MANY = 4


def install(
    ko: Annotated[
        list[Path] | None, typer.Argument(metavar="[KO]...", help="Modules to install; default: built now for the kernel.")
    ] = None,
    release: KernelOption = None,
    kdir: KdirOption = None,
    everything: Annotated[bool, typer.Option("--all", help="For every kernel whose headers are installed.")] = False,
    root: RootOption = Path("/"),
    prefix: Annotated[Path, typer.Option("--prefix", metavar="DIR", help="Of library, headers and pages.")] = library.PREFIX,
    with_library: Annotated[bool, typer.Option("--library/--no-library", help="Install libquic and headers too.")] = True,
    autoload: Annotated[bool, typer.Option("--autoload/--no-autoload", help="Have the module loaded at boot.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Install a module that its kernel would refuse.")] = False,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
) -> None:
    """Install the module for its kernel, the library, and configuration for boot: all of it, or nothing.

    The module goes to /lib/modules/REL/updates, where modprobe looks first; /etc/modules-load.d/quic.conf loads it at
    boot, /etc/sysctl.d/60-quic.conf says what can be set. What is in the way is kept and comes back with
    quicctl uninstall. An installation that is interrupted undoes itself, at the latest when the next one begins.

    Example: quicctl install --dry-run; quicctl install
    """
    if ko and (release or kdir or everything):
        raise typer.BadParameter("a module file goes without --kernel, --kdir and --all")
    modules = list(ko or [])
    if not modules:
        targets = kernel.all_installed() if everything else [kernel.choose(release, kdir)]
        modules = [builder.module(target, progress=output.progress).module for target in targets]
    options = Options(root, prefix, with_library, autoload, force)
    done = library.install(modules, options, dry_run=dry_run, progress=output.progress)
    title = "would install" if dry_run else "installed"
    output.show(done, json=json, render=lambda result: steps(result, title))


def steps(done: Installation, title: str) -> list[output.Table]:
    """What was done, as tables."""
    together = Counter((step.action, str(Path(step.what).parent)) for step in done.steps if step.action != "run")
    rows: list[list[str]] = []
    for step in done.steps:
        folder = str(Path(step.what).parent)
        count = together[step.action, folder]
        row = [step.action, f"{folder}/ ({count} files)" if count > _MANY else step.what]
        if row not in rows:
            rows.append(row)
    note = "; an interrupted call before was undone first" if done.recovered else ""
    return [output.Table(f"{title}, for {', '.join(done.releases) or 'no kernel'}{note}", (), rows)]
