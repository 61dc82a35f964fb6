# SPDX-License-Identifier: GPL-2.0-or-later
"""What pytest's results look like as KTAP, by a run of each kind of result."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from quicctl.ktap import Parser, Status

TESTS = """
import pytest

def test_good(): print("not shown")

@pytest.mark.parametrize("what", ["a#b"])
def test_named(what): pass

def test_bad():
    print("said before")
    assert 1 == 2

@pytest.mark.skip(reason="not here")
def test_left_out(): pass

@pytest.fixture
def leaving():
    yield
    raise RuntimeError("left a mess")

def test_untidy(leaving): pass

@pytest.fixture
def broken():
    raise RuntimeError("cannot begin")

def test_never_begun(broken): pass
"""


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pytest", "-p", "quicctl.ktap_pytest", "-p", "no:terminal", "-p", "no:cacheprovider", *words]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=100)


def test_results_of_each_kind(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(TESTS)
    (tmp_path / "test_skipped.py").write_text("import pytest\npytest.skip('nothing to do', allow_module_level=True)\n")
    done = run(tmp_path, "test_x.py", "test_skipped.py")
    parser = Parser()
    for line in done.stdout.splitlines():
        parser.feed(line)
    assert {result.name: result.status for result in parser.results} == {
        "test_skipped": Status.SKIP,
        "test_x.test_good": Status.PASS,
        "test_x.test_named[a_b]": Status.PASS,
        "test_x.test_bad": Status.FAIL,
        "test_x.test_left_out": Status.SKIP,
        "test_x.test_untidy": Status.PASS,
        "test_x.test_untidy.teardown": Status.FAIL,
        "test_x.test_never_begun": Status.FAIL,
    }
    assert "# said before" in done.stdout
    assert "# SKIP not here" in done.stdout
    assert "left a mess" in done.stdout
    assert "not shown" not in done.stdout
    assert done.returncode == 1


def test_file_that_does_not_load_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text("import nothing_of_that_name\n")
    done = run(tmp_path)
    assert "not ok 1 test_x" in done.stdout
    assert "nothing_of_that_name" in done.stdout
    assert done.returncode != 0


def test_run_without_tests_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(TESTS)
    done = run(tmp_path, "-k", "nothing_matches_this")
    assert done.returncode == 0
    assert "1..0" in done.stdout
