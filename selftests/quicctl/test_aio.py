# SPDX-License-Identifier: GPL-2.0-or-later
"""quicctl.aio over a kernel that is a queue, on a real event loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pytest
from fake_connection import AGREED, PEER, FakeEndpoint, FakeTls, established

from quicctl import aio, endpoint, errors, handshake, uapi
from quicctl.libquic import Handshake, TlsFailure, Wait

Test = Callable[[FakeEndpoint, aio.Connection], Awaitable[None]]


def with_client(**tls: object) -> Callable[[Test], Callable[[], None]]:
    """Run a test in a loop, with a connection and what is behind it."""

    def wrap(test: Test) -> Callable[[], None]:
        def run() -> None:
            async def main() -> None:
                fake = FakeEndpoint()
                async with asyncio.timeout(20), aio.Connection(*established(fake, **tls)) as connection:
                    await test(fake, connection)

            asyncio.run(main())

        run.__name__ = test.__name__
        return run

    return wrap


async def reading(far: socket.socket, size: int) -> bytes:
    far.setblocking(False)
    return await asyncio.get_running_loop().sock_recv(far, size)


@with_client()
async def test_stream_reads_and_writes(fake: FakeEndpoint, client: aio.Connection) -> None:
    async with await client.open_stream() as stream:
        assert repr(stream) == "<Stream 0>"
        far = fake.far[0]
        await stream.write(b"hello")
        assert await reading(far, 10) == b"hello"
        far.send(b"abc" + b"one\ntwo\nrest")
        far.shutdown(socket.SHUT_WR)
        assert await stream.readexactly(3) == b"abc"
        assert [line async for line in stream] == [b"one\n", b"two\n", b"rest"]
        assert await stream.read() == b""
        stream.write_eof()
        assert await reading(far, 1) == b""


@with_client()
async def test_unidirectional_streams(fake: FakeEndpoint, client: aio.Connection) -> None:
    ours = await client.open_stream(uni=True)
    await ours.write(b"x")
    assert await reading(fake.far[2], 1) == b"x"
    assert await ours.read() == b""
    await ours.close()
    assert await reading(fake.far[2], 1) == b""


@with_client()
async def test_giving_up(fake: FakeEndpoint, client: aio.Connection) -> None:
    stream = await client.open_stream()
    stream.stop(8)
    stream.reset(7)
    assert fake.calls[-2:] == [("stop", 0, 8), ("reset", 0, 7)]
    await stream.close()
    with pytest.raises(ZeroDivisionError):
        async with await client.open_stream():
            _ = 1 // 0
    assert fake.calls[-1] == ("reset", 4, 0)


@with_client()
async def test_peer_that_reads_no_more_can_still_be_read(fake: FakeEndpoint, client: aio.Connection) -> None:
    stream = await client.open_stream()
    fake.far[0].shutdown(socket.SHUT_RD)  # our writes fail from now on
    fake.say(uapi.StreamUpdate(0, uapi.StreamState.SEND_RESET_SENT, 43, 0))
    with pytest.raises(errors.StreamReset, match="reads no more") as caught:
        for _ in range(100):
            await stream.write(b"x")
            await asyncio.sleep(0)
    assert caught.value.code == 43
    fake.far[0].send(b"answer\n")
    assert await stream.readline() == b"answer\n"


@with_client()
async def test_reset_by_the_peer(fake: FakeEndpoint, client: aio.Connection) -> None:
    stream = await client.open_stream()
    fake.say(uapi.StreamUpdate(0, uapi.StreamState.RECV_RESET_RECVD, 42, 0))
    stream.reader.set_exception(ConnectionResetError(errno.ECONNRESET, "reset"))
    with pytest.raises(errors.StreamReset, match="gave up") as caught:
        await stream.read()
    assert caught.value.code == 42


@with_client()
async def test_lost_connection_has_a_reason(fake: FakeEndpoint, client: aio.Connection) -> None:
    stream = await client.open_stream()
    fake.end(uapi.ConnectionClose(9, 0, "enough"))
    stream.reader.set_exception(ConnectionResetError("Connection lost"))
    with pytest.raises(errors.ConnectionClosed, match="code 9"):
        await stream.readexactly(1)
    assert await client.next_event() == uapi.ConnectionClose(9, 0, "enough")
    for call in (client.open_stream, client.accept_stream, client.receive_datagram, client.next_event):
        with pytest.raises(errors.ConnectionClosed, match="code 9"):
            await call()
    with pytest.raises(errors.ConnectionClosed):
        await client.send_datagram(b"x")


@with_client()
async def test_everybody_gets_what_he_waits_for(fake: FakeEndpoint, client: aio.Connection) -> None:
    async with asyncio.TaskGroup() as tasks:
        event = tasks.create_task(client.next_event())
        datagram = tasks.create_task(client.receive_datagram())
        stream = tasks.create_task(client.accept_stream())
        await asyncio.sleep(0)
        fake.say(endpoint.Datagram(memoryview(b"d")), uapi.KeyUpdate(1))
        fake.stream(1, b"s")
    assert (event.result(), datagram.result()) == (uapi.KeyUpdate(1), b"d")
    assert await stream.result().read(1) == b"s"


@with_client()
async def test_credit_for_a_stream_is_waited_for(fake: FakeEndpoint, client: aio.Connection) -> None:
    fake.allowed = 0
    waiting = asyncio.create_task(client.open_stream())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    fake.allowed = 1
    fake.say(uapi.StreamMaxStream(0))
    assert (await waiting).id == 0


@with_client()
async def test_credit_whose_event_was_lost_is_found(fake: FakeEndpoint, client: aio.Connection) -> None:
    fake.allowed = 0
    waiting = asyncio.create_task(client.open_stream())
    await asyncio.sleep(0.01)
    fake.allowed = 1
    assert (await waiting).id == 0


@with_client()
async def test_close_wakes_all(fake: FakeEndpoint, client: aio.Connection) -> None:
    fake.allowed = 0
    waiting = [asyncio.create_task(call()) for call in (client.accept_stream, client.next_event, client.open_stream)]
    await asyncio.sleep(0.01)
    client.close(5, "done")
    for task in waiting:
        with pytest.raises(errors.ConnectionClosed):
            await task
    assert ("close", 5, "done") in fake.calls


@pytest.mark.parametrize("code", [0, 3])
def test_iteration_ends_with_the_connection(code: int) -> None:
    @with_client()
    async def test(fake: FakeEndpoint, client: aio.Connection) -> None:
        fake.stream(1)
        fake.stream(5)
        fake.end(uapi.ConnectionClose(code, 0, ""))
        seen = []
        expected = pytest.raises(errors.ConnectionClosed) if code else contextlib.nullcontext()
        with expected:
            async for stream in client:
                seen.append(stream.id)
        assert seen == [1, 5]

    test()


@with_client(tickets=(None, b"ticket"))
async def test_session_is_waited_for(fake: FakeEndpoint, client: aio.Connection) -> None:
    assert await client.session() == b"ticket"
    assert await client.session(0) is None


@with_client()
async def test_datagram_waits_for_room(fake: FakeEndpoint, client: aio.Connection) -> None:
    send, refusals = fake.send_datagram, [True, True]

    def full(data: bytes, *, wait: bool) -> int:
        if refusals:
            refusals.pop()
            raise BlockingIOError(errno.EAGAIN, "full")
        return send(data)

    fake.send_datagram = full  # type: ignore[method-assign,assignment]
    await client.send_datagram(b"d")
    assert fake.calls[-1] == ("datagram", b"d")


@with_client()
async def test_lack_of_descriptors_is_told_and_waited_out(fake: FakeEndpoint, client: aio.Connection) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    fake.stream(1)
    fake.peel_failures[1] = errno.EMFILE
    await asyncio.sleep(0.05)
    assert told[0]["exception"].errno == errno.EMFILE
    fake.say(endpoint.StreamData(1, memoryview(b""), False))
    assert (await client.accept_stream()).id == 1


@with_client()
async def test_close_while_descriptors_lack(fake: FakeEndpoint, client: aio.Connection) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    fake.stream(1)
    fake.peel_failures[1] = errno.EMFILE
    await asyncio.sleep(0.05)
    client.close()
    assert fake.closed


# Handshakes.


class StepTls(FakeTls):
    """A handshake that reads once from a pipe, then sends against a full buffer."""

    def __init__(self, readable: int, failure: TlsFailure | None = None) -> None:
        super().__init__()
        self._readable = readable
        self._failure = failure

    def steps(self) -> Generator[Wait, None, Handshake]:
        yield Wait.READ
        assert os.read(self._readable, 1) == b"!"
        yield Wait.SOON
        if self._failure:
            raise self._failure
        return AGREED

    def expired(self) -> TlsFailure:
        return TlsFailure(-errno.ETIMEDOUT, "timed out", AGREED)


class Shaking(FakeEndpoint):
    """A connection whose descriptor is a pipe during the handshake."""

    def __init__(self, *, answers: bool = True) -> None:
        super().__init__()
        self.pipe, far = os.pipe()
        if answers:
            os.write(far, b"!")
        self.tls = StepTls(self.pipe)

    def fileno(self) -> int:
        return self.pipe


@contextlib.contextmanager
def begun(
    fake: Shaking, options: handshake.Options, failure: TlsFailure | None = None
) -> Generator[handshake.Begun, None, None]:
    with fake:
        tls = StepTls(fake.pipe, failure)
        yield handshake.Begun(fake, PEER, tls, options, server=False)  # type: ignore[arg-type]


def test_connect_goes_by_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Shaking()
    asked: list[object] = []

    def client(address: endpoint.Address, options: handshake.Options, **rest: object) -> object:
        asked.extend((address, rest))
        return begun(fake, options)

    monkeypatch.setattr(handshake, "begun_client", client)

    async def main() -> None:
        async with await aio.connect("127.0.0.1", 4, timeout=10, session=b"s") as connection:
            assert connection.alpn == "shout"

    asyncio.run(main())
    assert asked == [("127.0.0.1", 4), {"hostname": "127.0.0.1", "resumed": b"s"}]
    assert fake.closed


def test_silence_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Shaking(answers=False)
    monkeypatch.setattr(handshake, "begun_client", lambda _, options, **__: begun(fake, options))
    with pytest.raises(errors.NoAnswer, match=r"within 0\.1 s"):
        asyncio.run(aio.connect("127.0.0.1", 4, timeout=0.1))
    assert fake.closed


def test_failed_handshake_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Shaking()
    refused = TlsFailure(-0x10002, "not trusted", AGREED)
    monkeypatch.setattr(handshake, "begun_client", lambda _, options, **__: begun(fake, options, refused))
    with pytest.raises(errors.CertificateNotTrusted):
        asyncio.run(aio.connect("127.0.0.1", 4))


def test_name_that_does_not_resolve_is_said_so() -> None:
    with pytest.raises(errors.BadAddress):
        asyncio.run(aio.connect("no such name", 4))


# Listening.


class Listening(FakeEndpoint):
    """A listener's descriptor: clients are made by the test."""

    def setblocking(self, blocking: bool) -> None:
        assert not blocking

    def accept(self) -> object:
        self._first()
        return self._messages.popleft()


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Listening:
    made = Listening()

    @contextlib.contextmanager
    def listener(*_: object) -> Generator[tuple[Listening, str], None, None]:
        with made:
            yield made, "credentials"

    monkeypatch.setattr(handshake, "listener", listener)
    monkeypatch.setattr(handshake, "begun_server", lambda client, _, options: begun(client, options, client.tls._failure))
    return made


