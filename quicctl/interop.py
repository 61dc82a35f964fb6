# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of who understands whom: docs/interop.md from the results of the groups interop, peers and http3.

A file of the first two groups is a peer, or its cases have a peer among their parameters; a case's function is a row. In the
group http3 a file is a section, and a case that has no peer among its parameters begins with one. A skip whose
reason begins with UNSUPPORTED is the peer's own gap, with the proof; any other skip, and a case that a peer has not, stands in
the table as not run. Which peers there are stands in COLUMNS.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from quicctl.ktap import CaseResult, Status

UNSUPPORTED = "unsupported by the peer: "
_GROUPS = ("interop", "peers")
_HTTP3 = "http3"
_WORDS = {
    "our_client": "Our client, other servers",
    "our_server": "Our server, other clients",
    "http3_get_": "HTTP/3: quicctl get, other servers",
    "http3_serve_": "HTTP/3: quicctl serve, other clients",
    "http3_nghttp3_": "HTTP/3: the example in C on libnghttp3 of each suite",
    "": "Either",
}
"""The sections, by how their rows begin. Those of group http3 are group and file, which are not shown in the rows."""
_FILES = {"resumption": "aioquic"}
"""Whose cases a file has that is not called after the peer."""


class Verdict(StrEnum):
    """What became of a case."""

    PASSED = "passed"
    FAILED = "**failed**"
    UNSUPPORTED = "unsupported"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Column:
    """A peer: how it is called in the table, and the package whose version it has."""

    title: str
    suite: str
    package: str


COLUMNS: Mapping[str, Column] = {
    "aioquic": Column("aioquic", "", "aioquic"),
    "ngtcp2": Column("ngtcp2", "trixie", "ngtcp2-client"),
    "nginx_trixie": Column("nginx", "trixie", "nginx"),
    "nginx_sid": Column("nginx", "sid", "nginx"),
    "caddy": Column("caddy (quic-go)", "sid", "caddy"),
    "haproxy": Column("haproxy", "sid", "haproxy"),
    "curl_trixie": Column("curl (OpenSSL's QUIC)", "trixie", "curl"),
    "curl_sid": Column("curl (ngtcp2)", "sid", "curl"),
    "quiche": Column("quiche (node binding)", "npm", "@matrixai/quic"),
    "openssl": Column("openssl s_client", "trixie", "openssl"),
    "chromium": Column("Chromium", "trixie", "chromium-headless-shell"),
}
"""By the name that parameters and files have for a peer."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A case with a peer."""

    verdict: Verdict
    note: str = ""


def cells(results: Iterable[tuple[str, CaseResult]]) -> dict[tuple[str, str], Cell]:
    """The cells by row and peer, from results with their groups. A case that ran more than once counts by its worst end."""
    order = (Verdict.FAILED, Verdict.NOT_RUN, Verdict.UNSUPPORTED, Verdict.PASSED)
    found: dict[tuple[str, str], Cell] = {}
    for group, case in results:
        place = _place(case.name) if group in _GROUPS else _http3_place(case.name) if group == _HTTP3 else None
        if place is None:
            continue
        cell = _cell(case)
        before = found.get(place)
        # What ran somewhere is known, whatever another lane could not do.
        if before is None or before.verdict is Verdict.NOT_RUN or (
            cell.verdict is not Verdict.NOT_RUN and order.index(cell.verdict) < order.index(before.verdict)
        ):
            found[place] = cell
    return found


