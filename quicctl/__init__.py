# SPDX-License-Identifier: GPL-2.0-or-later
"""Build, load, test and use the in-kernel QUIC transport: a typed library, with the command ``quicctl`` on top.

Import the module of the concept you need (``quicctl.module``, ``quicctl.handshake``, ...); this one loads nothing, so
that commands start fast.
"""

__version__ = "0.1.0"
