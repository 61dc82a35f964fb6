# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of sessions to resume: read before a handshake, replaced after it.

What is in them is libquic's: the ticket, the address token, the server's transport parameters. Whoever reads one can resume
in the user's name, so nobody else may.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from quicctl import errors


def load(path: Path) -> bytes | None:
    """The session of an earlier handshake; None if there was none."""
    try:
        return path.read_bytes() or None
    except FileNotFoundError:
        return None
    except OSError as failure:
        raise errors.FileUnreadable(
            f"{path} cannot be read: {failure.strerror}", remedy="check the path and its permissions"
        ) from failure


def save(path: Path, session: bytes) -> None:
    """Replace the file in one go; a reader finds the old session or the new one."""
    name = ""
    try:
        handle, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)  # for the owner only
        with os.fdopen(handle, "wb") as file:
            file.write(session)
        os.replace(name, path)
    except OSError as failure:
        if name:
            Path(name).unlink(missing_ok=True)
        raise errors.FileUnwritable(
            f"{path} cannot be written: {failure.strerror}", remedy="check the folder and its permissions"
        ) from failure
