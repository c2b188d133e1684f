"""Messages of other programs, read as events."""

from __future__ import annotations

from typing import Any

import pytest

from pagefault.base.conversation import Conversation, is_empty
from pagefault.base.errors import InvalidArgument
from pagefault.base.event import read_event

CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'},
}


def events(*values: object) -> list[dict[str, Any]]:
    """The events of the values, without keys, each fit to be recorded unless it is empty."""
    conversation = Conversation()
    found = []
    for value in values:
        for at, event in conversation.events(value, "line 1"):
            if not is_empty(event):
                read_event(event, at)
            found.append({name: item for name, item in event.items() if name != "key"})
    return found


def test_a_plain_message_is_an_event() -> None:
    assert events({"role": "user", "content": "hello"}) == [{"role": "user", "content": "hello"}]


def test_an_object_with_messages_is_a_conversation_with_its_system_prompt_first() -> None:
    found = events({"system": "Be brief.", "messages": [{"role": "user", "content": "hi"}]})
    assert found == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
    ]


def test_openai_tool_calls_and_their_result_belong_together() -> None:
    found = events(
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
    )
    assert found == [
        {"role": "assistant", "tool_calls": [CALL]},
        {
            "role": "tool",
            "tool_call_id": "call_1",
            "tool_name": "get_weather",
            "content": "rain",
        },
    ]


def test_openais_older_function_call_is_a_tool_call() -> None:
    function = {"name": "add", "arguments": "{}"}
    found = events(
        {"role": "assistant", "content": "", "function_call": function},
        {"role": "function", "name": "add", "content": "3"},
    )
    assert found == [
        {"role": "assistant", "tool_calls": [{"type": "function", "function": function}]},
        {"role": "tool", "name": "add", "content": "3"},
    ]
    assert read_event(found[1], "it").tool_name == "add"


@pytest.mark.parametrize("kind", ["text", "input_text", "output_text"])
def test_parts_that_are_nothing_but_text_become_one_text(kind: str) -> None:
    parts = [{"type": kind, "text": "one"}, {"type": kind, "text": "two"}]
    assert events({"role": "user", "content": parts}) == [{"role": "user", "content": "one\n\ntwo"}]


def test_a_picture_among_the_parts_is_kept_as_the_json_that_it_is() -> None:
    parts = [
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
    ]
    assert events({"role": "user", "content": parts}) == [{"role": "user", "content": parts}]


def test_anthropics_blocks_become_text_calls_and_results() -> None:
    use = {"type": "tool_use", "id": "tu_1", "name": "get_weather", "input": {"city": "Oslo"}}
    found = events(
        {"role": "assistant", "content": [{"type": "text", "text": "I'll look."}, use]},
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "tu_1",
                    "content": [{"type": "text", "text": "rain"}],
                },
                {"type": "text", "text": "And tomorrow?"},
            ],
        },
    )
    assert found == [
        {
            "role": "assistant",
            "content": "I'll look.",
            "tool_calls": [{**CALL, "id": "tu_1"}],
        },
        {"role": "tool", "tool_call_id": "tu_1", "tool_name": "get_weather", "content": "rain"},
        {"role": "user", "content": "And tomorrow?"},
    ]


def test_a_failed_tool_of_anthropics_shape_is_an_error() -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": "no such city"}
    (event,) = events({"role": "user", "content": [{**result, "is_error": True}]})
    assert (event["role"], event["error"]) == ("tool", "no such city")


def test_a_message_of_nothing_but_results_is_no_further_event() -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": "rain"}
    assert [event["role"] for event in events({"role": "user", "content": [result]})] == ["tool"]


@pytest.mark.parametrize(
    "when",
    [1_778_248_560, 1_778_248_560_000, 1_778_248_560.0, "2026-05-08T13:56:00Z"],
)
@pytest.mark.parametrize("field", ["created_at", "timestamp", "create_time"])
def test_times_are_read_under_their_usual_names_and_units(when: object, field: str) -> None:
    (event,) = events({"role": "user", "content": "x", field: when})
    assert event["created_at"] == "2026-05-08T13:56:00Z"


@pytest.mark.parametrize("content", ["", None, []])
def test_a_message_without_anything_in_it_is_told_from_the_others(content: object) -> None:
    (event,) = events({"role": "assistant", "content": content})
    assert is_empty(event)


@pytest.mark.parametrize("value", ["hello", 3, None, ["a"], {"messages": "hello"}])
def test_what_is_no_message_is_refused_with_its_place(value: object) -> None:
    with pytest.raises(InvalidArgument, match="line 7"):
        list(Conversation().events(value, "line 7"))


def keys(*values: object) -> list[str]:
    conversation = Conversation()
    return [event["key"] for value in values for _, event in conversation.events(value, "x")]


def test_the_same_conversation_read_again_and_longer_has_the_same_keys() -> None:
    first = {"role": "user", "content": "one"}
    more = {"role": "user", "content": "two"}
    assert keys(first, more)[:1] == keys(first)
    assert keys({"messages": [first, more]}) == keys(first, more)


def test_the_same_words_at_another_place_have_another_key() -> None:
    same = {"role": "user", "content": "yes"}
    assert len(set(keys(same, same, same))) == 3


def test_a_key_that_came_with_a_message_stays() -> None:
    assert keys({"role": "user", "content": "x", "key": "mine"}) == ["mine"]
