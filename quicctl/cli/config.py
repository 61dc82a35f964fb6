# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl config``: what can be set, by name, with units and ranges."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from quicctl import errors, settings
from quicctl.cli import complete, output
from quicctl.cli.options import DryRunOption, JsonOption, RootOption
from quicctl.settings import Change, Current, Parameter

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)

NetnsOption = Annotated[
    str | None,
    typer.Option(
        "--netns",
        metavar="NAME",
        help="For settings that each network namespace has: in that one.",
        autocompletion=complete.namespaces,
    ),
]
PersistOption = Annotated[bool, typer.Option("--persist", help="And at every boot: in sysctl.d or modprobe.d.")]
NameArgument = Annotated[
    str,
    typer.Argument(metavar="NAME", help="In full or its last part, such as quic_mem.", autocompletion=complete.settings),
]


@dataclass(frozen=True, slots=True)
class _All:
    """Everything that can be set."""

    settings: tuple[Current, ...]
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class _Done:
    """What was set, and where it was written down for later."""

    changes: tuple[Change, ...]
    file: Path | None


@dataclass(frozen=True, slots=True)
class _Forgotten:
    """What is no longer persisted."""

    settings: tuple[str, ...]
    removed: bool


@dataclass(frozen=True, slots=True)
class _Profile:
    """A profile and what it sets on this machine."""

    name: str
    meaning: str
    values: dict[str, tuple[int, ...]]


@app.callback()
def config() -> None:
    """Show and change what can be set: the module's sysctls and parameters, and what of the network bears on QUIC.

    The module's own settings count for the whole machine; where each network namespace has its own, --netns names it.

    Example: quicctl config list; quicctl config set quic_linger_ms 30s --persist; quicctl config profile server
    """


@app.command("list")
def list_(netns: NetnsOption = None, json: JsonOption = False) -> None:
    """Show all settings with their values, and the default where that is another.

    Example: quicctl config list --json
    """
    output.show(_All(settings.everything(netns), settings.parameters()), json=json, render=_render_all)


@app.command()
def get(name: NameArgument, netns: NetnsOption = None, json: JsonOption = False) -> None:
    """Show one setting and what it means.

    Example: quicctl config get quic_mem
    """
    found = _parameter(name)
    if found is not None:
        output.show(found, json=json)
        return
    output.show(settings.current(settings.find(name), netns), json=json, render=lambda one: [_details(one)])


@app.command("set")
def set_(
    name: NameArgument,
    value: Annotated[list[str], typer.Argument(metavar="VALUE...", help="Such as 4096 1M 16M, or 30s.")],
    persist: PersistOption = False,
    netns: NetnsOption = None,
    root: RootOption = Path("/"),
    dry_run: DryRunOption = False,
    json: JsonOption = False,
) -> None:
    """Change one setting, now and with --persist at every boot.

    Bytes and pages take K, M and G, times take ms, s and min. A parameter of the module that cannot change while it is
    loaded needs --persist and quicctl reload.

    Example: quicctl config set quic_rmem 4K 1M 16M
    """
    parameter = _parameter(name)
    if parameter is not None:
        settings.check_parameter(parameter, " ".join(value))
        if not dry_run:
            settings.set_parameter(parameter, " ".join(value), root, keep=persist)
        if json:
            output.show(_parameter(name), json=True)
        else:
            output.line(f"{'would set' if dry_run else 'set'} {parameter.name}={' '.join(value)}")
        return
    setting = settings.find(name)
    _apply({setting.name: settings.parse(setting, tuple(value))}, persist, netns, root, dry_run, json)


@app.command()
def profile(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="default, lan, wan or server; none: show them.", autocompletion=complete.profiles
        ),
    ] = None,
    persist: PersistOption = False,
    netns: NetnsOption = None,
    root: RootOption = Path("/"),
    dry_run: DryRunOption = False,
    json: JsonOption = False,
) -> None:
    """Show the profiles, or set what one of them says, all of it or nothing.

    Example: quicctl config profile wan --dry-run
    """
    if name is not None:
        _apply(settings.profile(name), persist, netns, root, dry_run, json)
        return
    known = [_Profile(each, settings.PROFILES[each][0], settings.profile(each)) for each in settings.PROFILES]
    output.show(known, json=json, render=lambda profiles: [_render_profile(one) for one in profiles])


