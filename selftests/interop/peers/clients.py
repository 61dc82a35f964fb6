# SPDX-License-Identifier: GPL-2.0-or-later
"""Other stacks' programs as clients of our server.

curl and gtlsclient speak HTTP/3; openssl s_client has one stream, over which bytes go both ways.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h3_peer
import raw_peer
from conftest import SLOW, Content, Pki
from programs import HOST, root
from proof import Gap, Says
from relay import Relay, relay

from quicctl import process, uapi

PATIENCE = 30 * SLOW
_H3_NO_ERROR = 0x100


@dataclass(frozen=True, slots=True)
class Ask:
    """What a client shall do."""

    port: int
    folder: Path
    ca: Path
    cipher: str = ""
    body: Path | None = None
    count: int = 1
    update: bool = False
    """Begin a key update soon after the handshake; s_client: take commands on a pipe to standard input."""
    version_2: bool = False
    """Speak it from the first packet, if it can be told to."""
    session: Path | None = None
    """A file, or the beginning of the names of some: resume what is there, and keep what comes."""
    move: bool = False
    """To another address, soon after the handshake."""
    empty_id: bool = False
    """Have no connection ID, if that is not the case anyway."""
    large: bool = False
    """Have a ClientHello that does not fit into one datagram, if that is not the case anyway."""
    leave: bool = False
    """Raw: end the connection when the body is sent, whatever is still to come."""

    @property
    def suites(self) -> list[str]:
        """The cipher in OpenSSL's words."""
        hash_ = "SHA384" if self.cipher.startswith("AES-256") else "SHA256"
        return [f"TLS_{self.cipher.replace('-', '_')}_{hash_}"] if self.cipher else []


@dataclass(frozen=True, slots=True)
class Got:
    """How a client ended, and what it fetched."""

    status: int
    said: str
    hashes: tuple[str, ...]


class Client:
    """A client's program."""

    suite: str
    program: str
    raw = False
    close_code = 0
    """What it leaves with."""
    gaps: Mapping[str, Gap]

    def argv(self, ask: Ask) -> list[str]:
        """The words of its command line."""
        raise NotImplementedError

    def fetched(self, ask: Ask, stdout: bytes) -> list[bytes]:
        """What it fetched."""
        raise NotImplementedError

    def start(self, ask: Ask) -> subprocess.Popen[bytes]:
        """Begin."""
        words = [*root(self.suite).command(self.program), *self.argv(ask)]
        source: Any = subprocess.PIPE if self.raw and ask.update else subprocess.DEVNULL
        if self.raw and ask.body is not None:
            source = ask.body.open("rb")
        try:
            return subprocess.Popen(
                words, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, env=environment()
            )
        finally:
            if not isinstance(source, int):
                source.close()

    def run(self, ask: Ask) -> Got:
        """Begin, and wait for the end."""
        child = self.start(ask)
        try:
            out, err = child.communicate(timeout=4 * PATIENCE)
        finally:
            process.kill(child)
        hashes = tuple(hashlib.sha256(content).hexdigest() for content in self.fetched(ask, out))
        return Got(child.returncode, err.decode(errors="replace")[-2000:], hashes)


def environment() -> dict[str, str]:
    """Without our library's path, which is for our own programs."""
    return {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}


_MOVES = "test_our_server_follows_a_moving_client"
_RESUMES = "test_our_server_resumes_a_session"
_UPDATES = "test_our_server_follows_a_key_update"
_CURL_HELP = ("--help", "all")
_S_CLIENT_HELP = ("s_client", "-help")
_MOVING = "migrat|rebind|change.*addr"


@dataclass
class Curl(Client):
    """curl, over OpenSSL's QUIC in trixie, over ngtcp2 in sid."""

    suite: str
    program: str = "curl"
    gaps: Mapping[str, str] = field(
        default_factory=lambda: {
            _UPDATES: Says(
                "curl", _CURL_HELP, "key.?update|rekey",
                "curl --help all lists no option for a key update", "--http3",
            ),
            _MOVES: Says(
                "curl", _CURL_HELP, _MOVING,
                "curl --help all lists no option that changes the address of a connection", "--http3",
            ),
            _RESUMES: Says(
                "curl", ("-V",), "SSLS-EXPORT",
                "curl -V lists no SSLS-EXPORT, so --ssl-sessions keeps nothing", "HTTP3",
            ),
        }
    )  # fmt: skip

    def argv(self, ask: Ask) -> list[str]:
        # With more than our server allows at once, curl would open another connection.
        many = ["--parallel", "--parallel-max", "60"] if ask.count > 1 else []
        return [
            "-q", "-sS", "-v", "-4", "--http3-only", "--cacert", str(ask.ca), "--max-time", f"{3 * PATIENCE:.0f}", *many,
            *(word for suite in ask.suites for word in ("--tls13-ciphers", suite)),
            *(["--data-binary", f"@{ask.body}", "-H", "content-type: application/octet-stream"] if ask.body else []),
            "-o", f"{ask.folder}/#1", f"https://localhost:{ask.port}/[1-{ask.count}]",
        ]  # fmt: skip

    def fetched(self, ask: Ask, stdout: bytes) -> list[bytes]:
        files = (ask.folder / str(number) for number in range(1, ask.count + 1))
        return [path.read_bytes() for path in files if path.exists()]


