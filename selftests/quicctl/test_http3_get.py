# SPDX-License-Identifier: GPL-2.0-or-later
"""quicctl get and serve as far as they go without a kernel: URLs, options, files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from quicctl import errors, libquic
from quicctl.cli import get as command
from quicctl.cli import serve
from quicctl.cli.app import app
from quicctl.http3 import fetch, serving
from quicctl.http3.client import Request
from quicctl.http3.fetch import Fetched, Url
from quicctl.http3.server import Served


@pytest.mark.parametrize(
    ("text", "host", "port", "authority", "path", "name"),
    (
        ("https://a.example", "a.example", 443, "a.example", "/", "index.html"),
        ("a.example:8443/x/y.png?q=1&r#part", "a.example", 8443, "a.example:8443", "/x/y.png?q=1&r", "y.png"),
        ("https://[::1]:4433/a b%20c/", "::1", 4433, "[::1]:4433", "/a%20b%20c/", "index.html"),
        ("https://bücher.example/ü", "xn--bcher-kva.example", 443, "xn--bcher-kva.example", "/%C3%BC", "%C3%BC"),
        ("https://a/x/..", "a", 443, "a", "/x/..", "index.html"),
    ),
)
def test_url(text: str, host: str, port: int, authority: str, path: str, name: str) -> None:
    url = Url.parse(text)
    assert (url.host, url.port, url.authority, url.path, url.name) == (host, port, authority, path, name)


@pytest.mark.parametrize(
    "text", ("http://a/", "https:///x", "https://a:x/", "https://user@a/", "https://a:99999/", "https://[::1/")
)
def test_url_that_is_none(text: str) -> None:
    with pytest.raises(errors.BadUrl):
        Url.parse(text)


def test_request_that_may_go_early() -> None:
    assert Request("a", "/", "HEAD").repeatable
    assert not any(one.repeatable for one in (Request("a", "/", "POST"), Request("a", "/", body=b"x")))


@pytest.mark.parametrize(
    ("words", "says"),
    (
        (("get", "a", "--early-data"), "--early-data needs --session"),
        (("get", "a", "--early-data", "--session", "x", "-d", "x"), "GET and HEAD without a body"),
        (("get", "a", "-I", "-d", "x"), "exclude each other"),
        (("get", "a", "b", "-o", "x"), "2 URLs and 1 --out"),
        (("get", "a", "-H", "nothing"), "write NAME:VALUE"),
        (("get", "a", "-H", "x: \x01"), "characters"),
        (("serve", ".", "--client-auth", "require"), "needs --ca"),
        (("serve", ".", "--idle-timeout", "0.5"), "1 to 4294"),
    ),
)
def test_options_that_do_not_go_together(words: tuple[str, ...], says: str) -> None:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 2 and says in " ".join(re.sub("[│╭╮╰╯─]", " ", done.output).split()), done.output


def test_url_is_checked_before_anything_is_done() -> None:
    done = CliRunner().invoke(app, ["get", "http://a/"])
    assert (done.exit_code, "over HTTP/3" in done.output) == (61, True)


def test_missing_aioquic_is_said_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "aioquic.py").write_text("raise ImportError('not here')")
    done = subprocess.run(
        [sys.executable, "-m", "quicctl", "get", "a"], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 60 and "pip install 'quicctl[http3]'" in done.stderr, done.stderr


def test_file_is_there_when_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    with pytest.raises(RuntimeError), command._sink(tmp_path / "old", "") as sink:
        sink.write(b"half of the ne")
        raise RuntimeError
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("old", "old")]
    with command._sink(tmp_path, "new") as sink:
        sink.write(b"new")
    assert (tmp_path / "new").read_text() == "new"
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o666 & ~command._umask()
    with command._sink(Path("/dev/null"), "") as sink:
        sink.write(b"gone")
    nowhere = tmp_path / "no" / "folder"
    with pytest.raises(errors.FileUnwritable, match=f"^{nowhere} cannot"), command._sink(nowhere, ""):
        pass


def test_bodies(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"from a file")
    assert [command._body(data) for data in (None, "text", f"@{tmp_path / 'file'}")] == [b"", b"text", b"from a file"]
    with pytest.raises(errors.FileUnreadable):
        command._body(f"@{tmp_path / 'missing'}")


def test_what_is_shown(agreed: libquic.Handshake) -> None:
    fetched = Fetched("https://a/", 200, [], [], 5, 0.25, "0" * 64, True, 0, agreed)
    assert list(command.render([fetched])[0].rows[0]) == ["https://a/", "200", "5", "250 ms", "early", "0" * 16]
    served = Served(("192.0.2.1", 1), "GET", "/\x1b[2J", 200, 5, False, "none")
    assert serve.summary(served) == "192.0.2.1:1 GET /\\x1b[2J 200 5 given up"


@pytest.fixture
def agreed() -> libquic.Handshake:
    from fake_connection import AGREED

    return AGREED


def test_get_reports_and_refuses(tmp_path: Path, agreed: libquic.Handshake, monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[fetch.Plan] = []

    def fetched(wanted: Sequence[fetch.Wanted], plan: fetch.Plan, **hooks: Any) -> list[Fetched]:
        plans.append(plan)
        assert wanted[0].sink is not None
        wanted[0].sink.write(b"body")
        hooks["on_session"](b"fresh")
        return [Fetched(wanted[0].url.text, 404, [("a", "b")], [], 4, 0.1, "0" * 64, False, 0, agreed)]

    monkeypatch.setattr(fetch, "fetch", fetched)
    (tmp_path / "session").write_bytes(b"kept")
    words = ["get", "a/x", "-o", f"{tmp_path}/", "--session", str(tmp_path / "session"), "--early-data", "--ca", "ca.pem",
             "-r", "1-2", "--priority", "u=1", "-H", "X-A: b", "--cc", "bbr", "--version", "2", "--json"]  # fmt: skip
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 63 and "status 404" in done.output
    assert json.loads(done.output[done.output.index("[\n") : done.output.rindex("]") + 1])[0]["headers"] == [["a", "b"]]
    assert (tmp_path / "x").read_bytes() == b"body"
    assert (tmp_path / "session").read_bytes() == b"fresh"
    [plan] = plans
    assert (plan.session, plan.early, plan.method) == (b"kept", True, "GET")
    assert plan.headers == [("x-a", "b"), ("range", "bytes=1-2"), ("priority", "u=1")]
    assert plan.settings["ca"] == Path("ca.pem") and plan.settings["congestion"].name == "BBR"


def test_serve_passes_on_what_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []

    def served(folder: Path, host: str, port: int, **more: Any) -> bool:
        told.append({"folder": folder, "host": host, "port": port, **more})
        more["on_listening"]((host, port))
        more["on_signal"]()
        more["on_served"](Served(("192.0.2.1", 1), "GET", "/", 200, 5, True, "none"))
        return True

    monkeypatch.setattr(serving, "serve", served)
    words = ["serve", str(tmp_path), "--listen", "[::1]:443", "--cert", "c", "--key", "k", "--retry", "--no-lists"]
    plain = CliRunner().invoke(app, words)
    assert "serving" in plain.output and "192.0.2.1:1 GET / 200 5" in plain.output and "finishing" in plain.output
    as_json = CliRunner().invoke(app, [*words, "--json", "--cc", "reno", "--idle-timeout", "5"])
    assert '"path": "/"' in as_json.output
    assert (told[0]["host"], told[0]["port"], told[0]["retry"], told[0]["lists"]) == ("::1", 443, True, False)
    assert told[1]["params"].max_idle_timeout == 5_000_000
