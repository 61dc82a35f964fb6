# SPDX-License-Identifier: GPL-2.0-or-later
"""JSON schemas from the CDDL of the qlog drafts (RFC 8610, as far as these use it).

Of the validators that were tried pycddl 0.6 does not look behind the first alternative of a choice inside an array. So CDDL is
translated, and jsonschema judges. Sockets that nobody fills are empty; RFC 8610's prelude is what the drafts need of it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

Schema = dict[str, Any]

_TOKEN = re.compile(r'\s+|;[^\n]*|("(?:[^"\\]|\\.)*"|//=|/=|=>|\.[a-z]+|\d+\*\d+|\$?\$?[A-Za-z][\w-]*|\d+|[={}\[\](),:?*+~/])')
_PRELUDE: dict[str, Schema] = {
    "any": {},
    "text": {"type": "string"},
    "bool": {"type": "boolean"},
    "uint": {"type": "integer", "minimum": 0},
    "float32": {"type": "number"},
    "float64": {"type": "number"},
}


@dataclass
class _Map:
    """A group between braces."""

    properties: dict[str, Schema] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    is_open: bool = False

    def schema(self) -> Schema:
        return {
            "type": "object", "properties": self.properties, "required": self.required, "additionalProperties": self.is_open,
        }  # fmt: skip


class Cddl:
    """The rules of a CDDL text."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            assert match, f"not understood: {text[at : at + 40]!r}"
            if match[1]:
                self._tokens.append(match[1])
            at = match.end()
        self._at = 0
        self.rules: dict[str, list[Schema]] = {}
        self._maps: dict[str, _Map] = {}
        while self._at < len(self._tokens):
            self._rule()
        names = {name.lower(): name for name in self.rules}
        self._by_lower = names
        self._validators: dict[str, Draft202012Validator] = {}

    def validator(self, rule: str) -> Draft202012Validator:
        """What judges values of a rule; names are compared without case."""
        name = self._by_lower[rule.lower()]
        if name not in self._validators:
            defs = {each: {"anyOf": choices} if len(choices) > 1 else choices[0] for each, choices in self.rules.items()}
            self._validators[name] = Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": defs | _PRELUDE})
        return self._validators[name]

    def _peek(self, ahead: int = 0) -> str:
        return self._tokens[self._at + ahead] if self._at + ahead < len(self._tokens) else ""

    def _next(self, expected: str = "") -> str:
        token = self._peek()
        assert not expected or token == expected, f"{token} instead of {expected}, after {self._tokens[: self._at][-6:]}"
        self._at += 1
        return token

    def _rule(self) -> None:
        name = self._next()
        kind = self._next()
        assert kind in ("=", "/="), f"{name} {kind}"
        if self._peek() == "{":
            self._maps[name] = self._map()
            first = self._more(self._maps[name].schema())
        else:
            first = self._type()
        self.rules.setdefault(name, []).extend(first["anyOf"] if set(first) == {"anyOf"} else [first])

    def _type(self) -> Schema:
        return self._more(self._one())

    def _more(self, first: Schema) -> Schema:
        choices = [first]
        while self._peek() == "/":
            self._next()
            choices.append(self._one())
        return {"anyOf": choices} if len(choices) > 1 else first

    def _one(self) -> Schema:
        token = self._peek()
        if token == "{":
            made = self._map().schema()
        elif token == "[":
            made = self._array()
        else:
            self._next()
            made = {"const": token[1:-1]} if token.startswith('"') else {"$ref": f"#/$defs/{token}"}
        while self._peek().startswith("."):
            made = self._control(made, token)
        return made

    def _control(self, made: Schema, of: str) -> Schema:
        control, value = self._next(), self._next()
        if control == ".regexp":
            return {"type": "string", "pattern": f"^(?:{value[1:-1]})$"}
        if control == ".size" and of == "uint":
            return {"type": "integer", "minimum": 0, "maximum": (1 << 8 * int(value)) - 1}
        if control == ".size":
            return {"allOf": [made], "minLength": int(value), "maxLength": int(value)}
        assert control == ".default", control
        return made

    def _map(self) -> _Map:
        made = _Map()
        self._next("{")
        while self._peek() != "}":
            optional = False
            while self._peek() in ("?", "*"):
                optional = True
                self._next()
            token = self._next()
            if token == "~":
                other = self._maps[self._next()]
                made.properties |= other.properties
                made.required += other.required
            elif token.startswith("$$"):
                pass
            elif self._peek() == "=>":
                self._next()
                self._type()
                made.is_open = True
            else:
                self._next(":")
                made.properties[token] = self._type()
                if not optional:
                    made.required.append(token)
            if self._peek() == ",":
                self._next()
        self._next("}")
        return made

    def _array(self) -> Schema:
        self._next("[")
        times = self._next()
        low, high = ("1", "") if times == "+" else ("0", "") if times == "*" else tuple(times.split("*"))
        # Operators bind to the element: [* A / B] repeats either.
        made: Schema = {"type": "array", "items": self._type(), "minItems": int(low)}
        self._next("]")
        return made | ({"maxItems": int(high)} if high else {})


def _alike(value: Any) -> Any:
    """The same for all values that no rule of the drafts tells apart: these know the size of a number, and what a text is.

    Judging an event takes milliseconds, and seconds in an emulated guest; most are like another.
    """
    if isinstance(value, dict):
        return {name: _alike(inner) for name, inner in value.items()}
    if isinstance(value, list):
        inner = [_alike(each) for each in value]
        if all(isinstance(each, (dict, list)) for each in inner):
            return list({json.dumps(each): each for each in inner}.values())
        return inner
    if isinstance(value, float):
        return 0.5 if 0 <= value < 1e300 else value
    if isinstance(value, int) and not isinstance(value, bool):
        return next((limit - 1 for limit in (1 << 8, 1 << 16, 1 << 32, 1 << 64) if 0 <= value < limit), value)
    return value


class QlogSchema:
    """What the drafts say of a file."""

    def __init__(self) -> None:
        self._cddl = Cddl((Path(__file__).parent / "qlog.cddl").read_text())
        self._names = {name.lower() for name in self._cddl.rules}
        self._judged: dict[str, list[str]] = {}

    def header(self, record: dict[str, Any]) -> list[str]:
        """What is wrong with the first record of a file."""
        return self._errors("QlogFileSeq", record)

    def event(self, record: dict[str, Any]) -> list[str]:
        """What is wrong with an event: its own fields, and its data by its name."""
        kind = record.get("name", "").replace(":", "").replace("_", "")
        if kind.lower() not in self._names:
            return [f"there is no event {record.get('name')}"]
        alike = _alike(record)
        key = json.dumps(alike)
        if key not in self._judged:
            self._judged[key] = self._errors("Event", alike) + self._errors(kind, alike.get("data"))
        return self._judged[key]

    def data(self, rule: str, value: Any) -> list[str]:
        """What is wrong with a value of a rule."""
        return self._errors(rule, value)

    def _errors(self, rule: str, value: Any) -> list[str]:
        return [f"{rule}: {error.json_path}: {error.message}" for error in self._cddl.validator(rule).iter_errors(value)]
