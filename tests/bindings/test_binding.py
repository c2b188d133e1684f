"""What a binding is, how it is shown, and what is suggested of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.bindings.binding import Binding, alias_problem, unused, unused_note
from pagefault.bindings.describing import preview, type_of
from pagefault.bindings.references import resolve
from pagefault.bindings.repairing import repair
from pagefault.bindings.units import unit_of

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def binding(number: int, *, used: bool = False, turn: int = 1) -> Binding:
    return Binding(number, "sqrt", "d", f"ev_{number}", None, turn, 0.0, "number", "4.2", used=used)


@pytest.mark.parametrize(
    ("value", "kind", "line"),
    [
        (4.242640687119285, "number", "4.242640687"),
        (37, "number", "37"),
        (True, "boolean", "true"),
        (None, "null", "null"),
        ("hello", "string", '"hello"'),
        ([], "list", "[]"),
        ([1, 2, 3], "list", "[1,2,3]"),
        ({}, "object", "{}"),
        ([{"id": 1, "name": "x"}] * 12, "list", "list of 12, first object {id, name}"),
        ({"id": 7, "items": [{}] * 3}, "object", "object {id, items[3]}"),
        ({"value": 5.2, "unit": "kg"}, "object", '{"value":5.2,"unit":"kg"}'),
        ({"value": [1], "unit": "kg"}, "object", "object {value[1], unit} in kg"),
    ],
)
def test_a_value_has_a_type_and_a_line(value: Any, kind: str, line: str) -> None:
    assert type_of(value) == kind
    assert preview(value) == line


def test_of_a_long_text_the_beginning_and_the_size_are_shown() -> None:
    line = preview("word " * 1000)
    assert line.startswith('"word word')
    assert line.endswith("… (5000 characters)")


@given(values, st.integers(40, 200))
def test_a_line_is_never_longer_than_its_limit(value: Any, limit: int) -> None:
    line = preview(value, limit)
    assert len(line) <= limit
    assert "\n" not in line


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        ("5.2 kg", "kg"),
        ("12km/h", "km/h"),
        ("$40", "$"),
        ("1,000 EUR", "EUR"),
        ({"value": 5.2, "unit": "kg"}, "kg"),
        ({"amount": 5, "currency": "EUR"}, "EUR"),
        ("about 5 kg of it", None),
        ("kg", None),
        ({"unit": "kg"}, None),
        (5.2, None),
    ],
)
def test_a_value_may_carry_its_unit(value: Any, unit: str | None) -> None:
    assert unit_of(value) == unit


def test_bindings_are_referred_to_by_their_number() -> None:
    assert [binding(n).ref for n in (1, 2, 30)] == ["$v1", "$v2", "$v30"]


@pytest.mark.parametrize("alias", ["sigma", "σ", "order_2", "_x", "v", "vx1"])
def test_a_word_can_be_an_alias(alias: str) -> None:
    assert alias_problem(alias) is None


@pytest.mark.parametrize("alias", ["v1", "v07", "", "2nd", "a b", "a.b", "x" * 65])
def test_a_number_or_what_is_no_word_cannot(alias: str) -> None:
    assert alias_problem(alias) is not None


def test_an_alias_names_one_binding_of_a_session() -> None:
    assert "already names" in str(alias_problem("sigma", {"sigma"}))


def test_results_that_no_call_refers_to_are_pointed_out() -> None:
    bound = [binding(1), binding(2, used=True), binding(3), binding(4)]
    assert [each.number for each in unused(bound, 1)] == [3, 1]
    assert unused_note(unused(bound, 1)) == (
        "results not used yet: $v3 (sqrt: 4.2), $v1 (sqrt: 4.2)"
    )
    assert unused(bound, 9) == ()
    assert unused_note(()) == ""


def test_a_literal_that_a_binding_holds_is_suggested_as_its_reference() -> None:
    found = repair({"x": 5.2}, {"v1": 5.2})
    assert found is not None
    assert (found.arguments, found.replaced) == ({"x": "$v1"}, (("x", "$v1"),))


def test_literals_deep_inside_match_parts_of_a_binding() -> None:
    bound = {"v2": {"order": {"id": "W2378156", "lines": [{"sum": 1250.5}]}}}
    found = repair({"items": [{"ref": "W2378156", "paid": 1250.49}], "n": 3}, bound)
    assert found is not None
    assert found.replaced == (
        ("items[0].ref", "$v2.order.id"),
        ("items[0].paid", "$v2.order.lines[0].sum"),
    )
    assert found.arguments["n"] == 3


@pytest.mark.parametrize(
    ("literal", "bound"),
    [
        (5.2, 5.3),
        (1000, 1001),
        ("W100", "W1000"),
        (5, 5),
        (True, 1),
        (None, None),
        ("no", "no"),
        ("4.25", 4.25),
        (0.0, 0.0),
    ],
)
def test_what_differs_or_is_too_common_to_mean_anything_is_left_alone(
    literal: Any, bound: Any
) -> None:
    assert repair({"x": literal}, {"v1": bound}) is None


@given(st.dictionaries(st.text(), values, max_size=3), values)
def test_a_repair_resolves_to_nearly_what_was_written(arguments: Any, bound: Any) -> None:
    found = repair(arguments, {"v1": bound})
    if found is not None and "$" not in repr(arguments):
        again = resolve(found.arguments, {"v1": bound})
        assert again.ok
        assert near(again.arguments, arguments)


def near(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(near(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(near, one, other))
    if isinstance(one, float) or isinstance(other, float):
        return one == pytest.approx(other, rel=1e-3)
    return bool(one == other)
