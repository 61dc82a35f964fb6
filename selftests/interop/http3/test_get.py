# SPDX-License-Identifier: GPL-2.0-or-later
"""quicctl get, as a library, against other stacks' servers."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aio_peer import stranger
from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent
from conftest import Pki, unsupported
from http3_ends import until
from programs import HOST, TRAILED, Server, caddy, gtlsserver, haproxy, nginx
from web import PATIENCE

from quicctl import errors, uapi
from quicctl.connection import ClientSettings
from quicctl.http3 import client, frames
from quicctl.http3.fetch import Fetched, Plan, Url, Wanted, fetch

SMALL = 20
BIG = 2 << 20
"""More than a stream's credit."""
MIDDLE = 1 << 19
"""Less than that."""
START = {
    "nginx_trixie": lambda *where: nginx("trixie", *where),
    "nginx_sid": lambda *where: nginx("sid", *where),
    "caddy": lambda *where: caddy("sid", *where),
    "haproxy": lambda *where: haproxy("sid", *where),
    "ngtcp2": lambda *where: gtlsserver("trixie", *where, "--send-trailers"),
}
FILES = [name for name in START if name != "haproxy"]
"""Who serves files; haproxy passes on what is behind it."""


@pytest.fixture(scope="module")
def www(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("www")
    for number in range(SMALL):
        (folder / f"{number}.txt").write_bytes(b"%d\n" % (number + 10) * 100)
    (folder / "big.bin").write_bytes(os.urandom(BIG))
    (folder / "middle.bin").write_bytes(os.urandom(MIDDLE))
    (folder / "trailers").write_bytes(TRAILED)
    (folder / "page").touch()  # haproxy wants it there
    return folder


@pytest.fixture(scope="module", params=list(START))
def server(request: pytest.FixtureRequest, pki: Pki, www: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with START[request.param](pki, www, tmp_path_factory.mktemp(request.param)) as started:
        yield started


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """The server's."""
    return str(request.node.callspec.params["server"])


def fetched(port: int, pki: Pki, *paths: str, on_session: Any = None, **plan: Any) -> tuple[list[Fetched], list[bytes]]:
    """What is reported of the paths, and their bodies."""
    sinks = [io.BytesIO() for _ in paths]
    wanted = [Wanted(Url.parse(f"https://{HOST}:{port}{path}"), sink) for path, sink in zip(paths, sinks, strict=True)]
    settings = ClientSettings(ca=pki.ca, timeout=PATIENCE)
    got = fetch(wanted, Plan(settings=settings, timeout=PATIENCE, **plan), on_session=on_session)
    return got, [sink.getvalue() for sink in sinks]


def test_files_come_side_by_side(server: Server, pki: Pki, www: Path) -> None:
    names = ["big.bin", *(f"{number}.txt" for number in range(SMALL))]
    got, bodies = fetched(server.port, pki, *(f"/{name}" for name in names))
    assert bodies == [(www / name).read_bytes() for name in names]
    assert {(one.status, one.connection) for one in got} == {(200, 0)}


@pytest.mark.parametrize("server", FILES, indirect=True)
def test_parts_and_conditions(server: Server, name: str, pki: Pki, www: Path) -> None:
    if name == "ngtcp2":
        [one], _ = fetched(server.port, pki, "/big.bin", headers=[("range", "bytes=100-199")])
        assert one.status == 200
        unsupported("it answers a range by the whole")
    [one], [body] = fetched(server.port, pki, "/big.bin", headers=[("range", "bytes=100-199")])
    assert (one.status, body) == (206, (www / "big.bin").read_bytes()[100:200])
    [again], [body] = fetched(server.port, pki, "/big.bin", headers=[("if-none-match", dict(one.headers)["etag"])])
    assert (again.status, body) == (304, b"")
    [beyond], _ = fetched(server.port, pki, "/big.bin", headers=[("range", "bytes=99999999-")])
    assert beyond.status == 416


def test_head_has_a_length_and_no_body(server: Server, pki: Pki) -> None:
    [one, other], bodies = fetched(server.port, pki, "/big.bin", "/0.txt", method="HEAD")
    assert [(one.status, dict(one.headers)["content-length"]) for one in (one, other)] == [(200, str(BIG)), (200, "300")]
    assert bodies == [b"", b""]


def test_body_goes_there(server: Server, name: str, pki: Pki) -> None:
    content = os.urandom(1 << 20)
    [one], [answer] = fetched(server.port, pki, "/hash" if name != "ngtcp2" else "/0.txt", method="POST", body=content)
    assert one.status == 200
    if name != "ngtcp2":  # which throws bodies away
        assert answer.decode() == hashlib.sha256(content).hexdigest()


def test_request_goes_before_the_handshake(server: Server, name: str, pki: Pki, www: Path) -> None:
    kept: list[bytes] = []
    fetched(server.port, pki, "/0.txt", on_session=kept.append)
    got, bodies = fetched(server.port, pki, "/0.txt", "/1.txt", session=kept[0], early=True)
    assert bodies == [(www / f"{number}.txt").read_bytes() for number in range(2)]
    assert got[0].handshake.resumed
    if got[0].handshake.early_data == "none":
        unsupported("the session was resumed, but its ticket allows no early data")
    if got[0].handshake.early_data == "rejected" and name == "nginx_trixie":
        unsupported("it resumed the session, but rejected the early data, which came again")
    assert (got[0].handshake.early_data, [one.early for one in got]) == ("accepted", [True, True])


LARGE = {
    "nginx_trixie": {400, 431, 494}, "nginx_sid": {400, 431, 494}, "caddy": {200}, "ngtcp2": {200},
}  # fmt: skip


def test_large_fields(server: Server, name: str, pki: Pki) -> None:
    """Of 50 KB; each server does what it does, and the connection's other request is none the worse for it."""

    async def main() -> tuple[int, int]:
        async with await client.connect(HOST, server.port, ca=pki.ca, server_name="localhost", timeout=PATIENCE) as peer:
            large = client.Request("localhost", "/0.txt", headers=[(f"x-{number}", "y" * 1000) for number in range(50)])
            first, second = await peer.request(large), await peer.request(client.Request("localhost", "/1.txt"))
            return await first.status(), await second.status()

    if name == "haproxy":
        with pytest.raises(errors.ConnectionClosed, match=f"code {frames.ErrorCode.EXCESSIVE_LOAD:d}"):
            asyncio.run(main())
        unsupported("it ends the connection with H3_EXCESSIVE_LOAD")
    first, second = asyncio.run(main())
    assert (first in LARGE[name], second) == (True, 200), first


def test_cancelled_request_leaves_the_connection_alone(server: Server, pki: Pki, www: Path) -> None:
    async def main() -> bytes:
        async with await client.connect(HOST, server.port, ca=pki.ca, server_name="localhost", timeout=PATIENCE) as peer:
            unwanted = await peer.request(client.Request("localhost", "/big.bin"))
            assert await unwanted.status() == 200
            await unwanted.close()
            wanted = await peer.request(client.Request("localhost", "/big.bin"))
            return await wanted.read()

    assert asyncio.run(main()) == (www / "big.bin").read_bytes()


def test_trailers(server: Server, name: str, pki: Pki) -> None:
    [one], [body] = fetched(server.port, pki, "/trailers")
    assert (one.status, body) == (200, TRAILED)
    assert one.trailers if name == "ngtcp2" else one.trailers == [("x-end", "yes")]


def test_priorities(server: Server, name: str, pki: Pki) -> None:
    """Of two answers the second is more urgent (RFC 9218): who heeds that lets the first one wait until it has come.

    With little credit for both together, the order in which we read is the one in which they are sent. A second request that
    comes when the first one is nearly answered proves nothing, so there are more tries.
    """
    where: dict[str, Any] = {"ca": pki.ca, "server_name": "localhost", "params": uapi.TransportParams(max_data=MIDDLE // 8)}

    async def main() -> int:
        async with await client.connect(HOST, server.port, timeout=PATIENCE, **where) as peer:
            later, first = [
                await peer.request(client.Request("localhost", "/middle.bin", headers=[("priority", f"u={urgency}")]))
                for urgency in (7, 0)
            ]
            others = 0

            async def read_later() -> None:
                nonlocal others
                async for piece in later.body():
                    others += len(piece)

            reading = asyncio.create_task(read_later())
            assert len(await first.read()) == MIDDLE
            came = others
            await reading
            assert others == MIDDLE
            return came

    if not any(asyncio.run(main()) <= MIDDLE // 2 for _ in range(4)):
        assert name != "ngtcp2", "nghttp3 knows priorities"
        unsupported("when the more urgent one of two answers had come, so had more than half of the other")


LEAVE = {"nginx_trixie": signal.SIGQUIT, "nginx_sid": signal.SIGQUIT, "caddy": signal.SIGTERM, "haproxy": signal.SIGUSR1}
"""What tells a server to end in order."""


@pytest.mark.parametrize("peer", list(LEAVE))
def test_goaway_while_an_answer_is_under_way(peer: str, pki: Pki, www: Path, tmp_path: Path) -> None:
    """The answer comes to its end all the same."""

    async def main(server: Server) -> bytes:
        async with await client.connect(HOST, server.port, ca=pki.ca, server_name="localhost", timeout=PATIENCE) as ours:
            answer = await ours.request(client.Request("localhost", "/big.bin"))
            assert await answer.status() == 200
            server.child.send_signal(LEAVE[peer])
            async with asyncio.timeout(PATIENCE):
                await until(lambda: ours.going_away)
            return await answer.read()

    with START[peer](pki, www, tmp_path) as server:
        assert asyncio.run(main(server)) == (www / "big.bin").read_bytes()


def test_nginx_sid_sends_away_who_asks_on(pki: Pki, www: Path, tmp_path: Path) -> None:
    """By GOAWAY after so many requests on a connection; what it did not answer is asked for on the next."""
    with nginx("sid", pki, www, tmp_path, requests=4) as server:
        got, bodies = fetched(server.port, pki, *(f"/{number}.txt" for number in range(SMALL)))
    assert bodies == [(www / f"{number}.txt").read_bytes() for number in range(SMALL)]
    assert max(one.connection for one in got) >= 3


class _Odd(QuicConnectionProtocol):
    """A server with large fields, trailers, an answer of 103 before the one that counts, and frames that nobody knows."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._h3 = H3Connection(self._quic)
        self._sums: dict[int, Any] = {}

    def quic_event_received(self, event: QuicEvent) -> None:
        for one in self._h3.handle_event(event):
            if isinstance(one, HeadersReceived | DataReceived):
                seen = self._sums.setdefault(one.stream_id, hashlib.sha256())
                seen.update(one.data if isinstance(one, DataReceived) else b"")
                if one.stream_ended:
                    self._answer(one.stream_id, seen.hexdigest().encode())
        self.transmit()

    def _answer(self, stream: int, body: bytes) -> None:
        self._h3.send_headers(stream, [(b":status", b"103"), (b"link", b"</style.css>")])
        self._quic.send_stream_data(stream, frames.frame(0x21 + 31 * 5, bytes(50000)))
        large = [(b"x-%d" % number, b"y" * 1000) for number in range(40)]
        self._h3.send_headers(stream, [(b":status", b"200"), *large])
        self._h3.send_data(stream, body, end_stream=False)
        self._h3.send_headers(stream, [(b"x-end", b"yes")], end_stream=True)


def test_aioquic_sends_trailers_and_what_is_odd(pki: Pki) -> None:
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
    configuration.load_cert_chain(pki.cert, pki.key)
    with stranger() as thread:
        started = thread.call(serve(HOST, 0, configuration=configuration, create_protocol=_Odd), PATIENCE)
        port = started._transport.get_extra_info("sockname")[1]
        content = os.urandom(300000)
        got, bodies = fetched(port, pki, "/", "/", method="POST", body=content, trailers=[("x-sent", "all")])
        thread.call(asyncio.sleep(0, started.close()), PATIENCE)
    assert bodies == [hashlib.sha256(content).hexdigest().encode()] * 2
    assert [one.trailers for one in got] == [[("x-end", "yes")]] * 2
    assert len(got[0].headers) == 40
