"""The order in which pages go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.base.page import PAGE_TYPES
from pagefault.paging.eviction import POLICIES, in_order
from pagefault.paging.eviction.importance import importance
from pagefault.paging.eviction.lru import lru
from pagefault.paging.resident import Mapped


def page(number: int, page_type: str = "transcript", importance: float = 0.5) -> Mapped:
    return Mapped(f"msg_{number}", 1, 0, 10, page_type, importance, touched=number, turn=0)


def alike(page_type: str, importance: float, touched: list[int]) -> list[Mapped]:
    return [page(number, page_type, importance) for number in touched]


@given(
    st.sampled_from(PAGE_TYPES),
    st.floats(0, 1),
    st.lists(st.integers(1, 10_000), unique=True, max_size=20),
)
def test_importance_equals_lru_where_pages_differ_neither_in_type_nor_in_importance(
    page_type: str, worth: float, touched: list[int]
) -> None:
    pages = alike(page_type, worth, touched)
    assert importance(pages) == lru(pages) == sorted(pages, key=lambda one: one.touched)


@pytest.mark.parametrize("kept", ["claim", "summary"])
@pytest.mark.parametrize("gone", ["transcript", "artifact", "procedure", "index"])
def test_claims_and_summaries_stay_longer_than_all_else_however_long_unused(
    kept: str, gone: str
) -> None:
    lasting, passing = page(1, kept, 0.1), page(9, gone, 0.9)
    assert importance([passing, lasting]) == [passing, lasting]
    assert importance([lasting, passing]) == [passing, lasting]


@pytest.mark.parametrize("page_type", PAGE_TYPES)
def test_of_one_type_the_less_important_page_goes_first(page_type: str) -> None:
    dear, cheap = page(1, page_type, 0.9), page(2, page_type, 0.2)
    assert importance([dear, cheap]) == [cheap, dear]


def test_lru_looks_at_nothing_but_last_use() -> None:
    claim, message = page(1, "claim", 1.0), page(2, "transcript", 0.0)
    assert lru([message, claim]) == [claim, message]


@pytest.mark.parametrize("name", POLICIES)
@given(st.lists(st.builds(page, st.integers(1, 99), st.sampled_from(PAGE_TYPES)), max_size=20))
def test_a_policy_orders_and_neither_adds_nor_drops(name: str, pages: list[Mapped]) -> None:
    unique = {one.page_id: one for one in pages}
    ordered = POLICIES[name](unique.values())
    assert {one.page_id for one in ordered} == set(unique)
    assert len(ordered) == len(unique)
    assert in_order(POLICIES[name], unique.values()) == list(ordered)
