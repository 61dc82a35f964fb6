# SPDX-License-Identifier: GPL-2.0-or-later
"""Build, load, test and use the in-kernel QUIC transport: a typed library, with the command ``quicctl`` on top.

``QuicSocket`` and what belongs to it are at hand here, ``quicctl.aio`` is the same for asyncio; docs/python.md shows both. For
everything else import the module of the concept you need (``quicctl.module``, ``quicctl.handshake``, ...). Importing this one
loads nothing, so that commands start fast.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quicctl.errors import QuicctlError
    from quicctl.quicsocket import QuicListener, QuicSocket, QuicStream

__version__ = "0.1.0"

__all__ = ["QuicListener", "QuicSocket", "QuicStream", "QuicctlError", "__version__"]

_HOMES = {"QuicListener": "quicsocket", "QuicSocket": "quicsocket", "QuicStream": "quicsocket", "QuicctlError": "errors"}


def __getattr__(name: str) -> object:
    """A class from its module, when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
