"""Level 3: the line that stands for a page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.paging.texts import count, page_with, source_of

from pagefault.paging.excerpt import excerpt
from pagefault.paging.levels.reference import head, shorten
from pagefault.paging.levels.source import Target

LONG = (
    "We met again to talk about the plan and the plan was not what we had thought it would be. "
    "Then Boris said that the Kestrel turbine needs the part AX-4410 from Uppsala, and we said "
    "that it would be good to have it there soon, since it would be so good to have it all done. "
)
AROUND = (
    "We met to talk about the plan and what it would be. It was good that we had thought of it.",
    "Then we said that it would be good to have it soon, and that there would be more to be done.",
    "She said the plan needs to be there, and all of us would like to have it all done again.",
)


def stub(text: str, tokens: int = 40, around: tuple[str, ...] = (), **more: Any) -> str | None:
    return shorten(source_of(text, around=around, **more), Target(3, tokens))


def test_a_short_page_is_quoted_with_what_it_is_and_who_spoke() -> None:
    assert stub("Where is\nthe key?") == "[transcript] user: Where is the key?"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "Ada"}, "[transcript] Ada: "),
        ({"tool_name": "read_file", "role": "tool"}, "[transcript] read_file: "),
        ({"role": "assistant"}, "[transcript] assistant: "),
        ({"created_at": 1_683_500_000.0, "name": "Ada"}, "[transcript] Ada 2023-05-07: "),
        ({"created_at": 1_683_500_000.0, "role": None}, "[transcript] 2023-05-07: "),
        ({"page_type": "claim", "role": None}, "[claim] "),
        ({"name": "A" * 200}, f"[transcript] {'A' * 24}…: "),
    ],
)
def test_a_stub_says_who_spoke_and_when_as_far_as_is_known(
    fields: dict[str, Any], said: str
) -> None:
    assert head(replace(page_with("text"), **fields)) == said


def test_a_hint_speaks_for_the_page_in_place_of_its_words() -> None:
    assert stub(LONG, hint="about keys") == "[transcript] user: about keys"


def test_a_hint_too_long_for_a_stub_is_cut_at_a_word() -> None:
    line = stub(LONG, hint="the many keys of the old house by the sea " * 20)
    assert line is not None
    assert line.startswith("[transcript] user: the many keys of the old house")
    assert line.endswith("…")
    assert count(line) <= 40


def test_a_stub_holds_what_sets_the_page_apart_from_those_around_it() -> None:
    words = set((stub(LONG, 25, AROUND) or "").split())
    assert {"Boris", "Kestrel", "turbine", "AX-4410", "Uppsala"} <= words
    assert not {"that", "would", "plan", "good", "have"} & words


def test_a_word_that_all_pages_around_have_gives_way_to_one_that_is_this_pages_own() -> None:
    text = "Gardens and bridges and harbours were talked about at great length, as they often are. "
    shared = ("Gardens, bridges.", "Bridges or gardens?", "About gardens and bridges again.")
    line = stub(text * 2, 12, shared)
    assert line is not None
    assert "harbours" in line
    assert "ridges" not in line


def test_words_stand_in_the_order_of_the_page() -> None:
    words = (stub(LONG, 25, AROUND) or "").removeprefix("[transcript] user: ").split()
    places = [LONG.index(word) for word in words]
    assert places == sorted(places)


def test_a_chinese_page_is_told_by_its_own_characters() -> None:
    text = "我们今天讨论了很多事情，最后安娜说涡轮机的零件要从乌普萨拉运来，大家都觉得这样很好。"
    around = ("我们今天讨论了很多事情。", "大家都觉得这样很好，最后我们说了很多。")
    line = stub(text, 26, around)
    assert line is not None
    assert "轮" in line
    assert "大家" not in line


def test_a_page_of_no_words_has_no_stub() -> None:
    assert stub("." * 5_000) is None


def test_where_not_even_the_head_fits_there_is_no_stub() -> None:
    assert stub(LONG, 3) is None


def test_other_levels_are_no_business_of_a_stub() -> None:
    assert shorten(source_of(LONG), Target(2, 40)) is None


@given(st.text(), st.integers(1, 60), st.lists(st.text(), max_size=3))
def test_a_stub_of_any_text_is_one_line_that_fits(
    text: str, tokens: int, around: list[str]
) -> None:
    line = stub(text, tokens, tuple(around))
    assert line is None or (count(line) <= tokens and len(line.splitlines()) == 1)


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
