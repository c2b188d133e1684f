"""When a turn begins where nobody says so."""

from __future__ import annotations

import pytest

from pagefault.paging.turns import CALLS, PAUSE, overdue


@pytest.mark.parametrize(
    ("pause", "cause"), [(0.0, None), (119.999, None), (120.0, "pause"), (86_400.0, "pause")]
)
def test_the_first_call_two_minutes_after_the_last_reply_begins_a_turn(
    pause: float, cause: str | None
) -> None:
    assert overdue(1_000.0 + pause, 1_000.0, 0, "message") == cause


@pytest.mark.parametrize(("calls", "cause"), [(0, None), (23, None), (24, "calls"), (100, "calls")])
def test_the_25th_call_of_a_turn_without_a_user_message_begins_one(
    calls: int, cause: str | None
) -> None:
    assert overdue(0.0, 0.0, calls, "start") == cause


def test_a_turn_that_a_user_message_began_is_as_long_as_the_user_lets_it_be() -> None:
    assert overdue(0.0, 0.0, 10 * CALLS, "message") is None


def test_a_pause_is_named_before_the_calls() -> None:
    assert overdue(PAUSE, 0.0, CALLS, "calls") == "pause"


def test_a_clock_that_was_set_back_begins_no_turn() -> None:
    assert overdue(0.0, 5_000.0, 0, "start") is None
