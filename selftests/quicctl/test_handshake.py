# SPDX-License-Identifier: GPL-2.0-or-later
"""What a failed handshake tells the user, and how data moves, over sockets that are queues."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import queue
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from quicctl import endpoint, errors, handshake, libquic, uapi
from quicctl.endpoint import StreamData
from quicctl.handshake import Options, _Flow, _Sink, _Source, explain
from quicctl.libquic import Handshake, TlsFailure

TLS = Handshake(
    complete=True, milliseconds=1.5, cipher_suite="TLS_AES_128_GCM_SHA256", group="X25519", signature="", alpn="",
    server_name="", resumed=False, psk_identity="", verify="ok", verify_text="", peer_subject="", peer_issuer="",
    peer_sha256="", close_code=0, close_frame=0, close_phrase="", alert_sent=-1, alert_received=-1,
)  # fmt: skip
PEER = ("192.0.2.1", 4433)


@pytest.mark.parametrize(
    ("code", "kind", "in_message", "in_remedy"),
    [
        (-errno.ETIMEDOUT, errors.NoAnswer, "the port may be closed", "--timeout"),
        (-errno.ECONNREFUSED, errors.NoAnswer, "nothing listens", "start the server"),
        (libquic.ERR_CERTIFICATE, errors.CertificateNotTrusted, "not trusted: unknown issuer", "--ca"),
        (libquic.ERR_ALPN, errors.AlpnMismatch, "offers h3", "--alpn"),
        (libquic.ERR_PEER_ALERT - 120, errors.AlpnMismatch, "no application protocol", "--alpn"),
        (libquic.ERR_PEER_ALERT - 48, errors.PeerRefused, "does not accept our certificate", "CA"),
        (libquic.ERR_PEER_ALERT - 40, errors.PeerRefused, "TLS alert 40, handshake failure", "compare"),
        (libquic.ERR_TRANSPORT - 2, errors.PeerRefused, "connection refused", "log"),
        (libquic.ERR_CLOSED, errors.PeerRefused, "closed the connection", "log"),
        (libquic.ERR_CREDENTIALS, errors.CredentialsInvalid, "text", "--cert"),
        (libquic.ERR_TLS - 50, errors.HandshakeFailed, "text", "--debug"),
        (-errno.ENOMEM, errors.HandshakeFailed, "text", "--debug"),
    ],
)
def test_failure_is_told_with_a_remedy(code: int, kind: type[errors.QuicctlError], in_message: str, in_remedy: str) -> None:
    seen = replace(TLS, complete=False, verify_text="unknown issuer", close_code=2)
    error = explain(TlsFailure(code, "text", seen), PEER, Options(alpn="h3"), server=False)
    assert type(error) is kind
    assert in_message in error.message
    assert in_remedy in error.remedy


def test_client_certificate_is_told_from_the_servers() -> None:
    error = explain(TlsFailure(libquic.ERR_CERTIFICATE, "bad", TLS), PEER, Options(), server=True)
    assert "certificate of the client" in error.message
    assert "--servername" not in error.remedy


@pytest.mark.parametrize(
    ("text", "address"),
    [("localhost:1", ("localhost", 1)), ("[::1]:4433", ("::1", 4433)), ("192.0.2.1:65535", ("192.0.2.1", 65535))],
)
def test_addresses_are_read(text: str, address: tuple[str, int]) -> None:
    assert endpoint.parse_address(text) == address


@pytest.mark.parametrize("text", ["", "localhost", ":4433", "host:", "host:x", "host:65536", "host:-1", "host:1.5"])
def test_what_is_no_address_is_said_so(text: str) -> None:
    with pytest.raises(errors.BadAddress) as caught:
        endpoint.parse_address(text)
    assert "HOST:PORT" in caught.value.remedy


def test_missing_module_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for code in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT):

        def refuse(*_: object, code: int = code) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(endpoint.socket, "socket", refuse)
        with pytest.raises(errors.ModuleNotLoaded) as caught:
            endpoint.QuicSocket()
        assert "quicctl load" in caught.value.remedy


# Sources and sinks.


def test_source_hashes_a_file_before_it_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "data"
    content = os.urandom(3_000_001)
    path.write_bytes(content)
    with _Source(path) as source:
        assert source.sha256 == hashlib.sha256(content).hexdigest()
        assert b"".join(bytes(piece) for piece in source.slices()) == content


def test_source_of_nothing_sends_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for path in (None, tmp_path / "empty"):
        with _Source(path) as source:
            assert list(source.slices()) == []


def test_source_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"typed")))
    with _Source(handshake.STANDARD_STREAM) as source:
        assert b"".join(bytes(piece) for piece in source.slices()) == b"typed"
        assert source.sha256 == hashlib.sha256(b"typed").hexdigest()


@pytest.mark.parametrize("make", ["missing", "folder"])
def test_unreadable_source_is_said_so(tmp_path: Path, make: str) -> None:
    path = tmp_path if make == "folder" else tmp_path / "missing"
    with pytest.raises(errors.FileUnreadable) as caught:
        _Source(path)
    assert str(path) in caught.value.message
    assert caught.value.remedy


def test_sink_writes_and_hashes(tmp_path: Path) -> None:
    with _Sink(tmp_path / "out") as sink:
        for piece in (b"one", b"two"):
            sink.write(memoryview(piece))
        assert (sink.bytes, sink.sha256) == (6, hashlib.sha256(b"onetwo").hexdigest())
    assert (tmp_path / "out").read_bytes() == b"onetwo"


def test_sink_for_nobody_still_hashes() -> None:
    with _Sink(None) as sink:
        sink.write(memoryview(b"x"))
        assert sink.sha256 == hashlib.sha256(b"x").hexdigest()


def test_unwritable_sink_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(errors.FileUnwritable):
        _Sink(tmp_path / "no" / "folder")


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

    def transport_params(self, *, remote: bool = False) -> uapi.TransportParams:
        return uapi.TransportParams(max_data=1 if remote else 2)

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


def flow(sock: FakeSocket, options: Options) -> tuple[_Flow, _Sink]:
    sink = _Sink(options.receive)
    return _Flow(sock, options, _Source(options.send), sink, PEER), sink  # type: ignore[arg-type]


def both(pair: tuple[FakeSocket, FakeSocket], client: Options, server: Options) -> tuple[handshake.Report, handshake.Report]:
    """Run both ends and return their reports; an error of the server's is raised like one of the client's."""
    ours, theirs = flow(pair[0], client)[0], flow(pair[1], server)[0]
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
    return ours.report("client", TLS), theirs.report("server", TLS)


def test_files_move_both_ways_at_the_same_time(tmp_path: Path, pair: tuple[FakeSocket, FakeSocket]) -> None:
    for name, size in (("a", 3_000_000), ("b", 2_500_001)):
        (tmp_path / name).write_bytes(os.urandom(size))
    client, server = both(
        pair,
        Options(send=tmp_path / "a", receive=tmp_path / "b2"),
        Options(send=tmp_path / "b", receive=tmp_path / "a2"),
    )
    assert (tmp_path / "a2").read_bytes() == (tmp_path / "a").read_bytes()
    assert (tmp_path / "b2").read_bytes() == (tmp_path / "b").read_bytes()
    assert (client.sent.bytes, client.sent.sha256) == (server.received.bytes, server.received.sha256)
    assert (server.sent.bytes, server.sent.sha256) == (client.received.bytes, client.received.sha256)
    assert client.local_params.max_data == 2
    assert client.remote_params.max_data == 1


def test_client_may_only_send(tmp_path: Path, pair: tuple[FakeSocket, FakeSocket]) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    client, server = both(pair, Options(send=tmp_path / "a"), Options(receive=tmp_path / "a2"))
    assert client.sent.sha256 == server.received.sha256


def test_client_may_only_receive(tmp_path: Path, pair: tuple[FakeSocket, FakeSocket]) -> None:
    (tmp_path / "b").write_bytes(b"y" * 100_000)
    client, server = both(pair, Options(receive=tmp_path / "b2"), Options(send=tmp_path / "b"))
    assert client.received.sha256 == server.sent.sha256


def test_server_echoes(tmp_path: Path, pair: tuple[FakeSocket, FakeSocket]) -> None:
    (tmp_path / "a").write_bytes(os.urandom(500_000))
    client, server = both(pair, Options(send=tmp_path / "a", receive=tmp_path / "a2"), Options(echo=True))
    assert client.received.sha256 == client.sent.sha256 == server.sent.sha256
    assert (tmp_path / "a2").read_bytes() == (tmp_path / "a").read_bytes()


def test_server_is_content_with_a_client_that_only_shakes_hands(pair: tuple[FakeSocket, FakeSocket]) -> None:
    served = flow(pair[1], Options())[0]
    pair[0].close()
    served.run_server()
    report = served.report("server", TLS)
    assert (report.received.bytes, report.closed_by) == (0, "peer")


def test_client_that_leaves_early_is_an_error_for_a_server_that_waits(
    tmp_path: Path, pair: tuple[FakeSocket, FakeSocket]
) -> None:
    served = flow(pair[1], Options(receive=tmp_path / "out"))[0]
    pair[0].send(b"half", 0, uapi.MsgFlag.STREAM_NEW)
    pair[0].close(0x0C)
    with pytest.raises(errors.ConnectionClosed) as caught:
        served.run_server()
    assert "4 received" in caught.value.message
    assert "application error" in caught.value.message


def test_server_that_leaves_early_is_an_error_for_the_client(tmp_path: Path, pair: tuple[FakeSocket, FakeSocket]) -> None:
    asking = flow(pair[0], Options(receive=tmp_path / "out"))[0]
    pair[1].close(2)
    with pytest.raises(errors.ConnectionClosed) as caught:
        asking.run_client()
    assert "connection refused" in caught.value.message


def test_silence_is_an_error_in_time(tmp_path: Path, pair: tuple[FakeSocket, FakeSocket]) -> None:
    asking = flow(pair[0], Options(receive=tmp_path / "out", timeout=0.3))[0]
    with pytest.raises(errors.ConnectionClosed) as caught:
        asking.run_client()
    assert "nothing moved for 0.3 s" in caught.value.message
    assert "--timeout" in caught.value.remedy


def test_other_streams_do_not_disturb(tmp_path: Path, pair: tuple[FakeSocket, FakeSocket]) -> None:
    (tmp_path / "a").write_bytes(b"data")
    pair[1].inbox.put((2, b"from a stream of one direction", False))
    pair[1].inbox.put((2, b"", True))
    _client, server = both(pair, Options(send=tmp_path / "a"), Options(receive=tmp_path / "a2"))
    assert server.received.bytes == 4


def test_missing_event_is_made_up_for_by_an_empty_queue(
    tmp_path: Path, pair: tuple[FakeSocket, FakeSocket], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"data")
    pair[0].acknowledges = False
    monkeypatch.setattr(_Flow, "_unacknowledged", lambda self: 0)
    client, _ = both(pair, Options(send=tmp_path / "a"), Options(receive=tmp_path / "a2"))
    assert client.sent.bytes == 4


def test_server_without_anything_to_show_is_refused() -> None:
    with pytest.raises(errors.CredentialsInvalid) as caught:
        handshake.serve(("127.0.0.1", 0), Options())
    assert "--cert" in caught.value.remedy
