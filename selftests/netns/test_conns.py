# SPDX-License-Identifier: GPL-2.0-or-later
"""sock_diag and ``quicctl conns`` see both ends of a transfer, each in its own namespace, while it goes on."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import SLOW, Pki, content
from test_loss import move, same
from wire import Wire

from quicctl import conns, module, netns, sock_diag, uapi
from quicctl.conns import Conn, State

SIZE = 2 << 20


def both(link: Wire) -> tuple[Conn, Conn]:
    """Client and server, once both are established and have sent for a while."""
    deadline = time.monotonic() + 60 * SLOW
    while time.monotonic() < deadline:
        found = conns.conns(namespaces=(link.near.name, link.far.name), states=(State.ESTABLISHED,))
        by_role = {conn.role: conn for conn in found}
        if set(by_role) == {"client", "server"} and all((conn.bytes_received or 0) > 50_000 for conn in found):
            return by_role["client"], by_role["server"]
        time.sleep(0.02)
    raise AssertionError("the connection was not seen")


@pytest.mark.parametrize("family", ("v4", "v6"))
def test_a_transfer_is_seen(family: str, link: Wire, pki: Pki, tmp_path: Path) -> None:
    near, far = content(tmp_path, "near", SIZE), content(tmp_path, "far", SIZE)
    for end in (link.near, link.far):
        end.impair("delay", "10ms", "rate", "8mbit")
    ended: list[object] = []

    def transfer() -> None:
        client, server = move(link, family, pki, near, far, tmp_path, uapi.Congestion.CUBIC)
        same(client, server, near, far)
        ended.append(True)

    thread = threading.Thread(target=transfer)
    thread.start()
    try:
        client, server = both(link)
        proc = netns.inside(link.near.name, lambda: conns.from_proc(Path("/proc/thread-self/net/quic"), None))
        elsewhere = conns.conns()
    finally:
        thread.join()
    assert ended, "the transfer failed"

    assert (client.netns, server.netns) == (link.near.name, link.far.name)
    assert (client.local, client.peer) == (server.peer, server.local)
    assert client.local is not None and link.near.address(family) in client.local
    assert (client.original_dcid, client.version) == (server.original_dcid, "1")
    assert client.original_dcid is not None
    assert client.congestion == server.congestion == "cubic"
    assert client.cipher == server.cipher is not None
    for conn in (client, server):
        assert conn.min_rtt is not None and conn.rtt is not None
        assert conn.min_rtt >= 0.02
        assert 0.02 <= conn.rtt < 30
        assert conn.mss == (1500 - (28 if family == "v4" else 48))
        assert conn.encrypted and conn.confirmed and not conn.orphan
        assert conn.inode > 0
        assert conn.congestion_window is not None and conn.congestion_window >= 2 * conn.mss
        assert conn.packets_sent is not None and conn.bytes_sent is not None
        assert 1 < conn.bytes_sent / conn.packets_sent <= conn.mss
    assert (client.streams_opened or (0,))[0] + (client.streams_accepted or (0,))[0] >= 1
    assert server.alpn == ("sample",)

    assert [conn.local for conn in proc if conn.peer == client.peer] == [client.local]
    # Here, that is of the machine, an earlier test's connection may still be draining.
    theirs = {client.original_dcid, server.original_dcid}
    assert not [conn for conn in elsewhere if conn.original_dcid in theirs], "a namespace shows what belongs to another"


def test_listeners_and_many_sockets(link: Wire) -> None:
    """More sockets than fit into one answer, each told once; a wildcard listener has no peer."""
    count = 300

    def make() -> list[socket.socket]:
        made = []
        for index in range(count):
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, uapi.IPPROTO_QUIC)
            if index % 2:
                sock.bind(("0.0.0.0", 0))
                sock.listen(3)
            else:
                sock.connect((link.far.address("v4"), 4433))
            made.append(sock)
        return made

    made = link.near.start(make).result(60 * SLOW)
    try:
        found = netns.inside(link.near.name, sock_diag.sockets)
        assert len({sock.cookie for sock in found}) == len(found) == count
        listed = conns.conns(namespaces=(link.near.name,), states=(State.LISTENING,))
        assert len(listed) == count // 2
        assert {conn.peer for conn in listed} == {None}
        assert {conn.tx_queue for conn in listed} == {3}
        port = made[1].getsockname()[1]
        assert [conn.local for conn in conns.conns(namespaces=(link.near.name,), ports=(port,))] == [f"0.0.0.0:{port}"]
    finally:
        for sock in made:
            sock.close()
    assert module.usable()


def test_ids_are_for_administrators(link: Wire) -> None:
    """Who may see the connection may not see what it takes to disturb it."""
    script = (
        "import os, sys\n"
        "from quicctl import sock_diag\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "(sock,) = sock_diag.sockets()\n"
        "assert sock.info is not None\n"
        "print(repr((sock.info.mss > 0, sock.info.original_dcid, sock.info.local_cid, sock.info.remote_cid)))\n"
    )

    def look() -> str:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, uapi.IPPROTO_QUIC) as sock:
            sock.connect((link.far.address("v4"), 4433))
            done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60 * SLOW)
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

    assert link.near.start(look).result(90 * SLOW) == "(True, b'', b'', b'')"


def test_the_command_looks_into_a_namespace(link: Wire) -> None:
    def listed(*words: str) -> list[dict[str, object]]:
        argv = [sys.executable, "-m", "quicctl", "conns", "--netns", link.near.name, "--json", *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=90 * SLOW)
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    def connect() -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, uapi.IPPROTO_QUIC)
        sock.connect((link.far.address("v4"), 4433))
        return sock

    with link.near.start(connect).result(10 * SLOW) as sock:
        (shown,) = listed("--state", "establishing", "--port", "4433")
        host, port = sock.getsockname()
        assert (shown["local"], shown["peer"]) == (f"{host}:{port}", f"{link.far.address('v4')}:4433")
        assert (shown["role"], shown["netns"]) == ("client", link.near.name)
        assert listed("--state", "established") == []
