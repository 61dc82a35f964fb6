# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests against other stacks share: certificates, contents, and patience with slow guests."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from quicctl import module
from quicctl.interop import UNSUPPORTED

# Helpers that more than one folder uses.
sys.path += [str(Path(__file__).parent / "peers"), str(Path(__file__).parents[1] / "quicctl")]

SLOW = float(os.environ.get("QUIC_SLOW", "1"))
SIZE = int(os.environ.get("QUIC_INTEROP_BYTES", str(10 << 20)))
"""Bytes each way."""


@dataclass(frozen=True, slots=True)
class Pki:
    """The files of selftests/pki/make-pki."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def cert(self) -> Path:
        return self.folder / "server.pem"

    @property
    def key(self) -> Path:
        return self.folder / "server.key"

    @property
    def stranger_ca(self) -> Path:
        """An authority that signed nothing here."""
        return self.folder / "other-ca.pem"


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes to send, as a file and by their hash."""

    path: Path
    size: int
    sha256: str


def unsupported(proof: str) -> None:
    """End the test: the peer cannot do this, as the proof shows."""
    pytest.skip(UNSUPPORTED + proof)


@pytest.fixture(scope="session", autouse=True)
def _module() -> None:
    if not module.usable():
        pytest.skip("the module is not loaded")


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    folder = tmp_path_factory.mktemp("pki")
    maker = Path(__file__).parents[1] / "pki" / "make-pki"
    subprocess.run(["sh", maker, folder], check=True, capture_output=True, text=True, timeout=60 * SLOW)
    return Pki(folder)


def _content(folder: Path, name: str, seed: int, size: int = SIZE) -> Content:
    data = random.Random(seed).randbytes(size)
    path = folder / name
    path.write_bytes(data)
    return Content(path, size, hashlib.sha256(data).hexdigest())


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Content:
    """What our end sends."""
    return _content(tmp_path_factory.mktemp("ours"), "ours.bin", 1)


@pytest.fixture(scope="session")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Content:
    """What the stranger sends."""
    return _content(tmp_path_factory.mktemp("theirs"), "theirs.bin", 2)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Content:
    """What is sent where the amount does not matter."""
    return _content(tmp_path_factory.mktemp("small"), "small.bin", 3, min(SIZE, 64 << 10))


@pytest.fixture(scope="session")
def small_theirs(tmp_path_factory: pytest.TempPathFactory) -> Content:
    """The same from the stranger."""
    return _content(tmp_path_factory.mktemp("small_theirs"), "small_theirs.bin", 4, min(SIZE, 64 << 10))
