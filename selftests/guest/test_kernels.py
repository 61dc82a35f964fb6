# SPDX-License-Identifier: GPL-2.0-or-later
"""On the kernels that the lanes do not boot by themselves the module loads, moves a file each way, and unloads."""

from __future__ import annotations

import pytest

from quicctl import demo, kernel

OTHERS = [series.name for series in kernel.SERIES if series.name != kernel.DEFAULT_SERIES]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("series", OTHERS)
def test_file_each_way(series: str) -> None:
    """Whatever the kernel reports, or a module that stays, is raised by the demonstration."""
    said: list[str] = []
    report = demo.run(series=series, size=1, progress=said.append)
    assert report.kernel.startswith(f"{series}."), report
    assert report.place == "guest"
    assert report.verified, said
    assert report.to_server.bytes == report.to_client.bytes == demo.MEBIBYTE
