# SPDX-License-Identifier: GPL-2.0-or-later
"""Which obligation of which RFC is met where, and tested where, from the citations in code and tests.

``selftests/rfc/rfcN.txt`` lists the sections of an RFC and, below each, its MUSTs in order: ``#2`` is the second of its
section and never changes. Code and tests cite a section, or single out one of its obligations by that number. What is not
ours to meet stands with its reason in ``exceptions.toml``. The outcome is docs/rfc-coverage.md.
"""

from __future__ import annotations

import enum
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from quicctl import errors

PAGE = Path("docs/rfc-coverage.md")
COMMAND = "quicctl rfc-coverage --write"

_DATA = Path("selftests/rfc")
_TESTS = ("module/tests", "selftests")
_CODE = ("module", "libquic", "quicctl")
_SUFFIXES = (".c", ".h", ".py", ".sh")

# A citation may be wrapped over lines of a comment.
_WRAP = re.compile(r"\n[ \t]*(?:\*(?!/)|//|#(?!\d))?[ \t]*")
_PLACE = r"(?:[A-Z]|\d+)(?:\.\d+)*(?![\w.]*\w)(?: #\d+)*"
_JOIN = r"(?:,? and |, | to )"
_CITATION = re.compile(rf"RFC (\d{{4}}), (?:sections?|appendix) ({_PLACE}(?:{_JOIN}{_PLACE})*)")
_ONE_PLACE = re.compile(rf"({_PLACE})")
_MENTION = re.compile(r"RFC ?(\d{4})")
_MALFORMED = re.compile(r"RFC\d{4}|RFC \d{4}(?: sections?\b|,? (?:§|[sS]ec\.)|, \d[\d.]*)")


class Level(enum.Enum):
    """How sure a citation makes us."""

    NONE = ""
    SECTION = "§"
    """The section is cited as a whole, and has more obligations than this one."""
    EXACT = "exact"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A section, or with ``number`` one obligation in it."""

    rfc: int
    section: str
    number: int = 0

    def __str__(self) -> str:
        return f"{self.rfc} {self.section}" + (f" #{self.number}" if self.number else "")


@dataclass(frozen=True, slots=True)
class Rfc:
    """An RFC as its data file has it: titles by section and texts by obligation, both in the RFC's order."""

    number: int
    title: str
    sections: dict[str, str]
    obligations: dict[Place, str]


@dataclass(frozen=True, slots=True)
class Citation:
    """A place named in a file."""

    place: Place
    file: Path
    test: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """The files that cite an obligation, and how closely."""

    level: Level
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """An obligation and what is known of it."""

    place: Place
    text: str
    code: Evidence
    tests: Evidence
    exempt: str = ""
    """Why it is not ours to meet."""
    untestable: str = ""
    """Why no test can show that it is met."""

    @property
    def open(self) -> bool:
        """Somebody has to do something."""
        untested = self.tests.level is Level.NONE and not self.untestable
        return not self.exempt and (self.code.level is Level.NONE or untested)


@dataclass(frozen=True, slots=True)
class Coverage:
    """The whole table."""

    rfcs: tuple[Rfc, ...]
    rows: tuple[Row, ...]

    def count(self, rfc: int) -> Count:
        """How the rows of one RFC divide."""
        rows = [row for row in self.rows if row.place.rfc == rfc]
        exempt = sum(bool(row.exempt) for row in rows)
        left = sum(row.open for row in rows)
        untestable = sum(bool(row.untestable) and not row.open for row in rows)
        exact = sum(not row.exempt and row.code.level is row.tests.level is Level.EXACT for row in rows)
        return Count(len(rows), exact, len(rows) - exempt - untestable - left - exact, untestable, exempt, left)


@dataclass(frozen=True, slots=True)
class Count:
    """Obligations: all, singled out in code and test, covered by a citation of their section, untestable, declined, open."""

    all: int
    exact: int
    by_section: int
    untestable: int
    exempt: int
    open: int


