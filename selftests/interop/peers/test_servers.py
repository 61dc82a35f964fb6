# SPDX-License-Identifier: GPL-2.0-or-later
"""Our client against other stacks' servers, by HTTP/3. Cases are rows of docs/interop.md, peers are columns."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import SLOW, Content, Pki, unsupported
from h3_peer import NO_ERROR, Exchange, Session
from programs import HOST, Server, Start, caddy, gtlsserver, haproxy, nginx, root
from proof import Gap, Holds, Says
from relay import relay

from quicctl import errors, libquic, uapi

PATIENCE = 30 * SLOW
STREAMS = 1000
IDLE = 1.0
_PRIORITY = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:{}:-GROUP-ALL:{}:%DISABLE_TLS13_COMPAT_MODE"
_H3_STREAM_CREATION_ERROR = 0x103
_H3_CLOSED_CRITICAL_STREAM = 0x104
_V2 = 0x6B3343CF
_ECT0 = 2
_CONTROL_STREAM = 2
"""The first of a client."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A server's program, the suite it comes from, and what it cannot do."""

    start: Start
    suite: str
    gaps: Mapping[str, Gap] = field(default_factory=dict)
    retrying: Callable[[Pki, Path, Path], AbstractContextManager[Server]] | None = None
    """The same, but it sends Retry."""


_UPDATES = "test_our_client_follows_a_key_update"
_KEYS = "key.?update|rekey"


def nginx_of(suite: str, **gaps: Gap) -> Peer:
    return Peer(
        nginx,
        suite,
        {
            _UPDATES: Holds(
                "nginx", rb"\0((?:quic|http3)_[a-z0-9_]+)(?=\0)", b"key_?upd|rekey", b"quic_retry",
                "none of the directives that its binary holds is about key updates",
            ),
            **gaps,
        },
        lambda pki, www, folder: nginx(suite, pki, www, folder, retry=True),
    )  # fmt: skip


