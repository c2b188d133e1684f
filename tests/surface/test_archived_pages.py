"""Archived pages as a model meets them: nothing that it reads is missing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from mcp import Client
from tests.conftest import PLACE, HandClock, home
from tests.surface.conftest import reply_of

from pagefault.memory.archiving import archive, survey
from pagefault.memory.core import Memory
from pagefault.surface.app import build_server

pytestmark = pytest.mark.anyio

SAID = "The bridge over the river was closed in April, and opened again in June."
HERE = {"session_id": "s"}


class Asking:
    """A client, and the memory that it asks."""

    def __init__(self, client: Client, memory: Memory) -> None:
        self._client = client
        self._memory = memory

    async def __call__(self, tool: str, **arguments: Any) -> dict[str, Any]:
        return reply_of(await self._client.call_tool(tool, {**HERE, **arguments}))

    async def health(self) -> dict[str, Any]:
        found = await self._client.read_resource("memory://health")
        shown: dict[str, Any] = json.loads(getattr(found.contents[0], "text", ""))
        return shown

    async def archive_all(self) -> int:
        """Archive whatever may be; how many pages that is."""
        await self._memory.flush()
        workspace = await home(self._memory)
        unused = await survey(self._memory, workspace, self._memory.now() + 1)
        return len((await archive(self._memory, workspace, unused)).page_ids)


@pytest.fixture
async def ask(make_memory: Callable[..., Memory], clock: HandClock) -> AsyncIterator[Asking]:
    """A conversation of two pages, the first of which is archived."""
    memory = make_memory()
    async with Client(build_server(memory, PLACE)) as client:
        asking = Asking(client, memory)
        for text in (SAID, "And the ferry?"):
            await asking("session_record", events=[{"role": "user", "content": text}])
        await asking("page_evict", page_ids=["msg_1"])
        clock.advance(60.0)
        assert await asking.archive_all() == 1
        yield asking


async def test_a_fault_gives_the_page_and_it_is_archived_no_longer(ask: Asking) -> None:
    assert (await ask("session_stats"))["archived_pages"] == 1
    found = await ask("page_fault", page_id="msg_1")
    assert found["page"]["content"] == SAID
    assert found["effects"]["mapped"] is True
    assert "archived_pages" not in await ask("session_stats")


async def test_a_search_finds_it_behind_the_others(ask: Asking) -> None:
    await ask("page_write", content="a river in another country")
    found = await ask("search_pages", query="river bridge")
    assert [hit["page_id"] for hit in found["results"]] == ["claim_1", "msg_1"]
    assert "river" in found["results"][1]["snippet"]


async def test_its_history_says_when_it_was_archived_and_reads_its_text(ask: Asking) -> None:
    past = await ask("page_history", page_id="msg_1")
    assert past["log"][-1]["kind"] == "archive"
    assert (await ask("page_history", page_id="msg_1", version=1))["content"] == SAID


async def test_a_message_that_names_it_has_it_mapped(ask: Asking) -> None:
    built = await ask("context_build", message="What did msg_1 say?")
    assert "msg_1" in built["pages"]
    assert SAID in built["developer_message"]
    assert "archived_pages" not in await ask("session_stats")


async def test_the_manifest_offers_it_only_when_it_is_archived_no_longer(ask: Asking) -> None:
    assert '"page_id":"msg_1"' not in (await ask("context_build"))["developer_message"]
    await ask("page_fault", page_id="msg_1")
    await ask("page_evict", page_ids=["msg_1"])
    assert '"page_id":"msg_1"' in (await ask("context_build"))["developer_message"]
    assert await ask.archive_all() == 1
    assert '"page_id":"msg_1"' not in (await ask("context_build"))["developer_message"]


async def test_health_counts_it_and_finds_nothing_wrong(ask: Asking) -> None:
    shown = await ask.health()
    assert (shown["status"], shown["archived"], shown["pages"]) == ("ok", 1, 2)
