# SPDX-License-Identifier: GPL-2.0-or-later
"""sock_diag for QUIC: the request and the answers of include/uapi/linux/quic_diag.h, over a netlink socket.

The protocol's number needs an attribute that libraries of the field do not send, and little else is needed of them.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from quicctl import netlink, uapi

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20

_REQ_PROTOCOL = 3
_INFO = 2
_CONG = 4
_ALL_STATES = 0xFFFFFFFF

_SOCKID = struct.Struct("=2s2s16s16sIII")
_REQUEST = struct.Struct("=BBBBI")
_MESSAGE = struct.Struct("=BBBB")
_NUMBERS = struct.Struct("=IIIII")
_INFO_FIXED = struct.Struct("=IBBBBHHI8Q4I6Q2Q4I2QQ")
_CID = struct.Struct("=B20s3x")
_TAIL = struct.Struct("=BBB5x128s")
_OFFLOAD = struct.Struct("=5Q")
_OFFLOAD_AT = _INFO_FIXED.size + 3 * _CID.size + _TAIL.size
_INFO_SIZE = _OFFLOAD_AT + _OFFLOAD.size


class NotSupported(OSError):
    """The kernel, or the module in it, has no sock_diag for QUIC."""


@dataclass(frozen=True, slots=True)
class Info:
    """struct quic_diag_info, its members by their names; times in ns, rates in bytes a second."""

    version: int
    conn_state: int
    flags: int
    pto_count: int
    cipher: int
    path: int
    key_generation: int
    min_rtt: int
    smoothed_rtt: int
    latest_rtt: int
    rttvar: int
    cwnd: int
    ssthresh: int
    bytes_in_flight: int
    pacing_rate: int
    mss: int
    sndbuf: int
    rcvbuf: int
    udp_port: int
    tx_packets: int
    tx_bytes: int
    rx_packets: int
    rx_bytes: int
    lost_packets: int
    retransmitted_frames: int
    send_credit: int
    recv_credit: int
    streams_open: tuple[int, int, int, int]
    streams_credit: tuple[int, int]
    idle_timeout: int
    original_dcid: bytes
    local_cid: bytes
    remote_cid: bytes
    nr_local_cids: int
    nr_remote_cids: int
    alpn: str
    offload: tuple[int, int, int, int, int]
    """Packets sent by a device, and by the kernel instead; received likewise; times that a device gave up."""


@dataclass(frozen=True, slots=True)
class Socket:
    """One answer."""

    family: int
    state: int
    local: tuple[str, int]
    peer: tuple[str, int]
    interface: int
    cookie: int
    rqueue: int
    wqueue: int
    uid: int
    inode: int
    congestion: str
    info: Info | None


def sockets() -> tuple[Socket, ...]:
    """All QUIC sockets of this thread's network namespace; raises NotSupported."""
    found: list[Socket] = []
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG) as handle:
            for family in (socket.AF_INET, socket.AF_INET6):
                handle.send(request(family))
                for answer in _answers(handle):
                    found.extend(parse(answer))
    except OSError as failure:
        if failure.errno in (errno.ENOENT, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.EINVAL):
            raise NotSupported(failure.errno, "the kernel has no sock_diag for QUIC") from failure
        raise
    return tuple(found)


def request(family: int) -> bytes:
    """A dump of all sockets of a family."""
    wanted = 1 << (_INFO - 1) | 1 << (_CONG - 1)
    body = _REQUEST.pack(family, 0xFF, wanted, 0, _ALL_STATES) + bytes(_SOCKID.size)
    body += netlink.attribute(_REQ_PROTOCOL, struct.pack("=I", uapi.IPPROTO_QUIC))
    return netlink.message(SOCK_DIAG_BY_FAMILY, netlink.REQUEST | netlink.DUMP, body)


def parse(data: bytes) -> Iterator[Socket]:
    """The sockets of one datagram of answers; raises OSError for what the kernel says went wrong."""
    for kind, body in netlink.messages(data):
        if kind in (netlink.ERROR, netlink.DONE):
            netlink.check(body)
        elif kind == SOCK_DIAG_BY_FAMILY:
            yield _socket(body)


def _answers(handle: socket.socket) -> Iterator[bytes]:
    while True:
        data = handle.recv(1 << 17)
        kinds = {kind for kind, _ in netlink.messages(data)}
        yield data
        if netlink.DONE in kinds or netlink.ERROR in kinds:
            return


def _socket(body: bytes) -> Socket:
    family, state, _timer, _retrans = _MESSAGE.unpack_from(body)
    sport, dport, source, destination, interface, cookie_low, cookie_high = _SOCKID.unpack_from(body, _MESSAGE.size)
    at = _MESSAGE.size + _SOCKID.size
    _expires, rqueue, wqueue, uid, inode = _NUMBERS.unpack_from(body, at)
    attributes = dict(netlink.attributes(body[at + _NUMBERS.size :]))
    return Socket(
        family=family,
        state=state,
        local=(_address(family, source), int.from_bytes(sport, "big")),
        peer=(_address(family, destination), int.from_bytes(dport, "big")),
        interface=interface,
        cookie=cookie_low | cookie_high << 32,
        rqueue=rqueue,
        wqueue=wqueue,
        uid=uid,
        inode=inode,
        congestion=attributes.get(_CONG, b"").rstrip(b"\0").decode(),
        info=_info(attributes[_INFO]) if _INFO in attributes else None,
    )


def _address(family: int, raw: bytes) -> str:
    """An address in its 16 bytes, of which IPv4 uses the first four; a v6 socket may speak IPv4."""
    if family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, raw[:4])
    if raw.startswith(bytes(10) + b"\xff\xff"):
        return socket.inet_ntop(socket.AF_INET, raw[12:])
    return socket.inet_ntop(socket.AF_INET6, raw)


def _info(raw: bytes) -> Info:
    """The struct of an older kernel ends early, that of a newer one is longer."""
    raw = raw[:_INFO_SIZE].ljust(_INFO_SIZE, b"\0")
    fixed = _INFO_FIXED.unpack_from(raw)
    cids = []
    for index in range(3):
        size, data = _CID.unpack_from(raw, _INFO_FIXED.size + index * _CID.size)
        cids.append(data[:size])
    nr_local, nr_remote, alpn_len, alpn = _TAIL.unpack_from(raw, _OFFLOAD_AT - _TAIL.size)
    values: tuple[Any, ...] = (
        *fixed[:4],
        *fixed[5:28],
        fixed[28:32],
        fixed[32:34],
        fixed[34],
        *cids,
        nr_local,
        nr_remote,
        alpn[:alpn_len].decode(errors="replace"),
        _OFFLOAD.unpack_from(raw, _OFFLOAD_AT),
    )
    return Info(*values)
