# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's requests for handshakes, as messages of its netlink family."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator

import pytest

from quicctl import genetlink, netlink
from quicctl.genetlink import HandshakeSocket, Request

FAMILY = 29
OK = (netlink.ERROR, struct.pack("=i", 0))


def u32(value: int) -> bytes:
    return struct.pack("=I", value)


def attributes(*pairs: tuple[int, bytes]) -> bytes:
    return b"".join(netlink.attribute(*pair) for pair in pairs)


def generic(*pairs: tuple[int, bytes]) -> bytes:
    return bytes(4) + attributes(*pairs)


class Kernel:
    """A netlink socket whose answers are ready; remembers what was asked."""

    def __init__(self) -> None:
        group = attributes((1, b"tlshd\0"), (2, u32(7)))
        family = generic((1, struct.pack("=H", FAMILY)), (7, attributes((1, group))))
        self.answers: list[list[tuple[int, bytes]] | OSError] = [[(16, family), OK]]
        self.asked: list[tuple[int, int, dict[int, bytes]]] = []
        self.options: list[tuple[int, ...]] = []
        self.closed = False

    def bind(self, address: object) -> None: ...

    def close(self) -> None:
        self.closed = True

    def fileno(self) -> int:
        return 42

    def setsockopt(self, *what: int) -> None:
        self.options.append(what)

    def send(self, data: bytes) -> None:
        [(kind, body)] = netlink.messages(data)
        self.asked.append((kind, body[0], dict(netlink.attributes(body[4:]))))

    def recv(self, size: int) -> bytes:
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return b"".join(netlink.message(kind, 0, body) for kind, body in answer)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(socket, "socket", lambda *_: made)
    return made


@pytest.fixture
def agent(kernel: Kernel) -> Iterator[HandshakeSocket]:
    with HandshakeSocket() as made:
        yield made
    assert kernel.closed


def test_family_is_found_and_subscribed_to(kernel: Kernel, agent: HandshakeSocket) -> None:
    agent.subscribe()
    assert kernel.asked == [(16, 3, {2: b"handshake\0"})]
    assert kernel.options == [(270, 1, 7)]
    assert agent.fileno() == 42


def test_kernel_without_the_family(kernel: Kernel) -> None:
    kernel.answers = [[(netlink.ERROR, struct.pack("=i", -errno.ENOENT))]]
    with pytest.raises(OSError, match=os.strerror(errno.ENOENT)):
        HandshakeSocket()
    assert kernel.closed


def test_request_of_a_client(kernel: Kernel, agent: HandshakeSocket) -> None:
    found = generic((1, u32(5)), (3, u32(1)), (4, u32(1500)), (5, u32(3)), (8, b"host\0"), (6, u32(11)), (6, u32(12)))
    kernel.answers = [[(FAMILY, found)], [OK]]
    assert agent.accept() == Request(5, False, genetlink.AUTH_X509, 1.5, "host", None, (11, 12), 0)
    assert kernel.asked[-1] == (FAMILY, 2, {2: u32(1)})


def test_request_of_a_server_that_says_little(kernel: Kernel, agent: HandshakeSocket) -> None:
    kernel.answers = [[(FAMILY, generic((1, u32(5)), (3, u32(2)), (7, b""))), OK]]
    assert agent.accept() == Request(5, True, genetlink.AUTH_UNAUTH, 0.0, "", None, (), 0)


def test_request_that_names_keys(kernel: Kernel, agent: HandshakeSocket) -> None:
    certificate = attributes((1, u32(21)), (2, u32(22)))
    kernel.answers = [[(FAMILY, generic((1, u32(5)), (3, u32(2)), (5, u32(2)), (7, certificate), (9, u32(23)))), OK]]
    assert agent.accept() == Request(5, True, genetlink.AUTH_PSK, 0.0, "", (21, 22), (), 23)


def test_no_request(kernel: Kernel, agent: HandshakeSocket) -> None:
    kernel.answers = [[(netlink.ERROR, struct.pack("=i", -errno.EAGAIN))]]
    assert agent.accept() is None


def test_result_is_told(kernel: Kernel, agent: HandshakeSocket) -> None:
    kernel.answers = [[OK]]
    agent.done(Request(5, False, 0, 0.0, "", None, (), 0), errno.EACCES)
    assert kernel.asked[-1] == (FAMILY, 3, {1: u32(errno.EACCES), 2: u32(5)})


def test_peer_is_told(kernel: Kernel, agent: HandshakeSocket) -> None:
    kernel.answers = [[OK]]
    agent.done(Request(5, False, 0, 0.0, "", None, (), 0), 0, (11,))
    assert kernel.asked[-1] == (FAMILY, 3, {1: u32(0), 2: u32(5), 3: u32(11)})


@pytest.mark.parametrize("answer", [[OK], OSError(errno.ENOBUFS, "too many")])
def test_news_is_waited_for(kernel: Kernel, agent: HandshakeSocket, answer: list[tuple[int, bytes]] | OSError) -> None:
    kernel.answers = [answer]
    agent.wait()


def test_broken_socket_is_no_news(kernel: Kernel, agent: HandshakeSocket) -> None:
    kernel.answers = [OSError(errno.EIO, "broken")]
    with pytest.raises(OSError, match="broken"):
        agent.wait()
