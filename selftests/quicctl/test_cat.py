# SPDX-License-Identifier: GPL-2.0-or-later
"""How ``quicctl cat`` moves data and how it ends, with connections whose kernel is a queue."""

from __future__ import annotations

import errno
import os
import queue
import stat
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from quicctl import cat, errors, transfer, uapi
from quicctl.endpoint import Datagram, StreamData
from quicctl.uapi import StreamState, StreamUpdate

PEER = ("192.0.2.1", 4433)


class FakeSocket:
    """One end of a connection: what is sent goes to the other end's queue."""

    def __init__(self, *, client: bool) -> None:
        self.inbox: queue.Queue[Any] = queue.Queue()
        self.other: FakeSocket
        self.opened: list[int] = []
        self.client = client
        self.own = (0, "")
        self.reason: tuple[int, str] | None = None
        self.gone = False
        self.limit = 65535

    def settimeout(self, seconds: float) -> None: ...

    def fileno(self) -> int:
        return -1

    def transport_params(self, *, remote: bool) -> uapi.TransportParams:
        return uapi.TransportParams(max_datagram_frame_size=self.limit)

    def set_close_reason(self, code: int, phrase: str) -> None:
        self.own = (code, phrase)

    def close_reason(self) -> uapi.ConnectionClose:
        code, phrase = self.own if self.reason is None else self.reason
        return uapi.ConnectionClose(code, 0, phrase)

    def open_stream(self, *, uni: bool) -> int:
        stream = 4 * sum(bool(one & 2) == uni for one in self.opened) + 2 * uni + (not self.client)
        self.opened.append(stream)
        return stream

    def send(self, data: bytes | memoryview, stream_id: int, flags: int = 0) -> int:
        if self.gone or self.other.gone:
            raise BrokenPipeError(errno.EPIPE, "gone")
        piece = bytes(data[:1000])
        fin = bool(flags & uapi.MsgFlag.STREAM_FIN)
        self.other.inbox.put(StreamData(stream_id, memoryview(piece), fin))
        if fin:
            self.inbox.put(StreamUpdate(stream_id, StreamState.SEND_RECVD, 0, 0))
        return len(piece)

    def send_datagram(self, data: bytes) -> int:
        self.other.inbox.put(Datagram(memoryview(data)))
        return len(data)

    def receive(self) -> Any:
        try:
            item = self.inbox.get(timeout=0.02)
        except queue.Empty:
            raise BlockingIOError(errno.EAGAIN, "again") from None
        if item is None:
            self.gone = True
            raise errors.ConnectionClosed("closed")
        return item

    def end(self, reason: tuple[int, str] | None) -> None:
        """The connection is gone: None stands for silence."""
        self.reason = reason
        self.inbox.put(uapi.ConnectionClose(*((0, 0, "") if reason is None else (reason[0], 0, reason[1]))))
        self.inbox.put(None)


@dataclass
class Connection:
    sock: FakeSocket
    peer: tuple[str, int] = PEER


class End:
    """One end in a thread, its input and output pipes."""

    def __init__(self, sock: FakeSocket, **wishes: Any) -> None:
        self.sock = sock
        read, self.keyboard = os.pipe()
        self.screen, write = os.pipe()
        self.failure: BaseException | None = None
        role = "client" if sock.client else "server"
        source, sink = cat.Input(read), cat.Output(write, closes=True)
        if wishes.pop("datagrams", False):
            self.talk: Any = cat._Datagrams(Connection(sock), role, source, sink, 0.1, None)  # type: ignore[arg-type]
        else:
            self.talk = cat._Streams(Connection(sock), role, source, sink, wishes.get("uni", False), None)  # type: ignore[arg-type]
        self.thread = threading.Thread(target=self._run, args=(read, write))
        self.thread.start()

    def _run(self, *descriptors: int) -> None:
        try:
            self.talk.run()
        except BaseException as failure:
            self.failure = failure
        for one in descriptors:
            os.close(one)
        if self.failure is None:
            self.sock.gone = True
            self.sock.other.end(self.sock.own)

    def type(self, data: bytes, *, end: bool = False) -> None:
        while data:
            data = data[os.write(self.keyboard, data) :]
        if end:
            os.close(self.keyboard)

    def read(self) -> bytes:
        with os.fdopen(self.screen, "rb") as screen:
            return screen.read()

    def join(self) -> None:
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture(autouse=True)
def no_queue_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "unacknowledged", lambda sock: 0)
    monkeypatch.setattr(cat, "_SHORTEST_IDLE", 0.0)


