# SPDX-License-Identifier: GPL-2.0-or-later
"""The QUIC sockets of a network namespace: from sock_diag, or, of a module that has none, from /proc/net/quic.

What sock_diag alone knows is None in the second case.
"""

from __future__ import annotations

import enum
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quicctl import errors, module, netns, sock_diag, uapi


class State(enum.StrEnum):
    """What a socket is at; the last four are an established or establishing one's finer states."""

    LISTENING = "listening"
    ESTABLISHING = "establishing"
    ESTABLISHED = "established"
    CLOSING = "closing"
    DRAINING = "draining"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Conn:
    """A connection or a listener. Times in seconds, rates in bytes a second; a role, or None of a listener."""

    state: State
    role: str | None
    local: str
    peer: str | None
    netns: str | None
    uid: int
    inode: int
    rx_queue: int
    """Bytes charged for receiving; of a listener, connections that wait for accept()."""
    tx_queue: int
    cookie: int | None = None
    version: str | None = None
    alpn: tuple[str, ...] | None = None
    cipher: str | None = None
    rtt: float | None = None
    rtt_variance: float | None = None
    min_rtt: float | None = None
    congestion: str | None = None
    congestion_window: int | None = None
    slow_start_threshold: int | None = None
    bytes_in_flight: int | None = None
    pacing_rate: int | None = None
    mss: int | None = None
    packets_sent: int | None = None
    bytes_sent: int | None = None
    packets_received: int | None = None
    bytes_received: int | None = None
    packets_lost: int | None = None
    frames_retransmitted: int | None = None
    probe_count: int | None = None
    send_credit: int | None = None
    receive_credit: int | None = None
    streams_opened: tuple[int, int] | None = None
    """That we opened and are not done: bidirectional, unidirectional."""
    streams_accepted: tuple[int, int] | None = None
    """That the peer opened, likewise."""
    stream_credit: tuple[int, int] | None = None
    """That we may yet open."""
    send_buffer: int | None = None
    receive_buffer: int | None = None
    udp_port: int | None = None
    idle_timeout: float | None = None
    key_generation: int | None = None
    confirmed: bool | None = None
    encrypted: bool | None = None
    orphan: bool | None = None
    application_limited: bool | None = None
    slow_start: bool | None = None
    device: tuple[bool, bool] | None = None
    """Whether a device encrypts, and decrypts, its packets."""
    device_sent: tuple[int, int] | None = None
    """Packets that a device encrypted, and that the kernel did in its stead."""
    device_received: tuple[int, int] | None = None
    """Packets that a device decrypted, and that the kernel did although there was one."""
    device_fallbacks: int | None = None
    """How often a device gave up one direction."""
    path: int | None = None
    original_dcid: str | None = None
    local_cid: str | None = None
    remote_cid: str | None = None
    cids: tuple[int, int] | None = None
    """How many of ours and of the peer's are in use."""


def conns(*, namespaces: Sequence[str] = (), states: Sequence[State] = (), ports: Sequence[int] = ()) -> tuple[Conn, ...]:
    """The sockets of the namespaces, or of this one; of some states, or with some local or remote port, if any are named.

    Raises ModuleNotLoaded, NetnsMissing, NotRoot.
    """
    if not module.usable():
        raise errors.ModuleNotLoaded("the kernel has no QUIC sockets")
    found: list[Conn] = []
    for name in namespaces or (None,):
        found.extend(netns.inside(name, lambda name=name: _all(name)))  # type: ignore[misc]
    return tuple(
        conn
        for conn in sorted(found, key=lambda conn: (conn.netns or "", conn.state != State.LISTENING, conn.local))
        if (not states or conn.state in states) and (not ports or ports_of(conn) & set(ports))
    )


def ports_of(conn: Conn) -> set[int]:
    """The ports of both ends."""
    return {int(address.rpartition(":")[2]) for address in (conn.local, conn.peer) if address}


def _all(name: str | None) -> list[Conn]:
    try:
        return [from_diag(sock, name) for sock in sock_diag.sockets()]
    except sock_diag.NotSupported:
        return from_proc(Path("/proc/thread-self/net/quic"), name)


_STATES = {1: State.ESTABLISHED, 3: State.ESTABLISHING, 7: State.CLOSED, 10: State.LISTENING}
_FINER = {3: State.CLOSING, 4: State.DRAINING}
_VERSIONS = {0: None, 0x00000001: "1", 0x6B3343CF: "2"}
_UNLIMITED = (1 << 64) - 1