@dataclass
class SClient(Client):
    """openssl s_client -quic."""

    suite: str
    program: str = "openssl"
    raw = True
    gaps: Mapping[str, str] = field(
        default_factory=lambda: {
            "test_our_server_answers_1000_streams": Says(
                "openssl", _S_CLIENT_HELP, "stream",
                "s_client -help lists no option for streams: there is the one of its standard input", "-quic",
            ),
            _MOVES: Says(
                "openssl", _S_CLIENT_HELP, _MOVING,
                "s_client -help lists no option that changes the address of a connection", "-quic",
            ),
        }
    )  # fmt: skip

    def argv(self, ask: Ask) -> list[str]:
        return [
            "s_client", "-quic", "-alpn", "sample", "-connect", f"{HOST}:{ask.port}", "-servername", "localhost",
            "-CAfile", str(ask.ca), "-verify_return_error", "-verify_hostname", "localhost",
            *([] if ask.leave else ["-quiet"]), *(["-no_ign_eof"] if ask.update else ["-nocommands"]),
            *(["-sess_in" if ask.session.exists() else "-sess_out", str(ask.session)] if ask.session else []),
            *(word for suite in ask.suites for word in ("-ciphersuites", suite)),
        ]  # fmt: skip

    def fetched(self, ask: Ask, stdout: bytes) -> list[bytes]:
        return [stdout]


@dataclass
class GtlsClient(Client):
    """ngtcp2's example client."""

    suite: str
    program: str = "gtlsclient"
    close_code = _H3_NO_ERROR
    gaps: Mapping[str, str] = field(
        default_factory=lambda: {
            "test_our_server_is_not_trusted": Says(
                "gtlsclient", ("--help",), r"--ca\b|--ca-|authorit|--verify|--trust",
                "gtlsclient verifies no certificate: --help lists no option for an authority", "--exit-on-all-streams-close",
            ),
        }
    )  # fmt: skip

    def argv(self, ask: Ask) -> list[str]:
        return [
            "-q", "--exit-on-all-streams-close", "--handshake-timeout", f"{PATIENCE:.0f}s", "--download", str(ask.folder),
            *(["--ciphers", f"NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+{ask.cipher}"] if ask.cipher else []),
            *(["-m", "POST", "-d", str(ask.body)] if ask.body else []), "-n", str(ask.count),
            *(["--key-update", "1ms", "--delay-stream", "300ms"] if ask.update else []),
            *(["--change-local-addr", "1ms", "--delay-stream", "300ms"] if ask.move else []),
            *(["--groups", "-GROUP-ALL:+GROUP-X25519:+GROUP-FFDHE8192"] if ask.large else []),
            *(["--version", "v2"] if ask.version_2 else []), *(["--scid", ""] if ask.empty_id else []),
            *(["--session-file", str(ask.session), "--tp-file", f"{ask.session}.params"] if ask.session else []),
            HOST, str(ask.port), *(f"https://localhost:{ask.port}/{number}" for number in range(1, ask.count + 1)),
        ]  # fmt: skip

    def fetched(self, ask: Ask, stdout: bytes) -> list[bytes]:
        files = (ask.folder / str(number) for number in range(1, ask.count + 1))
        return [path.read_bytes() for path in files if path.exists()]


CLIENTS: Mapping[str, Client] = {
    "curl_trixie": Curl("trixie"),
    "curl_sid": Curl("sid"),
    "openssl": SClient("trixie"),
    "ngtcp2": GtlsClient("trixie"),
}


Serving = h3_peer.Answering | raw_peer.Server
Brought = h3_peer.Exchange | raw_peer.Brought


def answering(
    client: Client, pki: Pki, body: bytes, *, idle: float = 0.0, datagram: int = 0, expected: int | None = None, **more: Any
) -> Serving:
    """Our server, which speaks what the client does. s_client never leaves by itself, so there it is told what to expect."""
    params = None
    if idle or datagram:
        params = uapi.TransportParams(max_idle_timeout=int(idle * 1e6), max_datagram_frame_size=datagram)
    if client.raw:
        return raw_peer.Server(
            pki.cert, pki.key, body, host=HOST, timeout=PATIENCE, params=params, expected=expected, **more
        )  # fmt: skip
    return h3_peer.Answering(pki.cert, pki.key, body, host=HOST, timeout=PATIENCE, params=params, **more)


def body_of(brought: Brought) -> tuple[int, str]:
    """Size and hash of what the client sent on its first stream."""
    if isinstance(brought, raw_peer.Brought):
        return brought.streams[0]
    return brought.received, brought.sha256


def close_of(brought: Brought) -> uapi.ConnectionClose | None:
    """How the connection ended."""
    return next((event for event in brought.events if isinstance(event, uapi.ConnectionClose)), None)


def fetch(
    client: Client,
    pki: Pki,
    folder: Path,
    content: Content,
    *,
    between: Relaying | None = None,
    begin: Any = None,
    config: uapi.Config | None = None,
    datagram: int = 0,
    **more: Any,
) -> Brought:
    """One exchange, through a relay if one is given; what came, while what the client got is compared."""
    if client.raw:
        more.setdefault("body", content.path)
    body = more.get("body")
    hook = {"begin" if client.raw else "on_request": begin} if begin else {}
    server = answering(
        client, pki, content.path.read_bytes(), expected=body.stat().st_size if body else None, config=config,
        datagram=datagram, **hook,
    )  # fmt: skip
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(between(server.port)).port if between else server.port
        got = client.run(Ask(port, folder, pki.ca, **more))
    brought = server.end()
    assert (got.status, got.hashes) == (0, (content.sha256,)), got.said
    return brought


class Relaying:
    """A relay that is made when the server's port is known."""

    def __init__(self, **rules: Any) -> None:
        self._rules = rules
        self.relay: Relay

    @contextlib.contextmanager
    def __call__(self, port: int) -> Iterator[Relay]:
        with relay(port, **self._rules) as self.relay:
            yield self.relay