@app.command()
def persist(
    netns: NetnsOption = None, root: RootOption = Path("/"), dry_run: DryRunOption = False, json: JsonOption = False
) -> None:
    """Have everything that differs from its default set at every boot, in /etc/sysctl.d/70-quicctl.conf.

    Example: quicctl config persist --dry-run
    """
    changed = {one.name: one.value for one in settings.everything(netns) if one.changed and one.value is not None}
    file, text = settings.persist(changed, root, dry_run=dry_run)
    if json:
        output.show(_Done(tuple(Change(n, v, v) for n, v in changed.items()), file), json=True)
        return
    output.line(f"{'would write' if dry_run else 'wrote'} {file}:")
    output.line(text.rstrip("\n"))


@app.command()
def forget(root: RootOption = Path("/"), dry_run: DryRunOption = False, json: JsonOption = False) -> None:
    """Take back what --persist and persist wrote; what is set now stays until the next boot.

    Example: quicctl config forget
    """
    was = _Forgotten(tuple(settings.persisted(root)), not dry_run and settings.forget(root))

    def render(done: _Forgotten) -> list[output.Table]:
        return [output.Table("", (), [["would forget" if dry_run else "forgotten", ", ".join(done.settings) or "nothing"]])]

    output.show(was, json=json, render=render)


def _parameter(name: str) -> Parameter | None:
    return next((one for one in settings.parameters() if one.name == name), None)


def _apply(
    wanted: dict[str, tuple[int, ...]], keep: bool, netns: str | None, root: Path, dry_run: bool, json: bool
) -> None:
    try:
        changes = settings.apply(wanted, netns, dry_run=dry_run)
    except errors.ModuleNotLoaded:
        if not keep:
            raise
        changes = tuple(Change(name, None, values) for name, values in wanted.items())
        output.progress("the module is not loaded: set at the next boot only")
    file = settings.persist(wanted, root, dry_run=dry_run)[0] if keep else None
    title = "would set" if dry_run else "set"
    output.show(_Done(changes, file), json=json, render=lambda done: [_render_changes(done, title)])


def _render_changes(done: _Done, title: str) -> output.Table:
    rows = [[one.name, _numbers(one.before), "->", _numbers(one.after)] for one in done.changes]
    return output.Table(title + (f", also in {done.file}" if done.file else ""), (), rows)


def _render_all(found: _All) -> list[output.Table]:
    rows = [
        [
            one.name.rpartition(".")[2],
            _shown(one, one.value),
            _shown(one, one.default) if one.value != one.default else "",
            one.unit,
        ]
        for one in found.settings
    ]
    tables = [output.Table("settings", ("name", "value", "default, if other", "unit"), rows)]
    if found.parameters:
        params = [[p.name, p.value or "-", p.kind or "-", "yes" if p.writable else "no", p.meaning] for p in found.parameters]
        tables.append(output.Table("parameters", ("name", "value", "type", "changeable", "meaning"), params))
    return tables


def _details(one: Current) -> output.Table:
    rows = [
        ["name", one.name],
        ["value", _numbers(one.value) if one.value is not None else "not there (quicctl load)"],
        ["default", _numbers(one.default)],
        ["numbers", ", ".join(one.parts)],
        ["unit", one.unit],
        ["range", _range(one)],
        ["counts for", "each network namespace" if one.scope == "netns" else "the machine"],
        ["meaning", one.meaning],
    ]
    return output.Table("", (), rows)


def _render_profile(one: _Profile) -> output.Table:
    return output.Table(f"{one.name}: {one.meaning}", (), [[name, _numbers(values)] for name, values in one.values.items()])


def _range(one: Current) -> str:
    return f"{one.low}..{one.high}"


def _shown(one: Current, values: tuple[int, ...] | None) -> str:
    """Numbers as they could be typed, short."""
    if values is None or one.unit != "bytes":
        return _numbers(values)
    return " ".join(_short(value) for value in values)


def _short(value: int) -> str:
    for suffix, size in (("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)):
        if value and value % size == 0:
            return f"{value // size}{suffix}"
    return str(value)


def _numbers(values: tuple[int, ...] | None) -> str:
    return "-" if values is None else " ".join(map(str, values))
