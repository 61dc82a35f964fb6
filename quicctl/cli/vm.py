# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl vm``: run a command in a guest that has the module loaded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from quicctl import builder, errors, guest, kernel, uml
from quicctl.cli import output
from quicctl.cli.options import JsonOption

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)

WhereOption = Annotated[
    guest.Lane, typer.Option("--where", help="vm: distribution kernel under QEMU; uml: debug kernel with all sanitizers.")
]


@app.callback()
def vm() -> None:
    """Boot a guest and run a command in it."""


@app.command(context_settings={"allow_interspersed_args": False})
def run(
    command: Annotated[list[str], typer.Argument(metavar="-- CMD...", help="The command and its arguments.")],
    where: WhereOption = guest.Lane.VM,
    series: Annotated[str, typer.Option("--kernel", help="Kernel series of lane vm: 6.1, 6.12 or 7.")] = kernel.DEFAULT_SERIES,
    ko: Annotated[Path | None, typer.Option("--ko", help="Load this module instead of building one.")] = None,
    module: Annotated[bool, typer.Option(help="Build quic.ko and load it before the command.")] = True,
    timeout: Annotated[float, typer.Option(help="Seconds until the guest is stopped.")] = 600.0,
    smp: Annotated[int, typer.Option(help="Processors of the guest.")] = 2,
    memory: Annotated[int, typer.Option(help="Memory of the guest in MiB.")] = 1536,
    icount: Annotated[bool, typer.Option("--icount", help="Count instructions (lane vm, one processor).")] = False,
    leaks: Annotated[bool, typer.Option(help="Look for leaked memory at the end (lane uml; costs half a minute).")] = True,
    panic_on_warn: Annotated[bool, typer.Option("--panic-on-warn", help="Stop at the first warning of the kernel.")] = False,
    keep: Annotated[Path | None, typer.Option("--keep", metavar="DIR", help="Put console log and results there.")] = None,
    json: JsonOption = False,
) -> None:
    """Boot a guest, load quic.ko, run a command in the project's tree, end with its exit status.

    The guest sees the tree at /run/quic/tree (its working folder), built things at /run/quic/payload, and hands back to the
    host what is put into $QUIC_OUT.
    """
    tree = Path(__file__).resolve().parents[2]
    modules: tuple[Path, ...] = ()
    files: tuple[tuple[str, Path], ...] = ()
    booted = None
    target = uml.debug_kernel(output.progress) if where is guest.Lane.UML else kernel.newest(series)
    if where is guest.Lane.VM:
        booted = target
    if ko is not None:
        modules = (ko.resolve(),)
    elif module and (tree / "module" / "Kbuild").exists():
        modules = (builder.module(target, progress=output.progress).module,)
    if (tree / "libquic" / "Makefile").exists():
        files = (("lib", builder.library(progress=output.progress).folder / "lib"),)
    job = guest.Job(
        tuple(command), modules=modules, files=files, tree=tree, timeout=timeout, processors=smp, memory=memory,
        icount=icount, leaks=leaks, panic_on_warn=panic_on_warn, kernel=booted,
    )  # fmt: skip
    outcome = guest.run(where, job, on_output=None if json else _pass_on, folder=keep)
    if json:
        output.show(outcome, json=True)
    for complaint in outcome.complaints:
        output.progress(f"guest: {complaint}")
    if outcome.splats:
        first = outcome.splats[0]
        raise errors.KernelSplat(
            f"the guest's kernel reported {len(outcome.splats)} problem(s), first: {first.title}",
            detail=first.text, remedy=f"see {outcome.folder / 'console.log'}",
        )  # fmt: skip
    if outcome.complaints and outcome.status == 0:
        raise typer.Exit(errors.KernelSplat.exit_code)
    raise typer.Exit(outcome.status)


def _pass_on(name: str, data: bytes) -> None:
    stream = sys.stderr if name == "stderr" else sys.stdout
    stream.buffer.write(data)
    stream.buffer.flush()
