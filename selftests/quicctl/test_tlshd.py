# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent for the kernel's own sockets: its configuration, what it refuses, and the messages of the handshake family."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from quicctl import errors, tlshd
from quicctl.genetlink import AUTH_PSK, AUTH_X509, Request


def request(fd: int, **fields: object) -> Request:
    given = {"server": False, "auth": AUTH_X509, "timeout": 1.0, "peername": "", "certificate": False, "identities": ()}
    return Request(fd=fd, **{**given, **fields})  # type: ignore[arg-type]


def test_configuration_is_tlshds(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(
        "[debug]\nloglevel=0\n[authenticate]\n;keyrings=x\n[authenticate.client]\nx509.truststore= /a/ca.pem\n"
        "[authenticate.server]\nx509.certificate=/a/c.pem\nx509.private_key=/a/k.pem\n#x509.truststore=/b\n"
    )
    found = tlshd.read_config(file)
    assert found.client == tlshd.Role(Path("/a/ca.pem"), None, None)
    assert found.server == tlshd.Role(None, Path("/a/c.pem"), Path("/a/k.pem"))


def test_configuration_is_missing_or_broken(tmp_path: Path) -> None:
    with pytest.raises(errors.FileUnreadable):
        tlshd.read_config(tmp_path / "none")
    (tmp_path / "bad").write_text("x509.truststore=/a\n")
    with pytest.raises(errors.CredentialsInvalid):
        tlshd.read_config(tmp_path / "bad")


def test_sockets_of_other_protocols_are_refused(tmp_path: Path) -> None:
    nothing = tlshd.Role(None, None, None)
    with socket.socket() as end:
        assert tlshd.attempt(tlshd.Config(nothing, nothing), request(end.fileno())) == errno.EPROTONOSUPPORT
        os.fstat(end.fileno())  # the descriptor is the caller's


@pytest.mark.parametrize("fields", ({"auth": AUTH_PSK}, {"certificate": True}))
def test_keys_of_keyrings_are_refused(fields: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = tlshd.Role(None, None, None)
    with socket.socket() as end:
        monkeypatch.setattr("quicctl.uapi.IPPROTO_QUIC", socket.IPPROTO_TCP)
        assert tlshd.attempt(tlshd.Config(nothing, nothing), request(end.fileno(), **fields)) == errno.ENOKEY
