# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the command, runs it, prints an error once.

A command's module is imported only when that command runs (guests under emulation are slow), so the table below carries
what the overview shows. A module ``quicctl.cli.<name>`` (its dashes underscores) has a function ``<name>``, or a
``typer.Typer`` named ``app`` if it has commands of its own.
"""

from __future__ import annotations

import errno
import importlib
import logging
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from quicctl import __version__, errors
from quicctl.cli import output

COMMANDS = {
    "doctor": "Check what this machine has and lacks",
    "build": "Build the module and libquic",
    "inspect": "Show what a module is and why a kernel would refuse it",
    "sign": "Sign a module for Secure Boot",
    "install": "Install module, library and configuration",
    "uninstall": "Take out what install put in",
    "load": "Load the module into the running kernel",
    "unload": "Unload the module",
    "reload": "Unload the module and load another build of it",
    "config": "Show and change settings",
    "status": "Show what the running kernel has loaded",
    "conns": "Show QUIC connections and listeners",
    "offload": "Show devices that protect packets, allow or forbid them",
    "top": "Show QUIC connections as they change",
    "trace": "Write what connections do as qlog files, for qvis and other readers",
    "handshake": "Connect to a QUIC server, or be one, and move data",
    "cat": "Send standard input to a QUIC peer, and write what comes to standard output",
    "get": "Fetch URLs over HTTP/3",
    "serve": "Serve the files of a folder over HTTP/3",
    "tlshd": "Make TLS handshakes for QUIC sockets of the kernel's own",
    "demo": "Move data both ways through the module and show what was negotiated",
    "bench": "Measure QUIC beside TCP and kTLS",
    "selftest": "Run the tests where they can run",
    "vm": "Boot a guest and run a command in it",
    "package": "Make Debian, RPM, Arch, DKMS and other packages, or put the module into a kernel tree",
    "man": "Write manual pages of all commands",
    "completion": "Print what a shell needs to complete commands, options and values",
    "rfc-coverage": "Show which obligations of the RFCs are met and tested where",
}


class _LazyGroup(TyperGroup):
    """A group whose commands are imported when asked for."""

    _summaries_suffice = False

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Names and summaries of the commands; none of them is imported for that."""
        self._summaries_suffice = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self._summaries_suffice = False

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        if self._summaries_suffice:
            return TyperCommand(cmd_name, help=COMMANDS[cmd_name])
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"quicctl.cli.{name}")
        commands = getattr(module, "app", None)
        if commands is None:
            commands = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
            commands.command(cmd_name)(getattr(module, name))
        command = typer.main.get_command(commands)
        command.name = cmd_name
        _leave_files_to_the_shell(command)
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except errors.QuicctlError as error:
            if _debug():
                raise
            output.show_error(error)
            raise typer.Exit(error.exit_code) from error
        except OSError as failure:
            if _debug() or failure.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            full = errors.NoSpace(f"the disk is full: {failure.filename or failure}", remedy="make room and try again")
            output.show_error(full)
            raise typer.Exit(full.exit_code) from failure
        except KeyboardInterrupt as stopped:
            raise typer.Exit(130) from stopped


def _leave_files_to_the_shell(command: Any) -> None:
    """Older releases of typer offer what was typed of a file's name, and no shell looks for files then."""
    for param in command.params:
        if param.type.name in ("path", "file", "directory"):
            param.type.shell_complete = lambda *_: []
    for inner in getattr(command, "commands", {}).values():
        _leave_files_to_the_shell(inner)


def _debug() -> bool:
    return os.environ.get("QUICCTL_DEBUG", "") not in ("", "0")


def _version(wanted: bool) -> None:
    if wanted:
        output.line(f"quicctl {__version__}")
        raise typer.Exit


app = typer.Typer(cls=_LazyGroup, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="Show commands as they run, and tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Build, load, test and use the in-kernel QUIC transport."""
    if debug:
        os.environ["QUICCTL_DEBUG"] = "1"
    if _debug():
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="+ %(message)s")


def main() -> None:
    """Entry point of the program ``quicctl``."""
    output.take_any_text()
    app(prog_name="quicctl")