def failing() -> Shaking:
    made = Shaking()
    made.tls = StepTls(made.pipe, TlsFailure(-0x10003, "no protocol", AGREED))
    return made


def test_listener_serves_those_that_can_be_served(listening: Listening, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="quicctl.aio")
    slow, bad, good = Shaking(answers=False), failing(), Shaking()

    async def main() -> None:
        async with asyncio.timeout(10), await aio.listen("127.0.0.1", 4, timeout=5) as listener:
            assert listener.local == listening.local
            listening.say(slow, bad, good)
            async for connection in listener:
                async with connection:
                    assert connection.alpn == "shout"
                break

    asyncio.run(main())
    assert "no application protocol" in caplog.text
    assert slow.closed
    assert good.closed
    assert listening.closed


def test_listener_serves_no_more_at_a_time_than_it_may(listening: Listening) -> None:
    clients = [Shaking(), Shaking(), Shaking()]

    async def main() -> None:
        async with asyncio.timeout(10), await aio.listen("127.0.0.1", 4, backlog=1) as listener:
            listening.say(*clients)
            await asyncio.sleep(0.2)
            assert len(listening._messages) == 2
            for _ in clients:
                (await listener.accept()).close()

    asyncio.run(main())


def test_failed_handshakes_leave_room_for_others(listening: Listening) -> None:
    async def main() -> None:
        async with asyncio.timeout(10), await aio.listen("127.0.0.1", 4, backlog=1) as listener:
            listening.say(failing(), failing(), Shaking())
            (await listener.accept()).close()

    asyncio.run(main())


