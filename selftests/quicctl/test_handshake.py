# SPDX-License-Identifier: GPL-2.0-or-later
"""What a failed handshake tells the user."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import pytest

from quicctl import endpoint, errors, handshake, libquic
from quicctl.handshake import Options, explain
from quicctl.libquic import Handshake, TlsFailure

TLS = Handshake(
    complete=True, milliseconds=1.5, cipher_suite="TLS_AES_128_GCM_SHA256", group="X25519", signature="", alpn="",
    server_name="", resumed=False, early_data="none", psk_identity="", verify="ok", verify_text="", peer_subject="",
    peer_issuer="", peer_sha256="", close_code=0, close_frame=0, close_phrase="", alert_sent=-1, alert_received=-1,
)  # fmt: skip
PEER = ("192.0.2.1", 4433)


@pytest.mark.parametrize(
    ("code", "kind", "in_message", "in_remedy"),
    [
        (-errno.ETIMEDOUT, errors.NoAnswer, "the port may be closed", "`timeout`"),
        (-errno.ECONNREFUSED, errors.NoAnswer, "nothing listens", "start the server"),
        (libquic.ERR_CERTIFICATE, errors.CertificateNotTrusted, "not trusted: unknown issuer", "`ca`"),
        (libquic.ERR_ALPN, errors.AlpnMismatch, "offers h3", "`alpn`"),
        (libquic.ERR_PEER_ALERT - 120, errors.AlpnMismatch, "no application protocol", "`alpn`"),
        (libquic.ERR_PEER_ALERT - 48, errors.PeerRefused, "does not accept our certificate", "CA"),
        (libquic.ERR_PEER_ALERT - 40, errors.PeerRefused, "TLS alert 40, handshake failure", "compare"),
        (libquic.ERR_TRANSPORT - 2, errors.PeerRefused, "connection refused", "log"),
        (libquic.ERR_CLOSED, errors.PeerRefused, "closed the connection", "log"),
        (libquic.ERR_CREDENTIALS, errors.CredentialsInvalid, "text", "`cert`"),
        (libquic.ERR_SESSION_DATA, errors.FileUnreadable, "holds no session", "remove it"),
        (libquic.ERR_PEER_ALERT - 116, errors.PeerRefused, "does not accept our certificate", "CA"),
        (libquic.ERR_TLS - 50, errors.HandshakeFailed, "text", "QUICCTL_DEBUG"),
        (-errno.ENOMEM, errors.HandshakeFailed, "text", "QUICCTL_DEBUG"),
    ],
)
def test_failure_is_told_with_a_remedy(code: int, kind: type[errors.QuicctlError], in_message: str, in_remedy: str) -> None:
    seen = replace(TLS, complete=False, verify_text="unknown issuer", close_code=2)
    error = explain(TlsFailure(code, "text", seen), PEER, Options(alpn="h3"), server=False)
    assert type(error) is kind
    assert in_message in error.message
    assert in_remedy in error.remedy


def test_client_certificate_is_told_from_the_servers() -> None:
    error = explain(TlsFailure(libquic.ERR_CERTIFICATE, "bad", TLS), PEER, Options(), server=True)
    assert "certificate of the client" in error.message
    assert "`server_name`" not in error.remedy


@pytest.mark.parametrize(
    ("text", "address"),
    [("localhost:1", ("localhost", 1)), ("[::1]:4433", ("::1", 4433)), ("192.0.2.1:65535", ("192.0.2.1", 65535))],
)
def test_addresses_are_read(text: str, address: tuple[str, int]) -> None:
    assert endpoint.parse_address(text) == address


@pytest.mark.parametrize("text", ["", "localhost", ":4433", "host:", "host:x", "host:65536", "host:-1", "host:1.5"])
def test_what_is_no_address_is_said_so(text: str) -> None:
    with pytest.raises(errors.BadAddress) as caught:
        endpoint.parse_address(text)
    assert "HOST:PORT" in caught.value.remedy


def test_missing_module_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for code in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT):

        def refuse(*_: object, code: int = code) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(endpoint.socket, "socket", refuse)
        with pytest.raises(errors.ModuleNotLoaded) as caught:
            endpoint.Endpoint()
        assert "quicctl load" in caught.value.remedy


def test_server_without_anything_to_show_is_refused() -> None:
    with pytest.raises(errors.CredentialsInvalid) as caught:
        handshake.serve(("127.0.0.1", 0), Options())
    assert "`cert`" in caught.value.remedy
