"""The acceptance behaviours of guards that the closest system set, in corrected form.

Each test names the behaviour's number in that list. They ask the guards themselves.
"""

from __future__ import annotations

from pagefault.base.call import Call, Outcome
from pagefault.guards.fold import judge
from pagefault.guards.guard import Question, Tool
from pagefault.guards.known import Known
from pagefault.guards.past import Past, step
from pagefault.guards.presets import DEFAULT, STRICT
from pagefault.guards.rules import BudgetRules, Rules


def verdict(name, arguments, rules=DEFAULT, past=None, said=None, **more):
    known = None
    if said is not None:
        known = Known()
        known.tell(said, "user")
    call = Call(name, arguments)
    question = Question(call, arguments, past or Past(), now=0.0, known=known, **more)
    return judge(question, rules).verdict


def called(past, tool, arguments, value="ok"):
    past.take(step(Call(tool, arguments), Outcome(True, value), float(past.called)))


def verdicts(rules, tools):
    """The verdict of each call in a turn of the user's, until one is stopped."""
    past, found = Past(), []
    past.turn(1, by_user=True)
    for number, tool in enumerate(tools):
        found.append(verdict(tool, {"n": number}, rules, past))
        if found[-1] == "block":
            break
        called(past, tool, {"n": number})
    return found


def test_52_every_call_with_an_unknown_reference_is_stopped():
    assert verdict("f", {"x": "$v99"}, names=["v1"]) == "block"
    assert verdict("f", {"x": "$v1"}, names=["v1"]) == "allow"


def test_53_the_default_allows_an_ordinary_call():
    assert verdict("get_weather", {"city": "Paris"}, said="hello", names=()) == "allow"


def test_54_a_cap_of_three_allows_allows_warns_and_then_stops():
    rules = Rules(modes=DEFAULT.modes, budgets=BudgetRules(per_tool=3))
    assert verdicts(rules, ["f"] * 9) == ["allow", "allow", "warn", "block"]


def test_55_budgets_hold_where_they_were_set_and_by_default_there_are_none():
    budgets = BudgetRules(discovery=5, execution=12, total=15)
    rules = Rules(modes=DEFAULT.modes, budgets=budgets)
    assert len(verdicts(rules, ["search_tools"] * 20)) == 5 + 1
    assert len(verdicts(rules, ["run"] * 20)) == 12 + 1
    assert len(verdicts(rules, ["search_tools"] * 4 + ["run"] * 20)) == 15 + 1
    assert set(verdicts(DEFAULT, ["run"] * 20)) == {"allow"}


def test_56_a_number_from_nowhere_is_warned_of_and_one_that_was_said_is_allowed():
    assert verdict("f", {"x": 1.5}, said="hello") == "warn"
    assert verdict("f", {"x": 1.5}, STRICT, said="take 1.5") == "allow"
    assert verdict("f", {"x_id": 15}, STRICT, said="hello") == "block"
    assert verdict("f", {"limit": 5}, STRICT, said="hello") == "allow"


def test_57_nested_numbers_and_those_in_strings_are_checked_and_a_currency_is_no_reference():
    assert verdict("f", {"p": {"x": 1.5}}, said="hello") == "warn"
    assert verdict("f", {"p": {"x": "1.5"}}, said="hello") == "warn"
    assert verdict("f", {"note": "costs $USD", "x": 1.5}, said="hello", names=()) == "warn"
    assert verdict("f", {"note": "costs $USD"}, said="hello", names=()) == "allow"


def test_58_declared_numbers_must_have_been_computed_or_given():
    tool = Tool(grounded=("x",))
    assert verdict("normal_cdf", {"x": 1.7}, tool=tool) == "block"
    assert verdict("normal_cdf", {"x": 1.7}, tool=tool, said="1.7") == "allow"
    assert verdict("normal_cdf", {"x": 2.7}, tool=tool, said="1.7") == "block"
    assert verdict("normal_cdf", {"x": "2.7"}, tool=tool, said="1.7") == "block"
    assert verdict("normal_cdf", {"x": 0}, tool=tool, said="1.7") == "allow"
    assert verdict("normal_cdf", {"x": 1}, tool=tool, said="1.7") == "allow"


def test_59_a_value_three_times_and_one_near_zero_are_told_of():
    same, tiny = Past(), Past()
    for number in range(3):
        called(same, "solve", {"n": number}, 5.0)
    called(tiny, "solve", {"n": 0}, 1e-13)
    assert verdict("solve", {"n": 9}, past=same) == "warn"
    assert verdict("solve", {"n": 9}, past=tiny) == "warn"
    assert verdict("solve", {"n": 9}, STRICT, past=same) == "block"
    assert verdict("solve", {"n": 9}, STRICT, past=tiny) == "block"
