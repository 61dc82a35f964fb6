# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent for the kernel's own sockets: its configuration, what it refuses, the keys that it takes."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from quicctl import errors, keyring, libquic, tlshd, tlshd_config
from quicctl.genetlink import AUTH_PSK, AUTH_X509, Request
from quicctl.keyring import Key

NOTHING = tlshd_config.Role(None, None, None)
EMPTY = tlshd_config.Config(NOTHING, NOTHING)


def request(fd: int = -1, **fields: object) -> Request:
    given = {
        "server": False, "auth": AUTH_X509, "timeout": 1.0, "peername": "", "certificate": None, "identities": (), "keyring": 0
    }  # fmt: skip
    return Request(fd=fd, **{**given, **fields})  # type: ignore[arg-type]


class Keys:
    """Keys as the kernel would have them: type, description, payload; keyrings hold serial numbers."""

    def __init__(self, **kept: tuple[str, str, bytes]) -> None:
        self.kept = {int(serial[1:]): key for serial, key in kept.items()}
        self.linked: list[int] = []

    def describe(self, serial: int) -> Key:
        if serial not in self.kept:
            raise OSError(errno.EKEYREVOKED, os.strerror(errno.EKEYREVOKED))
        return Key(serial, *self.kept[serial][:2])

    def read(self, serial: int) -> bytes:
        return self.kept[serial][2]


def ring(*serials: int) -> bytes:
    return b"".join(serial.to_bytes(4, "little", signed=True) for serial in serials)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Keys:
    kept = Keys(
        k1=("psk", "first", bytes(16)), k2=("user", "second", bytes(32)), k3=("psk", "third", bytes(32)),
        k4=("keyring", "inner", ring(3, 9, 5)), k5=("keyring", "outer", ring(1, 2, 4)),
    )  # fmt: skip
    kept.kept[keyring.SESSION] = ("keyring", "session", ring(5))
    monkeypatch.setattr(keyring, "describe", kept.describe)
    monkeypatch.setattr(keyring, "read", kept.read)
    monkeypatch.setattr(keyring, "link", kept.linked.append)
    return kept


class Taken:
    """Credentials that only note what they were given."""

    def __init__(self) -> None:
        self.given: list[tuple[str, object]] = []

    def psk_key(self, identity: str, key: bytes) -> None:
        self.given.append((identity, len(key)))

    def certificate(self, cert: Path, key: Path) -> None:
        self.given.append((cert.read_text(), key.read_text()))

    def insecure(self) -> None:
        self.given.append(("insecure", True))

    def trust(self, file: Path) -> None:
        self.given.append(("trust", file))

    def client_auth(self, mode: str) -> None:
        self.given.append(("client auth", mode))


@pytest.fixture
def taken() -> Iterator[Taken]:
    yield Taken()


def given(taken: Taken) -> libquic.Credentials:
    return taken  # type: ignore[return-value]


# The file.


