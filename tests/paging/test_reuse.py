"""What a session's uses teach about the next one."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.paging.resident import Mapped
from pagefault.paging.reuse import HALF_LIFE, Reuse

PAGE = Mapped("msg_1", 1, 0, 100, "transcript", 0.5, touched=1, turn=0, role="tool")
TALK = replace(PAGE, page_id="msg_2", role="user")


def soon(reuse: Reuse, page: Mapped, idle: int, turn: int) -> float:
    return reuse.chances(turn).soon(reuse.class_of(page), idle)


def used_every(turns: int, page: Mapped = PAGE, times: int = 20) -> Reuse:
    reuse = Reuse()
    for number in range(times):
        reuse.used(page, number * turns)
    return reuse


# --- uses --------------------------------------------------------------------------------------


def test_a_page_is_used_once_a_turn_however_often() -> None:
    reuse = Reuse()
    for _ in range(3):
        reuse.used(PAGE, 4)
    assert reuse.uses("msg_1", 4) == 1
    assert reuse.uses("msg_1", 5) > 1


def test_a_use_counts_half_after_its_half_life() -> None:
    reuse = Reuse()
    reuse.used(PAGE, 0)
    assert reuse.uses("msg_1", HALF_LIFE) == 1.5


def test_what_is_forgotten_is_new_again() -> None:
    reuse = Reuse()
    reuse.used(PAGE, 0)
    reuse.forget("msg_1")
    assert (reuse.uses("msg_1", 1), reuse.tokens) == (1, 0)
    reuse.forget("msg_1")


def test_each_page_of_the_session_counts_once_with_the_most_it_was_seen_with() -> None:
    reuse = Reuse()
    for turn, tokens in enumerate((100, 5, 120)):
        reuse.used(replace(PAGE, tokens=tokens), turn)
    reuse.used(TALK, 3)
    assert reuse.tokens == 220
    assert reuse.class_of(replace(PAGE, tokens=5)) == reuse.class_of(PAGE)


def test_only_so_many_pages_are_remembered_and_the_rest_counts_as_idle() -> None:
    reuse = Reuse()
    for number in range(5_000):
        reuse.used(replace(PAGE, page_id=f"msg_{number}"), number)
    assert reuse.uses("msg_0", 5_000) == 1
    assert reuse.uses("msg_4999", 5_000) > 1
    assert reuse.tokens == 500_000
    assert soon(reuse, PAGE, 1, 5_000) < soon(Reuse(), PAGE, 1, 0) / 10


# --- chances -----------------------------------------------------------------------------------


def test_of_what_is_not_known_the_chance_falls_about_as_idle_time_grows() -> None:
    chances = [soon(Reuse(), PAGE, idle, 0) for idle in (1, 2, 4, 8, 16, 32)]
    for sooner, later in pairwise(chances):
        assert 1.4 < sooner / later < 2.6


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 30)), max_size=60),
    st.integers(1, 10_000),
)
def test_a_chance_is_a_chance_whatever_happened(uses: list[tuple[int, int]], idle: int) -> None:
    reuse, turn = Reuse(), 0
    for number, later in uses:
        turn += later
        reuse.used(replace(PAGE, page_id=f"msg_{number}", tokens=4**number), turn)
    for number in range(1, 6):
        assert 0 < soon(reuse, replace(PAGE, page_id=f"msg_{number}"), idle, turn + 3) <= 1


def test_a_class_that_is_used_again_and_again_is_expected_back() -> None:
    assert soon(used_every(2), PAGE, 1, 38) > 2 * soon(Reuse(), PAGE, 1, 0)


def test_a_class_that_is_never_used_again_is_not_expected_back() -> None:
    reuse = Reuse()
    for number in range(40):
        reuse.used(replace(PAGE, page_id=f"msg_{number}"), 0)
    assert soon(reuse, PAGE, 4, 40) < soon(Reuse(), PAGE, 4, 0) / 4


def test_one_class_tells_little_of_another_and_more_of_one_of_the_same_role() -> None:
    reuse = used_every(2)
    unknown = soon(Reuse(), PAGE, 1, 0)
    larger = replace(PAGE, page_id="msg_3", tokens=5_000)
    assert soon(reuse, TALK, 1, 38) == unknown
    assert unknown < soon(reuse, larger, 1, 38) < soon(reuse, PAGE, 1, 38)


@pytest.mark.parametrize("idle", [1, 2, 3])
def test_a_page_is_worth_keeping_for_a_use_some_turns_away(idle: int) -> None:
    seldom = used_every(5, times=60)
    assert soon(seldom, PAGE, idle, 295) > 0.15
    assert soon(seldom, PAGE, 9, 295) < 0.1
