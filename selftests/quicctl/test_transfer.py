# SPDX-License-Identifier: GPL-2.0-or-later
"""How data moves over a connection, with sockets that are queues."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import queue
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from quicctl import errors, transfer, uapi
from quicctl.endpoint import StreamData
from quicctl.transfer import STANDARD_STREAM, Flow, Sink, Source

PEER = ("192.0.2.1", 4433)

# Sources and sinks.


def test_source_hashes_a_file_before_it_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "data"
    content = os.urandom(3_000_001)
    path.write_bytes(content)
    with Source(path) as source:
        assert source.sha256 == hashlib.sha256(content).hexdigest()
        assert b"".join(bytes(piece) for piece in source.slices()) == content


def test_source_of_nothing_sends_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for path in (None, tmp_path / "empty"):
        with Source(path) as source:
            assert list(source.slices()) == []


def test_source_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"typed")))
    with Source(STANDARD_STREAM) as source:
        assert b"".join(bytes(piece) for piece in source.slices()) == b"typed"
        assert source.sha256 == hashlib.sha256(b"typed").hexdigest()


@pytest.mark.parametrize("make", ["missing", "folder"])
def test_unreadable_source_is_said_so(tmp_path: Path, make: str) -> None:
    path = tmp_path if make == "folder" else tmp_path / "missing"
    with pytest.raises(errors.FileUnreadable) as caught:
        Source(path)
    assert str(path) in caught.value.message
    assert caught.value.remedy


def test_sink_writes_and_hashes(tmp_path: Path) -> None:
    with Sink(tmp_path / "out") as sink:
        for piece in (b"one", b"two"):
            sink.write(memoryview(piece))
        assert (sink.bytes, sink.sha256) == (6, hashlib.sha256(b"onetwo").hexdigest())
    assert (tmp_path / "out").read_bytes() == b"onetwo"


def test_sink_for_nobody_still_hashes() -> None:
    with Sink(None) as sink:
        sink.write(memoryview(b"x"))
        assert sink.sha256 == hashlib.sha256(b"x").hexdigest()


def test_unwritable_sink_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(errors.FileUnwritable):
        Sink(tmp_path / "no" / "folder")


# Flows, over sockets that are queues: bytes of one stream, events, a close.


class FakeSocket:
    """One end of a connection whose kernel is a queue; sends are cut short as a non-blocking kernel may."""

    def __init__(self) -> None:
        self.inbox: queue.Queue[object] = queue.Queue()
        self.other: FakeSocket
        self.closed = False
        self.longest = 70_000
        self.acknowledges = True
        self.local = ("127.0.0.1", 1)

    def settimeout(self, seconds: float) -> None: ...

    def open_stream(self) -> int:
        return 0

    def fileno(self) -> int:
        return -1

    def send(self, data: bytes | memoryview, stream_id: int, flags: int) -> int:
        if self.closed or self.other.closed:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        piece = bytes(data[: self.longest])
        fin = bool(flags & uapi.MsgFlag.STREAM_FIN) and len(piece) == len(data)
        if piece or fin:
            self.other.inbox.put((stream_id, piece, fin))
        if fin and self.acknowledges:
            self.inbox.put(uapi.StreamUpdate(stream_id, uapi.StreamState.SEND_RECVD, 0, 0))
        return len(piece)

    def receive(self) -> object:
        if self.closed:
            raise errors.ConnectionClosed("closed")
        try:
            item = self.inbox.get(timeout=0.05)
        except queue.Empty:
            raise BlockingIOError(errno.EAGAIN, "again") from None
        if item is None:
            self.closed = True
            raise errors.ConnectionClosed("closed")
        return StreamData(item[0], memoryview(item[1]), item[2]) if isinstance(item, tuple) else item

    def close(self, errcode: int = 0) -> None:
        if not self.closed:
            self.closed = True
            self.other.inbox.put(uapi.ConnectionClose(errcode))
            self.other.inbox.put(None)


@pytest.fixture
def pair() -> tuple[FakeSocket, FakeSocket]:
    client, server = FakeSocket(), FakeSocket()
    client.other, server.other = server, client
    return client, server


@dataclass(frozen=True)
class End:
    """What one end is told."""

    send: Path | None = None
    receive: Path | None = None
    echo: bool = False
    timeout: float = 10.0


def flow(sock: FakeSocket, end: End) -> Flow:
    return Flow(sock, Source(end.send), Sink(end.receive), PEER, echo=end.echo, timeout=end.timeout)  # type: ignore[arg-type]


def both(pair: tuple[FakeSocket, FakeSocket], client: End, server: End) -> tuple[Flow, Flow]:
    """Run both ends; an error of the server's is raised like one of the client's."""
    ours, theirs = flow(pair[0], client), flow(pair[1], server)
    failure: list[BaseException] = []

    def serve() -> None:
        try:
            theirs.run_server()
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        ours.run_client()
    finally:
        pair[0].close()
        thread.join(30)
    assert not thread.is_alive()
    if failure:
        raise failure[0]
    return ours, theirs


def test_files_move_both_ways_at_the_same_time(tmp_path: Path, pair: tuple[FakeSocket, FakeSocket]) -> None:
    for name, size in (("a", 3_000_000), ("b", 2_500_001)):
        (tmp_path / name).write_bytes(os.urandom(size))
    client, server = both(
        pair,
        End(send=tmp_path / "a", receive=tmp_path / "b2"),
        End(send=tmp_path / "b", receive=tmp_path / "a2"),
    )
    assert (tmp_path / "a2").read_bytes() == (tmp_path / "a").read_bytes()
    assert (tmp_path / "b2").read_bytes() == (tmp_path / "b").read_bytes()
    assert (client.sent.bytes, client.sent.sha256) == (server.received.bytes, server.received.sha256)
    assert (server.sent.bytes, server.sent.sha256) == (client.received.bytes, client.received.sha256)


def test_client_may_only_send(tmp_path: Path, pair: tuple[FakeSocket, FakeSocket]) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    client, server = both(pair, End(send=tmp_path / "a"), End(receive=tmp_path / "a2"))
    assert client.sent.sha256 == server.received.sha256


def test_client_may_only_receive(tmp_path: Path, pair: tuple[FakeSocket, FakeSocket]) -> None:
    (tmp_path / "b").write_bytes(b"y" * 100_000)
    client, server = both(pair, End(receive=tmp_path / "b2"), End(send=tmp_path / "b"))
    assert client.received.sha256 == server.sent.sha256


def test_server_echoes(tmp_path: Path, pair: tuple[FakeSocket, FakeSocket]) -> None:
    (tmp_path / "a").write_bytes(os.urandom(500_000))
    client, server = both(pair, End(send=tmp_path / "a", receive=tmp_path / "a2"), End(echo=True))
    assert client.received.sha256 == client.sent.sha256 == server.sent.sha256
    assert (tmp_path / "a2").read_bytes() == (tmp_path / "a").read_bytes()


def test_server_is_content_with_a_client_that_only_shakes_hands(pair: tuple[FakeSocket, FakeSocket]) -> None:
    served = flow(pair[1], End())
    pair[0].close()
    served.run_server()
    assert (served.received.bytes, served.closed_by) == (0, "peer")


def test_client_that_has_everything_may_leave_before_the_sender_hears_that_it_was_sent(
    tmp_path: Path, pair: tuple[FakeSocket, FakeSocket], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b").write_bytes(b"y" * 1000)
    deliver = pair[1].send

    def send(data: bytes | memoryview, stream_id: int, flags: int) -> int:
        sent = deliver(data, stream_id, flags)
        if flags & uapi.MsgFlag.STREAM_FIN:
            time.sleep(0.3)  # the client reads it and closes meanwhile
        return sent

    monkeypatch.setattr(pair[1], "send", send)
    pair[1].acknowledges = False
    client, server = both(pair, End(receive=tmp_path / "b2"), End(send=tmp_path / "b"))
    assert client.received.sha256 == server.sent.sha256


def test_client_that_leaves_early_is_an_error_for_a_server_that_waits(
    tmp_path: Path, pair: tuple[FakeSocket, FakeSocket]
) -> None:
    served = flow(pair[1], End(receive=tmp_path / "out"))
    pair[0].send(b"half", 0, uapi.MsgFlag.STREAM_NEW)
    pair[0].close(0x0C)
    with pytest.raises(errors.ConnectionClosed) as caught:
        served.run_server()
    assert "4 received" in caught.value.message
    assert "application error" in caught.value.message


def test_server_that_leaves_early_is_an_error_for_the_client(tmp_path: Path, pair: tuple[FakeSocket, FakeSocket]) -> None:
    asking = flow(pair[0], End(receive=tmp_path / "out"))
    pair[1].close(2)
    with pytest.raises(errors.ConnectionClosed) as caught:
        asking.run_client()
    assert "connection refused" in caught.value.message


def test_silence_is_an_error_in_time(tmp_path: Path, pair: tuple[FakeSocket, FakeSocket]) -> None:
    asking = flow(pair[0], End(receive=tmp_path / "out", timeout=0.3))
    with pytest.raises(errors.ConnectionClosed) as caught:
        asking.run_client()
    assert "nothing moved for 0.3 s" in caught.value.message
    assert "`timeout`" in caught.value.remedy


def test_other_streams_do_not_disturb(tmp_path: Path, pair: tuple[FakeSocket, FakeSocket]) -> None:
    (tmp_path / "a").write_bytes(b"data")
    pair[1].inbox.put((2, b"from a stream of one direction", False))
    pair[1].inbox.put((2, b"", True))
    _client, server = both(pair, End(send=tmp_path / "a"), End(receive=tmp_path / "a2"))
    assert server.received.bytes == 4


def test_missing_event_is_made_up_for_by_an_empty_queue(
    tmp_path: Path, pair: tuple[FakeSocket, FakeSocket], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"data")
    pair[0].acknowledges = False
    monkeypatch.setattr(transfer, "unacknowledged", lambda sock: 0)
    client, _ = both(pair, End(send=tmp_path / "a"), End(receive=tmp_path / "a2"))
    assert client.sent.bytes == 4
