# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl cat`` against itself, over the real module: skipped where it is not loaded, run in the guests."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
from test_end_to_end import PATIENCE, QUICCTL, Server, connect, refused, shown

from quicctl import module, netns, pki, process

pytestmark = [
    pytest.mark.skipif(not module.usable(), reason="the module is not loaded"),
    pytest.mark.timeout(600),
]

EVERY_BYTE = bytes(range(256)) * 41


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> pki.Pki:
    return pki.make(tmp_path_factory.mktemp("pki"))


@contextmanager
def listening(folder: Path, keys: pki.Pki, *words: str | Path, stdin: int | IO[bytes] = subprocess.DEVNULL) -> Iterator[Server]:
    """A server in the background; its output is a pipe."""
    log = folder / "server.log"
    argv = [*QUICCTL, "cat", "--listen", "127.0.0.1:0", "--timeout", "60", *map(str, (*shown(keys), *words))]
    with log.open("wb") as errors, process.running(argv, stdin=stdin, stdout=subprocess.PIPE, stderr=errors) as child:
        yield Server(child, log)


def client(server: Server, keys: pki.Pki, *words: str | Path) -> list[str]:
    return [*QUICCTL, "cat", server.address, "--ca", str(keys.ca), "--timeout", "60", *map(str, words)]


