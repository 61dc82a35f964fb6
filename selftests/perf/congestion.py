# SPDX-License-Identifier: GPL-2.0-or-later
"""Goodput of congestion controllers over a slow link with loss, QUIC beside TCP, and how two flows share it.

    quicctl vm run -- python3 selftests/perf/congestion.py [--rate MBIT] [--seconds N] [--loss PERCENT ...]

Two namespaces, 20 ms of round trip, a queue as long as the link holds. An emulated processor does not keep up with a fast
link: choose the rate so that loss and queue limit the flow, not the processor. QUIC data packets are not encrypted here.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "netns"), str(Path(__file__).parents[2])]

from flows import Flow, flow, shape  # noqa: E402
from wire import wire  # noqa: E402

PORT = 4433


def jain(*rates: float) -> float:
    """One: all get the same."""
    return sum(rates) ** 2 / (len(rates) * sum(rate**2 for rate in rates))


def kinds() -> list[Flow]:
    """What this kernel can measure."""
    for controller in ("bbr", "cubic"):
        subprocess.run(["modprobe", "-q", f"tcp_{controller}"], check=False)
    there = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    named = ("reno", "cubic", "bbr")
    return [("quic", name) for name in named] + [("tcp", name) for name in named if name in there]


def main() -> None:
    """Measure, a JSON line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=20.0, help="of the link, Mbit/s")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement, after two of starting")
    parser.add_argument("--loss", type=float, nargs="*", default=[0.0, 1.0, 5.0], help="percent")
    parser.add_argument("--no-pairs", action="store_true", help="only single flows")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        pki = Path(folder)
        maker = Path(__file__).parents[1] / "pki" / "make-pki"
        subprocess.run(["sh", maker, pki], check=True, capture_output=True)
        for loss in options.loss:
            for kind in kinds():
                with wire() as link:
                    shape(link.near, options.rate, loss)
                    shape(link.far, options.rate, 0)
                    with flow(link, kind, PORT, pki) as meter:
                        got = meter.rate(2, options.seconds)
                line = {"protocol": kind[0], "controller": kind[1], "loss": loss, "mbit": round(got, 2)}
                print(json.dumps(line), flush=True)
        if options.no_pairs:
            return
        for kind in kinds():
            with wire() as link:
                shape(link.near, options.rate, 0)
                shape(link.far, options.rate, 0)
                with flow(link, kind, PORT, pki) as one, flow(link, kind, PORT + 1, pki) as other:
                    time.sleep(3)
                    first, second = one.count, other.count
                    time.sleep(3 * options.seconds)
                    shares = [(one.count - first), (other.count - second)]
            line = {"protocol": kind[0], "controller": kind[1], "pair": shares, "jain": round(jain(*shares), 3)}
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
