"""The lines of an export."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.base.errors import InvalidArgument
from pagefault.base.exported import Content, End, Header, Item, checked, decode, encode
from pagefault.base.log import EventAdded, LogLine, PageAdded, SessionOpened, Touched

HEADER = Header("default", "Default", "estimate", 12.5, "/src/.git", "pagefault")
LINES = [
    LogLine(1, 1.25, "client", 1, 0, SessionOpened(session="s1", title="Ä")),
    LogLine(2, 2.5, "client", 1, 1, EventAdded(session="s1", event_id="evt_1", role="user",
                                               usage={"prompt": 3})),
    LogLine(3, 2.5, "model", 1, 1, PageAdded(session="s1", page_id="claim_1", page_type="claim",
                                             modality="text", content=1, tokens=1, size=1,
                                             source="model", trust=2, derived_from=("msg_1",))),
    LogLine(4, 3.0, "system", 2, 7, Touched(session="s1", page_id="claim_1")),
]  # fmt: skip


@pytest.mark.parametrize("item", [HEADER, Content(7, None), End(3, 4), *LINES], ids=repr)
def test_an_item_is_read_as_it_was_written(item: Item) -> None:
    line = encode(item)
    assert "\n" not in line
    assert decode(json.loads(line)) == item


@given(st.binary() | st.text().map(lambda text: text.encode()))
def test_content_comes_back_byte_by_byte_whether_text_or_not(data: bytes) -> None:
    assert decode(json.loads(encode(Content(1, data)))) == Content(1, data)


def test_a_changed_content_is_noticed() -> None:
    line = encode(Content(1, b"blue")).replace("blue", "pink")
    with pytest.raises(InvalidArgument, match="checksum"):
        decode(json.loads(line))


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"format": "pagefault-export", "version": 2},
        {"content": "x"},
        {"content": 1, "text": 3, "checksum": ""},
        {"line": 1},
        {**json.loads(encode(LINES[0])), "kind": "levitation"},
        {**json.loads(encode(LINES[0])), "data": {"colour": "blue"}},
        {"end": 4},
    ],
)
def test_what_no_pagefault_of_this_version_wrote_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument):
        decode(value)


WHOLE: list[Item] = [HEADER, Content(1, b"a"), *LINES, Content(4, b"b"), End(2, 4)]


def test_a_whole_export_passes() -> None:
    assert list(checked(WHOLE)) == WHOLE


@pytest.mark.parametrize(
    "items",
    [
        [],
        WHOLE[1:],
        WHOLE[:-1],
        [*WHOLE, End(2, 4)],
        [HEADER, *WHOLE],
        [item for item in WHOLE if item != LINES[2]],
        [item for item in WHOLE if item != Content(1, b"a")],
        [*WHOLE[:-2], Content(1, b"b"), WHOLE[-1]],
    ],
    ids=lambda items: str(len(items)),
)
def test_an_export_with_anything_missing_or_twice_is_refused(items: list[Item]) -> None:
    with pytest.raises(InvalidArgument):
        list(checked(items))
