# SPDX-License-Identifier: GPL-2.0-or-later
"""Two network namespaces joined by a veth pair, and code that runs inside one of them.

A socket stays in the namespace of the thread that made it, so both ends of a connection can live in one process. Names carry
the process ID; everything goes with the namespaces.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def ip(*words: str) -> str:
    """Run ip(8), whose message explains a failure."""
    return tool("ip", *words)


def tool(*argv: str) -> str:
    """Run a program, whose message explains a failure."""
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, f"{' '.join(argv)}: {ended.stderr.strip()}"
    return ended.stdout


@dataclass(frozen=True, slots=True)
class Namespace:
    """One end of the wire."""

    name: str
    device: str
    v4: str
    v6: str

    def address(self, family: str) -> str:
        """The end's address of a family, v4 or v6."""
        return self.v4 if family == "v4" else self.v6

    def start(self, work: Callable[[], T]) -> Future[T]:
        """Do some work inside, in a thread of its own; threads that it starts are inside as well."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                _enter(self.name)
                future.set_result(work())
            except BaseException as failure:
                future.set_exception(failure)

        threading.Thread(target=run, daemon=True).start()
        return future

    def impair(self, *words: str, bursts: bool = False, limit: int = 10000) -> None:
        """Let netem treat what this end sends; it holds up to ``limit`` packets.

        A burst of datagrams passes a queue as one packet. Unless that is wanted a token bucket in front splits it, so that
        each datagram has its own fate.
        """
        tc = ["ip", "netns", "exec", self.name, "tc", "qdisc", "replace", "dev", self.device]
        if bursts:
            tool(*tc, "root", "netem", "limit", str(limit), *words)
            return
        tool(*tc, "root", "handle", "1:", "tbf", "rate", "2gbit", "burst", "1600", "limit", "100000000")
        tool(*tc, "parent", "1:1", "handle", "2:", "netem", "limit", str(limit), *words)

    def dropped(self) -> int:
        """How many packets netem has dropped here."""
        import json

        said = json.loads(tool("ip", "netns", "exec", self.name, "tc", "-s", "-j", "qdisc", "show", "dev", self.device))
        return int(next(q["drops"] for q in said if q["kind"] == "netem"))


@dataclass(frozen=True, slots=True)
class Wire:
    """Both ends."""

    near: Namespace
    far: Namespace


@dataclass(frozen=True, slots=True)
class Routed(Wire):
    """Both ends, and a router between them: ``router`` is the end of it that faces the far one."""

    router: Namespace

    def shrink(self, mtu: int, *, told: bool) -> None:
        """From now on nothing larger gets to the far end; if told, the router knows why and says so to who sends it."""
        ip("-n", self.far.name, "link", "set", self.far.device, "mtu", str(mtu))
        if told:
            ip("-n", self.router.name, "link", "set", self.router.device, "mtu", str(mtu))


def _enter(name: str) -> None:
    handle = os.open(Path("/run/netns") / name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(handle, _CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), name)
    finally:
        os.close(handle)


@contextmanager
def wire(mtu: int = 1500, name: str = "quic") -> Iterator[Wire]:
    """Make a wire, and take it away; another name than that of a wire that is there already."""
    near = Namespace(f"{name}-near-{os.getpid()}", "near", "10.0.0.1", "fd00::1")
    far = Namespace(f"{name}-far-{os.getpid()}", "far", "10.0.0.2", "fd00::2")
    made: list[str] = []
    try:
        for end in (near, far):
            ip("netns", "add", end.name)
            made.append(end.name)
        ip("link", "add", near.device, "netns", near.name, "mtu", str(mtu), "type", "veth",
           "peer", "name", far.device, "netns", far.name, "mtu", str(mtu))  # fmt: skip
        for end in (near, far):
            ip("-n", end.name, "link", "set", "lo", "up")
            ip("-n", end.name, "addr", "add", f"{end.v4}/24", "dev", end.device)
            ip("-n", end.name, "addr", "add", f"{end.v6}/64", "dev", end.device, "nodad")
            ip("-n", end.name, "link", "set", end.device, "up")
        yield Wire(near, far)
    finally:
        for name in made:
            ip("netns", "del", name)


@contextmanager
def routed(mtu: int = 1500) -> Iterator[Routed]:
    """Make two wires with a router between them, and take them away."""
    near = Namespace(f"quic-near-{os.getpid()}", "near", "10.0.1.1", "fd01::1")
    far = Namespace(f"quic-far-{os.getpid()}", "far", "10.0.0.2", "fd00::2")
    name = f"quic-router-{os.getpid()}"
    router = {
        near: Namespace(name, "to-near", "10.0.1.254", "fd01::fe"),
        far: Namespace(name, "to-far", "10.0.0.254", "fd00::fe"),
    }
    made: list[str] = []
    try:
        for namespace in (near.name, far.name, name):
            ip("netns", "add", namespace)
            made.append(namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        for end, side in router.items():
            ip("link", "add", end.device, "netns", end.name, "mtu", str(mtu), "type", "veth",
               "peer", "name", side.device, "netns", name, "mtu", str(mtu))  # fmt: skip
            for here in (end, side):
                ip("-n", here.name, "addr", "add", f"{here.v4}/24", "dev", here.device)
                ip("-n", here.name, "addr", "add", f"{here.v6}/64", "dev", here.device, "nodad")
                ip("-n", here.name, "link", "set", here.device, "up")
            ip("-n", end.name, "route", "add", "default", "via", side.v4)
            ip("-n", end.name, "-6", "route", "add", "default", "via", side.v6)
        router[near].start(_forward).result(60)
        yield Routed(near, far, router[far])
    finally:
        for namespace in made:
            ip("netns", "del", namespace)


def _forward() -> None:
    for switch in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        (Path("/proc/sys/net") / switch).write_text("1")