def test_configuration_is_tlshds(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(
        "[debug]\nloglevel=1\ntls=0\nnl=0\n[authenticate]\nkeyrings= .nvme; mine ;\n[authenticate.client]\n"
        "x509.truststore= /a/ca.pem\n[authenticate.server]\nx509.certificate=/a/c.pem\nx509.private_key=/a/k.pem\n"
        "#x509.truststore=/b\n"
    )
    found = tlshd_config.read(file)
    assert found.client == tlshd_config.Role(Path("/a/ca.pem"), None, None)
    assert found.server == tlshd_config.Role(None, Path("/a/c.pem"), Path("/a/k.pem"))
    assert (found.keyrings, found.loglevel) == ((".nvme", "mine"), 1)


@pytest.mark.parametrize(
    "text", ("x509.truststore=/a\n", "[debug]\nloglevel=much\n", "[authenticate.client]\nx509.crl=/a/crl.pem\n")
)
def test_configuration_is_broken_or_cannot_be_obeyed(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad").write_text(text)
    with pytest.raises(errors.CredentialsInvalid):
        tlshd_config.read(tmp_path / "bad")


def test_configuration_is_missing(tmp_path: Path) -> None:
    with pytest.raises(errors.FileUnreadable):
        tlshd_config.read(tmp_path / "none")


def test_files_that_others_can_reach_are_refused(tmp_path: Path) -> None:
    key, link = tmp_path / "key", tmp_path / "link"
    key.write_text("secret")
    key.chmod(0o600)
    link.symlink_to(key)
    assert tlshd_config.checked(key, 0o600) == key
    with pytest.raises(errors.CredentialsInvalid):
        tlshd_config.checked(link, 0o600)
    key.chmod(0o640)
    with pytest.raises(errors.CredentialsInvalid):
        tlshd_config.checked(key, 0o600)
    with pytest.raises(errors.FileUnreadable):
        tlshd_config.checked(tmp_path / "none", 0o600)


# Keys.


def test_members_are_those_of_keyrings_within_too(keys: Keys) -> None:
    assert [key.serial for key in keyring.members(5)] == [1, 2, 3]


def test_client_offers_the_first_key(keys: Keys, taken: Taken) -> None:
    known = tlshd._give_keys(given(taken), request(auth=AUTH_PSK, identities=(2, 1), keyring=5))
    assert taken.given == [("second", 32)]
    assert known == {2: "second", 1: "first"}
    assert keys.linked == [5]


def test_server_takes_the_named_keys_and_those_of_its_keyrings(keys: Keys, taken: Taken) -> None:
    tlshd._give_keys(given(taken), request(auth=AUTH_PSK, server=True, identities=(2,)))
    assert taken.given == [("second", 32), ("first", 16), ("third", 32)]


def test_client_without_a_key(keys: Keys, taken: Taken) -> None:
    with pytest.raises(OSError) as caught:
        tlshd._give_keys(given(taken), request(auth=AUTH_PSK))
    assert caught.value.errno == errno.ENOKEY


def test_certificate_of_the_kernels_keys(keys: Keys, taken: Taken) -> None:
    keys.kept[7] = ("user", "certificate", b"\x30\x03abc")
    keys.kept[8] = ("user", "key", b"-----BEGIN PRIVATE KEY-----\n")
    tlshd._give_certificates(given(taken), NOTHING, request(certificate=(7, 8)), 0)
    shown = "-----BEGIN CERTIFICATE-----\nMANhYmM=\n-----END CERTIFICATE-----\n"
    assert taken.given == [(shown, "-----BEGIN PRIVATE KEY-----\n")]


@pytest.mark.parametrize(("asked", "mode"), [(1, "request"), (2, "require"), (3, "require")])
def test_server_asks_for_certificates(taken: Taken, asked: int, mode: str) -> None:
    tlshd._give_certificates(given(taken), NOTHING, request(server=True), asked)
    assert taken.given == [("client auth", mode)]


def test_client_that_checks_nothing_shows_nothing(keys: Keys, taken: Taken) -> None:
    tlshd._give_certificates(given(taken), NOTHING, request(certificate=(7, 8)), 3)
    assert taken.given == [("insecure", True)]


def test_keyring_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(
        "05ee2ea9 I--Q---     1 perm 1f3f0000     0 65534 keyring   _uid.0: empty\n"
        "1cbd2ea9 I--Q---     1 perm 1f3f0000     0     0 user      mine: 5\n"
        "2abd2ea9 I--Q---     1 perm 1f3f0000     0     0 keyring   mine: 1\n"
    )
    monkeypatch.setattr(keyring, "_PROC", tmp_path / "keys")
    assert keyring.find("mine") == 0x2ABD2EA9
    assert keyring.find("other") is None


# Requests.


def test_sockets_of_other_protocols_are_refused() -> None:
    with socket.socket() as end:
        assert tlshd.attempt(EMPTY, request(end.fileno())).status == errno.EPROTONOSUPPORT
        os.fstat(end.fileno())  # the descriptor is the caller's


def test_service_manager_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        tlshd._tell_systemd("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_keyrings_without_support_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def join() -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(keyring, "join", join)
    tlshd._open_keyrings(())
    with pytest.raises(errors.KernelOptionMissing):
        tlshd._open_keyrings(("mine",))
