# SPDX-License-Identifier: GPL-2.0-or-later
"""QuicSocket and quicctl.aio over the real module: the examples of docs/python.md, and what they leave out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from quicctl import QuicListener, QuicSocket, aio, errors, handshake, module, pki, process, uapi
from quicctl.connection import Early

pytestmark = [
    pytest.mark.skipif(not module.usable(), reason="the module is not loaded"),
    pytest.mark.timeout(600),
]

PATIENCE = 120.0
DOCUMENT = Path(__file__).parents[2] / "docs" / "python.md"
BLOCK = re.compile(r"^```(\w+)(?: (\w+)=(\w+))?\n(.*?)^```$", re.M | re.S)


def examples() -> dict[str, tuple[str, str, str]]:
    """Server, client and the client's output, by the example's name."""
    found: dict[str, list[str]] = {}
    name = ""
    for language, _, named, text in BLOCK.findall(DOCUMENT.read_text()):
        name = named or name
        assert language in ("python", "text")
        found.setdefault(name, []).append(text)
    return {name: (parts[0], parts[1], parts[2]) for name, parts in found.items() if len(parts) == 3}


def test_document_has_its_examples() -> None:
    assert set(examples()) == {"blocking", "asyncio", "messages", "early"}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> pki.Pki:
    return pki.make(tmp_path_factory.mktemp("pki"))


@pytest.mark.parametrize("name", examples())
def test_example_does_what_the_document_says(name: str, keys: pki.Pki, tmp_path: Path) -> None:
    server, client, output = examples()[name]
    for file in (keys.ca, keys.cert, keys.key):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    said = tmp_path / "said"
    with (
        said.open("wb") as log,
        process.running([sys.executable, "-c", server], cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT) as child,
    ):
        until(lambda: b"listening" in said.read_bytes() or child.poll() is not None)
        done = subprocess.run([sys.executable, "-c", client], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr + said.read_text()
        assert done.stdout == output
        if name == "messages":
            until(lambda: b"KeyUpdate(phase=1)" in said.read_bytes())
        child.send_signal(signal.SIGINT)
        child.wait(timeout=PATIENCE)


def until(truth: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not truth():
        assert time.monotonic() < deadline
        time.sleep(0.05)


Pair = tuple[QuicSocket, QuicSocket]


def listening(keys: pki.Pki, **settings: object) -> QuicListener:
    listener = QuicSocket.listen("127.0.0.1", 0, cert=keys.cert, key=keys.key, timeout=60, **settings)  # type: ignore[arg-type]
    listener.settimeout(PATIENCE)
    return listener


def connected(listener: QuicListener, keys: pki.Pki, **settings: object) -> Pair:
    taken: list[QuicSocket] = []
    thread = threading.Thread(target=lambda: taken.append(listener.accept()))
    thread.start()
    client = QuicSocket.connect(*listener.local, ca=keys.ca, timeout=60, **settings)  # type: ignore[arg-type]
    thread.join()
    for end in (client, taken[0]):
        end.settimeout(PATIENCE)
    return client, taken[0]


@pytest.fixture
def pair(keys: pki.Pki) -> Iterator[Pair]:
    """A client and a server."""
    with listening(keys) as listener:
        client, server = connected(listener, keys)
        with client, server:
            yield client, server


def two_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name of which only the second address has a server."""
    found = socket.getaddrinfo

    def both(host: str, port: int, **hints: Any) -> list[Any]:
        if host != "server.test":
            return found(host, port, **hints)
        return found("::1", port, **hints) + found("127.0.0.1", port, **hints)

    monkeypatch.setattr(socket, "getaddrinfo", both)


