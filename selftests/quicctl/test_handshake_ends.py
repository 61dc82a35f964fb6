# SPDX-License-Identifier: GPL-2.0-or-later
"""Client and server of handshake.py, and the agent for the kernel, with real TLS over a stand-in for the kernel."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import Ends

from quicctl import errors, genetlink, handshake, keyring, libquic, pki, session, tlshd, transfer, uapi
from quicctl.handshake import Connection, Identity, Options

SERVER = ("127.0.0.1", 4433)


class Sock:
    """Stands in for Endpoint; its descriptor is one of the stand-in's."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.calls: list[tuple[object, ...]] = []
        self.clients: list[Sock] = []
        self.local, self.peer = ("127.0.0.1", 1), ("127.0.0.1", 2)
        self.given_token = b""

    def __enter__(self) -> Sock:
        return self

    def __exit__(self, *about: object) -> None:
        self.calls.append(("close",))

    def fileno(self) -> int:
        return self._fd

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *what: self.calls.append((name, *what))

    def accept(self) -> Sock:
        return self.clients.pop(0)

    def token(self) -> bytes:
        return self.given_token

    def transport_params(self, *, remote: bool = False) -> uapi.TransportParams:
        return uapi.TransportParams(max_data=2 if remote else 1)


@pytest.fixture
def socks(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> tuple[Sock, Sock, Sock]:
    """A client's, a listener's, and the one it accepts; Endpoint() gives the first two in the order of the calls."""
    client, listener, accepted = Sock(ends.client), Sock(-1), Sock(ends.server)
    listener.clients.append(accepted)
    monkeypatch.setattr(
        handshake, "Endpoint", lambda family: client if threading.current_thread().name == "client" else listener
    )
    return client, listener, accepted


def shown(keys: pki.Pki, **more: object) -> Identity:
    return Identity(cert=keys.cert, key=keys.key, **more)  # type: ignore[arg-type]


def in_client(call: Callable[[], object]) -> Callable[[], object]:
    came: list[object] = []

    def run() -> None:
        try:
            came.append(call())
        except errors.QuicctlError as failure:
            came.append(failure)

    thread = threading.Thread(target=run, name="client")
    thread.start()

    def result() -> object:
        thread.join(60)
        return came[0]

    return result


def test_both_ends_agree(socks: tuple[Sock, Sock, Sock], keys: pki.Pki, tmp_path: Path) -> None:
    client, listener, _ = socks
    client.given_token = b"next"
    (tmp_path / "token").write_bytes(b"before")
    options = Options(
        identity=Identity(ca=keys.ca), alpn="shout", timeout=20, token=tmp_path / "token", session=tmp_path / "session",
        congestion=uapi.Congestion.CUBIC, keepalive=2.0, params=uapi.TransportParams(max_data=9), early_data=True,
    )  # fmt: skip
    early: list[object] = []

    def be_client() -> Connection:
        with handshake.client(SERVER, options, hostname="localhost", before=lambda *what: early.append(what)) as connection:
            assert connection.save_session(options)
            return connection

    result = in_client(be_client)
    serving = Options(identity=shown(keys), alpn="shout", timeout=20, retry=True)
    with (
        handshake.listener(SERVER, serving) as (sock, credentials),
        handshake.accepted(sock.accept(), credentials, serving) as end,
    ):
        assert end.handshake.server_name == "localhost"
        connection = result()
    assert isinstance(connection, Connection)
    assert (connection.handshake.alpn, connection.handshake.verify) == ("shout", "ok")
    assert not early
    assert session.load(tmp_path / "session")
    assert (tmp_path / "token").read_bytes() == b"next"
    assert ("set_token", b"before") in client.calls
    assert ("connect", SERVER) in client.calls
    wanted = uapi.Config(congestion_control_algo=uapi.Congestion.CUBIC, keepalive_probe_interval=2_000_000)
    assert ("set_config", wanted) in client.calls
    assert ("set_config", uapi.Config(validate_peer_address=True)) in listener.calls
    assert ("set_alpn", "shout") in listener.calls
    assert all(sock.calls[-1] == ("close",) for sock in socks)


class Flow:
    """Stands in for transfer.Flow: nothing moves."""

    closed_by = "peer"
    sent = received = transfer.Transfer(0, "", 0.0)

    def __init__(self, sock: object, *_: object, **__: object) -> None:
        self.sock = sock

    def await_server(self) -> None: ...

    run_client = run_server = begin_early = await_server


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "Flow", Flow)