def assess(root: Path) -> Coverage:
    """Read the data, the citations and the exceptions of the tree at ``root``."""
    rfcs, others = _read_rfcs(root / _DATA)
    texts = {place: text for rfc in rfcs for place, text in rfc.obligations.items()}
    sections = {rfc.number: rfc.sections for rfc in rfcs}
    cited = list(citations(root, sections, others))
    wrong = [f"{c.file}: RFC {c.place}" for c in cited if c.place.number and c.place not in texts]
    if wrong:
        raise errors.BadCitation("there is no such obligation", detail="\n".join(wrong))
    exempt, untestable = _read_exceptions(root / _DATA / "exceptions.toml", texts)
    clash = [f"{c.file}: RFC {c.place}" for c in cited if c.place in exempt or (c.test and c.place in untestable)]
    if clash:
        raise errors.BadCitation(
            "an exception is met after all", detail="\n".join(clash), remedy=f"take it out of {_DATA}/exceptions.toml"
        )
    alone = {(p.rfc, p.section) for p in texts if p.number == 1} - {(p.rfc, p.section) for p in texts if p.number == 2}
    rows = [
        Row(
            place,
            text,
            _evidence(place, cited, alone, False),
            _evidence(place, cited, alone, True),
            exempt.get(place, ""),
            untestable.get(place, ""),
        )
        for place, text in texts.items()
    ]
    return Coverage(tuple(rfcs), tuple(rows))


def citations(root: Path, sections: dict[int, dict[str, str]], others: Sequence[int]) -> Iterator[Citation]:
    """Every citation in code and tests; a place that does not exist is an error."""
    wrong = []
    for file, test in _files(root):
        text = _WRAP.sub(" ", file.read_text(errors="replace"))
        shown = file.relative_to(root)
        wrong += [f"{shown}: {found[0]}" for found in _MALFORMED.finditer(text)]
        wrong += [
            f"{shown}: RFC {found[1]} is in no list"
            for found in _MENTION.finditer(text)
            if int(found[1]) not in sections and int(found[1]) not in others
        ]
        for found in _CITATION.finditer(text):
            rfc = int(found[1])
            for place in _places(rfc, found[2]):
                if place.section not in sections.get(rfc, {place.section: ""}):
                    wrong.append(f"{shown}: RFC {rfc} has no section {place.section}")
                yield Citation(place, shown, test)
    if wrong:
        raise errors.BadCitation("citations that lead nowhere", detail="\n".join(dict.fromkeys(wrong)))


