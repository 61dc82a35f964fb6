# SPDX-License-Identifier: GPL-2.0-or-later
"""The demonstration: module and library built, loaded where it can work, data moved both ways, hashes compared.

``run()`` prepares a place, the host or a guest; ``inside()`` is the part that runs there, as two processes of
``quicctl handshake``, so that it shows what a user would get.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from quicctl import errors, modinfo, module, process
from quicctl.libquic import Handshake
from quicctl.transfer import Transfer
from quicctl.uapi import TransportParams

MEBIBYTE = 1 << 20
_ALPN = "quicctl-demo"
_BLOCK = MEBIBYTE - 7  # not a power of two: a shifted piece changes the hash
_PATIENCE = 60.0
_RESULT = "demo.json"

Progress = Callable[[str], None]


class Where(StrEnum):
    """Where the module is loaded."""

    AUTO = "auto"
    HOST = "host"
    VM = "vm"


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What the demonstration showed."""

    place: str
    kernel: str
    module_version: str
    module_build: str
    client_tls: Handshake
    server_tls: Handshake
    client_params: TransportParams
    server_params: TransportParams
    to_server: Transfer
    to_client: Transfer
    verified: bool
    """The bytes that each end received are those the other end sent."""


def run(
    *,
    where: Where = Where.AUTO,
    size: int = 64,
    ko: Path | None = None,
    series: str | None = None,
    progress: Progress = lambda text: None,
) -> DemoReport:
    """Build, load, move size MiB each way, undo. With a series of kernel.SERIES, in a guest with its newest kernel."""
    if ko is not None:
        modinfo.read(ko)  # what is no module is said before anything is built or booted
    if where is Where.AUTO:
        where = choose(progress) if series is None else Where.VM
    return _on_host(size, ko, progress) if where is Where.HOST else _in_guest(size, ko, series, progress)


def choose(progress: Progress) -> Where:
    """The host if the running kernel can take the module and there are headers for it, otherwise a guest."""
    from quicctl import kernel

    try:
        module.check_loading_possible()
        kernel.running()
    except errors.QuicctlError as reason:
        progress(f"not on this kernel ({reason.message}): using a guest")
        return Where.VM
    return Where.HOST


def inside(*, size: int = 64, place: str = "host", progress: Progress = lambda text: None) -> DemoReport:
    """Move size MiB each way between a server and a client on the loopback device."""
    from quicctl import pki

    if not module.usable():
        raise errors.ModuleNotLoaded("the running kernel has no QUIC: the module is not loaded")
    with tempfile.TemporaryDirectory(prefix="quicctl-demo-") as scratch:
        folder = Path(scratch)
        progress("making keys, certificates and data")
        keys = pki.make(folder)
        for name in ("client", "server"):
            _fill(folder / f"{name}.data", size)
        quicctl = [sys.executable, "-m", "quicctl", "handshake", "--json", "--alpn", _ALPN, "--timeout", f"{_PATIENCE:g}"]

        def files(end: str) -> list[str]:
            return ["--send", str(folder / f"{end}.data"), "--recv", str(folder / f"{end}.received")]

        serve = [*quicctl, "--listen", "127.0.0.1:0", "--cert", str(keys.cert), "--key", str(keys.key), *files("server")]
        with _end(serve, folder / "server") as server:
            address = _listening(server, folder / "server.log")
            progress(f"server listening on {address}, connecting")
            with _end([*quicctl, address, "--ca", str(keys.ca), *files("client")], folder / "client") as client:
                _watch(folder, size, {"client": client, "server": server}, progress)
        answers = [json.loads((folder / f"{end}.json").read_text()) for end in ("client", "server")]
    return _compare(answers[0], answers[1], place)


def from_json(text: str) -> DemoReport:
    """A report that another process printed."""
    fields = json.loads(text)
    for name in ("client_tls", "server_tls"):
        fields[name] = Handshake(**fields[name])
    for name in ("client_params", "server_params"):
        fields[name] = TransportParams(**fields[name])
    for name in ("to_server", "to_client"):
        fields[name] = Transfer(**fields[name])
    return DemoReport(**fields)


def _on_host(size: int, ko: Path | None, progress: Progress) -> DemoReport:
    from quicctl import builder, kernel

    path = ko or builder.module(kernel.running(), progress=progress).module
    library = builder.libquic(progress=progress)
    before = module.loaded()
    progress(f"loading {path}")
    module.load(path, replace=before is not None)
    try:
        os.environ["QUICCTL_LIBQUIC"] = str(library.file)
        return inside(size=size, progress=progress)
    finally:
        if before is None:
            progress("unloading the module")
            module.unload()


