# SPDX-License-Identifier: GPL-2.0-or-later
"""Explicit congestion notification: a path that keeps marks is marked, one that changes them is not any more."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Pki, content
from tap import Seen, tap
from test_loss import move, same
from wire import Namespace, Wire, tool

SIZE = 1 << 20
NOT_ECT, ECT1, ECT0, CE = range(4)


def marked(packets: list[Seen], codepoint: int) -> int:
    return sum(p.ecn == codepoint for p in packets)


def remark(end: Namespace, codepoint: int) -> None:
    """Let whatever arrives at this end bear that codepoint."""
    try:
        tool("ip", "netns", "exec", end.name, "tc", "qdisc", "add", "dev", end.device, "clsact")
        tool("ip", "netns", "exec", end.name, "tc", "filter", "add", "dev", end.device, "ingress", "protocol", "ip", "matchall",
             "action", "pedit", "ex", "munge", "ip", "tos", "set", hex(codepoint), "retain", "0x3",
             "pipe", "action", "csum", "ip")  # fmt: skip
    except AssertionError as failure:
        pytest.skip(f"no kernel to remark packets with: {failure}")


@pytest.mark.rfc("RFC 9000, section 13.4.2")
@pytest.mark.parametrize("family", ("v4", "v6"))
def test_marked(family: str, link: Wire, pki: Pki, tmp_path: Path) -> None:
    near, far = content(tmp_path, "near", SIZE), content(tmp_path, "far", SIZE)
    with tap(link.near) as at:
        client, server = move(link, family, pki, near, far, tmp_path)
    same(client, server, near, far)
    for outgoing in (True, False):
        packets = at.of(outgoing=outgoing)
        assert marked(packets, ECT0) > len(packets) * 0.6, packets
        assert marked(packets, ECT0) + marked(packets, NOT_ECT) == len(packets)
    assert all(p.ecn == NOT_ECT for p in at.seen if p.long)


@pytest.mark.rfc("RFC 9002, section 7.1")
@pytest.mark.parametrize("family", ("v4", "v6"))
def test_congested(family: str, link: Wire, pki: Pki, tmp_path: Path) -> None:
    """The network marks instead of dropping: nothing has to be sent again, and all arrives."""
    near, far = content(tmp_path, "near", SIZE), content(tmp_path, "far", SIZE)
    link.near.impair("delay", "2ms", "loss", "3%", "ecn")
    with tap(link.far) as at:
        client, server = move(link, family, pki, near, far, tmp_path)
    same(client, server, near, far)
    arrived = at.of(outgoing=False)
    assert marked(arrived, CE) > 5
    assert marked(arrived, ECT0) > len(arrived) * 0.6


@pytest.mark.rfc("RFC 9000, section 13.4.2.2 #1")
@pytest.mark.parametrize("codepoint", (NOT_ECT, ECT1))
def test_remarked(codepoint: int, link: Wire, pki: Pki, tmp_path: Path) -> None:
    near, far = content(tmp_path, "near", SIZE), content(tmp_path, "far", SIZE)
    remark(link.far, codepoint)
    with tap(link.near) as at:
        client, server = move(link, "v4", pki, near, far, tmp_path)
    same(client, server, near, far)
    assert 1 <= marked(at.of(outgoing=True), ECT0) <= 3
    assert marked(at.of(outgoing=False), ECT0) > 10