PEERS = {
    "nginx_trixie": nginx_of(
        "trixie",
        test_our_client_resumes_with_early_data=Holds(
            "nginx", rb"(quic compat [a-z ]+)", b"early|0.?rtt", b"quic compat add transport params",
            "its QUIC is a layer over TLS records (\"quic compat\" in its binary), which has nothing for early data",
        ),
    ),
    "nginx_sid": nginx_of("sid"),
    "caddy": Peer(
        caddy,
        "sid",
        {
            "test_our_client_after_their_retry": Holds(
                "caddy", rb'json:"([a-zA-Z0-9_]+)', b"quic|h3|source_addr|stateless", b"strict_sni_host",
                "of the names of its configuration, which its binary holds, none is about QUIC, and our client was not asked",
            )
        },
    ),
    "haproxy": Peer(
        haproxy,
        "sid",
        {_UPDATES: Says(
            "haproxy", ("-dKall", "-c", "-f", "/dev/null"), _KEYS,
            "haproxy -dKall lists no keyword for a key update", knows="quic-force-retry",
        )},
        lambda pki, www, folder: haproxy("sid", pki, www, folder, retry=True),
    ),
    "ngtcp2": Peer(
        gtlsserver,
        "trixie",
        {_UPDATES: Says("gtlsserver", ("--help",), _KEYS, "gtlsserver --help lists no option for it")},
        lambda pki, www, folder: gtlsserver("trixie", pki, www, folder, "-V"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def www(tmp_path_factory: pytest.TempPathFactory, small_theirs: Content) -> Path:
    """What the servers serve: answer.bin, and a page for many requests."""
    folder = tmp_path_factory.mktemp("www")
    (folder / "answer.bin").write_bytes(small_theirs.path.read_bytes())
    (folder / "page").write_bytes(b"page\n" * 20)
    return folder


@pytest.fixture(scope="module", params=list(PEERS))
def server(request: pytest.FixtureRequest, pki: Pki, www: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    peer = PEERS[request.param]
    with peer.start(peer.suite, pki, www, tmp_path_factory.mktemp(request.param)) as started:
        yield started


@pytest.fixture
def gap(request: pytest.FixtureRequest) -> Gap | None:
    """Why a case is expected not to come out; checked, it fails if the peer might be able to."""
    peer = PEERS[request.node.callspec.params["server"]]
    found = peer.gaps.get(request.node.originalname)
    if found is not None:
        found.check(root(peer.suite))
    return found


def session(
    port: int, pki: Pki, *, cipher: str = "", large: bool = False, idle: float = 0.0, datagram: int = 0, **more: Any
) -> Session:
    """Our client; if large, its ClientHello does not fit into one datagram."""
    ciphers = f"+{cipher}" if cipher else "+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305"
    groups = "+GROUP-X25519:+GROUP-FFDHE8192" if large else "+GROUP-X25519"
    params = uapi.TransportParams(max_idle_timeout=int(idle * 1e6), max_datagram_frame_size=datagram)
    return Session(
        (HOST, port), pki.ca, timeout=PATIENCE, priority=_PRIORITY.format(ciphers, groups),
        params=params if idle or datagram else None,
        more_alpns=[f"nobody-speaks-{number:02}" for number in range(7)] if large else (), **more,
    )  # fmt: skip


def assert_whole(got: Exchange, content: Content) -> None:
    assert (got.headers.get(":status"), got.handshake.verify, got.handshake.alpn) == ("200", "ok", "h3")
    assert (got.received, got.sha256) == (content.size, content.sha256)


def update_keys(ours: Session) -> None:
    """Begin a key phase, as soon as the last one, which may have been the peer's idea, allows for it.

    That takes an acknowledgment of something sent in it: RFC 9001, section 6.1.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return ours.sock.update_key()
        except OSError as failure:
            if failure.errno != errno.EINVAL or time.monotonic() > deadline:
                raise
        ours.fetch("/answer.bin")


def test_our_client(server: Server, pki: Pki, small_theirs: Content) -> None:
    with session(server.port, pki) as ours:
        assert_whole(ours.fetch("/answer.bin"), small_theirs)


def test_our_client_sends_a_body(
    server: Server, request: pytest.FixtureRequest, pki: Pki, small: Content, small_theirs: Content
) -> None:
    """A backend tells its hash; ngtcp2's server has none, and acknowledges it."""
    if request.node.callspec.params["server"] == "ngtcp2":
        with session(server.port, pki) as ours:
            got = ours.fetch("/answer.bin", small.path.read_bytes())
            assert_whole(got, small_theirs)
            assert got.acknowledged
        return
    with session(server.port, pki) as ours:
        got = ours.fetch("/hash", small.path.read_bytes())
    assert (got.headers.get(":status"), got.sha256) == ("200", hashlib.sha256(small.sha256.encode()).hexdigest())


def test_our_client_trusts_not_anybody(server: Server, pki: Pki) -> None:
    with pytest.raises(libquic.TlsFailure) as caught:
        Session((HOST, server.port), pki.stranger_ca, timeout=PATIENCE)
    assert caught.value.code == libquic.ERR_CERTIFICATE


@pytest.mark.parametrize("cipher", ("AES-256-GCM", "CHACHA20-POLY1305"))
def test_our_client_with_each_cipher(server: Server, cipher: str, pki: Pki, small_theirs: Content) -> None:
    with session(server.port, pki, cipher=cipher) as ours:
        got = ours.fetch("/answer.bin")
    assert cipher.replace("-", "_") in got.handshake.cipher_suite.upper().replace("-", "_")
    assert_whole(got, small_theirs)


def test_our_client_opens_1000_streams(server: Server, pki: Pki, www: Path) -> None:
    page = (www / "page").read_bytes()
    with session(server.port, pki) as ours:
        got = ours.fetch_all(["/page"] * STREAMS)
    assert [answer.received for answer in got] == [len(page)] * STREAMS
    assert len({answer.sha256 for answer in got}) == 1


@pytest.mark.rfc("RFC 9001, section 6.1")
def test_our_client_updates_keys(server: Server, pki: Pki, small_theirs: Content) -> None:
    with session(server.port, pki) as ours:
        assert_whole(ours.fetch("/answer.bin"), small_theirs)
        for _ in range(2):
            update_keys(ours)
            assert_whole(ours.fetch("/answer.bin"), small_theirs)


@pytest.mark.rfc("RFC 9001, section 6.2")
def test_our_client_follows_a_key_update(server: Server, gap: Gap | None, pki: Pki, small_theirs: Content) -> None:
    with session(server.port, pki) as ours:
        for _ in range(4):
            assert_whole(ours.fetch("/answer.bin"), small_theirs)
        if not any(isinstance(event, uapi.KeyUpdate) for event in ours.events):
            assert gap is not None
            unsupported(f"{gap.reason}, and of itself it began none while 256 KiB came")


def test_our_client_with_a_large_hello(server: Server, pki: Pki, small_theirs: Content) -> None:
    """Like one with a post-quantum key share: another of 1024 bytes stands beside the one that is agreed on."""
    with relay(server.port) as between, session(between.port, pki, large=True) as ours:
        assert_whole(ours.fetch("/answer.bin"), small_theirs)
        assert ours.tls.group == "X25519"
        assert between.client.first_flight >= 2, [len(d) for d in between.client.first]


@pytest.mark.parametrize("lost", ("both",))
def test_our_client_with_handshake_packets_lost(server: Server, lost: str, pki: Pki, small_theirs: Content) -> None:
    of_client = {0} if lost != "server" else set()
    of_server = {0, 1} if lost != "client" else set()
    with (
        relay(server.port, lose_of_client=of_client, lose_of_server=of_server) as between,
        session(between.port, pki) as ours,
    ):
        assert_whole(ours.fetch("/answer.bin"), small_theirs)
        assert between.client.count > len(of_client) and between.server.count > len(of_server)


@pytest.mark.rfc("RFC 9000, section 10.1")
def test_our_client_notices_a_peer_that_vanished(server: Server, pki: Pki, small_theirs: Content) -> None:
    with session(server.port, pki, idle=IDLE) as ours:
        assert_whole(ours.fetch("/answer.bin"), small_theirs)
        server.stop()
        began = time.monotonic()
        try:
            with pytest.raises((errors.ConnectionClosed, OSError)):
                ours.fetch("/answer.bin")
        finally:
            server.go_on()
        took = time.monotonic() - began
    # What is sent into the void starts the timer anew once.
    assert IDLE * 0.9 <= took <= 2 * IDLE + 3 * SLOW


def test_our_client_hears_why_it_was_closed(server: Server, pki: Pki) -> None:
    """To end the control stream, and to open another, are errors of HTTP/3, whose codes come with CONNECTION_CLOSE.

    RFC 9114, section 6.2.1. Not every server minds the first or allows as many streams as the second takes.
    """
    with session(server.port, pki) as ours:
        try:
            second = ours.sock.open_stream(uni=True, wait=False)
            ours.sock.send(b"\0\4\0", second)  # of type control, with an empty SETTINGS frame
            expected = _H3_STREAM_CREATION_ERROR
        except BlockingIOError:
            ours.sock.send(b"", _CONTROL_STREAM, uapi.MsgFlag.STREAM_FIN)
            expected = _H3_CLOSED_CRITICAL_STREAM
        close = ours.until_closed()
    assert close is not None
    assert close.errcode == expected


@pytest.mark.rfc("RFC 9000, section 17.2.5.3")
def test_our_client_after_their_retry(
    server: Server, gap: Gap | None, request: pytest.FixtureRequest, pki: Pki, www: Path, tmp_path: Path, small_theirs: Content
) -> None:
    retrying = PEERS[request.node.callspec.params["server"]].retrying
    careful = retrying(pki, www, tmp_path) if retrying is not None else contextlib.nullcontext(server)
    with careful as theirs, relay(theirs.port) as between, session(between.port, pki) as ours:
        assert_whole(ours.fetch("/answer.bin"), small_theirs)
        retried = between.server.first[0][0] & 0xF0 == 0xF0
    if not retried and gap is not None:
        unsupported(gap.reason)
    assert retried, "the first packet was no Retry"


@pytest.mark.rfc("RFC 9369, section 4")
def test_our_client_speaks_version_2(server: Server, pki: Pki, small_theirs: Content) -> None:
    """From the first packet; who does not know it says so by Version Negotiation, and our client goes on from there."""
    with relay(server.port) as between, session(between.port, pki, config=uapi.Config(version=_V2)) as ours:
        assert_whole(ours.fetch("/answer.bin"), small_theirs)
        versions = [packet[1:5] for packet in between.server.first if packet[0] & 0x80]
    if versions[0] == bytes(4):
        unsupported("it answered version 2 by Version Negotiation; our client went on in version 1, and all arrived")
    assert set(versions) == {_V2.to_bytes(4, "big")}


@pytest.mark.rfc("RFC 9001, section 4.6")
def test_our_client_resumes_with_early_data(server: Server, gap: Gap | None, pki: Pki, small_theirs: Content) -> None:
    with session(server.port, pki) as ours:
        assert_whole(ours.fetch("/answer.bin"), small_theirs)
        kept = ours.session()
    assert kept, "no ticket came"
    with session(server.port, pki, resume=kept) as ours:
        got = ours.fetch("/answer.bin")
    assert (got.received, got.sha256, got.handshake.resumed) == (small_theirs.size, small_theirs.sha256, True)
    if got.handshake.early_data == "none":
        unsupported("the session was resumed, but its ticket allows no early data")
    if got.handshake.early_data == "rejected" and gap is not None:
        unsupported(f"{gap.reason}; it was rejected, and came again")
    assert got.handshake.early_data == "accepted"


@pytest.mark.rfc("RFC 9000, section 9.2")
def test_our_client_moves(server: Server, pki: Pki, small_theirs: Content) -> None:
    with session(server.port, pki) as ours:
        assert_whole(ours.fetch("/answer.bin"), small_theirs)
        if ours.sock.transport_params(remote=True).disable_active_migration:
            unsupported("its transport parameters have disable_active_migration")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((HOST, 0))
            there = probe.getsockname()
        ours.sock.migrate(there)
        deadline = time.monotonic() + PATIENCE
        while ours.sock.local != there:
            assert time.monotonic() < deadline, "it has not moved"
            assert_whole(ours.fetch("/answer.bin"), small_theirs)
        assert_whole(ours.fetch("/answer.bin"), small_theirs)


@pytest.mark.rfc("RFC 9000, section 9.3")
def test_our_client_behind_a_translator(server: Server, pki: Pki, small_theirs: Content) -> None:
    """Which forgets between two requests.

    Who has forbidden moving need not follow (RFC 9000, section 9). haproxy drops what comes from elsewhere, until it learns
    that the old port is gone; then it ends the connection without an error.
    """
    with session(server.port, pki) as ours:
        forbidden = ours.sock.transport_params(remote=True).disable_active_migration
    with relay(server.port) as between, session(between.port, pki, idle=IDLE if forbidden else 0.0) as ours:
        assert_whole(ours.fetch("/answer.bin"), small_theirs)
        between.forget()
        try:
            assert_whole(ours.fetch("/answer.bin"), small_theirs)
        except errors.ConnectionClosed:
            close = next(event for event in ours.events if isinstance(event, uapi.ConnectionClose))
            if not (forbidden and between.forgot and close.errcode in (0, NO_ERROR)):
                raise
            assert ours.sock.close_reason() == uapi.ConnectionClose(), "our end had a reason"
            # Of more than CONNECTION_CLOSE, which may be repeated, the answer would have come.
            assert between.server.count - between.heard_before <= 3
            unsupported(
                "its transport parameters have disable_active_migration: it drops what comes from the new port, or leaves"
            )
        assert between.forgot


@pytest.mark.rfc("RFC 9000, section 13.4")
def test_our_client_sees_marks_counted(server: Server, pki: Pki, small_theirs: Content) -> None:
    with relay(server.port) as between, session(between.port, pki) as ours:
        for _ in range(12):
            assert_whole(ours.fetch("/answer.bin"), small_theirs)
        marks = between.client.marks
        assert _ECT0 in marks, "our packets bore no mark"
        if _ECT0 not in marks[len(marks) // 2 :]:
            unsupported(f"it acknowledges without counts: our marks ended after {marks.count(_ECT0)} of {len(marks)} packets")


@pytest.mark.rfc("RFC 9221, section 3")
def test_our_client_exchanges_datagrams(server: Server, pki: Pki) -> None:
    with session(server.port, pki, datagram=65535) as ours:
        size = ours.sock.transport_params(remote=True).max_datagram_frame_size
    if not size:
        unsupported("its transport parameters have no max_datagram_frame_size")
    unsupported(f"it takes DATAGRAM frames of {size} bytes, but no directive makes it send any")
