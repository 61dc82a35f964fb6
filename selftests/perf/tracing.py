# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tracepoints cost the data path: instructions a byte with all off, with all but frames on, and with all on.

    .venv/bin/python selftests/perf/tracing.py [--kernel SERIES]

Counted as ``quicctl bench`` counts, in one guest; a JSON line for each figure, with the ratio to the figure with all off.
"""

from __future__ import annotations

import argparse
import json

from quicctl import bench, builder, guest, kernel

MESSAGES = (65536, 1024)
EVENTS = "/sys/kernel/tracing/events/quic"
STATES = {
    "off": f"echo 0 >{EVENTS}/enable",
    "all but frames": f"echo 1 >{EVENTS}/enable; for each in {EVENTS}/quic_frame_*/enable; do echo 0 >$each; done",
    "all": f"echo 1 >{EVENTS}/enable",
}


def measure(series: str) -> dict[tuple[int, str], float]:
    """Instructions a byte, by size of writes and what is traced."""
    booted = kernel.newest(series)
    program = [f"{guest.BASE}/payload/stream_bench", "-M", str(bench.MTU), "-p"]
    script = ["modprobe -a -q aesni_intel ghash_clmulni_intel || true", "mount -t tracefs none /sys/kernel/tracing || true"]
    script.append(" ".join([*program, "tcp", "-b", str(64 * bench.MEBIBYTE), ">/dev/null"]))  # as bench does: to warm up
    for message in MESSAGES:
        for command in STATES.values():
            script += [command, " ".join([*program, "quic", "-m", str(message), "-b", str(bench.AMOUNTS[message])])]
    job = guest.Job(
        ("sh", "-ec", "\n".join(script)), modules=(builder.module(booted).module,),
        files=(("stream_bench", builder.programs("perf") / "stream_bench"),),
        processors=1, icount=True, timeout=1800, kernel=booted,
    )  # fmt: skip
    outcome = guest.run(guest.Lane.VM, job)
    if outcome.status or outcome.splats:
        raise SystemExit(f"the measurement failed: see {outcome.folder}")
    figures = bench.parse((outcome.folder / "stdout").read_text())
    order = [(message, state) for message in MESSAGES for state in STATES]
    return {key: figure.per_byte for key, figure in zip(order, figures, strict=True)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", default=kernel.DEFAULT_SERIES)
    figures = measure(parser.parse_args().kernel)
    for (message, state), cost in figures.items():
        ratio = round(cost / figures[message, "off"], 3)
        print(json.dumps({"write": message, "traced": state, "instructions_per_byte": cost, "ratio": ratio}))


if __name__ == "__main__":
    main()
