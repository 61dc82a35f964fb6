# SPDX-License-Identifier: GPL-2.0-or-later
"""A connection between the ends of a wire, both in this process, and contents that go both ways at once."""

from __future__ import annotations

import hashlib
import queue
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from conftest import SLOW, Pki
from wire import Namespace, Wire

from quicctl import conns, endpoint, libquic, uapi
from quicctl.endpoint import Endpoint

ALPN = "exchange"
PATIENCE = 60 * SLOW
SIZE = (1 << 20) if SLOW <= 2 else (1 << 19)
PIECES = 64
MARKER = b"this must not be seen on any wire "
_PRIORITY = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+{}"

Work = Callable[[Endpoint], None]
Hook = Callable[[Endpoint, int], None]


def body(size: int) -> bytes:
    """Text that a sniffer would know again."""
    return (MARKER * (size // len(MARKER) + 1))[:size]


def counters(end: Namespace) -> dict[str, int]:
    """/proc/net/quic/snmp of an end."""

    def read() -> str:
        return Path("/proc/thread-self/net/quic/snmp").read_text()

    return {name: int(value) for name, value in (line.split() for line in end.start(read).result(30).splitlines())}


def snmp(end: Namespace, protocol: str, field: str) -> int:
    """A counter of the namespace that is not QUIC's own."""

    def read() -> str:
        return Path("/proc/thread-self/net/snmp").read_text()

    lines = end.start(read).result(30).splitlines()
    names, values = (line.split() for line in lines if line.startswith(f"{protocol}: "))
    return int(values[names.index(field)])


def live(end: Namespace) -> conns.Conn:
    """The connection of an end; those of earlier tests may be draining yet."""
    (conn,) = (conn for conn in conns.conns(namespaces=(end.name,)) if conn.state is conns.State.ESTABLISHED)
    return conn


def grown(wire: Wire, work: Callable[[], None]) -> tuple[dict[str, int], dict[str, int]]:
    """By how much the counters of both ends grow meanwhile."""
    before = counters(wire.near), counters(wire.far)
    work()
    after = counters(wire.near), counters(wire.far)
    near, far = ({name: now[name] - then[name] for name in now} for then, now in zip(before, after, strict=True))
    return near, far


def until(true: Callable[[], object], what: Callable[[], object] = lambda: None) -> None:
    """Wait for something; ``what`` is what there is instead when patience ends."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)


def converse(
    wire: Wire,
    pki: Pki,
    near: Work,
    far: Work,
    *,
    family: str = "v4",
    cipher: str = "AES-128-GCM",
    version: int = 0,
    nodelay: bool = False,
) -> None:
    """A connection from the near end to the far one; each does its work with its socket, which is closed then.

    With nodelay small writes of the near end wait for no company.
    """
    listening: queue.Queue[int] = queue.Queue()
    host = wire.far.address(family)
    domain = socket.AF_INET if family == "v4" else socket.AF_INET6
    options = {"alpn": ALPN, "timeout": PATIENCE, "priority": _PRIORITY.format(cipher)}

    def serve() -> None:
        with Endpoint(domain) as listener, libquic.Credentials(server=True) as credentials:
            credentials.certificate(pki.cert, pki.key)
            listener.bind((host, 0))
            listener.set_alpn(ALPN)
            listener.listen()
            listening.put(listener.local[1])
            with listener.accept() as sock:
                libquic.handshake(sock.fileno(), credentials, server=True, **options)
                sock.settimeout(PATIENCE)
                far(sock)

    def ask() -> None:
        with Endpoint(domain) as sock, libquic.Credentials(server=False) as credentials:
            credentials.trust(pki.ca)
            sock.set_config(uapi.Config(version=version, stream_data_nodelay=nodelay))
            sock.connect((host, listening.get(timeout=PATIENCE)))
            libquic.handshake(sock.fileno(), credentials, server=False, hostname=host, **options)
            sock.settimeout(PATIENCE)
            near(sock)

    served, asked = wire.far.start(serve), wire.near.start(ask)
    asked.result(PATIENCE * 4)
    served.result(PATIENCE)


def send(sock: Endpoint, size: int, between: Callable[[int], None]) -> None:
    """Send body(size) in PIECES pieces, ``between`` before each."""
    data, chunk = body(size), size // PIECES
    stream = sock.open_stream()
    for number, offset in enumerate(range(0, size, chunk)):
        between(number)
        piece = data[offset : offset + chunk]
        fin = uapi.MsgFlag.STREAM_FIN if offset + chunk >= size else 0
        while piece:
            piece = piece[sock.send(piece, stream, fin) :]


def receive(sock: Endpoint, size: int) -> str:
    """Receive it; SHA-256 of what came."""
    digest, count = hashlib.sha256(), 0
    while count < size:
        message = sock.receive()
        if isinstance(message, endpoint.StreamData) and message.stream_id >> 2:  # the first was for settling
            digest.update(message.data)
            count += len(message.data)
    return digest.hexdigest()


def move(
    wire: Wire,
    pki: Pki,
    *,
    size: int = SIZE,
    at_near: Hook | None = None,
    at_far: Hook | None = None,
    settled: Callable[[], bool] = lambda: True,
    family: str = "v4",
    cipher: str = "AES-128-GCM",
    version: int = 0,
) -> None:
    """Contents both ways at once, whole at both ends, once it is ``settled``; a byte goes now and then until it is."""
    done = threading.Barrier(2)
    ready = threading.Barrier(2)
    want = hashlib.sha256(body(size)).hexdigest()

    def both(hook: Hook | None) -> Work:
        def work(sock: Endpoint) -> None:
            stream = sock.open_stream()
            sock.send(b"x", stream)  # devices are asked for when something is sent
            taken = b""
            while not taken:
                message = sock.receive()
                taken = bytes(message.data) if isinstance(message, endpoint.StreamData) else b""
            ready.wait(PATIENCE)
            deadline = time.monotonic() + PATIENCE
            while not settled():
                assert time.monotonic() < deadline, "it never settled"
                sock.send(b"x", stream)
                time.sleep(0.05)
            ready.wait(PATIENCE)
            failed: list[BaseException] = []

            def sender() -> None:
                try:
                    send(sock, size, lambda number: hook(sock, number) if hook else None)
                except BaseException as failure:
                    failed.append(failure)

            thread = threading.Thread(target=sender)
            thread.start()
            digest = receive(sock, size)
            thread.join(PATIENCE)
            assert not failed, failed
            done.wait(PATIENCE)
            assert digest == want

        return work

    converse(wire, pki, both(at_near), both(at_far), family=family, cipher=cipher, version=version)
