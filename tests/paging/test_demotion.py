"""Which idle pages cost more to keep than to fault back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.paging.demotion import Prices, Step, due, plan
from pagefault.paging.resident import Mapped
from pagefault.paging.reuse import Reuse

PAGE = Mapped("msg_1", 1, 0, 1_000, "transcript", 0.5, touched=1, turn=0, role="tool")
FREE = Prices(broken=0.0)  # where changing the context costs nothing


def of(number: int, tokens: int = 1_000, turn: int = 0, **fields: Any) -> Mapped:
    made = replace(PAGE, page_id=f"msg_{number}", tokens=tokens, touched=number, turn=turn)
    return replace(made, mapped_turn=turn, **fields)


def learned(*pages: Mapped) -> Reuse:
    reuse = Reuse()
    for page in pages:
        reuse.used(page, page.turn)
    return reuse


def first_due(page: Mapped, reuse: Reuse) -> int:
    """The first turn in which a page should go, 0 for never within a thousand."""
    return next((turn for turn in range(1_000) if due([page], turn, reuse)), 0)


def ids(steps: Iterable[Step]) -> list[str]:
    return [step.page.page_id for step in steps]


# --- who is due --------------------------------------------------------------------------------


def test_a_page_used_in_this_turn_is_not_due_and_in_the_end_every_large_one_is() -> None:
    assert first_due(PAGE, learned(PAGE)) > 0
    assert not due([PAGE], 0, learned(PAGE))


def test_the_larger_a_page_the_sooner_it_is_due() -> None:
    turns = [first_due(page, learned(page)) for page in (of(1, 200), of(1, 1_000), of(1, 8_000))]
    assert turns == sorted(turns, reverse=True)
    assert len(set(turns)) == 3


def test_a_page_of_a_few_tokens_may_stay_for_hundreds_of_turns() -> None:
    assert first_due(of(1, 5), learned(of(1, 5))) > 200


def test_a_class_that_keeps_being_used_is_due_later_than_one_that_is_not() -> None:
    busy, dead = Reuse(), Reuse()
    for turn in range(60):
        busy.used(PAGE, turn * 3)
        dead.used(of(turn + 100), 0)
    page = replace(PAGE, turn=177)
    assert due([page], 180, dead)
    assert not due([page], 180, busy)


@pytest.mark.parametrize(
    "kept", [{"pinned": True}, {"pinned": True, "pinned_until": 99}, {"protected_until": 100}]
)
def test_pinned_and_protected_pages_stay_until_that_runs_out(kept: dict[str, Any]) -> None:
    page = of(1, 8_000, **kept)
    assert not due([page], 99, learned(page))
    assert bool(due([page], 100, learned(page))) is (kept != {"pinned": True})


# --- what becomes of them ----------------------------------------------------------------------


def test_a_page_is_shown_smaller_before_it_is_released() -> None:
    page = of(1, 4_000)
    (step,) = due([page], 60, learned(page), smaller={"msg_1": (3, 20)})
    assert (step.level, step.tokens) == (3, 20)
    shown = replace(page, level=3, tokens=20)
    assert not due([shown], 60, learned(page), smaller={"msg_1": (3, 20)})


def test_a_form_that_is_not_smaller_is_no_form() -> None:
    page = of(1, 4_000)
    (step,) = due([page], 60, learned(page), smaller={"msg_1": (3, 4_000)})
    assert (step.level, step.tokens) == (None, 0)


def test_the_pages_that_are_due_come_in_the_order_they_were_given_in() -> None:
    pages = [of(2, 4_000), of(1, 8_000), of(3, 2_000)]
    assert ids(due(pages, 90, learned(*pages))) == ["msg_2", "msg_1", "msg_3"]


# --- batches -----------------------------------------------------------------------------------


def test_a_page_far_ahead_waits_until_it_saves_what_is_behind_it_in_the_context() -> None:
    old, behind = of(1, 2_000), [of(number, 2_000, turn=30) for number in range(2, 30)]
    reuse = learned(old, *behind)
    assert ids(plan([old, *behind], 30, reuse, prices=FREE)) == ["msg_1"]
    assert not plan([old, *behind], 30, reuse)
    lonely = learned(old)
    assert ids(plan([old], 30, lonely)) == ["msg_1"]


def test_what_goes_together_breaks_the_context_once() -> None:
    old = [of(number, 2_000) for number in range(1, 12)]
    behind = [of(number, 2_000, turn=60) for number in range(12, 120)]
    reuse = learned(*old, *behind)
    assert not plan([old[0], *behind], 60, reuse)
    together = ids(plan([*old, *behind], 60, reuse))
    assert sorted(together) == sorted(page.page_id for page in old)


@given(
    st.lists(st.tuples(st.integers(1, 9_000), st.integers(0, 50)), max_size=20, unique=True),
    st.integers(0, 80),
)
def test_a_batch_is_an_end_of_the_context_and_only_of_pages_that_are_due(
    sizes: list[tuple[int, int]], turn: int
) -> None:
    pages = [of(number, *each) for number, each in enumerate(sizes, 1)]
    reuse = learned(*sorted(pages, key=lambda page: page.turn))
    every = ids(due(pages, turn, reuse))
    chosen = ids(plan(pages, turn, reuse))
    context = sorted(pages, key=lambda page: (page.mapped_turn, page.touched))
    in_context = [page.page_id for page in reversed(context) if page.page_id in every]
    assert chosen == in_context[: len(chosen)]
    assert set(ids(plan(pages, turn, reuse, prices=FREE))) == set(every)
