# SPDX-License-Identifier: GPL-2.0-or-later
"""Endless flows over a slow link, QUIC and TCP, and how much of them arrives."""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from wire import Namespace, Wire

from quicctl import endpoint, errors, libquic, uapi
from quicctl.endpoint import Endpoint

ALPN = "figures"
CHUNK = b"\0" * 65536
DELAY_MS = 10  # each way
SO_MAX_PACING_RATE = 47
PATIENCE = 60.0

Flow = tuple[str, str]
"""Protocol and controller."""


class Meter:
    """Bytes that arrived, by a clock."""

    def __init__(self) -> None:
        self.count = 0

    def rate(self, after: float, seconds: float) -> float:
        """Megabits a second over a while that begins later."""
        time.sleep(after)
        before, begun = self.count, time.monotonic()
        time.sleep(seconds)
        return (self.count - before) * 8 / 1e6 / (time.monotonic() - begun)


def shape(end: Namespace, rate: float, loss: float) -> None:
    """The link as one end sees it, in Mbit/s and per cent; as much may wait as the whole path holds."""
    bdp = rate * 1e6 / 8 * 2 * DELAY_MS / 1000
    words = ["delay", f"{DELAY_MS}ms", "rate", f"{rate}mbit", *(["loss", f"{loss}%"] if loss else [])]
    end.impair(*words, limit=int(bdp * 1.5 / 1500) + 4)


@contextlib.contextmanager
def tcp(link: Wire, controller: str, port: int, stop: threading.Event) -> Iterator[Meter]:
    """A flow of TCP from the near end."""
    meter = Meter()
    listening: queue.Queue[None] = queue.Queue()

    def serve() -> None:
        with socket.create_server((link.far.v4, port)) as server:
            listening.put(None)
            with server.accept()[0] as sock:
                while data := sock.recv(1 << 16):
                    meter.count += len(data)

    def send() -> None:
        with socket.socket() as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, controller.encode())
            sock.connect((link.far.v4, port))
            sock.settimeout(1)
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    sock.send(CHUNK)

    yield from _flow(link, meter, serve, send, listening, stop)


@contextlib.contextmanager
def quic(
    link: Wire, controller: str, port: int, stop: threading.Event, pki: Path, pace: int = 0, family: str = "v4"
) -> Iterator[Meter]:
    """A flow of QUIC from the near end, at most so many bytes a second if ``pace`` is given."""
    meter = Meter()
    host = link.far.address(family)
    domain = socket.AF_INET if family == "v4" else socket.AF_INET6
    listening: queue.Queue[None] = queue.Queue()
    params = uapi.TransportParams(disable_1rtt_encryption=True)

    def serve() -> None:
        with Endpoint(domain) as listener, libquic.Credentials(server=True) as credentials:
            credentials.certificate(pki / "server.pem", pki / "server.key")
            listener.bind((host, port))
            listener.set_alpn(ALPN)
            listener.set_transport_params(params)
            listener.listen()
            listening.put(None)
            with listener.accept() as sock:
                libquic.handshake(sock.fileno(), credentials, server=True, alpn=ALPN, timeout=PATIENCE)
                with contextlib.suppress(errors.ConnectionClosed):
                    while True:
                        message = sock.receive()
                        if isinstance(message, endpoint.StreamData):
                            meter.count += len(message.data)

    def send() -> None:
        with Endpoint(domain) as sock, libquic.Credentials(server=False) as credentials:
            credentials.trust(pki / "ca.pem")
            sock.set_config(uapi.Config(congestion_control_algo=uapi.Congestion[controller.upper()]))
            sock.set_transport_params(params)
            if pace:
                with socket.socket(fileno=os.dup(sock.fileno())) as plain:
                    plain.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, pace)
            sock.connect((host, port))
            libquic.handshake(sock.fileno(), credentials, server=False, hostname=host, alpn=ALPN, timeout=PATIENCE)
            sock.settimeout(1)
            stream = sock.open_stream()
            while not stop.is_set():
                try:
                    sock.send(CHUNK, stream)
                except OSError as failure:
                    # ENOSPC: the reader is slower than the time limit. uapi.md, section 3.5.
                    if failure.errno not in (errno.EAGAIN, errno.ENOSPC):
                        raise

    yield from _flow(link, meter, serve, send, listening, stop)


def _flow(
    link: Wire,
    meter: Meter,
    serve: Callable[[], None],
    send: Callable[[], None],
    listening: queue.Queue[None],
    stop: threading.Event,
) -> Iterator[Meter]:
    served = link.far.start(serve)
    listening.get(timeout=PATIENCE)
    sent = link.near.start(send)
    deadline = time.monotonic() + PATIENCE
    while not meter.count and time.monotonic() < deadline:
        if sent.done():
            sent.result()
        time.sleep(0.05)
    try:
        yield meter
    finally:
        stop.set()
        sent.result(PATIENCE)
        served.result(PATIENCE)


@contextlib.contextmanager
def flow(link: Wire, kind: Flow, port: int, pki: Path) -> Iterator[Meter]:
    """A flow that runs, its first byte has arrived."""
    protocol, controller = kind
    stop = threading.Event()
    with tcp(link, controller, port, stop) if protocol == "tcp" else quic(link, controller, port, stop, pki) as meter:
        yield meter
