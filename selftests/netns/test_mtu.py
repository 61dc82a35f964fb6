# SPDX-License-Identifier: GPL-2.0-or-later
"""A path that takes less than its first link: with a router that says so, and behind one that does not know it itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from conftest import SLOW, Pki
from flows import Meter, quic
from wire import Routed, routed

from quicctl import conns
from quicctl.conns import State

PORT = 4433
LINK, PATH = 1500, 1400
OVERHEAD = {"v4": 28, "v6": 48}
SLACK = 4  # what a veth device takes beyond its MTU, for the tag of a VLAN
BASE, STEP = 1200, 32
MOVED = 256 << 10


@pytest.fixture
def path() -> Iterator[Routed]:
    with routed(LINK) as made:
        # Bursts are split where packets leave: veth lets one pass however large its parts are.
        for end in (made.near, made.router):
            end.impair("delay", "2ms", "rate", "20mbit", limit=100)
        yield made


def payload(path: Routed) -> int:
    """What the sender takes for the largest datagram, 0 before it is connected, and while the socket is too busy to tell."""
    found = conns.conns(namespaces=(path.near.name,), states=(State.ESTABLISHED,))
    return next((conn.mss for conn in found if conn.role == "client" and conn.mss is not None), 0)


def until(condition: Callable[[], bool], what: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds * SLOW
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


def goes_on(meter: Meter) -> None:
    """As much as several windows arrives from now on."""
    before = meter.count
    until(lambda: meter.count > before + MOVED, lambda: f"stuck at {meter.count} bytes, {before} before")


@pytest.mark.rfc("RFC 9000, section 14.2.1")
@pytest.mark.parametrize("family", ("v4", "v6"))
def test_router_tells(family: str, path: Routed, pki: Pki) -> None:
    """What the router says is believed at once, and used up."""
    with quic(path, "cubic", PORT, threading.Event(), pki.ca.parent, family=family) as meter:
        until(lambda: payload(path) == LINK - OVERHEAD[family], lambda: payload(path))
        goes_on(meter)
        path.shrink(PATH, told=True)
        until(lambda: payload(path) == PATH - OVERHEAD[family], lambda: payload(path))
        goes_on(meter)
        until(lambda: payload(path) == PATH - OVERHEAD[family], lambda: payload(path))


@pytest.mark.rfc("RFC 9000, section 14.2.1")
@pytest.mark.parametrize("family", ("v4", "v6"))
def test_path_is_small_from_the_start(family: str, path: Routed, pki: Pki) -> None:
    path.shrink(PATH, told=True)
    with quic(path, "cubic", PORT, threading.Event(), pki.ca.parent, family=family) as meter:
        goes_on(meter)
        until(lambda: payload(path) == PATH - OVERHEAD[family], lambda: payload(path))


@pytest.mark.rfc("RFC 8899, section 4.3")
@pytest.mark.parametrize("family", ("v4", "v6"))
def test_nobody_tells(family: str, path: Routed, pki: Pki) -> None:
    """Large packets vanish: the size falls to what every path takes, then probes find what this one does."""
    if SLOW > 2:
        pytest.skip("a kernel this slow may need longer to find the black hole than a connection may be idle; lane vm shows it")
    most = PATH + SLACK - OVERHEAD[family]
    with quic(path, "cubic", PORT, threading.Event(), pki.ca.parent, family=family) as meter:
        until(lambda: payload(path) == LINK - OVERHEAD[family], lambda: payload(path))
        goes_on(meter)
        path.shrink(PATH, told=False)
        until(lambda: BASE <= payload(path) <= most, lambda: payload(path))
        goes_on(meter)
        until(lambda: most - STEP < payload(path) <= most, lambda: payload(path))
        goes_on(meter)
        until(lambda: most - STEP < payload(path) <= most, lambda: payload(path))
