# SPDX-License-Identifier: GPL-2.0-or-later
"""The first packets of a connection against aioquic: Retry, tokens, Version Negotiation, version 2, compatible versions."""

from __future__ import annotations

import dataclasses
import queue
from pathlib import Path

import pytest
from conftest import Content, Pki

aioquic = pytest.importorskip("aioquic", reason="aioquic is not installed")

from aio_peer import Failed, Outcome, run_client, run_server, stranger  # noqa: E402
from aioquic.quic.configuration import QuicConfiguration  # noqa: E402
from test_aioquic import PATIENCE, V4, configuration, options, serving  # noqa: E402

from quicctl import handshake  # noqa: E402
from quicctl.handshake import Options, Report  # noqa: E402

V1, V2 = 0x00000001, 0x6B3343CF
UNKNOWN = 0x1A2A3A4A


def client_speaks(pki: Pki, first: int, *also: int) -> QuicConfiguration:
    made = configuration(pki, client=True)
    made.original_version = first
    made.supported_versions = [first, *also]
    return made


def server_speaks(pki: Pki, *versions: int) -> QuicConfiguration:
    made = configuration(pki, client=False)
    made.supported_versions = list(versions)
    return made


def our_server(given: Options, theirs: QuicConfiguration, content: Content) -> tuple[Report, Outcome]:
    """One connection of the stranger to our server."""
    server = serving(V4, given)
    with stranger() as peer:
        brought = peer.call(run_client(V4, server.port, theirs, content.path.read_bytes()), PATIENCE)
    return server.end(), brought


def our_client(given: Options, theirs: QuicConfiguration, content: Content, *, retry: bool = False) -> tuple[Report, Outcome]:
    """One connection of ours to the stranger's server."""
    listening: queue.Queue[int] = queue.Queue()
    with stranger() as peer:
        outcome = peer.start(run_server(V4, theirs, content.path.read_bytes(), listening.put, retry=retry))
        report = handshake.connect((V4, listening.get(timeout=PATIENCE)), given, hostname="localhost")
        return report, outcome.result(PATIENCE)


def agree(report: Report, brought: Outcome, ours: Content, theirs: Content) -> None:
    assert (report.received.bytes, report.received.sha256) == (theirs.size, theirs.sha256)
    assert (brought.received, brought.sha256) == (ours.size, ours.sha256)


def test_their_client_after_our_retry(pki: Pki, small: Content, small_theirs: Content, tmp_path: Path) -> None:
    """RFC 9000, sections 8.1.2 and 17.2.5; RFC 9001, section 5.8: the stranger verifies tag and transport parameters."""
    given = dataclasses.replace(options(pki, small, tmp_path, server=True), retry=True)
    report, brought = our_server(given, configuration(pki, client=True), small_theirs)
    agree(report, brought, small, small_theirs)
    assert brought.retries == 1


def test_their_client_after_our_retry_in_version_2(pki: Pki, small: Content, small_theirs: Content, tmp_path: Path) -> None:
    """RFC 9369, section 3.3.3."""
    given = dataclasses.replace(options(pki, small, tmp_path, server=True), retry=True)
    report, brought = our_server(given, client_speaks(pki, V2), small_theirs)
    agree(report, brought, small, small_theirs)
    assert (brought.retries, brought.version) == (1, V2)


def test_our_client_after_their_retry(pki: Pki, small: Content, small_theirs: Content, tmp_path: Path) -> None:
    """RFC 9000, section 17.2.5.3: the stranger's token is longer than ours."""
    for version in (V1, V2):
        given = dataclasses.replace(options(pki, small, tmp_path), version=version)
        report, brought = our_client(given, server_speaks(pki, version), small_theirs, retry=True)
        agree(report, brought, small, small_theirs)
        assert brought.version == version


def test_their_client_brings_our_token(pki: Pki, small: Content, small_theirs: Content, tmp_path: Path) -> None:
    """RFC 9000, section 8.1.3: a token of one connection saves the Retry of the next, once."""
    given = dataclasses.replace(options(pki, small, tmp_path, server=True), retry=True)
    server = serving(V4, given, count=3)
    tokens: list[bytes] = []
    retries = []
    with stranger() as peer:
        for again in (False, True, True):
            theirs = configuration(pki, client=True)
            if again:
                theirs.token = tokens[0]
            content = small_theirs.path.read_bytes()
            brought = peer.call(run_client(V4, server.port, theirs, content, tokens.append), PATIENCE)
            assert (brought.received, brought.sha256) == (small.size, small.sha256)
            retries.append(brought.retries)
    server.end()
    assert retries == [1, 0, 1]
    assert len(set(tokens)) == 3  # one may come again, if its acknowledgment was late


