# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl vm``: a command, or a shell, in a guest that has the module loaded."""

from __future__ import annotations

import math
import os
import shutil
import sys
import termios
import tty
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from quicctl import builder, errors, guest, kernel, modinfo, uml
from quicctl.cli import complete, output
from quicctl.cli.options import JsonOption

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)

SeriesOption = Annotated[
    str | None, typer.Option("--kernel", help="Lane vm: 6.1, 6.12 or 7; default: 6.12.", autocompletion=complete.series)
]
KoOption = Annotated[Path | None, typer.Option("--ko", help="Load this module instead of building one.")]
ModuleOption = Annotated[bool, typer.Option(help="Build quic.ko and load it before the command.")]
WhereOption = Annotated[
    guest.Lane, typer.Option("--where", help="vm: distribution kernel under QEMU; uml: debug kernel with all sanitizers.")
]


@app.callback()
def vm() -> None:
    """Boot a guest and run a command in it, or a shell."""


@app.command(context_settings={"allow_interspersed_args": False})
def run(
    command: Annotated[list[str], typer.Argument(metavar="-- CMD...", help="The command and its arguments.")],
    where: WhereOption = guest.Lane.VM,
    series: SeriesOption = None,
    ko: KoOption = None,
    module: ModuleOption = True,
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

    Example: quicctl vm run --where uml -- python3 -m quicctl status
    """
    job = _job(
        where, series, ko, module, argv=tuple(command), timeout=timeout, processors=smp, memory=memory, icount=icount,
        leaks=leaks, panic_on_warn=panic_on_warn,
    )  # fmt: skip
    outcome = guest.run(where, job, on_output=None if json else _pass_on, folder=keep)
    if json:
        output.show(outcome, json=True)
    _end(outcome)


@app.command()
def shell(
    where: WhereOption = guest.Lane.VM,
    series: SeriesOption = None,
    ko: KoOption = None,
    module: ModuleOption = True,
    smp: Annotated[int, typer.Option(help="Processors of the guest.")] = 2,
    memory: Annotated[int, typer.Option(help="Memory of the guest in MiB.")] = 1536,
) -> None:
    """Boot a guest, load quic.ko, and give a shell in it; exit ends the guest.

    Example: quicctl vm shell --kernel 6.1

    The project's tree is the working folder, libquic on the loader's path, python3 -m quicctl the tool. Keys go to the guest,
    Ctrl-C included. Commands may come through a pipe, too.
    """
    source = sys.stdin.fileno()
    columns, rows = shutil.get_terminal_size()
    start = f"stty rows {rows} columns {columns}; exec bash --norc -i"
    job = _job(
        where, series, ko, module, argv=("sh", "-c", start), timeout=math.inf, processors=smp, memory=memory, leaks=False,
        source=source, env={"TERM": os.environ.get("TERM", "dumb"), "PS1": r"guest:\W# "},
    )  # fmt: skip
    output.progress("booting the guest; exit ends it")
    before = termios.tcgetattr(source) if os.isatty(source) else None
    try:
        if before is not None:
            tty.setraw(source)
        outcome = guest.run(where, job, on_output=_pass_on)
    finally:
        if before is not None:
            termios.tcsetattr(source, termios.TCSADRAIN, before)
    _end(outcome)


def _job(where: guest.Lane, series: str | None, ko: Path | None, module: bool, **conditions: Any) -> guest.Job:
    """A job in the project's tree, with the module and the library that it wants."""
    tree = Path(__file__).resolve().parents[2]
    modules: tuple[Path, ...] = ()
    files: tuple[tuple[str, Path], ...] = ()
    if ko is not None:
        modinfo.read(ko)  # what is no module is said before anything is built or booted
        modules = (ko.resolve(),)
    target = uml.debug_kernel(output.progress) if where is guest.Lane.UML else kernel.for_guest(series)
    if ko is None and module and (tree / "module" / "Kbuild").exists():
        modules = (builder.module(target, progress=output.progress).module,)
        if (simdev := modules[0].parent / builder.SIMDEV).exists():
            files = ((builder.SIMDEV, simdev),)
    if (tree / "libquic" / "Makefile").exists():
        files = (*files, ("lib", builder.libquic(progress=output.progress).folder / "lib"))
    return guest.Job(modules=modules, files=files, tree=tree, kernel=target if where is guest.Lane.VM else None, **conditions)


def _end(outcome: guest.Outcome) -> NoReturn:
    """Leave with the command's status, unless the kernel had something to report."""
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
