# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of sessions, and what goes out before a handshake."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from quicctl import errors, session, transfer, uapi
from quicctl.cli.app import app


def test_first_time_there_is_no_session(tmp_path: Path) -> None:
    assert session.load(tmp_path / "none") is None
    (tmp_path / "empty").touch()
    assert session.load(tmp_path / "empty") is None


def test_what_was_saved_is_loaded_and_nobody_elses_business(tmp_path: Path) -> None:
    path = tmp_path / "session"
    session.save(path, b"first")
    session.save(path, b"second")
    assert session.load(path) == b"second"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["session"]


def test_trouble_with_files_is_said_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(errors.FileUnwritable, match="cannot be written"):
        session.save(tmp_path / "no" / "folder", b"x")
    with pytest.raises(errors.FileUnreadable, match="cannot be read"):
        session.load(tmp_path)


class FakeSocket:
    """What begin_early() needs of a socket."""

    def __init__(self, credit: int, refuse: int = 0) -> None:
        self.credit = credit
        self.refuse = refuse
        self.sent: list[tuple[bytes, int, int]] = []

    def settimeout(self, seconds: float) -> None: ...

    def transport_params(self, *, remote: bool) -> uapi.TransportParams:
        return uapi.TransportParams(max_data=self.credit)

    def open_stream(self, *, wait: bool) -> int:
        if self.refuse:
            raise OSError(self.refuse, os.strerror(self.refuse))
        return 0

    def send(self, data: bytes | memoryview, stream_id: int, flags: int) -> int:
        taken = bytes(data[: self.credit])
        self.sent.append((taken, stream_id, flags))
        return len(taken)


def begin(sock: Any, path: Path | None) -> tuple[transfer.Flow, transfer.Source]:
    source = transfer.Source(path)
    flow = transfer.Flow(sock, source, transfer.Sink(None), ("192.0.2.1", 1))
    flow.begin_early()
    return flow, source


@pytest.mark.parametrize(("size", "early", "fin"), [(100, 100, True), (8192, 8192, True), (8193, 8192, False), (0, 0, True)])
def test_first_bytes_go_out_early(tmp_path: Path, size: int, early: int, fin: bool) -> None:
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    sock = FakeSocket(1 << 20)
    flow, source = begin(sock, tmp_path / "file")
    assert sock.sent == [(content[:early], 0, uapi.MsgFlag.STREAM_FIN if fin else 0)]
    assert flow.sent.bytes == early
    assert b"".join(bytes(piece) for piece in source.slices(early)) == content[early:]


def test_early_data_keeps_to_what_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(5000))
    for sock in (FakeSocket(0), FakeSocket(5000, errno.EINVAL)):
        assert begin(sock, tmp_path / "file")[0].sent.bytes == 0
        assert not sock.sent
    assert begin(FakeSocket(2000), tmp_path / "file")[0].sent.bytes == 2000


def test_unexpected_trouble_is_not_swallowed(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Broken pipe"):
        begin(FakeSocket(1, errno.EPIPE), None)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--listen", "127.0.0.1:0", "--session", "x"], "--session is for clients"),
        (["127.0.0.1:1", "--early-data"], "needs --session"),
        (["127.0.0.1:1", "--client-auth", "request"], "for servers"),
        (["--listen", "127.0.0.1:0", "--client-auth", "require"], "needs --ca"),
    ],
)
def test_options_that_make_no_sense_are_refused(words: list[str], why: str) -> None:
    result = CliRunner(env={"COLUMNS": "400"}).invoke(app, ["handshake", *words])
    assert result.exit_code == 2
    assert why in result.output
