# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl conns`` over recorded answers: what sock_diag says, what /proc says, what is shown. No module needed."""

from __future__ import annotations

import errno
import os
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli

from quicctl import conns, errors, module, netns, sock_diag
from quicctl.cli import conns as command
from quicctl.conns import State

FOREVER = (1 << 64) - 1


def info(*, size: int | None = None, **changed: tuple[Any, ...]) -> bytes:
    """struct quic_diag_info as a kernel of today sends it."""
    fields: dict[str, tuple[Any, ...]] = {
        "head": (1, 2, 0x01 | 0x02 | 0x20, 0, 0, 51, 0, 3),
        "recovery": (4_000_000, 5_250_000, 6_000_000, 700_000, 14720, FOREVER, 2800, FOREVER),
        "buffers": (1440, 58880, 8388480, 4433),
        "counts": (10, 12000, 20, 24000, 2, 3),
        "credit": (1000, 2000),
        "streams": (1, 2, 3, 4, 99, 98),
        "idle": (30_000_000_000,),
        "cids": (b"\x01" * 8, b"\x02" * 8, b"\x03" * 4),
        "tail": (7, 6, b"h3,sample"),
        "offload": (100, 1, 200, 2, 3),
    } | changed
    raw = struct.pack("=IBBBBHHI", *fields["head"])
    raw += struct.pack("=8Q", *fields["recovery"]) + struct.pack("=4I", *fields["buffers"])
    raw += struct.pack("=6Q", *fields["counts"]) + struct.pack("=2Q", *fields["credit"])
    raw += struct.pack("=4I2Q", *fields["streams"]) + struct.pack("=Q", *fields["idle"])
    for cid in fields["cids"]:
        raw += struct.pack("=B20s3x", len(cid), cid)
    local, remote, alpn = fields["tail"]
    raw += struct.pack("=BBB5x128s", local, remote, len(alpn), alpn) + struct.pack("=5Q", *fields["offload"])
    assert len(raw) == 448, "the size of the struct in include/uapi/linux/quic_diag.h"
    return raw[:size]


def attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def answer(family: int, state: int, local: tuple[str, int], peer: tuple[str, int], *attributes: bytes) -> bytes:
    """A netlink message with one socket."""
    raw = bytes((family, state, 0, 0)) + struct.pack("!HH", local[1], peer[1])
    for host, _ in (local, peer):
        raw += socket.inet_pton(family, host).ljust(16, b"\0")
    raw += struct.pack("=III", 0, 7, 1) + struct.pack("=IIIII", 0, 11, 12, 1000, 4242)
    return netlink(sock_diag.SOCK_DIAG_BY_FAMILY, raw + b"".join(attributes))


def netlink(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 2, 1, 0) + body + bytes(-len(body) % 4)


V4 = answer(socket.AF_INET, 1, ("10.0.0.1", 4433), ("10.0.0.2", 50000), attribute(4, b"cubic\0"), attribute(2, info()))
V6 = answer(socket.AF_INET6, 1, ("fd00::1", 4433), ("::ffff:10.0.0.2", 50001), attribute(2, info()))
LISTENER = answer(socket.AF_INET, 10, ("0.0.0.0", 4433), ("0.0.0.0", 0))
DONE = netlink(3, struct.pack("=i", 0))


def one(data: bytes) -> conns.Conn:
    (sock,) = sock_diag.parse(data)
    return conns.from_diag(sock, None)


def test_a_connection_is_told_whole() -> None:
    conn = one(V4 + DONE)
    assert (conn.state, conn.role) == (State.ESTABLISHED, "server")
    assert (conn.local, conn.peer) == ("10.0.0.1:4433", "10.0.0.2:50000")
    assert (conn.version, conn.alpn, conn.cipher) == ("1", ("h3", "sample"), "aes_128_gcm")
    assert (conn.rtt, conn.min_rtt, conn.rtt_variance) == (0.00525, 0.004, 0.0007)
    assert (conn.congestion, conn.congestion_window, conn.slow_start_threshold) == ("cubic", 14720, None)
    assert (conn.bytes_in_flight, conn.pacing_rate, conn.mss) == (2800, None, 1440)
    assert (conn.packets_sent, conn.bytes_sent, conn.packets_received, conn.bytes_received) == (10, 12000, 20, 24000)
    assert (conn.packets_lost, conn.frames_retransmitted) == (2, 3)
    assert (conn.send_credit, conn.receive_credit) == (1000, 2000)
    assert (conn.streams_opened, conn.streams_accepted, conn.stream_credit) == ((1, 2), (3, 4), (99, 98))
    assert (conn.uid, conn.inode, conn.rx_queue, conn.tx_queue, conn.cookie) == (1000, 4242, 11, 12, 1 << 32 | 7)
    assert (conn.original_dcid, conn.local_cid, conn.remote_cid, conn.cids) == ("01" * 8, "02" * 8, "03" * 4, (7, 6))
    assert (conn.confirmed, conn.encrypted, conn.orphan, conn.slow_start) == (True, True, False, True)
    assert (conn.key_generation, conn.idle_timeout, conn.udp_port) == (3, 30.0, 4433)
    assert (conn.device_sent, conn.device_received, conn.device_fallbacks) == ((100, 1), (200, 2), 3)


def test_finer_states_come_from_the_connection() -> None:
    for number, state in ((3, State.CLOSING), (4, State.DRAINING), (5, State.CLOSED)):
        raw = info(head=(1, number, 0, 0, 0, 0, 0, 0))
        conn = one(answer(socket.AF_INET, 7, ("1.2.3.4", 1), ("1.2.3.5", 2), attribute(2, raw)))
        assert (conn.state, conn.role, conn.cipher) == (state, "client", None)


