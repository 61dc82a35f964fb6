# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports of a kernel about itself, found in a console log: oopses, warnings, sanitizers, lockdep, leaks."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Splat:
    """One report: what kind it is, its first line, and the lines around it."""

    kind: str
    title: str
    text: str


# First match wins: the sanitizers' own headings come before the "BUG:" that they share with others.
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("kasan", r"BUG: KASAN:"),
        ("kcsan", r"BUG: KCSAN:"),
        ("ubsan", r"UBSAN:"),
        ("sleep", r"BUG: sleeping function called|BUG: scheduling while atomic|BUG: Invalid wait context"),
        ("rcu", r"suspicious RCU usage|rcu: INFO: .*stall|rcu_.*detected stalls"),
        (
            "lockdep",
            r"possible circular locking|possible recursive locking|inconsistent lock state|possible irq lock inversion"
            r"|bad unlock balance|BUG: held lock freed|lock held when returning to user space|nested lock was not taken"
            r"|BUG: MAX_LOCK|BUG: spinlock|INFO: trying to register non-static key|SOFTIRQ-safe -> SOFTIRQ-unsafe"
            r"|HARDIRQ-safe -> HARDIRQ-unsafe|WARNING: Nested lock",
        ),
        ("leak", r"^unreferenced object 0x"),
        ("hang", r"INFO: task .* blocked for more than|BUG: soft lockup|watchdog: BUG"),
        ("debugobjects", r"ODEBUG:"),
        ("refcount", r"refcount_t: |unregister_netdevice: waiting for|ref_tracker: .* has \d+/"),
        ("slab", r"BUG kmalloc|BUG \S+ \((?:Tainted|Not tainted)|kmem_cache_destroy .*objects"),
        ("oops", r"Oops: |Oops\[|general protection fault|unable to handle|double fault|kernel BUG at|Kernel mode fault"),
        ("panic", r"Kernel panic - not syncing"),
        ("bug", r"\bBUG: "),
        ("warning", r"WARNING: "),
    )
)
_STAMP = re.compile(r"^(?:<\d+>)?\[\s*\d+\.\d+\](?:\[\s*[TC]\d+\])? ?")
_BARE_ADDRESS = re.compile(r"(?m)^((?:\[[^\]]*\] *)*\s*)0x([0-9a-f]{6,16})$")
_BEFORE, _AFTER = 2, 60
_APART = 120


@dataclass(frozen=True, slots=True)
class Known:
    """A report that is not ours: its kind, and what its text must contain."""

    kind: str
    pattern: re.Pattern[str]
    why: str


KNOWN: tuple[Known, ...] = (
    Known(
        "rcu",
        re.compile(r"(?s)suspicious RCU usage.*(?:start_secondary|uml_start_secondary|cpu_startup|smp_callin|__cpu_up)"),
        "User-Mode Linux brings up its second processor under kmemleak before RCU watches it",
    ),
    Known(
        "warning",
        re.compile(r"\A.*\n.*alg: self-tests for \S+ using cryptd\(.*\nWARNING: .* at crypto/testmgr\.c:"),
        "cryptd of some kernels of the 6.1 series fails the kernel's own self-test",
    ),
)


def find(console: str, known: tuple[Known, ...] = KNOWN) -> list[Splat]:
    """The reports in a console log, the known ones left out; lines of one report count once."""
    lines = [_STAMP.sub("", line.rstrip("\r")) for line in console.split("\n")]
    found: list[Splat] = []
    kind_at, title_at = "", -_APART
    for number, line in enumerate(lines):
        kind = next((k for k, pattern in _KINDS if pattern.search(line)), None)
        if kind is None:
            continue
        # "WARNING: suspicious RCU usage" and its kin belong to the report just begun.
        if kind in ("bug", "warning", "oops", "panic", kind_at) and number - title_at < 4:
            continue
        text = "\n".join(lines[max(0, number - _BEFORE) : number + _AFTER])
        kind_at, title_at = kind, number
        if any(k.kind == kind and k.pattern.search(text) for k in known):
            continue
        found.append(Splat(kind, line.strip(), text))
    return found


def resolve(console: str, symbols: str) -> str:
    """Name the bare addresses in leak reports that were printed after their module was gone.

    The symbols are those lines of /proc/kallsyms that name a module, written while it was loaded.
    """
    table = []
    for line in symbols.splitlines():
        fields = line.split()
        if len(fields) == 4 and fields[1] in "tT":
            table.append((int(fields[0], 16), fields[2], fields[3]))
    if not table:
        return console
    table.sort()
    addresses = [address for address, _, _ in table]
    end = addresses[-1] + 0x1000

    def name(match: re.Match[str]) -> str:
        address = int(match[2], 16)
        at = bisect.bisect_right(addresses, address) - 1
        if at < 0 or address >= end:
            return match[0]
        start, symbol, module = table[at]
        return f"{match[1]}{symbol}+{address - start:#x} {module}"

    return _BARE_ADDRESS.sub(name, console)
