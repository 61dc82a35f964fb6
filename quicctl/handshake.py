# SPDX-License-Identifier: GPL-2.0-or-later
"""A client and a server: handshake, move data (transfer.py), report what was agreed and moved."""

from __future__ import annotations

import contextlib
import errno
import functools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from quicctl import endpoint, errors, libquic, session, transfer, uapi
from quicctl.endpoint import Address, Endpoint
from quicctl.libquic import Handshake, TlsFailure
from quicctl.uapi import TransportParams

_NO_ALERT = -1
_ALERT_NO_ALPN = 120
_ALERTS_ON_CERTIFICATE = (*range(42, 50), 116)
_TICKET_TIME = 2.0


@dataclass(frozen=True, slots=True)
class Identity:
    """What an end shows and what it trusts."""

    cert: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    psk: Path | None = None
    insecure: bool = False
    client_auth: str | None = None
    """Server: none, request or require a certificate of clients; None: require one if there is a CA."""


@dataclass(frozen=True, slots=True)
class Options:
    """Everything both roles can be told."""

    identity: Identity = Identity()
    alpn: str | None = None
    congestion: uapi.Congestion | None = None
    version: int = 0
    """QUIC version to begin with, as client, or to prefer; 0 leaves the kernel's default."""
    retry: bool = False
    """Server: clients must show their address (Retry, or a token of an earlier connection)."""
    token: Path | None = None
    """Client: a token of an earlier connection is taken from there, and a new one left there."""
    params: TransportParams | None = None
    """Transport parameters of this end; zero leaves the kernel's default."""
    send: Path | None = None
    receive: Path | None = None
    echo: bool = False
    timeout: float = 10.0
    """Seconds for the handshake, and seconds without progress after it."""
    keepalive: float = 0.0
    """Seconds of silence after which the peer is probed, at least 1.5; 0: never."""
    keylog: Path | None = None
    session: Path | None = None
    """Client: resume what is in this file, and leave the new session there."""
    early_data: bool = False
    """Client: send before the handshake if the session lets it. Server: take that; it can be a replay."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one connection agreed on and moved."""

    role: str
    local: str
    peer: str
    handshake: Handshake
    local_params: TransportParams
    remote_params: TransportParams
    sent: transfer.Transfer
    received: transfer.Transfer
    closed_by: str
    session_saved: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """A connection before its handshake."""

    sock: Endpoint
    peer: Address
    tls: libquic.Tls
    options: Options
    server: bool

    def finish(self) -> Connection:
        """Do the handshake, however long it takes."""
        try:
            return self.agreed(self.tls.handshake())
        except TlsFailure as failure:
            raise self.explained(failure) from failure

    def agreed(self, handshake: Handshake) -> Connection:
        """The handshake was done in steps."""
        return Connection(self.sock, self.peer, self.tls, handshake)

    def explained(self, failure: TlsFailure) -> errors.QuicctlError:
        """The failure as an error that says what to do."""
        return explain(failure, self.peer, self.options, server=self.server)


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection whose handshake is done, and what it agreed on."""

    sock: Endpoint
    peer: Address
    tls: libquic.Tls
    handshake: Handshake

    def save_session(self, options: Options) -> bool:
        """Client: leave the session where the options say; a server that gives no ticket is no failure."""
        return _save(self.tls, options)


@contextlib.contextmanager
def client(
    address: Address,
    options: Options,
    *,
    hostname: str | None = None,
    before: Callable[[Endpoint, Address], None] | None = None,
) -> Iterator[Connection]:
    """Connect to the server at address, whose certificate must name hostname, otherwise the address's host.

    ``before`` is called when early data may be sent, if there is a session to resume: to the first address that the host has.
    Otherwise each of them is tried until one answers.
    """
    resumed = None if options.session is None else session.load(options.session)
    hostname = hostname or address[0]
    with contextlib.ExitStack() as stack:
        if before is not None and resumed:
            begun = stack.enter_context(begun_client(address, options, hostname=hostname, resumed=resumed))
            before(begun.sock, begun.peer)
            connection = begun.finish()
        else:
            connection = _answered(address, options, hostname, resumed, stack)
        yield connection


Spared = contextlib.AbstractContextManager[object]


def attempts(address: Address, options: Options) -> Iterator[tuple[Address, Options, Spared]]:
    """The addresses of a name, each with its share of the time, and what the attempt is to be made in.

    There silence is no failure, but for the last one's.
    """
    *others, last = endpoint.addresses(address)
    shared = replace(options, timeout=options.timeout / (len(others) + 1))
    for where in others:
        yield where, shared, contextlib.suppress(errors.NoAnswer)
    yield last, shared, contextlib.nullcontext()


def _answered(
    address: Address, options: Options, hostname: str, resumed: bytes | None, resources: contextlib.ExitStack
) -> Connection:
    for where, shared, spared in attempts(address, options):
        with spared, contextlib.ExitStack() as stack:
            connection = stack.enter_context(begun_client(where, shared, hostname=hostname, resumed=resumed)).finish()
            resources.push(stack.pop_all())
            return connection
    raise AssertionError("the last attempt returns or raises")


@contextlib.contextmanager
def begun_client(
    address: Address, options: Options, *, hostname: str | None = None, resumed: bytes | None = None
) -> Iterator[Begun]:
    """As client(), but for the handshake, and with a session from elsewhere."""
    family, where = endpoint.resolve(address)
    with Endpoint(family) as sock, _credentials(options.identity, server=False) as credentials:
        _configure(sock, options)
        _use_token(sock, options.token)
        sock.connect(where)
        with _tls(sock, credentials, options, where, hostname=hostname or address[0], resumed=resumed) as tls:
            yield Begun(sock, where, tls, options, server=False)
        _keep_token(sock, options.token)


@contextlib.contextmanager
def listener(address: Address, options: Options) -> Iterator[tuple[Endpoint, libquic.Credentials]]:
    """Listen at address; what is accepted is handed to accepted() with the credentials."""
    _check_server_identity(options.identity)
    family, where = endpoint.resolve(address, passive=True)
    with Endpoint(family) as sock, _credentials(options.identity, server=True) as credentials:
        _configure(sock, options)
        sock.bind(where)
        if options.alpn:
            sock.set_alpn(options.alpn)
        sock.listen()
        yield sock, credentials


@contextlib.contextmanager
def accepted(sock: Endpoint, credentials: libquic.Credentials, options: Options) -> Iterator[Connection]:
    """Do the server's handshake on a socket that accept() gave; closes it at the end."""
    with begun_server(sock, credentials, options) as begun:
        yield begun.finish()


