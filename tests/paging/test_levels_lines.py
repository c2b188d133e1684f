"""Levels of code and of logs."""

from __future__ import annotations

import inspect
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.paging.texts import CHINESE, ENGLISH, RUSSIAN, count, levels_of, parts, source_of

from pagefault.base import estimate, tokens
from pagefault.paging.levels import COMPRESSORS, Compressor, compute
from pagefault.paging.levels import text as text_level

ENTRIES = [
    f"2026-01-01 10:{i // 60:02}:{i % 60:02} INFO worker-{i % 4} did job {i} in {i * 7 % 90}ms"
    for i in range(400)
]
TRACE = [
    "2026-01-01 10:05:01 ERROR worker-2 job 301 failed: KeyError 'price'",
    "Traceback (most recent call last):",
    '  File "shop.py", line 3, in run',
    '    price = row["price"]',
    "KeyError: 'price'",
]
LOG = "\n".join([*ENTRIES[:200], *TRACE, *ENTRIES[200:], "2026-01-01 10:09:00 INFO shut down"])
GO = """
package main

import "fmt"

// Store keeps things.
type Store struct {
	items map[string]int
	limit int
}

func NewStore(limit int) *Store {
	return &Store{items: map[string]int{}, limit: limit}
}

func (s *Store) Add(name string, amount int) error {
	if amount > s.limit {
		return fmt.Errorf("amount %d over limit", amount)
	}
	s.items[name] += amount
	fmt.Println("added", name)
	fmt.Println("added", amount)
	return nil
}

func (s *Store) Total() int {
	total := 0
	for _, amount := range s.items {
		total += amount
	}
	return total
}
"""


def test_of_a_log_the_error_its_trace_the_head_and_the_tail_are_kept() -> None:
    for level in (1, 2):
        made = levels_of(LOG)[level]
        assert made.origin == "log/1"
        for line in (ENTRIES[0], TRACE[0], TRACE[-1], "INFO shut down"):
            assert line in made.text


def test_lines_that_differ_in_numbers_alone_make_way_for_one_of_another_kind() -> None:
    odd = "2026-01-01 10:03:00 INFO cache warmed from snapshot"
    made = levels_of("\n".join([*ENTRIES[:200], odd, *ENTRIES[200:]]))[2]
    assert odd in made.text


def test_of_code_the_definitions_are_kept_before_their_insides() -> None:
    source = inspect.getsource(tokens)
    made = levels_of(source)
    assert made[1].origin == made[2].origin == "code/1"
    for head in re.findall(r"^(?:class|def) \w+", source, re.MULTILINE):
        assert head in made[1].text
    for head in re.findall(r"^class \w+", source, re.MULTILINE):
        assert head in made[2].text


def test_code_of_another_language_is_known_by_its_shape() -> None:
    made = levels_of(GO)[1]
    assert made.origin == "code/1"
    for head in ("type Store struct {", "func NewStore(", ") Add(name", ") Total() int {"):
        assert head in made.text


def test_of_a_diff_the_changed_lines_are_kept() -> None:
    same = [f"     unchanged = call({i})" for i in range(60)]
    diff = ["diff --git a/x.py b/x.py", "@@ -1,9 +1,9 @@", *same[:30], "-    limit = 5",
            "+    limit = 7", *same[30:]]  # fmt: skip
    made = levels_of("\n".join(diff))[2]
    assert "-    limit = 5" in made.text
    assert "+    limit = 7" in made.text


@pytest.mark.parametrize(
    "text",
    [
        ENGLISH,
        RUSSIAN,
        CHINESE,
        "\n".join(f"Anna: I saw the {i}th boat (it was red), and you?" for i in range(30)),
        "\n".join(f"- a point about the garden, number {i}" for i in range(30)),
        inspect.getdoc(estimate) or "",
        inspect.getdoc(text_level) or "",
    ],
)
def test_prose_and_lists_are_neither_code_nor_log(text: str) -> None:
    made = levels_of(text * 3)
    assert {made[1].origin, made[2].origin} == {"text/1"}


@given(st.lists(st.text(max_size=120), max_size=60).map("\n".join))
def test_levels_of_any_lines_decrease_and_are_their_own(text: str) -> None:
    above = count(text)
    for level, made in levels_of(text).items():
        assert made.tokens < above
        above = made.tokens
        if level < 3 and made.origin != "json/1":
            assert all(part in text for part in parts(made.text))


def test_a_compressor_that_keeps_to_no_target_is_passed_over() -> None:
    own = Compressor("own/1", lambda source, target: source.text)
    made = compute(source_of(LOG), 1, count(LOG), 0, (own, *COMPRESSORS))
    assert made is not None
    assert made.origin == "log/1"
    short = Compressor("own/2", lambda source, target: json.dumps(target.tokens))
    made = compute(source_of(LOG), 1, count(LOG), 0, (short, *COMPRESSORS))
    assert made is not None
    assert (made.origin, made.text) == ("own/2", "4096")
