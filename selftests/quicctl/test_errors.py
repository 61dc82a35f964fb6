# SPDX-License-Identifier: GPL-2.0-or-later
"""Each cause has an exit code of its own, and its remedy is shown."""

from __future__ import annotations

import inspect

import pytest

from quicctl import errors

CAUSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.QuicctlError) and kind is not errors.QuicctlError
]


def test_exit_codes_are_distinct() -> None:
    codes = [kind.exit_code for kind in CAUSES]
    assert len(set(codes)) == len(codes)


def test_exit_codes_stay_clear_of_python_usage_and_signals() -> None:
    assert all(3 < kind.exit_code < 126 for kind in CAUSES)


@pytest.mark.parametrize("kind", CAUSES, ids=lambda kind: kind.__name__)
def test_cause_is_documented_and_carries_what_it_is_given(kind: type[errors.QuicctlError]) -> None:
    assert kind.__doc__
    error = kind("what", remedy="do that", detail="lines")
    assert (str(error), error.message, error.remedy, error.detail) == ("what", "what", "do that", "lines")


def test_default_remedy_applies_unless_another_is_given() -> None:
    assert errors.NotRoot("x").remedy == "run it as root"
    assert errors.NotRoot("x", remedy="y").remedy == "y"
