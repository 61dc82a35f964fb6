# SPDX-License-Identifier: GPL-2.0-or-later
"""Our client and our server against ngtcp2's gtlsserver and gtlsclient, HTTP/3 over the kernel's sockets.

gtlsclient ends with 0 whatever happened, so what counts are the bytes that arrived. It verifies no certificate; our client
does. gtlsserver throws bodies of requests away, so of those only the acknowledgement is seen.
"""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import SLOW, Content, Pki

pytest.importorskip("aioquic", reason="aioquic, whose HTTP/3 layer is used, is not installed")

from h3_peer import Answering, request
from programs import HOST, free_port, serving

from quicctl import libquic, peers, process, uapi


def _program(name: str) -> list[str] | None:
    """How to start it: from trixie's root where there is one, else from this system."""
    root = peers.here("trixie")
    if isinstance(root, peers.Root):
        return root.command(name)
    path = process.which(name)
    return [str(path)] if path else None


CLIENT = _program("gtlsclient")
SERVER = _program("gtlsserver")
PATIENCE = 100 * SLOW

needs_client = pytest.mark.skipif(CLIENT is None, reason="gtlsclient is not installed (ngtcp2-client)")
needs_server = pytest.mark.skipif(SERVER is None, reason="gtlsserver is not installed (ngtcp2-server)")


@contextlib.contextmanager
def gtlsserver(pki: Pki, folder: Path, *words: str) -> Iterator[int]:
    """A server of the files in folder; yields its port."""
    assert SERVER is not None
    port = free_port()
    argv = [*SERVER, "-q", "-d", str(folder), *words, HOST, str(port), str(pki.key), str(pki.cert)]
    with serving(argv, port, folder.parent / "gtlsserver.log"):
        yield port


def gtlsclient(port: int, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Fetch /answer.bin of localhost into folder."""
    assert CLIENT is not None
    argv = [*CLIENT, "-q", "--exit-on-all-streams-close", "--handshake-timeout", f"{30 * SLOW:.0f}s", "--download", str(folder)]
    argv += [*words, HOST, str(port), f"https://localhost:{port}/answer.bin"]
    return subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE)


def answering(pki: Pki, body: bytes) -> Answering:
    """Our server in a thread."""
    return Answering(pki.cert, pki.key, body, host=HOST, timeout=30 * SLOW)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@needs_server
def test_our_client(pki: Pki, theirs: Content) -> None:
    with gtlsserver(pki, theirs.path.parent) as port:
        got = request((HOST, port), pki.ca, f"/{theirs.path.name}", timeout=30 * SLOW)
    assert (got.headers.get(":status"), got.handshake.verify, got.handshake.alpn) == ("200", "ok", "h3")
    assert (got.received, got.sha256) == (theirs.size, theirs.sha256)


@needs_server
def test_our_client_sends_a_body(pki: Pki, ours: Content, theirs: Content) -> None:
    body = ours.path.read_bytes()
    with gtlsserver(pki, theirs.path.parent) as port:
        got = request((HOST, port), pki.ca, f"/{theirs.path.name}", body=body, timeout=30 * SLOW)
    assert got.headers.get(":status") == "200"
    assert (got.received, got.sha256) == (theirs.size, theirs.sha256)
    assert got.acknowledged


@needs_server
def test_our_client_trusts_not_anybody(pki: Pki, small: Content) -> None:
    with gtlsserver(pki, small.path.parent) as port, pytest.raises(libquic.TlsFailure) as caught:
        request((HOST, port), pki.stranger_ca, "/", timeout=30 * SLOW)
    assert caught.value.code == libquic.ERR_CERTIFICATE


@needs_client
def test_our_server(pki: Pki, ours: Content, theirs: Content, tmp_path: Path) -> None:
    server = answering(pki, ours.path.read_bytes())
    said = gtlsclient(server.port, tmp_path, "-m", "POST", "-d", str(theirs.path))
    got = server.end()
    assert (got.headers.get(":method"), got.headers.get(":path")) == ("POST", "/answer.bin")
    assert (got.received, got.sha256) == (theirs.size, theirs.sha256)
    assert sha256(tmp_path / "answer.bin") == ours.sha256, said


@needs_client
@pytest.mark.parametrize("cipher", ("AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305", "AES-128-CCM"))
def test_our_server_with_each_cipher(cipher: str, pki: Pki, small: Content, tmp_path: Path) -> None:
    server = answering(pki, small.path.read_bytes())
    said = gtlsclient(server.port, tmp_path, "--ciphers", f"NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+{cipher}")
    got = server.end()
    assert cipher.replace("-", "_") in got.handshake.cipher_suite.upper().replace("-", "_")
    assert sha256(tmp_path / "answer.bin") == small.sha256, said


@needs_client
@pytest.mark.rfc("RFC 9001, section 6")
def test_our_server_follows_a_key_update(pki: Pki, small: Content, tmp_path: Path) -> None:
    server = answering(pki, small.path.read_bytes())
    said = gtlsclient(server.port, tmp_path, "--key-update", "1ms", "--delay-stream", "300ms")
    got = server.end()
    assert any(isinstance(event, uapi.KeyUpdate) for event in got.events), said
    assert sha256(tmp_path / "answer.bin") == small.sha256, said


@needs_client
@pytest.mark.rfc("RFC 9001, section 4.6")
def test_our_server_takes_early_data(pki: Pki, small: Content, tmp_path: Path) -> None:
    body = small.path.read_bytes()
    server = Answering(pki.cert, pki.key, body, host=HOST, timeout=30 * SLOW, connections=2, early_data=True)
    kept = ("--session-file", str(tmp_path / "session"), "--tp-file", str(tmp_path / "params"))
    said = gtlsclient(server.port, tmp_path, *kept)
    assert sha256(tmp_path / "answer.bin") == small.sha256, said
    (tmp_path / "answer.bin").unlink()
    said = gtlsclient(server.port, tmp_path, *kept)
    got = server.end()
    assert (got.handshake.resumed, got.handshake.early_data) == (True, "accepted"), said
    assert sha256(tmp_path / "answer.bin") == small.sha256, said


@needs_client
@pytest.mark.parametrize("rate", ("0.03",))
def test_our_server_with_losses_at_the_client(rate: str, pki: Pki, small: Content, tmp_path: Path) -> None:
    server = answering(pki, small.path.read_bytes())
    said = gtlsclient(server.port, tmp_path, "-t", rate, "-r", rate)
    server.end()
    assert sha256(tmp_path / "answer.bin") == small.sha256, said
