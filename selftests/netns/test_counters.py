# SPDX-License-Identifier: GPL-2.0-or-later
"""The counters of /proc/net/quic/snmp add up over a transfer whose first direction loses packets."""

from __future__ import annotations

import time
from pathlib import Path

from conftest import SLOW, Pki, content
from exchange import counters, snmp
from test_loss import move, same
from wire import Namespace, Wire, ip, tool

SIZE = 500_000


def unclaimed(end: Namespace) -> int:
    """How many datagrams came to no socket: the other's goodbye, if it waited for one of this end that got lost."""
    return snmp(end, "Udp", "NoPorts")


def settled(link: Wire) -> tuple[dict[str, int], dict[str, int], int]:
    """Both ends' counters and what the wire lost, once nothing passes any more: goodbyes outlast the sockets."""
    before = None
    deadline = time.monotonic() + 20 * SLOW
    while (now := (counters(link.near), counters(link.far), link.near.dropped())) != before:
        assert time.monotonic() < deadline, "something passes for ever"
        before = now
        time.sleep(0.2)
    return now


def quiet(link: Wire) -> None:
    """Nothing but QUIC is on the wire, and may be what is lost: the ends know each other, and have no IPv6."""
    for end, other in ((link.near, link.far), (link.far, link.near)):
        mac = tool("ip", "netns", "exec", other.name, "cat", f"/sys/class/net/{other.device}/address").strip()
        ip("-n", end.name, "neigh", "replace", other.v4, "lladdr", mac, "dev", end.device, "nud", "permanent")
        tool("ip", "netns", "exec", end.name, "sysctl", "-qw", f"net.ipv6.conf.{end.device}.disable_ipv6=1")


def test_counters_add_up(link: Wire, pki: Pki, tmp_path: Path) -> None:
    near, far = content(tmp_path, "near", SIZE), content(tmp_path, "far", SIZE)
    quiet(link)
    link.near.impair("delay", "2ms", "loss", "3%")
    client, server = move(link, "v4", pki, near, far, tmp_path)
    same(client, server, near, far)
    here, there, lost = settled(link)
    assert list(here)[:2] == ["QuicConnCurrentEstabs", "QuicConnPassiveEstabs"]
    assert list(here)[18] == "QuicFrmInCloses", "names and order of the first nineteen are fixed"

    assert (here["QuicConnActiveEstabs"], here["QuicConnPassiveEstabs"]) == (1, 0)
    assert (there["QuicConnActiveEstabs"], there["QuicConnPassiveEstabs"]) == (0, 1)
    assert here["QuicConnCurrentEstabs"] == there["QuicConnCurrentEstabs"] == 0

    assert lost > 0
    # What tells of an unclaimed datagram may be lost as well.
    lost -= snmp(link.near, "Icmp", "OutDestUnreachs") - snmp(link.far, "Icmp", "InDestUnreachs")
    assert there["QuicUdpInDatagrams"] == here["QuicUdpOutDatagrams"] - lost
    assert here["QuicUdpInDatagrams"] == there["QuicUdpOutDatagrams"] - unclaimed(link.near)
    for end in (here, there):
        assert end["QuicUdpInBursts"] <= end["QuicUdpInDatagrams"]
        assert 0 < end["QuicUdpOutBursts"] < end["QuicUdpOutDatagrams"], "data leaves in bursts"
        # What the listener takes is for no connection yet.
        assert 0 <= end["QuicUdpInDatagrams"] - end["QuicPktRcvFastpaths"] - end["QuicPktRcvBacklogs"] <= 3
        assert end["QuicPktDecFastpaths"] > 0
        assert end["QuicPktEncFastpaths"] > 0
        assert end["QuicPktDecDrop"] == end["QuicPktEncDrop"] == end["QuicPktInvFrmDrop"] == 0
        # None where earlier traffic left pages for reuse; else one each time that somebody tries to send.
        assert end["QuicPktWirePages"] <= 2 * end["QuicUdpOutDatagrams"]
    assert here["QuicFrmRetrans"] > 0