def test_a_listener_has_no_peer() -> None:
    conn = one(LISTENER)
    assert (conn.state, conn.local, conn.peer, conn.rtt) == (State.LISTENING, "0.0.0.0:4433", None, None)


def test_addresses_of_a_v6_socket() -> None:
    conn = one(V6)
    assert (conn.local, conn.peer) == ("[fd00::1]:4433", "10.0.0.2:50001")
    assert conns.ports_of(conn) == {4433, 50001}


@pytest.mark.parametrize("size", (16, 200, 272))
def test_an_older_kernel_says_less(size: int) -> None:
    conn = one(answer(socket.AF_INET, 1, ("1.2.3.4", 1), ("1.2.3.5", 2), attribute(2, info(size=size))))
    assert conn.version == "1"
    assert conn.alpn == ()


def test_a_newer_kernel_says_more() -> None:
    conn = one(answer(socket.AF_INET, 1, ("1.2.3.4", 1), ("1.2.3.5", 2), attribute(2, info() + bytes(64))))
    assert conn.alpn == ("h3", "sample")


def test_the_kernels_refusal_is_an_error() -> None:
    for kind in (2, 3):
        with pytest.raises(OSError, match=os.strerror(errno.ENOENT)):
            list(sock_diag.parse(netlink(kind, struct.pack("=i", -errno.ENOENT))))


def test_a_cut_message_is_an_error() -> None:
    with pytest.raises(OSError, match="cut short"):
        list(sock_diag.parse(V4[:-40]))


def test_the_request_names_the_protocol() -> None:
    raw = sock_diag.request(socket.AF_INET6)
    assert len(raw) == struct.unpack_from("=I", raw)[0] == 80
    assert raw[16] == socket.AF_INET6
    assert raw[-8:] == struct.pack("=HHI", 8, 3, 261)


CONNS = """SOCK STATE LOCAL_ADDRESS REMOTE_ADDRESS UDP_ADDRESS WINDOW MSS IN_FLIGHT TX_QUEUE RX_QUEUE SNDBUF RCVBUF UID INODE
0 1 fd00::1:4433 fd00::2:5 :::4433 14720 1440 100 5 6 7 8 1000 42
0 3 10.0.0.1:9 10.0.0.2:4433 0.0.0.0:9 14720 1440 0 0 0 7 8 0 43
"""
EPS = """SOCK STATE LOCAL_ADDRESS UDP_ADDRESS UID INODE
0 10 0.0.0.0:4433 0.0.0.0:4433 0 44
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "conns").write_text(CONNS.replace(" ", "\t"))
    (tmp_path / "eps").write_text(EPS.replace(" ", "\t"))
    return tmp_path


def test_without_sock_diag_proc_is_read(proc: Path) -> None:
    first, second, listener = conns.from_proc(proc, "web")
    assert (first.state, first.local, first.peer) == (State.ESTABLISHED, "[fd00::1]:4433", "[fd00::2]:5")
    assert (first.congestion_window, first.mss, first.bytes_in_flight) == (14720, 1440, 100)
    assert (first.rtt, first.role, first.netns, first.inode) == (None, None, "web", 42)
    assert (second.state, second.local) == (State.ESTABLISHING, "10.0.0.1:9")
    assert (listener.state, listener.local, listener.inode) == (State.LISTENING, "0.0.0.0:4433", 44)


def test_the_list_is_filtered_and_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable", lambda: True)
    monkeypatch.setattr(sock_diag, "sockets", lambda: tuple(sock_diag.parse(V6 + V4 + LISTENER + DONE)))
    found = conns.conns()
    assert [conn.state for conn in found] == [State.LISTENING, State.ESTABLISHED, State.ESTABLISHED]
    assert conns.conns(states=(State.CLOSED,)) == ()
    assert [conn.peer for conn in conns.conns(states=(State.ESTABLISHED,), ports=(50001,))] == ["10.0.0.2:50001"]
    assert len(conns.conns(ports=(4433,))) == 3


def test_a_namespace_that_is_not_there() -> None:
    with pytest.raises(errors.NetnsMissing):
        netns.inside("quic-there-is-none", lambda: None)


def test_the_overview_fits_eighty_columns() -> None:
    found = tuple(conns.from_diag(sock, None) for sock in sock_diag.parse(V4 + LISTENER))
    (table,) = command._overview(found)
    widths = [max(len(row[i]) for row in (list(table.columns), *table.rows)) for i in range(len(table.columns))]
    assert sum(widths) + 3 * len(widths) + 1 <= 80
    assert table.rows[0] == ["established", "10.0.0.1:4433", "10.0.0.2:50000", "5.25 ms", "14.4 KiB", "2"]


def test_details_leave_out_what_is_not_known() -> None:
    found = tuple(conns.from_diag(sock, None) for sock in sock_diag.parse(V4 + LISTENER))
    connection, listener = command._details(found)
    assert connection.title == "10.0.0.1:4433 - 10.0.0.2:50000"
    assert ["streams accepted", "3, 4"] in connection.rows
    assert ["bytes sent", "11.7 KiB"] in connection.rows
    assert listener.title == "0.0.0.0:4433"
    assert not any("rtt" in row[0] for row in listener.rows)


@pytest.mark.skipif(module.usable(), reason="the module is loaded here")
def test_without_the_module(cli: Cli) -> None:
    done = cli("conns")
    assert done.returncode == 24
    assert "quicctl load" in done.stderr


def test_help_has_an_example(cli: Cli) -> None:
    done = cli("conns", "--help")
    assert "quicctl conns --netns" in done.stdout
