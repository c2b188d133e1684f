"""Pages as the messages of a model's API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.paging.messages import (
    FORMATS,
    Exchange,
    Spoken,
    ToolCall,
    anthropic,
    openai_chat,
    openai_responses,
    pair,
    read_calls,
)

CALL = ToolCall("c1", "calc", {"x": 1})
OTHER = ToolCall("c2", "calc", {"x": 2})

ASKED = Spoken("msg_1", "user", "What is 6*7?")
CALLED = Spoken("msg_2", "assistant", None, calls=(CALL,))
RESULT = Spoken("art_1", "tool", "42", answers=CALL)
SAID = Spoken("msg_3", "assistant", "It is 42.")

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["id", "type", "function", "name", "arguments", "input"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)
CALLS = st.builds(ToolCall, st.sampled_from(["c1", "c2", "c3"]), st.just("f"), st.just({}))
SPOKEN = st.one_of(
    st.builds(
        Spoken,
        st.just("msg_1"),
        st.sampled_from(["user", "assistant", "system"]),
        JSON.filter(lambda value: value is not None),
    ),
    st.builds(
        Spoken,
        st.just("msg_2"),
        st.just("assistant"),
        st.one_of(st.none(), st.just("text")),
        calls=st.lists(CALLS, max_size=3, unique_by=lambda call: call.id).map(tuple),
    ).filter(lambda said: said.calls or said.content),
    st.builds(Spoken, st.just("art_1"), st.just("tool"), JSON, answers=CALLS),
)


def exchanges(*spoken: Spoken) -> list[Exchange]:
    return pair(spoken)[0]


# --- calls and results -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given_call",
    [
        {"id": "c1", "type": "function", "function": {"name": "calc", "arguments": '{"x":1}'}},
        {"id": "c1", "function": {"name": "calc", "arguments": {"x": 1}}},
        {"type": "function_call", "call_id": "c1", "name": "calc", "arguments": '{"x":1}'},
        {"type": "tool_use", "id": "c1", "name": "calc", "input": {"x": 1}},
    ],
)
def test_a_call_is_read_in_the_shape_of_any_api(given_call: dict[str, Any]) -> None:
    assert read_calls({"tool_calls": [given_call]}) == (CALL,)


def test_a_call_that_says_little_gets_a_name_and_an_id() -> None:
    calls = read_calls({"tool_calls": [{}, {"function": {"name": None, "arguments": "not json"}}]})
    assert calls == (
        ToolCall("call_0", "tool", {}),
        ToolCall("call_1", "tool", {"input": "not json"}),
    )


@given(JSON)
def test_whatever_a_client_called_a_call_is_read_or_passed_over(calls: Any) -> None:
    read = read_calls({"tool_calls": calls})
    assert len(read) <= (len(calls) if isinstance(calls, list) else 0)
    for call in read:
        assert isinstance(call.id, str)
        assert isinstance(call.name, str)
        json.dumps(dict(call.arguments))


def test_a_result_follows_its_call_though_something_was_said_in_between() -> None:
    paired, repairs = pair([CALLED, ASKED, RESULT])
    assert [exchange.messages for exchange in paired] == [(CALLED, RESULT), (ASKED,)]
    assert repairs == 0


def test_a_result_whose_call_is_not_mapped_gets_a_call_made_up() -> None:
    paired, repairs = pair([RESULT])
    (call, result) = paired[0].messages
    assert (call.role, call.calls, call.content) == ("assistant", (CALL,), None)
    assert (result, repairs) == (RESULT, 1)


def test_a_call_whose_result_is_not_mapped_is_left_out() -> None:
    assert pair([CALLED]) == ([], 1)
    both = Spoken("msg_2", "assistant", "I ask twice.", calls=(CALL, OTHER))
    paired, repairs = pair([both, RESULT])
    assert paired[0].messages[0].calls == (CALL,)
    assert (paired[0].messages[0].content, repairs) == ("I ask twice.", 1)


# --- the three shapes --------------------------------------------------------------------------


def test_openai_chat_has_the_system_prompt_first_and_calls_as_functions() -> None:
    made = openai_chat(exchanges(ASKED, CALLED, RESULT, SAID), "Be brief.")
    assert made.system is None
    assert made.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is 6*7?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "calc", "arguments": '{"x":1}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
        {"role": "assistant", "content": "It is 42."},
    ]


def test_openai_responses_has_items_and_the_system_prompt_apart() -> None:
    made = openai_responses(exchanges(ASKED, CALLED, RESULT), "Be brief.")
    assert made.system == "Be brief."
    assert made.messages == [
        {"type": "message", "role": "user", "content": "What is 6*7?"},
        {"type": "function_call", "call_id": "c1", "name": "calc", "arguments": '{"x":1}'},
        {"type": "function_call_output", "call_id": "c1", "output": "42"},
    ]


def test_anthropic_has_turns_of_blocks_and_the_system_prompt_apart() -> None:
    made = anthropic(exchanges(ASKED, CALLED, RESULT, SAID), "Be brief.")
    assert made.system == "Be brief."
    assert made.messages == [
        {"role": "user", "content": [{"type": "text", "text": "What is 6*7?"}]},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "c1", "name": "calc", "input": {"x": 1}}],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "42"}],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "It is 42."}]},
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_without_a_system_prompt_there_is_no_system_message(name: str) -> None:
    made = FORMATS[name](exchanges(ASKED), "")
    assert made.system is None
    assert [message["role"] for message in made.messages] == ["user"]


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_said_is_no_message(name: str) -> None:
    assert FORMATS[name]([], "").messages == []


def test_parts_are_kept_and_other_values_are_their_json() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    for content, shown in (
        (parts, parts),
        ({"a": [1]}, '{"a":[1]}'),
        ([1, 2], "[1,2]"),
        (False, "false"),
    ):
        (message,) = openai_chat(exchanges(Spoken("msg_1", "user", content)), "").messages
        assert message["content"] == shown


# --- what the APIs insist on -------------------------------------------------------------------


@given(st.lists(SPOKEN, max_size=8), st.sampled_from(["", "Be brief."]))
def test_openai_chat_is_a_conversation_that_the_api_accepts(
    spoken: list[Spoken], system: str
) -> None:
    messages = openai_chat(exchanges(*spoken), system).messages
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            waiting.remove(message["tool_call_id"])  # follows its call, and answers it once
            assert isinstance(message["content"], str)
            continue
        assert not waiting, "something was said before all results were given"
        waiting = [call["id"] for call in message.get("tool_calls", ())]
        assert isinstance(message["content"], str | list) or waiting
    assert not waiting
    json.dumps(messages, allow_nan=False)


@given(st.lists(SPOKEN, max_size=8), st.sampled_from(["", "Be brief."]))
def test_anthropic_is_a_conversation_that_the_api_accepts(
    spoken: list[Spoken], system: str
) -> None:
    made = anthropic(exchanges(*spoken), system)
    roles = [message["role"] for message in made.messages]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"] * (len(roles) % 2)
    uses: list[str] = []
    for message in made.messages:
        assert message["content"]
        kinds = [block.get("type") for block in message["content"]]
        assert all("type" in block for block in message["content"])
        answered = [b["tool_use_id"] for b in message["content"] if b.get("tool_use_id")]
        if message["role"] == "user":
            assert set(uses) <= set(answered), f"calls {uses} without a result in {kinds}"
        uses = [b["id"] for b in message["content"] if b.get("type") == "tool_use"]
    json.dumps(made.messages, allow_nan=False)