def from_diag(sock: sock_diag.Socket, name: str | None) -> Conn:
    """What sock_diag tells."""
    local = _join(sock.family, *sock.local)
    if sock.info is None:
        return Conn(
            state=_STATES[sock.state],
            role=None,
            local=local,
            peer=None,
            netns=name,
            uid=sock.uid,
            inode=sock.inode,
            rx_queue=sock.rqueue,
            tx_queue=sock.wqueue,
            cookie=sock.cookie,
        )
    info = sock.info
    return Conn(
        state=_FINER.get(info.conn_state, _STATES[sock.state]),
        role="server" if info.flags & 0x01 else "client",
        local=local,
        peer=_join(sock.family, *sock.peer),
        netns=name,
        uid=sock.uid,
        inode=sock.inode,
        rx_queue=sock.rqueue,
        tx_queue=sock.wqueue,
        cookie=sock.cookie,
        version=_VERSIONS.get(info.version, f"0x{info.version:08x}"),
        alpn=tuple(filter(None, info.alpn.split(","))),
        cipher=_cipher(info.cipher),
        rtt=info.smoothed_rtt / 1e9,
        rtt_variance=info.rttvar / 1e9,
        min_rtt=info.min_rtt / 1e9,
        congestion=sock.congestion or None,
        congestion_window=info.cwnd,
        slow_start_threshold=None if info.ssthresh == _UNLIMITED else info.ssthresh,
        bytes_in_flight=info.bytes_in_flight,
        pacing_rate=None if info.pacing_rate == _UNLIMITED else info.pacing_rate,
        mss=info.mss,
        packets_sent=info.tx_packets,
        bytes_sent=info.tx_bytes,
        packets_received=info.rx_packets,
        bytes_received=info.rx_bytes,
        packets_lost=info.lost_packets,
        frames_retransmitted=info.retransmitted_frames,
        probe_count=info.pto_count,
        send_credit=info.send_credit,
        receive_credit=info.recv_credit,
        streams_opened=(info.streams_open[0], info.streams_open[1]),
        streams_accepted=(info.streams_open[2], info.streams_open[3]),
        stream_credit=info.streams_credit,
        send_buffer=info.sndbuf,
        receive_buffer=info.rcvbuf,
        udp_port=info.udp_port,
        idle_timeout=info.idle_timeout / 1e9,
        key_generation=info.key_generation,
        confirmed=bool(info.flags & 0x02),
        encrypted=not info.flags & 0x04,
        orphan=bool(info.flags & 0x08),
        application_limited=bool(info.flags & 0x10),
        slow_start=bool(info.flags & 0x20),
        device=(bool(info.flags & 0x40), bool(info.flags & 0x80)),
        device_sent=(info.offload[0], info.offload[1]),
        device_received=(info.offload[2], info.offload[3]),
        device_fallbacks=info.offload[4],
        path=info.path,
        original_dcid=info.original_dcid.hex() or None,
        local_cid=info.local_cid.hex() or None,
        remote_cid=info.remote_cid.hex() or None,
        cids=(info.nr_local_cids, info.nr_remote_cids),
    )


def from_proc(folder: Path, name: str | None) -> list[Conn]:
    """What /proc/net/quic tells."""
    found = [
        Conn(
            state=_STATES[int(row["STATE"])],
            role=None,
            local=module.shown_address(row["LOCAL_ADDRESS"]),
            peer=module.shown_address(row["REMOTE_ADDRESS"]),
            netns=name,
            uid=int(row["UID"]),
            inode=int(row["INODE"]),
            rx_queue=int(row["RX_QUEUE"]),
            tx_queue=int(row["TX_QUEUE"]),
            congestion_window=int(row["WINDOW"]),
            mss=int(row["MSS"]),
            bytes_in_flight=int(row["IN_FLIGHT"]),
            send_buffer=int(row["SNDBUF"]),
            receive_buffer=int(row["RCVBUF"]),
        )
        for row in module.proc_table(folder / "conns")
    ]
    found += [
        Conn(
            state=State.LISTENING,
            role=None,
            local=module.shown_address(row["LOCAL_ADDRESS"]),
            peer=None,
            netns=name,
            uid=int(row["UID"]),
            inode=int(row["INODE"]),
            rx_queue=0,
            tx_queue=0,
        )
        for row in module.proc_table(folder / "eps")
    ]
    return found


def _join(family: int, host: str, port: int) -> str:
    return f"[{host}]:{port}" if family == socket.AF_INET6 and ":" in host else f"{host}:{port}"


def _cipher(number: int) -> str | None:
    if not number:
        return None
    try:
        return uapi.Cipher(number).name.lower()
    except ValueError:
        return f"0x{number:04x}"
