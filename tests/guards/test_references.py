import pytest

from .asking import alone, ask

RULES = alone("references")


@pytest.mark.parametrize(
    "value",
    ["$v99", "${v99}", "see $v99 there", "${v99.items[0].id}", "$v99.id", {"deep": ["$v99"]}],
)
def test_an_unknown_reference_is_stopped_and_what_exists_is_listed(value):
    judgement = ask("f", {"x": value}, RULES, names=["v2", "v1", "sigma"])
    assert judgement.verdict == "block"
    assert "$v99" in judgement.reason
    assert "$v2, $v1, $sigma" in judgement.reason


@pytest.mark.parametrize(
    "value",
    [
        "costs $USD",
        "$PATH",
        "$5",
        r"\$v99",
        "$v1",
        "${HOME}/x",
        "Dear {{name}}, hi",
        "$version",
        "<b>",
    ],
)
def test_what_only_looks_like_a_reference_is_left_alone(value):
    assert ask("f", {"x": value}, RULES, names=["v1"]).verdict == "allow"


def test_without_word_of_what_exists_nothing_is_judged():
    assert ask("f", {"x": "$v99"}, RULES).verdict == "allow"


@pytest.mark.parametrize("value", ["{{order_id}}", "${order_id}", "<ORDER_ID>"])
def test_a_value_that_is_only_a_placeholder_is_pointed_out(value):
    judgement = ask("f", {"order": {"id": value}}, RULES)
    assert judgement.verdict == "warn"
    assert "order.id" in judgement.reason
