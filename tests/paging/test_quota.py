"""What a turn may fault in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.paging.quota import Quota


def quota(spent_faults: int = 0, spent_tokens: int = 0) -> Quota:
    return Quota(3, 8_192, spent_faults, spent_tokens, binding=True)


@pytest.mark.parametrize(("spent", "refused"), [(0, False), (2, False), (3, True), (4, True)])
def test_the_fault_after_the_last_of_a_turn_is_refused(spent: int, refused: bool) -> None:
    assert (quota(spent).refusal(more=False) is not None) is refused


@pytest.mark.parametrize(("spent", "refused"), [(8_191, False), (8_192, True), (9_000, True)])
def test_a_fault_is_refused_when_the_tokens_of_the_turn_are_spent(
    spent: int, refused: bool
) -> None:
    assert (quota(1, spent).refusal(more=False) is not None) is refused


def test_a_further_range_of_a_page_is_no_further_fault() -> None:
    assert quota(3).refusal(more=True) is None


def test_a_further_range_of_a_page_costs_tokens_all_the_same() -> None:
    assert quota(1, 8_192).refusal(more=True) is not None


def test_a_refusal_names_what_is_spent_and_the_limit() -> None:
    assert quota(3).refusal(more=False) == "3 of 3 faults of this turn are spent"
    assert quota(1, 8_200).refusal(more=False) == (
        "8,200 of 8,192 fault tokens of this turn are spent"
    )


@given(st.integers(0, 10), st.integers(0, 20_000))
def test_what_is_left_is_never_less_than_nothing(faults: int, tokens: int) -> None:
    spent = quota(faults, tokens)
    assert spent.faults_left == max(0, 3 - faults)
    assert spent.tokens_left == max(0, 8_192 - tokens)
