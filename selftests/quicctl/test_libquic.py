# SPDX-License-Identifier: GPL-2.0-or-later
"""libquic by ctypes: the real library over the stand-in for the kernel that its own tests use. Real handshakes, no module."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Ends, in_thread

from quicctl import errors, libquic, pki
from quicctl.libquic import Credentials, Handshake, Tls, TlsFailure, Wait


def outcome(call: Callable[[], Handshake]) -> Handshake | TlsFailure:
    try:
        return call()
    except TlsFailure as failure:
        return failure


def both(
    client: Callable[[], Handshake], server: Callable[[], Handshake]
) -> tuple[Handshake | TlsFailure, Handshake | TlsFailure]:
    """What came out at the two ends."""
    attending = in_thread(lambda: outcome(server), 30)
    ours = outcome(client)
    return ours, attending()


def shake(
    ends: Ends,
    client: Credentials,
    server: Credentials,
    *,
    alpns: tuple[str | None, str | None] = (None, None),
    **options: object,
) -> tuple[Handshake | TlsFailure, Handshake | TlsFailure]:
    return both(
        lambda: libquic.handshake(
            ends.client, client, server=False, hostname="localhost", alpn=alpns[0], timeout=20, **options
        ),
        lambda: libquic.handshake(ends.server, server, server=True, alpn=alpns[1], timeout=20),
    )


@pytest.fixture
def shown(ends: Ends, keys: pki.Pki) -> Iterator[Credentials]:
    with Credentials(server=True) as made:
        made.certificate(keys.cert, keys.key)
        yield made


@pytest.fixture
def trusting(ends: Ends, keys: pki.Pki) -> Iterator[Credentials]:
    with Credentials(server=False) as made:
        made.trust(keys.ca)
        yield made


def test_handshake_agrees(ends: Ends, trusting: Credentials, shown: Credentials, tmp_path: Path) -> None:
    client, server = shake(ends, trusting, shown, alpns=("h3,shout", "shout"), keylog=tmp_path / "log", priority=None)
    assert isinstance(client, Handshake)
    assert isinstance(server, Handshake)
    assert (client.complete, client.alpn, client.verify, client.resumed) == (True, "shout", "ok", False)
    assert client.cipher_suite == server.cipher_suite
    assert server.server_name == "localhost"
    assert client.peer_subject
    assert "CLIENT_HANDSHAKE_TRAFFIC_SECRET" in (tmp_path / "log").read_text()


def test_unknown_authority_is_refused(ends: Ends, shown: Credentials, tmp_path: Path) -> None:
    stranger = pki.make(tmp_path)
    with Credentials(server=False) as distrusting:
        distrusting.trust(stranger.ca)
        client, server = shake(ends, distrusting, shown)
    assert isinstance(client, TlsFailure)
    assert client.code == libquic.ERR_CERTIFICATE
    assert client.handshake.verify == "failed"
    assert isinstance(server, TlsFailure)
    assert libquic.ERR_TRANSPORT < server.code <= libquic.ERR_PEER_ALERT


def test_insecure_client_takes_anything(ends: Ends, shown: Credentials) -> None:
    with Credentials(server=False) as careless:
        careless.insecure()
        client, _ = shake(ends, careless, shown)
    assert isinstance(client, Handshake)
    assert client.verify == "ignored"


def test_client_without_the_certificate_that_is_asked_for(
    ends: Ends, trusting: Credentials, shown: Credentials, keys: pki.Pki
) -> None:
    shown.trust(keys.ca)
    shown.client_auth("require")
    _, server = shake(ends, trusting, shown)
    assert isinstance(server, TlsFailure)
    assert server.code == libquic.ERR_CERTIFICATE


def test_no_protocol_in_common(ends: Ends, trusting: Credentials, shown: Credentials) -> None:
    client, server = shake(ends, trusting, shown, alpns=("a", "b"))
    assert isinstance(client, TlsFailure)
    assert isinstance(server, TlsFailure)
    assert server.code == libquic.ERR_ALPN


def test_shared_key(ends: Ends, tmp_path: Path) -> None:
    (tmp_path / "psk").write_text("me:00112233445566778899aabbccddeeff\n")
    with Credentials(server=False) as client_side, Credentials(server=True) as server_side:
        client_side.psk(tmp_path / "psk")
        server_side.psk(tmp_path / "psk")
        client, _ = shake(ends, client_side, server_side)
    assert isinstance(client, Handshake)
    assert client.psk_identity == "me"


def test_files_that_hold_something_else(ends: Ends, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("nothing")
    with Credentials(server=True) as made:
        for load in (made.trust, made.psk, lambda path: made.certificate(path, path)):
            with pytest.raises(errors.CredentialsInvalid, match="text"):
                load(tmp_path / "text")
            with pytest.raises(errors.FileUnreadable, match="missing"):
                load(tmp_path / "missing")


def test_silence_times_out(ends: Ends, trusting: Credentials) -> None:
    with pytest.raises(TlsFailure) as caught:
        libquic.handshake(ends.client, trusting, server=False, timeout=0.05)
    assert libquic.is_timeout(caught.value.code)


def walk(ends: Ends, client: Tls, server: Tls) -> tuple[list[Handshake], set[Wait]]:
    """Both ends of a handshake by turns, in one thread; what was agreed, and what was waited for."""
    agreed: list[Handshake] = []
    waits: set[Wait] = set()
    open_ = [client.steps(), server.steps()]
    for _ in range(1000):
        for steps in list(open_):
            try:
                waits.add(next(steps))
            except StopIteration as end:
                agreed.append(end.value)
                open_.remove(steps)
        if not open_:
            return agreed, waits
    raise AssertionError("the handshake does not end")


@pytest.mark.parametrize("nuisance", [0, 3])
def test_handshake_in_steps(ends: Ends, trusting: Credentials, shown: Credentials, nuisance: int) -> None:
    ends.kernel.fake_set_nuisance(ends.client, nuisance)
    with (
        Tls(ends.client, trusting, server=False, hostname="localhost") as client,
        Tls(ends.server, shown, server=True) as server,
    ):
        agreed, waits = walk(ends, client, server)
        assert [end.complete for end in agreed] == [True, True]
        assert Wait.READ in waits
        assert (Wait.SOON in waits) == bool(nuisance)


def test_steps_fail_as_the_whole_does(ends: Ends, trusting: Credentials) -> None:
    with Tls(ends.client, trusting, server=False, hostname="localhost") as client:
        steps = client.steps()
        assert next(steps) is Wait.READ
        assert libquic.is_timeout(client.expired().code)
        ends.kernel.fake_end(ends.client, 0x128)
        with pytest.raises(TlsFailure) as caught:
            next(steps)
    assert caught.value.code == libquic.ERR_PEER_ALERT - 0x28


def test_session_is_resumed(ends: Ends, trusting: Credentials, shown: Credentials) -> None:
    with Tls(ends.client, trusting, server=False, hostname="localhost") as client:
        assert isinstance(both(client.handshake, lambda: libquic.handshake(ends.server, shown, server=True))[0], Handshake)
        session = client.session(5)
    assert session
    pair = (ctypes.c_int * 2)()
    ends.kernel.fake_pair(pair)
    again, _ = shake(Ends(pair[0], pair[1], ends.kernel), trusting, shown, session=session)
    ends.kernel.fake_release(pair)
    assert isinstance(again, Handshake)
    assert again.resumed
    with pytest.raises(TlsFailure) as caught:
        Tls(ends.client, trusting, server=False, session=b"damaged")
    assert caught.value.code == libquic.ERR_SESSION_DATA


def test_server_without_ticket_leaves_no_session(ends: Ends, trusting: Credentials, shown: Credentials) -> None:
    with Tls(ends.client, trusting, server=False, hostname="localhost") as client:
        with pytest.raises(TlsFailure):
            client.session(0)
        both(client.handshake, lambda: libquic.handshake(ends.server, shown, server=True))
        assert client.session(5)


def test_credentials_outlive_their_owner_while_they_are_used(ends: Ends, keys: pki.Pki, trusting: Credentials) -> None:
    made = Credentials(server=True)
    made.certificate(keys.cert, keys.key)
    with Tls(ends.server, made, server=True) as server:
        made.close()
        made.close()
        with Tls(ends.client, trusting, server=False, hostname="localhost") as client:
            assert len(walk(ends, client, server)[0]) == 2
        assert made._handle
    assert not made._handle


def test_where_the_library_is(ends: Ends) -> None:
    assert libquic.location().endswith("libquic.so.1")
    assert libquic.strerror(-errno.ENOMEM)


def test_library_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    libquic._library.cache_clear()
    monkeypatch.setenv("QUICCTL_LIBQUIC", str(tmp_path / "none.so"))
    with pytest.raises(errors.LibraryMissing) as caught:
        libquic.strerror(-1)
    assert "none.so" in caught.value.detail
    libquic._library.cache_clear()


def test_option_that_takes_and_gives() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        given = libquic.getsockopt(plain.fileno(), socket.SOL_SOCKET, socket.SO_TYPE, bytes(4))
        assert int.from_bytes(given, "little") == socket.SOCK_DGRAM
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        libquic.getsockopt(-1, socket.SOL_SOCKET, socket.SO_TYPE, bytes(4))
