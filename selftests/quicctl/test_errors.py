# SPDX-License-Identifier: GPL-2.0-or-later
"""Each cause has an exit code of its own, and its remedy is shown."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import quicctl
from quicctl import errors
from quicctl.cli import output

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


def test_keywords_in_remedies_are_shown_as_options(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_error(errors.CertificateNotTrusted("no", remedy="give `ca`, `server_name` or a longer `idle_timeout`"))
    assert "remedy: give --ca, --servername or a longer --idle-timeout\n" in capsys.readouterr().err


def test_what_remedies_name_the_commands_have() -> None:
    folder = Path(quicctl.__file__).parent
    keywords = {
        match[1]
        for path in folder.glob("*.py")
        for line in path.read_text().splitlines()
        if "remedy" in line or line.lstrip().startswith(("+ ", '"'))
        for match in output._KEYWORD.finditer(line)
        if f"``{match[1]}``" not in line
    }
    assert {"ca", "cert", "key", "psk", "alpn", "timeout", "server_name", "insecure"} <= keywords
    commands = "".join(path.read_text() for path in (folder / "cli").glob("*.py"))
    assert all(f'"{output._option(match)}"' in commands for word in keywords if (match := re.match(r"(\w+)", word)))
