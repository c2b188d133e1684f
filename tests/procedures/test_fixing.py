"""When a call counts as the fix of an earlier failure."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pagefault.procedures.fixing import WINDOW, Attempt, fixes


def failed(event: str, error: str = "unsat", tool: str = "solver", **arguments: Any) -> Attempt:
    return Attempt(event, tool, arguments, ok=False, error=error)


def worked(event: str, tool: str = "solver", **arguments: Any) -> Attempt:
    return Attempt(event, tool, arguments, ok=True)


def test_a_success_with_other_arguments_fixes_the_failure_before_it() -> None:
    [fix] = fixes([failed("e1", a=1)], worked("e2", a=2, b=3), session="s", at=5.0)
    assert (fix.session, fix.tool, fix.failed, fix.fixed) == ("s", "solver", "e1", "e2")
    assert fix.keys == ("+b", "~a")
    assert fix.sig == ("+b", "~a:num+")
    assert (fix.error, fix.at, fix.worked) == ("infeasible", 5.0, True)


def test_a_success_with_the_same_arguments_is_no_fix() -> None:
    assert fixes([failed("e1", a=1, b=2)], worked("e2", b=2, a=1.0)) == ()


def test_a_failure_is_fixed_once() -> None:
    recent = [failed("e1", a=1), worked("e2", a=2)]
    assert fixes(recent, worked("e3", a=3)) == ()


def test_a_success_fixes_every_open_failure_of_its_tool_and_no_other() -> None:
    recent = [failed("e1", a=1), failed("e2", tool="other", a=1), failed("e3", a=2)]
    assert [fix.failed for fix in fixes(recent, worked("e4", a=3))] == ["e1", "e3"]


def test_calls_of_other_tools_do_not_move_the_window() -> None:
    recent = [failed("e0", a=1), *(worked(f"x{n}", tool=f"t{n}") for n in range(100))]
    assert [fix.failed for fix in fixes(recent, worked("e1", a=2))] == ["e0"]


def test_a_failure_more_than_ten_calls_of_its_tool_ago_is_not_fixed() -> None:
    recent = [failed(f"e{n}", a=n) for n in range(WINDOW + 3)]
    found = fixes(recent, worked("last", a=-1))
    assert [fix.failed for fix in found] == [f"e{n}" for n in range(3, WINDOW + 3)]


def test_the_tools_used_in_between_are_named_once_in_their_order() -> None:
    between = [worked(f"b{n}", tool=tool) for n, tool in enumerate(["ls", "cat", "ls"])]
    [fix] = fixes([failed("e1", a=1), *between], worked("e2", a=2))
    assert fix.via == ("cat", "ls")


def test_an_unrelated_success_after_a_timeout_is_no_fix() -> None:
    timeout = failed("e1", error="timed out", query="cats")
    assert fixes([timeout], worked("e2", query="quarterly tax")) == ()
    assert fixes([timeout], worked("e3", query="cats and dogs"))


def test_a_change_that_fails_again_counts_as_one_that_did_not_work() -> None:
    recent = [failed("e1", a=1), failed("e2", a=2)]
    [tried] = fixes(recent, failed("e3", a=3))
    assert (tried.failed, tried.worked, tried.sig) == ("e2", False, ("~a:num+",))
    assert fixes(recent, failed("e4", a=2)) == ()


@given(st.text(min_size=6, max_size=60, alphabet=st.characters(categories=["Ll"])))
def test_a_line_holds_no_word_of_the_message_the_goal_or_a_value(word: str) -> None:
    first = Attempt(
        "e1", "t", {"k": f"{word} 1"}, ok=False, error=f"no {word}", goal=f"find {word}"
    )
    [fix] = fixes([first], Attempt("e2", "t", {"k": f"{word} 2"}, ok=True))
    assert fix.features
    assert fix.goal
    assert word not in repr(fix)
