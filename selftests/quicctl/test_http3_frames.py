# SPDX-License-Identifier: GPL-2.0-or-later
"""What of HTTP/3 is read beside aioquic: frames in any pieces, and priorities."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicctl.http3 import frames
from quicctl.http3.frames import ControlReader, ErrorCode, FrameReader, GoAway, Head, PriorityUpdate, Violation, Whole
from quicctl.http3.priority import DEFAULT, Priority, Turns, parse


@pytest.mark.parametrize(
    ("value", "size"), ((0, 1), (63, 1), (64, 2), (16383, 2), (16384, 4), (1 << 30, 8), ((1 << 62) - 1, 8))
)
def test_varint(value: int, size: int) -> None:
    written = frames.varint(value)
    assert len(written) == size
    assert frames.read_varint(written + b"more") == (value, size)
    assert frames.read_varint(written[:-1]) is None


def test_varint_has_62_bits() -> None:
    with pytest.raises(ValueError, match="62 bits"):
        frames.varint(1 << 62)


@given(st.lists(st.integers(1, 20), min_size=1))
def test_frames_come_out_whole_however_they_arrive(cuts: list[int]) -> None:
    sent = frames.frame(0x21, b"unknown" * 5) + frames.go_away(8) + frames.frame(frames.DATA, b"") + frames.go_away(4)
    reader, got, rest = FrameReader({frames.GOAWAY: 8}), [], sent
    for cut in cuts:
        got += reader.feed(rest[:cut])
        rest = rest[cut:]
    got += reader.feed(rest)
    assert got == [
        Head(0x21, 35), Head(frames.GOAWAY, 1), Whole(frames.GOAWAY, b"\x08"), Head(frames.DATA, 0), Head(frames.GOAWAY, 1),
        Whole(frames.GOAWAY, b"\x04"),
    ]  # fmt: skip


def test_kept_frame_is_bounded_before_it_comes() -> None:
    with pytest.raises(Violation) as caught:
        list(FrameReader({frames.GOAWAY: 8}).feed(b"\x07\x09"))
    assert caught.value.code == ErrorCode.EXCESSIVE_LOAD


def control(*said: bytes, server: bool = True) -> list[GoAway | PriorityUpdate]:
    reader, got = ControlReader(server=server), []
    for piece in (b"\0", *said):
        got += reader.feed(piece)
    return got


def test_control_stream_says() -> None:
    assert control(frames.go_away(8), frames.priority_update(12, "u=1, i")) == [GoAway(8), PriorityUpdate(12, "u=1, i")]


def test_other_streams_say_nothing() -> None:
    reader = ControlReader(server=True)
    assert [*reader.feed(b"\x40"), *reader.feed(b"\x02"), *reader.feed(frames.go_away(1))] == []


@pytest.mark.parametrize(
    ("said", "server", "code"),
    (
        (frames.go_away(4) + frames.go_away(8), False, ErrorCode.ID_ERROR),
        (frames.go_away(5), False, ErrorCode.ID_ERROR),
        (frames.frame(frames.GOAWAY, b"\x01\x01"), True, ErrorCode.FRAME_ERROR),
        (frames.frame(frames.GOAWAY, b""), True, ErrorCode.FRAME_ERROR),
        (frames.frame(frames.PRIORITY_UPDATE, b""), True, ErrorCode.FRAME_ERROR),
        (frames.priority_update(4, ""), False, ErrorCode.FRAME_UNEXPECTED),
        (frames.priority_update(3, ""), True, ErrorCode.ID_ERROR),
    ),
)
def test_control_stream_is_wrong(said: bytes, server: bool, code: ErrorCode) -> None:
    with pytest.raises(Violation) as caught:
        control(said, server=server)
    assert caught.value.code == code


def test_codes_have_names() -> None:
    assert [frames.describe(code) for code in (0x10C, 0x200, 0x999)] == [
        "H3_REQUEST_CANCELLED", "QPACK_DECOMPRESSION_FAILED", "0x999"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "expected"),
    (
        ("", DEFAULT), ("u=5", Priority(5)), ("u=0, i", Priority(0, True)), ("i", Priority(3, True)),
        ("i=?1", Priority(3, True)),
        ("i=?0, u=7", Priority(7)), ("u=5;x=1, i;y", Priority(5, True)), ("u=1, u=2", Priority(2)),
        ('a="u=1, i", u=4', Priority(4)), ("a=(1 2;b), u=4", Priority(4)), ("u=8", DEFAULT), ("u=-1", DEFAULT),
        ("u=1.5", DEFAULT), ('u="1"', DEFAULT), ("u", DEFAULT), ("i=1", DEFAULT), ("i=yes", DEFAULT),
        ("u=1,", DEFAULT), ("u=1 i", DEFAULT), ("U=1", DEFAULT), ("u=1, \xff", DEFAULT), (" u=2 ", Priority(2)),
    ),
)  # fmt: skip
def test_priority_field(value: str, expected: Priority) -> None:
    assert parse(value) == expected


@given(st.text())
def test_any_priority_field_is_understood_somehow(value: str) -> None:
    assert 0 <= parse(value).urgency <= 7


def test_priority_is_written_as_it_is_read() -> None:
    assert [parse(str(one)) for one in (Priority(0), Priority(7, True))] == [Priority(0), Priority(7, True)]


def order(priorities: dict[int, Priority], pieces: int = 3) -> list[int]:
    """The streams in the order in which they send their pieces; a lower number came first."""

    async def main() -> list[int]:
        turns, sent = Turns(), []
        for stream_id, priority in priorities.items():
            turns.set(stream_id, priority)

        async def send(stream_id: int) -> None:
            for _ in range(pieces):
                async with turns.turn(stream_id):
                    sent.append(stream_id)
                    await asyncio.sleep(0)

        await asyncio.gather(*map(send, priorities))
        return sent

    return asyncio.run(main())


def test_urgent_ones_go_first() -> None:
    assert order({0: Priority(5), 4: Priority(1), 8: Priority(3)}) == [4] * 3 + [8] * 3 + [0] * 3


def test_equals_go_one_after_the_other_or_share() -> None:
    assert order({8: DEFAULT, 4: DEFAULT}) == [4] * 3 + [8] * 3
    assert order({4: Priority(3, True), 8: Priority(3, True)}) == [4, 8] * 3
    assert order({4: Priority(3, True), 8: DEFAULT})[:3] == [8] * 3


def test_who_gives_up_waiting_holds_up_nobody() -> None:
    async def main() -> None:
        turns = Turns()

        async def take() -> None:
            async with turns.turn(4):
                pass

        async with turns.turn(0):
            waiting = asyncio.create_task(take())
            await asyncio.sleep(0.01)
            waiting.cancel()
        granted = asyncio.create_task(take())
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # it has its turn, and does not know yet
        granted.cancel()
        async with asyncio.timeout(10), turns.turn(8):
            pass

    asyncio.run(main())
