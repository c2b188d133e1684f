"""context_build as a program or a model meets it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from mcp import Client

from pagefault.base.estimate import Estimate

pytestmark = pytest.mark.anyio

Ask = Callable[..., Awaitable[dict[str, Any]]]
Refuse = Callable[..., Awaitable[str]]
Connect = Callable[..., AbstractAsyncContextManager[Client]]

HERE = {"session_id": "s"}
FRAME = {"session_id", "workspace"}
TALK = [
    {"role": "user", "content": "Where do zebras drink?"},
    {"role": "assistant", "content": "At the river."},
]
count = Estimate().count


def block(message: str, name: str) -> str:
    return message.split(f"<VM:{name}>\n")[1].split(f"\n</VM:{name}>")[0]


async def test_the_context_has_rules_manifest_and_what_is_mapped(ask: Ask) -> None:
    await ask("session_record", events=TALK, **HERE)
    built = await ask("context_build", **HERE)
    assert set(built) == FRAME | {"developer_message", "tokens", "pages"}
    message = built["developer_message"]
    assert 'U (msg_1): "Where do zebras drink?"' in block(message, "CONTEXT")
    manifest = json.loads(block(message, "MANIFEST_JSON"))
    assert [page["page_id"] for page in manifest["working_set"]] == ["msg_1", "msg_2"]
    assert "search_pages" in block(message, "RULES")
    assert built["tokens"] == count(message)
    assert built["pages"] == ["msg_1", "msg_2"]


@pytest.mark.parametrize("mode", ["strict", "relaxed", "passive"])
async def test_the_mode_can_be_chosen_for_one_call(ask: Ask, mode: str) -> None:
    await ask("session_record", events=TALK, **HERE)
    message = (await ask("context_build", mode=mode, **HERE))["developer_message"]
    assert ("<VM:RULES>" in message) is (mode != "passive")
    assert ("proof" in message) is (mode == "strict")


async def test_the_sessions_own_mode_is_the_default(ask: Ask) -> None:
    await ask("session_start", mode="passive", **HERE)
    await ask("session_record", events=TALK, **HERE)
    assert "<VM:RULES>" not in (await ask("context_build", **HERE))["developer_message"]


async def test_a_system_prompt_comes_first(ask: Ask) -> None:
    built = await ask("context_build", system_prompt="You are a guide.", **HERE)
    assert built["developer_message"].startswith("You are a guide.\n")


async def test_what_the_message_refers_to_is_brought_in(ask: Ask) -> None:
    await ask("page_write", content="The harbour password is heron.", session_id="long-ago")
    built = await ask("context_build", message="What was the harbour password?", **HERE)
    assert built["prefetched"] == ["claim_1"]
    assert "heron" in block(built["developer_message"], "CONTEXT")
    assert (await ask("session_stats", **HERE))["faults"]["total"] == 0


async def test_a_message_begins_one_turn_also_when_it_is_recorded_afterwards(ask: Ask) -> None:
    await ask("context_build", message="Where do zebras drink?", **HERE)
    await ask("session_record", events=TALK, **HERE)
    assert (await ask("session_stats", **HERE))["turn"] == 1


@pytest.mark.parametrize("budget", [400, 600, 1_000, 3_000])
async def test_the_budget_holds_and_what_is_left_out_is_named(ask: Ask, budget: int) -> None:
    lines = [{"role": "user", "content": f"line {n}: {'word ' * 20}"} for n in range(40)]
    await ask("session_record", events=lines, **HERE)
    built = await ask("context_build", budget_tokens=budget, **HERE)
    assert count(built["developer_message"]) == built["tokens"] <= budget
    assert len(built["pages"]) + len(built.get("omitted", [])) == 40
    assert "msg_40" in built["pages"]


async def test_a_budget_beyond_a_reply_says_that_a_reply_holds_less(ask: Ask) -> None:
    built = await ask("context_build", budget_tokens=30_000, **HERE)
    assert "10,000" in built["notes"][0]


@pytest.mark.parametrize("name", ["openai_chat", "openai_responses", "anthropic"])
async def test_the_conversation_comes_as_messages_of_an_api(ask: Ask, name: str) -> None:
    await ask("session_record", events=TALK, **HERE)
    built = await ask("context_build", format=name, system_prompt="Be brief.", **HERE)
    assert "developer_message" not in built
    said = [
        message for message in built["messages"] if message.get("role") in ("user", "assistant")
    ]
    assert [message["role"] for message in said] == ["user", "assistant"]
    assert "Where do zebras drink?" in json.dumps(said[0])
    assert built["pages"] == ["msg_1", "msg_2"]
    assert isinstance(built["tokens"], int)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ({"mode": "loud"}, "invalid_argument", "'strict'"),
        ({"budget_tokens": 0}, "invalid_argument", "budget_tokens is 0"),
        ({"budget_tokens": -(10**20)}, "invalid_argument", "budget_tokens"),
        ({"budget_tokens": "much"}, "invalid_argument", "budget_tokens"),
        ({"format": "poem"}, "invalid_argument", "'anthropic'"),
        ({"budget_tokens": 20}, "token_limit_exceeded", "budget_tokens is 20"),
        ({"system_prompt": "word " * 20_000}, "token_limit_exceeded", "--reply-tokens"),
    ],
)
async def test_a_wrong_build_is_told_what_is_wrong(
    refuse: Refuse, arguments: dict[str, Any], code: str, words: str
) -> None:
    text = await refuse("context_build", **arguments, **HERE)
    assert text.startswith(f"{code}: ")
    assert words in text
