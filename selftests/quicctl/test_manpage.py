# SPDX-License-Identifier: GPL-2.0-or-later
"""Manual pages: one for each command, with all of its options, in a form that formatters find no fault with."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import Cli

from quicctl import errors, process
from quicctl.cli import share
from quicctl.cli.app import COMMANDS

DATE = datetime(2001, 2, 3, tzinfo=UTC)
PAGES = share.pages(DATE)


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(process.which(program) is None, reason=f"{program} is not installed")


def plain(page: str) -> str:
    """The text of a page, without what is roff's."""
    page = re.sub(r"\\f[BIR]", "", page)
    pairs = (("\\-", "-"), ("\\(aq", "'"), ("\\(dq", '"'), ("\\(ti", "~"), ("\\(ha", "^"), ("\\e", "\\"), ("\\&", ""))
    for escape, character in pairs:
        page = page.replace(escape, character)
    return page


def test_every_command_has_a_page() -> None:
    assert set(PAGES) == {"quicctl.1", *(f"quicctl-{name}.1" for name in COMMANDS)}
    for name, summary in COMMANDS.items():
        assert f"quicctl-{name}(1)\n" in plain(PAGES["quicctl.1"])
        assert summary.split()[-1] in plain(PAGES[f"quicctl-{name}.1"]).partition(".SH SYNOPSIS")[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_page_tells_what_help_tells(cli: Cli, name: str) -> None:
    page = plain(PAGES[f"quicctl-{name}.1"])
    shown = cli(name, "--help", COLUMNS="200").stdout
    inner = re.findall(r"^  ([a-z]+)  ", shown.partition("Commands:")[2], re.M)
    for each in inner:
        assert f".SS quicctl {name} {each}\n" in page
        shown += cli(name, each, "--help", COLUMNS="200").stdout
    options = set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", shown, re.M)) - {"--help"}
    assert options == set(re.findall(r"^(?:-\w, )?(--[\w-]+)", page, re.M)) - {"--help"}
    examples = len(re.findall(r"Example: ", shown))
    assert page.count("\n.nf\n") >= (1 if examples else 0)


def test_causes_of_failure_are_listed_with_their_statuses() -> None:
    page = plain(PAGES["quicctl.1"])
    assert f".TP\n{errors.NoSpace.exit_code}\nA disk is full.\n" in page
    assert f".TP\n{errors.IdleTimeout.exit_code}\nThe peer was silent" in page


def test_date_is_that_of_the_build(cli: Cli) -> None:
    assert all('"2001-02-03"' in page.splitlines()[0] for page in PAGES.values())
    assert '"1970-01-02"' in cli("man", "top", SOURCE_DATE_EPOCH="86400").stdout.splitlines()[0]


def test_page_is_the_same_whatever_the_terminal_and_the_home(cli: Cli) -> None:
    texts = {cli("man", "vm", SOURCE_DATE_EPOCH="0", COLUMNS=columns, HOME=f"/h{columns}").stdout for columns in ("40", "200")}
    assert len(texts) == 1


@needs("groff")
def test_groff_finds_no_fault() -> None:
    for name, page in PAGES.items():
        argv = ["groff", "-man", "-ww", "-Tutf8", "-rLL=78n"]
        done = subprocess.run(argv, input=page, capture_output=True, text=True, timeout=60, check=True)
        assert done.stderr == "", name
        assert "quicctl" in done.stdout


@needs("mandoc")
def test_mandoc_finds_no_fault(tmp_path: Path) -> None:
    for name, page in PAGES.items():
        (tmp_path / name).write_text(page)
    argv = ["mandoc", "-T", "lint", "-W", "warning", *sorted(map(str, tmp_path.iterdir()))]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_what_roff_takes_for_its_own_is_escaped() -> None:
    from quicctl import manpage

    assert manpage._text(".TH") == r"\&.TH"
    assert manpage._text("'a' \\n -x ~/.c") == r"\(aqa\(aq \en \-x \(ti/.c"


def test_command_writes_prints_and_refuses(cli: Cli, tmp_path: Path) -> None:
    done = cli("man", "--out", tmp_path / "pages", "--dry-run")
    assert done.returncode == 0
    assert "would write" in done.stdout
    assert not (tmp_path / "pages").exists()
    assert cli("man", "--out", tmp_path / "pages").returncode == 0
    assert {path.name for path in (tmp_path / "pages").iterdir()} == set(PAGES)
    assert cli("man", "cat").stdout.startswith(".TH QUICCTL\\-CAT 1 ")
    assert cli("man", "dog").returncode == 2
    (tmp_path / "file").touch()
    done = cli("man", "--out", tmp_path / "file")
    assert (done.returncode, "remedy: " in done.stderr) == (43, True)
