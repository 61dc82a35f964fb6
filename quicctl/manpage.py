# SPDX-License-Identifier: GPL-2.0-or-later
"""Manual pages made from the commands themselves: what --help says, as man(7) has it.

A command comes as click's objects, of whichever copy of click typer brings; only their public attributes are read.
A paragraph of its help that begins with ``Example:`` belongs to the section EXAMPLES.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from quicctl import errors

_COLUMNS = 65
"""Of a source line: with what escaping adds it stays below 80."""
_EXAMPLE = re.compile(r"^Example: ", re.M)


@dataclass(frozen=True, slots=True)
class Edition:
    """What stands at the head and the foot of each page."""

    version: str
    date: datetime


def pages(program: Any, context: Any, summaries: Mapping[str, str], edition: Edition) -> dict[str, str]:
    """The page of a program, and one for each of its commands, by their file names; summaries are one line a command."""
    name = program.name
    commands = [(each, program.get_command(context, each)) for each in program.list_commands(context)]
    whole = {f"{name}.1": _overview(program, summaries, edition)}
    for each, command in commands:
        whole[f"{name}-{each}.1"] = _page(f"{name} {each}", command, summaries[each], context, edition)
    return whole


def _overview(program: Any, summaries: Mapping[str, str], edition: Edition) -> str:
    about = _paragraphs(program)[0].replace("\n", " ").rstrip(".")
    lines = [_title(program.name, edition), ".SH NAME", f"{_text(program.name)} \\- {_text(_uncapitalized(about))}"]
    lines += [".SH SYNOPSIS", f".B {_text(program.name)}", r"[\fIOPTION\fR]... \fICOMMAND\fR [\fIARGUMENT\fR]..."]
    lines += [".SH DESCRIPTION"]
    lines += _filled(
        "Results go to standard output, progress and errors to standard error. Output is drawn on a terminal and plain text in"
        " a pipe. Each command has a page of its own and explains itself with --help."
    )
    lines += [".SH COMMANDS"]
    for name, summary in summaries.items():
        lines += [".TP", rf"\fB{_text(f'{program.name}-{name}')}\fR(1)", *_filled(f"{summary}.")]
    lines += [*_options(program), ".SH EXIT STATUS"]
    for status, meaning in enumerate(("Success.", "Something unforeseen; with --debug there is a traceback.", "Wrong usage.")):
        lines += [".TP", str(status), *_filled(meaning)]
    for kind in sorted(_causes(), key=lambda kind: kind.exit_code):
        lines += [".TP", str(kind.exit_code), *_filled(inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0])]
    lines += [".SH ENVIRONMENT"]
    for variable, meaning in _ENVIRONMENT.items():
        lines += [".TP", rf"\fB{_text(variable)}\fR", *_filled(meaning)]
    lines += [".SH FILES", ".TP", r"\fI~/.cache/quicctl\fR"]
    lines += _filled("What was built, and kernels and roots for guests; it can be deleted at any time.")
    seen = [f".BR {_text(f'{program.name}-{name}')} (1)" for name in summaries]
    return _joined(lines, [*seen, ".BR libquic (3)", ".BR quic (7)"])


_ENVIRONMENT = {
    "NO_COLOR": "Nothing is coloured if it is set.",
    "QUICCTL_DEBUG": "If it is set and not 0, commands behave as with --debug.",
    "QUICCTL_LIBQUIC": "Path of libquic.so.1, to be used in place of a built or installed one.",
    "XDG_CACHE_HOME": "Where the cache is, if not in ~/.cache.",
}


def _page(name: str, command: Any, summary: str, context: Any, edition: Edition) -> str:
    dashed = name.replace(" ", "-")
    inner = _inner(command, context)
    lines = [_title(dashed, edition), ".SH NAME", f"{_text(dashed)} \\- {_text(_uncapitalized(summary))}", ".SH SYNOPSIS"]
    for each, one in inner or [("", command)]:
        lines += [*_synopsis(f"{name} {each}".strip(), one), ".br"]
    del lines[-1]
    lines += [".SH DESCRIPTION", *_description(command)]
    if inner:
        lines += [".SH COMMANDS"]
        for each, one in inner:
            lines += [f".SS {_text(f'{name} {each}')}", *_description(one)]
            lines += [line for line in _arguments(one) + _options(one) if not line.startswith(".SH ")]
    else:
        lines += [*_arguments(command), *_options(command)]
    examples = [example for one in (command, *(one for _, one in inner)) for example in _examples(one)]
    if examples:
        lines += [".SH EXAMPLES"]
        for number, example in enumerate(examples):
            lines += [*([".PP"] if number else []), ".nf", rf"\fB{_text(example)}\fR", ".fi"]
    lines += [".SH EXIT STATUS"]
    lines += _filled("0 on success, 2 on wrong usage; each cause of a failure has a status of its own, listed in")
    lines += [rf".BR {_text(name.split()[0])} (1)."]
    return _joined(lines, [rf".BR {_text(name.split()[0])} (1)"])


def _inner(command: Any, context: Any) -> list[tuple[str, Any]]:
    if not hasattr(command, "list_commands"):
        return []
    return [(name, command.get_command(context, name)) for name in command.list_commands(context)]


def _causes() -> Iterator[type[errors.QuicctlError]]:
    for kind in vars(errors).values():
        if inspect.isclass(kind) and issubclass(kind, errors.QuicctlError) and kind is not errors.QuicctlError:
            yield kind


def _title(name: str, edition: Edition) -> str:
    date = edition.date.strftime("%Y-%m-%d")
    return f'.TH {_text(name).upper()} 1 "{date}" "quicctl {edition.version}" "User Commands"'


def _synopsis(name: str, command: Any) -> list[str]:
    words = [r"[\fIOPTION\fR]..."] if any(_is_option(param) for param in command.params) else []
    words += [_argument(param) for param in command.params if not _is_option(param)]
    return [f".B {_text(name)}", *([" ".join(words)] if words else [])]


def _argument(param: Any) -> str:
    name = _text(_metavar(param).strip("[]"))
    dots = "..." if param.nargs == -1 and not name.endswith("...") else ""
    return rf"\fI{name}\fR{dots}" if param.required else rf"[\fI{name}\fR]{dots}"


def _uncapitalized(text: str) -> str:
    """As whatis(1) lists it."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def _description(command: Any) -> list[str]:
    lines: list[str] = []
    for paragraph in _paragraphs(command):
        lines += [*([".PP"] if lines else []), *_filled(paragraph)]
    return lines


