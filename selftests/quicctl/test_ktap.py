# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from quicctl import ktap
from quicctl.ktap import CaseResult, Parser, Status

KUNIT = """\
KTAP version 1
1..1
    KTAP version 1
    # Subtest: quic_rtt
    1..3
    ok 1 first_sample
    # backoff: EXPECTATION FAILED at rtt_test.c:10
    Expected 2 == 3
    not ok 2 backoff
    ok 3 slow # SKIP needs a clock
# quic_rtt: pass:1 fail:1 skip:1 total:3
not ok 1 quic_rtt
"""

HARNESS = """\
TAP version 13
1..2
# Starting 2 tests from 1 test cases.
#  RUN           global.one ...
#            OK  global.one
ok 1 global.one
#  RUN           global.two ...
# two.c:7:two:Expected 1 (1) == 2 (2)
not ok 2 global.two
# FAILED: 1 / 2 tests passed.
"""


def statuses(text: str) -> dict[str, Status]:
    return {result.name: result.status for result in ktap.parse(text)}


def test_kunit_cases_carry_their_suite_and_the_sum_is_no_case() -> None:
    assert statuses(KUNIT) == {
        "quic_rtt.first_sample": Status.PASS,
        "quic_rtt.backoff": Status.FAIL,
        "quic_rtt.slow": Status.SKIP,
    }


def test_failure_keeps_what_was_said_before_it() -> None:
    [failed] = [r for r in ktap.parse(KUNIT) if r.status is Status.FAIL]
    assert failed.detail == "backoff: EXPECTATION FAILED at rtt_test.c:10\nExpected 2 == 3"


def test_skip_keeps_its_reason() -> None:
    [skipped] = [r for r in ktap.parse(KUNIT) if r.status is Status.SKIP]
    assert skipped.detail == "needs a clock"


def test_flat_output_of_a_harness() -> None:
    results = ktap.parse(HARNESS)
    assert [(r.name, r.status) for r in results] == [("global.one", Status.PASS), ("global.two", Status.FAIL)]
    assert results[1].detail == "two.c:7:two:Expected 1 (1) == 2 (2)"


def test_stamps_of_the_kernel_log_are_no_part_of_it() -> None:
    stamped = "\n".join(f"[   12.345678] {line}" for line in KUNIT.splitlines())
    assert statuses(stamped) == statuses(KUNIT)


def test_suites_one_after_the_other_keep_their_names() -> None:
    assert set(statuses(KUNIT + KUNIT.replace("quic_rtt", "quic_cid"))) >= {"quic_rtt.backoff", "quic_cid.backoff"}


def test_suite_that_fails_without_a_failed_case_counts() -> None:
    text = KUNIT.replace("    not ok 2", "    ok 2")
    assert statuses(text)["quic_rtt"] is Status.FAIL


def test_output_that_ends_early_is_a_problem() -> None:
    parser = Parser()
    for line in HARNESS.splitlines()[:6]:
        parser.feed(line)
    parser.finish()
    assert parser.problems == ["1 of 2 results, then the output ended"]


def test_suite_that_ends_early_is_a_problem() -> None:
    parser = Parser()
    for line in KUNIT.splitlines()[:6]:
        parser.feed(line)
    parser.finish()
    assert "1 of 3 results of quic_rtt, then the output ended" in parser.problems


def test_bail_out_is_a_problem() -> None:
    parser = Parser()
    parser.feed("Bail out! no module")
    assert parser.problems == ["Bail out! no module"]


def test_plan_of_nothing_is_a_skip_with_its_reason() -> None:
    assert ktap.parse("1..0 # SKIP no KUnit\n") == [CaseResult("all", Status.SKIP, "no KUnit")]


def test_time_of_a_case() -> None:
    [result] = ktap.parse("1..1\nok 1 a # time=0.250s\n")
    assert result.seconds == 0.25


def test_results_are_handed_over_as_they_come() -> None:
    seen: list[str] = []
    parser = Parser(lambda result: seen.append(result.name))
    parser.feed("1..2")
    parser.feed("ok 1 - a")
    assert seen == ["a"]


def test_junit_counts_and_tells(tmp_path: Path) -> None:
    rows = [("vm.socket", result) for result in ktap.parse(KUNIT)]
    ktap.junit(rows, tmp_path / "out" / "junit.xml")
    [suite] = ElementTree.parse(tmp_path / "out" / "junit.xml").getroot()
    assert (suite.get("name"), suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("vm.socket", "3", "1", "1")
    [failure] = suite.iter("failure")
    assert "Expected 2 == 3" in (failure.text or "")


def test_junit_survives_control_characters(tmp_path: Path) -> None:
    ktap.junit([("g", CaseResult("a", Status.FAIL, "bell \x07 escape \x1b[0m"))], tmp_path / "junit.xml")
    ElementTree.parse(tmp_path / "junit.xml")


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    rows = [("g", result) for result in ktap.parse(KUNIT)]
    ktap.write(rows, tmp_path / "out.ktap")
    again = ktap.parse((tmp_path / "out.ktap").read_text())
    assert [r.status for r in again] == [r.status for _, r in rows]
    assert again[1].name == "g/quic_rtt.backoff"
