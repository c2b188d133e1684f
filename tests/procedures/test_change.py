"""What changed between two calls."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.procedures.blame import blamed
from pagefault.procedures.change import change, classes_of, fits, related, transformation

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
objects = st.dictionaries(st.text(min_size=1, max_size=8), values, max_size=5)


def test_a_change_names_what_was_added_removed_and_changed() -> None:
    found = change({"a": 1, "c": 0, "same": [1]}, {"a": 2, "b": 3, "same": [1.0]})
    assert found.keys == ("+b", "-c", "~a")
    assert found.sig == ("+b", "-c", "~a:num+")


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (1, 2, "num+"),
        (2.5, 1.5, "num-"),
        (True, False, "flip"),
        ("5", 5, "type:str>int"),
        (None, "x", "type:NoneType>str"),
        ([1], [1, 2], "list+"),
        ([1, 2], [1], "list-"),
        ([1], [2], "list~"),
        ({"a": 1}, {"a": 2}, "dict~"),
        ("Paris", "PARIS", "case"),
        ("main.py", "src/main.py", "prefix+"),
        ("src/main.py", "main.py", "prefix-"),
        ("main", "main.py", "suffix+"),
        ("main.py", "main", "suffix-"),
        ("2+3", "(2 + 3)", "punct"),
        ("cats", "quarterly tax", "replace"),
        ("x" * 60 + "abc", "x" * 60 + "d", "edit"),
    ],
)
def test_a_changed_value_has_a_class(before: Any, after: Any, kind: str) -> None:
    assert transformation(before, after) == kind


@given(objects, objects)
def test_a_change_fits_the_call_that_it_was_made_from(before: Any, after: Any) -> None:
    assert fits(change(before, after).keys, before)


@given(objects)
def test_a_call_does_not_differ_from_itself(arguments: Any) -> None:
    assert not change(arguments, dict(reversed(arguments.items())))


@given(values, values)
def test_a_change_within_a_form_is_of_one_of_its_classes(before: Any, after: Any) -> None:
    if type(before) is type(after) and before is not None:
        assert transformation(before, after) in classes_of(before)


def test_a_change_does_not_fit_where_what_it_takes_is_missing_or_what_it_adds_is_there() -> None:
    assert not fits(("~a",), {"b": 1})
    assert not fits(("-a",), {})
    assert not fits(("+a",), {"a": 1})
    assert fits(("+a", "~b"), {"b": 1})


def test_calls_are_related_by_an_equal_value_or_a_common_word() -> None:
    assert related({"q": "cats", "n": 3}, {"q": "quarterly tax", "n": 3})
    assert related({"cmd": "./rock --x"}, {"cmd": "decompile rock"})
    assert not related({"q": "cats"}, {"q": "quarterly tax"})


@pytest.mark.parametrize(
    ("message", "arguments", "names"),
    [
        ("Flight HAT902 not found", {"flights": [{"number": "HAT902"}], "cabin": "x"}, {"flights"}),
        ("payment does not add up", {"paymentMethods": [], "user_id": "u"}, {"paymentMethods"}),
        ("Gift card is empty", {"source": "gift_card_12", "id": "A1"}, {"source"}),
        ("no route to Rome", {"to": "Rome", "from": "Oslo"}, {"to"}),
        ("no route to Romeo", {"to": "Rome", "from": "Oslo"}, set()),
        ("something broke", {"a": True, "b": None, "c": 7}, set()),
    ],
)
def test_an_error_blames_the_arguments_that_it_names(
    message: str, arguments: dict[str, Any], names: set[str]
) -> None:
    assert set(blamed(message, arguments)) == names
