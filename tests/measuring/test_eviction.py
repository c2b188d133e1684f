"""The adapters that put the real working set under the evaluation of reference strings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.measuring import eviction

KINDS = st.sampled_from(["file", "search", "output", "user", "tool", "turn", "session"])
EVENTS = st.lists(st.tuples(st.integers(0, 20), KINDS), max_size=120)
ADAPTERS = ["Importance", "Lru", "Cost", "Modality", "ImportanceProtected", "CostProtected"]
STUBS = ["LruStubs", "CostStubs"]
BUDGET = 60.5


def size(number: int) -> int:
    return 1 + number * 3 % 61


@pytest.mark.parametrize("name", [*ADAPTERS, *STUBS, "Releasing"])
@given(events=EVENTS)
def test_what_an_adapter_says_it_evicted_is_what_the_set_no_longer_maps(
    name: str, events: list[tuple[int, str]]
) -> None:
    adapter = getattr(eviction, name)(BUDGET)
    resident: set[str] = set()
    for step, (number, kind) in enumerate(events):
        page_id = f"p{number}"
        if page_id in resident:
            adapter.touch(page_id, step)
        elif size(number) <= BUDGET:
            resident |= {page_id}
            gone = adapter.admit(page_id, size(number), step, kind)
            assert set(gone) <= resident
            assert len(set(gone)) == len(gone)
            resident -= set(gone)
        assert {page.page_id for page in adapter.set.pages() if page.level == 0} == resident
        assert sum(size(int(each[1:])) for each in resident) <= BUDGET


@pytest.mark.parametrize("name", ["Adaptive", "AdaptiveBatched", "Habitual", "HabitualBatched"])
@given(events=EVENTS)
def test_what_an_adapter_drops_was_there_and_is_not_what_was_just_used(
    name: str, events: list[tuple[int, str]]
) -> None:
    adapter = getattr(eviction, name)()
    resident: set[str] = set()
    for step, (number, kind) in enumerate(events):
        page_id = f"p{number}"
        resident.add(page_id)
        dropped = adapter.tick(step, page_id, size(number) * 100, kind, False)
        assert set(dropped) <= resident - {page_id}
        resident -= set(dropped)
        assert {page.page_id for page in adapter.set.pages()} == resident
