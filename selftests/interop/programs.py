# SPDX-License-Identifier: GPL-2.0-or-later
"""Other stacks' programs as servers: each serves the files of a folder over HTTP/3 and hands uploads to a backend.

They come from the roots of quicctl/peers.py. A program runs for one block and is gone, with its children, after it.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import SLOW, Pki

from quicctl import peers, process

HOST = "127.0.0.1"
PATIENCE = 60 * SLOW


def root(suite: str) -> peers.Root:
    """A suite's root; skips the test, with the reason, if there is none."""
    found = peers.here(suite)
    if isinstance(found, peers.Absent):
        pytest.skip(f"no root of {suite}: {found.reason}")
    return found


def free_port() -> int:
    """A UDP and TCP port that nobody has at the moment."""
    for _ in range(100):
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as probe:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
            with contextlib.suppress(OSError):  # a TCP connection of before may have it
                stream.bind((HOST, port))
                return port
    raise AssertionError("no port is free for both")


def listens(port: int) -> bool:
    """Whether somebody has a UDP socket on this port."""
    with open("/proc/net/udp") as table:
        return any(line.split()[1].endswith(f":{port:04X}") for line in table.readlines()[1:])


@dataclass(frozen=True, slots=True)
class Server:
    """A program that listens."""

    port: int
    child: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> None:
        """Let it hang: its sockets stay, but it says nothing any more."""
        os.killpg(self.child.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it run again."""
        os.killpg(self.child.pid, signal.SIGCONT)


@contextlib.contextmanager
def serving(argv: Sequence[str], port: int, log: Path, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run a server until the block ends; begins when it listens."""
    with (
        log.open("wb") as said,
        process.running(argv, stdout=said, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}) as child,
    ):
        deadline = time.monotonic() + PATIENCE
        while not listens(port):
            assert child.poll() is None, log.read_text()
            assert time.monotonic() < deadline, f"{argv[0]} does not listen: {log.read_text()}"
            time.sleep(0.02)
        try:
            yield Server(port, child, log)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGCONT)


TRAILED = b"before the trailers\n"
"""The body of /trailers."""


