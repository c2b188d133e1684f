"""Values that a tool is given again and again."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from pagefault.procedures.usual import VALUES, Usual


def test_a_value_given_in_three_earlier_sessions_is_usual() -> None:
    usual = Usual()
    for session in (1, 2, 3):
        assert not usual.has(7, 9)
        usual.fold(session, [7])
    assert usual.has(7, 9)
    assert not usual.has(8, 9)


def test_the_session_that_asks_does_not_count() -> None:
    usual = Usual()
    for session in (1, 2, 3):
        usual.fold(session, [7])
    assert not usual.has(7, 3)


def test_a_session_counts_once_however_often_it_gives_a_value() -> None:
    usual = Usual()
    for _ in range(9):
        usual.fold(1, [7])
    assert not usual.has(7, 2)


@given(st.lists(st.tuples(st.integers(1, 5), st.lists(st.integers(0, 400))), max_size=40))
def test_it_is_bounded_and_reads_back_equal(calls: list[tuple[int, list[int]]]) -> None:
    usual = Usual()
    for session, values in calls:
        usual.fold(session, values)
    assert len(usual.by_value) <= VALUES
    assert Usual.from_json(json.loads(json.dumps(usual.to_json()))) == usual
