"""Level 3: the line that stands for a page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.base.page import Page
from pagefault.paging.levels.reference import excerpt, stub

MESSAGE = Page(
    page_id="msg_1",
    page_type="transcript",
    modality="text",
    session="s1",
    version=1,
    content=1,
    tokens=10,
    size=10,
    importance=0.5,
    source="user",
    trust=3,
    recorded_at=0.0,
    role="user",
)


def test_a_stub_says_what_the_page_is_who_spoke_and_how_it_begins() -> None:
    assert stub(MESSAGE, "Where is\nthe key?", None) == "[transcript] user: Where is the key?"


@pytest.mark.parametrize(
    ("fields", "speaker"),
    [
        ({"name": "Ada"}, "Ada"),
        ({"tool_name": "read_file", "role": "tool"}, "read_file"),
        ({"role": "assistant"}, "assistant"),
    ],
)
def test_a_stub_names_the_speaker_as_exactly_as_is_known(
    fields: dict[str, Any], speaker: str
) -> None:
    page = replace(MESSAGE, **fields)
    assert stub(page, "text", None) == f"[transcript] {speaker}: text"


def test_a_page_that_nobody_spoke_has_a_stub_without_a_speaker() -> None:
    claim = replace(MESSAGE, page_type="claim", role=None)
    assert stub(claim, "We use Postgres.", None) == "[claim] We use Postgres."


def test_a_hint_speaks_for_the_page_in_place_of_its_first_words() -> None:
    assert stub(MESSAGE, "text", "about keys") == "[transcript] user: about keys"


def test_an_excerpt_is_cut_at_a_word() -> None:
    assert excerpt("one two three four", 9) == "one two…"


@given(st.text(), st.integers(4, 200))
def test_an_excerpt_is_one_line_of_at_most_its_width(text: str, width: int) -> None:
    short = excerpt(text, width)
    assert len(short) <= width + 1
    assert len(short.splitlines()) <= 1
    assert short == short.strip()


@given(st.text(max_size=50))
def test_a_text_that_fits_is_quoted_whole(text: str) -> None:
    assert excerpt(text, 50) == " ".join(text.split())
