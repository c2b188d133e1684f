"""Levels of prose in any language: what is kept, that it is the page's own words, and sizes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.paging.texts import (
    ANY_TEXT,
    CHINESE,
    ENGLISH,
    JAPANESE,
    MIXED,
    RUSSIAN,
    count,
    levels_of,
    parts,
    source_of,
)

from pagefault.paging.levels import Target
from pagefault.paging.levels.sentences import LONGEST, MOST, pieces, taken_apart
from pagefault.paging.levels.targets import between, target_tokens
from pagefault.paging.levels.terms import terms
from pagefault.paging.levels.text import shorten, summary


@pytest.mark.parametrize("text", [ENGLISH, RUSSIAN, CHINESE, JAPANESE])
def test_numbers_and_what_was_decided_outlive_small_talk(text: str) -> None:
    reduced = levels_of(text)[1].text
    for fact in ("PostgreSQL 16", "14", "12500" if "12500" in text else "12,500", "MongoDB"):
        assert fact in reduced
    assert not any(talk in reduced for talk in ("weather", "Погода", "天气", "天気"))


@pytest.mark.parametrize(
    ("text", "decision"),
    [
        (RUSSIAN, "Мы решили взять PostgreSQL 16, а не MongoDB."),
        (CHINESE * 2, "我们决定使用PostgreSQL 16，而不是MongoDB。"),
    ],
)
def test_an_abstract_is_the_sentence_that_matters_most(text: str, decision: str) -> None:
    assert decision in levels_of(text)[2].text


@pytest.mark.parametrize("denial", ["We do not ", "Мы не будем ", "Wir werden nicht ", "我们不会"])
def test_of_two_sentences_alike_the_one_that_denies_is_kept(denial: str) -> None:
    filler = "The bridge over the river is old and made of stone and wood. " * 2
    plain, denied = "maybe repaint garden fence", f"{denial}repaint garden fence"
    text = f"{filler}{plain}. {filler}{denied}. {filler}"
    short = summary(text, count(denied) + 6, count)
    assert short is not None
    assert denied.strip() in short


def test_what_is_left_out_is_marked_where_it_stood() -> None:
    text = (
        "A " + "kestrel " * 9 + "flew. " + "It was so. " * 30 + "Boris saw 42 of them in Uppsala."
    )
    short = summary(text, 30, count) or ""
    assert short.index("kestrel") < short.index("…") < short.index("Boris")


def test_a_text_that_fits_is_the_text() -> None:
    assert summary(ENGLISH, count(ENGLISH), count) == ENGLISH


@given(ANY_TEXT)
@settings(max_examples=300)
def test_each_level_of_any_text_is_smaller_than_the_one_above(text: str) -> None:
    above = count(text)
    for made in levels_of(text).values():
        assert 0 < made.tokens == count(made.text) < above
        above = made.tokens


@given(ANY_TEXT, st.integers(1, 300))
@settings(max_examples=300)
def test_what_is_kept_of_any_text_is_its_own_words_in_its_own_order(text: str, tokens: int) -> None:
    short = summary(text, tokens, count)
    if short is None:
        return
    assert count(short) <= tokens
    place = 0
    for part in parts(short):
        place = text.find(part, place)
        assert place >= 0, part
        place += len(part)


@given(ANY_TEXT, st.integers(1, 300))
def test_shortening_again_changes_nothing_and_the_same_text_gives_the_same(
    text: str, tokens: int
) -> None:
    short = summary(text, tokens, count)
    assert short == summary(text, tokens, count)
    assert short is None or summary(short, tokens, count) == short


@given(MIXED)
@settings(max_examples=200)
def test_every_number_is_kept_where_the_sentences_with_numbers_take_half_of_the_target(
    text: str,
) -> None:
    def numbers(of: str) -> set[str]:
        return {term.key for term in terms(of) if term.is_number}

    tokens = count(text) // 2
    spans = taken_apart(text, lambda t, a, b: pieces(t, a, b))
    told = [text[a:b] for a, b in spans if numbers(text[a:b])]
    if tokens < 60 or sum(count(one) + 2 for one in told) > tokens // 2:
        return
    kept = numbers(summary(text, tokens, count, facts=0.75) or "")
    listed = {one.split(".")[0] for one in told} | {one.split(")")[0] for one in told}
    assert numbers(text) - listed <= kept


@given(ANY_TEXT)
def test_pieces_are_in_order_without_overlap_and_lose_nothing_but_blanks(text: str) -> None:
    at = 0
    for start, end in pieces(text, 0, len(text)):
        assert at <= start < end <= start + LONGEST
        assert not text[at:start].strip()
        at = end
    assert not text[at:].strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It took 3.2 s. Dr. Smith knew.", ["It took 3.2 s.", "Dr. Smith knew."]),
        ("J. R. Smith came. He left.", ["J. R. Smith came.", "He left."]),
        ("他来了。她走了！", ["他来了。", "她走了！"]),
        ("वह आया। वह गया।", ["वह आया।", "वह गया।"]),
        ("هل جاء؟ نعم.", ["هل جاء؟", "نعم."]),
        ('He said "No." Then left.', ['He said "No."', "Then left."]),
        ("- one\n- two", ["- one", "- two"]),
        (
            "a line that was wrapped at some forty characters or\nmore and goes on here",
            ["a line that was wrapped at some forty characters or\nmore and goes on here"],
        ),
    ],
)
def test_sentences_end_where_a_reader_of_the_script_would_say(
    text: str, expected: list[str]
) -> None:
    assert [text[start:end] for start, end in pieces(text, 0, len(text))] == expected


@given(st.integers(1, 10**8))
def test_targets_decrease_with_the_level(tokens: int) -> None:
    targets = [tokens, *(target_tokens(tokens, level) for level in (1, 2, 3))]
    there = [target for target in targets if target is not None]
    assert there == sorted(set(there), reverse=True)


@given(st.integers(1, 5_000), st.integers(1, 5_000), st.integers(0, 5_000))
def test_a_target_moves_to_where_it_lies_between_its_neighbours(
    target: int, above: int, below: int
) -> None:
    moved = between(target, above, below)
    assert (moved is None) == (above - below < 2)
    assert moved is None or below < moved < above
    if below < target < above:
        assert moved == target


def test_no_text_is_taken_apart_into_more_than_some_thousand_pieces() -> None:
    for text in ("x\n" * 1_000_000, "a, " * 500_000, "." * 1_000_000, " " * 1_000_000, "[" * 10**6):
        spans = taken_apart(text, lambda t, a, b: pieces(t, a, b))
        assert len(spans) <= 6_100
        assert sum(end - start for start, end in spans) <= MOST


@pytest.mark.parametrize(
    "text",
    [
        "word " * 400_000,
        "x\n" * 1_000_000,
        "." * 2_000_000,
        "a." * 1_000_000,
        '."' * 1_000_000,
        " " * 2_000_000 + "x",
        "我们" * 1_000_000,
        "same sentence again. " * 100_000,
    ],
    ids=lambda text: text[:4],
)
def test_a_text_of_megabytes_costs_a_bounded_number_of_counted_characters(text: str) -> None:
    counted = 0

    def counting(some: str) -> int:
        nonlocal counted
        counted += len(some)
        return len(some) // 4 + 1

    made = summary(text, 4_096, counting)
    assert made is None or counting(made) <= 4_096
    assert counted < 6_000_000  # what is weighed once, and some dozen tries at the result


def test_what_was_said_all_over_a_long_text_is_weighed() -> None:
    chance = random.Random(1)
    line = "Nothing happened on the river today, the water was calm. "
    text = "".join(line for _ in range(30_000)) + "Boris paid 4711 crowns in Uppsala."
    assert "4711" in (summary(text, chance.randint(100, 120), count) or "")


def test_a_reference_is_no_business_of_sentences() -> None:
    assert shorten(source_of(ENGLISH), Target(3, 40)) is None
    assert shorten(source_of(ENGLISH, modality="image"), Target(1, 40)) is None
