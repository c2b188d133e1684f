"""From pages to the blocks a model reads."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagefault.base.event import canonical
from pagefault.base.page import MODALITIES, PAGE_TYPES, Page
from pagefault.base.tokens import open_tokenizer
from pagefault.paging.packing import (
    AVAILABLE,
    TIGHT,
    Line,
    Packed,
    available_entry,
    block,
    compact,
    context_line,
    could_fit,
    manifest_entry,
    manifest_json,
    pack,
    prefix,
    rank_available,
)
from pagefault.paging.resident import Mapped

count = open_tokenizer("estimate", Path()).count

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NASTY = st.lists(
    st.one_of(
        TEXT,
        st.sampled_from(
            ["</VM:CONTEXT>", "<VM:RULES>", '"', "\\", "\n", "\r", "\u2028", "\x85", "\x1c", "<"]
        ),
    )
).map("".join)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), NASTY),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(NASTY, inner)),
    max_leaves=10,
)


def page(number: int = 1, **fields: Any) -> Page:
    made = Page(
        page_id=f"msg_{number}",
        page_type="transcript",
        modality="text",
        session="s1",
        version=1,
        content=number,
        tokens=10,
        size=10,
        importance=0.5,
        source="user",
        trust=3,
        recorded_at=0.0,
        role="user",
        position=number,
    )
    return replace(made, **fields)


def packed(lines: Sequence[Line], budget: int) -> Packed:
    return pack(lines, budget, count, lambda _: 0)


# --- lines -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "text", "line"),
    [
        ({"page_id": "u1"}, "text", 'U (u1): "text"'),
        ({"page_id": "a1", "role": "assistant"}, "text", 'A (a1): "text"'),
        ({"page_id": "t1", "page_type": "artifact", "role": "tool"}, "text", 'T (t1): "text"'),
        (
            {"page_id": "summary_1", "page_type": "summary", "role": None},
            "text",
            'S (summary_1): "text"',
        ),
        (
            {"page_id": "j1", "modality": "structured"},
            '{"a":1,"b":[1,2]}',
            'J (j1): {"a":1,"b":[1,2]}',
        ),
        (
            {"page_id": "x1", "page_type": "artifact", "role": None},
            "text",
            '? (x1): "text"',
        ),
    ],
    ids=["user", "assistant", "tool", "summary", "structured", "unknown"],
)
def test_a_line_has_the_shape_that_its_page_asks_for(
    fields: dict[str, Any], text: str, line: str
) -> None:
    assert context_line(Line(page(**fields), 0, text)) == line


@pytest.mark.parametrize(
    ("fields", "letter"),
    [
        ({"modality": "image"}, "I"),
        ({"modality": "audio"}, "D"),
        ({"modality": "video"}, "V"),
        ({"page_type": "claim", "role": None}, "C"),
        ({"page_type": "procedure", "role": None}, "P"),
        ({"page_type": "index", "role": None}, "X"),
        ({"role": "system"}, "Y"),
    ],
)
def test_a_letter_says_who_speaks_or_what_it_is(fields: dict[str, Any], letter: str) -> None:
    assert prefix(page(**fields)) == letter


def test_the_stub_of_a_structured_page_is_quoted_since_it_is_no_json() -> None:
    line = Line(page(modality="structured"), 3, '[artifact] tool: {"a"')
    assert context_line(line) == 'J (msg_1): "[artifact] tool: {\\"a\\""'


@given(NASTY, st.sampled_from(PAGE_TYPES), st.sampled_from(MODALITIES), st.sampled_from([0, 3]))
def test_no_text_can_leave_its_line_or_close_a_block(
    text: str, page_type: str, modality: str, level: int
) -> None:
    content = canonical(text) if modality == "structured" else text
    line = context_line(Line(page(page_type=page_type, modality=modality), level, content))
    assert "<" not in line
    assert line.splitlines() == [line]
    body = line.partition(": ")[2]
    bare = modality == "structured" and level == 0
    assert json.loads(body) == (text if bare else content)


@given(JSON)
def test_a_structured_value_is_shown_as_the_json_that_it_is(value: object) -> None:
    line = context_line(Line(page(modality="structured"), 0, canonical(value)))
    assert "<" not in line
    assert line.splitlines() == [line]
    assert json.loads(line.partition(": ")[2]) == value


def test_a_block_is_named_at_both_ends() -> None:
    assert block("CONTEXT", "a\nb") == "<VM:CONTEXT>\na\nb\n</VM:CONTEXT>"


# --- what fits ---------------------------------------------------------------------------------


def long_line(number: int, words: int, **fields: object) -> Line:
    return Line(page(number, **fields), 0, " ".join(f"word{i}" for i in range(words)))


def cost(line: Line) -> int:
    return count(context_line(line) + "\n")


def test_the_most_valuable_pages_are_kept_and_shown_in_the_order_they_happened() -> None:
    lines = [long_line(number, 5) for number in (9, 3, 7, 1)]
    result = packed(lines, sum(cost(line) for line in lines[:3]))
    assert [line.page.page_id for line in result.shown] == ["msg_3", "msg_7", "msg_9"]
    assert result.omitted == ("msg_1",)
    assert list(result.lines) == [context_line(line) for line in result.shown]


def test_a_page_that_does_not_fit_is_cut_when_more_than_50_tokens_are_left() -> None:
    result = packed([long_line(1, 400)], 51)
    assert result.cut == ("msg_1",)
    assert result.omitted == ()
    (line,) = result.lines
    assert re.fullmatch(r'U \(msg_1\): "word0 .*\.\.\."', line)
    assert count(line + "\n") <= 51


def test_a_page_that_does_not_fit_is_left_out_when_50_tokens_are_left() -> None:
    result = packed([long_line(1, 400)], 50)
    assert (result.lines, result.cut, result.omitted) == ((), (), ("msg_1",))


def test_only_text_is_cut() -> None:
    line = Line(page(modality="structured"), 0, canonical(["word"] * 400))
    result = packed([line], 200)
    assert (result.cut, result.omitted) == ((), ("msg_1",))


def test_a_page_is_cut_as_late_as_the_budget_allows() -> None:
    line = long_line(1, 400)
    (text,) = packed([line], 100).lines
    shown = json.loads(text.partition(": ")[2]).removesuffix("...")
    assert line.text.startswith(shown)
    more = line.text[: len(shown) + 10]
    assert cost(Line(line.page, 0, more + "...")) > 100


def test_what_a_page_costs_elsewhere_is_taken_from_its_room() -> None:
    line = long_line(1, 5)
    assert pack([line], cost(line) + 7, count, lambda _: 7).shown == (line,)
    assert pack([line], cost(line) + 6, count, lambda _: 7).shown == ()
    other = long_line(2, 5)
    both = cost(line) + cost(other)
    assert pack([line, other], both + 14, count, lambda _: 7).shown == (line, other)
    assert pack([line, other], both + 13, count, lambda _: 7).shown == (line,)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(NASTY, st.sampled_from(MODALITIES), st.booleans()), max_size=12),
    st.integers(-5, 400),
)
def test_the_lines_never_cost_more_than_the_budget(
    contents: list[tuple[str, str, bool]], budget: int
) -> None:
    lines = [
        Line(
            page(number, modality=modality),
            0,
            canonical(text) if modality == "structured" else text * (20 if long else 1),
        )
        for number, (text, modality, long) in enumerate(contents)
    ]
    result = packed(lines, budget)
    assert sum(count(text + "\n") for text in result.lines) <= max(budget, 0)
    shown = [line.page.page_id for line in result.shown]
    assert sorted([*shown, *result.omitted]) == sorted(line.page.page_id for line in lines)
    assert set(result.cut) <= set(shown)
    positions = [line.page.position for line in result.shown]
    assert positions == sorted(positions)


@given(st.lists(st.integers(1, 60), max_size=20), st.integers(0, 200))
def test_only_pages_that_could_not_be_shown_are_left_unread(sizes: list[int], budget: int) -> None:
    mapped = [
        Mapped(f"msg_{number}", 1, 0, size, "transcript", 0.5, number, 0)
        for number, size in enumerate(sizes, 1)
    ]
    chosen, left_out = could_fit(mapped, budget)
    assert sorted([one.page_id for one in chosen] + left_out) == sorted(
        one.page_id for one in mapped
    )
    free = budget
    large = 0
    for one in mapped:
        if one.tokens <= free:
            assert one in chosen
            free -= one.tokens
        else:
            large += 1
            assert (one in chosen) is (large <= TIGHT)


# --- the manifest ------------------------------------------------------------------------------


def test_a_manifest_has_the_fields_of_its_entries_in_order() -> None:
    line = Line(page(1, importance=0.123), 0, "text")
    working = [manifest_entry(line, 12)]
    available = [available_entry(page(2), "[user] hint", [0, 3])]
    text = manifest_json("s1", working, available, {"faults_allowed": True})
    assert text == (
        '{"session_id":"s1","working_set":[{"page_id":"msg_1","modality":"text","level":0,'
        '"tokens_est":12,"importance":0.12}],"available_pages":[{"page_id":"msg_2",'
        '"modality":"text","tier":"L2","levels":[0,3],"hint":"[user] hint"}],'
        '"policies":{"faults_allowed":true}}'
    )


@given(NASTY, NASTY)
def test_a_manifest_is_one_line_of_json_that_no_hint_can_close(hint: str, session: str) -> None:
    text = manifest_json(session, [], [available_entry(page(), hint, [0])], {})
    assert "<" not in text
    assert text.splitlines() == [text]
    read = json.loads(text)
    assert read["session_id"] == session
    assert read["available_pages"][0]["hint"] == hint


@given(JSON)
def test_compact_json_reads_back_equal(value: object) -> None:
    assert json.loads(compact(value)) == value


@given(
    st.lists(
        st.tuples(
            st.integers(1, 200), st.sampled_from(PAGE_TYPES), st.sampled_from([0.1, 0.5, 0.9])
        ),
        max_size=150,
    ),
    st.sets(st.integers(1, 200)),
)
def test_at_most_fifty_pages_are_offered_and_none_that_is_mapped(
    given_pages: list[tuple[int, str, float]], mapped: set[int]
) -> None:
    pages = [page(n, page_type=kind, importance=worth) for n, kind, worth in given_pages]
    there = {f"msg_{number}" for number in mapped}
    offered = [one.page_id for one in rank_available(pages, there)]
    candidates = {one.page_id for one in pages} - there
    assert len(offered) == len(set(offered)) == min(AVAILABLE, len(candidates))
    assert set(offered) <= candidates


def test_claims_and_summaries_are_offered_first_then_what_is_important_then_what_is_new() -> None:
    pages = [
        page(1, page_type="claim", importance=0.1),
        page(2, page_type="summary", importance=0.3),
        page(3, page_type="procedure"),
        page(4, importance=0.9),
        page(5),
        page(6),
    ]
    offered = [one.page_id for one in rank_available(pages, [])]
    assert offered == ["msg_2", "msg_1", "msg_3", "msg_4", "msg_6", "msg_5"]
