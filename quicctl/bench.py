# SPDX-License-Identifier: GPL-2.0-or-later
"""What a byte costs over QUIC, TCP, kTLS and another stack: both ends on one processor, over the loopback device at MTU 1500.

In a guest whose clock advances a nanosecond per instruction the cost is counted in instructions and repeats to a fraction
of a per cent; on the host it is time. The measuring itself is done by selftests/perf/stream_bench.c, and by stacks.py there
for programs of others.
"""

from __future__ import annotations

import dataclasses
import json
import platform
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from quicctl import errors, process

Progress = Callable[[str], None]

MTU = 1500
MEBIBYTE = 1 << 20


class Protocol(StrEnum):
    """What is measured.

    quic-plain leaves the encryption of data packets out. ngtcp2 is a stack in user space, measured in a guest if asked for: its
    example client and server, which come from Debian, write as they like, so it has one figure.
    """

    TCP = "tcp"
    KTLS = "ktls"
    QUIC = "quic"
    QUIC_PLAIN = "quic-plain"
    NGTCP2 = "ngtcp2"


OWN = (Protocol.TCP, Protocol.KTLS, Protocol.QUIC, Protocol.QUIC_PLAIN)
"""What the kernel does."""


class Where(StrEnum):
    """Counted in a guest, or timed on the running kernel."""

    VM = "vm"
    HOST = "host"


# Bytes of one pass for a size of writes: enough for the figure to settle, little enough for an emulator.
AMOUNTS = {64 << 10: 16 * MEBIBYTE, 16 << 10: 8 * MEBIBYTE, 4 << 10: 4 * MEBIBYTE, 1 << 10: 2 * MEBIBYTE}
_SMALLEST_AMOUNT = 2 * MEBIBYTE
_TIMEOUT = 1800.0
_STACKS = "selftests/perf/stacks.py"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement: the median of several passes."""

    protocol: str
    message: int
    bytes: int
    elapsed_ns: int
    idle_ns: int
    """Part of the elapsed time in which the processor waited."""
    per_byte: float
    """Instructions, or nanoseconds on the host, that both ends together spent on a byte."""
    spread: float
    """Between the cheapest and the dearest pass, as a part of the median."""


@dataclass(frozen=True, slots=True)
class BenchReport:
    """All measurements of one run."""

    kernel: str
    unit: str
    mtu: int
    module_build: str
    figures: tuple[Figure, ...]


def run(
    *,
    where: Where = Where.VM,
    protocols: Sequence[Protocol] = OWN,
    messages: Sequence[int] = tuple(AMOUNTS),
    series: str | None = None,
    ko: Path | None = None,
    progress: Progress = lambda text: None,
) -> BenchReport:
    """Measure each protocol with each size of writes."""
    from quicctl import builder, modinfo

    if ko is not None:
        modinfo.read(ko)  # what is no module is said before anything is built or booted
    if where is Where.HOST and Protocol.NGTCP2 in protocols:
        raise errors.BenchFailed("ngtcp2 is measured in a guest", remedy="add --where vm, or leave out -p ngtcp2")
    programs = builder.programs("perf", progress=progress)
    if where is Where.HOST:
        return _on_host(programs, protocols, messages, progress)
    return _in_guest(programs, protocols, messages, series, ko, progress)


def parse(text: str) -> tuple[Figure, ...]:
    """The figures that stream_bench printed."""
    figures = []
    for line in text.splitlines():
        seen = json.loads(line)
        busy = seen["elapsed_ns"] - seen["idle_ns"]
        if busy <= 0:
            raise errors.BenchFailed(
                f"{seen['protocol']} at {seen['message']} bytes was too short to measure", remedy="move more bytes"
            )
        spread = (seen.pop("most_ns") - seen.pop("least_ns")) / busy
        figures.append(Figure(**seen, per_byte=round(busy / seen["bytes"], 3), spread=round(spread, 4)))
    return tuple(figures)


def _tell(line: str, unit: str, progress: Progress) -> None:
    """A line of stream_bench's, for people who wait."""
    from quicctl import chart

    if not line.startswith("{"):
        progress(line)
        return
    for figure in parse(line):
        progress(f"writes of {chart.size_text(figure.message)}, {figure.protocol}: {figure.per_byte:.2f} {unit} per byte")


