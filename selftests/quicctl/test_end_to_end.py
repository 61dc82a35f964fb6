# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl handshake`` against itself, over the real module: skipped where it is not loaded, run in the guests."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from quicctl import module, pki, process

pytestmark = [
    pytest.mark.skipif(not module.usable(), reason="the module is not loaded"),
    pytest.mark.timeout(600),
]

QUICCTL = [sys.executable, "-m", "quicctl"]
PATIENCE = 120.0


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> pki.Pki:
    return pki.make(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> pki.Pki:
    """The keys of an authority that nobody was told of."""
    return pki.make(tmp_path_factory.mktemp("strangers"))


class Server:
    """A server in the background and what it said."""

    def __init__(self, child: subprocess.Popen[bytes], log: Path) -> None:
        self.child = child
        self.log = log
        self.address = self._wait()

    def _wait(self) -> str:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for line in self.log.read_text().splitlines():
                if line.startswith("listening on "):
                    return line.removeprefix("listening on ")
            assert self.child.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise AssertionError("the server did not get ready")

    def end(self) -> tuple[int, str, str]:
        """Wait until it ends by itself; returns status, output and errors."""
        out, _ = self.child.communicate(timeout=PATIENCE)
        return self.child.returncode, out.decode(), self.log.read_text()


@contextmanager
def serving(folder: Path, *words: str | Path, host: str = "127.0.0.1") -> Iterator[Server]:
    log = folder / "server.log"
    argv = [*QUICCTL, "handshake", "--listen", f"{host}:0", "--timeout", "60", *map(str, words)]
    with log.open("wb") as errors, process.running(argv, stdout=subprocess.PIPE, stderr=errors) as child:
        yield Server(child, log)


def connect(address: str, *words: str | Path, stdin: bytes = b"", timeout: str = "60") -> subprocess.CompletedProcess[bytes]:
    argv = [*QUICCTL, "handshake", address, "--timeout", timeout, *map(str, words)]
    return subprocess.run(argv, input=stdin, capture_output=True, timeout=PATIENCE)


def shown(keys: pki.Pki) -> list[str | Path]:
    return ["--cert", keys.cert, "--key", keys.key]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def report(done: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(done: subprocess.CompletedProcess[bytes], code: int) -> str:
    text = done.stderr.decode()
    assert done.returncode == code, text
    assert text.count("error: ") == 1
    assert text.count("remedy: ") == 1
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize("congestion", ["reno", "cubic"])
@pytest.mark.parametrize(("host", "name"), [("127.0.0.1", "127.0.0.1"), ("[::1]", "localhost")])
def test_files_move_both_ways(tmp_path: Path, keys: pki.Pki, host: str, name: str, congestion: str) -> None:
    for file, size in (("up", 1_500_003), ("down", 1_000_001)):
        (tmp_path / file).write_bytes(os.urandom(size))
    words = ["--send", tmp_path / "down", "--recv", tmp_path / "up2", "--alpn", "a,b", "--cc", congestion, "--json"]
    with serving(tmp_path, *shown(keys), *words, host=host) as server:
        done = connect(
            server.address, "--ca", keys.ca, "--servername", name, "--send", tmp_path / "up", "--recv", tmp_path / "down2",
            "--alpn", "b", "--cc", congestion, "--json",
        )  # fmt: skip
        client = report(done)
        status, out, log = server.end()
    assert status == 0, log
    served = json.loads(out)
    assert sha256(tmp_path / "up") == sha256(tmp_path / "up2") == client["sent"]["sha256"] == served["received"]["sha256"]
    assert sha256(tmp_path / "down") == sha256(tmp_path / "down2") == served["sent"]["sha256"]
    assert client["handshake"]["alpn"] == served["handshake"]["alpn"] == "b"
    assert client["handshake"]["verify"] == "ok"
    assert client["remote_params"]["max_data"] == served["local_params"]["max_data"]


def test_standard_streams_carry_data(tmp_path: Path, keys: pki.Pki) -> None:
    with serving(tmp_path, *shown(keys), "--recv", "-") as server:
        done = connect(server.address, "--ca", keys.ca, "--send", "-", stdin=b"typed in\n" * 1000)
        assert done.returncode == 0, done.stderr.decode()
        status, out, log = server.end()
    assert (status, out) == (0, "typed in\n" * 1000), log


def test_server_echoes_for_several_clients(tmp_path: Path, keys: pki.Pki) -> None:
    content = os.urandom(100_000)
    (tmp_path / "data").write_bytes(content)
    with serving(tmp_path, *shown(keys), "--echo", "--count", "3", "--json") as server:
        for number in range(3):
            back = tmp_path / f"back{number}"
            done = connect(server.address, "--ca", keys.ca, "--send", tmp_path / "data", "--recv", back, "--json")
            assert report(done)["received"]["bytes"] == len(content)
            assert back.read_bytes() == content
        status, out, log = server.end()
    assert status == 0, log
    assert len(json.loads(out)) == 3


def test_handshake_alone_is_enough(tmp_path: Path, keys: pki.Pki) -> None:
    with serving(tmp_path, *shown(keys)) as server:
        done = connect(server.address, "--ca", keys.ca)
        assert done.returncode == 0, done.stderr.decode()
        assert b"TLS_AES_128_GCM_SHA256" in done.stdout
        assert server.end()[0] == 0


def test_pre_shared_key(tmp_path: Path) -> None:
    (tmp_path / "psk").write_text("someone:00112233445566778899aabbccddeeff\n")
    with serving(tmp_path, "--psk", tmp_path / "psk", "--json") as server:
        client = report(connect(server.address, "--psk", tmp_path / "psk", "--json"))
        status, out, log = server.end()
    assert status == 0, log
    assert client["handshake"]["psk_identity"] == json.loads(out)["handshake"]["psk_identity"] == "someone"


def test_client_certificate(tmp_path: Path, keys: pki.Pki) -> None:
    with serving(tmp_path, *shown(keys), "--ca", keys.ca, "--json") as server:
        report(connect(server.address, "--ca", keys.ca, *shown(keys), "--json"))
        status, out, log = server.end()
    assert status == 0, log
    assert json.loads(out)["handshake"]["verify"] == "ok"


def test_closed_port(keys: pki.Pki) -> None:
    text = refused(connect("127.0.0.1:9", "--ca", keys.ca, timeout="2"), 45)
    assert "the port may be closed" in text


def test_certificate_of_a_stranger(tmp_path: Path, keys: pki.Pki, strangers: pki.Pki) -> None:
    with serving(tmp_path, *shown(keys)) as server:
        text = refused(connect(server.address, "--ca", strangers.ca), 46)
        assert "--ca" in text
        status, _, log = server.end()
    assert status == 53, log
    assert "does not accept our certificate" in log


def test_certificate_for_another_name(tmp_path: Path, keys: pki.Pki) -> None:
    with serving(tmp_path, *shown(keys)) as server:
        text = refused(connect(server.address, "--ca", keys.ca, "--servername", "elsewhere.example"), 46)
    assert "--servername" in text


def test_any_certificate_when_told_so(tmp_path: Path, keys: pki.Pki) -> None:
    with serving(tmp_path, *shown(keys)) as server:
        client = report(connect(server.address, "--insecure", "--json"))
    assert client["handshake"]["verify"] in ("ignored", "none")


def test_no_protocol_in_common(tmp_path: Path, keys: pki.Pki) -> None:
    with serving(tmp_path, *shown(keys), "--alpn", "one") as server:
        # The listener takes no client that offers something else, so the client hears nothing at all.
        done = connect(server.address, "--ca", keys.ca, "--alpn", "two", timeout="4")
        assert done.returncode in (45, 47), done.stderr.decode()
        assert "remedy: " in done.stderr.decode()


def test_address_in_use(tmp_path: Path, keys: pki.Pki) -> None:
    with serving(tmp_path, *shown(keys)) as server:
        argv = [*QUICCTL, "handshake", "--listen", server.address, *map(str, shown(keys))]
        refused(subprocess.run(argv, capture_output=True, timeout=PATIENCE), 51)


def test_server_that_dies_is_noticed(tmp_path: Path, keys: pki.Pki) -> None:
    with serving(tmp_path, *shown(keys), "--recv", tmp_path / "out") as server:
        argv = [*QUICCTL, "handshake", server.address, "--ca", str(keys.ca), "--timeout", "10"]
        argv += ["--send", "-", "--recv", "/dev/null"]
        with process.running(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as client:
            assert client.stdin is not None
            client.stdin.write(b"x" * 100_000)
            client.stdin.flush()
            deadline = time.monotonic() + PATIENCE
            while not (tmp_path / "out").exists() or (tmp_path / "out").stat().st_size == 0:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            process.kill(server.child)
            client.stdin.close()
            client.stdin = None
            _, errors = client.communicate(timeout=PATIENCE)
            assert client.returncode == 49, errors.decode()
