"""When two tool calls are the same call."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.base.call import Call, canonical_arguments

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=6), json_values, max_size=6))
def test_the_order_of_arguments_makes_no_other_call(arguments: dict[str, object]) -> None:
    backwards = dict(reversed(arguments.items()))
    assert Call("t", arguments).digest == Call("t", backwards).digest


@given(json_values)
def test_what_json_carries_over_stays_the_same_call(value: object) -> None:
    assert canonical_arguments(json.loads(json.dumps(value))) == canonical_arguments(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [({"n": 1}, {"n": "1"}), ({"n": 1}, {"n": True}), ({"n": None}, {}), ({"n": 1.5}, {"n": 1})],
)
def test_values_of_another_type_make_another_call(
    one: dict[str, object], other: dict[str, object]
) -> None:
    assert Call("t", one).digest != Call("t", other).digest


def test_a_whole_number_is_the_same_with_a_point() -> None:
    assert Call("t", {"n": 1.0, "m": [2.0]}).digest == Call("t", {"n": 1, "m": [2]}).digest


def test_the_same_arguments_for_another_tool_are_another_call() -> None:
    assert Call("t", {}).digest != Call("u", {}).digest