def _commands(program: str, protocols: Sequence[Protocol], messages: Sequence[int], mtu: int | None) -> list[list[str]]:
    commands = []
    for message in messages:
        chosen = [word for protocol in protocols if protocol in OWN for word in ("-p", protocol.value)]
        device = ["-M", str(mtu)] if mtu is not None else []
        if chosen:
            commands.append([program, *device, *chosen, "-m", str(message), "-b", str(_amount(message))])
    return commands


def _amount(message: int) -> int:
    return AMOUNTS.get(message, max(_SMALLEST_AMOUNT, message * 64))


def _in_guest(
    programs: Path,
    protocols: Sequence[Protocol],
    messages: Sequence[int],
    series: str | None,
    ko: Path | None,
    progress: Progress,
) -> BenchReport:
    from quicctl import builder, guest, kernel, modinfo, peers, sourcetree

    booted = kernel.for_guest(series)
    modules: tuple[Path, ...] = ()
    if any(protocol in (Protocol.QUIC, Protocol.QUIC_PLAIN) for protocol in protocols):
        modules = (ko or builder.module(booted, progress=progress).module,)
    program = f"{guest.BASE}/payload/stream_bench"
    commands = _commands(program, protocols, messages, MTU)
    stack = Protocol.NGTCP2 in protocols
    if stack:
        most = max(messages)
        commands.append(["python3", _STACKS, "--message", str(most), "--bytes", str(_amount(most))])
    # No device manager runs in the guest that would load the processor's own ciphers.
    drivers = ["modprobe", "-a", "-q", "aesni_intel", "ghash_clmulni_intel", "||", "true"]
    # A kernel fresh from booting pays for its first pages; some hundred megabytes later the figures repeat.
    warm_up = [program, "-M", str(MTU), "-p", Protocol.TCP.value, "-b", str(64 * MEBIBYTE), ">/dev/null"]
    progress(f"counting instructions in a guest with kernel {booted.release}; this takes minutes")
    job = guest.Job(
        ("sh", "-ec", "\n".join(" ".join(command) for command in [drivers, warm_up, *commands])),
        modules=modules,
        files=(("stream_bench", programs / "stream_bench"),),
        tree=sourcetree.project() if stack else None,
        processors=1,
        icount=True,
        timeout=_TIMEOUT,
        kernel=booted,
    )
    said: list[str] = []
    pending = ""

    def on_output(name: str, data: bytes) -> None:
        nonlocal pending
        text = data.decode(errors="replace")
        if name == "stderr":
            said.extend(text.splitlines())
            progress(text.rstrip())
            return
        *lines, pending = (pending + text).split("\n")
        for line in lines:
            _tell(line, "instructions", progress)

    with tempfile.TemporaryDirectory(prefix="quicctl-bench-") as scratch:
        if stack:
            manifest = Path(scratch) / peers.MANIFEST
            mounts = peers.write_manifest([peers.root("trixie", progress)], manifest)
            job = dataclasses.replace(job, mounts=tuple(mounts), files=(*job.files, (peers.MANIFEST, manifest)))
        outcome = guest.run(guest.Lane.VM, job, on_output=on_output)
    if outcome.splats:
        first = outcome.splats[0]
        raise errors.KernelSplat(
            f"the guest's kernel reported: {first.title}",
            detail=first.text,
            remedy=f"see {outcome.folder / 'console.log'}",
        )
    if outcome.status != 0:
        raise errors.BenchFailed(
            "a measurement failed: " + (said[-1] if said else process.describe_end(outcome.status)),
            remedy=f"see {outcome.folder}",
        )
    build = modinfo.read(modules[0]).build_id if modules else ""
    figures = parse((outcome.folder / "stdout").read_text())
    return BenchReport(booted.release, "instructions", MTU, build, figures)


def _on_host(programs: Path, protocols: Sequence[Protocol], messages: Sequence[int], progress: Progress) -> BenchReport:
    """Time on the running kernel, with the loopback device as it is: changing its MTU would disturb others."""
    from quicctl import module

    if not module.usable() and any(protocol in (Protocol.QUIC, Protocol.QUIC_PLAIN) for protocol in protocols):
        raise errors.ModuleNotLoaded("the running kernel has no QUIC: the module is not loaded")
    said = ""
    for command in _commands(str(programs / "stream_bench"), protocols, messages, None):
        done = process.run(command, timeout=_TIMEOUT, on_line=lambda line: _tell(line, "nanoseconds", progress))
        said += done.stdout + "\n"
    present = module.loaded()
    mtu = int(Path("/sys/class/net/lo/mtu").read_text())
    build = present.build_id if present else ""
    return BenchReport(platform.release(), "nanoseconds", mtu, build, parse(said.strip()))