def send(server: Server, keys: pki.Pki, *words: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(client(server, keys, *words), input=stdin, capture_output=True, timeout=PATIENCE)


def ended(server: Server) -> tuple[int, bytes, str]:
    out, _ = server.child.communicate(timeout=PATIENCE)
    return server.child.returncode, out, server.log.read_text()


def wait_for(what: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("words", [(), ("--uni",)])
def test_every_byte_moves_both_ways(tmp_path: Path, keys: pki.Pki, words: tuple[str, ...]) -> None:
    up, down = EVERY_BYTE + os.urandom(700_001), os.urandom(500_003) + EVERY_BYTE
    (tmp_path / "down").write_bytes(down)
    with (tmp_path / "down").open("rb") as file, listening(tmp_path, keys, stdin=file) as server:
        done = send(server, keys, "--json", *words, stdin=up)
        status, out, log = ended(server)
    assert done.returncode == status == 0, done.stderr.decode() + log
    assert done.stdout == down
    assert out == up
    report = json.loads(done.stderr)
    assert (report["sent"], report["received"], report["role"]) == (len(up), len(down), "client")


def test_nothing_is_said_unless_asked_for(tmp_path: Path, keys: pki.Pki) -> None:
    with listening(tmp_path, keys) as server:
        done = send(server, keys, stdin=b"x")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert ended(server)[:2] == (0, b"x")


def test_server_may_speak_first_and_each_direction_ends_alone(tmp_path: Path, keys: pki.Pki) -> None:
    """The client waits for a line before it says anything, and is still heard after the server has said its last."""
    with listening(tmp_path, keys, stdin=subprocess.PIPE) as server:
        argv = client(server, keys)
        with process.running(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            assert server.child.stdin and child.stdin and child.stdout
            server.child.stdin.write(b"who is there?\n")
            server.child.stdin.flush()
            assert child.stdout.readline() == b"who is there?\n"
            server.child.stdin.close()
            assert child.stdout.read() == b"", "end of file reaches a reader while the other direction is open"
            child.stdin.write(b"me\n")
            child.stdin.close()
            assert server.child.stdout is not None
            assert server.child.stdout.read() == b"me\n"
            assert (child.wait(PATIENCE), server.child.wait(PATIENCE)) == (0, 0), server.log.read_text()
            child.stdin = server.child.stdin = None


def test_typed_lines_arrive_as_they_are_typed(tmp_path: Path, keys: pki.Pki) -> None:
    with listening(tmp_path, keys) as server:
        argv = client(server, keys)
        with process.running(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            assert child.stdin and server.child.stdout
            for line in (b"one\n", b"two\n"):
                child.stdin.write(line)
                child.stdin.flush()
                assert server.child.stdout.readline() == line
            child.stdin.close()
            child.stdin = None
            assert child.wait(PATIENCE) == 0
        assert ended(server)[0] == 0


def test_a_closed_input_is_an_empty_one(tmp_path: Path, keys: pki.Pki) -> None:
    with listening(tmp_path, keys) as server:
        argv = ["sh", "-c", 'exec "$@" <&-', "sh", *client(server, keys)]
        done = subprocess.run(argv, capture_output=True, timeout=PATIENCE)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert ended(server)[:2] == (0, b"")


def test_a_reader_that_goes_away_ends_it_by_sigpipe_and_the_peer_is_told(tmp_path: Path, keys: pki.Pki) -> None:
    with open("/dev/zero", "rb") as zeros, listening(tmp_path, keys, stdin=zeros) as server:
        argv = client(server, keys)
        with process.running(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            assert child.stdout and child.stderr
            assert child.stdout.read(10) == bytes(10)
            child.stdout.close()
            assert child.wait(PATIENCE) == -signal.SIGPIPE
            assert child.stderr.read() == b""
            child.stdout = None
        status, _, log = ended(server)
    assert status == 56, log
    assert "nobody takes what was sent" in log


def test_a_full_disk_is_told_to_both(tmp_path: Path, keys: pki.Pki) -> None:
    (tmp_path / "data").write_bytes(bytes(1_000_000))
    with (tmp_path / "data").open("rb") as file, listening(tmp_path, keys, stdin=file) as server:
        with open("/dev/full", "wb") as full:
            argv = client(server, keys)
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE)
        assert "disk is full" in refused(done, 91)
        assert ended(server)[0] == 56


def test_peer_that_is_killed_before_the_end_is_an_error(tmp_path: Path, keys: pki.Pki) -> None:
    with listening(tmp_path, keys) as server:
        argv = client(server, keys)
        with process.running(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            assert child.stdin and server.child.stdout
            child.stdin.write(b"x" * 1000)
            child.stdin.flush()
            assert server.child.stdout.read(1000) == b"x" * 1000
            process.kill(child)
        status, _, log = ended(server)
    assert status == 49, log
    assert "0 bytes sent, 1000 received" in log


def test_certificate_of_a_stranger(tmp_path: Path, keys: pki.Pki, tmp_path_factory: pytest.TempPathFactory) -> None:
    strangers = pki.make(tmp_path_factory.mktemp("strangers"))
    with listening(tmp_path, keys) as server:
        argv = [*QUICCTL, "cat", server.address, "--ca", str(strangers.ca)]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)
        assert "--ca" in refused(done, 46)
        assert ended(server)[0] == 53


@pytest.mark.parametrize("option", ["--cert", "--key", "--ca", "--psk"])
@pytest.mark.parametrize(("content", "status"), [(b"no credentials\n", 44), (b"", 44), (None, 42)])
def test_credentials_that_are_none(tmp_path: Path, keys: pki.Pki, option: str, content: bytes | None, status: int) -> None:
    if content is not None:
        (tmp_path / "wrong").write_bytes(content)
    words = {"--cert": str(keys.cert), "--key": str(keys.key)} | {option: str(tmp_path / "wrong")}
    argv = [*QUICCTL, "cat", "127.0.0.1:9", *(word for pair in words.items() for word in pair)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)
    assert done.stdout == b""
    refused(done, status)


def test_keys_protocols_and_sessions_are_those_of_handshake(tmp_path: Path) -> None:
    (tmp_path / "psk").write_text("someone:00112233445566778899aabbccddeeff\n")
    argv = [*QUICCTL, "cat", "--listen", "127.0.0.1:0", "--psk", str(tmp_path / "psk"), "--alpn", "a,b", "--json"]
    log = tmp_path / "server.log"
    with log.open("wb") as errors, process.running(argv, stderr=errors) as child:
        server = Server(child, log)
        words = [*QUICCTL, "cat", server.address, "--psk", str(tmp_path / "psk"), "--alpn", "b", "--json"]
        done = subprocess.run(words, input=b"hello", capture_output=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr.decode()
        assert json.loads(done.stderr)["alpn"] == "b"
        assert ended(server)[:2] == (0, b"hello")


def test_session_is_resumed(tmp_path: Path, keys: pki.Pki) -> None:
    with listening(tmp_path, keys, "--keep") as server:
        resumed = []
        for _ in range(2):
            done = send(server, keys, "--session", tmp_path / "session", "--json", stdin=b"x")
            assert done.returncode == 0, done.stderr.decode()
            resumed.append(json.loads(done.stderr)["resumed"])
        assert resumed == [False, True]


def test_one_client_after_another_gets_the_file_anew(tmp_path: Path, keys: pki.Pki) -> None:
    (tmp_path / "file").write_bytes(EVERY_BYTE)
    with (tmp_path / "file").open("rb") as file, listening(tmp_path, keys, "--keep", stdin=file) as server:
        done = [send(server, keys, stdin=b"one")]
        strange = subprocess.run([*QUICCTL, "cat", server.address], input=b"", capture_output=True, timeout=PATIENCE)
        assert strange.returncode == 46
        done.append(send(server, keys, stdin=b"two"))
        assert [one.returncode for one in done] == [0, 0], done[0].stderr + done[1].stderr
        assert [one.stdout for one in done] == [EVERY_BYTE, EVERY_BYTE]
        server.child.send_signal(signal.SIGINT)
        status, out, log = ended(server)
    assert (status, out) == (130, b"onetwo"), log
    assert log.count("error: ") == 1, "the failure of one client is shown, and the next one is served"


def test_datagrams(tmp_path: Path, keys: pki.Pki) -> None:
    with listening(tmp_path, keys, "--datagrams", stdin=subprocess.PIPE) as server:
        argv = client(server, keys, "--datagrams", "--wait", "2")
        with process.running(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            assert child.stdin and child.stdout and server.child.stdin and server.child.stdout
            for number in range(20):
                child.stdin.write(b"to %d\n" % number)
                child.stdin.flush()
                assert server.child.stdout.readline() == b"to %d\n" % number
                server.child.stdin.write(b"fro %d\n" % number)
                server.child.stdin.flush()
                assert child.stdout.readline() == b"fro %d\n" % number
            child.stdin.close()
            child.stdin = None
            assert child.wait(PATIENCE) == 0
        status, _, log = ended(server)
        assert status == 0, log


def test_large_input_is_cut_into_datagrams(tmp_path: Path, keys: pki.Pki) -> None:
    with listening(tmp_path, keys, "--datagrams") as server:
        done = send(server, keys, "--datagrams", stdin=EVERY_BYTE)
        assert done.returncode == 0, done.stderr.decode()
        status, out, log = ended(server)
    # Nothing is lost on a loopback unless the reader is slow; what arrives is whole pieces, in order.
    assert status == 0, log
    assert 0 < len(out) <= len(EVERY_BYTE)
    assert out[:256] == bytes(range(256))


def test_peer_that_takes_no_datagrams(tmp_path: Path, keys: pki.Pki) -> None:
    with listening(tmp_path, keys) as server:
        assert "--datagrams" in refused(send(server, keys, "--datagrams", stdin=b"x"), 53)


def test_error_code_of_the_peer(tmp_path: Path, keys: pki.Pki) -> None:
    """A peer that ends the connection with an application error code, whoever it is."""
    script = (
        "import sys; from quicctl import endpoint, handshake\n"
        "from pathlib import Path\n"
        "options = handshake.Options(identity=handshake.Identity(ca=Path(sys.argv[2])))\n"
        "with handshake.client(endpoint.parse_address(sys.argv[1]), options) as connection:\n"
        "    connection.sock.send(b'x', connection.sock.open_stream())\n"
        "    if sys.argv[3] == 'reset':\n"
        "        connection.sock.reset_stream(0, 77)\n"
        "        sys.stdin.read()\n"
        "    else:\n"
        "        connection.sock.set_close_reason(77, 'enough')\n"
    )
    for how, status in (("close", 56), ("reset", 58)):
        with listening(tmp_path, keys, stdin=subprocess.PIPE) as server:
            argv = [sys.executable, "-c", script, server.address, str(keys.ca), how]
            with process.running(argv, stdin=subprocess.PIPE):
                wait_for(lambda server=server: server.child.poll() is not None)
            got, _, log = ended(server)
        assert got == status, log
        assert "77" in log


def test_silence_ends_it(tmp_path: Path, keys: pki.Pki) -> None:
    """With the loopback of a namespace down nobody hears anything any more."""
    name = f"cat{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode != 0:
        pytest.skip("network namespaces cannot be made here")
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        with netns_server(tmp_path, keys, name) as server:
            argv = ["ip", "netns", "exec", name, *client(server, keys, "--idle-timeout", "3", "--keepalive", "1.5")]
            with process.running(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
                assert child.stdin and server.child.stdout
                child.stdin.write(b"x\n")
                child.stdin.flush()
                assert server.child.stdout.readline() == b"x\n"
                time.sleep(5)  # longer than the idle timeout: probes keep it alive
                assert child.poll() is None
                subprocess.run(["ip", "-n", name, "link", "set", "lo", "down"], check=True)
                assert child.wait(PATIENCE) == 57, child.stderr.read() if child.stderr else ""
            assert ended(server)[0] == 57
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
    assert name not in netns.names()


@contextmanager
def netns_server(folder: Path, keys: pki.Pki, name: str) -> Iterator[Server]:
    log = folder / "server.log"
    argv = ["ip", "netns", "exec", name, *QUICCTL, "cat", "--listen", "127.0.0.1:0", *map(str, shown(keys))]
    with log.open("wb") as errors, process.running(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors) as child:
        yield Server(child, log)


def test_progress_is_shown_on_a_terminal_and_taken_away(tmp_path: Path, keys: pki.Pki) -> None:
    ours, theirs = pty.openpty()
    seen = bytearray()

    def read() -> None:
        try:
            while piece := os.read(ours, 4096):
                seen.extend(piece)
        except OSError:
            pass

    reader = threading.Thread(target=read)
    reader.start()
    with listening(tmp_path, keys) as server:
        argv = client(server, keys)
        with process.running(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=theirs) as child:
            os.close(theirs)
            assert child.stdin is not None
            child.stdin.write(bytes(5000))
            child.stdin.flush()
            wait_for(lambda: b"sent 4.88 KiB" in seen)
            child.stdin.close()
            child.stdin = None
            assert child.wait(PATIENCE) == 0
    reader.join(PATIENCE)
    os.close(ours)
    assert seen.endswith(b" \r")


def test_handshake_and_cat_understand_each_other(tmp_path: Path, keys: pki.Pki) -> None:
    (tmp_path / "file").write_bytes(EVERY_BYTE)
    with listening(tmp_path, keys) as server:
        done = connect(server.address, "--ca", keys.ca, "--send", tmp_path / "file", "--recv", "-")
        assert done.returncode == 0, done.stderr.decode()
        assert ended(server)[:2] == (0, EVERY_BYTE)
