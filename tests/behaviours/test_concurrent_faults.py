"""The limits of a turn when a model calls page_fault many times at once; on every store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest
from mcp import Client, types
from tests.memory.making import count, prose

pytestmark = pytest.mark.anyio

Connect = Callable[..., AbstractAsyncContextManager[Client]]
HERE = {"session_id": "s"}
CALLS = 50


async def ask(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The reply of a tool that does not fail."""
    result = await client.call_tool(tool, arguments | HERE)
    assert result.structured_content is not None, result.content
    return result.structured_content


async def released(client: Client, tokens: int) -> list[str]:
    """As many pages as there will be calls, none of them mapped."""
    events = [{"role": "assistant", "content": prose(tokens, seed)} for seed in range(CALLS)]
    events.append({"role": "user", "content": "Read them all to me."})
    recorded = await ask(client, "session_record", events=events)
    pages = [event["page_id"] for event in recorded["events"][:CALLS]]
    await ask(client, "page_evict", page_ids=pages)
    return pages


async def fault_all_at_once(client: Client, pages: list[str]) -> list[types.CallToolResult]:
    """One call for each page, all under way together."""
    answers: list[types.CallToolResult] = []

    async def fault(page_id: str) -> None:
        answers.append(await client.call_tool("page_fault", {"page_id": page_id, **HERE}))

    async with anyio.create_task_group() as tasks:
        for page_id in pages:
            tasks.start_soon(fault, page_id)
    return answers


def refused(answers: list[types.CallToolResult]) -> list[str]:
    """The errors' texts."""
    blocks = [answer.content[0] for answer in answers if answer.is_error]
    return [block.text for block in blocks if isinstance(block, types.TextContent)]


async def test_of_many_faults_at_once_exactly_as_many_pass_as_a_turn_may_have(
    connect: Connect,
) -> None:
    async with connect(faults_per_turn=7, fault_tokens_per_turn=100_000) as client:
        answers = await fault_all_at_once(client, await released(client, 20))
        texts = refused(answers)
        assert (len(answers), len(texts)) == (CALLS, CALLS - 7)
        assert {text.partition(".")[0] for text in texts} == {
            "fault_limit_exceeded: 7 of 7 faults of this turn are spent"
        }
        faults = (await ask(client, "session_stats"))["faults"]
        assert (faults["this_turn"], faults["total"]) == (7, 7)


async def test_of_many_faults_at_once_no_more_tokens_pass_than_a_turn_may_have(
    connect: Connect,
) -> None:
    async with connect(faults_per_turn=CALLS, fault_tokens_per_turn=1_000) as client:
        answers = await fault_all_at_once(client, await released(client, 100))
        read = [a.structured_content["page"]["content"] for a in answers if a.structured_content]
        assert len(read) == 10
        assert sum(map(count, read)) == 1_000
        assert len(refused(answers)) == CALLS - 10
        assert (await ask(client, "session_stats"))["faults"]["tokens_this_turn"] == 1_000