@pytest.fixture
def pair() -> tuple[FakeSocket, FakeSocket]:
    client, server = FakeSocket(client=True), FakeSocket(client=False)
    client.other, server.other = server, client
    return client, server


@pytest.mark.parametrize(("uni", "opened"), [(False, ([0], [])), (True, ([2], [3]))])
def test_both_directions_end_alone(pair: tuple[FakeSocket, FakeSocket], uni: bool, opened: tuple[list[int], list[int]]) -> None:
    client, server = End(pair[0], uni=uni), End(pair[1], uni=uni)
    content = os.urandom(30_000)
    client.type(content, end=True)
    assert server.read() == content, "end of file comes while the other direction is open"
    server.type(b"answer", end=True)
    assert client.read() == b"answer"
    for end in (client, server):
        end.join()
        assert end.failure is None
    assert (pair[0].opened, pair[1].opened) == opened
    assert (client.talk.sent, client.talk.received) == (30_000, 6)


def test_server_speaks_first(pair: tuple[FakeSocket, FakeSocket], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cat, "_GRACE", 0.1)
    client, server = End(pair[0]), End(pair[1])
    server.type(b"hello", end=True)
    assert client.read() == b"hello"
    client.type(b"you", end=True)
    assert server.read() == b"you"
    client.join()
    server.join()
    assert (client.failure, server.failure) == (None, None)
    assert (pair[0].opened, pair[1].opened) == ([], [1]), "the client answers on the server's stream"


@pytest.mark.parametrize(
    ("reason", "kind", "words"),
    [
        ((77, "enough"), errors.PeerFailed, "application code 77 (enough)"),
        ((0, ""), errors.ConnectionClosed, "3 bytes sent"),
        (None, errors.IdleTimeout, "silent"),
    ],
)
def test_end_that_comes_too_early(
    pair: tuple[FakeSocket, FakeSocket], reason: tuple[int, str] | None, kind: type[errors.QuicctlError], words: str
) -> None:
    client = End(pair[0])
    client.type(b"abc")
    assert bytes(pair[1].inbox.get(timeout=60).data) == b"abc"
    pair[0].end(reason)
    client.join()
    assert type(client.failure) is kind
    assert words in client.failure.message
    assert client.failure.remedy


