# SPDX-License-Identifier: GPL-2.0-or-later
"""The example in C on libnghttp3 (selftests/http3), with each version of that: against quicctl and other stacks."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from clients import Ask, Curl, environment
from conftest import Pki
from programs import caddy, nginx
from web import HOST, PATIENCE, Serving, get, get_json, serving, started

from quicctl import examples, peers
from quicctl.examples import Example
from quicctl.http3 import client

BIG = 5 << 20
SMALL = 20
_H3GET_HANDSHAKE, _H3GET_CONNECTION, _H3GET_STATUS = 4, 5, 6
_OTHERS = {"nginx_sid": nginx, "caddy": caddy}


@pytest.fixture(scope="module")
def www(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("www")
    (folder / "big.bin").write_bytes(os.urandom(BIG))
    for number in range(1, SMALL + 1):
        (folder / str(number)).write_bytes(b"%d\n" % number * 100)
    (folder / "empty").touch()
    (folder / "sub").mkdir()
    (folder / "sub" / "index.html").write_text("<p>index</p>")
    (folder / "out").symlink_to("/etc/passwd")
    return folder


@pytest.fixture(scope="module", params=examples.SUITES)
def example(request: pytest.FixtureRequest) -> Example:
    found = examples.here(request.param)
    if isinstance(found, peers.Absent):
        pytest.skip(f"no example of {found.suite}: {found.reason}")
    return found


@pytest.fixture(scope="module")
def served(example: Example, pki: Pki, www: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with h3serve(example, pki, www, tmp_path_factory.mktemp("h3serve") / "log") as server:
        yield server


def h3serve(example: Example, pki: Pki, www: Path, log: Path) -> AbstractContextManager[Serving]:
    argv = [*example.command("h3serve"), "-c", str(pki.cert), "-k", str(pki.key), "-l", f"{HOST}:0", str(www)]
    return started(argv, log, log.with_suffix(".err"), log)


def h3get(example: Example, ca: Path, *words: str | Path, status: int = 0) -> subprocess.CompletedProcess[bytes]:
    """Run it; it must end with this status."""
    argv = [*example.command("h3get"), "-t", f"{PATIENCE:.0f}", "-c", str(ca), *map(str, words)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=4 * PATIENCE, env=environment())
    assert done.returncode == status, (done.returncode, done.stderr.decode(), done.stdout[-2000:])
    return done


def told(done: subprocess.CompletedProcess[bytes]) -> set[str]:
    """What h3get says of each answer."""
    return set(done.stderr.decode().splitlines())


def fetch_all(example: Example, pki: Pki, url: str, www: Path, folder: Path) -> None:
    """A large file and many small ones side by side, on one connection; all must be whole."""
    names = ["big.bin", *map(str, range(1, SMALL + 1)), "empty"]
    done = h3get(example, pki.ca, "-o", folder, f"{url}/{names[0]}", *(f"/{name}" for name in names[1:]))
    assert [(folder / name).read_bytes() for name in names] == [(www / name).read_bytes() for name in names]
    assert told(done) == {f"200 {(www / name).stat().st_size} /{name}" for name in names}


# h3get.


def test_h3get_fetches_from_serve(example: Example, pki: Pki, www: Path, tmp_path: Path) -> None:
    with serving(pki, www, tmp_path / "log") as server:
        (tmp_path / "got").mkdir()
        fetch_all(example, pki, server.url, www, tmp_path / "got")
        assert len({tuple(line["peer"]) for line in server.lines(SMALL + 2)}) == 1, "more than one connection"


@pytest.mark.parametrize("server", list(_OTHERS))
def test_h3get_fetches(example: Example, server: str, pki: Pki, www: Path, tmp_path: Path) -> None:
    with _OTHERS[server]("sid", pki, www, tmp_path) as other:
        (tmp_path / "got").mkdir()
        fetch_all(example, pki, f"https://{HOST}:{other.port}", www, tmp_path / "got")


def test_h3get_tells_of_refusals(example: Example, pki: Pki, www: Path, tmp_path: Path) -> None:
    with serving(pki, www, tmp_path / "log") as server:
        done = h3get(example, pki.ca, f"{server.url}/1", "/nothing", status=_H3GET_STATUS)
        assert done.stdout == (www / "1").read_bytes()
        [refused] = [line for line in told(done) if line.endswith("/nothing")]
        assert refused.startswith("404 ")
        head = h3get(example, pki.ca, "-I", "-v", f"{server.url}/big.bin")
        assert (head.stdout, f"content-length: {BIG}" in told(head), "200 0 /big.bin" in told(head)) == (b"", True, True)
        part = h3get(example, pki.ca, "-H", "Range: bytes=1-3", f"{server.url}/sub/")
        assert part.stdout == b"p>i"


def test_h3get_tries_each_address_of_a_name(example: Example, served: Serving, pki: Pki, www: Path) -> None:
    """Where it has an IPv6 one, nobody listens there."""
    assert h3get(example, pki.ca, "-t", f"{PATIENCE / 10:.0f}", f"{served.named}/1").stdout == (www / "1").read_bytes()


def test_h3get_does_not_trust_anybody(example: Example, served: Serving, pki: Pki) -> None:
    done = h3get(example, pki.stranger_ca, f"{served.url}/1", status=_H3GET_HANDSHAKE)
    assert b"not trusted" in done.stderr and done.stdout == b""
    deadline = time.monotonic() + PATIENCE
    while "unknown_ca" not in (heard := served.log.with_suffix(".err").read_text()):
        assert time.monotonic() < deadline, heard
        time.sleep(0.02)


def test_h3get_leaves_no_half_file(example: Example, pki: Pki, www: Path, tmp_path: Path) -> None:
    """Of an answer that breaks off in the middle: the file became shorter than the server had said."""
    (tmp_path / "www").mkdir()
    served, got = tmp_path / "www" / "file", tmp_path / "file"
    served.touch()
    os.truncate(served, 1 << 30)
    with h3serve(example, pki, served.parent, tmp_path / "log") as server:
        argv = [*example.command("h3get"), "-c", str(pki.ca), "-o", str(tmp_path), f"{server.url}/file"]
        with subprocess.Popen(argv, stderr=subprocess.PIPE, env=environment()) as child:
            deadline = time.monotonic() + PATIENCE
            while not got.exists() or not got.stat().st_size:
                assert time.monotonic() < deadline and child.poll() is None
                time.sleep(0.02)
            os.truncate(served, 1 << 10)
            _, said = child.communicate(timeout=PATIENCE)
    assert child.returncode == _H3GET_CONNECTION, said
    assert b"/file: the connection ended" in said and b"0x102" in said  # H3_INTERNAL_ERROR
    assert not got.exists()


# h3serve.


def test_h3serve_answers_quicctl_get(served: Serving, pki: Pki, www: Path, tmp_path: Path) -> None:
    names = ["big.bin", *map(str, range(1, SMALL + 1)), "empty", "sub/"]
    report = get_json(pki, *(f"{served.url}/{name}" for name in names), "--out", tmp_path)
    assert [(one["status"], one["connection"]) for one in report] == [(200, 0)] * len(names)
    assert report[0]["sha256"] == hashlib.sha256((www / "big.bin").read_bytes()).hexdigest()
    assert (tmp_path / "index.html").read_text() == "<p>index</p>"
    assert [(tmp_path / name).read_bytes() for name in names[:-1]] == [(www / name).read_bytes() for name in names[:-1]]


@pytest.mark.parametrize("client", ("curl_sid",))
def test_h3serve_answers(example: Example, client: str, served: Serving, pki: Pki, www: Path, tmp_path: Path) -> None:
    got = Curl(client.removeprefix("curl_")).run(Ask(served.port, tmp_path, pki.ca, count=SMALL))
    assert got.status == 0, got.said
    assert [(tmp_path / str(n)).read_bytes() for n in range(1, SMALL + 1)] == [
        (www / str(n)).read_bytes() for n in range(1, SMALL + 1)
    ]


def test_h3serve_refuses(served: Serving, pki: Pki) -> None:
    """What is not there, what lies outside, whether by dots or by a link, and what is no GET; and says what a HEAD wants."""
    paths = ("nothing", "out", "%2e%2e/%2e%2e/etc/passwd", "1%00", "1" * 2000)
    done = get(pki, "-i", *(f"{served.url}/{path}" for path in paths), status=63)
    assert re.findall(rb"HTTP/3 (\d+)", done.stdout) == [b"404", b"404", b"404", b"400", b"400"]
    assert b"root:" not in done.stdout
    head = get(pki, "--head", f"{served.url}/big.bin").stdout.decode()
    assert head.startswith("HTTP/3 200") and f"content-length: {BIG}\r\n" in head and head.endswith("\r\n\r\n")
    done = get(pki, "-i", "-d", "text", f"{served.url}/1", status=63)
    assert b"HTTP/3 405" in done.stdout


def test_h3serve_forgets_a_cancelled_request(example: Example, pki: Pki, www: Path, tmp_path: Path) -> None:
    """The next one on the connection is answered, and no stream is left that would hold up the server's end."""

    async def main(server: Serving) -> bytes:
        where = {"ca": pki.ca, "timeout": PATIENCE}
        async with await client.connect(HOST, server.port, **where) as peer:
            unwanted = await peer.request(client.Request("localhost", "/big.bin"))
            assert await unwanted.status() == 200
            await unwanted.close()
            wanted = await peer.request(client.Request("localhost", "/big.bin"))
            got = await wanted.read()
            await wanted.close()
            server.child.send_signal(signal.SIGTERM)
            assert await asyncio.get_running_loop().run_in_executor(None, server.child.wait, PATIENCE) == 0
            return got

    with h3serve(example, pki, www, tmp_path / "log") as server:
        assert asyncio.run(main(server)) == (www / "big.bin").read_bytes()
        lines = server.said(3)[1:]
    assert sum(line.endswith(" broken off") for line in lines) == 1, lines
    assert f"GET /big.bin 200 {BIG}" in lines


def test_h3serve_ends_in_order(example: Example, pki: Pki, www: Path, tmp_path: Path) -> None:
    """By a signal while an answer is under way: the client, who reads slowly, gets it whole, though the end overtakes it."""
    with h3serve(example, pki, www, tmp_path / "log") as server:
        argv = [*example.command("h3get"), "-c", str(pki.ca), f"{server.url}/big.bin"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as child:
            assert child.stdout is not None and child.stderr is not None
            got = child.stdout.read(1 << 16)
            server.child.send_signal(signal.SIGTERM)
            got += child.stdout.read()
            said = child.stderr.read()
            assert child.wait(PATIENCE) == 0, said
        assert got == (www / "big.bin").read_bytes()
        assert server.child.wait(PATIENCE) == 0
        assert server.said(2)[1] == f"GET /big.bin 200 {BIG}"
