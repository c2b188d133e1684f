"""Replies are short: at most --reply-tokens, counted on the text block, whatever is asked for."""

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
Tokens = Callable[[dict[str, Any]], int]
Connect = Callable[..., AbstractAsyncContextManager[Client]]

HERE = {"session_id": "s"}
REPLY, FAULT = 10_000, 8_000

count = Estimate().count

# What is long in different ways: words, no spaces, escapes that double, signs that cost most.
LONG = {
    "english": "The river rises in April and falls in June. " * 1_500,
    "chinese": "那只鹭在河边站了很久。" * 2_500,
    "quotes": '"\\' * 10_000,
    "control": "\x01\x02" * 3_000,
    "one word": "x" * 120_000,
    "newlines": "\n" * 20_000,
    "emoji": "🦓🏽" * 5_000,
    "hieroglyphs": "𓀀𓁐𓂀" * 3_000,
    "plain, then escaped": "word " * 6_000 + "\x00" * 3_000,
}


async def read_whole(ask: Ask, tokens: Tokens, limit: int, **arguments: Any) -> str:
    """Everything that a tool gives in ranges; each reply within its limit and not much smaller."""
    read, offset = "", 0
    while True:
        part = await ask(offset=offset, **arguments, **HERE)
        size = tokens(part)
        assert size <= limit
        inside = part.get("page", part)
        text: str = inside.get("content") or part["diff"]
        read += text
        if "next_offset" not in part:
            return read
        assert size > limit * 0.8, "a range is cut far below what a reply may hold"
        assert part["next_offset"] == len(read)
        offset = part["next_offset"]


@pytest.mark.parametrize("kind", LONG)
async def test_a_long_page_is_faulted_in_ranges(ask: Ask, tokens: Tokens, kind: str) -> None:
    await ask("page_write", content=LONG[kind], **HERE)
    read = await read_whole(ask, tokens, FAULT, tool="page_fault", page_id="claim_1")
    assert read == LONG[kind]


@pytest.mark.parametrize("kind", ["english", "quotes", "hieroglyphs"])
async def test_a_long_old_version_comes_in_ranges(ask: Ask, tokens: Tokens, kind: str) -> None:
    await ask("page_write", content=LONG[kind], **HERE)
    read = await read_whole(ask, tokens, REPLY, tool="page_history", page_id="claim_1", version=1)
    assert read == LONG[kind]


async def test_a_long_difference_comes_in_ranges(ask: Ask, tokens: Tokens) -> None:
    await ask("page_write", content="\n".join(f"line {n}" for n in range(3_000)), **HERE)
    await ask(
        "page_write", content="\n".join(f"row {n}" for n in range(3_000)), page_id="claim_1", **HERE
    )
    read = await read_whole(ask, tokens, REPLY, tool="page_history", page_id="claim_1", diff=1)
    assert read.splitlines()[-1] == "+row 2999"
    assert "-line 0" in read.splitlines()


async def test_a_long_history_shows_its_end_and_says_so(ask: Ask, tokens: Tokens) -> None:
    for number in range(60):
        page = {"page_id": "claim_1"} if number else {}
        await ask("page_write", content=f"state {number}", **page, **HERE)
    past = await ask("page_history", page_id="claim_1", **HERE)
    assert tokens(past) <= REPLY
    assert past["versions"][-1]["version"] == 60
    assert "60" in past["notes"][0]


async def test_results_end_where_the_reply_is_full_and_next_goes_on(
    connect: Connect, asking: Callable[[Client], Ask], tokens: Tokens
) -> None:
    async with connect(reply_tokens=2_000) as client:
        ask = asking(client)
        await many(ask, 60, "苍鹭站在河边等鱼 heron " * 12)
        seen: list[str] = []
        offset = 0
        while True:
            found = await ask("search_pages", query="heron", limit=50, offset=offset, **HERE)
            assert tokens(found) <= 2_000
            seen += [hit["page_id"] for hit in found["results"]]
            if "next" not in found:
                break
            assert found["next"] == len(seen)
            offset = found["next"]
        assert len(seen) == len(set(seen)) == 60


async def many(ask: Ask, number: int, content: str = "x") -> list[str]:
    """That many small pages of the session, a batch at a time."""
    made: list[str] = []
    while len(made) < number:
        size = min(1_000, number - len(made))
        events = [{"role": "user", "content": content} for _ in range(size)]
        recorded = await ask("session_record", events=events, **HERE)
        made += [event["page_id"] for event in recorded["events"]]
        if len(recorded["events"]) < size:  # the reply named some of them
            made += ["?"] * (size - len(recorded["events"]))
    return made


async def test_a_batch_of_1000_events_is_answered_with_as_many_ids_as_fit(
    ask: Ask, tokens: Tokens
) -> None:
    events = [{"role": "user", "content": f"line {n}", "key": f"k{n}"} for n in range(1_000)]
    for _ in range(2):  # the second time all of them are duplicates
        recorded = await ask("session_record", events=events, **HERE)
        assert tokens(recorded) <= REPLY
        shown = recorded["events"]
        assert [event["event_id"] for event in shown] == [f"evt_{n + 1}" for n in range(len(shown))]
        assert len(shown) > 300
        assert "of 1,000" in recorded["notes"][0]
    assert (await ask("session_stats", **HERE))["total_messages"] == 1_000