def test_reports_of_both_ends(socks: tuple[Sock, Sock, Sock], keys: pki.Pki, still: None) -> None:
    result = in_client(
        lambda: handshake.connect(SERVER, Options(identity=Identity(ca=keys.ca), timeout=20), hostname="localhost")
    )
    listening: list[object] = []
    said: list[handshake.Report] = []
    options = Options(identity=shown(keys), timeout=20)
    [ours] = handshake.serve(SERVER, options, on_listening=listening.append, on_report=said.append)
    theirs = result()
    assert isinstance(theirs, handshake.Report)
    assert (ours.role, theirs.role, ours.closed_by) == ("server", "client", "peer")
    assert ours.remote_params.max_data == 2
    assert said == [ours]
    assert listening == [("127.0.0.1", 1)]


def test_failures_are_told_at_both_ends(socks: tuple[Sock, Sock, Sock], keys: pki.Pki, still: None, tmp_path: Path) -> None:
    stranger = pki.make(tmp_path)
    result = in_client(lambda: handshake.connect(SERVER, Options(identity=Identity(ca=stranger.ca), timeout=20)))
    with pytest.raises(errors.PeerRefused):
        handshake.serve(SERVER, Options(identity=shown(keys), timeout=20))
    assert isinstance(result(), errors.CertificateNotTrusted)


