# SPDX-License-Identifier: GPL-2.0-or-later
"""A client and a server of HTTP/3 with each other, over connections without a kernel: all but what resets streams."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from fake_web import FakeWeb
from http3_ends import Pair, answer, body_and_trailers_go_both_ways, order_of_ends, until

from quicctl import errors
from quicctl.connection import ClientSettings
from quicctl.http3 import client, fetch, frames, server, serving
from quicctl.http3.files import Files
from quicctl.http3.frames import ErrorCode
from quicctl.http3.priority import Priority
from quicctl.http3.server import Request, Response

PATIENCE = 60.0


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> FakeWeb:
    return FakeWeb(monkeypatch)


def run(web: FakeWeb, handler: server.Handler, test: Callable[[Pair], Awaitable[None]]) -> None:
    """Run a test with both ends in one loop."""

    async def main() -> None:
        served: list[server.Served] = []
        async with (
            asyncio.timeout(PATIENCE),
            await server.listen("localhost", 0, handler, on_served=served.append) as listening,
            await client.connect("localhost", 443) as peer,
        ):
            await test(Pair(listening, peer, served))

    asyncio.run(main())


def test_body_and_trailers_go_both_ways(web: FakeWeb) -> None:
    run(web, answer, body_and_trailers_go_both_ways)


def test_fields_that_came_twice_are_joined(web: FakeWeb) -> None:
    async def joins(request: Request) -> Response:
        return Response(204, [("x-got", request.headers["x-a"])])

    async def test(both: Pair) -> None:
        asked = await both.ask("/", headers=[("X-A", "1"), ("x-a", "2")])
        assert dict(await asked.head())["x-got"] == "1, 2"
        assert await asked.read() == b""

    run(web, joins, test)


def test_body_that_is_missing_is_noticed_unless_there_need_be_none(web: FakeWeb) -> None:
    async def lies(request: Request) -> Response:
        return Response(int(request.path[1:]), [("content-length", "5")])

    async def test(both: Pair) -> None:
        for status, method in ((200, "HEAD"), (304, "GET")):
            assert await (await both.ask(f"/{status}", method)).read() == b""
        with pytest.raises(errors.Http3Failed, match="5 bytes were promised"):
            await (await both.ask("/200")).read()

    run(web, lies, test)


def test_goaway_lets_requests_finish_and_takes_no_more(web: FakeWeb) -> None:
    go_on = asyncio.Event()

    async def slow(request: Request) -> Response:
        await go_on.wait()
        return Response(200, [], b"done")

    async def test(both: Pair) -> None:
        asked = await both.ask("/")
        await until(lambda: both.server._attendants and both.attendant._requests)
        ending = asyncio.create_task(both.server.shutdown(PATIENCE))
        await until(lambda: both.client.going_away)
        with pytest.raises(client.NotProcessed):
            await both.ask("/")
        assert not ending.done()
        go_on.set()
        assert await asked.read() == b"done"
        await both.client.close()
        assert await ending

    run(web, slow, test)


def test_idle_connections_are_closed_at_once(web: FakeWeb) -> None:
    async def test(both: Pair) -> None:
        await (await both.ask("/")).read()
        assert await both.server.shutdown(PATIENCE)
        await until(lambda: both.client.closed_in_order)
        # A Unix socket ends where a stream would fail, hence the last of them.
        with pytest.raises((client.NotProcessed, errors.ConnectionClosed, errors.Http3Failed)):
            await both.ask("/")

    run(web, answer, test)


def test_large_fields_are_refused(web: FakeWeb) -> None:
    """Up to the limit, which each end tells the other, they arrive; beyond, the server says 431, and the client ends it."""

    async def answers(request: Request) -> Response:
        size = int(request.path[1:])
        return Response(200, [*large("y", size), ("x-seen", str(len(request.headers.get("x-large", ""))))])

    def large(letter: str, size: int) -> list[tuple[str, str]]:
        return [("x-large", letter * 10000)] * (size // 10000)

    async def test(both: Pair) -> None:
        asked = await both.ask("/60000", headers=large("x", 60000))
        assert [value for name, value in await asked.head() if name == "x-large"] == ["y" * 10000] * 6
        assert dict(await asked.head())["x-seen"] == str(60000 + 5 * len(", "))
        with pytest.raises(errors.Http3Failed, match="more than 65536 bytes"):
            await (await both.ask("/70000")).head()
        with pytest.raises(errors.Http3Failed, match="no more than 65536 bytes"):
            await both.ask("/1", headers=large("x", 70000))
        both.client._layer_now()._received_settings = {}  # as one that does not care
        for letter, size in (("x", 70000), ("<", 1000000)):  # in a frame that is not too long, and in one that is
            assert await (await both.ask("/1", headers=large(letter, size))).status() == 431
        assert await (await both.ask("/1")).status() == 200

    run(web, answers, test)


@pytest.mark.parametrize("way", ("field", "frame", "foretold"))
def test_urgent_answers_come_first(way: str, web: FakeWeb) -> None:
    """By the field of the request, or a frame that came later, or before. RFC 9218, sections 4 and 7."""

    async def test(both: Pair) -> None:
        late = [("priority", "u=6")] if way == "field" else []
        urgent = [("priority", "u=1")] if way == "field" else []
        if way == "foretold":
            await (await both.ask("/")).read()
            both.client._say(b"".join(frames.priority_update(number * 4, "u=7") for number in range(5000)))
            both.client._say(frames.priority_update(both.attendant._next + 4, "u=0"))
            await until(lambda: Priority(0) in both.attendant._foretold.values())
            assert len(both.attendant._foretold) <= 256
        asked = [await both.ask("/big", headers=late), await both.ask("/big", headers=urgent)]
        if way == "frame":
            asked[1].prioritize(Priority(0))
        assert await order_of_ends(asked) == [1, 0]

    run(web, answer, test)


def test_what_is_unknown_is_ignored(web: FakeWeb) -> None:
    """Frames and streams of types that nobody has defined. RFC 9114, sections 7.2.8 and 9."""

    async def test(both: Pair) -> None:
        quic, layer = both.client._quic_now(), both.client._layer_now()
        strange = frames.frame(0x21 + 31 * 0x1F, b"grease" * 1000)
        both.client._say(strange)
        async with await quic.open_stream(uni=True) as stream:
            await stream.write(frames.varint(0x21 + 31 * 7) + b"whatever")
        asked = await both.ask("/", "POST", body=b"body", trailers=[("x", "y")])
        await asked.read()
        stream = await quic.open_stream()
        both.client._channel(stream)
        both.client.send(stream.id, strange, False)
        later = both.client._answer(asked.request, stream)
        layer.send_headers(stream.id, [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/x")])
        both.client.send(stream.id, strange, True)
        assert dict(await later.head())["x-seen"] == "GET /x 0 {}"

    run(web, answer, test)


WRONG = {
    "goaway twice": (frames.go_away(4) + frames.go_away(8), ErrorCode.ID_ERROR),
    "goaway that is none": (frames.frame(frames.GOAWAY, b"\x40"), ErrorCode.FRAME_ERROR),
    "goaway with more": (frames.frame(frames.GOAWAY, bytes(100)), ErrorCode.EXCESSIVE_LOAD),
    "priority of no request": (frames.priority_update(2, "u=1"), ErrorCode.ID_ERROR),
    "settings again": (frames.frame(0x04, b""), ErrorCode.FRAME_UNEXPECTED),
}


@pytest.mark.parametrize("name", WRONG)
def test_server_closes_for(name: str, web: FakeWeb) -> None:
    sent, code = WRONG[name]

    async def test(both: Pair) -> None:
        both.client._say(sent)
        await until(lambda: both.client._quic_now().closed_with)
        assert both.client._quic_now().closed_with.errcode == code

    run(web, answer, test)


@pytest.mark.parametrize(
    ("sent", "code"),
    ((frames.go_away(3), ErrorCode.ID_ERROR), (frames.priority_update(0, ""), ErrorCode.FRAME_UNEXPECTED)),
)
def test_client_closes_for(sent: bytes, code: ErrorCode, web: FakeWeb) -> None:
    async def test(both: Pair) -> None:
        await (await both.ask("/")).read()
        attendant = both.attendant
        attendant._say(sent)
        await until(lambda: attendant._quic_now().closed_with)
        assert attendant._quic_now().closed_with.errcode == code
        with pytest.raises(errors.Http3Failed, match=frames.describe(code)):
            await both.ask("/")

    run(web, answer, test)


def test_server_opens_no_stream_for_requests(web: FakeWeb) -> None:
    async def test(both: Pair) -> None:
        await (await both.ask("/")).read()
        attendant = both.attendant
        await attendant._quic_now().open_stream()
        await until(lambda: attendant._quic_now().closed_with)
        assert attendant._quic_now().closed_with.errcode == ErrorCode.STREAM_CREATION_ERROR

    run(web, answer, test)


def test_large_trailers_are_refused(web: FakeWeb, caplog: pytest.LogCaptureFixture) -> None:
    async def test(both: Pair) -> None:
        both.client._layer_now()._received_settings = {}
        trailers = [("x-large", "<" * 10000)] * 7
        assert await (await both.ask("/", "POST", body=b"body", trailers=trailers)).status() == 431

    run(web, answer, test)
    assert not caplog.records


def test_handler_that_fails_at_once_is_an_answer(web: FakeWeb, caplog: pytest.LogCaptureFixture) -> None:
    async def breaks(request: Request) -> Response:
        raise OSError("no such thing")

    async def test(both: Pair) -> None:
        assert await (await both.ask("/")).status() == 500

    run(web, breaks, test)
    assert "could not be answered" in caplog.text


def test_shutdown_ends_when_its_time_is_up(web: FakeWeb) -> None:
    async def never(request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def test(both: Pair) -> None:
        await both.ask("/")
        await until(lambda: both.server._attendants and both.attendant._requests)
        assert not await both.server.shutdown(0.05)

    run(web, never, test)


def test_shutdown_waits_for_no_client_that_lets_the_server_open_nothing(web: FakeWeb) -> None:
    """RFC 9114, section 6.2: it must let it open three."""
    web.server_streams = 2

    async def test(both: Pair) -> None:
        await until(lambda: both.server._attendants)
        assert await both.server.shutdown(PATIENCE)
        await until(lambda: not both.server._attendants)

    run(web, answer, test)


# Fetching.


@pytest.fixture
def www(tmp_path: Path) -> Path:
    for number in range(5):
        (tmp_path / str(number)).write_bytes(b"%d\n" % number * 1000)
    return tmp_path


def fetched(web: FakeWeb, handler: server.Handler, *urls: str, shared: bool = False, **plan: Any) -> Any:
    """What fetch() reports, and what was written."""
    sinks = [io.BytesIO()] * len(urls) if shared else [io.BytesIO() for _ in urls]
    wanted = [fetch.Wanted(fetch.Url.parse(url), sink) for url, sink in zip(urls, sinks, strict=True)]
    ready = fetch.Plan(settings=ClientSettings(), **plan)
    sessions: list[bytes] = []
    progress: list[int] = []

    async def main() -> list[fetch.Fetched]:
        async with asyncio.timeout(PATIENCE), await server.listen("localhost", 0, handler):
            return await fetch._Run(ready, progress.append, sessions.append).all(wanted)

    got = asyncio.run(main())
    assert sessions and progress == sorted(progress)
    return got, [sink.getvalue() for sink in sinks]


def test_urls_of_one_server_share_a_connection(web: FakeWeb, www: Path) -> None:
    urls = [f"https://{host}/{number}" for number in range(5) for host in ("a", "b")]
    got, bodies = fetched(web, Files(www), *urls)
    assert bodies == [(www / str(number)).read_bytes() for number in range(5) for _ in "ab"]
    assert [one.connection for one in got] == [0, 1] * 5
    assert [one.sha256 for one in got] == [hashlib.sha256(body).hexdigest() for body in bodies]


def test_one_place_takes_them_in_order_with_their_fields(web: FakeWeb) -> None:
    async def names(request: Request) -> Response:
        return Response(200, [("x-name", request.path)], request.path.encode(), [("x-end", "yes")])

    _, bodies = fetched(web, names, "a/1", "a/2", shared=True, show_head=True)
    one = "HTTP/3 200\r\nx-name: /{0}\r\n\r\n/{0}\r\nx-end: yes\r\n"
    assert bodies[0].decode() == one.format(1) + one.format(2)


def test_early_requests_are_the_first_of_a_session(web: FakeWeb, www: Path) -> None:
    got, bodies = fetched(web, Files(www), "a/0", "a/1", session=b"kept", early=True)
    assert bodies == [(www / str(number)).read_bytes() for number in range(2)]
    assert [one.early for one in got] == [True, True]
    got, _ = fetched(web, Files(www), "a/0", early=True)
    assert [one.early for one in got] == [False]


def test_early_requests_are_repeatable(web: FakeWeb) -> None:
    with pytest.raises(ValueError, match="can be replayed"):
        asyncio.run(client.connect("a", 443, first=[client.Request("a", "/", "POST")]))


def test_who_is_sent_away_asks_on_until_nothing_comes_of_it(web: FakeWeb, www: Path) -> None:
    files = Files(www)
    asked: list[str] = []

    async def two_at_a_time(request: Request) -> Response:
        asked.append(request.path)
        if len(asked) % 2 == 0:
            leave = servers[0]._attendants
            for attendant in leave:
                attendant._limit = request.stream_id + 4
                attendant._say(frames.go_away(request.stream_id + 4))
        return await files(request)

    servers: list[server.Server] = []
    listen = server.Server.__init__

    def remember(self: server.Server, *words: Any) -> None:
        servers.append(self)
        listen(self, *words)

    server.Server.__init__ = remember  # type: ignore[method-assign]
    try:
        got, bodies = fetched(web, two_at_a_time, *(f"a/{number}" for number in range(5)), shared=True)
    finally:
        server.Server.__init__ = listen  # type: ignore[method-assign]
    assert bodies[0] == b"".join((www / str(number)).read_bytes() for number in range(5))
    assert [one.connection for one in got] == [0, 0, 1, 1, 2]


def test_silence_is_told(web: FakeWeb) -> None:
    async def never(request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(errors.IdleTimeout, match=r"0\.1 s of https://a/"):
        fetched(web, never, "a/", timeout=0.1)


def test_nobody_reads_any_more(web: FakeWeb, www: Path) -> None:
    class Closed(io.BytesIO):
        def write(self, data: Any) -> int:
            raise BrokenPipeError

    async def main() -> None:
        async with asyncio.timeout(PATIENCE), await server.listen("localhost", 0, Files(www)):
            wanted = [fetch.Wanted(fetch.Url.parse("a/1"), Closed())]
            await fetch._Run(fetch.Plan(settings=ClientSettings()), None, None).all(wanted)

    with pytest.raises(BrokenPipeError):
        asyncio.run(main())


def test_log_is_quiet_about_clients_that_leave(web: FakeWeb, caplog: pytest.LogCaptureFixture) -> None:
    async def test(both: Pair) -> None:
        await both.ask("/big")
        await until(lambda: both.server._attendants and both.attendant._requests)

    with caplog.at_level(logging.WARNING):
        run(web, answer, test)
    assert not caplog.records


# Serving until a signal.


@pytest.mark.parametrize("signals", (1, 2))
def test_signals_end_it(signals: int, web: FakeWeb, www: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first in order; the second whatever is under way."""
    monkeypatch.setattr(serving, "_raise_descriptors", lambda: None)
    told: list[str] = []
    asking: list[asyncio.Task[None]] = []

    async def never(request: Request) -> Response:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()
        raise AssertionError

    async def ask() -> None:
        async with await client.connect("localhost", 443) as peer:
            with contextlib.suppress(errors.QuicctlError):
                await (await peer.request(client.Request("localhost", "/1"))).read()

    if signals == 2:
        monkeypatch.setattr(serving, "Files", lambda *_, **__: never)

    def listening(where: object) -> None:
        told.append("listening")
        if signals == 1:
            os.kill(os.getpid(), signal.SIGINT)
        else:
            asking.append(asyncio.get_running_loop().create_task(ask()))

    def heard() -> None:
        told.append("signal")
        if signals == 2:
            os.kill(os.getpid(), signal.SIGINT)

    finished = serving.serve(www, "localhost", 0, on_listening=listening, on_signal=heard)
    assert (finished, told) == (signals == 1, ["listening", "signal"])
    assert web.listener.closed


def test_listener_that_fails_ends_it(web: FakeWeb, www: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_raise_descriptors", lambda: None)

    async def fail() -> None:
        raise OSError("no more descriptors")

    monkeypatch.setattr(server.Server, "_accept", lambda self: fail())
    with pytest.raises(OSError, match="no more descriptors"):
        serving.serve(www, "localhost", 0)
