# SPDX-License-Identifier: GPL-2.0-or-later
"""The chart of ``quicctl bench``: what it shows is what was measured."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from quicctl import bench, chart, errors
from quicctl.cli.app import app

SVG = "{http://www.w3.org/2000/svg}"


def report(**changes: Any) -> bench.BenchReport:
    figures = tuple(
        bench.Figure(protocol.value, size, 1 << 20, 1, 0, per_byte, spread=0.2 if protocol is bench.Protocol.KTLS else 0.0001)
        for size in (1024, 65536)
        for protocol, per_byte in zip(bench.OWN, (1.25, 26.8, 7.5, 2.0), strict=True)
    )
    return replace(bench.BenchReport("6.12.9-x<&>", "instructions", 1500, "", figures), **changes)


def drawn(**changes: Any) -> ElementTree.Element:
    return ElementTree.fromstring(chart.svg(report(**changes)))


def test_chart_has_a_bar_as_long_as_each_figure() -> None:
    bars = [bar for bar in drawn().iter(f"{SVG}rect") if bar.get("height") == str(chart._BAR)]
    lengths = {(bar.get("class"), float(bar.get("width", "0"))) for bar in bars}
    assert len(bars) == 8 and len(lengths) == 4, "sizes have the same figures here"
    unit = next(length for name, length in lengths if name == "tcp") / 1.25
    for name, per_byte in (("ktls", 26.8), ("quic", 7.5), ("quic-plain", 2.0)):
        assert next(length for other, length in lengths if other == name) == pytest.approx(per_byte * unit, rel=0.01)
    assert max(float(bar.get("x", "0")) + float(bar.get("width", "0")) for bar in bars) < chart._WIDTH - 40
    tops = [float(bar.get("y", "0")) for bar in bars]
    assert tops == sorted(tops) and all(b - a >= chart._BAR for a, b in itertools.pairwise(tops)), "none over another"


def test_chart_names_kernel_units_sizes_and_figures() -> None:
    words = [element.text or "" for element in drawn().iter(f"{SVG}text")]
    assert any("6.12.9-x<&>" in word and "MTU 1500" in word for word in words)
    assert "instructions per byte" in words and {"64 KiB", "1 KiB", "26.80", "1.25"} <= set(words)
    assert words.index("64 KiB") < words.index("1 KiB")
    spread = [line for line in drawn().iter(f"{SVG}line") if line.get("class") == "spread"]
    assert len(spread) == 2, "what is too small to be seen is not drawn"
    words = [element.text or "" for element in drawn(unit="nanoseconds").iter(f"{SVG}text")]
    assert "ns per byte" in words


def test_chart_is_for_light_and_dark_and_stands_alone() -> None:
    text = chart.svg(report())
    light, dark = text.split("@media (prefers-color-scheme: dark)")
    for protocol in bench.Protocol:
        assert f".{protocol.value} {{" in light and f".{protocol.value} {{" in dark
    assert "href" not in text and "url(" not in text and "@import" not in text


@pytest.mark.parametrize(("most", "ticks"), [(0.9, 6), (1.0, 6), (7.2, 5), (26.8, 4), (1234.0, 6)])
def test_axis_has_round_numbers_up_to_the_largest(most: float, ticks: int) -> None:
    found = list(chart._ticks(most))
    assert found[0] == 0 and found[-1] >= most > found[-2] and len(found) == ticks


def test_command_draws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bench, "run", lambda **_: report())
    done = CliRunner().invoke(app, ["bench", "--svg", str(tmp_path / "a.svg"), "--json"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "a.svg").read_text() == chart.svg(report())
    done = CliRunner().invoke(app, ["bench", "--svg", str(tmp_path / "none" / "a.svg")])
    assert done.exit_code == errors.FileUnwritable.exit_code, done.output
