# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs are run as lists, end in time, leave nobody behind, and fail with their last words."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from quicctl import errors, process


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


def wait_for(condition: object, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if callable(condition) and condition():
            return
        time.sleep(0.01)
    raise AssertionError("the condition did not come true")


def test_output_and_errors_are_kept_apart() -> None:
    done = process.run(["sh", "-c", "echo out; echo err >&2"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n", "err\n")


def test_arguments_are_no_shell_words() -> None:
    assert process.run(["printf", "%s", "a b; $HOME *"]).stdout == "a b; $HOME *"


def test_failure_carries_status_and_last_output() -> None:
    with pytest.raises(errors.CommandFailed) as caught:
        process.run(["sh", "-c", "seq 100 >&2; exit 7"])
    assert caught.value.returncode == 7
    assert caught.value.detail.splitlines()[-1] == "100"
    assert len(caught.value.detail.splitlines()) <= 30


def test_unchecked_failure_is_returned() -> None:
    assert process.run(["sh", "-c", "exit 3"], check=False).returncode == 3


def test_missing_program_is_named_with_a_remedy() -> None:
    with pytest.raises(errors.ToolMissing) as caught:
        process.run(["no-such-program-of-ours"])
    assert "no-such-program-of-ours" in caught.value.message
    assert "install" in caught.value.remedy


def test_missing_program_unchecked_is_127() -> None:
    assert process.run(["no-such-program-of-ours"], check=False).returncode == process.NOT_FOUND


def test_missing_folder_is_not_taken_for_a_missing_program(tmp_path: Path) -> None:
    with pytest.raises(errors.CommandFailed) as caught:
        process.run(["true"], cwd=tmp_path / "nowhere")
    assert not isinstance(caught.value, errors.ToolMissing)


@pytest.mark.parametrize("lines", [False, True])
def test_timeout_kills_the_children_too(tmp_path: Path, lines: bool) -> None:
    pid_file = tmp_path / "pid"
    script = f"echo before; sleep 600 & echo $! >{pid_file}; wait"
    with pytest.raises(errors.CommandTimeout) as caught:
        process.run(["sh", "-c", script], timeout=0.5, on_line=(lambda line: None) if lines else None)
    assert "before" in caught.value.detail
    wait_for(lambda: gone(int(pid_file.read_text())))


def test_lines_come_while_the_program_runs() -> None:
    seen: list[tuple[str, float]] = []
    process.run(["sh", "-c", "echo one; sleep 0.3; echo two"], on_line=lambda line: seen.append((line, time.monotonic())))
    assert [line for line, _ in seen] == ["one", "two"]
    assert seen[1][1] - seen[0][1] > 0.2


def test_input_reaches_the_program() -> None:
    assert process.run(["cat"], input="given").stdout == "given"


def test_running_program_ends_with_its_block(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with process.running(["sh", "-c", f"sleep 600 & echo $! >{pid_file}; wait"]) as child:
        wait_for(lambda: pid_file.exists() and pid_file.read_text().strip())
        assert child.poll() is None
    assert gone(child.pid)
    wait_for(lambda: gone(int(pid_file.read_text())))


def test_running_program_that_ignores_a_polite_request_ends_too() -> None:
    with process.running(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        process.kill(child, grace=0.2)
    assert gone(child.pid)


def test_end_is_told_in_words() -> None:
    assert process.describe_end(3) == "ended with status 3"
    assert process.describe_end(-9) == "was killed by SIGKILL"