def test_bad_retry_token_is_refused(pki: Pki, small: Content, small_theirs: Content, tmp_path: Path) -> None:
    """RFC 9000, section 8.1.2: the client learns at once, by INVALID_TOKEN."""
    given = dataclasses.replace(options(pki, small, tmp_path, server=True), retry=True)
    server = serving(V4, given)
    theirs = configuration(pki, client=True)
    theirs.token = b"\x01" + bytes(76)
    with stranger() as peer:
        with pytest.raises(Failed, match="0xb "):
            peer.call(run_client(V4, server.port, theirs, b"", wait=False), PATIENCE)
        brought = peer.call(
            run_client(V4, server.port, configuration(pki, client=True), small_theirs.path.read_bytes()), PATIENCE
        )
    agree(server.end(), brought, small, small_theirs)


def test_version_2_from_the_first_packet(pki: Pki, small: Content, small_theirs: Content, tmp_path: Path) -> None:
    """RFC 9369, section 3."""
    given = dataclasses.replace(options(pki, small, tmp_path), version=V2)
    report, brought = our_client(given, server_speaks(pki, V2, V1), small_theirs)
    agree(report, brought, small, small_theirs)
    assert brought.version == V2
    report, brought = our_server(options(pki, small, tmp_path, server=True), client_speaks(pki, V2), small_theirs)
    agree(report, brought, small, small_theirs)
    assert brought.version == V2


def test_our_server_switches_to_version_2(pki: Pki, small: Content, small_theirs: Content, tmp_path: Path) -> None:
    """RFC 9368, section 2.3; RFC 9369, section 4.1."""
    given = dataclasses.replace(options(pki, small, tmp_path, server=True), version=V2)
    report, brought = our_server(given, client_speaks(pki, V1, V2), small_theirs)
    agree(report, brought, small, small_theirs)
    assert brought.version == V2


def test_our_server_switches_after_retry(pki: Pki, small: Content, small_theirs: Content, tmp_path: Path) -> None:
    """RFC 9369, section 4.1 #1 #3."""
    given = dataclasses.replace(options(pki, small, tmp_path, server=True), version=V2, retry=True)
    report, brought = our_server(given, client_speaks(pki, V1, V2), small_theirs)
    agree(report, brought, small, small_theirs)
    assert (brought.retries, brought.version) == (1, V2)


def test_our_client_follows_to_version_2(pki: Pki, small: Content, small_theirs: Content, tmp_path: Path) -> None:
    """RFC 9369, section 4.1: the stranger takes the version that we list first."""
    report, brought = our_client(options(pki, small, tmp_path), server_speaks(pki, V1, V2), small_theirs)
    agree(report, brought, small, small_theirs)
    assert brought.version == V2


def test_our_client_stays_where_it_prefers(pki: Pki, small: Content, small_theirs: Content, tmp_path: Path) -> None:
    given = dataclasses.replace(options(pki, small, tmp_path), version=V1)
    report, brought = our_client(given, server_speaks(pki, V1, V2), small_theirs)
    agree(report, brought, small, small_theirs)
    assert brought.version == V1


def test_their_client_after_version_negotiation(pki: Pki, small: Content, small_theirs: Content, tmp_path: Path) -> None:
    """RFC 9000, section 6.1; RFC 9368, section 2.1: the stranger checks our list against a downgrade."""
    given = options(pki, small, tmp_path, server=True)
    report, brought = our_server(given, client_speaks(pki, UNKNOWN, V2, V1), small_theirs)
    agree(report, brought, small, small_theirs)
    assert brought.version == V2


def test_our_client_after_version_negotiation(pki: Pki, small: Content, small_theirs: Content, tmp_path: Path) -> None:
    """RFC 9368, sections 2.1 and 4."""
    given = dataclasses.replace(options(pki, small, tmp_path), version=UNKNOWN)
    report, brought = our_client(given, server_speaks(pki, V1, V2), small_theirs)
    agree(report, brought, small, small_theirs)
    assert brought.version == V2


def test_our_token_file(pki: Pki, small: Content, small_theirs: Content, tmp_path: Path) -> None:
    """What quicctl keeps of one connection it shows in the next, once."""
    given = dataclasses.replace(options(pki, small, tmp_path), token=tmp_path / "token")
    our_client(given, configuration(pki, client=False), small_theirs)
    assert not (tmp_path / "token").exists()  # this stranger gives none
    server = serving(V4, dataclasses.replace(options(pki, small, tmp_path, server=True), retry=True), count=2)
    first = handshake.connect((V4, server.port), given, hostname="localhost")
    kept = (tmp_path / "token").read_bytes()
    second = handshake.connect((V4, server.port), given, hostname="localhost")
    assert first.received.bytes == second.received.bytes == small.size
    assert len(kept) == 61 and (tmp_path / "token").read_bytes() not in (b"", kept)
    server.end()
