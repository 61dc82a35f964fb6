# SPDX-License-Identifier: GPL-2.0-or-later
"""Which selftests there are, read from their sources, and which of them a pattern asks for.

What a group is and where it runs stands in GROUPS. Nothing is run here.
"""

from __future__ import annotations

import enum
import fnmatch
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from quicctl import errors, kernel, sourcetree


class Where(enum.StrEnum):
    """Where tests run."""

    CORE = "core"
    HOST = "host"
    VM = "vm"
    UML = "uml"


class Kind(enum.Enum):
    """How a group's tests are started."""

    CORE = enum.auto()
    """One program of all suites over the protocol core, in this process's place."""
    PROGRAMS = enum.auto()
    """C programs that print KTAP."""
    FUZZ = enum.auto()
    """Targets with a driver in common: the inputs of a corpus, then mutations of them for a moment."""
    PYTEST = enum.auto()
    KUNIT = enum.auto()
    """Suites inside the module, started and read through debugfs."""
    HOST_PYTEST = enum.auto()
    """Python tests that stay on the host, whatever they start themselves."""
    BUILD = enum.auto()
    LINT = enum.auto()


@dataclass(frozen=True, slots=True)
class Group:
    """Tests of one kind in one folder, and the lanes they belong to."""

    name: str
    kind: Kind
    folder: str
    lanes: tuple[Where, ...]
    only: tuple[str, ...] = ()
    """Python files that make up the group; empty for all that no other group of the folder claims."""
    peers: bool = False
    """Whether the tests use programs of other suites, see peers.py; lane uml has them, lane vm for groups that are named."""
    examples: bool = False
    """Whether the tests use the programs of examples.py."""
    once: bool = False
    """Whether, unless a pattern asks for more, the last of the lanes is enough: it is peers or the tool that the tests try."""
    named: tuple[Where, ...] = ()
    """Those of the lanes in which it runs only if a pattern asks for it; with peers, where there are any."""
    long: bool = False
    """Whether the tests take many minutes: they run only if asked for by the group's name."""


GROUPS = (
    Group("core", Kind.CORE, "module/tests", (Where.CORE,)),
    Group("fuzz", Kind.FUZZ, "selftests/fuzz", (Where.CORE,)),
    Group("lint", Kind.LINT, "", (Where.HOST,)),
    Group("build", Kind.BUILD, "", (Where.HOST,)),
    Group("quicctl", Kind.HOST_PYTEST, "selftests/quicctl", (Where.HOST,)),
    Group("libquic", Kind.PROGRAMS, "selftests/libquic", (Where.HOST,)),
    Group("kunit", Kind.KUNIT, "module/tests", (Where.UML,)),
    Group("socket", Kind.PROGRAMS, "selftests/socket", (Where.VM, Where.UML)),
    Group("netns", Kind.PYTEST, "selftests/netns", (Where.VM, Where.UML)),
    Group(
        "offload", Kind.PYTEST, "selftests/netns", (Where.VM, Where.UML), ("test_offload", "test_async_aead", "test_postponed")
    ),
    Group("interop", Kind.PYTEST, "selftests/interop", (Where.VM, Where.UML), peers=True, once=True),
    Group("peers", Kind.PYTEST, "selftests/interop/peers", (Where.UML,), peers=True),
    Group("http3", Kind.PYTEST, "selftests/interop/http3", (Where.VM, Where.UML), peers=True, examples=True, named=(Where.VM,)),
    Group("consumer", Kind.PYTEST, "selftests/interop/consumers", (Where.VM, Where.UML), peers=True, named=(Where.VM,)),
    Group("tool", Kind.PYTEST, "selftests/quicctl", (Where.VM, Where.UML), ("test_end_to_end",), once=True),
    Group("loading", Kind.PYTEST, "selftests/quicctl", (Where.VM, Where.UML), ("test_end_to_end_module",)),
    Group("cat", Kind.PYTEST, "selftests/quicctl", (Where.UML,), ("test_end_to_end_cat",)),
    Group("python", Kind.PYTEST, "selftests/quicctl", (Where.UML,), ("test_end_to_end_python",)),
    Group("signing", Kind.HOST_PYTEST, "selftests/guest", (Where.VM,), ("test_signing", "test_refusals")),
    Group("kernels", Kind.HOST_PYTEST, "selftests/guest", (Where.VM,), ("test_kernels",)),
    Group("shell", Kind.HOST_PYTEST, "selftests/guest", (Where.VM,), ("test_shell",)),
    Group("canary", Kind.HOST_PYTEST, "selftests/guest", (Where.UML,)),
    Group("package", Kind.HOST_PYTEST, "selftests/package", (Where.HOST,), long=True),
)

LINTS = ("ruff", "mypy")
_FUZZ_CASES = ("corpus", "mutations")

_C_CASE = re.compile(
    r"\bKUNIT_CASE(?:_PARAM|_SLOW)?\((\w+)|^TEST(?:_SIGNAL|_TIMEOUT)?\((\w+)|^TEST_F(?:_\w+)?\((\w+),\s*(\w+)", re.M
)
_C_SUITE = re.compile(r"struct kunit_suite \w+ = \{(.*?)\};", re.S)
_C_SUITE_NAME = re.compile(r"\.name\s*=\s*\"([\w-]+)\"")
_C_SUITE_CASES = re.compile(r"\.test_cases\s*=\s*(\w+)")
_C_CASES = re.compile(r"struct kunit_case (\w+)\[\]\s*=\s*\{(.*?)\};", re.S)
_PY_CASE = re.compile(r"^\s*(?:async )?def (test_\w+)", re.M)