def _in_guest(size: int, ko: Path | None, series: str | None, progress: Progress) -> DemoReport:
    from quicctl import builder, guest, kernel, sourcetree

    booted = kernel.for_guest(series)
    built = ko or builder.module(booted, progress=progress).module
    library = builder.libquic(progress=progress)
    progress(f"booting a guest with kernel {booted.release}")
    inner = ["python3", "-m", "quicctl", "demo", "--inside", "--size", str(size), "--json"]
    job = guest.Job(
        ("sh", "-c", f'{" ".join(inner)} >"$QUIC_OUT/{_RESULT}"'),
        modules=(built,),
        files=(("lib", library.folder / "lib"),),
        tree=sourcetree.project(),
        env={"QUICCTL_PLACE": "guest"},
        kernel=booted,
    )
    said: list[str] = []
    pending = ""

    def on_output(name: str, data: bytes) -> None:
        nonlocal pending
        *lines, pending = (pending + data.decode(errors="replace")).split("\n")
        for line in lines:
            said.append(line)
            progress(f"guest: {line}")

    outcome = guest.run(guest.Lane.VM, job, on_output=on_output)
    if outcome.splats:
        first = outcome.splats[0]
        raise errors.KernelSplat(
            f"the guest's kernel reported: {first.title}",
            detail=first.text,
            remedy=f"see {outcome.folder / 'console.log'}",
        )
    if outcome.complaints:
        raise errors.KernelSplat(
            f"the guest did not end as it should: {outcome.complaints[0]}",
            detail="\n".join(outcome.complaints[1:]),
            remedy=f"see {outcome.folder}",
        )
    if outcome.status != 0:
        raise errors.CommandFailed(
            f"the demonstration in the guest {process.describe_end(outcome.status)}",
            detail="\n".join(said[-20:]),
            remedy=f"see {outcome.folder}",
            returncode=outcome.status,
        )
    return from_json((outcome.results / _RESULT).read_text())


def _fill(path: Path, size: int) -> None:
    """Random bytes, of which a block is repeated: cheap to make on a slow machine."""
    block = os.urandom(_BLOCK)
    rest = size * MEBIBYTE
    with path.open("wb") as out:
        while rest > 0:
            out.write(block[:rest])
            rest -= len(block)


@contextlib.contextmanager
def _end(argv: list[str], name: Path) -> Iterator[Any]:
    """One end as a process; what it says goes to name.json and name.log."""
    with (
        name.with_suffix(".json").open("wb") as out,
        name.with_suffix(".log").open("wb") as log,
        process.running(argv, stdout=out, stderr=log) as child,
    ):
        yield child


def _listening(server: Any, log: Path) -> str:
    """Wait for the server to say where it listens."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        for line in log.read_text(errors="replace").splitlines():
            if line.startswith("listening on "):
                return line.removeprefix("listening on ")
        if server.poll() is not None:
            raise _failed("server", server.returncode, log)
        time.sleep(0.05)
    raise _failed("server", None, log)


def _watch(folder: Path, size: int, ends: dict[str, Any], progress: Progress) -> None:
    """Tell how much has arrived until both ends have ended; give up when nothing moves."""
    seen, since = -1, time.monotonic()
    while any(end.poll() is None for end in ends.values()):
        time.sleep(0.2)
        arrived = [
            path.stat().st_size // MEBIBYTE if path.exists() else 0
            for path in (folder / "server.received", folder / "client.received")
        ]
        if sum(arrived) != seen and (sum(arrived) - seen >= 8 or sum(arrived) == 2 * size):
            progress(f"moved {arrived[0]} of {size} MiB to the server, {arrived[1]} of {size} MiB to the client")
            seen, since = sum(arrived), time.monotonic()
        for name, end in ends.items():
            if end.poll() not in (None, 0):
                raise _failed(name, end.returncode, folder / f"{name}.log")
        if time.monotonic() - since > 2 * _PATIENCE:
            raise errors.ConnectionClosed(f"nothing moved for {2 * _PATIENCE:g} s", remedy="see the kernel's log")
    for name, end in ends.items():
        if end.returncode != 0:
            raise _failed(name, end.returncode, folder / f"{name}.log")


def _failed(end: str, status: int | None, log: Path) -> errors.QuicctlError:
    how = "did not get ready" if status is None else process.describe_end(status)
    return errors.CommandFailed(
        f"the {end} of the demonstration {how}",
        detail=process.tail(log.read_text(errors="replace")),
        remedy="see its last lines above",
        returncode=status or 1,
    )


def _compare(client: dict[str, Any], server: dict[str, Any], place: str) -> DemoReport:
    up, down = Transfer(**server["received"]), Transfer(**client["received"])
    for sent, received, way in ((client["sent"], up, "server"), (server["sent"], down, "client")):
        if (sent["sha256"], sent["bytes"]) != (received.sha256, received.bytes):
            raise errors.HashMismatch(
                f"what arrived at the {way} is not what was sent: {received.bytes} of {sent['bytes']} bytes,"
                f" {received.sha256} in place of {sent['sha256']}",
                remedy="this is a bug of the module: keep the guest's console and report it",
            )
    present = module.loaded()
    return DemoReport(
        place=place,
        kernel=platform.release(),
        module_version=present.version if present else "built in",
        module_build=present.build_id if present else "",
        client_tls=Handshake(**client["handshake"]),
        server_tls=Handshake(**server["handshake"]),
        client_params=TransportParams(**client["local_params"]),
        server_params=TransportParams(**server["local_params"]),
        to_server=up,
        to_client=down,
        verified=True,
    )
