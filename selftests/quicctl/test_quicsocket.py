# SPDX-License-Identifier: GPL-2.0-or-later
"""QuicSocket over a kernel that is a queue: who gets what, who waits for whom, and what errors say."""

from __future__ import annotations

import errno
import io
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import in_thread
from fake_connection import AGREED, KEYS, FakeEndpoint, established

import quicctl
from quicctl import connection, endpoint, errors, handshake, uapi
from quicctl.quicsocket import QuicListener, QuicSocket


@pytest.fixture
def fake() -> FakeEndpoint:
    return FakeEndpoint()


@pytest.fixture
def client(fake: FakeEndpoint) -> Iterator[QuicSocket]:
    with QuicSocket(*established(fake, tickets=(None, b"ticket"))) as made:
        made.settimeout(60)  # longer than in_thread() waits: who is forgotten is noticed
        yield made


# The package.


def test_names_of_the_package_come_when_asked_for() -> None:
    code = (
        "import sys, quicctl\n"
        "assert not [name for name in sys.modules if name.startswith('quicctl.')]\n"
        "assert set(quicctl.__all__) <= set(dir(quicctl))\n"
        "assert {quicctl.QuicSocket.__name__, quicctl.QuicListener.__name__} == {'QuicSocket', 'QuicListener'}\n"
        "try: quicctl.nothing\n"
        "except AttributeError as failure: print(failure)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "nothing" in done.stdout


def test_every_name_of_the_package_is_there() -> None:
    assert all(getattr(quicctl, name) for name in quicctl.__all__)
    with pytest.raises(AttributeError):
        _ = quicctl.nothing  # type: ignore[attr-defined]


def test_types_are_seen_from_outside(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(
        "from quicctl import QuicSocket\n"
        "with QuicSocket.connect('localhost', 443, alpn='h3', ca='ca.pem') as connection:\n"
        "    reveal_type(connection.open_stream())\n"
        "QuicSocket.connect('localhost', 443, alpm='h3')\n"
    )
    argv = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "user.py"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=110)
    assert '"quicctl.quicsocket.QuicStream"' in done.stdout, done.stdout + done.stderr
    assert 'Unexpected keyword argument "alpm"' in done.stdout


# Settings.


def test_settings_become_options() -> None:
    options = connection.options(
        {"alpn": "h3", "ca": "ca.pem", "timeout": 3.0, "client_auth": "request", "retry": True, "keylog": Path("k"), **KEYS}
    )
    assert options.identity.cert == Path("cert.pem")
    assert options.identity.ca == Path("ca.pem")
    assert options.identity.client_auth == "request"
    assert (options.alpn, options.timeout, options.retry, options.keylog) == ("h3", 3.0, True, Path("k"))
    assert connection.options({}).timeout == handshake.Options().timeout


@pytest.mark.parametrize("bad", [{"alpm": "h3"}, {"ca": 3}, {"client_auth": 1}])
def test_wrong_settings_are_said_so(bad: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        connection.options(bad)  # type: ignore[arg-type]


# Streams.


def test_stream_is_a_file(fake: FakeEndpoint, client: QuicSocket) -> None:
    with client.open_stream() as stream:
        assert (stream.readable(), stream.writable(), stream.seekable()) == (True, True, False)
        far = fake.far[stream.id]
        assert stream.write(memoryview(b"hello")) == 5
        assert far.recv(10) == b"hello"
        far.sendall(b"one\ntwo\nrest")
        far.shutdown(1)
        assert stream.peek(3) == b"one"
        assert stream.readline() == b"one\n"
        assert list(stream) == [b"two\n", b"rest"]
        assert stream.read() == b""
        stream.write_eof()
        assert far.recv(1) == b""
        assert "QuicStream 0" in repr(stream)
    assert "closed" in repr(stream)
    with pytest.raises(ValueError, match="closed"):
        stream.write(b"x")
    stream.close()


def test_text_over_a_stream(fake: FakeEndpoint, client: QuicSocket) -> None:
    stream = client.open_stream()
    fake.far[0].sendall("grüße\n".encode())
    with io.TextIOWrapper(io.BufferedReader(stream), encoding="utf-8") as text:
        assert text.readline() == "grüße\n"


def test_direction_that_is_not_there(fake: FakeEndpoint, client: QuicSocket) -> None:
    ours = client.open_stream(uni=True)
    assert (ours.readable(), ours.writable()) == (False, True)
    for call in (ours.peek, ours.read, ours.stop):
        with pytest.raises(io.UnsupportedOperation):
            call()
    fake.stream(3)
    theirs = client.accept_stream()
    assert (theirs.id, theirs.readable(), theirs.writable()) == (3, True, False)
    for call in (theirs.write_eof, theirs.reset, lambda: theirs.write(b"")):
        with pytest.raises(io.UnsupportedOperation):
            call()


def test_server_sees_directions_the_other_way_round(fake: FakeEndpoint) -> None:
    with QuicSocket(*established(fake, server=True)) as server:
        assert (server.may_read(2), server.may_write(2), server.may_read(3), server.may_write(3)) == (True, False, False, True)


def test_giving_up_names_stream_and_code(fake: FakeEndpoint, client: QuicSocket) -> None:
    stream = client.open_stream()
    stream.reset(7)
    stream.stop(8)
    assert fake.calls[-2:] == [("reset", 0, 7), ("stop", 0, 8)]


def test_stream_that_is_over_is_given_up_in_vain(
    fake: FakeEndpoint, client: QuicSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = client.open_stream()

    def fail(code: int) -> Callable[..., None]:
        def call(*_: object) -> None:
            raise OSError(code, "no")

        return call

    monkeypatch.setattr(fake, "reset_stream", fail(errno.EINVAL))
    monkeypatch.setattr(fake, "stop_sending", fail(errno.EPIPE))
    stream.reset()
    with pytest.raises(errors.ConnectionClosed):
        stream.stop()


def test_exception_in_with_resets(fake: FakeEndpoint, client: QuicSocket) -> None:
    with pytest.raises(ZeroDivisionError), client.open_stream():
        _ = 1 // 0
    assert ("reset", 0, 0) in fake.calls


class Failing:
    """A stream's socket whose calls fail."""

    def __init__(self, code: int) -> None:
        self._code = code

    def _fail(self, *_: object) -> int:
        raise OSError(self._code, "failed")

    recv = recv_into = sendall = shutdown = _fail

    def close(self) -> None: ...


@pytest.mark.parametrize("call", ["read", "peek"])
def test_reset_by_the_peer_tells_its_code(fake: FakeEndpoint, client: QuicSocket, call: str) -> None:
    stream = client.open_stream()
    stream._peeled = Failing(errno.ECONNRESET)  # type: ignore[assignment]
    fake.say(uapi.StreamUpdate(0, uapi.StreamState.RECV_RESET_RECVD, 42, 0))
    with pytest.raises(errors.StreamReset, match="gave up stream 0: application code 42") as caught:
        getattr(stream, call)(1)
    assert caught.value.code == 42


@pytest.mark.parametrize("call", [lambda stream: stream.write(b"x"), lambda stream: stream.write_eof()])
def test_stop_by_the_peer_tells_its_code(
    fake: FakeEndpoint, client: QuicSocket, call: Callable[[quicctl.QuicStream], object]
) -> None:
    stream = client.open_stream()
    stream._peeled = Failing(errno.EPIPE)  # type: ignore[assignment]
    fake.say(
        uapi.StreamUpdate(4, uapi.StreamState.SEND_RESET_SENT, 1, 0),
        uapi.StreamUpdate(0, uapi.StreamState.SEND_RESET_SENT, 43, 0),
    )
    with pytest.raises(errors.StreamReset, match="reads no more of stream 0") as caught:
        call(stream)
    assert caught.value.code == 43


def test_reset_whose_event_was_lost_has_no_code(client: QuicSocket) -> None:
    stream = client.open_stream()
    stream._peeled = Failing(errno.ECONNRESET)  # type: ignore[assignment]
    with pytest.raises(errors.StreamReset) as caught:
        stream.read(1)
    assert caught.value.code is None


def test_end_of_the_connection_ends_streams_with_its_reason(fake: FakeEndpoint, client: QuicSocket) -> None:
    stream = client.open_stream()
    stream._peeled = Failing(errno.ENOTCONN)  # type: ignore[assignment]
    fake.end(uapi.ConnectionClose(9, 0, "enough"))
    with pytest.raises(errors.ConnectionClosed, match=r"code 9 \(enough\)"):
        stream.read(1)
    with pytest.raises(errors.ConnectionClosed, match="code 9"):
        client.open_stream()
    with pytest.raises(errors.ConnectionClosed, match="code 9"):
        client.send_datagram(b"x")


def test_transport_error_is_told_in_words(fake: FakeEndpoint, client: QuicSocket) -> None:
    fake.end(uapi.ConnectionClose(0x0A, 8, ""))
    with pytest.raises(errors.ConnectionClosed, match="protocol violation"):
        client.accept_stream()


def test_other_failures_stay_what_they_are(client: QuicSocket) -> None:
    stream = client.open_stream()
    stream._peeled = Failing(errno.ENOMEM)  # type: ignore[assignment]
    with pytest.raises(OSError, match="failed"):
        stream.read(1)


# Accepting, datagrams, events.


def test_everybody_gets_what_he_asks_for(fake: FakeEndpoint, client: QuicSocket) -> None:
    fake.say(uapi.KeyUpdate(1), endpoint.Datagram(memoryview(b"d")), endpoint.HandshakeData(0, memoryview(b"tls")))
    fake.stream(1, b"s")
    assert client.accept_stream().read(1) == b"s"
    assert client.receive_datagram() == b"d"
    assert client.next_event() == uapi.KeyUpdate(1)


def test_one_thread_looks_for_all(fake: FakeEndpoint, client: QuicSocket) -> None:
    waiting = [in_thread(client.next_event), in_thread(client.receive_datagram), in_thread(client.accept_stream)]
    time.sleep(0.1)
    fake.say(endpoint.Datagram(memoryview(b"d")))
    fake.stream(1)
    fake.say(uapi.KeyUpdate(1))
    event, datagram, stream = (result() for result in waiting)
    assert (event, datagram, getattr(stream, "id", None)) == (uapi.KeyUpdate(1), b"d", 1)


def test_what_a_caller_takes_by_the_way_reaches_who_waits(fake: FakeEndpoint, client: QuicSocket) -> None:
    waiting = in_thread(client.receive_datagram)
    time.sleep(0.1)
    fake._messages.append(endpoint.Datagram(memoryview(b"d")))  # without the descriptor saying so
    client.open_stream()
    assert waiting() == b"d"


def test_oldest_datagrams_are_dropped(fake: FakeEndpoint, client: QuicSocket) -> None:
    fake.say(*(endpoint.Datagram(memoryview(str(number).encode())) for number in range(1100)), uapi.KeyUpdate(0))
    client.next_event()
    assert client.receive_datagram() == b"76"


def test_stream_that_was_given_up_before_it_was_seen(fake: FakeEndpoint, client: QuicSocket) -> None:
    fake.stream(1)
    fake.peel_failures[1] = errno.ENOSTR
    fake.stream(5)
    assert client.accept_stream().id == 5


def test_lack_of_descriptors_is_an_error_and_no_loss(fake: FakeEndpoint, client: QuicSocket) -> None:
    fake.stream(1)
    fake.peel_failures[1] = errno.EMFILE
    with pytest.raises(OSError, match="open files"):
        client.accept_stream()
    fake.say(endpoint.StreamData(1, memoryview(b""), False))
    assert client.accept_stream().id == 1


def test_time_limits(fake: FakeEndpoint, client: QuicSocket) -> None:
    client.settimeout(0.1)
    for call in (client.accept_stream, client.receive_datagram, client.next_event, client.open_stream().peek):
        with pytest.raises(TimeoutError):
            call()
    first, second = in_thread(client.next_event), in_thread(client.next_event)
    for result in (first, second):
        with pytest.raises(TimeoutError):
            result()
    fake.allowed = 0
    with pytest.raises(TimeoutError, match="no further stream"):
        client.open_stream()
    stream = client
    client.settimeout(10)
    fake.allowed = 1
    stream = client.open_stream()
    stream.settimeout(0.05)
    with pytest.raises(TimeoutError):
        stream.read(1)


def test_credit_for_a_stream_is_waited_for(fake: FakeEndpoint, client: QuicSocket) -> None:
    fake.allowed = 0
    waiting = in_thread(client.open_stream)
    time.sleep(0.1)
    fake.allowed = 1
    fake.say(uapi.StreamMaxStream(0))
    assert getattr(waiting(), "id", None) == 0


def test_close_tells_why_and_wakes_all(fake: FakeEndpoint, client: QuicSocket) -> None:
    waiting = [in_thread(client.accept_stream), in_thread(client.next_event)]
    fake.stream(1)
    time.sleep(0.1)
    assert waiting[0]()
    client.close(5, "done")
    client.close()
    assert [call for call in fake.calls if call[0] == "close"] == [("close", 5, "done")]
    with pytest.raises(errors.ConnectionClosed):
        waiting[1]()
    for call in (client.open_stream, client.accept_stream):
        with pytest.raises(errors.ConnectionClosed):
            call()


def test_streams_nobody_accepted_are_closed_with_the_connection(fake: FakeEndpoint, client: QuicSocket) -> None:
    far = fake.stream(1)
    fake.say(uapi.KeyUpdate(0))
    client.next_event()
    client.close()
    assert far.recv(1) == b""


@pytest.mark.parametrize("code", [0, 3])
def test_iteration_ends_with_the_connection(fake: FakeEndpoint, client: QuicSocket, code: int) -> None:
    fake.stream(1)
    fake.stream(5)
    fake.end(uapi.ConnectionClose(code, 0, ""))
    seen = []

    def walk() -> None:
        seen.extend(stream.id for stream in client)

    if code:
        with pytest.raises(errors.ConnectionClosed):
            walk()
    else:
        walk()
        assert seen == [1, 5]


def test_what_is_known_of_a_connection(fake: FakeEndpoint, client: QuicSocket) -> None:
    assert (client.alpn, client.handshake, client.peer, client.local) == ("shout", AGREED, fake.peer, fake.local)
    assert client.transport_params(remote=True).max_data == 2
    client.update_key()
    client.migrate("192.0.2.3")
    client.send_datagram(bytearray(b"x"))
    assert fake.calls[-3:] == [("update_key",), ("migrate", ("192.0.2.3", 0)), ("datagram", b"x")]
    assert client.closed_with is None
    assert client.fileno() == fake.fileno()


def test_session(client: QuicSocket, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.session(0) is None
    assert client.session(0) == b"ticket"

    def fail(_: float) -> bytes:
        from quicctl.libquic import TlsFailure

        raise TlsFailure(-errno.EINVAL, "no session", AGREED)

    monkeypatch.setattr(client._tls, "session", fail)
    with pytest.raises(errors.HandshakeFailed, match="no session"):
        client.session()


# Connecting and listening.


class FakeBegun:
    """Stands in for handshake.Begun."""

    def __init__(self, fake: FakeEndpoint, failure: Exception | None = None) -> None:
        self.fake = self.sock = fake
        self._failure = failure

    def __enter__(self) -> FakeBegun:
        return self

    def __exit__(self, *about: object) -> None:
        self.fake.close()

    def finish(self) -> handshake.Connection:
        if self._failure:
            raise self._failure
        return established(self.fake)[0]


def test_connect_takes_name_and_session(fake: FakeEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def begun(address: endpoint.Address, options: handshake.Options, **rest: object) -> FakeBegun:
        asked.extend((address, options.alpn, rest))
        return FakeBegun(fake)

    monkeypatch.setattr(handshake, "begun_client", begun)
    with QuicSocket.connect("192.0.2.1", 1, alpn="x", server_name="name", session=b"s"):
        assert asked == [("192.0.2.1", 1), "x", {"hostname": "name", "resumed": b"s"}]
    assert fake.closed


def test_each_address_has_its_share_of_the_time(fake: FakeEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[endpoint.Address, float, object]] = []
    silent = errors.NoAnswer("no answer")

    def begun(address: endpoint.Address, options: handshake.Options, **rest: object) -> FakeBegun:
        tried.append((address, options.timeout, rest["hostname"]))
        return FakeBegun(fake, silent if len(tried) < len(there) else None)

    there = [("192.0.2.1", 1), ("2001:db8::1", 1), ("192.0.2.2", 1)]
    monkeypatch.setattr(endpoint, "addresses", lambda _: tuple(there))
    monkeypatch.setattr(handshake, "begun_client", begun)
    with QuicSocket.connect("h", 1, timeout=6):
        assert tried == [(address, 2.0, "h") for address in there]
    tried.clear()
    silent = errors.PeerRefused("go away")
    with pytest.raises(errors.PeerRefused):
        QuicSocket.connect("h", 1, timeout=6)
    assert len(tried) == 1, "who answers has answered"


def test_early_data_needs_a_session_and_credit_for_it(fake: FakeEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake, "begun_client", lambda *_, **__: FakeBegun(fake))
    called: list[connection.Early] = []
    with QuicSocket.connect("192.0.2.1", 1, early=called.append) as client:
        assert (called, client.early_streams) == ([], {})
    monkeypatch.setattr(FakeEndpoint, "transport_params", lambda *_, remote: uapi.TransportParams())
    with QuicSocket.connect("192.0.2.1", 1, early=called.append, session=b"s"):
        assert called == []


def test_early_data_goes_as_far_as_the_session_lets_it(fake: FakeEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[handshake.Options] = []
    monkeypatch.setattr(handshake, "begun_client", lambda _, options, **__: seen.append(options) or FakeBegun(fake))
    fake.allowed = 2

    def early(data: connection.Early) -> None:
        stream_id = data.open_stream()
        assert data.send(stream_id, b"too much for it", fin=True) == 3
        assert data.send(stream_id, b" much for it", fin=True) == 0
        assert data.open_stream(uni=True) == 6
        with pytest.raises(BlockingIOError):
            data.open_stream()

    fake.early_credit = 3
    fake.peel_failures[6] = errno.ENOSTR  # all of it arrived, nothing is left of it
    with QuicSocket.connect("192.0.2.1", 1, early=early, session=b"s") as client:
        assert list(client.early_streams) == [0]
    assert seen[0].early_data


def test_failed_handshake_leaves_nothing_open(fake: FakeEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake, "begun_client", lambda *_, **__: FakeBegun(fake, errors.NoAnswer("silence")))
    with pytest.raises(errors.NoAnswer):
        QuicSocket.connect("192.0.2.1", 1)
    assert fake.closed


class FakeListening(FakeEndpoint):
    """A listener's descriptor: clients are numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.blocking = True

    def setblocking(self, blocking: bool) -> None:
        self.blocking = blocking

    def accept(self) -> object:
        self._first()
        return self._messages.popleft()


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> FakeListening:
    made = FakeListening()

    class Both:
        def __enter__(self) -> tuple[FakeListening, str]:
            return made, "credentials"

        def __exit__(self, *about: object) -> None:
            made.close()

    monkeypatch.setattr(handshake, "listener", lambda *_: Both())
    return made


def test_listener_does_the_handshake_of_what_it_accepts(listening: FakeListening, monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = [FakeEndpoint(), FakeEndpoint()]
    asked: list[object] = []

    def begun(client: object, credentials: object, options: handshake.Options) -> FakeBegun:
        asked.append((client, credentials, options.alpn))
        return FakeBegun(fakes[len(asked) - 1], errors.PeerRefused("no") if len(asked) == 1 else None)

    monkeypatch.setattr(handshake, "begun_server", begun)
    with QuicSocket.listen("h", 1, alpn="x", **KEYS) as listener:  # type: ignore[arg-type]
        assert not listening.blocking
        assert listener.local == listening.local
        assert listener.fileno() == listening.fileno()
        listening.say("first", "second")
        with pytest.raises(errors.PeerRefused):
            listener.accept()
        with listener.accept() as accepted:
            assert accepted.alpn == "shout"
    assert asked == [("first", "credentials", "x"), ("second", "credentials", "x")]
    assert listening.closed
    assert all(made.closed for made in fakes)


def test_listener_closes_under_those_that_wait(listening: FakeListening) -> None:
    listener = QuicListener("h", 1)
    waiting = [in_thread(listener.accept), in_thread(listener.accept)]
    time.sleep(0.1)
    listener.close()
    listener.close()
    for result in waiting:
        with pytest.raises(errors.ConnectionClosed):
            result()


def test_listener_waits_no_longer_than_it_may(listening: FakeListening) -> None:
    with QuicListener("h", 1) as listener:
        listener.settimeout(0.05)
        with pytest.raises(TimeoutError):
            listener.accept()
