# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl selftest``: run the tests where they can run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quicctl import catalogue, errors, interop, ktap, peers
from quicctl import selftest as tests
from quicctl.catalogue import Where
from quicctl.cli import complete, output
from quicctl.cli.options import JsonOption, SeveralSeriesOption

_SHOWN_LINES = 60
_SHOWN_FIRST = 15


def selftest(
    patterns: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATTERN]...",
            help="Groups, or parts of group/program/case; default: all.",
            autocompletion=complete.groups,
        ),
    ] = None,
    where: Annotated[
        list[Where] | None, typer.Option("--where", help="Lane to run in; may be given several times. Default: all.")
    ] = None,
    kernel: SeveralSeriesOption = None,
    list_: Annotated[bool, typer.Option("--list", help="List the tests that would run.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show passed cases too.")] = False,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write the results as JUnit XML.")] = None,
    ktap_file: Annotated[Path | None, typer.Option("--ktap", metavar="FILE", help="Write the results as KTAP.")] = None,
    matrix: Annotated[
        Path | None, typer.Option("--matrix", metavar="FILE", help="Write who understood whom: groups interop and peers.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run the tests where they can run.

    Lanes: core (the protocol in user space), host (this machine), vm (a distribution kernel under QEMU), uml (the debug
    kernel). The last line is the sum of all: N passed, N failed, N skipped.

    Example: quicctl selftest --where uml socket/streams
    """
    wheres = where or list(Where)
    units = catalogue.select(patterns or [], wheres)
    if list_:
        for unit in units:
            for case in unit.cases or ("*",):
                output.line(f"{unit.where:5} {unit.group.name}/{unit.name}/{case}")
        return
    output.check_writable(junit, ktap_file, matrix)
    report = tests.run(units, series=kernel or [], on_result=_Shower(verbose), progress=output.progress)
    rows = [(f"{r.lane}.{r.group}", r.case) for r in report.results]
    if junit:
        ktap.junit(rows, junit)
    if ktap_file:
        ktap.write(rows, ktap_file)
    if matrix:
        cases = [(r.group, r.case) for r in report.results]
        roots = {found.suite: found.versions for found in peers.roots() if isinstance(found, peers.Root)}
        matrix.write_text(interop.table(cases, interop.versions(roots)))
    if json:
        output.show(report, json=True)
    else:
        for table in _tables(report):
            output.show_table(table)
        output.line(f"{report.passed} passed, {report.failed} failed, {report.skipped} skipped")
    if report.failed:
        raise typer.Exit(errors.TestsFailed.exit_code)
    if not report.passed:
        raise errors.NoSuchTest("no test ran", remedy="see the skips above, and: quicctl doctor")


class _Shower:
    """Says each result as it comes: failures with what was said about them, passes only on demand."""

    def __init__(self, verbose: bool) -> None:
        self._verbose = verbose

    def __call__(self, result: tests.TestResult) -> None:
        case = result.case
        if case.status is ktap.Status.PASS and not self._verbose:
            return
        took = f" ({case.seconds:.1f} s)" if case.seconds else ""
        reason = f": {case.detail}" if case.status is ktap.Status.SKIP else ""
        output.progress(f"{case.status.upper()} {result.lane} {result.group}/{case.name}{took}{reason}")
        if case.status is ktap.Status.FAIL:
            for line in _excerpt(case.detail):
                output.progress(f"    {line}")


def _excerpt(detail: str) -> list[str]:
    """What was said about a failure; of much, how it begins and how it ends: pytest comes to the point at last."""
    lines = detail.splitlines()
    if len(lines) <= _SHOWN_LINES:
        return lines
    return [*lines[:_SHOWN_FIRST], f"[{len(lines) - _SHOWN_LINES} lines]", *lines[_SHOWN_FIRST - _SHOWN_LINES :]]


def _reason(detail: str) -> str:
    """A failure in a line: what pytest marks as the error, or else the first."""
    lines = detail.splitlines() or [""]
    marked = [line[1:].strip() for line in lines if line.startswith("E ")]
    return (marked or lines)[0][:100]


def _tables(report: tests.Report) -> list[output.Table]:
    groups: dict[tuple[str, str], list[ktap.CaseResult]] = {}
    for result in report.results:
        groups.setdefault((result.lane, result.group), []).append(result.case)
    rows = []
    order = [str(lane) for lane in Where]
    for (where, group), cases in sorted(groups.items(), key=lambda item: order.index(item[0][0].split()[0])):
        counts = [sum(c.status is status for c in cases) for status in (ktap.Status.PASS, ktap.Status.FAIL, ktap.Status.SKIP)]
        verdict = "fail" if counts[1] else "pass" if counts[0] else "skip"
        rows.append([where, group, *(str(count) for count in counts), verdict])
    tables = [output.Table(f"selftests, {report.seconds:.0f} s", ("where", "group", "passed", "failed", "skipped", ""), rows)]
    failed = [r for r in report.results if r.case.status is ktap.Status.FAIL]
    if failed:
        names = [[r.lane, f"{r.group}/{r.case.name}", _reason(r.case.detail)] for r in failed]
        tables.append(output.Table("failed", ("where", "test", "why"), names))
        tables.append(output.Table("kept", (), [[str(folder)] for folder in report.folders]))
    return tables