@dataclass(frozen=True, slots=True)
class Unit:
    """What can be asked for and run by itself: a test program, a file of Python tests, a suite, a build."""

    group: Group
    where: Where
    name: str
    cases: tuple[str, ...] | None = None
    """Only these are wanted; None is all."""


def select(patterns: Sequence[str], wheres: Sequence[Where]) -> list[Unit]:
    """The units that the patterns ask for, in the order of GROUPS; raises NoSuchTest for a pattern that asks for nothing.

    A pattern is a group's name, or matches ``group/unit/case`` in part or, with wildcards, as a whole.
    """
    offered: list[tuple[Unit, tuple[str, ...]]] = [
        (Unit(group, where, name), cases)
        for group in GROUPS
        for where in group.lanes
        if where in wheres
        for name, cases in _units(group)
    ]
    if not patterns:
        return [unit for unit, _ in offered if not _is_spared(unit, wheres)]
    chosen: dict[Unit, set[str] | None] = {}
    for pattern in patterns:
        found = False
        for unit, cases in offered:
            name = f"{unit.group.name}/{unit.name}"
            if unit.group.long and pattern.partition("/")[0] != unit.group.name:
                continue
            if pattern in (unit.group.name, name) or fnmatch.fnmatch(name, pattern):
                chosen[unit] = None
                found = True
                continue
            hits = {case for case in cases if _matches(f"{name}/{case}", pattern)}
            if hits:
                before = chosen.get(unit, set())
                chosen[unit] = None if before is None else before | hits
                found = True
        if not found:
            lanes = ", ".join(wheres)
            raise errors.NoSuchTest(
                f"no test matches {pattern!r} in {lanes}",
                remedy="groups: " + ", ".join(sorted({unit.group.name for unit, _ in offered})) + "; see --list",
            )
    return [
        Unit(unit.group, unit.where, unit.name, None if (wanted := chosen[unit]) is None else tuple(sorted(wanted)))
        for unit, _ in offered
        if unit in chosen
    ]


def names(wheres: Sequence[Where]) -> Iterator[tuple[Where, str]]:
    """Every known case by its full name."""
    for group in GROUPS:
        for where in group.lanes:
            if where in wheres:
                for unit, cases in _units(group):
                    for case in cases or ("*",):
                        yield where, f"{group.name}/{unit}/{case}"


def _is_spared(unit: Unit, wheres: Sequence[Where]) -> bool:
    """Whether it runs only if it is asked for: it takes long, or a later lane does the same."""
    group = unit.group
    if group.long or unit.where in group.named:
        return True
    return group.once and unit.where is not [where for where in group.lanes if where in wheres][-1]


def _units(group: Group) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What a group can start, each with the cases its source names; read from the source, nothing is run."""
    tree = sourcetree.project()
    folder = tree / group.folder
    if group.kind is Kind.BUILD:
        for name in (*(s.name for s in kernel.SERIES), "uml", "libquic"):
            yield name, ()
    elif group.kind is Kind.LINT:
        for name in LINTS:
            yield name, ()
    elif group.kind is Kind.CORE:
        for source in sorted([*folder.glob("*_test.c"), *(tree / "selftests" / "core").glob("*_test.c")]):
            yield from _suites(source.read_text())
    elif group.kind is Kind.KUNIT:
        listed = set(re.findall(r"tests/(\w+)\.o", (tree / "module" / "Kbuild").read_text()))
        sources = [source for source in sorted(folder.glob("*.c")) if source.stem in listed]
        for source in sources:
            yield from _suites(source.read_text())
    elif group.kind is Kind.PROGRAMS:
        for source in sorted(folder.glob("*.c")):
            cases = _found(_C_CASE, source.read_text())
            if cases:
                yield source.stem, tuple(cases)
    elif group.kind is Kind.FUZZ:
        for source in sorted(folder.glob("*.c")):
            if "\nint LLVMFuzzerTestOneInput(" in source.read_text():
                yield source.stem, _FUZZ_CASES
    else:
        claimed = {name for other in GROUPS if other.folder == group.folder for name in other.only}
        for source in sorted(folder.glob("test_*.py")):
            if source.stem not in (group.only or {source.stem} - claimed):
                continue
            yield source.stem, tuple(_found(_PY_CASE, source.read_text()))


def _suites(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The KUnit suites of a source file with their cases."""
    arrays = {match[1]: tuple(_found(_C_CASE, match[2])) for match in _C_CASES.finditer(text)}
    for match in _C_SUITE.finditer(text):
        name, cases = _C_SUITE_NAME.search(match[1]), _C_SUITE_CASES.search(match[1])
        if name and cases:
            yield name[1], arrays.get(cases[1], ())


def _found(pattern: re.Pattern[str], text: str) -> list[str]:
    found: list[str] = []
    for match in pattern.finditer(text):
        name = ".".join(part for part in match.groups() if part)
        if name not in found:
            found.append(name)
    return found


def _matches(name: str, pattern: str) -> bool:
    return fnmatch.fnmatch(name, pattern) if any(c in pattern for c in "*?[") else pattern in name
