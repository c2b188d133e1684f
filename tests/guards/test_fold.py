import pytest

from pagefault.base.call import Call
from pagefault.guards import fold
from pagefault.guards.fold import GUARDS
from pagefault.guards.guard import Finding, Guard, Question
from pagefault.guards.past import Past
from pagefault.guards.presets import DEFAULT, PRESETS
from pagefault.guards.rules import Rules

from .asking import alone, ask, declared, known, make


def saying(name, verdict, **more):
    return Guard(name, lambda question, rules: Finding(name, verdict, f"{name} says so.", **more))


def judged(*guards, rules=None, arguments=None):
    given = {"x": 1} if arguments is None else arguments
    question = Question(Call("f", given), given, Past(), now=0.0)
    return fold.judge(question, rules or Rules(), guards)


def test_the_first_block_stops_and_later_guards_are_not_asked():
    asked = []
    later = Guard("later", lambda question, rules: asked.append(question))
    judgement = judged(saying("one", "warn"), saying("two", "block", instead="Do that."), later)
    assert judgement.verdict == "block"
    assert judgement.reason == "two says so. one says so."
    assert judgement.instead == "Do that."
    assert asked == []


def test_a_repair_replaces_the_arguments_for_those_after_it_and_is_the_verdict():
    seen = []
    after = Guard("after", lambda question, rules: seen.append(question.arguments))
    judgement = judged(saying("mend", "repair", repair={"x": 2}), after, saying("w", "warn"))
    assert seen == [{"x": 2}]
    assert judgement.verdict == "repair"
    assert judgement.arguments == {"x": 2}
    assert [found.guard for found in judgement.findings] == ["mend", "w"]


def test_warnings_add_up():
    judgement = judged(saying("a", "warn"), saying("b", "warn"))
    assert judgement.verdict == "warn"
    assert judgement.reason == "a says so. b says so."


def test_a_guard_that_fails_is_left_out_and_said_so():
    def fail(question, rules):
        message = "the value"
        raise RuntimeError(message)

    judgement = judged(Guard("mine", fail))
    assert judgement.verdict == "warn"
    assert judgement.reason == "The guard mine failed (RuntimeError) and was left out."


@pytest.mark.parametrize(
    ("mode", "verdict"), [("off", "allow"), ("warn", "warn"), ("block", "block")]
)
def test_a_mode_says_what_a_guard_may_do(mode, verdict):
    rules = Rules(modes={"mine": mode})
    assert judged(saying("mine", "block"), rules=rules).verdict == verdict


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_names_a_mode_for_every_guard_and_for_no_other(preset):
    assert set(PRESETS[preset].modes) == {guard.name for guard in GUARDS}


@pytest.mark.parametrize("preset", PRESETS)
def test_an_ordinary_first_call_is_allowed(preset):
    judgement = ask(
        "get_weather", {"city": "Paris"}, PRESETS[preset], known=known("hello"), names=()
    )
    assert judgement.verdict == "allow"


def test_whatever_the_arguments_no_guard_fails():
    odd = {"a": [None, True, {"": [[]]}], "b": 10**400, "c": "\ud800$v1${", "d_id": 1e308, "e": ""}
    judgement = ask("", odd, known=known("1e999 99999-99-99 0/0"), names=())
    assert not [found for found in judgement.findings if "failed" in found.reason]


def test_smooth_only_advises_where_default_stops():
    past = Past()
    for _ in range(6):
        make(past, "read", {"path": "a"})
    assert ask("read", {"path": "a"}, DEFAULT, past).verdict == "block"
    assert ask("read", {"path": "a"}, PRESETS["smooth"], past).verdict == "warn"


def test_reasons_are_short():
    tool = declared(properties={"n": {"type": "integer", "maximum": 3}}, required=["m", "n"])
    judgement = ask("f", {"n": "x" * 5_000}, tool=tool)
    assert judgement.verdict == "block"
    assert len(judgement.reason) < 400
    assert alone("schema").mode("schema") == "block"
