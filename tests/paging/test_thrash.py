"""How many of the pages evicted lately had to come back."""

from __future__ import annotations

import pytest

from pagefault.paging.thrash import Thrash


def evicted(*page_ids: str, turn: int = 0) -> Thrash:
    thrash = Thrash()
    for page_id in page_ids:
        thrash.evicted(page_id, 10, turn)
    return thrash


def test_nothing_evicted_is_no_thrashing() -> None:
    thrash = Thrash()
    thrash.mapped("msg_1")
    assert (thrash.evictions, thrash.returns, thrash.index, thrash.high) == (0, 0, 0, False)


def test_the_index_is_the_share_of_evictions_whose_page_came_back() -> None:
    thrash = evicted("msg_1", "msg_2", "msg_3", "msg_4")
    thrash.mapped("msg_2")
    thrash.mapped("msg_2")
    assert (thrash.evictions, thrash.returns, thrash.index) == (4, 1, 0.25)
    assert not thrash.high
    thrash.mapped("msg_3")
    assert thrash.high


def test_a_few_evictions_say_nothing() -> None:
    thrash = evicted("msg_1")
    thrash.mapped("msg_1")
    assert (thrash.index, thrash.high) == (1.0, False)


def test_a_page_that_goes_and_comes_again_and_again_counts_every_time() -> None:
    thrash = Thrash()
    for turn in range(4):
        thrash.evicted("msg_1", 10, turn)
        thrash.mapped("msg_1")
    assert (thrash.evictions, thrash.returns, thrash.tokens) == (4, 4, 10)


def test_a_decision_taken_again_in_its_turn_counts_once() -> None:
    thrash = evicted("msg_1", "msg_1")
    assert thrash.evictions == 1
    thrash.evicted("msg_1", 10, 1)
    assert thrash.evictions == 2


@pytest.mark.parametrize(("turn", "left"), [(15, 1), (16, 0)])
def test_old_evictions_are_not_lately(turn: int, left: int) -> None:
    thrash = evicted("msg_1")
    thrash.begin_turn(turn)
    assert thrash.evictions == left
    thrash.mapped("msg_1")
    assert thrash.returns == left


def test_the_tokens_of_the_pages_that_came_back_are_the_budget_that_was_wanting() -> None:
    thrash = evicted("msg_1", "msg_2", "msg_3")
    thrash.mapped("msg_1")
    thrash.mapped("msg_3")
    assert thrash.tokens == 20
