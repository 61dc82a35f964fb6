# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import pytest

from quicctl import splat

REPORTS = {
    "kasan": "BUG: KASAN: slab-use-after-free in quic_x+0x1/0x2 [quic]",
    "ubsan": "UBSAN: shift-out-of-bounds in a.c:3:4",
    "sleep": "BUG: sleeping function called from invalid context at mm/x.c:1",
    "lockdep": "WARNING: possible circular locking dependency detected",
    "rcu": "WARNING: suspicious RCU usage",
    "leak": "unreferenced object 0xffff888 (size 64):",
    "hang": "INFO: task quic:12 blocked for more than 120 seconds.",
    "warning": "WARNING: CPU: 0 PID: 1 at net/quic/x.c:1 quic_x+0x1/0x2 [quic]",
    "oops": "Oops: 0002 [#1] PREEMPT SMP",
    "panic": "Kernel panic - not syncing: Fatal exception",
    "debugobjects": "ODEBUG: free active (active state 0) object: 0x1",
    "refcount": "refcount_t: underflow; use-after-free.",
    "slab": "BUG kmalloc-64 (Tainted: G): Object already free",
    "bug": "BUG: Bad page state in process x",
}


@pytest.mark.parametrize("kind", REPORTS)
def test_each_kind_is_found(kind: str) -> None:
    console = f"[    1.000000] quiet\r\n[    2.000000] {REPORTS[kind]}\r\n[    2.000001] Call Trace:\r\n"
    [found] = splat.find(console)
    assert (found.kind, found.title) == (kind, REPORTS[kind])
    assert "Call Trace:" in found.text


def test_quiet_console_has_none() -> None:
    assert splat.find("[    0.0] Linux version 6.12\n[    0.1] lockdep is turned on\nDEBUG: fine\n") == []


def test_stamps_with_a_thread_are_stripped() -> None:
    [found] = splat.find("[    2.000000][   T12] unreferenced object 0x1 (size 8):")
    assert found.kind == "leak"


def test_lines_of_one_report_count_once() -> None:
    lines = ["=" * 10, "WARNING: possible recursive locking detected", "x", "BUG: unable to handle page fault", "y"]
    assert len(splat.find("\n".join(lines))) == 1


def test_two_reports_are_two() -> None:
    assert len(splat.find("\n".join([REPORTS["kasan"], *["-"] * 20, REPORTS["warning"]]))) == 2


def test_known_report_is_let_through_only_where_it_is_known() -> None:
    known = "WARNING: suspicious RCU usage\nkernel/rcu/tree.c:1 x\n uml_start_secondary+0x1/0x2\n"
    assert splat.find(known) == []
    assert len(splat.find(known.replace("uml_start_secondary", "quic_input"))) == 1


def test_a_warning_of_ours_beside_a_known_one_is_found() -> None:
    cut = "------------[ cut here ]------------\n"
    failed = "alg: self-tests for gcm(aes) using cryptd(x) failed (rc=-22)"
    known = f"{cut}{failed}\nWARNING: CPU: 1 PID: 9 at crypto/testmgr.c:5907 a\n"
    ours = f"{cut}{REPORTS['warning']}\n"
    assert splat.find(known) == []
    for console in (ours + "at rest\n" * 9 + known, known + "at rest\n" * 9 + ours):
        assert [found.title for found in splat.find(console)] == [REPORTS["warning"]]
    assert len(splat.find(known.replace("cryptd(x)", "quic(x)"))) == 1


def test_addresses_of_a_module_that_is_gone_are_named() -> None:
    symbols = "c0801000 t quic_a\t[quic]\nc0801100 T quic_b\t[quic]\nc0802000 d table\t[quic]\n"
    console = "[    1.0] 0xc0801010\n    0xc0801104\n0x60001000\n"
    assert splat.resolve(console, symbols) == "[    1.0] quic_a+0x10 [quic]\n    quic_b+0x4 [quic]\n0x60001000\n"


def test_no_symbols_change_nothing() -> None:
    assert splat.resolve("0xc0801010", "") == "0xc0801010"
