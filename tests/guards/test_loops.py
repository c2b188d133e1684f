import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.base.call import Call
from pagefault.guards import loops
from pagefault.guards.past import STEPS, Past
from pagefault.guards.presets import DEFAULT

from .asking import alone, ask, make

RULES = alone("loops")


def told(past):
    found = loops.report(past, RULES)
    return found.reason if found else None


def test_a_model_that_spins_is_told_at_the_third_call_and_stopped_at_the_fifth():
    past, verdicts, reports = Past(), [], []
    for _ in range(5):
        verdicts.append(ask("read", {"path": "a", "n": 1}, RULES, past).verdict)
        make(past, "read", {"n": 1.0, "path": "a"}, "the same")
        reports.append(told(past) is not None)
    assert verdicts == ["allow", "allow", "allow", "warn", "block"]
    assert reports == [False, False, True, True, True]


def test_the_same_failing_call_is_stopped_a_call_earlier():
    past, verdicts = Past(), []
    for _ in range(4):
        verdicts.append(ask("run", {"cmd": "x"}, RULES, past).verdict)
        make(past, "run", {"cmd": "x"}, "no such file", ok=False)
    assert verdicts == ["allow", "allow", "warn", "block"]


def test_a_pager_and_a_poller_are_left_alone():
    past = Past()
    for turn in range(30):
        assert ask("scroll", {}, RULES, past).verdict == "allow"
        make(past, "scroll", {}, f"lines {turn * 10} to {turn * 10 + 9}")
        assert told(past) is None


def test_what_only_varies_by_time_and_id_is_the_same_result():
    past = Past()
    for second in range(3):
        result = {
            "at": f"2026-01-01T10:00:0{second}Z",
            "took": f"{second}.2 ms",
            "id": 3221322 + second,
        }
        make(past, "status", {}, result)
    assert told(past)


def test_two_calls_that_take_turns_are_a_circle():
    past = Past()
    for _ in range(3):
        make(past, "open", {"f": 1}, "one")
        make(past, "open", {"f": 2}, "two")
    assert ask("open", {"f": 1}, RULES, past).verdict == "block"
    assert ask("open", {"f": 3}, RULES, past).verdict == "allow"


@pytest.mark.parametrize("period", [4, 5, 6, 7, 8])
def test_a_long_circle_is_told_after_its_second_round(period):
    past = Past()
    for turn in range(2 * period):
        assert told(past) is None
        make(past, "open", {"f": turn % period}, f"content {turn % period}")
    assert told(past)


def test_something_new_in_between_is_progress_and_arms_the_block_anew():
    past = Past()
    for _ in range(4):
        make(past, "test", {}, "1 failed")
    assert ask("test", {}, RULES, past).verdict == "block"
    make(past, "edit", {"line": 1}, "edited")
    assert ask("test", {}, RULES, past).verdict == "warn"
    for line in range(10):
        make(past, "edit", {"line": 2 + line}, "edited")
    assert ask("test", {}, RULES, past).verdict == "allow"


def test_a_different_result_ends_the_count():
    past = Past()
    for _ in range(4):
        make(past, "test", {}, "1 failed")
    make(past, "test", {}, "all passed")
    assert ask("test", {}, RULES, past).verdict == "allow"


def test_after_the_user_has_spoken_looking_again_is_not_stopped():
    past = Past()
    for _ in range(4):
        make(past, "status", {}, "down")
    past.turn(2, by_user=True)
    assert ask("status", {}, RULES, past).verdict == "warn"


def test_a_tool_that_keeps_failing_alike_whatever_it_is_given_is_pointed_out():
    past = Past()
    for line in range(4):
        assert told(past) is None
        make(past, "edit", {"line": line}, "syntax error", ok=False)
    assert "failed 4 times" in told(past)
    assert ask("edit", {"line": 9}, RULES, past).verdict == "warn"
    make(past, "edit", {"line": 9}, "edited")
    assert ask("edit", {"line": 10}, RULES, past).verdict == "allow"


def test_a_call_that_is_only_ever_checked_is_pointed_out():
    past = Past()
    for turn in range(5):
        assert ask("f", {"x": 1}, RULES, past).verdict == "allow"
        past.ask(f"k{turn}", Call("f", {"x": 1}), 1000.0)
    assert ask("f", {"x": 1}, RULES, past).verdict == "warn"
    assert ask("f", {"x": 2}, RULES, past).verdict == "allow"


def test_off_reports_nothing():
    past = Past()
    for _ in range(5):
        make(past, "f", {})
    assert loops.report(past, alone("sizes")) is None


@given(st.lists(st.integers(0, 4), max_size=60))
def test_nothing_is_stopped_that_was_not_made_at_least_three_times_before(order):
    past, made = Past(), []
    for which in order:
        if ask("f", {"x": which}, DEFAULT, past).verdict == "block":
            assert made[-STEPS:].count(which) >= 3
        else:
            made.append(which)
            make(past, "f", {"x": which})


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=50))
def test_the_same_calls_folded_again_give_the_same_past(calls):
    pasts = Past(), Past()
    for past in pasts:
        for which, result, ok in calls:
            make(past, "f", {"x": which}, result, ok=ok)
    assert pasts[0] == pasts[1]
