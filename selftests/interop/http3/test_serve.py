# SPDX-License-Identifier: GPL-2.0-or-later
"""quicctl serve with other stacks' clients: curl of two kinds, ngtcp2's, aioquic and Chromium."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import struct
import subprocess
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aio_peer import stranger
from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent
from chromium_peer import Chromium
from clients import Ask, Curl, GtlsClient, environment
from conftest import Pki, unsupported
from programs import HOST, root
from web import PATIENCE, Serving, serving

IMAGES = 100
TILE = 16
"""Pixels of a side."""
BIG = 4 << 20


@pytest.fixture(scope="module")
def www(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("www")
    (folder / "big.bin").write_bytes(os.urandom(BIG))
    for number in range(1, 21):
        (folder / str(number)).write_bytes(b"%d\n" % number * 100)
    for number in range(IMAGES):
        (folder / f"{number}.png").write_bytes(png(colour(number)))
    tiles = "".join(
        f'<img src="{number}.png" style="position:absolute;left:{number % 10 * TILE}px;top:{number // 10 * TILE}px">'
        for number in range(IMAGES)
    )
    (folder / "tiles.html").write_text(f"<!doctype html><title>tiles</title><body>{tiles}")
    return folder


@pytest.fixture(scope="module")
def served(pki: Pki, www: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(pki, www, tmp_path_factory.mktemp("serve") / "log", "--early-data") as started:
        yield started


_CURL = ("-sS", "-4", "--http3-only")


def curl(suite: str, pki: Pki, *words: str) -> subprocess.CompletedProcess[bytes]:
    argv = [*root(suite).command("curl"), "-q", *_CURL, "--cacert", str(pki.ca), *words]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=4 * PATIENCE, env=environment())


@pytest.fixture(params=("curl_trixie", "curl_sid"))
def suite(request: pytest.FixtureRequest) -> str:
    return str(request.param.removeprefix("curl_"))


def test_curl_fetches_many(suite: str, served: Serving, pki: Pki, www: Path, tmp_path: Path) -> None:
    got = Curl(suite).run(Ask(served.port, tmp_path, pki.ca, count=20))
    assert got.status == 0, got.said
    assert [(tmp_path / str(n)).read_bytes() for n in range(1, 21)] == [(www / str(n)).read_bytes() for n in range(1, 21)]


def test_curl_asks_for_parts(suite: str, served: Serving, pki: Pki, www: Path, tmp_path: Path) -> None:
    part = curl(suite, pki, "-r", "100-199", "-w", "%{http_code}", f"{served.named}/big.bin")
    assert part.stdout == (www / "big.bin").read_bytes()[100:200] + b"206", part.stderr
    beyond = curl(suite, pki, "-r", f"{BIG}-", "-o", "/dev/null", "-w", "%{http_code}", f"{served.named}/big.bin")
    assert beyond.stdout == b"416", beyond.stderr
    tag = tmp_path / "tag"
    first = curl(suite, pki, "--etag-save", str(tag), "-o", "/dev/null", "-w", "%{http_code}", f"{served.named}/1")
    again = curl(suite, pki, "--etag-compare", str(tag), "-w", "%{http_code}", f"{served.named}/1")
    assert (first.stdout, again.stdout) == (b"200", b"304"), again.stderr
    head = curl(suite, pki, "-I", f"{served.named}/big.bin")
    assert f"content-length: {BIG}".encode() in head.stdout and head.returncode == 0, head.stderr


def test_curl_sends_too_large_fields(suite: str, served: Serving, pki: Pki) -> None:
    """Its two libraries send them whatever our SETTINGS say."""
    fields = [word for number in range(9) for word in ("-H", f"x-{number}: {'y' * 9000}")]
    done = curl(suite, pki, *fields, "-o", "/dev/null", "-w", "%{http_code}", f"{served.named}/1")
    assert done.stdout == b"431", done.stderr


def test_curl_finishes_after_goaway(suite: str, pki: Pki, www: Path, tmp_path: Path) -> None:
    """What it has begun when the server is told to end."""
    with serving(pki, www, tmp_path / "log") as ending:
        argv = [
            *root(suite).command("curl"), "-q", *_CURL, "--cacert", str(pki.ca), "--limit-rate", "4M",
            "-o", str(tmp_path / "big"), f"{ending.named}/big.bin",
        ]  # fmt: skip
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment()) as child:
            deadline = time.monotonic() + PATIENCE
            while not (tmp_path / "big").exists() or not (tmp_path / "big").stat().st_size:
                assert time.monotonic() < deadline and child.poll() is None
                time.sleep(0.02)
            ending.child.send_signal(signal.SIGTERM)
            _, said = child.communicate(timeout=PATIENCE)
        assert child.returncode == 0, said
        assert ending.child.wait(PATIENCE) == 0
    assert (tmp_path / "big").read_bytes() == (www / "big.bin").read_bytes()


def test_ngtcp2_fetches_many(served: Serving, pki: Pki, www: Path, tmp_path: Path) -> None:
    got = GtlsClient("trixie").run(Ask(served.port, tmp_path, pki.ca, count=20))
    assert got.status == 0, got.said
    assert [(tmp_path / str(n)).read_bytes() for n in range(1, 21)] == [(www / str(n)).read_bytes() for n in range(1, 21)]


def test_ngtcp2_asks_early(served: Serving, pki: Pki, www: Path, tmp_path: Path) -> None:
    before = len(served.log.read_text().splitlines())
    for _ in range(2):
        got = GtlsClient("trixie").run(Ask(served.port, tmp_path, pki.ca, count=5, session=tmp_path / "session"))
        assert got.status == 0, got.said
        assert [(tmp_path / str(n)).read_bytes() for n in range(1, 6)] == [(www / str(n)).read_bytes() for n in range(1, 6)]
    lines = served.lines(before + 10)[before:]
    assert [line["early_data"] for line in lines] == ["none"] * 5 + ["accepted"] * 5


def test_curl_asks_early(suite: str) -> None:
    peer = Curl(suite)
    gap = peer.gaps["test_our_server_resumes_a_session"]
    gap.check(root(suite))
    unsupported(gap.reason)


def test_curl_has_priorities(suite: str, served: Serving, pki: Pki) -> None:
    """The second of two is more urgent, and done first. Each has a large body, so that the order is the server's."""
    before = len(served.log.read_text().splitlines())
    both = [("priority: u=7", f"{served.named}/big.bin?later"), ("priority: u=0", f"{served.named}/big.bin?first")]
    words = ["--parallel"]
    for field, url in both:
        words += [*(["--next"] if len(words) > 1 else []), *_CURL, "--cacert", str(pki.ca), "-H", field, "-o", "/dev/null", url]
    argv = [*root(suite).command("curl"), "-q", *words]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=4 * PATIENCE, env=environment())
    assert done.returncode == 0, done.stderr
    lines = served.lines(before + 2)[before:]
    assert lines[0]["peer"] == lines[1]["peer"], "more than one connection"
    assert [line["path"] for line in lines] == ["/big.bin?first", "/big.bin?later"]