def test_one_failure_of_many_stops_nobody(
    socks: tuple[Sock, Sock, Sock], keys: pki.Pki, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, listener, accepted = socks
    listener.clients.append(accepted)
    told: list[errors.QuicctlError] = []
    names: list[object] = []

    def attend(sock: object, options: Options, source: object, credentials: object, number: int) -> str:
        names.append(number)
        if number == 1:
            raise errors.PeerRefused("no")
        return "report"

    monkeypatch.setattr(handshake, "_attend", attend)
    with pytest.raises(errors.PeerRefused):
        handshake.serve(SERVER, Options(identity=shown(keys)), count=2, on_error=told.append)
    assert sorted(names) == [1, 2]  # type: ignore[type-var]
    assert [failure.message for failure in told] == ["no"]


@pytest.mark.parametrize("half", ["cert", "key"])
def test_half_a_certificate_is_refused(ends: Ends, keys: pki.Pki, half: str) -> None:
    with pytest.raises(errors.CredentialsInvalid), handshake._credentials(Identity(**{half: keys.cert}), server=True):
        pass


def test_session_that_is_none(socks: tuple[Sock, Sock, Sock], keys: pki.Pki, tmp_path: Path) -> None:
    options = Options(identity=Identity(ca=keys.ca), session=tmp_path / "session")

    def begin() -> None:
        with handshake.begun_client(SERVER, options, resumed=b"damaged"):
            pass

    assert isinstance(in_client(begin)(), errors.FileUnreadable)


def test_session_that_cannot_be_had() -> None:
    def refuse(_: float) -> bytes:
        raise libquic.TlsFailure(-errno.EINVAL, "no", None)  # type: ignore[arg-type]

    with pytest.raises(errors.HandshakeFailed, match="cannot be saved"):
        handshake._save(SimpleNamespace(session=refuse), Options(session=Path("x")))  # type: ignore[arg-type]
    assert not handshake._save(SimpleNamespace(session=lambda _: None), Options(session=Path("x")))  # type: ignore[arg-type]
    assert not handshake._save(SimpleNamespace(), Options())  # type: ignore[arg-type]


# The agent.


@pytest.fixture
def agent(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in's descriptors are none of the system's: what asks the system is answered here."""
    answered = SimpleNamespace(getsockopt=lambda *_: uapi.IPPROTO_QUIC)

    class Holder:
        def __enter__(self) -> SimpleNamespace:
            return answered

        def __exit__(self, *about: object) -> None: ...

    monkeypatch.setattr(tlshd.socket, "socket", lambda **_: Holder())
    monkeypatch.setattr(tlshd.os, "dup", lambda fd: fd)
    options = {uapi.Option.ALPN: b"shout", uapi.Option.CONFIG: bytes(uapi.Config.SIZE), uapi.Option.SESSION_TICKET: b""}
    monkeypatch.setattr(libquic, "getsockopt", lambda _fd, _level, option, _initial: options[option])


def request(
    fd: int, *, server: bool = False, auth: int = genetlink.AUTH_X509, peername: str = "localhost"
) -> genetlink.Request:
    return genetlink.Request(fd, server, auth, 20.0, peername, None, (), 0)


def test_agent_makes_both_handshakes(ends: Ends, agent: None, keys: pki.Pki, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    config = tlshd.Config(tlshd.Role(keys.ca, None, None), tlshd.Role(None, keys.cert, keys.key))
    result = in_client(lambda: tlshd.attempt(config, request(ends.client)))
    assert tlshd.attempt(config, request(ends.server, server=True)).status == 0
    assert result().status == 0
    assert "shout, TLS_" in caplog.text


def test_agent_without_authentication_takes_any_server(ends: Ends, agent: None, keys: pki.Pki) -> None:
    config = tlshd.Config(tlshd.Role(None, None, None), tlshd.Role(None, keys.cert, keys.key))
    result = in_client(lambda: tlshd.attempt(config, request(ends.client, auth=genetlink.AUTH_UNAUTH)))
    assert tlshd.attempt(config, request(ends.server, server=True)).status == 0
    assert result().status == 0


def test_agent_tells_failures_as_numbers(ends: Ends, agent: None, keys: pki.Pki, tmp_path: Path) -> None:
    stranger = pki.make(tmp_path)
    config = tlshd.Config(tlshd.Role(stranger.ca, None, None), tlshd.Role(None, keys.cert, keys.key))
    result = in_client(lambda: tlshd.attempt(config, request(ends.client)))
    assert tlshd.attempt(config, request(ends.server, server=True)).status == errno.EACCES
    assert result().status == errno.EACCES
    missing = tlshd.Config(tlshd.Role(tmp_path / "none", None, None), tlshd.Role(None, None, None))
    assert tlshd.attempt(missing, request(ends.client)).status == errno.ENOKEY


def test_agent_serves_what_the_kernel_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[int, int]] = []
    finished = threading.Event()
    asked = [request(os.open(os.devnull, os.O_RDONLY))]

    class Kernel:
        def __enter__(self) -> Kernel:
            return self

        def __exit__(self, *about: object) -> None: ...

        def subscribe(self) -> None: ...

        def wait(self) -> None:
            if not asked:
                assert finished.wait(20)
                raise KeyboardInterrupt

        def accept(self) -> genetlink.Request | None:
            return asked.pop() if asked else None

        def done(self, request: genetlink.Request, status: int, peers: tuple[int, ...]) -> None:
            done.append((request.fd, status))
            finished.set()

    ready: list[bool] = []
    monkeypatch.setattr(tlshd, "HandshakeSocket", Kernel)
    monkeypatch.setattr(tlshd, "attempt", lambda config, request: tlshd.Outcome(5))
    monkeypatch.setattr(keyring, "join", lambda: None)
    fd = asked[0].fd
    with pytest.raises(KeyboardInterrupt):
        tlshd.serve(tlshd.Config(tlshd.Role(None, None, None), tlshd.Role(None, None, None)), lambda: ready.append(True))
    assert (done, ready) == ([(fd, 5)], [True])
