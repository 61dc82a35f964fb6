# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/rfc-coverage.md says what code and tests cite, and a citation leads somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from quicctl import errors, rfc_coverage, sourcetree
from quicctl.rfc_coverage import Coverage, Level, Place

# Split, so that the examples below are not taken for citations of this file.
NINE = "RFC 9"

DATA = f"""{NINE}900: A Protocol

1 Introduction
2 Streams
  #1 A sender MUST count.
2.1 Kinds
  #1 An endpoint MUST look.
  #2 An endpoint MUST NOT guess.
A Examples
"""


def tree(root: Path, code: str, test: str = "", exceptions: str = "exempt = []") -> Path:
    for folder in ("module", "libquic", "quicctl", "selftests/rfc", "docs"):
        (root / folder).mkdir(parents=True)
    (root / "selftests/rfc/rfc9900.txt").write_text(DATA)
    (root / "selftests/rfc/others.txt").write_text("9999 Something else\n")
    (root / "selftests/rfc/exceptions.toml").write_text(exceptions)
    (root / "module/a.c").write_text(code)
    (root / "selftests/a_test.c").write_text(test)
    return root


def row(found: Coverage, section: str, number: int) -> rfc_coverage.Row:
    return next(r for r in found.rows if r.place == Place(9900, section, number))


def test_the_only_obligation_of_a_section_is_met_by_citing_the_section(tmp_path: Path) -> None:
    found = rfc_coverage.assess(tree(tmp_path, f"/* {NINE}900, section 2. */"))
    assert row(found, "2", 1).code.level is Level.EXACT
    assert row(found, "2", 1).code.files == ("a.c",)
    assert row(found, "2", 1).open


def test_one_of_several_is_singled_out_by_its_number(tmp_path: Path) -> None:
    found = rfc_coverage.assess(tree(tmp_path, f"/* {NINE}900, section 2.1 */", f"/* {NINE}900, section 2.1 #2 */"))
    assert (row(found, "2.1", 1).code.level, row(found, "2.1", 1).tests.level) == (Level.SECTION, Level.NONE)
    assert (row(found, "2.1", 2).code.level, row(found, "2.1", 2).tests.level) == (Level.SECTION, Level.EXACT)
    assert [r.place.number for r in found.rows if r.open and r.place.section == "2.1"] == [1]


@pytest.mark.parametrize(
    "text",
    [
        f"/* {NINE}900, sections 2 and 2.1 #1 #2. */",
        f"/*\n * Why. {NINE}900,\n * sections 2, 2.1 #1\n * #2.\n */",
        f"# {NINE}900, section 2 #1; {NINE}900, sections\n# 2.1 #1 #2 and 1",
    ],
)
def test_lists_and_wrapped_lines_are_read(tmp_path: Path, text: str) -> None:
    found = rfc_coverage.assess(tree(tmp_path, text, text))
    assert found.count(9900) == rfc_coverage.Count(all=3, exact=3, by_section=0, untestable=0, exempt=0, open=0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"/* {NINE}900, section 2.2 */", "no section 2.2"),
        (f"/* {NINE}900, sections 2 and 7 */", "no section 7"),
        (f"/* {NINE}900, section 2.1 #3 */", "9900 2.1 #3"),
        (f"/* {NINE}901, section 2 */", "9901 is in no list"),
        (f"/* {NINE}900, 2.1 */", "9900, 2.1"),
        (f"/* {NINE}900 section 2.1 */", "9900 section"),
        ("/* " + NINE.replace(" ", "") + "900, section 2 */", "9900"),
    ],
)
def test_a_citation_that_leads_nowhere_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(errors.BadCitation) as caught:
        rfc_coverage.assess(tree(tmp_path, text))
    assert said in caught.value.detail
    assert "a.c" in caught.value.detail
    assert caught.value.remedy


def test_other_documents_are_cited_without_a_list_of_their_sections(tmp_path: Path) -> None:
    rfc_coverage.assess(tree(tmp_path, f"/* {NINE}999, section 8.7; {NINE}900, appendix A */"))


def test_an_exception_has_a_reason_and_is_not_met_as_well(tmp_path: Path) -> None:
    declined = '[[exempt]]\nreason = "of others"\nobligations = ["9900 2.1 #1"]'
    found = rfc_coverage.assess(tree(tmp_path / "a", "", "", declined))
    assert row(found, "2.1", 1).exempt == "of others"
    assert not row(found, "2.1", 1).open
    assert "not ours: of others" in rfc_coverage.render(found)
    with pytest.raises(errors.BadCitation) as caught:
        rfc_coverage.assess(tree(tmp_path / "b", f"/* {NINE}900, section 2.1 #1 */", "", declined))
    assert "exceptions.toml" in caught.value.remedy


def test_what_no_test_can_show_is_met_all_the_same(tmp_path: Path) -> None:
    beyond = '[[untestable]]\nreason = "of time"\nobligations = ["9900 2.1 #1"]'
    found = rfc_coverage.assess(tree(tmp_path / "a", f"/* {NINE}900, section 2.1 #1 */", "", beyond))
    assert not row(found, "2.1", 1).open
    assert found.count(9900).untestable == 1
    assert "| a.c | none: of time |" in rfc_coverage.render(found)
    assert row(rfc_coverage.assess(tree(tmp_path / "b", "", "", beyond)), "2.1", 1).open
    with pytest.raises(errors.BadCitation):
        rfc_coverage.assess(tree(tmp_path / "c", "", f"/* {NINE}900, section 2.1 #1 */", beyond))


def test_an_exception_names_what_exists(tmp_path: Path) -> None:
    with pytest.raises(errors.BadCitation):
        rfc_coverage.assess(tree(tmp_path, "", "", '[[exempt]]\nreason = "none"\nobligations = ["9900 2.1 #9"]'))


def test_the_lists_of_this_project_are_whole() -> None:
    found = rfc_coverage.assess(sourcetree.project())
    assert {rfc.number: len(rfc.obligations) for rfc in found.rfcs if rfc.obligations} == {
        9000: 296, 9001: 78, 9002: 30, 9221: 10, 9287: 7, 9368: 35, 9369: 12,
    }  # fmt: skip
    assert not [str(row.place) for row in found.rows if row.open]


def test_the_page_is_what_the_citations_yield() -> None:
    root = sourcetree.project()
    page = rfc_coverage.render(rfc_coverage.assess(root))
    assert (root / rfc_coverage.PAGE).read_text() == page, f"run: .venv/bin/{rfc_coverage.COMMAND}, and commit what it wrote"