def test_peer_that_leaves_at_once_was_not_silent(
    pair: tuple[FakeSocket, FakeSocket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its close may come before we have said how we would leave."""
    monkeypatch.setattr(cat, "_SHORTEST_IDLE", 60.0)
    pair[0].end(None)
    client = End(pair[0])
    client.join()
    assert type(client.failure) is errors.ConnectionClosed


def test_peer_that_has_heard_all_may_leave(pair: tuple[FakeSocket, FakeSocket]) -> None:
    client = End(pair[0])
    pair[0].inbox.put(StreamData(1, memoryview(b"all"), True))
    pair[0].end((0, ""))
    client.join()
    assert client.failure is None


@pytest.mark.parametrize("state", [StreamState.RECV_RESET_RECVD, StreamState.SEND_RESET_SENT])
def test_stream_that_is_given_up(pair: tuple[FakeSocket, FakeSocket], state: StreamState) -> None:
    client = End(pair[0])
    client.type(b"abc")
    pair[1].inbox.get(timeout=60)
    pair[0].inbox.put(StreamUpdate(0, state, 5, 0))
    client.join()
    assert type(client.failure) is errors.StreamReset
    assert "code 5" in client.failure.message


def test_other_streams_do_not_disturb(pair: tuple[FakeSocket, FakeSocket]) -> None:
    client = End(pair[0])
    for stream, data in ((1, b"one"), (5, b"five"), (3, b"three"), (1, b" more")):
        pair[0].inbox.put(StreamData(stream, memoryview(data), data == b" more"))
    pair[0].inbox.put(StreamUpdate(5, StreamState.RECV_RESET_RECVD, 9, 0))
    client.type(b"", end=True)
    assert client.read() == b"one more"
    client.join()
    assert client.failure is None


def test_peer_is_told_that_nobody_reads(pair: tuple[FakeSocket, FakeSocket]) -> None:
    client = End(pair[0])
    os.close(client.screen)
    pair[0].inbox.put(StreamData(1, memoryview(b"x"), False))
    client.join()
    assert type(client.failure) is cat.OutputClosed
    assert pair[0].own == (1, "nobody takes what was sent")


def test_datagrams_end_with_silence(pair: tuple[FakeSocket, FakeSocket]) -> None:
    pair[0].limit = 144
    client, server = End(pair[0], datagrams=True), End(pair[1], datagrams=True)
    server.type(b"early")
    client.type(bytes(250), end=True)
    client.join()
    server.join()
    assert (client.failure, server.failure) == (None, None)
    assert (len(server.read()), client.read()) == (250, b"early")


def test_datagrams_and_silence(pair: tuple[FakeSocket, FakeSocket]) -> None:
    server = End(pair[1], datagrams=True)
    pair[1].end(None)
    server.join()
    assert type(server.failure) is errors.IdleTimeout


def test_datagrams_that_the_peer_does_not_take(pair: tuple[FakeSocket, FakeSocket]) -> None:
    pair[0].limit = 0
    with pytest.raises(errors.PeerRefused, match="takes no datagrams"):
        End(pair[0], datagrams=True)


# Input and output.


def test_a_file_is_read_anew_from_where_it_stood(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    stop, _stopper = os.pipe()
    with (tmp_path / "file").open("rb", buffering=0) as file:
        file.seek(4)
        source = cat.Input(file.fileno())
        for _ in range(2):
            assert list(source.pieces(4, stop)) == [b"4567", b"89"]
            assert list(source.pieces(4, stop)) == []
            source.rewind()


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    read, write = os.pipe()
    stop, _stopper = os.pipe()
    os.write(write, b"once")
    os.close(write)
    source = cat.Input(read)
    assert list(source.pieces(99, stop)) == [b"once"]
    source.rewind()
    assert list(source.pieces(99, stop)) == []
    assert list(cat.Input(None).pieces(1, stop)) == []


def test_input_that_cannot_be_read(tmp_path: Path) -> None:
    stop, _stopper = os.pipe()
    folder = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(errors.FileUnreadable, match="directory"):
        list(cat.Input(folder).pieces(1, stop))
    os.close(folder)


def test_output_without_room(tmp_path: Path) -> None:
    device = Path("/dev/full")
    if not device.exists():  # a container may do without
        if os.geteuid() != 0:
            pytest.skip("there is no /dev/full, and making one needs root")
        device = tmp_path / "full"
        os.mknod(device, stat.S_IFCHR | 0o600, os.makedev(1, 7))
    full = os.open(device, os.O_WRONLY)
    with pytest.raises(errors.NoSpace):
        cat.Output(full).write(memoryview(b"x"))
    os.close(full)
    with pytest.raises(errors.FileUnwritable):
        cat.Output(full).write(memoryview(b"x"))


def test_slow_reader_of_a_pipe_that_does_not_block() -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    got = bytearray()

    def drain() -> None:
        while piece := os.read(read, 4096):
            got.extend(piece)

    thread = threading.Thread(target=drain)
    thread.start()
    sink = cat.Output(write, closes=True)
    content = os.urandom(300_000)
    sink.write(memoryview(content))
    sink.end()
    thread.join(60)
    assert got == content


@pytest.mark.parametrize(("redirection", "status", "words"), [(">&-", 43, "output is closed"), ("<&-", 41, "HOST:PORT")])
def test_streams_that_are_closed(redirection: str, status: int, words: str) -> None:
    argv = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", "quicctl", "cat", "nowhere"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert (done.returncode, words in done.stderr) == (status, True), done.stderr
