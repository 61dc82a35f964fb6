# SPDX-License-Identifier: GPL-2.0-or-later
"""What a folder's files are as answers: what is sent, what is not, and under which conditions."""

from __future__ import annotations

import asyncio
import email.utils
import os
from pathlib import Path

import pytest

from quicctl import errors
from quicctl.http3.exchange import Message
from quicctl.http3.files import Files, kind_of
from quicctl.http3.server import Request

TEXT = "0123456789"


@pytest.fixture
def www(tmp_path: Path) -> Path:
    folder = tmp_path / "www"
    (folder / "sub").mkdir(parents=True)
    (folder / "a b.txt").write_text(TEXT)
    (folder / "empty").write_text("")
    (folder / "sub" / "index.html").write_text("<p>index</p>")
    (folder / "list").mkdir()
    (folder / "list" / "<&>\udcff").write_text("")
    (folder / "list" / "deeper").mkdir()
    (folder / "inside").symlink_to("sub")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "www-secret").mkdir()
    (tmp_path / "www-secret" / "file").write_text("secret")
    (folder / "out").symlink_to(tmp_path / "secret")
    (folder / "out-folder").symlink_to("../www-secret")
    (folder / "nowhere").symlink_to("loop")
    (folder / "loop").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    return folder


def ask(folder: Path, path: str, method: str = "GET", lists: bool = True, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, fields and body."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}

    async def main() -> tuple[int, dict[str, str], bytes]:
        request = Request(method, path, "localhost", fields, ("192.0.2.1", 1), 0, Message(0))
        response = await Files(folder, lists=lists)(request)
        if isinstance(response.body, bytes):
            body = response.body
        else:
            body = b"".join([piece async for piece in response.body])
            await response.body.aclose()
        return response.status, dict(response.headers), body

    before = set(os.listdir("/proc/self/fd"))
    got = asyncio.run(main())
    assert len(os.listdir("/proc/self/fd")) <= len(before), "a descriptor is left open"
    return got


def test_file_is_sent_with_what_is_known_of_it(www: Path) -> None:
    status, headers, body = ask(www, "/a%20b.txt?query")
    assert (status, body) == (200, TEXT.encode())
    assert (headers["content-type"], headers["content-length"]) == ("text/plain; charset=utf-8", "10")
    assert headers["accept-ranges"] == "bytes" and headers["etag"].startswith('"')
    assert email.utils.parsedate_to_datetime(headers["last-modified"]).timestamp() == int((www / "a b.txt").stat().st_mtime)
    assert email.utils.parsedate_to_datetime(headers["date"])


def test_head_sends_the_same_without_the_body(www: Path) -> None:
    status, headers, body = ask(www, "/a%20b.txt", "HEAD", range="bytes=1-2")
    assert (status, headers["content-length"], body) == (200, "10", b"")
    assert ask(www, "/list/", "HEAD")[2] == b""


@pytest.mark.parametrize(
    "path",
    (
        "/../secret", "/sub/../../secret", "/%2e%2e/secret", "/..%2fsecret", "/out", "/out-folder/", "/out-folder/file",
        "/nowhere", "/missing", "/missing/", "/a%20b.txt/", "/sub/..", "/a%00", "*", "sub/", "https://localhost/sub/",
        "/" + "x" * 300,
    ),
)  # fmt: skip
def test_what_is_outside_or_nowhere_is_not_found(path: str, www: Path) -> None:
    assert ask(www, path)[0] == 404


def test_links_inside_lead_on(www: Path) -> None:
    assert ask(www, "/inside/")[2] == b"<p>index</p>"


def test_link_that_is_turned_while_it_is_looked_at(www: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was inside when it was resolved is outside when it is opened."""
    resolve = os.path.realpath

    def look(place: str | bytes, **more: bool) -> str | bytes:
        return os.fsencode(www) if os.fsencode(place).endswith(b"/out") else resolve(place, **more)

    monkeypatch.setattr(os.path, "realpath", look)
    assert ask(www, "/out")[0] == 404


def test_what_is_no_file_is_forbidden(www: Path) -> None:
    assert ask(www, "/pipe")[0] == 403
    (www / "list" / "index.html").mkdir()
    assert ask(www, "/list/")[0] == 403


def test_folder_has_a_slash_an_index_or_a_list(www: Path) -> None:
    status, headers, _ = ask(www, "/sub?x=1")
    assert (status, headers["location"]) == (301, "/sub/?x=1")
    assert ask(www, "//sub")[1]["location"] == "/sub/"
    status, headers, body = ask(www, "/sub/")
    assert (status, headers["content-type"], body) == (200, "text/html; charset=utf-8", b"<p>index</p>")
    status, _, body = ask(www, "/list/")
    assert status == 200
    assert b'<a href="./%3C%26%3E%FF">&lt;&amp;&gt;' in body and b'<a href="./deeper/">' in body and b'"./../"' in body
    assert b"<&>" not in body
    assert ask(www, "/list/", lists=False)[0] == 403
    assert b"../" not in ask(www, "/")[2]


@pytest.mark.parametrize(
    ("asked", "status", "expected", "where"),
    (
        ("bytes=0-3", 206, "0123", "bytes 0-3/10"), ("bytes=4-", 206, "456789", "bytes 4-9/10"),
        ("bytes=-3", 206, "789", "bytes 7-9/10"), ("bytes=-99", 206, TEXT, "bytes 0-9/10"),
        ("bytes=8-99", 206, "89", "bytes 8-9/10"), ("bytes=10-", 416, "", "bytes */10"), ("bytes=-0", 416, "", "bytes */10"),
        ("bytes=3-1", 200, TEXT, None), ("bytes=0-1,3-4", 200, TEXT, None), ("lines=1-2", 200, TEXT, None),
        ("bytes=-", 200, TEXT, None), ("bytes=\u0661-", 200, TEXT, None),
    ),
)  # fmt: skip
def test_ranges(asked: str, status: int, expected: str, where: str | None, www: Path) -> None:
    """RFC 9110, section 14.2: what is no range, or several, is as if it were not there."""
    got = ask(www, "/a%20b.txt", range=asked)
    assert (got[0], got[2].decode(), got[1].get("content-range")) == (status, expected, where)
    assert got[1]["content-length"] == str(len(expected))


def test_range_of_an_empty_file(www: Path) -> None:
    assert ask(www, "/empty", range="bytes=0-")[0] == 416
    assert ask(www, "/empty")[::2] == (200, b"")


def test_conditions(www: Path) -> None:
    path = "/a%20b.txt"
    old = 1_000_000_000
    os.utime(www / "a b.txt", (old, old))
    tag = ask(www, path)[1]["etag"]
    at, before, after = (email.utils.formatdate(old + more, usegmt=True) for more in (0, -10, 10))
    for headers, status in (
        ({"if_none_match": tag}, 304), ({"if_none_match": f'"x", W/{tag}'}, 304), ({"if_none_match": "*"}, 304),
        ({"if_none_match": '"x"'}, 200), ({"if_none_match": '"x"', "if_modified_since": at}, 200),
        ({"if_modified_since": at}, 304), ({"if_modified_since": after}, 304), ({"if_modified_since": before}, 200),
        ({"if_modified_since": "never"}, 200), ({"if_match": tag}, 200), ({"if_match": f"W/{tag}"}, 412),
        ({"if_match": '"x"'}, 412), ({"if_match": "*"}, 200), ({"if_unmodified_since": at}, 200),
        ({"if_unmodified_since": before}, 412), ({"if_match": tag, "if_unmodified_since": before}, 200),
        ({"range": "bytes=1-1", "if_range": tag}, 206), ({"range": "bytes=1-1", "if_range": '"x"'}, 200),
        ({"range": "bytes=1-1", "if_range": at}, 206), ({"range": "bytes=1-1", "if_range": after}, 200),
        ({"range": "bytes=1-1", "if_range": "x"}, 200), ({"range": "bytes=99-", "if_none_match": tag}, 304),
    ):  # fmt: skip
        got = ask(www, path, **headers)
        assert got[0] == status, headers
        if status == 304:
            assert got[1]["etag"] == tag and "content-length" not in got[1]


def test_date_of_a_file_that_just_changed_is_no_strong_condition(www: Path) -> None:
    now = ask(www, "/a%20b.txt")[1]["last-modified"]
    assert ask(www, "/a%20b.txt", range="bytes=1-1", if_range=now)[0] == 200


def test_methods(www: Path) -> None:
    status, headers, _ = ask(www, "/a%20b.txt", "DELETE")
    assert (status, headers["allow"]) == (405, "GET, HEAD")


def test_file_that_shrinks_is_not_taken_for_whole(www: Path) -> None:
    async def main() -> None:
        request = Request("GET", "/a%20b.txt", "localhost", {}, ("192.0.2.1", 1), 0, Message(0))
        response = await Files(www)(request)
        (www / "a b.txt").write_text("0")
        assert not isinstance(response.body, bytes)
        with pytest.raises(OSError, match="9 bytes too early"):
            _ = [piece async for piece in response.body]
        await response.body.aclose()

    asyncio.run(main())


def test_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(errors.FileUnreadable, match="cannot be served"):
        Files(tmp_path / "missing")


@pytest.mark.parametrize(
    ("name", "kind"),
    (
        ("a.png", "image/png"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.tar.gz", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ),
)
def test_kinds(name: str, kind: str) -> None:
    assert kind_of(name) == kind
