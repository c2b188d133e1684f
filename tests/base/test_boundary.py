"""Where a cut lands: between words, else between what a reader sees as characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.base.boundary import boundary_before


def cut(text, position):
    return text[: boundary_before(text, position)]


@pytest.mark.parametrize(
    ("text", "position", "kept"),
    [
        ("one two three", 9, "one two "),
        ("one two three", 7, "one two"),
        ("one two three", 8, "one two "),
        ("run(self.name)", 11, "run(self."),
        ("слово за слово", 7, "слово "),
        ("서버를 옮긴다", 5, "서버를 "),
    ],
)
def test_a_cut_inside_a_word_moves_before_it(text, position, kept):
    assert cut(text, position) == kept


@pytest.mark.parametrize(
    ("text", "position", "kept"),
    [
        ("我们决定下周开会", 5, "我们决定下"),
        ("会議を開きました", 3, "会議を"),
        ("x" * 100, 60, "x" * 60),
    ],
)
def test_a_cut_with_no_word_near_stays(text, position, kept):
    assert cut(text, position) == kept


@pytest.mark.parametrize(
    ("text", "position", "kept"),
    [
        ("中e\u0301中", 2, "中"),
        ("中\r\n中", 2, "中"),
        ("中👍🏽中", 2, "中"),
        ("中👨\u200d👩\u200d👧中", 3, "中"),
        ("中👨\u200d👩\u200d👧中", 4, "中"),
        ("中🇩🇪🇫🇷中", 2, "中"),
        ("中🇩🇪🇫🇷中", 3, "中🇩🇪"),
        ("中🇩🇪🇫🇷中", 4, "中🇩🇪"),
        ("中\ud83d\ude00中", 2, "中"),
        ("中❤\ufe0f中", 2, "中"),
    ],
)
def test_what_a_reader_sees_as_one_character_stays_whole(text, position, kept):
    assert cut(text, position) == kept


def test_a_character_of_a_thousand_marks_is_cut_all_the_same():
    assert len(cut("e" + "\u0301" * 1000, 500)) == 500


@pytest.mark.parametrize("position", [0, 5, 9])
def test_the_ends_of_a_text_are_boundaries(position):
    assert boundary_before("a\u0301b\u0301c", position) == position


@given(st.text(), st.data())
def test_a_cut_never_moves_forward_nor_past_its_start(text, data):
    position = data.draw(st.integers(0, len(text)))
    start = data.draw(st.integers(0, position))
    assert start <= boundary_before(text, position, start) <= position
    if start < position:
        assert boundary_before(text, position, start) > start
