"""Levels of JSON: it stays JSON, its keys stay, its identifiers are never halved."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.paging.texts import count, levels_of, source_of

from pagefault.paging.levels import Target
from pagefault.paging.levels.structured import shorten

USERS = {
    "total": 50,
    "next": None,
    "users": [
        {"id": f"user_{i:04}", "age": i, "bio": "lorem ipsum dolor " * 30, "tags": ["a", "b"]}
        | ({"admin": True} if i == 7 else {})
        for i in range(50)
    ],
}


def level_of(value: object, level: int) -> Any:
    made = levels_of(json.dumps(value), modality="structured")[level]
    assert made.origin == "json/1"
    return json.loads(made.text)


def test_keys_stay_long_arrays_are_sampled_with_counts_and_long_strings_cut() -> None:
    reduced = level_of(USERS, 1)
    assert list(reduced) == list(USERS)
    assert (reduced["total"], reduced["next"]) == (50, None)
    users = [user for user in reduced["users"] if isinstance(user, dict)]
    assert all(list(user)[:4] == ["id", "age", "bio", "tags"] for user in users)
    assert all(len(user["bio"]) <= 401 for user in users)
    notes = [note for note in reduced["users"] if isinstance(note, str)]
    left_out = sum(int(note.split()[1]) for note in notes)
    assert len(users) + left_out == 50


def test_an_item_with_keys_of_its_own_and_the_last_one_are_in_the_sample() -> None:
    users = level_of(USERS, 1)["users"]
    assert any(isinstance(user, dict) and "admin" in user for user in users)
    assert users[-1]["id"] == "user_0049"


def test_items_that_are_left_out_are_named() -> None:
    flights = [{"number": f"HAT{i:03}", "from": "SFO", "to": "PHX", "price": i} for i in range(30)]
    text = json.dumps(level_of({"flights": flights}, 1))
    assert all(f"HAT{i:03}" in text for i in range(30))


def test_an_identifier_is_whole_or_gone() -> None:
    records = [{"order": f"order-{i:012}-abcdef"} for i in range(60)]
    for level in (1, 2):
        text = json.dumps(level_of(records, level))
        halves = text.replace("\\u2026", "…").split("order-")
        assert all("-abcdef" in half for half in halves[1:])


def test_what_is_not_json_is_left_to_others() -> None:
    for text in ("[1, 2", "{'a': 1}", "plain", "[NaN]", "[" * 100_000, "7", '"text"', "[]x"):
        assert shorten(source_of(text * 1), Target(1, 10)) is None


def test_a_reference_is_no_business_of_json() -> None:
    assert shorten(source_of('{"a": 1}'), Target(3, 10)) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=60,
)  # fmt: skip


@given(JSON, st.integers(1, 200))
@settings(max_examples=300)
def test_any_json_becomes_json_of_the_same_kind_that_fits(value: object, tokens: int) -> None:
    text = json.dumps(value, ensure_ascii=False)
    short = shorten(source_of(text, modality="structured"), Target(1, tokens))
    if short is None:
        return
    assert count(short) <= tokens
    assert type(json.loads(short)) is type(value)


@given(JSON)
@settings(max_examples=200)
def test_each_level_of_any_json_is_smaller_than_the_one_above(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    above = count(text)
    for made in levels_of(text, modality="structured").values():
        assert 0 < made.tokens < above
        above = made.tokens
