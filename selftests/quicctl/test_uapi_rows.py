# SPDX-License-Identifier: GPL-2.0-or-later
"""selftests/socket/uapi-rows.txt: every row of the socket interface names cases that exist, or says why none can."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from quicctl import catalogue, sourcetree
from quicctl.catalogue import Where

LIST = "selftests/socket/uapi-rows.txt"
_KEY = re.compile(r"\d+(\.\d+)+")


@dataclass(frozen=True)
class Row:
    """A fact that a program can see, and what checks it."""

    key: str
    fact: str
    notes: tuple[str, ...]
    cases: tuple[str, ...]


def read(text: str) -> Iterator[Row]:
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        key, fact, *rest = (part.strip() for part in line.split(" | "))
        assert _KEY.fullmatch(key) and fact and rest, f"not a row: {line}"
        notes = tuple(part for part in rest if part.startswith(("unseen: ", "otherwise: ")))
        cases = tuple(case for part in rest if part not in notes for case in part.split(", "))
        yield Row(key, fact, notes, cases)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(read((sourcetree.project() / LIST).read_text()))


@pytest.fixture(scope="module")
def known() -> set[str]:
    return {name for _, name in catalogue.names(list(Where))}


def full(case: str) -> str:
    """As ``quicctl selftest`` takes it."""
    group, slash, rest = case.rpartition("/")
    return f"{group if slash else 'socket'}/{rest.replace('.', '/', 1)}"


def test_keys_are_unique(rows: list[Row]) -> None:
    keys = [row.key for row in rows]
    assert len(keys) == len(set(keys))
    assert len(rows) > 480


def test_every_row_is_checked_or_says_why_not(rows: list[Row]) -> None:
    for row in rows:
        unseen = any(note.startswith("unseen: ") for note in row.notes)
        assert bool(row.cases) != unseen, row.key


def test_cases_exist(rows: list[Row], known: set[str]) -> None:
    for row in rows:
        for case in row.cases:
            assert full(case) in known, f"{row.key}: no {case}"


def test_a_row_names_each_case(known: set[str]) -> None:
    """A wildcard would stand for what nobody looked up."""
    row = next(read("9.9 | a fact | core/hostile.*"))
    assert full(row.cases[0]) not in known


def test_no_program_of_the_interface_is_left_out(rows: list[Row], known: set[str]) -> None:
    """A case of a program uapi_*.c stands for a row."""
    named = {full(case) for row in rows for case in row.cases}
    left = {name for name in known if name.startswith("socket/uapi_")} - named
    assert not left, sorted(left)
