# SPDX-License-Identifier: GPL-2.0-or-later
"""Softirqs that may not use the vector registers lose no packet and change no order: process context does their work.

The processor's own drivers are tried where there are such: the simulated devices hand up frames while the registers are in use.
Elsewhere the module, built with its KUnit suites, acts as if there were.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Pki
from exchange import PIECES, SIZE, converse, counters, grown, live, move, until
from simdev import Simulated

from quicctl import conns
from quicctl.endpoint import Endpoint

_PARAMETER = Path("/sys/module/quic/parameters/deny_vector")
MOVED = SIZE // 2
PACKETS = MOVED // 1500
DROPS = ("QuicPktRcvDrop", "QuicPktDecDrop", "QuicPktEncDrop")
FIRST, LAST = 8, PIECES - 1
"""Before, packets of the handshake may come again, whose keys are gone."""

RARELY = 1000

Switch = Callable[[int], None]


def missing(wire: Simulated, number: int, found: list[int]) -> None:
    """From the first piece that counts to the last: what both ends dropped, and what either took for lost."""
    ends = (wire.near, wire.far)
    if number in (FIRST, LAST):
        now = [counters(end)[name] for end in ends for name in DROPS] + [live(end).packets_lost or 0 for end in ends]
        found[:] = [n - then for n, then in zip(now, found or [0] * len(now), strict=True)]


def over(wire: Simulated) -> None:
    """Wait until no connection is left."""
    until(lambda: not conns.conns(namespaces=(wire.near.name, wire.far.name)))


@pytest.fixture
def switch(made: Simulated) -> Iterator[Switch]:
    """Takes the vector registers away from every nth softirq that receives; from none: 0."""

    def turn(nth: int) -> None:
        if _PARAMETER.exists():
            _PARAMETER.write_text(str(int(0 < nth < RARELY)))
            return
        for device in (made.here, made.there):
            device.set(vector_nth=nth)

    try:
        turn(1)
    except OSError as refused:
        if refused.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip("no driver of this kernel leaves out softirqs")
    over(made)
    yield turn
    turn(0)


@pytest.mark.parametrize("cipher", ("AES-128-GCM", "CHACHA20-POLY1305"))
def test_nothing_is_lost(cipher: str, made: Simulated, switch: Switch, pki: Pki) -> None:
    """Of what the ends send: no drop is counted, none seems lost."""
    lost: list[int] = []

    def look(sock: Endpoint, number: int) -> None:
        missing(made, number, lost)

    for counts in grown(made, lambda: move(made, pki, size=MOVED, cipher=cipher, at_near=look)):
        # What comes while the user owns the socket is his to process.
        assert counts["QuicPktRcvPostponed"] > PACKETS // 8, counts
    assert lost and not any(lost), lost


def test_no_packet_overtakes(made: Simulated, switch: Switch, pki: Pki) -> None:
    """What may be processed at once waits for those that came before it: nothing seems lost."""
    lost: list[int] = []

    def look(sock: Endpoint, number: int) -> None:
        # Never quite off: frames that take the other way up would overtake those in the device.
        switch((3, RARELY, 2, RARELY, 7)[number % 5])
        missing(made, number, lost)

    for counts in grown(made, lambda: move(made, pki, size=MOVED, at_near=look)):
        assert counts["QuicPktRcvPostponed"] > PACKETS // 20, counts
    assert lost and not any(lost), lost


def test_death(made: Simulated, switch: Switch, pki: Pki) -> None:
    """Sockets whose packets wait come to their end, whatever is closed first; the memory was theirs alone."""
    before = counters(made.far)["QuicPktRcvPostponed"]
    for _ in range(4):
        converse(made, pki, lambda sock: sock.send(b"x" * 8192, sock.open_stream()), lambda sock: sock.receive())
    assert counters(made.far)["QuicPktRcvPostponed"] > before
    over(made)
