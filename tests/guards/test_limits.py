import pytest

from pagefault.base.call import Call
from pagefault.guards import fold
from pagefault.guards.budgets import is_discovery
from pagefault.guards.past import Past
from pagefault.guards.presets import DEFAULT, PRESETS
from pagefault.guards.rules import BudgetRules, RateRules, SizeRules, TimeRules

from .asking import alone, ask, make


def budgets(**numbers):
    return alone("budgets", budgets=BudgetRules(**numbers))


def until_stopped(tool, rules, by_user=True):
    past, verdicts = Past(), []
    past.turn(1, by_user=by_user)
    for call in range(25):
        verdicts.append(ask(tool, {"n": call}, rules, past).verdict)
        if verdicts[-1] == "block":
            break
        make(past, tool, {"n": call})
    return verdicts


@pytest.mark.parametrize(
    ("preset", "tool", "allowed"),
    [("strict", "list_tools", 4), ("strict", "read", 10), ("default", "read", 25)],
)
def test_a_preset_holds_its_budgets(preset, tool, allowed):
    verdicts = until_stopped(tool, PRESETS[preset])
    assert len(verdicts) - verdicts.count("block") == allowed


def test_the_total_counts_all_kinds():
    past, rules = Past(), budgets(discovery=5, execution=12, total=15)
    past.turn(1, by_user=True)
    for call in range(4):
        make(past, "list_tools", {"n": call})
    for call in range(11):
        make(past, "read", {"n": call})
    assert "15 calls of all tools" in ask("read", {}, rules, past).reason
    assert ask("list_tools", {}, rules, past).verdict == "block"


def test_a_new_turn_begins_at_zero():
    past, rules = Past(), budgets(total=1)
    past.turn(1, by_user=True)
    make(past, "read", {})
    assert ask("read", {}, rules, past).verdict == "block"
    past.turn(2, by_user=False)
    assert ask("read", {}, rules, past).verdict == "warn"


def test_without_user_messages_budgets_only_warn():
    verdicts = until_stopped("read", budgets(execution=3), by_user=False)
    assert verdicts[:4] == ["allow", "allow", "warn", "warn"]
    assert "block" not in verdicts


@pytest.mark.parametrize(
    "tool",
    ["search_pages", "list_files", "research_paper", "browser_click", "database_schema_migrate"],
)
def test_a_tool_that_does_the_work_is_not_taken_for_one_that_finds_tools(tool):
    assert not is_discovery(tool, BudgetRules())


@pytest.mark.parametrize(
    "tool", ["list_tools", "search_tools", "get_tool_schema", "hub.listTools", "schema"]
)
def test_a_tool_that_finds_tools_is_known_by_whole_words(tool):
    assert is_discovery(tool, BudgetRules())
    assert not is_discovery(tool, BudgetRules(execution_tools=frozenset({tool})))


def test_a_declared_tool_is_what_it_was_declared_to_be():
    assert is_discovery("read", BudgetRules(discovery_tools=frozenset({"read"})))


def test_one_tool_may_have_a_limit_of_its_own():
    rules = budgets(per_tool=9, tools={"pay": 1})
    assert until_stopped("pay", rules) == ["warn", "block"]


@pytest.mark.parametrize("limit", [1, 3, 7])
def test_of_fifty_calls_at_once_exactly_as_many_pass_as_may_run(limit):
    past, rules, passed = Past(), alone("rates", rates=RateRules(running=limit)), 0
    for number in range(50):
        if ask("f", {"n": number}, rules, past).verdict == "allow":
            past.ask(f"k{number}", Call("f", {"n": number}), 1000.0)
            passed += 1
    assert passed == limit
    make(past, "f", {"n": 0})
    assert ask("f", {}, rules, past).verdict == "allow"


def test_a_call_that_nobody_reported_makes_room_after_its_lease():
    past, rules = Past(), alone("rates", rates=RateRules(running_per_tool=1, lease=60.0))
    past.ask("k", Call("f", {}), 1000.0)
    assert ask("f", {}, rules, past, now=1059.0).verdict == "block"
    assert ask("g", {}, rules, past, now=1059.0).verdict == "allow"
    assert ask("f", {}, rules, past, now=1061.0).verdict == "allow"


def test_a_report_ends_the_call_that_it_names():
    past = Past()
    for key in ("one", "two"):
        past.ask(key, Call("f", {}), 1000.0)
    make(past, "f", {})
    assert list(past.asked) == ["two"]


def test_calls_of_the_last_minute_are_counted():
    past, rules = Past(), alone("rates", rates=RateRules(per_minute=3))
    for _ in range(3):
        make(past, "f", {})
    assert ask("f", {}, rules, past, now=1010.0).verdict == "block"
    assert ask("f", {}, rules, past, now=1063.0).verdict == "allow"


def test_the_time_of_a_turn_warns_at_four_fifths_and_then_stops():
    past, rules = Past(), alone("time", time=TimeRules(per_turn=10.0))
    past.turn(1, by_user=True)
    verdicts = []
    for call in range(11):
        verdicts.append(ask("f", {"n": call}, rules, past).verdict)
        make(past, "f", {"n": call})
    assert verdicts == ["allow"] * 8 + ["warn"] * 2 + ["block"]


def test_arguments_that_are_too_large_are_stopped_and_large_results_told_of():
    rules = alone("sizes", sizes=SizeRules(arguments=100, result=100))
    assert ask("f", {"x": "é" * 40}, rules).verdict == "allow"
    assert ask("f", {"x": "é" * 60}, rules).verdict == "block"
    (found,) = fold.report(Past(), "f", "é" * 60, rules)
    assert found.verdict == "warn"
    assert fold.report(Past(), "f", "é" * 50, rules) == ()


def test_the_default_limits_nothing_that_the_operator_did_not():
    past = Past()
    past.turn(1, by_user=True)
    for call in range(500):
        past.ask(f"k{call}", Call("f", {"n": -call}), 1000.0)
        make(past, "f", {"n": call})
    assert ask("f", {"n": 500}, DEFAULT, past).verdict == "allow"
