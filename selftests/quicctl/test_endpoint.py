# SPDX-License-Identifier: GPL-2.0-or-later
"""What passes between an Endpoint and the kernel's socket calls: structures, flags, control messages, errors."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable

import pytest

from quicctl import endpoint, errors, libquic, uapi
from quicctl.endpoint import Datagram, Endpoint, HandshakeData, StreamData
from quicctl.uapi import MsgFlag, Option

Control = list[tuple[int, int, bytes]]


class FakeHandle:
    """A socket that remembers what was asked of it, and has answers ready."""

    family = socket.AF_INET

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.messages: list[tuple[bytes, Control, int] | OSError] = []
        self.options: dict[int, bytes] = {}
        self.failure: int | None = None

    def _call(self, *what: object) -> None:
        if self.failure is not None:
            raise OSError(self.failure, os.strerror(self.failure))
        self.calls.append(what)

    def fileno(self) -> int:
        return 99

    def close(self) -> None:
        self._call("close")

    def bind(self, address: object) -> None:
        self._call("bind", address)

    def listen(self, backlog: int) -> None:
        self._call("listen", backlog)

    def connect(self, address: object) -> None:
        self._call("connect", address)

    def accept(self) -> tuple[FakeHandle, object]:
        self._call("accept")
        return FakeHandle(), None

    def setblocking(self, blocking: bool) -> None:
        self._call("setblocking", blocking)

    def getsockname(self) -> tuple[object, ...]:
        return ("::1", 1, 0, 0)

    def getpeername(self) -> tuple[object, ...]:
        return ("192.0.2.1", 2)

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        self._call("set", level, option, value)

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        assert level == uapi.SOL_QUIC
        return self.options[option][:size]

    def sendmsg(self, buffers: list[bytes], control: Control, flags: int) -> int:
        self._call("sendmsg", buffers, control, flags)
        return sum(map(len, buffers))

    def send(self, data: bytes, flags: int) -> int:
        self._call("send", data, flags)
        return len(data)

    def _next(self) -> tuple[bytes, Control, int]:
        first = self.messages.pop(0)
        if isinstance(first, OSError):
            raise first
        return first

    def recvmsg(self, size: int, room: int, flags: int) -> tuple[bytes, Control, int, None]:
        assert flags == socket.MSG_PEEK | socket.MSG_DONTWAIT
        data, control, said = self._next()
        return data[:size], control, said, None

    def recvmsg_into(self, views: list[memoryview], room: int, flags: int) -> tuple[int, Control, int, None]:
        data, control, said = self._next()
        views[0][: len(data)] = data
        self.calls.append(("recv", flags))
        return len(data), control, said, None


@pytest.fixture
def handle() -> FakeHandle:
    return FakeHandle()


@pytest.fixture
def end(handle: FakeHandle) -> Endpoint:
    return Endpoint(handle=handle)  # type: ignore[arg-type]


def stream_info(stream_id: int, flags: int = 0) -> Control:
    return [(socket.SOL_SOCKET, 1, b""), (uapi.SOL_QUIC, uapi.CMSG_STREAM_INFO, uapi.StreamInfo(stream_id, flags).pack())]


# Making one.


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (errno.EPROTONOSUPPORT, errors.ModuleNotLoaded),
        (errno.ESOCKTNOSUPPORT, errors.ModuleNotLoaded),
        (errno.EAFNOSUPPORT, errors.BadAddress),
        (errno.EMFILE, OSError),
    ],
)
def test_socket_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, "no")

    monkeypatch.setattr(socket, "socket", refuse)
    with pytest.raises(error):
        Endpoint()


def test_socket_is_of_the_protocol(monkeypatch: pytest.MonkeyPatch, handle: FakeHandle) -> None:
    asked: list[object] = []
    monkeypatch.setattr(socket, "socket", lambda *what: asked.append(what) or handle)
    with Endpoint(socket.AF_INET6) as made:
        assert made.fileno() == 99
    assert asked == [(socket.AF_INET6, socket.SOCK_DGRAM, uapi.IPPROTO_QUIC)]
    assert handle.calls == [("close",)]


# Addresses.


def test_addresses_and_calls(handle: FakeHandle, end: Endpoint) -> None:
    end.bind(("192.0.2.2", 3))
    end.listen()
    end.connect(("192.0.2.1", 2))
    end.setblocking(False)
    assert isinstance(end.accept(), Endpoint)
    assert handle.calls[:4] == [
        ("bind", ("192.0.2.2", 3)),
        ("listen", 64),
        ("connect", ("192.0.2.1", 2)),
        ("setblocking", False),
    ]
    assert (end.local, end.peer) == (("::1", 1), ("192.0.2.1", 2))


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (errno.EADDRINUSE, errors.AddressInUse),
        (errno.EADDRNOTAVAIL, errors.BadAddress),
        (errno.EACCES, errors.NotRoot),
        (errno.EINVAL, errors.BadAddress),
        (errno.ENOBUFS, OSError),
    ],
)
@pytest.mark.parametrize("call", [lambda end: end.bind(("192.0.2.2", 3)), lambda end: end.listen()])
def test_address_that_cannot_be_used(
    handle: FakeHandle, end: Endpoint, call: Callable[[Endpoint], None], code: int, error: type[Exception]
) -> None:
    handle.failure = code
    with pytest.raises(error):
        call(end)


@pytest.mark.parametrize(
    ("code", "error"),
    [(errno.ENETUNREACH, errors.NetworkUnreachable), (errno.EINVAL, errors.BadAddress), (errno.EPERM, OSError)],
)
def test_peer_that_cannot_be_reached(handle: FakeHandle, end: Endpoint, code: int, error: type[Exception]) -> None:
    handle.failure = code
    with pytest.raises(error):
        end.connect(("192.0.2.1", 2))


def test_time_limit_is_the_kernels(handle: FakeHandle, end: Endpoint) -> None:
    end.settimeout(1.5)
    end.settimeout(None)
    packed = [struct.pack("@ll", 1, 500_000)] * 2 + [bytes(16)] * 2
    assert [call[3] for call in handle.calls] == packed
    assert {call[2] for call in handle.calls} == {socket.SO_RCVTIMEO, socket.SO_SNDTIMEO}


# Data.


def test_sending(handle: FakeHandle, end: Endpoint) -> None:
    assert end.send(b"abc", 4, MsgFlag.STREAM_FIN) == 3
    assert end.send_datagram(b"de") == 2
    end.send_datagram(b"f", wait=False)
    control = [(uapi.SOL_QUIC, uapi.CMSG_STREAM_INFO, uapi.StreamInfo(4, MsgFlag.STREAM_FIN).pack())]
    quiet = MsgFlag.DATAGRAM | socket.MSG_NOSIGNAL
    assert handle.calls == [
        ("sendmsg", [b"abc"], control, socket.MSG_NOSIGNAL),
        ("send", b"de", quiet),
        ("send", b"f", quiet | socket.MSG_DONTWAIT),
    ]


def test_receiving_tells_the_kinds_apart(handle: FakeHandle, end: Endpoint) -> None:
    level = [(uapi.SOL_QUIC, uapi.CMSG_HANDSHAKE_INFO, b"\x02")]
    handle.messages = [
        (b"s", stream_info(4, MsgFlag.STREAM_FIN), 0),
        (b"t", stream_info(8), 0),
        (b"d", [], MsgFlag.DATAGRAM),
        (b"\x07\x01", [], MsgFlag.NOTIFICATION),
        (b"h", level, 0),
    ]
    assert end.receive() == StreamData(4, memoryview(b"s"), True)
    assert end.receive() == StreamData(8, memoryview(b"t"), False)
    assert end.receive(10, wait=False) == Datagram(memoryview(b"d"))
    assert end.receive() == uapi.KeyUpdate(1)
    assert end.receive() == HandshakeData(2, memoryview(b"h"))
    assert [call[1] for call in handle.calls] == [0, 0, socket.MSG_DONTWAIT, 0, 0]


def test_message_of_no_kind_is_refused(handle: FakeHandle, end: Endpoint) -> None:
    handle.messages = [(b"?", [(uapi.SOL_QUIC, 99, b"")], 0)]
    with pytest.raises(errors.ConnectionClosed):
        end.receive()


@pytest.mark.parametrize("call", [lambda end: end.receive(), lambda end: end.incoming_stream()])
@pytest.mark.parametrize(
    ("code", "error"), [(errno.ENOTCONN, errors.ConnectionClosed), (errno.EAGAIN, BlockingIOError), (errno.ENOMEM, OSError)]
)
def test_failed_receive(
    handle: FakeHandle, end: Endpoint, call: Callable[[Endpoint], object], code: int, error: type[Exception]
) -> None:
    handle.messages = [OSError(code, "no")]
    with pytest.raises(error):
        call(end)


def test_what_comes_next_is_looked_at(handle: FakeHandle, end: Endpoint) -> None:
    handle.messages = [(b"s", stream_info(4), 0), (b"", [], MsgFlag.NOTIFICATION)]
    assert end.incoming_stream() == 4
    assert end.incoming_stream() is None


# Options that take and give go by ctypes.


@pytest.fixture
def exchanged(monkeypatch: pytest.MonkeyPatch) -> dict[Option, Callable[[bytes], bytes]]:
    answers: dict[Option, Callable[[bytes], bytes]] = {}

    def getsockopt(fd: int, level: int, option: Option, value: bytes) -> bytes:
        assert (fd, level) == (99, uapi.SOL_QUIC)
        return answers[option](value)

    monkeypatch.setattr(libquic, "getsockopt", getsockopt)
    return answers


@pytest.mark.parametrize(
    ("uni", "wait", "flags"),
    [(False, True, 0), (True, True, MsgFlag.STREAM_UNI), (False, False, MsgFlag.STREAM_DONTWAIT)],
)
def test_opening_a_stream(
    end: Endpoint, exchanged: dict[Option, Callable[[bytes], bytes]], uni: bool, wait: bool, flags: int
) -> None:
    def open_(given: bytes) -> bytes:
        assert uapi.StreamInfo.unpack(given) == uapi.StreamInfo(uapi.NO_STREAM, flags)
        return uapi.StreamInfo(12, 0).pack()

    exchanged[Option.STREAM_OPEN] = open_
    assert end.open_stream(uni=uni, wait=wait) == 12


def test_peeled_stream_is_a_socket_of_its_own(end: Endpoint, exchanged: dict[Option, Callable[[bytes], bytes]]) -> None:
    near, far = socket.socketpair()

    def peel(given: bytes) -> bytes:
        assert struct.unpack("=qIi", given) == (4, os.O_CLOEXEC, -1)
        return struct.pack("=qIi", 4, os.O_CLOEXEC, near.detach())

    exchanged[Option.STREAM_PEELOFF] = peel
    with end.peel(4) as peeled, far:
        assert peeled.type == socket.SOCK_STREAM
        peeled.sendall(b"x")
        assert far.recv(1) == b"x"


def test_transport_params(handle: FakeHandle, end: Endpoint, exchanged: dict[Option, Callable[[bytes], bytes]]) -> None:
    def params(given: bytes) -> bytes:
        return uapi.TransportParams(max_data=7 if given[0] else 6).pack()

    exchanged[Option.TRANSPORT_PARAM] = params
    assert end.transport_params().max_data == 6
    assert end.transport_params(remote=True).max_data == 7
    end.set_transport_params(uapi.TransportParams(max_data=8), remote=True)
    assert handle.calls == [("set", uapi.SOL_QUIC, Option.TRANSPORT_PARAM, uapi.TransportParams(max_data=8).pack(remote=True))]


def test_options_that_are_set(handle: FakeHandle, end: Endpoint) -> None:
    end.reset_stream(4, 1)
    end.stop_sending(4, 2)
    end.set_config(uapi.Config(version=1))
    end.set_alpn("h3,shout")
    end.enable(uapi.EventType.KEY_UPDATE)
    end.set_close_reason(3, "why")
    end.set_token(b"t")
    end.update_key()
    end.migrate(("192.0.2.3", 5))
    end.migrate(("2001:db8::1", 5))
    four = struct.pack("=H", socket.AF_INET) + struct.pack("!H", 5) + bytes((192, 0, 2, 3)) + bytes(8)
    six = (
        struct.pack("=H", socket.AF_INET6)
        + struct.pack("!HI", 5, 0)
        + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
        + bytes(4)
    )
    assert [call[2:] for call in handle.calls] == [
        (Option.STREAM_RESET, uapi.pack_errinfo(4, 1)),
        (Option.STREAM_STOP_SENDING, uapi.pack_errinfo(4, 2)),
        (Option.CONFIG, uapi.Config(version=1).pack()),
        (Option.ALPN, b"h3,shout"),
        (Option.EVENT, uapi.pack_event_option(uapi.EventType.KEY_UPDATE, True)),
        (Option.CONNECTION_CLOSE, uapi.ConnectionClose(3, 0, "why").pack()),
        (Option.TOKEN, b"t"),
        (Option.KEY_UPDATE, b""),
        (Option.CONNECTION_MIGRATION, four),
        (Option.CONNECTION_MIGRATION, six),
    ]


def test_options_that_are_read(handle: FakeHandle, end: Endpoint) -> None:
    handle.options = {
        Option.CONFIG: uapi.Config(version=2).pack(),
        Option.ALPN: b"h3",
        Option.CONNECTION_CLOSE: uapi.ConnectionClose(3, 0, "why").pack(),
        Option.TOKEN: b"t",
    }
    assert (end.config().version, end.alpn(), end.close_reason().phrase, end.token()) == (2, "h3", "why", b"t")


# Addresses as text.


@pytest.mark.parametrize("text", ["host", "host:", ":4", "host:x", "host:70000"])
def test_text_that_is_no_address(text: str) -> None:
    with pytest.raises(errors.BadAddress):
        endpoint.parse_address(text)


def test_addresses_as_text() -> None:
    assert endpoint.parse_address("[::1]:4") == ("::1", 4)
    assert endpoint.shown(("::1", 4)) == "[::1]:4"
    assert endpoint.shown(endpoint.parse_address("h:4")) == "h:4"
    assert endpoint.resolve(("127.0.0.1", 4)) == (socket.AF_INET, ("127.0.0.1", 4))
    with pytest.raises(errors.BadAddress):
        endpoint.resolve(("no such name", 4))
