# SPDX-License-Identifier: GPL-2.0-or-later
"""Many connections at once to one UDP port over a wire that loses packets, ten streams on each."""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from concurrent.futures import Future

import pytest
from conftest import SLOW, Pki
from wire import Wire

from quicctl import endpoint, libquic
from quicctl.endpoint import Endpoint
from quicctl.uapi import Config, MsgFlag

STREAMS = 10
SIZE = 3000
# So many shake hands at once: a crowd waits for its turn at the processor, not at the wire, and takes that for the round trip.
HANDSHAKES = 8
PATIENCE = 200 * SLOW
ALPN = "echo"
# The first client waits idle for the last one, long where the kernel checks itself.
KEPT_ALIVE = Config(keepalive_probe_interval=5_000_000)


def body(connection: int, stream: int) -> bytes:
    return hashlib.shake_128(f"{connection} {stream}".encode()).digest(SIZE)


def send(sock: Endpoint, stream: int, data: bytes | memoryview, flags: int) -> None:
    rest = memoryview(data)
    while True:
        rest = rest[sock.send(rest, stream, flags) :]
        if not rest:
            return


def echo(sock: Endpoint, credentials: libquic.Credentials) -> None:
    """Give every stream back. What was sent outlives the socket: a client's goodbye can be lost, and is not waited for."""
    with sock:
        libquic.handshake(sock.fileno(), credentials, server=True, alpn=ALPN, timeout=PATIENCE)
        sock.settimeout(PATIENCE)
        ended = 0
        while ended < STREAMS:
            message = sock.receive()
            if isinstance(message, endpoint.StreamData) and (message.data or message.fin):
                send(sock, message.stream_id, bytes(message.data), MsgFlag.STREAM_FIN if message.fin else 0)
                ended += message.fin


def serve(host: str, clients: int, pki: Pki, listening: queue.Queue[int], failures: queue.Queue[BaseException]) -> None:
    """Echo for all clients, each in a thread."""
    workers: list[threading.Thread] = []

    def attend(sock: Endpoint, credentials: libquic.Credentials) -> None:
        try:
            echo(sock, credentials)
        except BaseException as failure:
            failures.put(failure)

    family, where = endpoint.resolve((host, 0), passive=True)
    with Endpoint(family) as listener, libquic.Credentials(server=True) as credentials:
        credentials.certificate(pki.cert, pki.key)
        listener.bind(where)
        listener.set_alpn(ALPN)
        listener.set_config(KEPT_ALIVE)
        listener.settimeout(PATIENCE)
        listener.listen(clients)
        listening.put(listener.local[1])
        for _ in range(clients):
            workers.append(threading.Thread(target=attend, args=(listener.accept(), credentials), daemon=True))
            workers[-1].start()
        for worker in workers:
            worker.join()


def ask(
    number: int,
    where: endpoint.Address,
    credentials: libquic.Credentials,
    turn: threading.Semaphore,
    together: threading.Barrier,
) -> None:
    """One client: all streams at once, when every other client is connected too."""
    family, where = endpoint.resolve(where)
    with Endpoint(family) as sock:
        sock.set_config(KEPT_ALIVE)
        with turn:
            sock.connect(where)
            libquic.handshake(sock.fileno(), credentials, server=False, hostname=where[0], alpn=ALPN, timeout=PATIENCE)
        sock.settimeout(PATIENCE)
        together.wait(PATIENCE)
        streams = {sock.open_stream(): index for index in range(STREAMS)}
        for stream, index in streams.items():
            send(sock, stream, body(number, index), MsgFlag.STREAM_FIN)
        got: dict[int, bytes] = dict.fromkeys(streams, b"")
        ended: set[int] = set()
        while ended != set(streams):
            message = sock.receive()
            if isinstance(message, endpoint.StreamData):
                got[message.stream_id] += bytes(message.data)
                if message.fin:
                    ended.add(message.stream_id)
        for stream, index in streams.items():
            assert got[stream] == body(number, index), f"connection {number}, stream {stream}"


@pytest.mark.parametrize(("family", "connections"), (("v4", 100), ("v6", 20)))
def test_many_connections(family: str, connections: int, link: Wire, pki: Pki) -> None:
    host = link.far.address(family)
    for end in (link.near, link.far):
        end.impair("delay", "2ms", "loss", "1%")
    listening: queue.Queue[int] = queue.Queue()
    failures: queue.Queue[BaseException] = queue.Queue()
    served = link.far.start(lambda: serve(host, connections, pki, listening, failures))
    port = listening.get(timeout=20 * SLOW)
    turn, together = threading.Semaphore(HANDSHAKES), threading.Barrier(connections)
    with libquic.Credentials(server=False) as credentials:
        credentials.trust(pki.ca)
        asked: list[Future[None]] = [
            link.near.start(lambda number=number: ask(number, (host, port), credentials, turn, together))  # type: ignore[misc]
            for number in range(connections)
        ]
        deadline = time.monotonic() + PATIENCE
        for client in asked:
            client.result(max(0.0, deadline - time.monotonic()))
    served.result(PATIENCE)
    assert failures.empty(), failures.get()
