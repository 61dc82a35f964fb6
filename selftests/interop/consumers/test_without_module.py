# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel without QUIC: Debian's smbclient is told so, and falls back to the stack it brings along."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import SLOW, Pki
from samba_root import PATIENCE, PORT, Samba, made

from quicctl import module, process, uapi

_KO = Path(os.environ.get("QUIC_PAYLOAD", "/nonexistent")) / "quic.ko"
_INITIAL_V1 = bytes((0, 0, 0, 1))


@pytest.fixture
def samba(pki: Pki, tmp_path: Path) -> Samba:
    return made(tmp_path / "samba", pki)


@pytest.fixture
def _unloaded(samba: Samba) -> Iterator[None]:
    """The module is out for a while."""
    module.unload(wait=60 * SLOW)
    try:
        yield
    finally:
        module.load(_KO)


@pytest.mark.usefixtures("_unloaded")
def test_client_falls_back(samba: Samba) -> None:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with pytest.raises(OSError) as caught:
            socket.socket(socket.AF_INET, kind, uapi.IPPROTO_QUIC)
        assert caught.value.errno == errno.EPROTONOSUPPORT
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", PORT))
        wire.settimeout(PATIENCE)
        with process.running(samba.inside("/usr/bin/smbclient", "//localhost/share", "-N", "-c", "ls"), stderr=-1) as client:
            first = wire.recv(2048)
            assert client.poll() is None
    # RFC 9000, section 17.2: a long header, here of an Initial packet, alone in a datagram of full size.
    assert (first[0] & 0xF0, first[1:5]) == (0xC0, _INITIAL_V1)
    assert len(first) >= 1200
    assert module.loaded() is None
