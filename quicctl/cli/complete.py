# SPDX-License-Identifier: GPL-2.0-or-later
"""Values that a shell offers for options and arguments. Each takes what was typed so far; typer leaves out what does not fit.

What is listed is imported then and not before: a completion must be quick.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def kernels(incomplete: str) -> list[str]:
    """Releases of the kernels whose modules are installed."""
    try:
        return _fitting((path.name for path in Path("/lib/modules").iterdir()), incomplete)
    except OSError:
        return []


def series(incomplete: str) -> list[str]:
    """Kernel series that guests can boot."""
    from quicctl.kernel import SERIES

    return _fitting((one.name for one in SERIES), incomplete)


def namespaces(incomplete: str) -> list[str]:
    """Network namespaces of ip-netns(8)."""
    from quicctl import netns

    return _fitting(netns.names(), incomplete)


def profiles(incomplete: str) -> list[str]:
    """Profiles of settings."""
    from quicctl.settings import PROFILES

    return _fitting(PROFILES, incomplete)


def settings(incomplete: str) -> list[str]:
    """Settings and parameters by the last part of their names, or in full if that is how it begins."""
    from quicctl import settings as library

    names = [one.name for one in library.SETTINGS]
    short = [name.rpartition(".")[2] for name in names] + [one.name for one in library.parameters()]
    return _fitting(names if "." in incomplete else short, incomplete)


def groups(incomplete: str) -> list[str]:
    """Groups of tests."""
    from quicctl.catalogue import GROUPS

    return _fitting((group.name for group in GROUPS), incomplete)


def commands(incomplete: str) -> list[str]:
    """Commands of quicctl."""
    from quicctl.cli.app import COMMANDS

    return _fitting(COMMANDS, incomplete)


def shells(incomplete: str) -> list[str]:
    """Shells that can be completed for."""
    from quicctl.completion import Shell

    return _fitting(Shell, incomplete)


def _fitting(values: Iterable[str], incomplete: str) -> list[str]:
    return sorted({str(value) for value in values if value.startswith(incomplete)})
