"""JSON values out of lines, an array or an object."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.base.documents import Broken, values


def read(text: str) -> list[tuple[str, Any]]:
    return list(values(io.StringIO(text)))


def test_lines_are_read_one_by_one_and_empty_ones_passed_over() -> None:
    assert read('{"a":1}\n\n{"b":2}\n') == [("line 1", {"a": 1}), ("line 3", {"b": 2})]


def test_an_array_is_read_element_by_element_with_their_lines() -> None:
    found = read('[\n {"a":1},\n {"b":\n2}, {"c":3}]')
    assert found == [("line 2", {"a": 1}), ("line 3", {"b": 2}), ("line 4", {"c": 3})]


def test_an_object_set_out_over_lines_is_one_value() -> None:
    assert read('{\n "messages": [\n  {"role": "user"}\n ]\n}\n') == [
        ("line 1", {"messages": [{"role": "user"}]})
    ]


def test_what_is_wrong_in_such_an_object_is_named_by_its_line() -> None:
    ((at, value),) = read('{\n "messages": [\n  {"role": user}\n ]\n}\n')
    assert at == "line 3"
    assert value.reason == "Expecting value before 'user}\\n ]\\n}\\n'"


@pytest.mark.parametrize("text", ["", " \n\n", "[]", "\ufeff[ ]"])
def test_nothing_is_no_value(text: str) -> None:
    assert read(text) == []


@pytest.mark.parametrize("text", ['\ufeff{"a":1}', '\ufeff[{"a":1}]'])
def test_a_byte_order_mark_is_no_part_of_the_value(text: str) -> None:
    assert [value for _, value in read(text)] == [{"a": 1}]


@pytest.mark.parametrize("first", ['{"a":1}', "{bad"])
def test_lines_after_a_broken_one_are_still_read(first: str) -> None:
    found = read(first + '\n{"a":\n{"c":3}\n') if first == '{"a":1}' else read(first + '\n{"c":3}')
    assert isinstance(found[-2][1], Broken)
    assert found[-1][1] == {"c": 3}


@pytest.mark.parametrize(
    "text", ['[{"a":1}', '[{"a":1},', '[{"a":1} {"b":2}]', '[{"a":1}, {"b"]', '[{"a":"1}]']
)
def test_an_array_that_breaks_off_ends_with_what_is_wrong(text: str) -> None:
    *_, (at, last) = read(text)
    assert at == "line 1"
    assert isinstance(last, Broken)


def test_an_element_that_nests_too_deep_is_broken_and_nothing_worse() -> None:
    ((_, value),) = read("[" * 100_000)
    assert isinstance(value, Broken)


def test_elements_longer_than_a_chunk_are_whole() -> None:
    long = [{"text": letter * 150_000} for letter in "abc"]
    assert [value for _, value in read(json.dumps(long))] == long


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
elements = st.lists(st.dictionaries(st.text(), json_values, max_size=3), max_size=4)


@given(elements, st.sampled_from([None, 1]))
def test_any_array_is_read_as_the_standard_library_reads_it(
    elements: list[Any], indent: int | None
) -> None:
    text = json.dumps(elements, indent=indent)
    assert [value for _, value in read(text)] == elements
