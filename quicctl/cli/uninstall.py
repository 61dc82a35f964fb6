# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl uninstall``."""

from __future__ import annotations

from pathlib import Path

from quicctl import install as library
from quicctl import module
from quicctl.cli import output
from quicctl.cli.install import steps
from quicctl.cli.options import DryRunOption, JsonOption, RootOption


def uninstall(root: RootOption = Path("/"), dry_run: DryRunOption = False, json: JsonOption = False) -> None:
    """Take out what quicctl install put in, and put back what was there before: all of it, or nothing.

    A file that was changed since is left and named. The running kernel keeps the module it has loaded: quicctl unload.

    Example: quicctl uninstall --dry-run; quicctl uninstall
    """
    done = library.uninstall(root, dry_run=dry_run, progress=output.progress)
    output.show(done, json=json, render=lambda result: steps(result, "would uninstall" if dry_run else "uninstalled"))
    if not dry_run and root == Path("/") and module.loaded() is not None:
        output.progress("the module is still loaded; quicctl unload takes it out of the running kernel")
