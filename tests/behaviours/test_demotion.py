"""What a model is told of pages that became stubs for want of room; on every store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mcp import Client
from tests.conftest import PLACE, home
from tests.memory.making import prose

from pagefault.memory.behind import prepare
from pagefault.memory.core import Memory
from pagefault.surface.app import build_server

pytestmark = pytest.mark.anyio


async def test_every_reply_that_makes_a_page_a_stub_says_so_with_its_tokens(
    make_memory: Callable[..., Memory],
) -> None:
    memory = make_memory(budget_tokens=1_000, protect_turns=0)
    async with Client(build_server(memory, PLACE)) as client:

        async def ask(tool: str, **arguments: Any) -> dict[str, Any]:
            result = await client.call_tool(tool, {"session_id": "s", **arguments})
            assert result.structured_content is not None, result.content
            return result.structured_content

        async def ready() -> None:
            await prepare(memory, await memory.seat(await home(memory), "s"))

        def event(seed: int, tokens: int) -> dict[str, str]:
            return {"role": "assistant", "content": prose(tokens, seed)}

        await ask("session_record", events=[event(1, 400), event(2, 400)])
        await ready()
        (first,) = (await ask("session_record", events=[event(3, 300)]))["demoted"]
        assert (first["page_id"], first["level"], first["was_tokens"]) == ("msg_1", 3, 400)
        assert first["tokens"] < 100
        stats = await ask("session_stats", pages=True)
        shown = {page["page_id"]: (page["level"], page["tokens"]) for page in stats["pages"]}
        assert shown["msg_1"] == (3, first["tokens"])

        await ready()
        read = await ask("page_fault", page_id="msg_1")
        assert (read["page"]["level"], read["page"]["content"]) == (0, prose(400, 1))
        assert read["effects"]["evicted"] == []
        (second,) = read["effects"]["demoted"]
        assert (second["page_id"], second["was_tokens"]) == ("msg_2", 400)

        await ready()
        written = await ask("page_write", content=prose(400, 4))
        assert [page["page_id"] for page in written["demoted"]] == ["msg_3"]
        assert "evicted" not in written
