# SPDX-License-Identifier: GPL-2.0-or-later
"""The HTTP/3 examples: for which suites a guest gets them, how one is started, and why it is not there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from quicctl import builder, errors, examples, peers
from quicctl.examples import Example
from quicctl.kernel import Tools
from quicctl.peers import Absent


@pytest.fixture
def payload(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("QUIC_PAYLOAD", str(tmp_path))
    monkeypatch.setattr(examples, "SUITES", ("old", "next", "gone"))
    monkeypatch.setattr(peers, "PACKAGES", {"next": ("curl",)})
    return tmp_path


def test_each_suite_is_built_by_its_own_tools(payload: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Tools] = []

    def programs(folder: str, *, tools: Tools, options: Sequence[str], **_: Any) -> Path:
        asked.append(tools)
        if tools.suite == "gone":
            raise errors.ArchiveUnavailable("there is no such suite")
        assert (folder, "NGHTTP3=-l:libnghttp3.a" in options) == ("http3", True)
        return payload / "built" / tools.suite

    monkeypatch.setattr(builder, "programs", programs)
    found = dict(examples.files(payload / examples.MANIFEST))
    assert found["examples/old/h3get"] == payload / "built" / "old" / "h3get"
    assert set(found) == {f"examples/{suite}/{program}" for suite in ("old", "next") for program in ("h3get", "h3serve")}
    assert [tools.suite for tools in asked] == ["old", "next", "gone"]
    assert all("libnghttp3-dev" in tools.packages for tools in asked)
    assert examples.here("gone") == Absent("gone", "there is no such suite")
    assert examples.here("old") == Example("old", payload / "examples" / "old")
    assert examples.here("old") != examples.here("next")


def test_what_does_not_build_is_no_reason_to_skip(payload: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def programs(*_: Any, **__: Any) -> Path:
        raise errors.BuildFailed("the programs do not build")

    monkeypatch.setattr(builder, "programs", programs)
    with pytest.raises(errors.BuildFailed):
        examples.files(payload / examples.MANIFEST)


def test_newer_suites_program_runs_by_its_loader(payload: Path) -> None:
    tree = payload / "root"
    for name in ("usr/lib64/ld-linux-x86-64.so.2", "usr/lib/x86_64-linux-gnu/libc.so.6"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    (payload / examples.MANIFEST).write_text("{}")
    (payload / peers.MANIFEST).write_text(json.dumps({"next": {"tree": str(tree), "versions": {"curl": "8"}}}))
    found = examples.here("next")
    assert isinstance(found, Example)
    loader = [str(tree / "usr/lib64/ld-linux-x86-64.so.2"), "--library-path", str(tree / "usr/lib/x86_64-linux-gnu")]
    assert found.command("h3get") == [*loader, str(payload / "examples/next/h3get")]
    (payload / peers.MANIFEST).write_text(json.dumps({"next": {"absent": "no network"}}))
    assert examples.here("next") == Absent("next", "no network")


def test_without_a_list_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUIC_PAYLOAD", raising=False)
    assert examples.here("old") == Absent("old", "the examples are built for the guests of their tests only")
