# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl vm shell``: what is typed reaches a shell on a terminal, and its exit status comes back."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time

import pytest

PATIENCE = 240.0


class Screen:
    """What a terminal shows, in order."""

    def __init__(self, terminal: int, deadline: float) -> None:
        self._terminal = terminal
        self._deadline = deadline
        self._unread = b""

    def wait_for(self, wanted: bytes) -> None:
        """Read on until that is seen."""
        while wanted not in self._unread:
            assert time.monotonic() < self._deadline, self._unread.decode(errors="replace")
            if select.select([self._terminal], [], [], 1)[0]:
                self._unread += os.read(self._terminal, 4096)
        self._unread = self._unread.partition(wanted)[2]


@pytest.mark.timeout(600)
def test_shell_on_a_terminal() -> None:
    """Keys are keys: Ctrl-C ends what runs in the guest, not the guest."""
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "quicctl", "vm", "shell", "--no-module"]
    child = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    screen = Screen(ours, time.monotonic() + PATIENCE)
    try:
        screen.wait_for(b"guest:")
        os.write(ours, b"echo $((6 * 7)) on $(tty)\r")
        screen.wait_for(b"42 on /dev/pts/")
        screen.wait_for(b"guest:")
        os.write(ours, b"sleep 1000\r")
        screen.wait_for(b"sleep 1000")
        time.sleep(1)
        os.write(ours, b"\x03")
        screen.wait_for(b"guest:")
        os.write(ours, b"exit 7\r")
        screen.wait_for(b"exit")
        assert child.wait(timeout=60) == 7
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait(timeout=60)
        os.close(ours)
