"""What experience has to say to a call or a goal."""

from __future__ import annotations

from typing import Any

from pagefault.procedures.experience import Experience
from pagefault.procedures.features import of_goal
from pagefault.procedures.fixing import Attempt, fixes
from pagefault.procedures.lines import Called, Gone
from pagefault.procedures.retrieval import Query, find_fixes, find_ways

DAY = 86_400.0


class Session:
    """Calls of one session, learned as they come."""

    def __init__(self, experience: Experience, name: str = "s") -> None:
        self.experience, self.name, self.recent = experience, name, []

    def call(self, tool: str, arguments: dict[str, Any], error: str = "", **more: Any) -> str:
        event = f"{self.name}.{len(self.recent)}"
        at, goal = more.get("at", 0.0), more.get("goal", "")
        attempt = Attempt(event, tool, arguments, not error, error, goal=goal)
        keys = tuple(sorted(arguments))
        terms = of_goal(goal)
        line = Called(self.name, event, tool, event, attempt.ok, keys=keys, goal=terms, at=at)
        self.experience.fold(line)
        for fix in fixes(self.recent, attempt, session=self.name, at=at):
            self.experience.fold(fix)
        self.recent.append(attempt)
        return event


def taught(times: int, before: dict[str, Any], error: str, after: dict[str, Any]) -> Experience:
    experience = Experience()
    for n in range(times):
        repaired(experience, f"s{n}", before, error, after)
    return experience


def repaired(
    experience: Experience, name: str, before: dict[str, Any], error: str, after: dict[str, Any]
) -> None:
    session = Session(experience, name)
    session.call("book", before, error)
    session.call("book", after)


def test_a_fix_learned_in_one_session_is_found_in_another() -> None:
    experience = Experience()
    session = Session(experience)
    failed = session.call("solver", {"a": 1}, "unsat")
    session.call("model", {})
    fixed = session.call("solver", {"a": 2, "b": 3})
    [fix, *_] = find_fixes(experience, Query("solver", {"a": 7}, "unsat"), 0.0)
    assert (fix.keys, fix.sig) == (("+b", "~a"), ("+b", "~a:num+"))
    assert (fix.worked, fix.failed, fix.votes, fix.rate) == (1, 0, 1, 1.0)
    assert fix.example == (failed, fixed)
    assert fix.via == ("model",)


def test_the_fix_of_the_more_alike_error_comes_first() -> None:
    experience = taught(
        4, {"seats": 1, "pay": 1}, "payment does not add up", {"seats": 1, "pay": 2}
    )
    repaired(
        experience, "x", {"seats": 1, "pay": 1}, "no seats on flight 7", {"seats": 0, "pay": 1}
    )
    call = {"seats": 5, "pay": 5}
    by_error = [
        find_fixes(experience, Query("book", call, error), 0.0)[0].keys
        for error in ("payment of 30 does not add up", "no seats on flight 88")
    ]
    assert by_error == [("~pay",), ("~seats",)]


def test_a_change_that_cannot_be_made_to_the_call_is_not_offered() -> None:
    experience = taught(3, {"a": 1}, "unsat", {"a": 1, "b": 2})
    assert all(
        "+b" not in fix.keys
        for fix in find_fixes(experience, Query("book", {"a": 1, "b": 1}, "unsat"), 0.0)
    )


def test_a_change_that_stops_working_fades() -> None:
    experience = taught(3, {"a": 1, "b": 1}, "unsat", {"a": 2, "b": 1})
    repaired(experience, "y", {"a": 1, "b": 1}, "unsat", {"a": 1, "b": 2})
    query = Query("book", {"a": 1, "b": 1}, "unsat")
    assert find_fixes(experience, query, 0.0)[0].keys == ("~a",)
    session = Session(experience, "z")
    for n in range(12):
        session.call("book", {"a": n, "b": 1}, "unsat")
    first, second = find_fixes(experience, query, 0.0)[:2]
    assert (first.keys, second.keys) == (("~b",), ("~a",))
    assert second.failed == 11


def test_what_has_not_worked_for_long_fades() -> None:
    experience = Experience()
    for n, (at, after) in enumerate(
        [(0.0, {"a": 2, "b": 1})] * 2 + [(900 * DAY, {"a": 1, "b": 2})]
    ):
        session = Session(experience, f"s{n}")
        session.call("book", {"a": 1, "b": 1}, "unsat", at=at)
        session.call("book", after, at=at)
    query = Query("book", {"a": 1, "b": 1}, "unsat")
    assert find_fixes(experience, query, 0.0)[0].keys == ("~a",)
    assert find_fixes(experience, query, 900 * DAY)[0].keys == ("~b",)


def test_an_unknown_tool_learns_from_others_with_the_same_arguments() -> None:
    experience = taught(2, {"order_id": "W1"}, "order not found", {"order_id": "#W1"})
    [fix, *_] = find_fixes(experience, Query("cancel", {"order_id": "W9"}, "order not found"), 0.0)
    assert (fix.tool, fix.sig) == ("book", ("~order_id:prefix+",))


def test_what_nobody_tried_is_offered_last_and_as_untried() -> None:
    query = Query("f", {"zip": "1", "city": "Rome"}, "unknown city Rome")
    [fix] = find_fixes(Experience(), query, 0.0)
    assert (fix.sig, fix.worked, fix.votes) == (("~city:replace",), 0, 0)
    assert find_fixes(Experience(), Query("f", {"zip": "1", "x": 2}, "no"), 0.0) == []


def test_a_forgotten_example_is_not_offered() -> None:
    experience = taught(1, {"a": 1}, "unsat", {"a": 2})
    experience.fold(Gone(("s0.0",)))
    found = find_fixes(experience, Query("book", {"a": 1}, "unsat"), 0.0)
    assert all(fix.example is None for fix in found)


def test_a_goal_finds_the_way_that_worked_for_one_like_it() -> None:
    experience = Experience()
    session = Session(experience)
    flight = session.call("search", {"from": "a", "to": "b"}, goal="find a cheap flight to Rome")
    session.call("search", {"q": "x"}, goal="look up the population of a city")
    session.call("pay", {"amount": 1}, goal="pay the invoice")
    session.call("pay", {"sum": 1}, "bad", goal="cheap flight")
    [way] = find_ways(experience, Query(goal="a flight from Oslo"), 1)
    assert (way.tool, way.keys, way.example) == ("search", ("from", "to"), flight)
    assert (way.ok, way.failed, way.rate) == (1, 0, 1.0)


def test_without_a_goal_the_commonest_way_of_the_tool_comes_first() -> None:
    experience = Experience()
    session = Session(experience)
    for arguments in ({"a": 1}, {"a": 1, "b": 1}, {"a": 2}):
        session.call("t", arguments)
    assert [way.keys for way in find_ways(experience, Query("t"))] == [("a",), ("a", "b")]


def test_a_result_of_any_form_can_be_learned_from() -> None:
    experience = Experience()
    session = Session(experience)
    session.call("http", {"status": 404}, '{"status": 404}')
    session.call("http", {"status": 200})
    [fix] = find_fixes(experience, Query("http", {"status": 404}, '{"status": 404}'), 0.0)
    assert (fix.error, fix.keys) == ("http_404", ("~status",))
