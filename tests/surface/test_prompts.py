"""The prompts that a person picks in a client."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import mcp.types as types
import pytest
from mcp import Client, MCPError

pytestmark = pytest.mark.anyio

Connect = Callable[..., AbstractAsyncContextManager[Client]]

NAMES = ["resume", "recall", "summarise_segment", "memory_rules"]
FILLED = {
    "resume": {"session_id": "s_abc"},
    "recall": {"topic": "the harbour"},
    "summarise_segment": {"session_id": "s_abc", "style": "key points"},
    "memory_rules": {"mode": "strict"},
}


async def text_of(client: Client, name: str, arguments: dict[str, str] | None = None) -> str:
    (message,) = (await client.get_prompt(name, arguments)).messages
    assert message.role == "user"
    assert isinstance(message.content, types.TextContent)
    return message.content.text


async def test_every_prompt_has_a_title_and_a_description(client: Client) -> None:
    prompts = (await client.list_prompts()).prompts
    assert [prompt.name for prompt in prompts] == NAMES
    for prompt in prompts:
        assert prompt.title
        assert prompt.description


async def test_only_the_topic_is_required(client: Client) -> None:
    required = [
        (prompt.name, argument.name)
        for prompt in (await client.list_prompts()).prompts
        for argument in prompt.arguments or []
        if argument.required
    ]
    assert required == [("recall", "topic")]


@pytest.mark.parametrize("name", NAMES)
async def test_given_arguments_stand_in_the_text_and_no_blank_is_left(
    client: Client, name: str
) -> None:
    text = await text_of(client, name, FILLED[name])
    for value in FILLED[name].values():
        assert value in text
    assert not re.search(r"\{\w+\}", text)


@pytest.mark.parametrize("name", ["resume", "summarise_segment", "memory_rules"])
async def test_without_arguments_no_blank_is_left_either(client: Client, name: str) -> None:
    assert not re.search(r"\{\w+\}", await text_of(client, name))


async def test_braces_in_an_argument_stay_what_they_are(client: Client) -> None:
    arguments = {"session_id": "{style}", "style": r"{session_id} \1"}
    text = await text_of(client, "summarise_segment", arguments)
    assert "session: {style}." in text
    assert r"{session_id} \1" in text


async def test_a_handle_that_only_session_start_knows_is_given_to_no_other_tool(
    client: Client,
) -> None:
    assert "last" not in await text_of(client, "summarise_segment")
    assert 'session_start with session_id="last"' in await text_of(client, "resume")


@pytest.mark.parametrize("mode", ["strict", "relaxed", "passive"])
async def test_the_rules_are_those_of_the_mode(client: Client, mode: str) -> None:
    text = await text_of(client, "memory_rules", {"mode": mode})
    assert f'"{mode}"' in text
    assert ("3 faults" in text) is (mode != "passive")


async def test_an_unknown_mode_is_the_operators(connect: Connect) -> None:
    async with connect(mode="auto") as client:
        assert '"relaxed"' in await text_of(client, "memory_rules", {"mode": "loud"})


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("no_such_prompt", {}, "prompt_not_found: 'no_such_prompt'. There are resume, recall"),
        ("recall", {}, "invalid_argument: topic is missing. recall takes topic"),
        ("recall", {"topic": "x", "tone": "y"}, "invalid_argument: unknown arguments"),
    ],
)
async def test_a_prompt_that_cannot_be_filled_says_why(
    connect: Connect, mode: str, name: str, arguments: dict[str, str], words: str
) -> None:
    async with connect(mode=mode) as client:
        with pytest.raises(MCPError) as failed:
            await client.get_prompt(name, arguments)
        assert failed.value.error.code == types.INVALID_PARAMS
        assert failed.value.error.message.startswith(words)
