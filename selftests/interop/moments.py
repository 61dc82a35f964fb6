# SPDX-License-Identifier: GPL-2.0-or-later
"""Moments of a second, for peers whose tickets' ages are whole seconds."""

from __future__ import annotations

import time


def wait_for_moment(fraction: float) -> None:
    """Until the clock's next second is so far gone.

    BoringSSL counts a ticket's age in whole seconds of the clock, and GnuTLS refuses early data (RFC 8446, section 8.3) if that
    is more than has passed since it made the ticket: so a ticket should come early in a second and be used late in one.
    """
    time.sleep((fraction - time.time()) % 1)