@contextlib.contextmanager
def begun_server(sock: Endpoint, credentials: libquic.Credentials, options: Options) -> Iterator[Begun]:
    """As accepted(), but for the handshake."""
    with sock:
        peer = sock.peer
        with _tls(sock, credentials, options, peer) as tls:
            yield Begun(sock, peer, tls, options, server=True)


def connect(address: Address, options: Options, *, hostname: str | None = None) -> Report:
    """Be a client of the server at address, whose certificate must name hostname, otherwise the address's host."""
    moves = options.send is not None or options.receive is not None
    flows: list[transfer.Flow] = []

    def flow_of(sock: Endpoint, where: Address) -> transfer.Flow:
        return transfer.Flow(sock, source, sink, where, timeout=options.timeout)

    def begin_early(sock: Endpoint, where: Address) -> None:
        if moves and options.early_data:
            flows.append(flow_of(sock, where))
            flows[0].begin_early()

    with (
        transfer.Source(options.send) as source,
        transfer.Sink(options.receive) as sink,
        client(address, options, hostname=hostname, before=begin_early) as connection,
    ):
        flow = flows[0] if flows else flow_of(connection.sock, connection.peer)
        agreed = _agreed("client", connection)
        if moves:
            flow.run_client()
        else:
            flow.await_server()
        saved = connection.save_session(options)
        return agreed(sent=flow.sent, received=flow.received, closed_by=flow.closed_by, session_saved=saved)


