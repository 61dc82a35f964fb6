# SPDX-License-Identifier: GPL-2.0-or-later
"""A pytest plugin that prints KTAP as the tests run: ``pytest -p quicctl.ktap_pytest -p no:terminal``."""

from __future__ import annotations

import sys
from typing import Any

import pytest


class _Reporter:
    def __init__(self) -> None:
        self.number = 0
        self.reported: set[str] = set()

    def pytest_collection_finish(self, session: Any) -> None:
        self._print(f"KTAP version 1\n1..{len(session.items)}")

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._result("not ok", report.nodeid, str(report.longrepr), 0.0)
        elif report.skipped:
            self._result("ok", report.nodeid, "", 0.0, reason=_reason(report))

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.nodeid in self.reported:
            if report.failed:  # the test itself passed, what it leaves behind did not
                self._result("not ok", f"{report.nodeid}::{report.when}", str(report.longrepr), report.duration)
            return
        if report.failed:
            said = "\n".join([str(report.longrepr), *(f"--- {name}\n{text}" for name, text in report.sections)])
            self._result("not ok", report.nodeid, said, report.duration)
        elif report.skipped:
            self._result("ok", report.nodeid, "", report.duration, reason=_reason(report))
        elif report.when == "call":
            self._result("ok", report.nodeid, "", report.duration)

    def _result(self, verdict: str, nodeid: str, said: str, seconds: float, reason: str | None = None) -> None:
        self.reported.add(nodeid)
        self.number += 1
        for line in said.splitlines():
            self._print(f"# {line}")
        directive = f"SKIP {reason}" if reason is not None else f"time={seconds:.3f}s"
        self._print(f"{verdict} {self.number} {_name(nodeid)} # {directive}")

    @staticmethod
    def _print(text: str) -> None:
        # pytest captures sys.stdout while a test runs; the results go past that.
        print(text, file=sys.__stdout__, flush=True)


def pytest_configure(config: Any) -> None:
    """Join the reporters of this run."""
    config.pluginmanager.register(_Reporter(), "quicctl-ktap")


def pytest_sessionfinish(session: Any, exitstatus: int) -> None:
    """A run that was cut down to nothing is no failure here: who chose the tests checks that."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK


def _reason(report: Any) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ").replace("\n", " ") or "no reason given"


def _name(nodeid: str) -> str:
    """``selftests/netns/test_loss.py::test_x[y]`` becomes ``test_loss.test_x[y]``."""
    file, _, rest = nodeid.partition("::")
    stem = file.rsplit("/", 1)[-1].removesuffix(".py")
    return f"{stem}.{rest.replace('::', '.')}".rstrip(".").replace("#", "_").replace("\n", " ")