def _paragraphs(command: Any) -> list[str]:
    """The help without its examples."""
    whole = inspect.cleandoc(command.help or "").split("\n\n")
    return [paragraph for paragraph in whole if not _EXAMPLE.match(paragraph)]


def _examples(command: Any) -> list[str]:
    found = []
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if _EXAMPLE.match(paragraph):
            found += [" ".join(part.split()) for part in _EXAMPLE.split(paragraph) if part]
    return found


def _arguments(command: Any) -> list[str]:
    lines = []
    for param in command.params:
        if not _is_option(param) and getattr(param, "help", None):
            lines += [".TP", rf"\fI{_text(_metavar(param).strip('[]'))}\fR", *_filled(param.help)]
    return [".SH ARGUMENTS", *lines] if lines else []


def _options(command: Any) -> list[str]:
    lines = []
    for param in command.params:
        if not _is_option(param) or param.hidden:
            continue
        names = ", ".join(rf"\fB{_text(name)}\fR" for name in (*param.opts, *param.secondary_opts))
        value = "" if param.is_flag or param.count else rf" \fI{_text(_metavar(param))}\fR"
        lines += [".TP", names + value, *_filled((param.help or "") + _default(param))]
    return [".SH OPTIONS", *lines] if lines else []


def _default(param: Any) -> str:
    default = param.default() if callable(param.default) else param.default
    default = getattr(default, "value", default)
    is_told = not param.is_flag and isinstance(default, (str, int, float)) and default != ""
    told = is_told and "default" not in (param.help or "")
    return f" Default: {default}." if told else ""


def _is_option(param: Any) -> bool:
    return bool(param.param_type_name == "option")


def _metavar(param: Any) -> str:
    if param.metavar:
        return str(param.metavar)
    choices = getattr(param.type, "choices", None)
    if choices:
        return "|".join(str(getattr(choice, "value", choice)) for choice in choices)
    if param.param_type_name == "argument":
        return str(param.name).upper()
    return str(param.type.name).upper()


def _filled(text: str) -> list[str]:
    return [_text(line) for line in textwrap.wrap(text, _COLUMNS, break_long_words=False, break_on_hyphens=False)]


def _text(text: str) -> str:
    """Characters that roff takes for its own, made to stand for themselves."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
    text = text.replace("^", r"\(ha").replace("~", r"\(ti").replace('"', r"\(dq")
    return rf"\&{text}" if text.startswith(".") else text


def _joined(lines: list[str], seen: list[str]) -> str:
    seen = [f"{line}," if number < len(seen) else line for number, line in enumerate(seen, 1)]
    seen = [re.sub(r" \((\d)\),$", r" (\1),", line) for line in seen]
    return "\n".join([*lines, ".SH SEE ALSO", *seen, ""])
