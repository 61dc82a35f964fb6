# SPDX-License-Identifier: GPL-2.0-or-later
"""Congestion control and pacing where packets queue: a bound set on the socket, the discipline fq, and BBR under loss."""

from __future__ import annotations

import json
import subprocess
import threading

import pytest
from conftest import SLOW, Pki
from flows import quic, shape
from wire import Namespace, Wire

PORT = 4433
PACE = 250_000  # bytes a second


def tc(end: Namespace, *words: str) -> str:
    argv = ["ip", "netns", "exec", end.name, "tc", *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout


def goodput(link: Wire, pki: Pki, controller: str, seconds: float, pace: int = 0) -> float:
    """Megabits a second."""
    with quic(link, controller, PORT, threading.Event(), pki.ca.parent, pace) as meter:
        return meter.rate(1, seconds)


def test_pace_is_bounded_by_the_socket(link: Wire, pki: Pki) -> None:
    got = goodput(link, pki, "cubic", 3, PACE)
    assert PACE * 8 / 1e6 * 0.5 < got < PACE * 8 / 1e6 * 1.1


@pytest.mark.parametrize("controller", ("cubic", "bbr"))
def test_fq_paces(controller: str, link: Wire, pki: Pki) -> None:
    """The discipline learns the rate from the socket, and holds packets back."""
    tried = ["ip", "netns", "exec", link.near.name, "tc", "qdisc", "replace", "dev", link.near.device, "root", "fq"]
    if subprocess.run(tried, capture_output=True, check=False).returncode != 0:
        pytest.skip("this kernel has no fq")
    got = goodput(link, pki, controller, 3, PACE)
    said = json.loads(tc(link.near, "-s", "-j", "qdisc", "show", "dev", link.near.device))
    fq = next(qdisc for qdisc in said if qdisc["kind"] == "fq")
    assert fq["throttled"] > 0, fq
    assert PACE * 8 / 1e6 * 0.5 < got < PACE * 8 / 1e6 * 1.1


def test_bbr_bears_loss(link: Wire, pki: Pki) -> None:
    """Five per cent lost on a link of 4 Mbit/s: what others give up BBR uses."""
    shape(link.near, 4.0, 5.0)
    shape(link.far, 4.0, 0.0)
    assert goodput(link, pki, "bbr", 5 * max(1.0, SLOW / 2)) > 4.0 * 0.4
