"""A session's calls, folded from its lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pagefault.base.log import BindingsUsed, Called, Judged, LogLine, Operation, Restored, SeenAgain
from pagefault.calls.track import Track


def called(number: int | None, **fields: Any) -> Called:
    usual = {
        "session": "s",
        "event_id": f"evt_{number}",
        "page_id": f"msg_{number}",
        "tool": "lookup",
        "call": f"{number}",
        "answer": "a",
        "ok": number is not None,
        "door": "tool_record",
        "number": number,
    }
    return Called(**{**usual, **fields})


def tracked(operations: Sequence[Operation], turn: int = 1) -> Track:
    track = Track()
    for position, operation in enumerate(operations, 1):
        track.fold(LogLine(position, float(position), "test", 1, turn, operation))
    return track


def test_a_number_and_an_alias_lead_to_the_same_binding() -> None:
    track = tracked([called(1, aliases=("price",)), called(2)])
    assert (track.number("v1"), track.number("price"), track.number("v2")) == (1, 1, 2)
    assert track.number("v3") is track.number("cost") is track.number("v١") is None


def test_an_alias_moves_on_to_the_newer_result() -> None:
    assert tracked([called(1, aliases=("x",)), called(2, aliases=("x",))]).number("x") == 2


def test_verdicts_are_counted_by_guard() -> None:
    judged = Judged(session="s", tool="t", guard="loops", verdict="warn")
    assert tracked([judged, judged]).verdicts["loops", "warn"] == 2


def test_a_result_is_used_once_a_call_has_referred_to_it() -> None:
    track = tracked([called(1), called(2), BindingsUsed(session="s", numbers=(1,))])
    assert track.used == {1}


def test_a_call_is_known_again_through_another_tool_once() -> None:
    first = called(1, tool_call_id="a")
    again = called(None, call="1", tool_call_id="a", door="session_record")
    track = tracked([first])
    found = track.first_of(again, 1)
    assert found is not None
    assert found.call == first
    seen = tracked([first, SeenAgain(session="s", event_id="evt_1", door="session_record")])
    assert seen.first_of(again, 1) is None
    assert (
        track.first_of(called(None, call="1", tool_call_id="b", door="session_record"), 1) is None
    )
    assert track.first_of(again, 9) is None  # too long ago to be the same


def test_going_back_unbinds_what_was_bound_since() -> None:
    track = tracked([called(1, aliases=("x",)), called(2, aliases=("x",)), restored(1)])
    assert set(track.bound) == {1}
    assert track.number("x") == 1


def restored(to: int) -> Restored:
    return Restored(session="s", name="a", to=to)


@given(st.lists(st.integers(0, 30) | st.none(), max_size=30))
def test_after_any_goings_back_that_is_bound_which_was_bound_there(steps: list[int | None]) -> None:
    """None binds the next number, a number goes back to that position, if there is one."""
    operations: list[Operation] = []
    states: list[dict[int, int]] = [{}]  # after each position: number to position
    numbers = 0
    for step in steps:
        here = dict(states[-1])
        if step is None or step >= len(states):
            numbers += 1
            operations.append(called(numbers))
            here[numbers] = len(states)
        else:
            operations.append(restored(step))
            here = dict(states[step])
        states.append(here)
    track = tracked(operations)
    assert {number: made.position for number, made in track.bound.items()} == states[-1]