class _Client(QuicConnectionProtocol):
    """Makes requests, and keeps what comes of them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.h3 = H3Connection(self._quic)
        self.heads: dict[int, dict[bytes, bytes]] = {}
        self.bodies: dict[int, bytes] = {}
        self.ended: list[int] = []
        """The streams whose answers are whole, in this order."""
        self.news = asyncio.Event()

    def ask(self, path: bytes, *fields: tuple[bytes, bytes], end: bool = True) -> int:
        stream = self._quic.get_next_available_stream_id()
        head = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"localhost"), (b":path", path), *fields]
        self.h3.send_headers(stream, head, end_stream=end)
        self.bodies[stream] = b""
        self.transmit()
        return stream

    def quic_event_received(self, event: QuicEvent) -> None:
        for one in self.h3.handle_event(event):
            if isinstance(one, HeadersReceived):
                self.heads[one.stream_id] = dict(one.headers)
            if isinstance(one, DataReceived):
                self.bodies[one.stream_id] += one.data
            if getattr(one, "stream_ended", False):
                self.ended.append(one.stream_id)
            self.news.set()

    async def until(self, truth: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not truth():
                self.news.clear()
                await self.news.wait()


@contextlib.asynccontextmanager
async def aioquic(served: Serving, pki: Pki, **more: Any) -> AsyncIterator[_Client]:
    """A connection of aioquic's."""
    configuration = QuicConfiguration(alpn_protocols=["h3"], server_name="localhost", session_ticket=more.pop("ticket", None))
    configuration.load_verify_locations(str(pki.ca))
    async with connect(HOST, served.port, configuration=configuration, create_protocol=_Client, **more) as peer:
        assert isinstance(peer, _Client)
        yield peer


