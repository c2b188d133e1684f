"""Sequences of tools that end well, prerequisites, and how they are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pagefault.procedures.experience import Experience
from pagefault.procedures.lines import Called, Gone
from pagefault.procedures.sequences import promotions
from pagefault.procedures.wording import of_prerequisites, of_promotion

Turn = Sequence[str]


def turns(*turns: Turn, session: str = "s", experience: Experience | None = None) -> Experience:
    """Turns of tools; a "!" behind one makes its call fail."""
    known = experience or Experience()
    for number, tools in enumerate(turns):
        for step, tool in enumerate(tools):
            name, ok = tool.rstrip("!"), not tool.endswith("!")
            event = f"{session}.{number}.{step}"
            known.fold(Called(session, event, name, event, ok, turn=number, at=float(number)))
    return known


WELL = ("open", "edit", "test")


def test_what_keeps_succeeding_is_proposed_with_the_events_it_was_learned_from() -> None:
    known = turns(WELL, WELL, WELL, ("end",))
    [found] = promotions(known.sequences)
    assert found.tools == WELL
    assert found.name == "open > edit > test"
    assert (found.worked, found.failed, found.sessions) == (3, 0, 1)
    assert found.events == ("s.2.0", "s.2.1", "s.2.2")


def test_twice_is_not_enough_and_the_open_turn_does_not_count_yet() -> None:
    assert promotions(turns(WELL, WELL, WELL).sequences) == []


def test_a_sequence_that_often_ends_badly_is_not_proposed() -> None:
    bad = ("open", "edit", "test!")
    assert promotions(turns(WELL, bad, WELL, bad, WELL, ("end",)).sequences) == []


def test_a_turn_that_ends_badly_lets_none_of_its_sequences_pass() -> None:
    wasted = (*WELL, "deploy!")
    assert promotions(turns(*[wasted] * 5, ("end",)).sequences) == []


def test_sequences_count_across_sessions() -> None:
    known = Experience()
    for name in "abc":
        turns(WELL, ("end",), session=name, experience=known)
    assert promotions(known.sequences)[0].sessions == 3


def test_repeats_of_a_tool_in_a_row_are_one_step_and_the_last_counts() -> None:
    again = ("open", "edit!", "edit!", "edit", "test")
    assert promotions(turns(again, again, again, ("end",)).sequences)[0].tools == WELL


def test_a_sequence_with_a_page_is_not_proposed_again() -> None:
    known = turns(WELL, WELL, WELL, ("end",)).sequences
    assert promotions(known, {"open > edit > test"}) == []


def test_a_sequence_whose_calls_were_forgotten_is_not_proposed() -> None:
    known = turns(WELL, WELL, WELL, ("end",))
    known.fold(Gone(("s.2.1",)))
    assert all("edit" not in each.tools for each in promotions(known.sequences))


def test_the_page_of_a_procedure_says_what_where_and_how_often() -> None:
    [found] = promotions(turns(WELL, WELL, WELL, ("end",)).sequences)
    text = of_promotion(replace(found, tools=("open", 'x"\ny', "test")))
    assert text.startswith('Procedure: open > "x\\"\\ny" > test\n1. open\n')
    assert "ended well in 3 of 3 turns, in 1 session" in text
    assert "s.2.0" in text


def test_a_tool_that_comes_before_success_and_is_missing_before_failure_is_a_prerequisite() -> None:
    known = Experience()
    for n in range(6):
        turns(("login", "look", "buy"), session=f"good{n}", experience=known)
        turns(("look", "buy!"), session=f"bad{n}", experience=known)
    [found] = known.prerequisites.of("buy")
    assert (found.tool, found.with_it, found.without, found.lift) == ("login", 1.0, 0.0, 2.0)
    assert known.prerequisites.missing("buy", "bad0") == [found]
    assert known.prerequisites.missing("buy", "good0") == []
    assert of_prerequisites("buy", [found]) == (
        "before buy usually comes login (works in 100% after it, 0% without)"
    )


def test_few_calls_make_no_prerequisite() -> None:
    known = turns(("login", "buy"))
    turns(("buy!",), session="bad", experience=known)
    assert known.prerequisites.of("buy") == []
    assert of_prerequisites("buy", []) == ""
