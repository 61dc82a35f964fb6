# SPDX-License-Identifier: GPL-2.0-or-later
"""What a wheel carries beside the package: the sources of module and library, templates, tests, see quicctl/sourcetree.py.

Packages of distributions have those in packages of their own, and set QUICCTL_WITHOUT_SOURCES.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class SourcesHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the rest of the project to a wheel, unless it is an editable one: that finds it where it is."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds."""
        if version == "editable" or os.environ.get("QUICCTL_WITHOUT_SOURCES"):
            return
        root = Path(self.root)
        sys.path.insert(0, str(root))
        try:
            from quicctl import sourcetree
        finally:
            sys.path.remove(str(root))
        for name, path in sourcetree.whole(root):
            if not name.startswith("quicctl/"):
                build_data["force_include"][str(path)] = f"quicctl/{sourcetree.CARRIED}/{name}"