def test_aioquic_cancels_a_request(served: Serving, pki: Pki, www: Path) -> None:
    before = len(served.log.read_text().splitlines())

    async def main() -> None:
        async with aioquic(served, pki) as peer:
            unwanted = peer.ask(b"/big.bin")
            await peer.until(lambda: peer.bodies[unwanted])
            peer._quic.stop_stream(unwanted, 0x10C)
            wanted = peer.ask(b"/1")
            await peer.until(lambda: peer.ended)
            assert peer.bodies[wanted] == (www / "1").read_bytes()
            assert len(peer.bodies[unwanted]) < BIG

    with stranger() as thread:
        thread.call(main(), 4 * PATIENCE)
    lines = {line["path"]: line["complete"] for line in served.lines(before + 2)[before:]}
    assert lines == {"/big.bin": False, "/1": True}


def test_aioquic_sends_trailers(served: Serving, pki: Pki, www: Path) -> None:
    async def main() -> None:
        async with aioquic(served, pki) as peer:
            stream = peer.ask(b"/1", end=False)
            peer.h3.send_headers(stream, [(b"x-end", b"yes")], end_stream=True)
            peer.transmit()
            await peer.until(lambda: peer.ended)
            assert peer.bodies[stream] == (www / "1").read_bytes()

    with stranger() as thread:
        thread.call(main(), 4 * PATIENCE)


def test_aioquic_has_priorities(served: Serving, pki: Pki) -> None:
    async def main() -> None:
        async with aioquic(served, pki) as peer:
            later, first = [peer.ask(b"/big.bin", (b"priority", urgency)) for urgency in (b"u=7", b"u=0")]
            await peer.until(lambda: len(peer.ended) == 2)
            assert peer.ended == [first, later]

    with stranger() as thread:
        thread.call(main(), 4 * PATIENCE)


def test_aioquic_sends_too_large_fields(served: Serving, pki: Pki, www: Path) -> None:
    """The connection's other request is none the worse for it."""

    async def main() -> None:
        async with aioquic(served, pki) as peer:
            large = peer.ask(b"/1", *((b"x-%d" % number, b"y" * 9000) for number in range(9)))
            small = peer.ask(b"/1")
            await peer.until(lambda: len(peer.ended) == 2)
            assert [peer.heads[stream][b":status"] for stream in (large, small)] == [b"431", b"200"]

    with stranger() as thread:
        thread.call(main(), 4 * PATIENCE)


def test_aioquic_asks_early(served: Serving, pki: Pki, www: Path) -> None:
    before = len(served.log.read_text().splitlines())
    tickets: list[Any] = []

    async def main() -> None:
        async with aioquic(served, pki, session_ticket_handler=tickets.append) as peer:
            peer.ask(b"/1")
            await peer.until(lambda: peer.ended and tickets)
        async with aioquic(served, pki, ticket=tickets[0], wait_connected=False) as peer:
            stream = peer.ask(b"/2")
            await peer.until(lambda: peer.ended)
            assert peer.bodies[stream] == (www / "2").read_bytes()

    with stranger() as thread:
        thread.call(main(), 4 * PATIENCE)
    lines = served.lines(before + 2)[before:]
    assert [(line["path"], line["early_data"]) for line in lines] == [("/1", "none"), ("/2", "accepted")]


# Chromium.


def colour(number: int) -> tuple[int, int, int]:
    """Each tile has another."""
    return number * 2 + 20, 255 - number * 2, 64 if number % 2 else 192


