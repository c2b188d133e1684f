"""The working set: what is mapped, who yields, and that the budget always holds."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pagefault.base.page import PAGE_TYPES
from pagefault.paging.demotion import Step
from pagefault.paging.eviction import POLICIES, Policy, in_order
from pagefault.paging.eviction.lru import lru
from pagefault.paging.resident import Mapped
from pagefault.paging.working_set import Admission, WorkingSet

BUDGET = 100


def page(page_id: str, tokens: int = 10, **fields: Any) -> Mapped:
    made = Mapped(page_id, 1, 0, tokens, page_type="transcript", importance=0.5, touched=0, turn=0)
    return replace(made, **fields)


def lay(made: WorkingSet, *pages: Mapped, faulted: bool = False) -> list[Admission]:
    admissions = []
    for one in pages:
        admissions.append(made.plan(one, faulted=faulted))
        made.commit(admissions[-1])
    return admissions


def working_set(*pages: Mapped, budget: int = BUDGET, policy: Policy = lru) -> WorkingSet:
    made = WorkingSet(budget, policy)
    lay(made, *pages)
    return made


def ids(pages: Iterable[Mapped]) -> list[str]:
    return [one.page_id for one in pages]


# --- what mapping does -------------------------------------------------------------------------


def test_a_new_page_is_mapped_and_its_tokens_are_counted_once() -> None:
    made = working_set(page("msg_1", 30))
    assert ids(made.pages()) == ["msg_1"]
    assert (made.used, made.left) == (30, 70)


def test_mapping_a_mapped_page_at_its_level_changes_its_recency_and_nothing_else() -> None:
    made = working_set(page("msg_1", 30), page("msg_2", 30))
    before = made.get("msg_1")
    (admission,) = lay(made, page("msg_1", 30), faulted=True)
    assert admission.touched
    assert not admission.evicted
    assert made.used == 60
    assert ids(made.pages()) == ["msg_2", "msg_1"]
    after = made.get("msg_1")
    assert before is not None
    assert after is not None
    assert replace(after, touched=before.touched) == before


def test_another_level_of_a_mapped_page_replaces_its_tokens() -> None:
    made = working_set(page("msg_1", 60))
    (smaller,) = lay(made, page("msg_1", 5, level=3))
    assert smaller.remapped
    assert (len(made), made.used) == (1, 5)
    lay(made, page("msg_1", 60))
    assert (len(made), made.used) == (1, 60)


def test_another_version_of_a_mapped_page_replaces_its_tokens() -> None:
    made = working_set(page("msg_1", 60))
    lay(made, page("msg_1", 20, version=2))
    known = made.get("msg_1")
    assert known is not None
    assert (known.version, made.used) == (2, 20)


def test_a_page_larger_than_the_budget_is_not_mapped_and_nobody_yields() -> None:
    made = working_set(page("msg_1", 50), page("msg_2", 50))
    (admission,) = lay(made, page("msg_3", 101))
    assert admission == Admission(None)
    assert ids(made.pages()) == ["msg_1", "msg_2"]


def test_when_only_pins_remain_a_page_is_not_mapped() -> None:
    made = working_set(page("msg_1", 40), page("msg_2", 40))
    for page_id in ("msg_1", "msg_2"):
        made.pin(page_id, pinned=True, until=None)
    (admission,) = lay(made, page("msg_3", 21))
    assert admission.page is None
    assert made.room() == 20


def test_planning_changes_nothing() -> None:
    made = working_set(page("msg_1", 60), page("msg_2", 40))
    before = made.pages()
    made.plan(page("msg_3", 90))
    assert made.pages() == before
    assert made.used == 100


def test_a_page_is_demoted_only_to_something_smaller() -> None:
    made = working_set(page("msg_1", 60), page("msg_2", 5))
    assert made.demote("msg_1", 3, 10)
    assert not made.demote("msg_1", 2, 10)
    assert not made.demote("msg_3", 3, 1)
    known = made.get("msg_1")
    assert known is not None
    assert (known.level, made.used) == (3, 15)
    assert ids(made.pages()) == ["msg_2", "msg_1"]


def test_evicting_what_is_not_mapped_is_no_eviction() -> None:
    made = working_set(page("msg_1"))
    assert not made.evict("msg_2")
    assert made.evict("msg_1")
    assert not made.evict("msg_1")
    assert made.used == 0


# --- who yields --------------------------------------------------------------------------------


def test_the_least_recently_used_page_yields_first() -> None:
    made = working_set(page("msg_1", 40), page("msg_2", 40))
    lay(made, page("msg_1", 40))
    (admission,) = lay(made, page("msg_3", 40))
    assert ids(admission.evicted) == ["msg_2"]


def test_no_page_yields_that_the_others_made_needless() -> None:
    made = working_set(page("msg_1", 10), page("msg_2", 80), page("msg_3", 10))
    (admission,) = lay(made, page("msg_4", 75))
    assert ids(admission.evicted) == ["msg_2"]


def test_protected_pages_yield_after_all_others_the_longest_protected_first() -> None:
    made = WorkingSet(BUDGET, lru)
    lay(made, page("msg_1", 25), faulted=True)
    made.begin_turn(1)
    lay(made, page("msg_2", 25), faulted=True)
    lay(made, page("msg_3", 25), page("msg_4", 25))
    lay(made, page("msg_1", 25))  # used again: still the longest protected
    assert ids(made.pages())[-1] == "msg_1"
    (first,) = lay(made, page("msg_5", 60))
    assert ids(first.evicted) == ["msg_3", "msg_4", "msg_1"]


def test_a_pinned_page_never_yields() -> None:
    made = working_set(page("msg_1", 50), page("msg_2", 50))
    made.pin("msg_1", pinned=True, until=None)
    for number in range(3, 20):
        lay(made, page(f"msg_{number}", 50), faulted=True)
        assert "msg_1" in made


def test_an_unpinned_page_yields_again() -> None:
    made = working_set(page("msg_1", 50), page("msg_2", 50))
    made.pin("msg_1", pinned=True, until=None)
    made.pin("msg_1", pinned=False, until=None)
    (admission,) = lay(made, page("msg_3", 50))
    assert ids(admission.evicted) == ["msg_1"]


def test_a_pinned_page_cannot_grow_beyond_the_half_that_pins_may_hold() -> None:
    made = working_set(page("msg_1", 5, level=3), page("msg_2", 10))
    made.pin("msg_1", pinned=True, until=None)
    made.pin("msg_2", pinned=True, until=None)
    assert made.room("msg_1") == 40
    assert made.plan(page("msg_1", 41)).page is None
    assert made.plan(page("msg_1", 40)).page is not None
    assert made.room() == made.room("msg_3") == 85


# --- time --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("turn", "first_to_go"), [(0, "msg_2"), (2, "msg_2"), (3, "msg_1")])
def test_the_protection_of_a_faulted_page_runs_out_with_turns(turn: int, first_to_go: str) -> None:
    made = WorkingSet(BUDGET, lru, protection=2)
    lay(made, page("msg_1", 50), faulted=True)
    lay(made, page("msg_2", 50))
    made.begin_turn(turn)
    assert ids(made.plan(page("msg_3", 50)).evicted) == [first_to_go]


def test_no_page_is_protected_where_faulted_pages_are_protected_for_no_turn() -> None:
    made = WorkingSet(BUDGET, lru, protection=0)
    lay(made, page("msg_1", 50), faulted=True)
    lay(made, page("msg_2", 50))
    assert ids(made.plan(page("msg_3", 50)).evicted) == ["msg_1"]


@pytest.mark.parametrize(("turn", "holds"), [(4, True), (5, True), (6, False)])
def test_a_timed_pin_runs_out_with_turns(turn: int, holds: bool) -> None:
    made = working_set(page("msg_1", 50), page("msg_2", 50))
    made.begin_turn(4)
    made.pin("msg_1", pinned=True, until=5)
    made.begin_turn(turn)
    assert (made.pinned_tokens() == 50) is holds
    assert ids(made.plan(page("msg_3", 50)).evicted) == (["msg_2"] if holds else ["msg_1"])


def protected_until(made: WorkingSet, page_id: str) -> int:
    known = made.get(page_id)
    assert known is not None
    return known.protected_until


@pytest.mark.parametrize(("gone_for", "damped"), [(0, True), (2, True), (3, False)])
def test_a_page_that_comes_back_soon_after_its_eviction_is_kept_longer(
    gone_for: int, damped: bool
) -> None:
    made = WorkingSet(BUDGET, lru, protection=1, damping=3)
    lay(made, page("msg_1"))
    made.evict("msg_1")
    made.begin_turn(gone_for)
    lay(made, page("msg_1"), faulted=True)
    assert protected_until(made, "msg_1") == gone_for + (4 if damped else 2)


def test_an_eviction_is_damped_once() -> None:
    made = WorkingSet(BUDGET, lru, protection=1, damping=3)
    lay(made, page("msg_1"), faulted=True)
    assert protected_until(made, "msg_1") == 2
    made.evict("msg_1")
    lay(made, page("msg_1"), faulted=True)
    assert protected_until(made, "msg_1") == 4


def test_a_forgotten_page_leaves_no_trace() -> None:
    made = WorkingSet(BUDGET, lru, protection=1, damping=3)
    lay(made, page("msg_1"))
    made.forget("msg_1")
    lay(made, page("msg_1"), faulted=True)
    assert protected_until(made, "msg_1") == 2


def test_evictions_from_before_a_restart_are_still_damped() -> None:
    made = WorkingSet(BUDGET, lru, protection=1, damping=3, evicted=[("msg_1", 4)])
    made.begin_turn(5)
    lay(made, page("msg_1"), faulted=True)
    assert protected_until(made, "msg_1") == 9


# --- a budget that has become smaller ----------------------------------------------------------


def shrunk(budget: int, *pinned: str) -> WorkingSet:
    made = working_set(page("msg_1", 30), page("msg_2", 30), page("msg_3", 30))
    for page_id in pinned:
        made.pin(page_id, pinned=True, until=None)
    made.budget = budget
    return made


@pytest.mark.parametrize(
    ("budget", "gone"),
    [(90, []), (89, ["msg_1"]), (60, ["msg_1"]), (59, ["msg_1", "msg_3"])],
)
def test_a_smaller_budget_is_met_by_those_who_would_yield_anyway(
    budget: int, gone: list[str]
) -> None:
    assert ids(shrunk(budget, "msg_2").plan_fit()) == gone


def test_a_budget_below_the_pins_is_met_by_the_pins_that_were_used_least_lately() -> None:
    assert ids(shrunk(35, "msg_1", "msg_2").plan_fit()) == ["msg_3", "msg_1"]
    assert ids(shrunk(29, "msg_1", "msg_2").plan_fit()) == ["msg_3", "msg_1", "msg_2"]


# --- idle pages --------------------------------------------------------------------------------


def in_turns(*batches: list[Mapped], budget: int = 10_000, **options: Any) -> WorkingSet:
    """A set in which each turn brought a batch of pages."""
    made = WorkingSet(budget, options.pop("policy", lru), **options)
    for turn, batch in enumerate(batches, 1):
        made.begin_turn(turn)
        lay(made, *batch)
    return made


def dead(numbers: Iterable[int], tokens: int = 1_000, **fields: Any) -> list[Mapped]:
    return [page(f"msg_{number}", tokens, **fields) for number in numbers]


def released(made: WorkingSet, turn: int) -> list[str]:
    """What goes as that turn begins, and how it would go."""
    made.begin_turn(turn)
    return [step.page.page_id for step in made.plan_idle()]


def test_no_idle_page_goes_while_a_turn_like_the_last_fits() -> None:
    made = in_turns(dead(range(1, 5)), *([] for _ in range(40)), dead([5, 6]))
    assert made.left == 4_000
    assert released(made, made.turn + 1) == []


def test_when_a_turn_like_the_last_does_not_fit_idle_pages_make_room_for_it_and_no_more() -> None:
    made = in_turns(dead(range(1, 5)), *([] for _ in range(40)), dead(range(5, 10)))
    assert made.left == 1_000
    assert released(made, made.turn + 1) == ["msg_1", "msg_2", "msg_3", "msg_4"]
    fewer = in_turns(dead(range(1, 8)), *([] for _ in range(40)), dead([8, 9]))
    assert fewer.left == 1_000
    assert released(fewer, fewer.turn + 1) == ["msg_1"]


def test_pages_that_are_worth_keeping_wait_for_who_needs_the_room() -> None:
    made = in_turns(dead(range(1, 9), 100), dead([9, 10], 100), budget=1_000)
    assert released(made, 3) == []
    assert ids(made.plan(page("msg_11", 100)).evicted) == ["msg_1"]


def test_idle_pages_go_as_the_policy_says_so_that_claims_outlive_transcripts() -> None:
    made = in_turns(
        dead([1], page_type="claim"),
        dead(range(2, 9)),
        *([] for _ in range(60)),
        dead([9, 10]),
        policy=POLICIES["importance"],
    )
    assert released(made, made.turn + 1) == ["msg_2", "msg_3"]


def test_pinned_and_protected_pages_do_not_go_for_being_idle() -> None:
    made = in_turns(dead(range(1, 9)), *([] for _ in range(40)), dead([9, 10]), protection=2)
    made.pin("msg_1", pinned=True, until=None)
    made.commit(made.plan(page("msg_2", 999, level=1)))
    assert released(made, made.turn + 1) == ["msg_3", "msg_4"]


def test_an_idle_page_with_a_smaller_form_is_shown_in_it() -> None:
    made = in_turns(dead(range(1, 9)), *([] for _ in range(40)), dead([9, 10]))
    made.begin_turn(made.turn + 1)
    made.learned.forms.learn("msg_1", 1, 3, 20)
    steps = made.plan_idle()
    assert [(step.page.page_id, step.level, step.tokens) for step in steps] == [
        ("msg_1", 3, 20),
        ("msg_2", None, 0),
        ("msg_3", None, 0),
    ]


@pytest.mark.parametrize("policy", POLICIES.values())
def test_stubs_cost_nobody_a_place(policy: Policy) -> None:
    """The same pages stay in full, be there stubs of those that went or not."""
    rng = random.Random(7)
    with_stubs, without = (WorkingSet(400, policy, protection=0, damping=0) for _ in range(2))
    for turn in range(300):
        number = rng.randrange(40)
        wanted = page(f"msg_{number}", 10 + number * 5 % 91)
        with_stubs.learned.forms.learn(wanted.page_id, 1, 3, 9)
        for made in (with_stubs, without):
            made.begin_turn(turn)
            lay(made, wanted, faulted=True)
        in_full = [one.page_id for one in with_stubs.pages() if one.level == 0]
        assert in_full == ids(without.pages())
    assert any(one.level == 3 for one in with_stubs.pages())


def test_nobody_goes_while_the_pages_that_went_keep_coming_back() -> None:
    made = in_turns(dead(range(1, 9)), *([] for _ in range(40)), dead([9, 10]))
    for number in range(1, 5):
        made.give_way(f"msg_{number}")
    lay(made, *dead([1, 2, 3]))
    assert made.learned.thrash.index == 0.75
    assert released(made, made.turn + 1) == []
    made.begin_turn(made.turn + 16)
    lay(made, *dead([11]))
    assert released(made, made.turn + 1) != []


def test_what_someone_lets_go_himself_is_no_thrashing() -> None:
    made = working_set(page("msg_1"))
    made.evict("msg_1")
    lay(made, page("msg_1"))
    assert made.learned.thrash.evictions == 0


# --- uses --------------------------------------------------------------------------------------


def uses(made: WorkingSet, page_id: str = "msg_1") -> float:
    known = made.get(page_id)
    assert known is not None
    return known.uses


def test_uses_are_counted_by_turns_and_outlive_an_eviction() -> None:
    made = working_set(page("msg_1"))
    lay(made, page("msg_1"), page("msg_1"))
    assert uses(made) == 1
    made.begin_turn(1)
    lay(made, page("msg_1"))
    assert uses(made) == pytest.approx(2, abs=0.02)
    made.give_way("msg_1")
    made.begin_turn(2)
    lay(made, page("msg_1"), faulted=True)
    assert uses(made) == pytest.approx(3, abs=0.05)


def test_what_was_learned_outlives_a_set_that_is_read_anew() -> None:
    made = working_set(page("msg_1"), page("msg_2"))
    for turn in range(1, 4):
        made.begin_turn(turn)
        lay(made, page("msg_1"))
    again = WorkingSet(BUDGET, lru, pages=made.pages(), learned=made.learned)
    assert (uses(again), uses(again, "msg_2")) == (uses(made), 1)


def test_a_set_that_knows_no_more_begins_with_the_last_uses_of_its_pages() -> None:
    made = WorkingSet(BUDGET, lru, pages=[page("msg_1", turn=4), page("msg_2", turn=1)])
    made.begin_turn(5)
    lay(made, page("msg_1"))
    assert uses(made) == pytest.approx(2, abs=0.02)


# --- a user's own policy -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy",
    [
        lambda pages: [],
        lambda pages: [*pages, *pages],
        lambda pages: [page("msg_99"), *reversed(list(pages))],
    ],
    ids=["forgets pages", "names them twice", "names a stranger"],
)
def test_a_policy_that_orders_badly_cannot_break_the_budget(policy: Policy) -> None:
    made = WorkingSet(BUDGET, policy)
    for number in range(1, 30):
        lay(made, page(f"msg_{number}", 7 + number % 5))
        assert made.used == sum(one.tokens for one in made.pages()) <= BUDGET
    assert sorted(ids(in_order(policy, made.pages()))) == sorted(ids(made.pages()))


# --- all of it, in any order -------------------------------------------------------------------

NAMES = st.sampled_from([f"msg_{number}" for number in range(1, 13)])


class WorkingSets(RuleBasedStateMachine):
    """Any sequence of mappings, pins, evictions and turns."""

    policy = "importance"

    def __init__(self) -> None:
        super().__init__()
        self.set = WorkingSet(BUDGET, POLICIES[self.policy], protection=2, damping=3)

    def mapped(self) -> dict[str, Mapped]:
        return {one.page_id: one for one in self.set.pages()}

    @rule(
        page_id=NAMES,
        level=st.sampled_from([0, 0, 3]),
        version=st.sampled_from([1, 1, 2]),
        faulted=st.booleans(),
    )
    def map(self, page_id: str, level: int, version: int, faulted: bool) -> None:
        number = int(page_id.removeprefix("msg_"))
        wanted = page(
            page_id,
            max(1, number * 9 // (level + 1) + version),
            level=level,
            version=version,
            page_type=PAGE_TYPES[number % len(PAGE_TYPES)],
            modality=("text", "image", "video")[number % 3],
            importance=number % 3 / 2,
        )
        before = self.mapped()
        order = yielding(self.set, page_id)
        admission = self.set.plan(wanted, faulted=faulted)
        assert self.mapped() == before
        self.set.commit(admission)
        if admission.page is None:
            assert not admission.evicted
            assert not admission.demoted
            assert wanted.tokens > BUDGET - pinned_beside(self.set, before, page_id)
        elif admission.touched:
            expected = replace(before[page_id], touched=0, turn=0)
            assert replace(self.mapped()[page_id], touched=0, turn=0) == expected
            assert not admission.evicted
        else:
            self.check_victims(admission, order, wanted.tokens, before)
        if admission.page is not None:
            assert self.set.pages()[-1].page_id == page_id

    def check_victims(
        self, admission: Admission, order: Sequence[Mapped], wanted: int, before: dict[str, Mapped]
    ) -> None:
        known = before.get(admission.page.page_id) if admission.page else None
        held = sum(one.tokens for one in before.values()) - (known.tokens if known else 0)
        needed = held + wanted - BUDGET
        gone = ids(admission.evicted)
        for step in admission.demoted:
            after = self.set.get(step.page.page_id)
            assert after is not None
            self.check_stub(step, after)
        for victim in (*admission.evicted, *(step.page for step in admission.demoted)):
            assert not victim.is_pinned(self.set.turn)
            now = self.set.get(victim.page_id)
            freed = victim.tokens - (now.tokens if now else 0)
            assert self.set.used + freed > BUDGET, "a page yielded that need not have"
            ahead = order[: ids(order).index(victim.page_id)]
            assert sum(one.tokens for one in ahead) < needed, "those ahead of it would have done"
        assert set(gone) == set(before) - set(self.mapped())

    def check_stub(self, step: Step, after: Mapped) -> None:
        """Want of room changes what a page is shown as, and nothing else of it."""
        assert (after.level, after.tokens) == (step.level, step.tokens)
        assert after.tokens < step.page.tokens
        assert replace(after, level=step.page.level, tokens=step.page.tokens) == step.page

    @precondition(lambda self: len(self.set) > 0)
    @rule(data=st.data(), turns=st.one_of(st.none(), st.integers(0, 3)))
    def pin(self, data: st.DataObject, turns: int | None) -> None:
        page_id = data.draw(st.sampled_from(ids(self.set.pages())))
        known = self.set.get(page_id)
        assert known is not None
        if pinned_beside(self.set, self.mapped(), page_id) + known.tokens <= BUDGET // 2:
            until = None if turns is None else self.set.turn + turns
            self.set.pin(page_id, pinned=True, until=until)

    @precondition(lambda self: len(self.set) > 0)
    @rule(data=st.data())
    def unpin(self, data: st.DataObject) -> None:
        page_id = data.draw(st.sampled_from(ids(self.set.pages())))
        self.set.pin(page_id, pinned=False, until=None)
        known = self.set.get(page_id)
        assert known is not None
        assert not known.is_pinned(self.set.turn)

    @rule(page_id=NAMES, tokens=st.integers(1, 50))
    def demote(self, page_id: str, tokens: int) -> None:
        known = self.set.get(page_id)
        smaller = known is not None and known.tokens > tokens
        assert self.set.demote(page_id, 3, tokens) is smaller
        after = self.set.get(page_id)
        assert (after != known) is smaller

    @rule(page_id=NAMES)
    def evict(self, page_id: str) -> None:
        there = page_id in self.set
        assert self.set.evict(page_id) is there
        assert page_id not in self.set

    @rule(page_id=NAMES)
    def forget(self, page_id: str) -> None:
        self.set.forget(page_id)
        assert page_id not in self.set

    @rule()
    def begin_turn(self) -> None:
        self.set.begin_turn(self.set.turn + 1)

    @rule(page_id=NAMES, version=st.sampled_from([1, 1, 2]), tokens=st.integers(1, 20))
    def keep_a_stub(self, page_id: str, version: int, tokens: int) -> None:
        before = self.mapped()
        self.set.learned.forms.learn(page_id, version, 3, tokens)
        assert self.mapped() == before

    @rule()
    def release_what_is_idle(self) -> None:
        before = self.mapped()
        room = self.set.left
        steps = self.set.plan_idle()
        assert self.mapped() == before
        assert not steps or room < BUDGET
        for step in steps:
            assert not step.page.is_pinned(self.set.turn)
            assert not step.page.is_protected(self.set.turn)
            assert step.page.turn < self.set.turn
            assert before[step.page.page_id] == step.page
            assert self.set.shrink(step)
            assert not self.set.shrink(step)
            after = self.set.get(step.page.page_id)
            if after is not None:
                self.check_stub(step, after)
        assert len({step.page.page_id for step in steps}) == len(steps)

    @rule()
    def read_anew(self) -> None:
        old = self.set
        self.set = WorkingSet(
            BUDGET, old.policy, protection=2, damping=3, pages=old.pages(), learned=old.learned
        )
        self.set.begin_turn(old.turn)
        assert self.set.pages() == old.pages()

    @rule(budget=st.integers(1, BUDGET))
    def shrink_and_grow_again(self, budget: int) -> None:
        self.set.budget = budget
        gone = self.set.plan_fit()
        for victim in gone:
            self.set.evict(victim.page_id)
        assert self.set.used <= budget
        assert all(self.set.used + victim.tokens > budget for victim in gone)
        self.set.budget = BUDGET

    @invariant()
    def the_budget_holds_and_the_accounts_are_right(self) -> None:
        pages = self.set.pages()
        assert self.set.used == sum(one.tokens for one in pages)
        assert self.set.used <= BUDGET
        assert self.set.left == BUDGET - self.set.used
        assert len(set(ids(pages))) == len(pages) == len(self.set)

    @invariant()
    def pins_hold_at_most_half(self) -> None:
        assert self.set.pinned_tokens() <= BUDGET // 2


def yielding(made: WorkingSet, spared: str) -> list[Mapped]:
    """Who yields before whom, told from the pages alone: stubs, unprotected, then protected."""
    free = [one for one in made.pages() if one.page_id != spared and not one.is_pinned(made.turn)]
    protected = [one for one in free if one.protected_until > made.turn]
    rest = [one for one in free if one.protected_until <= made.turn]
    oldest = sorted(protected, key=lambda one: (one.mapped_turn, one.touched))
    stubs = [one for one in rest if one.whole]
    return [*stubs, *made.policy([one for one in rest if not one.whole]), *oldest]


def pinned_beside(made: WorkingSet, pages: dict[str, Mapped], page_id: str) -> int:
    """Tokens that the other pins hold, and the half that a pinned page has to leave alone."""
    others = sum(
        one.tokens for one in pages.values() if one.is_pinned(made.turn) and one.page_id != page_id
    )
    own = pages.get(page_id)
    pinned = own is not None and own.is_pinned(made.turn)
    return others + (BUDGET - BUDGET // 2 if pinned else 0)


class LeastRecentlyUsed(WorkingSets):
    """The same with other policies."""

    policy = "lru"


class CheapestFirst(WorkingSets):
    policy = "cost"


class MediaFirst(WorkingSets):
    policy = "modality"


TestWorkingSets = WorkingSets.TestCase
TestWorkingSets.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestLeastRecentlyUsed = LeastRecentlyUsed.TestCase
TestLeastRecentlyUsed.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestCheapestFirst = CheapestFirst.TestCase
TestCheapestFirst.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestMediaFirst = MediaFirst.TestCase
TestMediaFirst.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
