"""What sessions of a workspace teach those that come after them."""

from __future__ import annotations

from dataclasses import replace

from pagefault.paging.habits import Habits
from pagefault.paging.resident import Mapped
from pagefault.paging.reuse import Reuse

READ = Mapped("msg_1", 1, 0, 100, "transcript", 0.5, touched=1, turn=0, role="tool")


def soon(reuse: Reuse, turn: int = 1, idle: int = 4) -> float:
    return reuse.chances(turn).soon(reuse.class_of(READ), idle)


def teach(habits: Habits, sessions: range, *, again: bool) -> None:
    """Sessions in each of which ten pages are read, and every second turn again, or never."""
    for session in sessions:
        reuse = habits.reuse(f"s{session}")
        for turn in range(0, 20, 2):
            for number in range(10) if again or turn == 0 else [100 + turn]:
                reuse.used(replace(READ, page_id=f"msg_{number}"), turn)


def test_a_session_begins_with_what_the_others_have_shown() -> None:
    busy, dead = Habits(), Habits()
    teach(busy, range(3), again=True)
    teach(dead, range(3), again=False)
    assert soon(dead.reuse("new")) < soon(Reuse()) < soon(busy.reuse("new"))


def test_the_first_session_of_a_workspace_begins_as_one_alone() -> None:
    assert soon(Habits().reuse("new")) == soon(Reuse())


def test_a_sessions_own_uses_soon_outweigh_what_others_have_shown() -> None:
    habits = Habits()
    teach(habits, range(20), again=False)
    at_first = soon(habits.reuse("new"), idle=1)
    reuse = habits.reuse("new")
    for turn in range(0, 60, 2):
        for number in range(5):
            reuse.used(replace(READ, page_id=f"msg_{number}"), turn)
    assert soon(reuse, 60, idle=1) > 4 * at_first


def test_a_session_that_is_opened_again_goes_on_with_what_it_learned() -> None:
    habits = Habits()
    reuse = habits.reuse("s1")
    reuse.used(READ, 3)
    assert habits.reuse("s1") is reuse
    assert habits.reuse("s2") is not reuse


def test_only_the_latest_sessions_are_believed() -> None:
    habits = Habits()
    teach(habits, range(32), again=True)
    teach(habits, range(32, 64), again=False)
    fresh = Habits()
    teach(fresh, range(32, 64), again=False)
    assert abs(soon(habits.reuse("new")) - soon(fresh.reuse("new"))) < 0.1 * soon(Reuse())


def test_what_a_session_teaches_is_its_own_and_not_what_it_was_taught() -> None:
    habits = Habits()
    teach(habits, range(3), again=True)
    assert habits.reuse("new").taught() == {}