def serve(
    address: Address,
    options: Options,
    *,
    count: int = 1,
    on_listening: Callable[[Address], None] | None = None,
    on_report: Callable[[Report], None] | None = None,
    on_error: Callable[[errors.QuicctlError], None] | None = None,
) -> list[Report]:
    """Be a server for count connections, or for ever if count is 0.

    With one connection its failure is raised; with more a failure goes to on_error, the others go on, and the first one is
    raised at the end.
    """
    reports: list[Report] = []
    failures: list[Exception] = []
    workers: list[threading.Thread] = []
    with (
        transfer.Source(options.send) as source,  # opened and hashed before a client comes
        listener(address, options) as (listening, credentials),
    ):
        if on_listening:
            on_listening(listening.local)

        def attend(sock: Endpoint, number: int) -> None:
            try:
                report = _attend(sock, options, source, credentials, number if count != 1 else 0)
                reports.append(report)
                if on_report:
                    on_report(report)
            except Exception as failure:
                failures.append(failure)
                if on_error and count != 1 and isinstance(failure, errors.QuicctlError):
                    on_error(failure)

        try:
            number = 0
            while count == 0 or number < count:
                number += 1
                worker = threading.Thread(target=attend, args=(listening.accept(), number), daemon=True)
                worker.start()
                workers = [w for w in workers if w.is_alive()] + [worker]
        finally:
            for worker in workers:
                worker.join()
    if failures:
        raise failures[0]
    return reports


def _attend(
    sock: Endpoint, options: Options, source: transfer.Source, credentials: libquic.Credentials, number: int
) -> Report:
    receive = options.receive
    if number and receive is not None and receive != transfer.STANDARD_STREAM:
        receive = receive.with_name(f"{receive.name}.{number}")
    with transfer.Sink(receive) as sink, accepted(sock, credentials, options) as connection:
        agreed = _agreed("server", connection)
        flow = transfer.Flow(sock, source, sink, connection.peer, echo=options.echo, timeout=options.timeout)
        flow.run_server()
        return agreed(sent=flow.sent, received=flow.received, closed_by=flow.closed_by)


def _agreed(role: str, connection: Connection) -> functools.partial[Report]:
    """The report but for what moves; taken at once, since the connection may be gone when the data has moved."""
    sock = connection.sock
    return functools.partial(
        Report,
        role=role,
        local=endpoint.shown(sock.local),
        peer=endpoint.shown(connection.peer),
        handshake=connection.handshake,
        local_params=sock.transport_params(),
        remote_params=sock.transport_params(remote=True),
    )


def _use_token(sock: Endpoint, path: Path | None) -> None:
    """A token is for one connection: whoever saw it twice could tell that both are ours. RFC 9000, section 8.1.3."""
    if path is not None and path.exists():
        token = path.read_bytes()
        path.unlink()
        if token:
            sock.set_token(token)


def _keep_token(sock: Endpoint, path: Path | None) -> None:
    if path is not None and (token := sock.token()):
        path.write_bytes(token)


def _configure(sock: Endpoint, options: Options) -> None:
    config = uapi.Config(
        version=options.version,
        congestion_control_algo=options.congestion or 0,
        validate_peer_address=options.retry,
        keepalive_probe_interval=int(options.keepalive * 1e6),
    )
    if config != uapi.Config():
        sock.set_config(config)
    if options.params is not None:
        sock.set_transport_params(options.params)
    sock.enable(
        uapi.EventType.STREAM_UPDATE,
        uapi.EventType.CONNECTION_CLOSE,
        uapi.EventType.NEW_TOKEN,
        uapi.EventType.NEW_SESSION_TICKET,
    )


@contextlib.contextmanager
def _credentials(identity: Identity, *, server: bool) -> Iterator[libquic.Credentials]:
    with libquic.Credentials(server=server) as credentials:
        if identity.cert is not None and identity.key is not None:
            credentials.certificate(identity.cert, identity.key)
        elif identity.cert is not None or identity.key is not None:
            raise errors.CredentialsInvalid("a certificate needs its key", remedy="give both `cert` and `key`")
        if identity.ca is not None:
            credentials.trust(identity.ca)
        if server and (identity.ca is not None or identity.client_auth is not None):
            credentials.client_auth(identity.client_auth or "require")
        if identity.psk is not None:
            credentials.psk(identity.psk)
        if identity.insecure:
            credentials.insecure()
        yield credentials


def _check_server_identity(identity: Identity) -> None:
    if identity.cert is None and identity.psk is None:
        raise errors.CredentialsInvalid(
            "a server needs something to show", remedy="give `cert` and `key`, or `psk` (openssl req -x509 makes one)"
        )


