"""Events at the door: what is kept of a message, and what is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.base.errors import InvalidArgument
from pagefault.base.event import (
    KEY_LENGTH,
    ROLES,
    Recorded,
    canonical,
    clean,
    clean_value,
    flat_text,
    read_event,
)

ANY_TEXT = st.text(st.characters())  # unpaired surrogates among them
NUMBERS = st.one_of(st.integers(), st.floats())
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, ANY_TEXT),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(ANY_TEXT, inner)),
    max_leaves=15,
)


def read(**given_fields: Any) -> Recorded:
    return read_event(given_fields, "events[0]")


def repaired(text: str) -> str:
    """The text after the one step at the door, told in another way than the code does it."""
    pieces = []
    rest = text
    while rest:
        first = ord(rest[0])
        if 0xD800 <= first < 0xDC00 and len(rest) > 1 and 0xDC00 <= ord(rest[1]) < 0xE000:
            pieces.append(chr(0x10000 + ((first - 0xD800) << 10) + ord(rest[1]) - 0xDC00))
            rest = rest[2:]
            continue
        pieces.append("\ufffd" if 0xD800 <= first < 0xE000 else rest[0])
        rest = rest[1:]
    return "".join(pieces)


def repaired_value(value: Any) -> Any:
    if isinstance(value, str):
        return repaired(value)
    if isinstance(value, list):
        return [repaired_value(item) for item in value]
    if isinstance(value, dict):
        return {repaired(name): repaired_value(item) for name, item in value.items()}
    return value


def finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    return all(map(finite, value)) if isinstance(value, list) else True


def kept(event: Recorded) -> Any:
    assert event.content is not None
    return json.loads(event.content) if event.modality == "structured" else event.content


# --- content -----------------------------------------------------------------------------------


@given(ANY_TEXT.filter(bool), st.sampled_from(ROLES))
def test_text_is_kept_byte_by_byte_after_the_surrogate_step(text: str, role: str) -> None:
    event = read(role=role, content=text)
    assert event.modality == "text"
    assert event.content == repaired(text)
    assert event.content.encode().decode() == event.content


@given(JSON)
def test_any_json_content_is_kept_equal_or_refused(content: Any) -> None:
    try:
        event = read(role="user", content=content)
    except InvalidArgument:
        assert content in (None, "", []) or not finite(content)
        return
    assert kept(event) == repaired_value(content)
    assert event.content is not None
    event.content.encode()


@given(JSON, JSON, JSON)
def test_what_belongs_to_an_event_beside_its_content_is_kept_equal_or_refused(
    calls: Any, arguments: Any, error: Any
) -> None:
    try:
        event = read(
            role="assistant", content="text", tool_calls=calls, arguments=arguments, error=error
        )
    except InvalidArgument:
        assert not finite([calls, arguments, error])
        return
    assert event.content == "text"
    given_fields = {"tool_calls": calls, "arguments": arguments, "error": error}
    expected = {
        name: repaired_value(value)
        for name, value in given_fields.items()
        if value not in (None, "", [])
    }
    assert json.loads(canonical(event.payload)) == expected


@given(JSON)
def test_any_json_at_all_is_an_event_or_refused(given_event: Any) -> None:
    with pytest.raises(InvalidArgument):
        read_event(given_event, "events[0]")  # none of these has a role


@given(st.dictionaries(st.sampled_from(list(Recorded.__slots__)), JSON), st.sampled_from(ROLES))
def test_any_json_in_any_field_is_kept_or_refused(fields: dict[str, Any], role: str) -> None:
    refusals: list[str] = []
    try:
        event = read_event({**fields, "role": role}, "events[0]")
    except InvalidArgument as error:
        refusals.append(error.message)
    if refusals:
        assert "events[0]" in refusals[0]
        return
    assert event.role == role
    assert event.content or event.payload
    for value in (event.content, event.name, event.key, event.tool_name, event.provider):
        assert value is None or value.encode()


@pytest.mark.parametrize(
    "text", ['{"a":1}', "[1,2]", "null", "true", "1.0", '"quoted"', " ", "\x00", "\ufeffx"]
)
def test_text_that_looks_like_something_else_stays_the_text_it_is(text: str) -> None:
    event = read(role="user", content=text)
    assert (event.content, event.modality) == (text, "text")


@pytest.mark.parametrize("value", [0, False, 1.0, {}, {"b": 1, "a": [1.5, None]}, [1]])
def test_a_value_that_is_not_text_is_kept_as_compact_json(value: Any) -> None:
    event = read(role="tool", content=value)
    assert event.modality == "structured"
    assert event.content == json.dumps(value, separators=(",", ":"))


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("field", ["content", "arguments", "error", "tool_calls"])
def test_a_number_that_is_not_finite_is_refused_with_its_place(field: str, number: float) -> None:
    with pytest.raises(InvalidArgument, match=rf"^invalid_argument: events\[0\]\.{field} holds"):
        read(role="tool", **{"content": "text", field: [number]})


def test_a_value_may_nest_64_levels_and_no_more() -> None:
    value: Any = "leaf"
    for _ in range(64):
        value = [value]
    assert kept(read(role="tool", content=value)) == value
    with pytest.raises(InvalidArgument, match="nests deeper than 64 levels"):
        read(role="tool", content=[value])


def test_a_surrogate_pair_in_two_halves_becomes_the_character_it_stands_for() -> None:
    assert clean("\ud83d\ude00") == "😀"
    assert clean("\ude00\ud83d") == "\ufffd\ufffd"


@given(JSON.filter(finite))
def test_canonical_json_reads_back_equal_with_keys_in_order(value: Any) -> None:
    cleaned = clean_value(value, "value")
    read_back = json.loads(canonical(cleaned))
    assert read_back == cleaned
    if isinstance(cleaned, dict):
        assert list(read_back) == list(cleaned)


def test_the_words_of_a_value_are_its_keys_strings_and_numbers_in_order() -> None:
    assert flat_text({"a": ["b", 1, None, {"c": True}]}) == "a b 1  c True"


# --- the shapes of others ----------------------------------------------------------------------


def test_one_plain_text_part_is_text() -> None:
    for kind in ("text", "input_text", "output_text"):
        event = read(role="user", content=[{"type": kind, "text": "hello"}])
        assert (event.content, event.modality) == ("hello", "text")


@pytest.mark.parametrize(
    "parts",
    [
        [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        [{"type": "thinking", "text": "hm"}],
        [{"type": "text", "text": "a", "annotations": []}],
        [{"type": "text", "text": 5}],
        [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}],
        [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "42"}],
    ],
)
def test_richer_parts_are_kept_as_they_are(parts: list[Any]) -> None:
    event = read(role="user", content=parts)
    assert event.modality == "structured"
    assert kept(event) == parts


@pytest.mark.parametrize("content", [None, "", []])
def test_an_openai_message_that_only_calls_tools_has_its_calls_as_its_page(content: Any) -> None:
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}]
    event = read(role="assistant", content=content, tool_calls=calls)
    assert event.page_type == "transcript"
    assert kept(event) == {"tool_calls": calls}
    assert event.payload == {"tool_calls": calls}


def test_an_openai_tool_message_is_an_artifact_of_its_call() -> None:
    event = read(role="tool", tool_call_id="c1", name="f", content="42")
    assert (event.page_type, event.tool_call_id, event.tool_name) == ("artifact", "c1", "f")


def test_a_tool_call_of_our_own_shape_needs_no_role() -> None:
    event = read(tool_name="f", arguments={"x": 1}, result={"y": 2})
    assert (event.role, event.tool_name, event.payload) == ("tool", "f", {"arguments": {"x": 1}})
    assert kept(event) == {"y": 2}


def test_a_tool_call_that_failed_has_its_error_as_its_page() -> None:
    event = read(tool_name="f", arguments={}, error="division by zero")
    assert (event.content, event.modality) == ("division by zero", "text")
    assert event.payload == {"arguments": {}, "error": "division by zero"}
    assert read(tool_name="f", error={"code": 5}).modality == "structured"


def test_a_tool_call_without_a_result_has_its_arguments_as_its_page() -> None:
    event = read(tool_name="f", arguments={"x": 1})
    assert kept(event) == {"arguments": {"x": 1}}


@pytest.mark.parametrize(
    ("given_role", "role"),
    [("developer", "system"), ("human", "user"), ("ai", "assistant"), ("function", "tool")],
)
def test_a_role_of_another_name_is_one_of_ours(given_role: str, role: str) -> None:
    assert read(role=given_role, content="text").role == role


def test_a_user_message_of_tool_results_is_known_for_what_it_is() -> None:
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "42"}
    assert read(role="user", content=[result, result]).answers_calls
    assert not read(role="user", content=[result, {"type": "text", "text": "go on"}]).answers_calls
    assert not read(role="user", content="text").answers_calls


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (
            {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
            {"prompt": 3, "completion": 5},
        ),
        (
            {"input_tokens": 3, "output_tokens": 5, "cache_read_input_tokens": 2},
            {"prompt": 3, "completion": 5, "cached": 2},
        ),
        ({"prompt_tokens": None, "other": "x"}, None),
        (None, None),
    ],
)
def test_usage_is_read_in_openais_and_anthropics_words(
    usage: Any, counted: dict[str, int] | None
) -> None:
    assert read(role="assistant", content="text", usage=usage).usage == counted


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"content": "text"}, r"events\[0\]\.role is 'None': use one of user, assistant"),
        ({"role": "robot", "content": "text"}, r"events\[0\]\.role is 'robot'"),
        ({"role": ["user"], "content": "text"}, r"events\[0\]\.role is "),
        ({"role": "user"}, r"events\[0\] is empty: give content"),
        ({"role": "user", "content": ""}, r"events\[0\] is empty"),
        ({"role": "user", "content": []}, r"events\[0\] is empty"),
        ({"role": "user", "content": None, "tool_calls": []}, r"events\[0\] is empty"),
        ({"role": "tool", "error": ""}, r"events\[0\] is empty"),
        ({"created_at": "yesterday"}, r"events\[0\]\.created_at: 'yesterday' is not a time"),
        ({"created_at": 1_767_225_600}, r"events\[0\]\.created_at is '1767225600': give ISO 8601"),
        ({"key": "k" * (KEY_LENGTH + 1)}, r"events\[0\]\.key is .* at most 128 characters"),
        ({"key": {"a": 1}}, r"events\[0\]\.key is "),
        ({"name": True}, r"events\[0\]\.name is 'True'"),
        ({"usage": 5}, r"events\[0\]\.usage is '5': give an object"),
        ({"usage": {"prompt_tokens": -1}}, r"events\[0\]\.usage\.prompt is '-1'"),
        ({"usage": {"prompt_tokens": 1.5}}, r"events\[0\]\.usage\.prompt is '1.5'"),
        ({"usage": {"input_tokens": True}}, r"events\[0\]\.usage\.prompt is 'True'"),
    ],
)
def test_a_field_that_is_wrong_is_refused_with_its_place_and_value(
    fields: dict[str, Any], message: str
) -> None:
    whole = fields if {"role", "content"} & set(fields) else {"role": "user", "content": "text"}
    with pytest.raises(InvalidArgument, match=message):
        read_event({**whole, **fields}, "events[0]")


def test_a_key_of_128_characters_is_a_key() -> None:
    assert read(role="user", content="text", key="k" * KEY_LENGTH).key == "k" * KEY_LENGTH


@pytest.mark.parametrize("given_event", ["text", 5, None, ["role", "user"]])
def test_what_is_no_object_is_refused_with_its_place(given_event: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"events\[3\] is .*: give an object"):
        read_event(given_event, "events[3]")


def test_a_time_of_saying_is_kept_in_unix_seconds() -> None:
    event = read(role="user", content="text", created_at="2026-01-01T01:00:00+01:00")
    assert event.created_at == 1_767_225_600.0
    assert read(role="user", content="text", created_at="").created_at is None
