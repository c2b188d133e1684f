"""session_record and session_stats as a model meets them; session_start is in test_sessions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytestmark = pytest.mark.anyio

Ask = Callable[..., Awaitable[dict[str, Any]]]
Refuse = Callable[..., Awaitable[str]]

HERE = {"session_id": "s"}
FRAME = {"session_id", "workspace"}


async def test_events_come_back_in_order_with_their_ids(ask: Ask) -> None:
    recorded = await ask(
        "session_record",
        events=[
            {"role": "user", "content": "What is the weather?"},
            {
                "role": "assistant",
                "tool_calls": [{"id": "c1", "name": "weather", "arguments": {"city": "Porto"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "tool_name": "weather", "content": {"t": 21.5}},
            {"role": "assistant", "content": "21.5 degrees."},
        ],
        **HERE,
    )
    assert set(recorded) == FRAME | {"events", "tokens"}
    assert recorded["events"] == [
        {"event_id": "evt_1", "page_id": "msg_1"},
        {"event_id": "evt_2", "page_id": "msg_2"},
        {"event_id": "evt_3", "page_id": "art_1", "binding": "$v1"},
        {"event_id": "evt_4", "page_id": "msg_3"},
    ]
    assert recorded["tokens"] > 0


async def test_what_was_recorded_is_counted(ask: Ask) -> None:
    await ask(
        "session_record",
        events=[
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "hello"},
            {"role": "tool", "tool_name": "ls", "content": "a b c"},
        ],
        **HERE,
    )
    stats = await ask("session_stats", **HERE)
    named = {name: stats[name] for name in ("total_messages", "user_messages", "ai_messages")}
    assert named == {"total_messages": 2, "user_messages": 1, "ai_messages": 1}
    assert stats["tool_calls"] == 1
    assert stats["session_segments"] == 1
    usage = stats["token_usage"]
    assert usage["total"] == stats["total_tokens"] > 0
    assert {"total", "prompt", "completion", "segments"} <= set(usage)
    assert "cost" not in usage  # unknown is not zero
    assert "estimated_cost" not in stats


async def test_stats_name_the_mapped_pages_when_asked(ask: Ask) -> None:
    await ask("session_record", events=[{"role": "user", "content": "hi"}], **HERE)
    await ask("page_write", content="keep", pinned=True, **HERE)
    assert "pages" not in await ask("session_stats", **HERE)
    pages = (await ask("session_stats", pages=True, **HERE))["pages"]
    assert [page["page_id"] for page in pages] == ["claim_1", "msg_1"]  # the latest use first
    assert pages[0]["pinned"] is True
    assert set(pages[1]) == {"page_id", "level", "tokens", "idle_turns"}


async def test_stats_tell_what_is_left_of_the_turn(ask: Ask) -> None:
    await ask("session_record", events=[{"role": "user", "content": "hi"}], **HERE)
    await ask("page_evict", page_ids=["msg_1"], **HERE)
    await ask("page_fault", page_id="msg_1", **HERE)
    faults = (await ask("session_stats", **HERE))["faults"]
    assert (faults["this_turn"], faults["per_turn"], faults["total"]) == (1, 3, 1)


async def test_keys_make_a_repeated_batch_harmless(ask: Ask) -> None:
    events = [{"role": "user", "content": "once", "key": "m1"}]
    first = await ask("session_record", events=events, **HERE)
    again = await ask("session_record", events=events, **HERE)
    assert again["events"] == [first["events"][0] | {"duplicate": True}]
    assert again["tokens"] == 0
    assert (await ask("session_stats", **HERE))["total_messages"] == 1


async def test_a_batch_begins_one_turn(ask: Ask) -> None:
    both = [{"role": "user", "content": "a"}, {"role": "human", "content": "b"}]
    await ask("session_record", events=both, **HERE)
    await ask("session_record", events=both[1:], **HERE)
    assert (await ask("session_stats", **HERE))["turn"] == 2


@pytest.mark.parametrize(
    "events", ['[{"role": "user", "content": "hi"}]', {"role": "user", "content": "hi"}]
)
async def test_events_sent_as_a_string_or_alone_are_recorded(ask: Ask, events: object) -> None:
    assert len((await ask("session_record", events=events, **HERE))["events"]) == 1


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({}, "events[1].role"),
        ({"role": "narrator", "content": "x"}, "'narrator'"),
        ({"role": "user"}, "events[1] is empty"),
        ({"role": "user", "content": "x", "created_at": "yesterday"}, "ISO 8601"),
        ({"role": "user", "content": "x", "key": "k" * 129}, "at most 128"),
        ({"role": "user", "content": "x", "usage": {"prompt_tokens": -1}}, "usage.prompt"),
        ("just text", "events.1"),
    ],
)
async def test_one_wrong_event_refuses_the_batch_and_names_its_place(
    ask: Ask, refuse: Refuse, event: object, words: str
) -> None:
    text = await refuse(
        "session_record", events=[{"role": "user", "content": "fine"}, event], **HERE
    )
    assert text.startswith("invalid_argument: ")
    assert words in text
    assert (await ask("session_stats", **HERE))["total_messages"] == 0


@pytest.mark.parametrize("number", [0, 1_001])
async def test_a_batch_holds_1_to_1000_events(refuse: Refuse, number: int) -> None:
    events = [{"role": "user", "content": "x"}] * number
    text = await refuse("session_record", events=events, **HERE)
    assert text.startswith(f"invalid_argument: events holds {number}")


async def test_an_argument_that_no_tool_has_is_ignored_and_told(ask: Ask) -> None:
    reply = await ask("page_write", content="x", pageId="claim_7", **{"\ud83d": 1}, **HERE)
    (note,) = reply["notes"]
    assert note.startswith("ignored: pageId")
    assert "page_id" in note
    started = await ask("session_start", sessionId="s")
    assert started["notes"][0].startswith("ignored: sessionId")
