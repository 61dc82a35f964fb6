# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests over two namespaces share: the wire, certificates, contents, and patience with slow guests."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from simdev import Simulated, simulated
from wire import Wire, wire

from quicctl import module

SLOW = float(os.environ.get("QUIC_SLOW", "1"))


@dataclass(frozen=True, slots=True)
class Pki:
    """The files of selftests/pki/make-pki."""

    ca: Path
    cert: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes to send, as a file and by their hash."""

    path: Path
    size: int
    sha256: str


@pytest.fixture(scope="session", autouse=True)
def _ready() -> None:
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")
    for tool in ("ip", "tc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed (iproute2)")
    if not module.usable():
        pytest.skip("the module is not loaded")


@pytest.fixture
def link() -> Iterator[Wire]:
    """Two namespaces that see each other."""
    with wire() as made:
        yield made


@pytest.fixture(scope="module")
def made() -> Iterator[Simulated]:
    """Simulated devices that protect nothing: a wire with knobs."""
    with simulated() as wire:
        for device in (wire.here, wire.there):
            device.set(registered=0)
        yield wire


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    folder = tmp_path_factory.mktemp("pki")
    maker = Path(__file__).parents[1] / "pki" / "make-pki"
    subprocess.run(["sh", maker, folder], check=True, capture_output=True, text=True, timeout=60 * SLOW)
    return Pki(folder / "ca.pem", folder / "server.pem", folder / "server.key")


def content(folder: Path, name: str, size: int) -> Content:
    """A file of noise that is the same in every run."""
    data = random.Random(name).randbytes(size)
    path = folder / name
    path.write_bytes(data)
    return Content(path, size, hashlib.sha256(data).hexdigest())
