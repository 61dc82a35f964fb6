# SPDX-License-Identifier: GPL-2.0-or-later
"""What a byte costs over another stack: client and server of its own, both in user space, over the loopback device.

Run by quicctl bench in a guest that counts instructions; prints a record as stream_bench does. A long download less a short
one: what starting, the handshake and leaving cost falls out. How the programs read and write is their own affair.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from quicctl import peers, process

HOST = "127.0.0.1"
PORT = 4433
SHORT = 1 << 16
PASSES = 3
PATIENCE = 600.0
CIPHER = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a download took."""

    elapsed: int
    idle: int

    @property
    def busy(self) -> int:
        """Instructions."""
        return self.elapsed - self.idle


def idle_ns() -> int:
    """Idle time of the one processor."""
    lines = Path("/proc/timer_list").read_text().splitlines()
    return next(int(line.split()[2]) for line in lines if ".idle_sleeptime" in line)


def received() -> int:
    """Bytes that the loopback device has seen."""
    return int(Path("/sys/class/net/lo/statistics/rx_bytes").read_text())


@contextmanager
def server(root: peers.Root, folder: Path) -> Iterator[None]:
    """ngtcp2's example server, of the files in a folder."""
    argv = [*root.command("gtlsserver"), "-q", "--ciphers", CIPHER, "-d", str(folder), HOST, str(PORT)]
    argv += [str(folder / "server.key"), str(folder / "server.pem")]
    with process.running(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        deadline = time.monotonic() + PATIENCE
        while f":{PORT:04X} " not in Path("/proc/net/udp").read_text():
            if child.poll() is not None or time.monotonic() > deadline:
                sys.exit("stacks: gtlsserver does not listen")
            time.sleep(0.02)
        yield


def download(root: peers.Root, name: str, size: int, *words: str) -> Cost:
    """One by ngtcp2's example client, which ends with 0 whatever happened: the device tells whether the bytes came."""
    argv = [*root.command("gtlsclient"), "-q", "--exit-on-all-streams-close", "--ciphers", CIPHER, *words]
    argv += [HOST, str(PORT), f"https://localhost:{PORT}/{name}"]
    before, idle, began = received(), idle_ns(), time.monotonic_ns()
    subprocess.run(argv, check=True, timeout=PATIENCE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cost = Cost(time.monotonic_ns() - began, idle_ns() - idle)
    if received() - before < size:
        sys.exit(f"stacks: gtlsclient got less than the {size} bytes of {name}")
    return cost


def main() -> None:
    """Check a download byte by byte, measure some, print the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--message", type=int, required=True, help="what the record shall say of the size of writes")
    parser.add_argument("--bytes", type=int, required=True, help="of the long download")
    options = parser.parse_args()
    root = peers.here("trixie")
    if isinstance(root, peers.Absent):
        sys.exit(f"stacks: there is no ngtcp2: {root.reason}")

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        subprocess.run(["sh", Path(__file__).parents[1] / "pki" / "make-pki", folder], check=True, capture_output=True)
        sizes = {"short": SHORT, "long": SHORT + options.bytes}
        for name, size in sizes.items():
            (folder / name).write_bytes(bytes(range(251)) * (size // 251) + bytes(size % 251))
        with server(root, folder):
            (folder / "got").mkdir()
            download(root, "long", sizes["long"], "--download", str(folder / "got"))
            if (folder / "got" / "long").read_bytes() != (folder / "long").read_bytes():
                sys.exit("stacks: what came is not what the server has")
            passes = [[download(root, name, size) for name, size in sizes.items()] for _ in range(PASSES)]
    costs = sorted((Cost(long.elapsed - short.elapsed, long.idle - short.idle) for short, long in passes), key=lambda c: c.busy)
    median = costs[len(costs) // 2]
    record = {
        "protocol": "ngtcp2", "message": options.message, "bytes": options.bytes, "elapsed_ns": median.elapsed,
        "idle_ns": median.idle, "least_ns": costs[0].busy, "most_ns": costs[-1].busy,
    }  # fmt: skip
    print(json.dumps(record))


if __name__ == "__main__":
    main()
