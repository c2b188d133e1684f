"""Ids that complete while a person types them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import mcp.types as types
import pytest
from mcp import Client

from pagefault.memory import Memory
from pagefault.surface.app import build_server
from pagefault.surface.door import Place

pytestmark = pytest.mark.anyio

Ask = Callable[..., Awaitable[dict[str, Any]]]
Connect = Callable[..., AbstractAsyncContextManager[Client]]
Serve = Callable[..., AbstractAsyncContextManager[str]]
Visit = Callable[..., AbstractAsyncContextManager[Client]]
MakeMemory = Callable[..., Memory]
Reference = types.ResourceTemplateReference | types.PromptReference

PAGES = types.ResourceTemplateReference(uri="memory://pages/{page_id}{?level,version}")
SESSIONS = types.ResourceTemplateReference(uri="memory://sessions/{session_id}")
RULES = types.ResourceTemplateReference(uri="memory://rules/{mode}")
RESUME = types.PromptReference(name="resume")


async def completed(
    client: Client, reference: Reference, name: str, value: str
) -> types.Completion:
    return (await client.complete(reference, {"name": name, "value": value})).completion


async def values(client: Client, reference: Reference, name: str, value: str) -> list[str]:
    return (await completed(client, reference, name, value)).values


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_page_ids_complete_newest_first(
    connect: Connect, asking: Callable[[Client], Ask], mode: str
) -> None:
    async with connect(mode=mode) as client:
        for page_type in ("claim", "claim", "summary"):
            await asking(client)("page_write", content="x", page_type=page_type)
        assert await values(client, PAGES, "page_id", "cl") == ["claim_2", "claim_1"]
        assert await values(client, PAGES, "page_id", "claim_1") == ["claim_1"]
        assert len(await values(client, PAGES, "page_id", "")) == 3


async def test_what_is_typed_is_no_pattern(client: Client, ask: Ask) -> None:
    await ask("page_write", content="x")
    for typed in ("claim%", "%", "_", "clai__", "*", "'", "\x00"):
        assert await values(client, PAGES, "page_id", typed) == []


async def test_a_forgotten_page_completes_no_more(client: Client, ask: Ask) -> None:
    await ask("page_write", content="x")
    await ask("page_forget", page_id="claim_1", reason="asked")
    assert await values(client, PAGES, "page_id", "claim") == []


async def test_sessions_complete_for_resources_and_prompts(client: Client, ask: Ask) -> None:
    for session in ("talk-1", "talk-2", "other"):
        await ask("session_start", session_id=session)
    for reference in (SESSIONS, RESUME):
        assert set(await values(client, reference, "session_id", "talk")) == {"talk-1", "talk-2"}


async def test_modes_and_styles_complete(client: Client) -> None:
    assert await values(client, RULES, "mode", "") == ["strict", "relaxed", "passive"]
    rules = types.PromptReference(name="memory_rules")
    assert await values(client, rules, "mode", "str") == ["strict"]
    summary = types.PromptReference(name="summarise_segment")
    assert "topics" in await values(client, summary, "style", "")


async def test_at_most_100_come_and_the_rest_is_announced(client: Client, ask: Ask) -> None:
    events = [{"role": "user", "content": "x"} for _ in range(120)]
    await ask("session_record", events=events)
    found = await completed(client, PAGES, "page_id", "msg_")
    assert len(found.values) == 100
    assert found.has_more is True
    few = await completed(client, PAGES, "page_id", "msg_12")
    assert (few.total, few.has_more) == (2, False)


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        (PAGES, "no_such_argument"),
        (PAGES, "level"),
        (types.ResourceTemplateReference(uri="test://nothing/{id}"), "id"),
        (types.PromptReference(name="no_such_prompt"), "topic"),
        (types.PromptReference(name="recall"), "topic"),
    ],
)
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_what_is_not_known_completes_to_nothing(
    connect: Connect, mode: str, reference: Reference, name: str
) -> None:
    async with connect(mode=mode) as client:
        assert await values(client, reference, name, "x" * 5_000) == []


async def test_without_a_store_nothing_completes(connect: Connect, tmp_path: Path) -> None:
    async with connect(url=str(tmp_path)) as client:  # a folder is no data file
        assert await values(client, PAGES, "page_id", "") == []


async def test_nobody_completes_another_principals_ids(
    make_memory: MakeMemory,
    serve: Serve,
    visit: Visit,
    token_file: Path,
    asking: Callable[[Client], Ask],
) -> None:
    server = build_server(make_memory(), Place("", "default", None, "estimate"))
    async with (
        serve(server, token_file) as url,
        visit(url, "ann-1") as ann,
        visit(url, "ben-1") as ben,
    ):
        await asking(ann)("page_write", content="x", session_id="anns")
        assert await values(ann, PAGES, "page_id", "") == ["claim_1"]
        assert await values(ben, PAGES, "page_id", "") == []
        assert await values(ben, SESSIONS, "session_id", "") == []