def table(results: Iterable[tuple[str, CaseResult]], versions: Mapping[str, str]) -> str:
    """The page, in Markdown; versions by peer."""
    found = cells(results)
    lines = [
        "# Interoperability", "",
        "Made by `quicctl selftest --where uml interop peers http3 --matrix docs/interop.md`: each cell is what the tests in",
        "`selftests/interop` saw on the debug kernel. *unsupported* is what the peer cannot do, with the proof below;",
        "*not run* says why. A blank cell is a case that was written for other peers.", "",
    ]  # fmt: skip
    notes: list[str] = []
    for prefix, title in _WORDS.items():
        rows = list(dict.fromkeys(row for row, _ in found if _prefix(row) == prefix))
        peers = [peer for peer in COLUMNS if any((row, peer) in found for row in rows)]
        if not rows:
            continue
        lines += [f"## {title}", "", "| case | " + " | ".join(_head(peer, versions) for peer in peers) + " |"]
        lines += ["| --- |" + " --- |" * len(peers)]
        for row in rows:
            shown = [_shown(found.get((row, peer)), notes) for peer in peers]
            named = row.removeprefix(prefix) if prefix.startswith(_HTTP3) else row
            lines.append(f"| {named.replace('_', ' ')} | " + " | ".join(shown) + " |")
        lines.append("")
    if notes:
        lines += ["## Notes", "", *(f"{number}. {note}" for number, note in enumerate(notes, 1)), ""]
    return "\n".join(lines)


def versions(roots: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The version of each peer, from the versions of packages by suite and from this Python's packages."""
    found = {}
    for peer, column in COLUMNS.items():
        if column.suite:
            found[peer] = roots.get(column.suite, {}).get(column.package, "")
            continue
        try:
            found[peer] = importlib.metadata.version(column.package)
        except importlib.metadata.PackageNotFoundError:
            found[peer] = ""
    return found


def _place(name: str) -> tuple[str, str] | None:
    """Row and peer of ``test_file.test_case[parameters]``."""
    named, case, given = _parts(name)
    peer = next((part for part in given if part in COLUMNS), _FILES.get(named, named))
    peer = next((known for known in COLUMNS if peer == known or peer.startswith(f"{known}_")), "")
    if not peer or not case:
        return None
    return _row(case, given, peer), peer


def _http3_place(name: str) -> tuple[str, str] | None:
    """The same in the group http3, where a case may begin with its peer, or with what several have in common."""
    file, case, given = _parts(name)
    peer = next((part for part in given if part in COLUMNS), "")
    peer = peer or next((known for known in COLUMNS if case.startswith(f"{known}_")), "")
    if not peer:
        return None
    for begin in (peer, peer.partition("_")[0]):
        case = case.removeprefix(f"{begin}_")
    return _row(f"{_HTTP3}_{file}_{case}", given, peer), peer


def _parts(name: str) -> tuple[str, str, list[str]]:
    """File, case and parameters."""
    file, _, rest = name.partition(".")
    case, _, bracket = rest.partition("[")
    given = bracket.removesuffix("]").split("-") if bracket else []
    return file.removeprefix("test_"), case.removeprefix("test_"), given


def _row(case: str, given: Iterable[str], peer: str) -> str:
    others = "-".join(part for part in given if part != peer)
    return f"{case}: {others}" if others else case


def _prefix(row: str) -> str:
    """The table that a row belongs to."""
    return next(prefix for prefix in _WORDS if row.startswith(prefix))


def _cell(case: CaseResult) -> Cell:
    match case.status:
        case Status.PASS:
            return Cell(Verdict.PASSED)
        case Status.SKIP if case.detail.startswith(UNSUPPORTED):
            return Cell(Verdict.UNSUPPORTED, case.detail.removeprefix(UNSUPPORTED))
        case Status.SKIP:
            return Cell(Verdict.NOT_RUN, case.detail)
        case _:
            return Cell(Verdict.FAILED)


def _shown(cell: Cell | None, notes: list[str]) -> str:
    if cell is None:
        return ""
    if not cell.note:
        return cell.verdict
    if cell.note not in notes:
        notes.append(cell.note)
    return f"{cell.verdict} ({notes.index(cell.note) + 1})"


def _head(peer: str, versions: Mapping[str, str]) -> str:
    column = COLUMNS[peer]
    parts = (column.title, versions.get(peer, ""), f"of {column.suite}" if column.suite else "")
    return " ".join(part for part in parts if part)