def test_listener_closes_under_those_that_wait(listening: Listening) -> None:
    left = Shaking()

    async def main() -> None:
        listener = await aio.listen("127.0.0.1", 4)
        waiting = asyncio.create_task(listener.accept())
        iterating = asyncio.create_task(_count(listener))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.sleep(0)
        await listener.close()
        await listener.close()
        assert await iterating == 0
        with pytest.raises(errors.ConnectionClosed):
            await listener.accept()

    async def unaccepted() -> None:
        async with await aio.listen("127.0.0.1", 4):
            listening.say(left)
            await asyncio.sleep(0.2)

    asyncio.run(main())
    listening.__init__()  # type: ignore[misc]
    asyncio.run(unaccepted())
    assert left.closed


async def _count(listener: aio.Listener) -> int:
    return len([accepted async for accepted in listener])


def test_listener_outlives_a_lack_of_descriptors(
    listening: Listening, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(aio, "_LOOK", 0.01)
    lacking = [OSError(errno.EMFILE, "Too many open files")]
    accept = listening.accept

    def lacks() -> object:
        if lacking:
            raise lacking.pop()
        return accept()

    monkeypatch.setattr(listening, "accept", lacks)

    async def main() -> None:
        async with asyncio.timeout(10), await aio.listen("127.0.0.1", 4, timeout=5) as listener:
            listening.say(Shaking())
            async with await listener.accept() as connection:
                assert connection.alpn == "shout"

    asyncio.run(main())
    assert "Too many open files" in caplog.text


def test_broken_listener_says_what_broke(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> object:
        raise OSError(errno.ENOMEM, "no memory")

    monkeypatch.setattr(listening, "accept", broken)

    async def main() -> None:
        async with await aio.listen("127.0.0.1", 4) as listener:
            await listener.accept()

    with pytest.raises(OSError, match="no memory"):
        asyncio.run(main())
