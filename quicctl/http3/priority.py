# SPDX-License-Identifier: GPL-2.0-or-later
"""Priorities of requests, RFC 9218: what a client wishes, and whose turn it is to send."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

_KEY = r"[a-z*][a-z0-9_.*-]*"
_ITEM = r"""(?:
    -?\d{1,15}(?:\.\d{1,3})?            # numbers
    | "(?:[ !#-\[\]-~]|\\["\\])*"       # strings
    | [A-Za-z*][!#-'*+.^-`|~\w:/-]*     # tokens
    | :[A-Za-z0-9+/=]*:                 # bytes
    | \?[01]                            # booleans
)"""
_PARAMETERS = rf"(?:;[ ]*{_KEY}(?:={_ITEM})?)*"
_MEMBER = re.compile(
    rf"(?P<key>{_KEY})(?:=(?P<value>{_ITEM}|\([ ]*(?:{_ITEM}{_PARAMETERS}[ ]*)*\)))?{_PARAMETERS}", re.VERBOSE | re.ASCII
)
_COMMA = re.compile(r"[ \t]*,[ \t]*")


@dataclass(frozen=True, slots=True)
class Priority:
    """What a client wishes of an answer."""

    urgency: int = 3
    """From 0, the first, to 7, in the background."""
    incremental: bool = False
    """Its parts are of use as they come, so it can share the way with others of its kind."""

    def __str__(self) -> str:
        return f"u={self.urgency}" + (", i" if self.incremental else "")


DEFAULT = Priority()


def parse(value: str) -> Priority:
    """The Priority field, a dictionary of structured fields. Whatever cannot be understood is as if it were not there."""
    members: dict[str, str | None] = {}
    rest = value.strip(" ")
    while rest:
        member = _MEMBER.match(rest)
        if member is None:
            return DEFAULT
        members[member["key"]] = member["value"]
        rest = rest[member.end() :]
        if rest:
            comma = _COMMA.match(rest)
            if comma is None or comma.end() == len(rest):
                return DEFAULT
            rest = rest[comma.end() :]
    urgency = members.get("u") or ""
    known = re.fullmatch("[0-7]", urgency)
    incremental = "i" in members and members["i"] in (None, "?1")
    return Priority(int(urgency) if known else DEFAULT.urgency, incremental)


class Turns:
    """Who of the answers on a connection sends next: RFC 9218, section 10.

    The most urgent; among equals those that are of use as a whole, in the order of their streams, before those that share, who
    take turns. Who waits for something else than its turn holds up nobody.
    """

    def __init__(self) -> None:
        self._priorities: dict[int, Priority] = {}
        self._waiting: dict[int, tuple[int, asyncio.Future[None]]] = {}
        self._order = itertools.count()
        self._taken = False

    def set(self, stream_id: int, priority: Priority) -> None:
        """A stream has this priority from now on."""
        self._priorities[stream_id] = priority

    def forget(self, stream_id: int) -> None:
        """The stream sends no more."""
        self._priorities.pop(stream_id, None)

    @contextlib.asynccontextmanager
    async def turn(self, stream_id: int) -> AsyncIterator[None]:
        """Around sending a piece."""
        mine = asyncio.get_running_loop().create_future()
        self._waiting[stream_id] = (next(self._order), mine)
        self._choose_soon()
        try:
            await mine
        except asyncio.CancelledError:
            self._waiting.pop(stream_id, None)
            if mine.done() and not mine.cancelled():
                self._give()
            raise
        try:
            yield
        finally:
            self._give()

    def _give(self) -> None:
        self._taken = False
        self._choose_soon()

    def _choose_soon(self) -> None:
        # Not at once: who has just sent a piece shall ask again before it is decided.
        asyncio.get_running_loop().call_soon(self._choose)

    def _choose(self) -> None:
        if self._taken or not self._waiting:
            return
        first = min(self._waiting, key=self._rank)
        _, future = self._waiting.pop(first)
        if future.cancelled():
            self._choose_soon()
            return
        self._taken = True
        future.set_result(None)

    def _rank(self, stream_id: int) -> tuple[int, bool, int]:
        priority = self._priorities.get(stream_id, DEFAULT)
        order, _ = self._waiting[stream_id]
        return priority.urgency, priority.incremental, order if priority.incremental else stream_id