def render(coverage: Coverage) -> str:
    """The page, as Markdown."""
    lines = [
        "# RFC coverage",
        "",
        f"Generated by `{COMMAND}` from the citations in code and tests; do not edit. Every MUST, MUST NOT,",
        "REQUIRED, SHALL and SHALL NOT of the RFCs below has a row: where it is met, where it is tested, or why not.",
        "**open** is what no citation speaks for. § before a file: it cites the section as a whole, which has several",
        "obligations; without, it cites this very one, or the only one there is. How to cite: [testing.md](testing.md).",
        "",
        "| RFC | obligations | met and tested, each by itself | by section | met, beyond tests | not ours | open |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    listed = [rfc for rfc in coverage.rfcs if rfc.obligations]
    for rfc in listed:
        n = coverage.count(rfc.number)
        counts = (n.all, n.exact, n.by_section, n.untestable, n.exempt, n.open)
        lines.append(f"| {rfc.number} {rfc.title} | {' | '.join(map(str, counts))} |")
    for rfc in listed:
        lines += ["", f"## RFC {rfc.number}"]
        section = ""
        for row in (row for row in coverage.rows if row.place.rfc == rfc.number):
            if row.place.section != section:
                section = row.place.section
                lines += ["", f"### {section} {rfc.sections[section]}", ""]
                lines += ["| # | obligation | met in | tested in |", "| --- | --- | --- | --- |"]
            lines.append(_row(row))
    return "\n".join(lines) + "\n"


def _row(row: Row) -> str:
    text = row.text.replace("|", "\\|")
    if row.exempt:
        return f"| {row.place.number} | {text} | not ours: {row.exempt} | |"
    tests = f"none: {row.untestable}" if row.untestable else _cell(row.tests)
    return f"| {row.place.number} | {text} | {_cell(row.code)} | {tests} |"


def _cell(evidence: Evidence) -> str:
    mark = "§ " if evidence.level is Level.SECTION else ""
    return mark + ", ".join(evidence.files) if evidence.files else "**open**"


def _evidence(place: Place, cited: Sequence[Citation], alone: set[tuple[int, str]], test: bool) -> Evidence:
    here = [c for c in cited if c.test is test and (c.place.rfc, c.place.section) == (place.rfc, place.section)]
    exact = [c for c in here if c.place.number == place.number]
    whole = [c for c in here if not c.place.number]
    if (place.rfc, place.section) in alone:
        exact, whole = exact + whole, []
    for level, found in ((Level.EXACT, exact), (Level.SECTION, whole)):
        if found:
            return Evidence(level, tuple(sorted(_short(file) for file in _without_headers({c.file for c in found}))))
    return Evidence(Level.NONE, ())


def _without_headers(files: set[Path]) -> set[Path]:
    """A header that repeats what its own C file cites says nothing new."""
    return {file for file in files if file.suffix != ".h" or file.with_suffix(".c") not in files}


def _short(file: Path) -> str:
    parts = file.parts[1:] if file.parts[0] in ("module", "selftests") else file.parts
    return "/".join(parts)


def _places(rfc: int, text: str) -> Iterator[Place]:
    for found in _ONE_PLACE.finditer(text):
        section, *numbers = found[1].split(" #")
        if not numbers:
            yield Place(rfc, section)
        for number in numbers:
            yield Place(rfc, section, int(number))


def _files(root: Path) -> Iterator[tuple[Path, bool]]:
    seen = set()
    for folders, test in ((_TESTS, True), (_CODE, False)):
        for folder in folders:
            for file in sorted((root / folder).rglob("*")):
                if file.suffix in _SUFFIXES and "build" not in file.parts and file not in seen:
                    seen.add(file)
                    yield file, test


def _read_rfcs(folder: Path) -> tuple[list[Rfc], list[int]]:
    rfcs = [_read_rfc(file) for file in sorted(folder.glob("rfc*.txt"))]
    others = [int(line.split()[0]) for line in (folder / "others.txt").read_text().splitlines()]
    return rfcs, others


def _read_rfc(file: Path) -> Rfc:
    head, *lines = file.read_text().splitlines()
    number, title = head.removeprefix("RFC ").split(": ", 1)
    sections: dict[str, str] = {}
    obligations: dict[Place, str] = {}
    section = ""
    for line in filter(None, lines):
        name, text = line.strip().split(" ", 1)
        if name.startswith("#"):
            obligations[Place(int(number), section, int(name[1:]))] = text
        else:
            section = name
            sections[section] = text
    return Rfc(int(number), title, sections, obligations)


def _read_exceptions(file: Path, texts: dict[Place, str]) -> tuple[dict[Place, str], dict[Place, str]]:
    """What is not ours, and what no test can show, each with its reason."""
    groups = tomllib.loads(file.read_text())
    read: list[dict[Place, str]] = []
    for kind in ("exempt", "untestable"):
        read.append({})
        for group in groups.get(kind, []):
            for item in group["obligations"]:
                rfc, rest = item.split(" ", 1)
                for place in _places(int(rfc), rest):
                    if place not in texts or any(place in before for before in read):
                        raise errors.BadCitation(f"{file.name}: {place} does not exist or has two reasons")
                    read[-1][place] = group["reason"]
    return read[0], read[1]