@contextlib.contextmanager
def _tls(
    sock: Endpoint,
    credentials: libquic.Credentials,
    options: Options,
    peer: Address,
    *,
    hostname: str | None = None,
    resumed: bytes | None = None,
) -> Iterator[libquic.Tls]:
    server = hostname is None
    try:
        tls = libquic.Tls(
            sock.fileno(),
            credentials,
            server=server,
            hostname=hostname,
            alpn=options.alpn,
            keylog=options.keylog,
            timeout=options.timeout,
            session=resumed,
            early_data=options.early_data,
        )
    except TlsFailure as failure:
        raise explain(failure, peer, options, server=server) from failure
    with tls:
        yield tls


def _save(tls: libquic.Tls, options: Options) -> bool:
    """Leave the session for the next time; a server that gives no ticket is no failure."""
    if options.session is None:
        return False
    try:
        fresh = tls.session(_TICKET_TIME)
    except TlsFailure as failure:
        raise errors.HandshakeFailed(
            f"the session cannot be saved: {failure.text}", remedy="leave `session` away, or run again with QUICCTL_DEBUG=1"
        ) from failure
    if fresh is None:
        return False
    session.save(options.session, fresh)
    return True


def explain(failure: TlsFailure, peer: Address, options: Options, *, server: bool) -> errors.QuicctlError:
    """The failure of a handshake as an error that says what to do."""
    where = endpoint.shown(peer)
    code, seen = failure.code, failure.handshake
    alert = _NO_ALERT
    if libquic.ERR_TRANSPORT < code <= libquic.ERR_PEER_ALERT:
        alert = libquic.ERR_PEER_ALERT - code
    if code == libquic.ERR_ALPN or alert == _ALERT_NO_ALPN:
        return errors.AlpnMismatch(
            f"no application protocol in common with {where}: this end offers {options.alpn or 'none'}",
            remedy="give `alpn` a protocol that the peer speaks",
        )
    if code == libquic.ERR_CERTIFICATE:
        who = "client" if server else "server"
        why = seen.verify_text or failure.text
        return errors.CertificateNotTrusted(
            f"the certificate of the {who} {where} is not trusted: {why}",
            remedy="give the CA that signed it as `ca`"
            + ("" if server else ", the right name as `server_name`, or `insecure` to accept any"),
        )
    if code == libquic.ERR_CREDENTIALS:
        return errors.CredentialsInvalid(failure.text, remedy="check `cert`, `key`, `ca` and `psk`")
    if code == libquic.ERR_SESSION_DATA:
        return errors.FileUnreadable(
            f"{options.session} holds no session of this program", remedy="remove it: the next handshake writes a new one"
        )
    if libquic.is_timeout(code):
        return errors.NoAnswer(
            f"no answer from {where} within {options.timeout:g} s"
            + ("" if server else ": the port may be closed (QUIC sends no refusal then) or a firewall drops UDP"),
            remedy="check the address and that a QUIC server listens there, or wait longer with `timeout`",
        )
    if code == -errno.ECONNREFUSED:
        return errors.NoAnswer(f"nothing listens at {where}", remedy="start the server, or check the port")
    if alert in _ALERTS_ON_CERTIFICATE:
        return errors.PeerRefused(
            f"{where} does not accept our certificate: TLS alert {alert}, {uapi.TLS_ALERTS.get(alert, 'unknown')}",
            remedy="the peer must trust the CA that signed it: pass that CA to the peer",
        )
    if alert != _NO_ALERT:
        return errors.PeerRefused(
            f"{where} ended the handshake: TLS alert {alert}, {uapi.TLS_ALERTS.get(alert, 'unknown')}",
            remedy="compare certificates, keys, PSK and protocols of the two ends",
        )
    if libquic.ERR_TLS < code <= libquic.ERR_TRANSPORT or code == libquic.ERR_CLOSED:
        reason = uapi.describe_close(uapi.ConnectionClose(seen.close_code, seen.close_frame, seen.close_phrase))
        return errors.PeerRefused(
            f"{where} closed the connection during the handshake: {reason}",
            remedy="look at the peer's log; a full accept queue shows as connection refused",
        )
    return errors.HandshakeFailed(
        f"the handshake with {where} failed: {failure.text}", remedy="run again with QUICCTL_DEBUG=1"
    )