async def test_thousands_of_mapped_pages_are_counted_and_the_latest_named(
    ask: Ask, tokens: Tokens
) -> None:
    await many(ask, 2_000)
    stats = await ask("session_stats", pages=True, **HERE)
    assert tokens(stats) <= REPLY
    assert stats["working_set"]["pages"] == 2_000
    assert stats["pages"][0]["page_id"] == "msg_2000"
    assert "of 2,000" in stats["notes"][0]
    started = await ask("session_start", **HERE)
    assert tokens(started) <= 1_000
    assert started["resume"]["mapped"][0] == "msg_2000"


async def test_a_context_of_thousands_of_pages_fits_a_reply(ask: Ask, tokens: Tokens) -> None:
    await many(ask, 2_000, "a word")
    built = await ask("context_build", **HERE)
    assert tokens(built) <= REPLY
    assert count(built["developer_message"]) == built["tokens"]
    assert tokens(built) > REPLY * 0.9
    assert "omitted" in built["notes"][0]
    messages = await ask("context_build", format="openai_chat", **HERE)
    assert tokens(messages) <= REPLY
    assert messages["messages"]


@pytest.mark.parametrize("kind", LONG)
async def test_a_context_of_long_pages_fits_a_reply(ask: Ask, tokens: Tokens, kind: str) -> None:
    for _ in range(3):
        await ask("page_write", content=LONG[kind][:12_000], **HERE)
    for arguments in ({}, {"budget_tokens": 1_000}, {"mode": "passive"}, {"format": "anthropic"}):
        assert tokens(await ask("context_build", **arguments, **HERE)) <= REPLY


async def test_what_a_large_page_drives_out_is_named_in_part(
    connect: Connect, asking: Callable[[Client], Ask], tokens: Tokens
) -> None:
    async with connect(budget_tokens=4_000, protect_turns=0) as client:
        ask = asking(client)
        await many(ask, 1_000)
        written = await ask("page_write", content="word " * 3_800, **HERE)
        assert tokens(written) <= 1_000
        assert len(written["evicted"]) == 50
        assert written["notes"][0].startswith("evicted: 50 of ")
        await ask("page_evict", page_ids=["claim_1"], **HERE)
        await many(ask, 1_000)
        fault = await ask("page_fault", page_id="claim_1", **HERE)
        assert tokens(fault) <= FAULT
        assert len(fault["effects"]["evicted"]) == 50


async def test_releasing_or_forgetting_thousands_of_pages_is_a_short_reply(
    ask: Ask, tokens: Tokens
) -> None:
    await many(ask, 2_000)
    ids = [f"msg_{number}" for number in range(1, 2_001)]
    gone = await ask("page_evict", page_ids=ids, **HERE)
    assert tokens(gone) <= REPLY
    assert "of 2,000" in gone["notes"][0]
    assert (await ask("session_stats", **HERE))["working_set"]["pages"] == 0
    derived = await ask("page_write", content="all of it", derived_from=ids, **HERE)
    fault = await ask("page_fault", page_id=derived["page_id"], **HERE)
    assert tokens(fault) <= 1_000
    assert len(fault["page"]["derived_from"]) == 50


async def test_long_names_and_titles_are_shortened(ask: Ask, tokens: Tokens) -> None:
    for number in range(7):
        await ask("session_start", session_id=f"t{number}", title="鹭" * 200)
    await ask("page_write", content="heron", name="鹭" * 200, **HERE)
    for tool, arguments in (
        ("session_start", {}),
        ("session_start", {"session_id": "t1"}),
        ("session_stats", {"session_id": "t1"}),
        ("page_fault", {"page_id": "claim_1"}),
        ("search_pages", {"query": "heron"}),
        ("page_history", {"page_id": "claim_1"}),
    ):
        assert tokens(await ask(tool, **(HERE | arguments))) < 2_000


async def test_the_smallest_limit_holds_too(
    connect: Connect, asking: Callable[[Client], Ask], tokens: Tokens
) -> None:
    async with connect(reply_tokens=500, fault_reply_tokens=300) as client:
        ask = asking(client)
        await many(ask, 100, "heron " * 20)
        await ask("page_write", content="heron " * 5_000, pinned=False, **HERE)
        for tool, arguments, limit in (
            ("page_fault", {"page_id": "claim_1"}, 300),
            ("page_history", {"page_id": "msg_1"}, 500),
            ("page_history", {"page_id": "claim_1", "version": 1}, 500),
            ("search_pages", {"query": "heron", "limit": 50}, 500),
            ("session_stats", {"pages": True}, 500),
            ("context_build", {"mode": "passive"}, 500),
            ("session_start", {}, 500),
            ("page_evict", {"page_ids": [f"msg_{n}" for n in range(1, 101)]}, 500),
        ):
            assert tokens(await ask(tool, **arguments, **HERE)) <= limit, tool


async def test_small_replies_are_small(ask: Ask) -> None:
    """What each call costs a conversation, in characters: everybody pays for more of them."""
    spent = {}
    for tool, arguments in (
        ("session_start", {}),
        ("session_record", {"events": [{"role": "user", "content": "hello"}]}),
        ("page_write", {"content": "hello"}),
        ("page_fault", {"page_id": "claim_1"}),
        ("search_pages", {"query": "hello", "limit": 1}),
        ("session_stats", {}),
    ):
        reply = await ask(tool, **arguments, **HERE)
        spent[tool] = len(json.dumps(reply, separators=(",", ":")))
    assert spent["session_record"] < 130
    assert spent["page_write"] < 100
    assert spent["session_start"] < 130
    assert spent["page_fault"] < 420
    assert spent["search_pages"] < 260
    assert spent["session_stats"] < 560