@contextlib.contextmanager
def backend(folder: Path) -> Iterator[int]:
    """A plain HTTP server: files by GET, one with trailers, and by POST the hash of what came. Yields its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/trailers":
                self.send_response(200)
                self.send_header("transfer-encoding", "chunked")
                self.send_header("trailer", "x-end")
                self.end_headers()
                self.wfile.write(b"%x\r\n%b\r\n0\r\nx-end: yes\r\n\r\n" % (len(TRAILED), TRAILED))
                return
            self._reply((folder / self.path.lstrip("/")).read_bytes())

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str((folder / self.path.lstrip("/")).stat().st_size))
            self.end_headers()

        def do_POST(self) -> None:
            self._reply(hashlib.sha256(self._body()).hexdigest().encode())

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding", "") != "chunked":
                return self.rfile.read(int(self.headers.get("content-length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _reply(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    class Backend(http.server.ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A proxy that drops a connection that it kept is no error."""

    server = Backend((HOST, 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


NGINX = """\
daemon off;
user root root;
worker_processes 1;
pid {folder}/pid;
error_log stderr notice;
events {{ worker_connections 512; }}
http {{
	access_log off;
	{temporary}
	keepalive_requests {requests};
	client_max_body_size 0;
	server {{
		listen {host}:{port} quic reuseport;
		ssl_certificate {cert};
		ssl_certificate_key {key};
		ssl_early_data on;
		quic_retry {retry};
		location / {{ root {www}; }}
		location /hash {{ proxy_pass http://{host}:{backend}; }}
		location /trailers {{ root {www}; add_trailer x-end yes; }}
	}}
}}
"""

CADDY = """\
{{
	auto_https off
	admin off
	persist_config off
}}
https://localhost:{port}, https://{host}:{port} {{
	bind {host}
	tls {cert} {key}
	@behind path /hash /trailers
	handle @behind {{
		reverse_proxy {host}:{backend}
	}}
	handle {{
		root * {www}
		file_server
	}}
}}
"""

HAPROXY = """\
global
	nbthread 1
defaults
	mode http
	timeout connect 60s
	timeout client 300s
	timeout server 300s
frontend there
	bind quic4@{host}:{port} ssl crt {both} alpn h3 allow-0rtt {retry}
	http-request return status 200 content-type text/plain file {www}/page if {{ path /page }}
	default_backend here
backend here
	server here {host}:{backend}
"""


def nginx(
    suite: str, pki: Pki, www: Path, folder: Path, *, retry: bool = False, requests: int = 5000
) -> AbstractContextManager[Server]:
    """Nginx; it answers over QUIC alone, with retry only to who comes back after Retry; so many requests on a connection."""

    @contextlib.contextmanager
    def run() -> Iterator[Server]:
        command = root(suite).command("nginx")
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
        port = free_port()
        with backend(www) as behind:
            config = folder / "nginx.conf"
            where = {"host": HOST, "port": port, "www": www, "backend": behind, "folder": folder}
            config.write_text(
                NGINX.format(
                    requests=requests, temporary=temporary, retry="on" if retry else "off", cert=pki.cert, key=pki.key, **where
                )
            )
            argv = [*command, "-p", str(folder), "-e", "stderr", "-c", str(config)]
            with serving(argv, port, folder / "log") as server:
                yield server

    return run()


def caddy(suite: str, pki: Pki, www: Path, folder: Path) -> AbstractContextManager[Server]:
    """Caddy, whose QUIC is quic-go."""

    @contextlib.contextmanager
    def run() -> Iterator[Server]:
        command = root(suite).command("caddy")
        port = free_port()
        with backend(www) as behind:
            config = folder / "Caddyfile"
            config.write_text(CADDY.format(host=HOST, port=port, cert=pki.cert, key=pki.key, www=www, backend=behind))
            argv = [*command, "run", "--config", str(config), "--adapter", "caddyfile"]
            home = {name: str(folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
            with serving(argv, port, folder / "log", home) as server:
                yield server

    return run()


def haproxy(suite: str, pki: Pki, www: Path, folder: Path, *, retry: bool = False) -> AbstractContextManager[Server]:
    """HAProxy; what it serves comes from the backend."""

    @contextlib.contextmanager
    def run() -> Iterator[Server]:
        command = root(suite).command("haproxy")
        port = free_port()
        both = folder / "both.pem"
        both.write_bytes(pki.cert.read_bytes() + pki.key.read_bytes())
        with backend(www) as behind:
            config = folder / "haproxy.cfg"
            config.write_text(
                HAPROXY.format(
                    retry="quic-force-retry" if retry else "", host=HOST, port=port, both=both, www=www, backend=behind
                )
            )
            checked = subprocess.run([*command, "-c", "-f", str(config)], stdin=subprocess.DEVNULL, capture_output=True)
            if checked.returncode == -signal.SIGILL and "cx16" not in Path("/proc/cpuinfo").read_text().split():
                pytest.skip("haproxy dies of SIGILL: this processor has no cmpxchg16b")
            assert checked.returncode == 0, checked
            with serving([*command, "-db", "-f", str(config)], port, folder / "log") as server:
                yield server

    return run()


def gtlsserver(suite: str, pki: Pki, www: Path, folder: Path, *words: str) -> AbstractContextManager[Server]:
    """ngtcp2's example server; it throws bodies of requests away."""
    port = free_port()
    argv = [*root(suite).command("gtlsserver"), "-q", "-d", str(www), *words, HOST, str(port), str(pki.key), str(pki.cert)]
    return serving(argv, port, folder / "log")


Start = Callable[[str, Pki, Path, Path], AbstractContextManager[Server]]
