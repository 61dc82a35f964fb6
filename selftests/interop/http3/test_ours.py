# SPDX-License-Identifier: GPL-2.0-or-later
"""Our client and our server with each other: what of HTTP/3 other stacks' programs cannot be told to do, and quicctl itself."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from conftest import Pki
from http3_ends import BIG, Pair, answer, body_and_trailers_go_both_ways, order_of_ends, until
from web import HOST, PATIENCE, Serving, get, get_json, run, serving

from quicctl import errors
from quicctl.http3.client import NotProcessed
from quicctl.http3.server import Request, Response


@pytest.fixture(scope="module")
def www(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("www")
    (folder / "small.txt").write_text("small\n")
    (folder / "big.bin").write_bytes(os.urandom(BIG))
    (folder / "sub").mkdir()
    (folder / "sub" / "index.html").write_text("<p>index</p>")
    (folder / "out").symlink_to("/etc/passwd")
    return folder


@pytest.fixture(scope="module")
def served(pki: Pki, www: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(pki, www, tmp_path_factory.mktemp("serve") / "log", "--early-data") as started:
        yield started


def test_get_writes_what_serve_sends(pki: Pki, www: Path, served: Serving, tmp_path: Path) -> None:
    names = ("big.bin", "small.txt", "sub/")
    report = get_json(pki, *(f"{served.url}/{name}" for name in names), "--out", tmp_path)
    assert (tmp_path / "big.bin").read_bytes() == (www / "big.bin").read_bytes()
    assert (tmp_path / "small.txt").read_text() == "small\n"
    assert (tmp_path / "index.html").read_text() == "<p>index</p>"
    assert [(one["status"], one["connection"]) for one in report] == [(200, 0)] * 3
    assert report[0]["sha256"] == hashlib.sha256((www / "big.bin").read_bytes()).hexdigest()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["big.bin", "index.html", "small.txt"]


def test_get_to_standard_output_tells_of_refusals(pki: Pki, served: Serving) -> None:
    """In the order of the URLs, and with a range that is not there; links out of the folder lead nowhere."""
    urls = [f"{served.url}/{name}" for name in ("small.txt", "out", "small.txt")]
    done = get(pki, "-i", "-r", "1-3", *urls, status=63)
    parts = done.stdout.decode().split("HTTP/3 ")[1:]
    assert [part[:3] for part in parts] == ["206", "404", "206"]
    assert "content-range: bytes 1-3/6\r\n" in parts[0] and parts[0].endswith("\r\n\r\nmal")
    assert b"status 404" in done.stderr and b"root:" not in done.stdout


def test_get_asks_before_the_handshake(pki: Pki, served: Serving, tmp_path: Path) -> None:
    words = (f"{served.url}/small.txt", "-o", tmp_path / "got", "--session", tmp_path / "session", "--early-data")
    first, again = get_json(pki, *words), get_json(pki, *words)
    assert (first[0]["early"], first[0]["handshake"]["resumed"]) == (False, False)
    assert (again[0]["early"], again[0]["handshake"]["early_data"]) == (True, "accepted")
    assert (tmp_path / "got").read_text() == "small\n"


def test_serve_ends_in_order(pki: Pki, www: Path, tmp_path: Path) -> None:
    """By a signal while an answer is under way: it is finished, and no other server is asked to do it again."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with serving(pki, www, tmp_path / "log") as started:
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

        async def main() -> None:
            loop = asyncio.get_running_loop()
            done = loop.run_in_executor(None, lambda: get(pki, f"{started.url}/big.bin", "-o", pipe))
            got = bytearray()
            while len(got) < BIG:
                try:
                    piece = os.read(reader, 1 << 16)
                except BlockingIOError:
                    piece = b""
                if piece and not got:
                    started.child.send_signal(signal.SIGTERM)
                got += piece
                if not piece:
                    assert not done.done(), done.result().stderr
                    await asyncio.sleep(0.01)
            await done
            assert bytes(got) == (www / "big.bin").read_bytes()

        asyncio.run(main())
        os.close(reader)
        assert started.child.wait(PATIENCE) == 0
        assert [(line["status"], line["complete"]) for line in started.lines()] == [(200, True)]


def test_example_does_what_the_document_says(pki: Pki, tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "http3.md").read_text()
    [(code, said)] = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```", text, re.M | re.S)
    for file in (pki.ca, pki.cert, pki.key):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (0, said), done.stderr


# The library, both ends in one loop; what needs no kernel is in selftests/quicctl/test_http3_pair.py.


def test_body_and_trailers_go_both_ways(pki: Pki) -> None:
    run(pki, answer, body_and_trailers_go_both_ways)


def test_client_cancels_one_of_two(pki: Pki) -> None:
    """The other one comes whole, on the same connection."""

    async def test(both: Pair) -> None:
        unwanted, wanted = await both.ask("/big"), await both.ask("/big")
        assert await unwanted._message.read()
        await unwanted.close()
        assert len(await wanted.read()) == BIG
        await wanted.close()
        await until(lambda: len(both.served) == 2)
        assert sorted((one.complete, one.sent == BIG) for one in both.served) == [(False, False), (True, True)]
        with pytest.raises(errors.StreamReset):
            await unwanted.read()

    run(pki, answer, test)


def test_server_gives_an_answer_up(pki: Pki) -> None:
    async def breaks(request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"some"
            raise RuntimeError("and no more")

        if request.path == "/at-once":
            raise RuntimeError("nothing at all")
        return Response(200, [], pieces())

    async def test(both: Pair) -> None:
        async with asyncio.timeout(PATIENCE):
            asked = await both.ask("/")
            with pytest.raises(errors.StreamReset, match="H3_INTERNAL_ERROR"):
                await asked.read()
            assert await (await both.ask("/at-once")).status() == 500

    run(pki, breaks, test)


def test_goaway_lets_requests_finish_and_takes_no_more(pki: Pki) -> None:
    go_on = asyncio.Event()

    async def slow(request: Request) -> Response:
        await go_on.wait()
        return Response(200, [], b"done")

    async def test(both: Pair) -> None:
        asked = await both.ask("/")
        await until(lambda: both.server._attendants and both.attendant._requests)
        ending = asyncio.create_task(both.server.shutdown(PATIENCE))
        await until(lambda: both.client.going_away)
        with pytest.raises(NotProcessed):
            await both.ask("/")
        assert not ending.done()
        # One that was on its way when GOAWAY was: our client would not send it any more.
        both.client._limit = 1 << 62
        with pytest.raises(NotProcessed):
            await (await both.ask("/")).head()
        go_on.set()
        assert await asked.read() == b"done"
        await both.client.close()
        assert await ending

    run(pki, slow, test)


def test_urgent_answers_come_first(pki: Pki) -> None:
    async def test(both: Pair) -> None:
        asked = [await both.ask("/big", headers=[("priority", urgency)]) for urgency in ("u=6", "u=1")]
        assert await order_of_ends(asked) == [1, 0]

    run(pki, answer, test)


def test_nobody_to_talk_to(pki: Pki) -> None:
    done = get(pki, f"https://{HOST}:9/", status=45, timeout=1)
    assert b"no answer" in done.stderr or b"nothing listens" in done.stderr
