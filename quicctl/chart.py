# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``quicctl bench`` measured, as a chart: SVG that stands alone, light or dark as the reader's screen is.

A group of bars for each size of writes, a bar for each protocol, its figure beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from xml.etree import ElementTree

from quicctl.bench import BenchReport, Figure, Protocol

_NAMES = {
    Protocol.TCP: "TCP",
    Protocol.KTLS: "TCP with kernel TLS",
    Protocol.QUIC: "QUIC",
    Protocol.QUIC_PLAIN: "QUIC, data packets not encrypted",
    Protocol.NGTCP2: "ngtcp2",
}
_STYLE = """
svg { background: #ffffff; font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
text { fill: #24292f; }
.title { font-size: 17px; font-weight: 600; }
.small { font-size: 12px; fill: #57606a; }
.grid { stroke: #d8dee4; }
.axis { stroke: #6e7781; }
.spread { stroke: #24292f; stroke-width: 1.5; }
.tcp { fill: #8c959f; stroke: #8c959f; }
.ktls { fill: #bc6c00; stroke: #bc6c00; }
.quic { fill: #0969da; stroke: #0969da; }
.quic-plain { fill: #ddf4ff; stroke: #0969da; }
.ngtcp2 { fill: #8250df; stroke: #8250df; }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117; }
  text { fill: #e6edf3; }
  .small { fill: #9198a1; }
  .grid { stroke: #30363d; }
  .axis { stroke: #8b949e; }
  .spread { stroke: #e6edf3; }
  .tcp { fill: #7d8590; stroke: #7d8590; }
  .ktls { fill: #e09b3d; stroke: #e09b3d; }
  .quic { fill: #4493f8; stroke: #4493f8; }
  .quic-plain { fill: #0c2d6b; stroke: #4493f8; }
  .ngtcp2 { fill: #a371f7; stroke: #a371f7; }
}
"""

_WIDTH = 760
_LEFT, _RIGHT = 92, 84
_TOP = 106
_BAR, _GAP, _GROUP_GAP = 17, 3, 20
_BOTTOM = 52
_TICKS = 6


def svg(report: BenchReport) -> str:
    """The chart of a report that has figures."""
    protocols = [protocol for protocol in Protocol if any(figure.protocol == protocol for figure in report.figures)]
    groups = [
        (size, [figure for figure in report.figures if figure.message == size])
        for size in sorted({figure.message for figure in report.figures}, reverse=True)
    ]
    heights = [len(figures) * (_BAR + _GAP) - _GAP for _, figures in groups]
    foot = _TOP + sum(heights) + _GROUP_GAP * len(groups)
    unit = "ns" if report.unit == "nanoseconds" else report.unit
    words = f"{report.unit.capitalize()} per byte moved over QUIC, TCP and kernel TLS"
    root = ElementTree.Element(
        "svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {_WIDTH} {foot + _BOTTOM}", width=str(_WIDTH),
        height=str(foot + _BOTTOM), role="img",
    )  # fmt: skip
    _add(root, "title", words)
    _add(root, "desc", "; ".join(_spoken(figure, unit) for _, figures in groups for figure in figures))
    _add(root, "style", _STYLE)
    _add(root, "text", f"What a byte costs: {report.unit} at sender and receiver together", x=20, y=30, kind="title")
    _add(root, "text", f"Linux {report.kernel}, loopback device, MTU {report.mtu}, AES-128-GCM; less is better", x=20, y=50,
         kind="small")  # fmt: skip
    _legend(root, protocols)

    ticks = list(_ticks(max(figure.per_byte * (1 + figure.spread / 2) for figure in report.figures)))
    scale = (_WIDTH - _LEFT - _RIGHT) / ticks[-1]
    for tick in ticks:
        x = _LEFT + tick * scale
        _add(root, "line", x1=x, x2=x, y1=_TOP, y2=foot, kind="grid" if tick else "axis")
        _add(root, "text", f"{tick:g}", x=x, y=foot + 18, anchor="middle", kind="small")
    _add(root, "text", f"{unit} per byte", x=(_LEFT + _WIDTH - _RIGHT) / 2, y=foot + 38, anchor="middle", kind="small")

    top = _TOP + _GROUP_GAP / 2
    for (size, figures), height in zip(groups, heights, strict=True):
        middle = top + height / 2
        _add(root, "text", "writes of", x=_LEFT - 12, y=middle - 4, anchor="end", kind="small")
        _add(root, "text", size_text(size), x=_LEFT - 12, y=middle + 13, anchor="end")
        for number, figure in enumerate(sorted(figures, key=lambda figure: protocols.index(Protocol(figure.protocol)))):
            _bar(root, figure, top + number * (_BAR + _GAP), scale)
        top += height + _GROUP_GAP
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def size_text(number: int) -> str:
    """A size of writes for people."""
    return f"{number >> 10} KiB" if number % 1024 == 0 else f"{number} B"


def _spoken(figure: Figure, unit: str) -> str:
    return f"{_NAMES[Protocol(figure.protocol)]}, writes of {size_text(figure.message)}: {figure.per_byte:.2f} {unit} per byte"


def _legend(root: ElementTree.Element, protocols: list[Protocol]) -> None:
    x = 20.0
    for protocol in protocols:
        _add(root, "rect", x=x, y=68, width=13, height=13, rx=2, kind=protocol.value)
        _add(root, "text", _NAMES[protocol], x=x + 20, y=79)
        x += 20 + 7.2 * len(_NAMES[protocol]) + 22


def _bar(root: ElementTree.Element, figure: Figure, y: float, scale: float) -> None:
    """The bar, a line over what its passes spread, if that can be seen, and the figure."""
    width, half = figure.per_byte * scale, figure.per_byte * scale * figure.spread / 2
    _add(root, "rect", x=_LEFT, y=y, width=max(width, 1.0), height=_BAR, kind=figure.protocol)
    if half >= 1:
        _add(root, "line", x1=_LEFT + width - half, x2=_LEFT + width + half, y1=y + _BAR / 2, y2=y + _BAR / 2, kind="spread")
    _add(root, "text", f"{figure.per_byte:.2f}", x=_LEFT + width + (half if half >= 1 else 0) + 6, y=y + _BAR - 4)


def _ticks(most: float) -> Iterator[float]:
    """Round numbers from zero to at least ``most``."""
    rough = most / (_TICKS - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    for number in range(_TICKS):
        yield round(number * step, 6)
        if number * step >= most:
            return


def _add(
    parent: ElementTree.Element, tag: str, text: str = "", *, kind: str = "", anchor: str = "", **places: float
) -> None:
    element = ElementTree.SubElement(parent, tag, {name: f"{round(value, 1):g}" for name, value in places.items()})
    if kind:
        element.set("class", kind)
    if anchor:
        element.set("text-anchor", anchor)
    element.text = text or None
