# SPDX-License-Identifier: GPL-2.0-or-later
"""Chromium as the stranger: a headless browser that is told by the DevTools protocol what to fetch from our server.

One process serves all tests; each page has a browser context of its own, so that its connections, sessions and caches are its
own as well, and end with it.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import itertools
import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import SLOW, Pki
from programs import root

from quicctl import process

PATIENCE = 30 * SLOW
_PROGRAM = "/usr/lib/chromium/chromium-headless-shell"
# Chromium looks for its files beside its own program, which the suite's loader would hide: the tree becomes the root folder.
_ENTER = """
new=$1 tree=$2
shift 2
mount -t tmpfs tmpfs "$new"
for name in bin sbin lib lib64; do ln -s "usr/$name" "$new/$name"; done
mkdir "$new/usr" "$new/etc" "$new/proc" "$new/dev" "$new/tmp"
mount --bind "$tree/usr" "$new/usr"
mount --bind "$tree/etc" "$new/etc"
mount --rbind /proc "$new/proc"
mount --rbind /dev "$new/dev"
mount -t tmpfs tmpfs "$new/tmp"
exec chroot "$new" "$@"
"""
_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--no-zygote", "--in-process-gpu", "--enable-features=NetworkServiceInProcess2",
    "--no-first-run", "--user-data-dir=/tmp/profile", "--disable-dev-shm-usage", "--remote-debugging-pipe", "--mute-audio",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--disable-sync",
    "--enable-quic", "--origin-to-force-quic-on=*", "--disable-web-security",
    "--webtransport-developer-mode", "--host-resolver-rules=MAP localhost 127.0.0.1",
)  # fmt: skip
_FETCH = """(async (urls, body) => {
  const given = body && Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0));
  const one = async (url) => {
    const answer = await fetch(url, given ? { method: 'POST', body: given } : { cache: 'no-store' });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    let text = '';
    for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    return btoa(text);
  };
  return Promise.all(urls.map(one));
})"""


_ECHO = """(async (url, count) => {
  const session = new WebTransport(url);
  await session.ready;
  const [to, from] = [session.datagrams.writable.getWriter(), session.datagrams.readable.getReader()];
  const got = [];
  for (let number = 0; number < count; number += 1) {
    await to.write(new TextEncoder().encode(`datagram ${number}`));
    got.push(new TextDecoder().decode((await from.read()).value));
  }
  session.close();
  return got;
})"""


class Refused(Exception):
    """The browser did not do it, and says why."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page in a browser context of its own."""

    browser: Chromium
    context: str
    session: str

    def fetch(self, urls: Sequence[str], body: Path | None = None) -> list[str]:
        """All at once, with a body by POST; the hashes of the answers. Raises Refused."""
        given = base64.b64encode(body.read_bytes()).decode() if body else None
        got = self.evaluate(f"{_FETCH}({json.dumps(list(urls))}, {json.dumps(given)})")
        return [hashlib.sha256(base64.b64decode(answer)).hexdigest() for answer in got]

    def evaluate(self, script: str) -> Any:
        """The value of a script, or of what it promises. Raises Refused."""
        answer = self.browser.call("Runtime.evaluate", self.session, expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise Refused(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def echo(self, url: str, count: int) -> list[str]:
        """From a page that came over HTTPS: datagrams by WebTransport, one after the other, and what came back."""
        answers: list[str] = self.evaluate(f"{_ECHO}({json.dumps(url)}, {count})")
        return answers

    def begin(self, url: str) -> None:
        """Ask for something, and do not wait for it."""
        self.evaluate(f"void fetch({json.dumps(url)}).catch(() => undefined)")

    def load(self, url: str) -> str:
        """Load a page, and what it asks for; its text. Raises Refused."""
        self.browser.call("Page.enable", self.session)
        loaded = self.browser.expect("Page.loadEventFired", self.session)
        answer = self.browser.call("Page.navigate", self.session, url=url)
        if "errorText" in answer:
            raise Refused(answer["errorText"])
        loaded.get(timeout=4 * PATIENCE)
        return str(self.evaluate("document.body.innerText"))


class Chromium:
    """A browser's process."""

    def __init__(self, pki: Pki, *flags: str) -> None:
        tree = root("trixie").tree
        der = subprocess.run(["openssl", "x509", "-in", pki.cert, "-pubkey", "-noout"], check=True, capture_output=True).stdout
        der = subprocess.run(
            ["openssl", "pkey", "-pubin", "-outform", "der"], input=der, check=True, capture_output=True
        ).stdout
        trusted = base64.b64encode(hashlib.sha256(der).digest()).decode()
        self._folder = tempfile.TemporaryDirectory()
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # The browser reads from descriptor 3 and writes to 4, wherever ours are.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs_in, theirs_out)]
        self.log = Path(self._folder.name) / "log"
        new = Path(self._folder.name) / "root"
        new.mkdir()

        def place() -> None:
            for at, end in enumerate(ends, 3):
                os.dup2(end, at)

        with self.log.open("wb") as said:
            self._child = subprocess.Popen(
                ["unshare", "-m", "sh", "-euc", _ENTER, "sh", new, tree, _PROGRAM, *_FLAGS,
                 f"--ignore-certificate-errors-spki-list={trusted}", *flags],
                stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True, pass_fds=(3, 4),
                env={"PATH": os.environ["PATH"], "HOME": "/tmp"}, preexec_fn=place,
            )  # fmt: skip
        for end in (theirs_in, theirs_out, *ends):
            os.close(end)
        self._numbers = itertools.count(1)
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._events: dict[tuple[str, str], queue.Queue[dict[str, Any]]] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """End the process, which a test may have stopped."""
        process.kill(self._child)
        os.close(self._out)
        self._folder.cleanup()

    def stop(self) -> None:
        """Let it hang."""
        os.killpg(self._child.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it run again."""
        os.killpg(self._child.pid, signal.SIGCONT)

    @contextlib.contextmanager
    def page(self) -> Iterator[Page]:
        """An empty page; its connections are closed at the end."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        try:
            target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
            session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            yield Page(self, context, session)
        finally:
            self.call("Target.disposeBrowserContext", browserContextId=context)

    def call(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """A command of the protocol, and its result. Raises Refused."""
        number = next(self._numbers)
        waiting = self._answers[number] = queue.Queue()
        words = {"id": number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        os.write(self._out, json.dumps(words).encode() + b"\0")
        try:
            answer = waiting.get(timeout=4 * PATIENCE)
        except queue.Empty:
            raise AssertionError(f"no answer to {method}: {self.log.read_text()[-2000:]}") from None
        if "error" in answer:
            raise Refused(json.dumps(answer["error"]))
        result: dict[str, Any] = answer["result"]
        return result

    def expect(self, event: str, session: str) -> queue.Queue[dict[str, Any]]:
        """Where an event will be told."""
        return self._events.setdefault((event, session), queue.Queue())

    def _listen(self) -> None:
        rest = b""
        while data := os.read(self._in, 1 << 16):
            *messages, rest = (rest + data).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self._answers.pop(message["id"]).put(message)
                elif (key := (message["method"], message.get("sessionId", ""))) in self._events:
                    self._events[key].put(message["params"])
        os.close(self._in)
