import pytest

from pagefault.guards import fold
from pagefault.guards.guard import Tool
from pagefault.guards.normal import normal_digest
from pagefault.guards.past import Past
from pagefault.guards.presets import DEFAULT

from .asking import alone, ask, known, make

SATURATION, PRECONDITIONS = alone("saturation"), alone("preconditions")


def results(*values):
    past = Past()
    for place, value in enumerate(values):
        make(past, "f", {"n": place}, value)
    return past


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ((5.0, 5.0, 5.0), "repeating value"),
        ((1e-13,), "saturation"),
        ((0.3, 1.0, 1.0), "at its limit"),
        (("0.0", "0.0"), "at its limit"),
    ],
)
def test_results_that_have_stopped_to_vary_stop_the_tool(values, word):
    judgement = ask("f", {"n": 99}, SATURATION, results(*values))
    assert judgement.verdict == "block"
    assert word in judgement.reason
    assert ask("g", {"n": 99}, SATURATION, results(*values)).verdict == "allow"
    assert ask("f", {"n": 99}, DEFAULT, results(*values)).verdict == "warn"


@pytest.mark.parametrize(
    "values",
    [
        (),
        (1, 1, 1),
        (0, 0, 0),
        (True, True, True),
        ("1", "1", "1"),
        ("ok",) * 3,
        (5.0, 5.0, 6.0),
        (0.0,),
    ],
)
def test_counts_yeses_and_results_that_vary_are_left_alone(values):
    assert ask("f", {"n": 99}, SATURATION, results(*values)).verdict == "allow"


def test_an_extreme_argument_of_a_tail_only_warns():
    assert ask("normal_cdf", {"x": 37.0}, SATURATION).verdict == "warn"
    assert ask("normal_cdf", {"x": 3.7}, SATURATION).verdict == "allow"
    assert ask("normal", {"x": 37.0}, SATURATION).verdict == "allow"


def test_the_report_after_a_call_never_stops_one():
    (found,) = fold.report(results(1e-13), "f", 1e-13, DEFAULT)
    assert found.verdict == "warn"


NORMAL = Tool(grounded=("*",))


def test_a_number_must_be_an_earlier_result_where_that_was_declared():
    def verdict(value, *texts):
        return ask(
            "normal_cdf", {"p": {"x": value}}, PRECONDITIONS, tool=NORMAL, known=known(*texts)
        ).verdict

    assert ask("normal_cdf", {"x": 1.7}, PRECONDITIONS, tool=NORMAL).verdict == "block"
    assert verdict(1.7) == "block"
    assert verdict(1.7, "1.7") == "allow"
    assert verdict("1.7", "1.7") == "allow"
    assert verdict(2.7, "1.7") == "block"
    assert verdict("2.7", "1.7") == "block"
    assert verdict(0, "1.7") == "allow"
    assert verdict(1, "1.7") == "allow"
    assert verdict(3.4, "1.7") == "block"


def test_only_the_declared_arguments_must_be():
    tool = Tool(grounded=("z",))
    assert ask("f", {"x": 2.7}, PRECONDITIONS, tool=tool).verdict == "allow"
    assert "precondition_failed" in ask("f", {"z": 2.7}, PRECONDITIONS, tool=tool).reason


def test_a_tool_that_needs_another_first_waits_until_it_has_succeeded():
    past, tool = Past(), Tool(needs=("login",))
    assert ask("pay", {}, PRECONDITIONS, past, tool=tool).verdict == "block"
    make(past, "login", {}, "denied", ok=False)
    assert ask("pay", {}, PRECONDITIONS, past, tool=tool).verdict == "block"
    make(past, "login", {}, "welcome")
    assert ask("pay", {}, PRECONDITIONS, past, tool=tool).verdict == "allow"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("done at 2026-01-01 10:00:00", "done at 2026-01-02 11:30:59"),
        ("took 1.25 s", "took 2 s"),
        (
            {"request": "5f0c9a52-8f6e-4a8e-9d3f-0a1b2c3d4e5f"},
            {"request": "00000000-8f6e-4a8e-9d3f-0a1b2c3d4e5f"},
        ),
        ("a  b\n", "a b"),
        ("at 0x7f3a9c", "at 0x7f0000"),
        ({"a": 1.0, "b": 2}, {"b": 2, "a": 1}),
    ],
)
def test_results_that_say_the_same_are_the_same(one, other):
    assert normal_digest(one) == normal_digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("lines 1-100", "lines 101-200"),
        ("45%", "46%"),
        ("page 2", "page 3"),
        ("c99eda65f84c", "b1e55931af20"),
        ("12345678", "87654321"),
        ("job_17", "job_18"),
        (True, 1),
    ],
)
def test_results_that_say_something_else_are_not(one, other):
    assert normal_digest(one) != normal_digest(other)
