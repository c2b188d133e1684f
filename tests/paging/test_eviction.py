"""Policies that weigh pages one by one: cost, modality, and the order kept while pages change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.paging.eviction import POLICIES, ByWeight, Ranks
from pagefault.paging.eviction.cost import cost
from pagefault.paging.eviction.importance import importance
from pagefault.paging.eviction.modality import modality
from pagefault.paging.resident import Mapped
from pagefault.paging.reuse import HALF_LIFE
from pagefault.paging.working_set import WorkingSet

PAGE = Mapped("msg_1", 1, 0, 100, "transcript", 0.5, touched=1, turn=10)
MEDIA = ("text", "structured", "image", "audio", "video")
page = st.builds(
    replace,
    st.just(PAGE),
    page_id=st.sampled_from([f"msg_{number}" for number in range(1, 9)]),
    touched=st.integers(1, 500),
    turn=st.integers(0, 300),
    tokens=st.integers(1, 5_000),
    uses=st.floats(1, 20),
    importance=st.floats(0, 1),
    modality=st.sampled_from(MEDIA),
    page_type=st.sampled_from(["transcript", "claim", "artifact", "index"]),
)


# --- cost --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dearer",
    [{"uses": 2.0}, {"turn": 11}, {"tokens": 99}, {"touched": 2}],
    ids=["used in more turns", "used later", "smaller", "used later in the turn"],
)
def test_a_page_is_dearer_that_is_used_more_used_later_or_smaller(dearer: dict[str, int]) -> None:
    other = replace(PAGE, page_id="msg_2", **dearer)
    assert cost([other, PAGE]) == [PAGE, other]


def test_twice_the_uses_outweigh_a_half_life_of_age_and_no_more() -> None:
    often = replace(PAGE, page_id="msg_2", uses=2.0)
    for later, first in ((HALF_LIFE - 1, PAGE), (HALF_LIFE + 1, often)):
        lately = replace(PAGE, turn=PAGE.turn + later)
        assert cost([lately, often])[0].page_id == first.page_id


@given(st.lists(page, max_size=20), st.integers(0, 1_000))
def test_the_order_by_cost_does_not_change_with_the_passing_of_time(
    pages: list[Mapped], turns: int
) -> None:
    whole = [replace(one, uses=1.0, tokens=100) for one in pages]
    later = [replace(one, turn=one.turn + turns) for one in whole]
    assert [one.touched for one in cost(whole)] == [one.touched for one in cost(later)]


# --- modality ----------------------------------------------------------------------------------


@given(st.lists(page, max_size=20), st.sampled_from(MEDIA))
def test_modality_equals_importance_where_pages_do_not_differ_in_it(
    pages: list[Mapped], medium: str
) -> None:
    alike = [replace(one, modality=medium, turn=one.touched // 10) for one in pages]
    assert modality(alike) == importance(alike)


@pytest.mark.parametrize("medium", ["image", "audio", "video"])
def test_of_one_age_media_go_before_text_and_what_is_newer_stays_all_the_same(medium: str) -> None:
    shown = replace(PAGE, page_id="msg_2", modality=medium, touched=2)
    assert modality([PAGE, shown]) == [shown, PAGE]
    fresh = replace(shown, turn=PAGE.turn + 10)
    assert modality([PAGE, fresh]) == [PAGE, fresh]
    claim = replace(shown, page_type="claim")
    assert modality([PAGE, claim]) == [PAGE, claim]


# --- ranks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", POLICIES)
@given(st.lists(st.one_of(page, st.sampled_from([f"msg_{n}" for n in range(1, 9)]))))
def test_ranks_are_the_policys_order_whatever_came_went_and_changed(
    name: str, changes: list[Mapped | str]
) -> None:
    policy = POLICIES[name]
    assert isinstance(policy, ByWeight)
    ranks, there = Ranks(policy), dict[str, Mapped]()
    for change in changes:
        if isinstance(change, str):
            ranks.drop(change)
            there.pop(change, None)
        else:
            ranks.put(change)
            there[change.page_id] = change
    ids = sorted(there.values(), key=lambda one: one.page_id)
    assert list(ranks) == [one.page_id for one in policy(ids)]


def test_a_plan_weighs_no_page_anew_however_many_are_mapped() -> None:
    weighed: list[str] = []

    def weigh(page: Mapped) -> tuple[float, ...]:
        weighed.append(page.page_id)
        return (page.touched,)

    made = WorkingSet(1_000, ByWeight(weigh))
    for number in range(1_000):
        made.commit(made.plan(replace(PAGE, page_id=f"msg_{number}", tokens=1)))
    weighed.clear()
    admission = made.plan(replace(PAGE, page_id="msg_1000", tokens=3))
    assert [one.page_id for one in admission.evicted] == ["msg_0", "msg_1", "msg_2"]
    assert not weighed
    made.commit(admission)
    assert weighed == ["msg_1000"]
