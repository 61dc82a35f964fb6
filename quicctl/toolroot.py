# SPDX-License-Identifier: GPL-2.0-or-later
"""The tools of another suite, for kernels whose modules this machine's own cannot build.

A module must be compiled as its kernel was: options that the compiler decides shape the kernel's structures, and a module
that has them otherwise is refused, or worse. The root is debroot.py's; which kernel needs one, kernel.py's decision.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from quicctl import cache, debroot, errors, process
from quicctl.kernel import Tools

Progress = Callable[[str], None]


def identity(tools: Tools) -> str:
    """What a build's key holds in the place of a compiler's version."""
    return " ".join((tools.suite, *tools.packages))


def run(
    tools: Tools, argv: Sequence[str], *, timeout: float, on_line: Callable[[str], None], progress: Progress | None = None
) -> process.Result:
    """Run a command in a root with these tools, in which the cache lies where it lies here; raises NotRoot."""
    if os.geteuid() != 0:
        raise errors.NotRoot(
            f"the compiler and the build tools are those of {tools.suite}, in a root of their own, which takes root's rights",
            remedy="run it as root, or choose a kernel whose compiler this machine has: --kernel 6.1, 6.12 or 7",
        )
    lower = debroot.root(tools.suite, tools.packages, progress)
    with debroot.session(lower, cache.root(), str(cache.root())) as opened:
        return opened.run(["env", "LC_ALL=C", *argv], timeout=timeout, on_line=on_line)
