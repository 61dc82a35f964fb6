# SPDX-License-Identifier: GPL-2.0-or-later
"""Read KTAP and TAP as KUnit, the kselftest harness and our own runners print it, line by line; write JUnit of it."""

from __future__ import annotations

import enum
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

_RESULT = re.compile(r"^(?P<indent>\s*)(?P<verdict>ok|not ok)\s+(?P<number>\d+)(?:\s+-)?\s*(?P<rest>.*)$")
_PLAN = re.compile(r"^(?P<indent>\s*)1\.\.(?P<count>\d+)(?:\s*#\s*(?P<directive>.*))?$")
_SUBTEST = re.compile(r"^\s*# Subtest: (?P<name>.*)$")
_NOISE = re.compile(r"^(K?TAP version \d+|# (Starting|FAILED|PASSED|Totals).*|# \S+: pass:\d+ fail:\d+.*|#\s+(RUN|OK)\s.*)$")
_STAMP = re.compile(r"^\[\s*\d+\.\d+\](?:\[\s*[TC]\d+\])? ")
_SECONDS = re.compile(r"(?:^|\s)time=([0-9.]+)(ms|s)?\b")


class Status(enum.StrEnum):
    """How a case ended."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case that ran: its name with the suite's before it, and what was said about it."""

    name: str
    status: Status
    detail: str = ""
    seconds: float | None = None


@dataclass(slots=True)
class _Level:
    indent: int
    name: str = ""
    expected: int | None = None
    seen: int = 0
    seen_before: int = 0


class Parser:
    """Feed it lines; it hands over each case as its result comes.

    A line that sums up a suite's cases is not a case of its own, unless the suite failed without a failed case.
    """

    def __init__(self, on_result: Callable[[CaseResult], None] | None = None) -> None:
        self.results: list[CaseResult] = []
        self.problems: list[str] = []
        self._on_result = on_result
        self._levels: list[_Level] = []
        self._notes: list[str] = []

    def feed(self, line: str) -> None:
        """Take one line, without its newline."""
        line = _STAMP.sub("", line.rstrip("\r\n"))
        indent = len(line) - len(line.lstrip(" "))
        subtest = _SUBTEST.match(line)
        plan = _PLAN.match(line)
        result = _RESULT.match(line)
        if subtest:
            self._level(indent).name = subtest["name"].strip()
            self._notes.clear()
        elif plan:
            level = self._level(indent)
            level.expected, level.seen = int(plan["count"]), 0
            if int(plan["count"]) == 0:
                reason = re.sub(r"(?i)^skip(ped)?:?\s*", "", plan["directive"] or "no cases")
                self._emit(CaseResult(self._path(indent, "all"), Status.SKIP, reason))
                level.expected = None
        elif result:
            self._result(result, indent)
        elif line.strip().startswith("#"):
            text = line.strip()
            if not _NOISE.match(text):
                self._notes.append(text.removeprefix("#").strip())
        elif line.strip().startswith("Bail out!"):
            self.problems.append(line.strip())
        elif self._notes and line.startswith("    ") and "version" not in line:
            self._notes.append(line.strip())  # KUnit goes on without the sign

    def finish(self) -> None:
        """Check that all that was announced has come."""
        for level in self._levels:
            self._check(level)
        self._levels.clear()

    def _level(self, indent: int) -> _Level:
        """The suite that a line of this indentation belongs to, opened if it is new."""
        while self._levels and self._levels[-1].indent > indent:
            self._check(self._levels.pop())
        if not self._levels or self._levels[-1].indent < indent:
            self._levels.append(_Level(indent, seen_before=len(self.results)))
        return self._levels[-1]

    def _result(self, match: re.Match[str], indent: int) -> None:
        suite = None
        if self._levels and self._levels[-1].indent > indent:
            suite = self._levels[-1]  # its cases stand deeper and are done: this line sums them up
        name, _, directive = match["rest"].partition(" # ") if " # " in match["rest"] else match["rest"].partition("# ")
        status = Status.PASS if match["verdict"] == "ok" else Status.FAIL
        directive = directive.strip()
        detail = ""
        if re.match(r"(?i)skip", directive):
            status, detail = Status.SKIP, re.sub(r"(?i)^skip(ped)?:?\s*", "", directive)
        elif re.match(r"(?i)todo", directive):
            status, detail = Status.SKIP, directive
        time = _SECONDS.search(directive)
        seconds = float(time[1]) / (1000 if time[2] == "ms" else 1) if time else None
        since = suite.seen_before if suite else 0
        level = self._level(indent)
        level.seen += 1
        notes, self._notes = self._notes, []
        if suite is not None:
            cases = self.results[since:]
            if status is not Status.FAIL or any(c.status is Status.FAIL for c in cases):
                return
        name = name.strip() or f"case {match['number']}"
        self._emit(CaseResult(self._path(indent, name), status, detail or "\n".join(notes), seconds))

    def _path(self, indent: int, name: str) -> str:
        return ".".join([*(lv.name for lv in self._levels if lv.indent <= indent and lv.name), name])

    def _check(self, level: _Level) -> None:
        if level.expected is not None and level.seen < level.expected:
            where = f" of {level.name}" if level.name else ""
            self.problems.append(f"{level.seen} of {level.expected} results{where}, then the output ended")

    def _emit(self, result: CaseResult) -> None:
        self.results.append(result)
        if self._on_result:
            self._on_result(result)


def parse(text: str) -> list[CaseResult]:
    """All results of a text."""
    parser = Parser()
    for line in text.splitlines():
        parser.feed(line)
    parser.finish()
    return parser.results


def junit(results: Iterable[tuple[str, CaseResult]], path: Path) -> None:
    """Write results, each with the name of its group, in the form that CI systems read."""
    groups: dict[str, list[CaseResult]] = {}
    for group, result in results:
        groups.setdefault(group, []).append(result)
    root = ElementTree.Element("testsuites")
    for group, cases in groups.items():
        suite = ElementTree.SubElement(
            root, "testsuite", name=group, tests=str(len(cases)),
            failures=str(sum(c.status is Status.FAIL for c in cases)),
            skipped=str(sum(c.status is Status.SKIP for c in cases)),
        )  # fmt: skip
        for case in cases:
            element = ElementTree.SubElement(suite, "testcase", classname=group, name=_clean(case.name))
            if case.seconds is not None:
                element.set("time", f"{case.seconds:.3f}")
            if case.status is Status.FAIL:
                first = case.detail.splitlines()[0] if case.detail else "failed"
                ElementTree.SubElement(element, "failure", message=_clean(first)).text = _clean(case.detail)
            elif case.status is Status.SKIP:
                ElementTree.SubElement(element, "skipped", message=_clean(case.detail))
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(root).write(path, encoding="unicode", xml_declaration=True)


def write(results: Iterable[tuple[str, CaseResult]], path: Path) -> None:
    """Write results as one flat KTAP file."""
    rows = list(results)
    lines = ["KTAP version 1", f"1..{len(rows)}"]
    for number, (group, case) in enumerate(rows, 1):
        lines += [f"# {line}" for line in case.detail.splitlines() if case.status is Status.FAIL]
        verdict = "not ok" if case.status is Status.FAIL else "ok"
        reason = f" # SKIP {case.detail.splitlines()[0] if case.detail else ''}" if case.status is Status.SKIP else ""
        lines.append(f"{verdict} {number} {group}/{case.name}{reason}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def _clean(text: str) -> str:
    """Without the control characters that XML forbids."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "?", text)
