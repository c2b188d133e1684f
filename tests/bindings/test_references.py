"""References to bindings in arguments."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.bindings.paths import follow, parse, written
from pagefault.bindings.references import escape, explain, references, resolve

texts = st.text(max_size=20) | st.text(alphabet='$v1{}\\[]".a b', max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
BOUND = {
    "v1": 4.2426,
    "v2": "hello world",
    "v3": {"items": [{"id": "A1", "a b": 7}, {"id": "A2"}], "total": 2},
    "v4": [1, 2, 3],
    "v5": True,
    "sigma": 5.2,
}
ALIASES = ("sigma",)


def resolved(arguments: Any) -> Any:
    found = resolve(arguments, BOUND, ALIASES)
    assert found.ok, explain(found.missing)
    return found.arguments


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("$v1", 4.2426),
        ("${v1}", 4.2426),
        ("$v2", "hello world"),
        ("$v5", True),
        ("$v4", [1, 2, 3]),
        ("$sigma", 5.2),
        ("${sigma}", 5.2),
        ("$v3.total", 2),
        ("$v3.items[0].id", "A1"),
        ("$v3.items[-1].id", "A2"),
        ('${v3.items[0]["a b"]}', 7),
        ("$v3['items'][1]", {"id": "A2"}),
        ("$v4[2]", 3),
    ],
)
def test_a_string_that_is_one_reference_becomes_the_value_with_its_type(
    written: str, value: Any
) -> None:
    assert resolved({"x": [{"deep": written}]}) == {"x": [{"deep": value}]}
    assert type(resolved(written)) is type(value)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("a $v1 b", "a 4.2426 b"),
        ("say ${v2}!", "say hello world!"),
        ("$v2$v2", "hello worldhello world"),
        ("ids: $v4; all: $v3.items[1]", 'ids: [1,2,3]; all: {"id":"A2"}'),
        ("it is $v5.", "it is true."),
        (" $v1", " 4.2426"),
        ("${v2}.txt", "hello world.txt"),
        ("$v1, $sigma and $v3.total.", "4.2426, 5.2 and 2."),
    ],
)
def test_in_a_longer_text_a_value_is_put_in(text: str, result: str) -> None:
    assert resolved(text) == result


@pytest.mark.parametrize(
    "text",
    [
        "$USD",
        "costs $100",
        "echo $PATH ${HOME} ${v1:-x} $1 $$ $",
        "$v1x",
        "$V1",
        r"\$HOME",
        r"a\b$",
    ],
)
def test_other_words_and_amounts_are_left_alone(text: str) -> None:
    assert references({"x": text}, ALIASES) == ()
    assert resolved({"x": text}) == {"x": text}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        (r"\$v1", "$v1"),
        (r"write \${v1.a} here", "write ${v1.a} here"),
        (r"\\$v1", r"\4.2426"),
        (r"\\\$v1", r"\$v1"),
        (r"\$sigma and \$mu", r"$sigma and \$mu"),
    ],
)
def test_a_backslash_takes_the_meaning_of_a_reference_away(text: str, result: str) -> None:
    assert resolved(text) == result


def test_an_unknown_number_is_an_error_that_lists_what_exists() -> None:
    found = resolve({"x": "$v99", "y": "$v1"}, {"v1": 1}, existing=["v1", "v2", "sigma"])
    assert not found.ok
    assert [each.text for each in found.missing] == ["$v99"]
    assert explain(found.missing) == "$v99: there is no such binding; there are $v1, $v2, $sigma"
    assert "none exists yet" in explain(resolve("$v1", {}).missing)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("$v3.item", ".item"),
        ("$v3.items[5]", "a list with [0] to [1]"),
        ("$v3.items[0].name", "an object with id, a b"),
        ("$v1.x", "the scalar 4.2426"),
        ("see $v2.txt", "write ${v2}"),
    ],
)
def test_a_path_that_leads_nowhere_is_an_error_that_says_what_is_there(text: str, why: str) -> None:
    assert why in explain(resolve(text, BOUND, ALIASES).missing)


def test_what_is_needed_is_listed_once_each_before_any_value_is_read() -> None:
    found = references({"a": "$v1 $v1.x", "b": [{"c": "$sigma $mu"}], "$v7": 1}, ALIASES)
    assert [(each.name, each.path) for each in found] == [
        ("v1", ()),
        ("v1", ("x",)),
        ("sigma", ()),
    ]


def test_the_bindings_that_were_put_in_are_named_once() -> None:
    assert resolve(["$v1", "$v4[0] $v1"], BOUND).used == ("v1", "v4")
    assert resolve(r"\$v1", BOUND).used == ()


@given(values)
def test_a_value_of_any_form_comes_through_a_reference_unchanged(value: Any) -> None:
    found = resolve({"x": "$v1", "deep": [{"y": "${v1}"}]}, {"v1": value})
    assert found.arguments == {"x": value, "deep": [{"y": value}]}
    assert json.dumps(found.arguments["x"]) == json.dumps(value)


@given(values)
def test_arguments_without_references_come_back_as_they_are(arguments: Any) -> None:
    if not references(arguments):
        assert resolve(arguments, {}).arguments == arguments


@given(texts, st.sampled_from(["", "$v1", "${v1}", r"\$v1", r"\\$v1.a", "$sigma"]), texts)
def test_an_escaped_text_resolves_to_itself(before: str, middle: str, after: str) -> None:
    text = before + middle + after
    assert resolve(escape(text, ALIASES), BOUND, ALIASES).arguments == text


@given(values, st.sampled_from(["$v9", "x ${v9.a} y", "$v1.nowhere"]))
def test_resolution_is_all_or_nothing(arguments: Any, wrong: str) -> None:
    whole = {"good": "$v1", "rest": arguments, "wrong": wrong}
    found = resolve(whole, {"v1": 1})
    assert not found.ok
    assert found.arguments == whole
    assert found.used == ()


@given(values)
def test_what_was_put_in_is_not_looked_at_again(value: Any) -> None:
    inner = resolve("$v1", {"v1": {"note": "$v2", "value": value}, "v2": "never"})
    assert inner.arguments == {"note": "$v2", "value": value}


@given(st.lists(st.integers(-9, 9) | texts, max_size=5))
def test_a_path_that_is_written_is_read_as_the_same_path(steps: list[str | int]) -> None:
    assert parse(written(tuple(steps))) == tuple(steps)


@given(values, st.data())
def test_every_part_of_a_value_can_be_referred_to(value: Any, data: Any) -> None:
    path: list[str | int] = []
    at = value
    while isinstance(at, dict | list) and at and data.draw(st.booleans()):
        step = data.draw(st.sampled_from(list(at) if isinstance(at, dict) else range(len(at))))
        path.append(step)
        at = at[step]
    assert follow(value, tuple(path)) == at
    assert resolve(f"$v1{written(tuple(path))}", {"v1": value}).arguments == at