def png(pixel: tuple[int, int, int]) -> bytes:
    """A tile of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes(pixel) * TILE) * TILE
    head = struct.pack(">IIBBBBB", TILE, TILE, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def pixels(image: bytes) -> list[list[tuple[int, int, int]]]:
    """The rows of a PNG of 8 bits and three or four channels."""
    at, data, size, channels = 8, b"", 0, 0
    while at < len(image):
        length, kind = struct.unpack_from(">I4s", image, at)
        if kind == b"IHDR":
            size, _, depth, channels = *struct.unpack_from(">IIB", image, at + 8), {2: 3, 6: 4}[image[at + 17]]
            assert depth == 8
        elif kind == b"IDAT":
            data += image[at + 8 : at + 8 + length]
        at += length + 12
    raw, width = zlib.decompress(data), size * channels
    rows, above = [], bytes(width)
    for start in range(0, len(raw), width + 1):
        row, how = bytearray(raw[start + 1 : start + 1 + width]), raw[start]
        for x in range(width):
            left = row[x - channels] if x >= channels else 0
            corner = above[x - channels] if x >= channels else 0
            near = min((left, above[x], corner), key=lambda p: abs(left + above[x] - corner - p))
            row[x] = row[x] + (0, left, above[x], (left + above[x]) // 2, near)[how] & 0xFF
        above = bytes(row)
        rows.append([(row[x], row[x + 1], row[x + 2]) for x in range(0, width, channels)])
    return rows


@pytest.fixture(scope="module")
def chromium(pki: Pki) -> Iterator[Chromium]:
    made = Chromium(pki)
    yield made
    made.close()


def test_chromium_shows_a_page_of_100_images(chromium: Chromium, served: Serving, tmp_path: Path) -> None:
    """All by HTTP/3, and each at its place on the screenshot."""
    before = len(served.log.read_text().splitlines())
    with chromium.page() as page:
        page.load(f"{served.named}/tiles.html")
        loaded = page.evaluate("[...document.images].filter((one) => one.complete && one.naturalWidth > 0).length")
        hop = page.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol")
        clip = {"x": 0, "y": 0, "width": 10 * TILE, "height": 10 * TILE, "scale": 1}
        shot = base64.b64decode(page.browser.call("Page.captureScreenshot", page.session, format="png", clip=clip)["data"])
    Path(os.environ.get("QUIC_OUT", tmp_path), "tiles.png").write_bytes(shot)
    assert (loaded, hop) == (IMAGES, "h3")
    rows = pixels(shot)
    seen = [rows[number // 10 * TILE + TILE // 2][number % 10 * TILE + TILE // 2] for number in range(IMAGES)]
    assert seen == [colour(number) for number in range(IMAGES)]
    lines = served.lines(before + IMAGES + 1)[before:]
    assert len({json.dumps(line["peer"]) for line in lines}) == 1, "more than one connection"
    assert {line["status"] for line in lines if line["path"] != "/favicon.ico"} == {200}


_ABORT = """(async (url) => {
  const abort = new AbortController();
  const answer = await fetch(url, { signal: abort.signal, cache: 'no-store' });
  await answer.body.getReader().read();
  abort.abort();
  const other = await fetch(url + '?again', { cache: 'no-store' });
  return (await other.arrayBuffer()).byteLength;
})"""


def test_chromium_cancels_a_request(chromium: Chromium, served: Serving) -> None:
    before = len(served.log.read_text().splitlines())
    with chromium.page() as page:
        assert page.evaluate(f"{_ABORT}({json.dumps(served.named + '/big.bin')})") == BIG
    lines = {line["path"]: line["complete"] for line in served.lines(before + 2)[before:]}
    assert lines == {"/big.bin": False, "/big.bin?again": True}


_PART = """(async (url) => {
  const answer = await fetch(url, { headers: { range: 'bytes=100-199' }, cache: 'no-store' });
  return [answer.status, btoa(String.fromCharCode(...new Uint8Array(await answer.arrayBuffer())))];
})"""


def test_chromium_asks_for_parts(chromium: Chromium, served: Serving, www: Path) -> None:
    with chromium.page() as page:
        status, body = page.evaluate(f"{_PART}({json.dumps(served.named + '/big.bin')})")
    assert (status, base64.b64decode(body)) == (206, (www / "big.bin").read_bytes()[100:200])
