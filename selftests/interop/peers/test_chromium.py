# SPDX-License-Identifier: GPL-2.0-or-later
"""Our server against Chromium, which fetches over HTTP/3. Cases are rows of docs/interop.md."""

from __future__ import annotations

import contextlib
import hashlib
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h3_peer
import pytest
from chromium_peer import Chromium, Refused
from clients import Relaying
from conftest import SLOW, Content, Pki, unsupported
from moments import wait_for_moment
from programs import HOST
from relay import Relay, connection_ids

from quicctl import libquic, uapi
from quicctl.endpoint import Endpoint

PATIENCE = 30 * SLOW
STREAMS = 100
DATAGRAMS = 5
UPDATE_AFTER = 6
IDLE = 1.0
_CERTIFICATE_UNKNOWN = 46
_V2 = 0x6B3343CF
_ECT0 = 2
_PRIORITY = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+{}:-GROUP-ALL:+GROUP-X25519:%DISABLE_TLS13_COMPAT_MODE"


@pytest.fixture(scope="module")
def chromium(pki: Pki) -> Iterator[Chromium]:
    made = Chromium(pki)
    yield made
    made.close()


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> Content:
    """A page, big enough for some dozens of packets."""
    words = random.Random(6).randbytes(24 << 10).hex()
    path = tmp_path_factory.mktemp("body") / "page"
    path.write_text(f"<html><body>{words}</body></html>")
    return Content(path, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


def answering(pki: Pki, content: Content, *, idle: float = 0.0, **more: Any) -> h3_peer.Answering:
    params = uapi.TransportParams(max_idle_timeout=int(idle * 1e6)) if idle else None
    return h3_peer.Answering(pki.cert, pki.key, content.path.read_bytes(), host=HOST, timeout=PATIENCE, params=params, **more)


def fetch(
    chromium: Chromium, pki: Pki, content: Content, *, count: int = 1, body: Path | None = None,
    between: Relaying | None = None, **more: Any,
) -> h3_peer.Exchange:  # fmt: skip
    """Some requests at once, which get the content; what our server saw of the connection."""
    server = answering(pki, content, **more)
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(between(server.port)).port if between else server.port
        got = ask(chromium, port, count, body)
        brought = server.end()
    assert got == [content.sha256] * count
    assert brought.requests == count
    return brought


def ask(chromium: Chromium, port: int, count: int = 1, body: Path | None = None) -> Sequence[str]:
    with chromium.page() as page:
        return page.fetch([f"https://localhost:{port}/{number}" for number in range(count)], body)


@dataclass(frozen=True, slots=True)
class Watched:
    """A connection on which several things are looked at."""

    relay: Relay
    brought: h3_peer.Exchange


@pytest.fixture(scope="module")
def watched(chromium: Chromium, pki: Pki, body: Content) -> Watched:
    """One with nothing special."""
    between = Relaying()
    brought = fetch(chromium, pki, body, between=between)
    return Watched(between.relay, brought)


def test_our_server(chromium: Chromium, pki: Pki, body: Content) -> None:
    """A page, and more of what is there: all over one connection of ours."""
    server = answering(pki, body)
    where = f"https://localhost:{server.port}"
    with chromium.page() as page:
        text = page.load(f"{where}/page")
        assert f"<html><body>{text}</body></html>".encode() == body.path.read_bytes()
        assert page.fetch([f"{where}/{number}" for number in range(5)]) == [body.sha256] * 5
        assert page.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol") == "h3"
    brought = server.end()
    assert brought.handshake.alpn == "h3"
    assert "Chrom" in brought.headers["user-agent"] and brought.headers[":path"] == "/page"
    assert brought.requests >= 6  # the browser asks for an icon, too


def test_our_server_receives_a_body(chromium: Chromium, pki: Pki, body: Content, small_theirs: Content) -> None:
    brought = fetch(chromium, pki, body, body=small_theirs.path)
    assert (brought.headers[":method"], brought.received, brought.sha256) == ("POST", small_theirs.size, small_theirs.sha256)


def test_our_server_is_not_trusted(chromium: Chromium, pki: Pki, body: Content) -> None:
    """The browser is told which key to trust; this is another one."""
    server = h3_peer.Answering(pki.folder / "rsa.pem", pki.folder / "rsa.key", b"", host=HOST, timeout=PATIENCE)
    with pytest.raises(Refused, match="Failed to fetch"):
        ask(chromium, server.port)
    with pytest.raises(libquic.TlsFailure) as caught:
        server.end()
    assert caught.value.handshake.alert_received == _CERTIFICATE_UNKNOWN, caught.value.handshake


@pytest.mark.parametrize("cipher", ("AES-256-GCM", "CHACHA20-POLY1305"))
def test_our_server_with_each_cipher(cipher: str, chromium: Chromium, pki: Pki, body: Content) -> None:
    """Chromium offers all of them; our server takes the one."""
    brought = fetch(chromium, pki, body, priority=_PRIORITY.format(cipher))
    assert cipher.replace("-", "_") in brought.handshake.cipher_suite.upper().replace("-", "_")


def test_our_server_answers_100_streams(chromium: Chromium, pki: Pki, tmp_path: Path) -> None:
    """Each costs the browser 40 ms on the debug kernel, so they are fewer than with other peers."""
    path = tmp_path / "page"
    path.write_bytes(b"page\n" * 20)
    fetch(chromium, pki, Content(path, 100, hashlib.sha256(path.read_bytes()).hexdigest()), count=STREAMS)


@pytest.mark.rfc("RFC 9001, section 6.1")
def test_our_server_updates_keys(chromium: Chromium, pki: Pki, body: Content) -> None:
    fetch(chromium, pki, body, count=3, on_request=lambda sock, number: sock.update_key() if number == 0 else None)


def test_our_server_with_a_large_hello(watched: Watched) -> None:
    """By itself: it brings a key share of X25519MLKEM768."""
    assert watched.relay.client.first_flight >= 2
    assert watched.brought.handshake.group == "X25519"


@pytest.mark.parametrize("lost", ("both",))
def test_our_server_with_handshake_packets_lost(lost: str, chromium: Chromium, pki: Pki, body: Content) -> None:
    between = Relaying(lose_of_client={0}, lose_of_server={0, 1})
    fetch(chromium, pki, body, between=between)
    assert between.relay.client.count > 1 and between.relay.server.count > 2


@pytest.mark.rfc("RFC 9000, section 5.1")
def test_our_server_with_an_empty_connection_id(watched: Watched) -> None:
    """By itself."""
    assert connection_ids(watched.relay.client.first[0])[1] == b""


@pytest.mark.rfc("RFC 9000, section 8.1.2")
def test_our_server_sends_retry(chromium: Chromium, pki: Pki, body: Content) -> None:
    between = Relaying()
    fetch(chromium, pki, body, between=between, config=uapi.Config(validate_peer_address=True))
    assert between.relay.server.first[0][0] & 0xF0 == 0xF0, "the first packet was no Retry"


@pytest.mark.rfc("RFC 9000, section 10.1")
def test_our_server_notices_a_peer_that_vanished(chromium: Chromium, pki: Pki) -> None:
    stopped: list[float] = []

    def hang(sock: Endpoint, number: int) -> None:
        chromium.stop()
        stopped.append(time.monotonic())

    params = uapi.TransportParams(max_idle_timeout=int(IDLE * 1e6))
    server = h3_peer.Answering(pki.cert, pki.key, b"lost", host=HOST, timeout=PATIENCE, params=params, on_request=hang)
    with chromium.page() as page:
        page.begin(f"https://localhost:{server.port}/lost")
        try:
            brought = server.end()
            took = time.monotonic() - stopped[0]
        finally:
            chromium.go_on()
    # What is sent into the void starts the timer anew once.
    assert IDLE * 0.9 <= took <= 2 * IDLE + 3 * SLOW
    assert not brought.acknowledged


def test_our_server_hears_why_it_was_closed(watched: Watched) -> None:
    """Because the page is gone, which to Chromium is an error of the network without a code of QUIC."""
    close = next(event for event in watched.brought.events if isinstance(event, uapi.ConnectionClose))
    assert (close.errcode, close.phrase) == (0, "70:net error")


@pytest.mark.rfc("RFC 9001, section 4.6")
def test_our_server_takes_early_data(chromium: Chromium, pki: Pki, body: Content) -> None:
    """A slow kernel may miss the right moments, see there."""
    assert "accepted" in (early_data(chromium, pki, body) for _ in range(6))


def early_data(chromium: Chromium, pki: Pki, content: Content) -> str:
    """What became of it. The first connection ends by its idle timeout; what the browser knows of it serves for the next."""
    server = answering(pki, content, idle=IDLE, early_data=True, connections=2)
    with chromium.page() as page:
        where = [f"https://localhost:{server.port}/page"]
        wait_for_moment(0.0)
        assert page.fetch(where) == [content.sha256]
        time.sleep(1.5 * IDLE)
        wait_for_moment(0.7)
        assert page.fetch(where) == [content.sha256]
    brought = server.end()
    assert brought.handshake.resumed
    return brought.handshake.early_data


@pytest.mark.rfc("RFC 9000, section 9.3")
def test_our_server_follows_a_translator(chromium: Chromium, pki: Pki, body: Content, small_theirs: Content) -> None:
    """Which forgets in the middle of the request; the answer finds the new address."""
    between = Relaying(forget_after=12)
    brought = fetch(chromium, pki, body, between=between, body=small_theirs.path)
    assert (brought.received, brought.sha256) == (small_theirs.size, small_theirs.sha256)
    assert between.relay.forgot and any(isinstance(event, uapi.Migration) for event in brought.events)


@pytest.mark.rfc("RFC 9000, section 13.4")
def test_our_server_sees_marks_counted(watched: Watched) -> None:
    marks = watched.relay.server.marks
    assert _ECT0 in marks, "our packets bore no mark"
    if _ECT0 not in marks[len(marks) // 2 :]:
        unsupported(f"it acknowledges without counts: our marks ended after {marks.count(_ECT0)} of {len(marks)} packets")


@pytest.mark.rfc("RFC 9221, section 5")
def test_our_server_exchanges_datagrams(chromium: Chromium, pki: Pki, body: Content) -> None:
    """By WebTransport, which a page opens that came over another connection."""
    first = answering(pki, body)
    params = uapi.TransportParams(max_datagram_frame_size=65535, max_idle_timeout=int(2 * IDLE * 1e6))
    server = h3_peer.Answering(pki.cert, pki.key, b"", host=HOST, timeout=PATIENCE, params=params, webtransport=True)
    with chromium.page() as page:
        page.load(f"https://localhost:{first.port}/page")
        got = page.echo(f"https://localhost:{server.port}/echo", DATAGRAMS)
    assert got == [f"datagram {number}" for number in range(DATAGRAMS)]
    assert server.end().datagrams == DATAGRAMS
    first.end()


# With a browser that was told so when it was started.


@pytest.fixture(scope="module")
def told(pki: Pki, body: Content) -> Watched:
    """A connection of one that speaks version 2 and should change keys often."""
    flags = f"FLAGS_quic_key_update_confidentiality_limit%3D{UPDATE_AFTER}"
    made = Chromium(
        pki, "--quic-version=RFCv2", "--force-fieldtrials=QUIC/Enabled",
        f"--force-fieldtrial-params=QUIC.Enabled:set_quic_flags/{flags}",
    )  # fmt: skip
    between = Relaying()
    try:
        brought = fetch(made, pki, body, count=3, between=between)
    finally:
        made.close()
    return Watched(between.relay, brought)


@pytest.mark.rfc("RFC 9369, section 4")
def test_our_server_speaks_version_2(told: Watched) -> None:
    assert {packet[1:5] for packet in told.relay.server.first if packet[0] & 0x80} == {_V2.to_bytes(4, "big")}


@pytest.mark.rfc("RFC 9001, section 6.2")
def test_our_server_follows_a_key_update(told: Watched) -> None:
    if not any(isinstance(event, uapi.KeyUpdate) for event in told.brought.events):
        assert told.relay.client.count > 2 * UPDATE_AFTER
        unsupported(f"told by a field trial, its one way to be told, to change keys after {UPDATE_AFTER} packets, it never did")