def test_another_address_of_the_host_answers(keys: pki.Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    two_addresses(monkeypatch)
    with listening(keys) as listener:
        where = ("server.test", listener.local[1])
        known = {"ca": keys.ca, "server_name": "localhost", "timeout": 20.0}

        async def asynchronous() -> None:
            (await aio.connect(*where, **known)).close()  # type: ignore[arg-type]

        def attend() -> None:
            for _ in range(3):
                with contextlib.suppress(errors.QuicctlError):  # the client may have gone already
                    listener.accept().close()

        thread = threading.Thread(target=attend)
        thread.start()
        asyncio.run(asynchronous())
        QuicSocket.connect(*where, **known).close()  # type: ignore[arg-type]
        options = handshake.Options(identity=handshake.Identity(ca=keys.ca), timeout=20)
        assert handshake.connect(where, options, hostname="localhost").peer == f"127.0.0.1:{where[1]}"
        thread.join()


def test_silence_of_all_addresses_takes_the_time_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    two_addresses(monkeypatch)
    begun = time.monotonic()
    with pytest.raises(errors.NoAnswer):
        QuicSocket.connect("server.test", 9, insecure=True, timeout=4)
    assert 4 <= time.monotonic() - begun < PATIENCE


def test_stream_that_nobody_reads_holds_up_itself_alone(pair: Pair) -> None:
    client, server = pair
    full, free = client.open_stream(), client.open_stream()
    full.settimeout(1)
    with pytest.raises(TimeoutError):
        for _ in range(1000):
            full.write(bytes(1 << 16))
    free.write(b"still here")
    free.write_eof()
    first, second = server.accept_stream(), server.accept_stream()
    by_id = {first.id: first, second.id: second}
    assert by_id[free.id].read() == b"still here"
    assert by_id[full.id].read(100) == bytes(100)


def test_megabytes_go_both_ways_at_once(pair: Pair) -> None:
    client, server = pair
    content = os.urandom(3 << 20)

    def echo() -> None:
        with server.accept_stream() as stream:
            while piece := stream.read(1 << 16):
                stream.write(piece)

    thread = threading.Thread(target=echo)
    thread.start()
    with client.open_stream() as stream:
        writer = threading.Thread(target=lambda: (stream.write(content), stream.write_eof()))
        writer.start()
        assert stream.read() == content
        writer.join()
    thread.join()


def test_client_that_says_its_say_and_goes_is_read_to_the_end(pair: Pair) -> None:
    client, server = pair
    with client.open_stream(uni=True) as stream:
        stream.write(b"farewell")
    client.close(9, "gone")
    until(lambda: poll_says_hangup(server))
    stream = server.accept_stream()
    assert stream.read() == b"farewell"
    assert not stream.writable()
    with pytest.raises(errors.ConnectionClosed, match=r"code 9 \(gone\)"):
        server.accept_stream()
    assert server.closed_with == uapi.ConnectionClose(9, 0, "gone")


def poll_says_hangup(end: QuicSocket) -> bool:
    poll = select.poll()
    poll.register(end.fileno(), 0)
    return bool(poll.poll(0))


def test_stop_and_reset_tell_their_codes(pair: Pair) -> None:
    client, server = pair
    stream = client.open_stream()
    stream.write(b"x")
    other = server.accept_stream()
    assert other.read(1) == b"x"
    other.stop(5)
    with pytest.raises(errors.StreamReset) as caught:
        until(lambda: stream.write(b"y") != 1)
    assert caught.value.code == 5
    other.write(b"the other direction goes on\n")
    assert stream.readline() == b"the other direction goes on\n"
    other.reset(6)
    with pytest.raises(errors.StreamReset) as caught:
        stream.read()
    assert caught.value.code == 6


def test_exception_resets_what_it_interrupts(pair: Pair) -> None:
    client, server = pair
    with pytest.raises(ZeroDivisionError), client.open_stream() as stream:
        stream.write(b"a part")
        _ = 1 // 0
    with pytest.raises((errors.StreamReset, TimeoutError)):
        server.settimeout(20)
        server.accept_stream().readall()


def test_close_frees_those_that_wait(pair: Pair) -> None:
    _, server = pair  # whom nobody sends tickets or tokens
    raised: list[BaseException] = []

    def wait(call: Callable[[], object]) -> None:
        try:
            call()
        except BaseException as failure:
            raised.append(failure)

    calls = (server.accept_stream, server.receive_datagram, server.next_event, server.open_stream().read)
    threads = [threading.Thread(target=wait, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    server.close()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert [type(failure) for failure in raised] == [errors.ConnectionClosed] * 4


def test_streams_wait_for_the_peer_to_allow_them(keys: pki.Pki) -> None:
    with listening(keys, params=uapi.TransportParams(max_streams_bidi=1)) as listener:
        client, server = connected(listener, keys)
        with client, server:
            first = client.open_stream()
            client.settimeout(0.3)
            with pytest.raises(TimeoutError):
                client.open_stream()
            client.settimeout(PATIENCE)
            first.write(b"done")
            first.close()
            with server.accept_stream() as stream:
                assert stream.read() == b"done"
            with client.open_stream() as second:
                assert second.id == first.id + 4


def test_session_resumes(keys: pki.Pki) -> None:
    with listening(keys) as listener:
        client, server = connected(listener, keys)
        with client, server:
            session = client.session(wait=60)
            assert session
        client, server = connected(listener, keys, session=session)
        with client, server:
            assert client.handshake.resumed


def ask_early(early: Early) -> None:
    assert early.send(early.open_stream(), b"early", fin=True) == 5
    early.send(early.open_stream(uni=True), b"and over", fin=True)


@pytest.mark.parametrize("taken", (True, False))
def test_early_data_arrives_whether_it_is_taken_early_or_not(taken: bool, keys: pki.Pki) -> None:
    """A listener with keys of its own cannot read the ticket, and so takes no early data: the kernel sends it again."""
    with listening(keys, early_data=True) as first, listening(keys, early_data=True) as other:
        client, server = connected(first, keys)
        with client, server:
            session = client.session(wait=60)
        client, server = connected(first if taken else other, keys, session=session, early=ask_early)
        with client, server:
            assert client.handshake.early_data == ("accepted" if taken else "rejected")
            stream = server.accept_stream()
            assert (stream.id, stream.read()) == (0, b"early")
            stream.write(b"answer")
            stream.write_eof()
            assert client.early_streams[0].read() == b"answer"
            assert server.accept_stream().read() == b"and over"


def test_aio_sends_early_data(keys: pki.Pki) -> None:
    async def main() -> None:
        async with await aio_listen(keys, early_data=True) as listener:
            client, server = await aio_pair(listener, keys)
            async with client, server:
                session = await client.session(wait=60)
            assert session
            accepting = asyncio.create_task(listener.accept())
            client = await aio.connect(*listener.local, ca=keys.ca, timeout=60, session=session, early=ask_early)
            async with client, await accepting as server, await server.accept_stream() as stream:
                assert await stream.read() == b"early"
                await stream.write(b"answer")
                stream.write_eof()
                assert await client.early_streams[0].read() == b"answer"
            assert client.handshake.early_data == "accepted"

    asyncio.run(main())


def test_certificate_is_verified(keys: pki.Pki, tmp_path: Path) -> None:
    stranger = pki.make(tmp_path)
    with listening(keys) as listener:
        refused: list[errors.PeerRefused] = []

        def accept() -> None:
            with pytest.raises(errors.PeerRefused) as caught:
                listener.accept()
            refused.append(caught.value)

        thread = threading.Thread(target=accept)
        thread.start()
        with pytest.raises(errors.CertificateNotTrusted):
            QuicSocket.connect(*listener.local, ca=stranger.ca, timeout=60)
        thread.join()
        assert refused


def test_listener_closes_under_those_that_accept(keys: pki.Pki) -> None:
    raised: list[BaseException] = []
    listener = listening(keys)

    def accept() -> None:
        with pytest.raises(errors.ConnectionClosed) as caught:
            listener.accept()
        raised.append(caught.value)

    threads = [threading.Thread(target=accept) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    listener.close()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(raised) == 2


# asyncio.


async def aio_pair(listener: aio.Listener, keys: pki.Pki) -> tuple[aio.Connection, aio.Connection]:
    client, server = await asyncio.gather(
        aio.connect(*listener.local, ca=keys.ca, timeout=60), asyncio.wait_for(listener.accept(), PATIENCE)
    )
    return client, server


async def aio_listen(keys: pki.Pki, **settings: object) -> aio.Listener:
    return await aio.listen("127.0.0.1", 0, cert=keys.cert, key=keys.key, timeout=60, **settings)  # type: ignore[arg-type]


def test_aio_directions_end_apart(keys: pki.Pki) -> None:
    async def main() -> None:
        async with await aio_listen(keys) as listener:
            client, server = await aio_pair(listener, keys)
            async with client, server:
                stream = await client.open_stream()
                await stream.write(b"x")
                other = await server.accept_stream()
                assert await other.readexactly(1) == b"x"
                other.stop(5)
                with pytest.raises(errors.StreamReset) as caught:
                    for _ in range(1000):
                        await stream.write(b"y")
                        await asyncio.sleep(0.05)
                assert caught.value.code == 5
                await other.write(b"goes on\n")
                assert await stream.readline() == b"goes on\n"
                other.reset(6)
                with pytest.raises(errors.StreamReset) as caught:
                    await stream.read()
                assert caught.value.code == 6

    asyncio.run(main())


def test_aio_reader_that_waits_holds_up_the_sender(keys: pki.Pki) -> None:
    async def main() -> None:
        async with await aio_listen(keys) as listener:
            client, server = await aio_pair(listener, keys)
            async with client, server:
                stream = await client.open_stream(uni=True)
                sent = 0
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(5):
                        while True:
                            await stream.write(bytes(1 << 16))
                            sent += 1 << 16
                got = await server.accept_stream()
                assert await got.readexactly(sent) == bytes(sent)
                await stream.close()
                while await got.read(1 << 16):
                    pass

    asyncio.run(main())


def test_aio_bad_client_disturbs_nobody(keys: pki.Pki, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stranger = pki.make(tmp_path)
    caplog.set_level("INFO", logger="quicctl.aio")

    async def main() -> None:
        async with await aio_listen(keys) as listener:
            with pytest.raises(errors.CertificateNotTrusted):
                await aio.connect(*listener.local, ca=stranger.ca, timeout=60)
            client, server = await aio_pair(listener, keys)
            async with client, server:
                waiting = asyncio.create_task(server.accept_stream())
                await asyncio.sleep(0)
                client.close(3, "over")
                with pytest.raises(errors.ConnectionClosed, match=r"code 3 \(over\)"):
                    await waiting

    asyncio.run(main())
    assert "certificate" in caplog.text


def test_aio_nobody_answers(keys: pki.Pki) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            with pytest.raises(errors.NoAnswer):
                await aio.connect(*silent.getsockname(), ca=keys.ca, timeout=0.5)

    asyncio.run(main())
