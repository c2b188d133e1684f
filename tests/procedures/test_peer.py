"""Behaviours 64 to 68 of reference/peer.md in the form that design.md asks for."""

from __future__ import annotations

from typing import Any

from pagefault.procedures.experience import Experience
from pagefault.procedures.features import of_goal
from pagefault.procedures.fixing import Attempt, fixes
from pagefault.procedures.lines import Called
from pagefault.procedures.patterns import EXAMPLES
from pagefault.procedures.retrieval import Query, find_fixes, find_ways
from pagefault.procedures.wording import of_fix

FAILED = Attempt("call-0001", "solver", {"a": 1}, ok=False, error="no model", kind="unsat")
WORKED = Attempt("call-0002", "solver", {"a": 2, "b": 3}, ok=True)


def learned(*pairs: tuple[Attempt, Attempt]) -> Experience:
    experience = Experience()
    for failed, worked in pairs:
        for line in fixes([failed], worked):
            experience.fold(line)
    return experience


def test_64_a_fix_is_linked_found_again_and_told() -> None:
    found = find_fixes(learned((FAILED, WORKED)), Query("solver", {"a": 9}, "no model", "unsat"), 0)
    assert found[0].example == ("call-0001", "call-0002")
    assert found[0].keys == ("+b", "~a")
    told = of_fix(found[0], 0, FAILED.arguments, WORKED.arguments)
    assert told.startswith("unsat -> fix: add b; change a: 1 -> 2")


def test_65_same_arguments_reuse_and_other_tools_make_no_fix() -> None:
    again = Attempt("call-0003", "solver", {"a": 1}, ok=True)
    assert fixes([FAILED], again) == ()
    assert fixes([FAILED, WORKED], Attempt("call-0003", "solver", {"a": 5}, ok=True)) == ()
    robin = [Attempt(f"x{n}", f"tool{n % 20}", {"n": n}, ok=True) for n in range(200)]
    assert len(fixes([FAILED, *robin], WORKED)) == 1


def test_66_examples_are_bounded_and_totals_are_not() -> None:
    experience = learned(
        *((_renamed(FAILED, f"f{n}"), _renamed(WORKED, f"w{n}")) for n in range(EXAMPLES + 100))
    )
    patterns = experience.tools["solver"].patterns
    assert patterns.size == EXAMPLES
    assert [pattern.worked for pattern in patterns.by_sig.values()] == [EXAMPLES + 100]


def test_67_what_was_learned_comes_back_from_its_snapshot() -> None:
    experience = learned((FAILED, WORKED))
    assert Experience.from_json(experience.to_json()) == experience


def test_68_hints_for_a_goal_any_result_and_alike_goals() -> None:
    experience = Experience()
    goal = of_goal("book a cheap flight to Rome")
    line = Called("s", "ev_1", "search", "d", True, keys=("from", "to"), goal=goal)
    experience.fold(line)
    [way] = find_ways(experience, Query(goal="a flight from Oslo to Rome"))
    assert (way.keys, way.example) == (("from", "to"), "ev_1")
    refused = Attempt("e1", "http", {"url": "x"}, ok=False, error='{"status": 404}')
    [fix] = fixes([refused], Attempt("e2", "http", {"url": "y/x"}, ok=True))
    assert fix.error == "http_404"


def _renamed(attempt: Attempt, event: str) -> Attempt:
    arguments: dict[str, Any] = dict(attempt.arguments)
    return Attempt(event, attempt.tool, arguments, attempt.ok, attempt.error, attempt.kind)
