# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's tlshd as it is: the agent that does TLS for consumers inside the kernel."""

from __future__ import annotations

from conftest import unsupported
from programs import root

_REFUSAL = b"QUIC handshake is not enabled"
_HOOK = b"gnutls_handshake_set_secret_function"


def test_agent_does_quic() -> None:
    """A build that does has the hook by which GnuTLS hands out secrets; one that does not says so to whoever asks."""
    found = root("sid")
    program = (found.tree / "usr" / "sbin" / "tlshd").read_bytes()
    assert _REFUSAL in program or _HOOK in program
    if _HOOK not in program:
        unsupported(
            f'tlshd {found.versions["ktls-utils"]} is built without: it holds "{_REFUSAL.decode()}" and no {_HOOK.decode()}'
        )
    raise AssertionError("Debian's tlshd does QUIC by now: let it serve a consumer here")
