"""A model that runs in circles with this server's own tools is told what to do instead."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client

from pagefault.base.errors import LoopDetected, PageNotFound, StoreBusy
from pagefault.surface.spinning import Spinning

pytestmark = pytest.mark.anyio

Ask = Callable[..., Awaitable[dict[str, Any]]]
Refuse = Callable[..., Awaitable[str]]
Connect = Callable[..., AbstractAsyncContextManager[Client]]

HERE = {"session_id": "s"}


@pytest.fixture
async def client(connect: Connect) -> AsyncIterator[Client]:
    """A client of a server whose operator wants circles to be stopped."""
    async with connect(guards="strict") as strict:
        yield strict


async def user(ask: Ask, text: str) -> None:
    await ask("session_record", events=[{"role": "user", "content": text}], **HERE)


async def written(ask: Ask, text: str = "The river rises in April.") -> str:
    return str((await ask("page_write", content=text, **HERE))["page_id"])


async def test_the_same_fault_is_noted_at_the_third_time_and_stopped_at_the_fifth(
    ask: Ask, refuse: Refuse
) -> None:
    page = await written(ask)
    replies = [await ask("page_fault", page_id=page, **HERE) for _ in range(4)]
    assert ["notes" in reply for reply in replies] == [False, False, True, True]
    assert "page_fault was called 3 times" in replies[2]["notes"][0]
    assert len(replies[2]["notes"][0]) < 160
    refused = await refuse("page_fault", page_id=page, **HERE)
    assert refused.startswith("loop_detected: page_fault")
    assert "ask for something else, or answer" in refused


async def test_a_stopped_call_stays_stopped_until_something_new_is_done(
    ask: Ask, refuse: Refuse
) -> None:
    page = await written(ask)
    for _ in range(4):
        await ask("page_fault", page_id=page, **HERE)
    for _ in range(3):
        assert (await refuse("page_fault", page_id=page, **HERE)).startswith("loop_detected")
    await ask("page_write", content="What I found: April.", **HERE)
    assert "notes" not in await ask("page_fault", page_id=page, **HERE)


async def test_the_next_message_of_the_user_lifts_it(ask: Ask, refuse: Refuse) -> None:
    page = await written(ask)
    for _ in range(4):
        await ask("page_fault", page_id=page, **HERE)
    assert (await refuse("page_fault", page_id=page, **HERE)).startswith("loop_detected")
    await user(ask, "and now?")
    assert "notes" not in await ask("page_fault", page_id=page, **HERE)


async def test_another_session_has_its_own_count(ask: Ask) -> None:
    page = await written(ask)
    for _ in range(4):
        await ask("page_fault", page_id=page, **HERE)
    assert "notes" not in await ask("page_fault", page_id=page, session_id="other")


async def test_a_search_that_finds_the_same_each_time_is_stopped(ask: Ask, refuse: Refuse) -> None:
    await written(ask)
    replies = [await ask("search_pages", query="river", **HERE) for _ in range(4)]
    assert "notes" in replies[2]
    assert (await refuse("search_pages", query="river", **HERE)).startswith("loop_detected")
    assert (await ask("search_pages", query="April", **HERE))["results"]


async def test_searches_in_turns_are_a_circle_too(ask: Ask, refuse: Refuse) -> None:
    await written(ask)
    for _ in range(4):
        for words in ("river", "rises April"):
            await ask("search_pages", query=words, **HERE)
    assert (await refuse("search_pages", query="river", **HERE)).startswith("loop_detected")


async def test_ids_that_are_counted_up_are_answered_with_search_pages(
    ask: Ask, refuse: Refuse
) -> None:
    await written(ask)
    told = [await refuse("page_fault", page_id=f"claim_{n}", **HERE) for n in range(50, 56)]
    assert ["Do not guess ids" in text for text in told] == [False, True, True, True, True, True]
    assert [text.split(":")[0] for text in told] == ["page_not_found"] * 4 + ["loop_detected"] * 2
    assert "'claim_54' is no page, nor were 4 before it" in told[4]
    await ask("search_pages", query="river", **HERE)
    assert (await refuse("page_history", page_id="claim_60", **HERE)).startswith("page_not_found")


async def test_an_id_that_exists_is_answered_whatever_was_guessed_before_it(
    ask: Ask, refuse: Refuse
) -> None:
    page = await written(ask)
    for number in range(50, 56):
        await refuse("page_fault", page_id=f"claim_{number}", **HERE)
    assert (await ask("page_fault", page_id=page, **HERE))["page"]["page_id"] == page


async def test_a_page_that_is_waited_for_is_answered_once_it_is_there(
    ask: Ask, refuse: Refuse
) -> None:
    for _ in range(6):
        await refuse("page_fault", page_id="the-result", **HERE)
    await ask("page_write", content="ready", key="elsewhere", session_id="other")
    assert (await refuse("page_fault", page_id="the-result", **HERE)).startswith("loop_detected")
    await ask("page_write", content="ready", key="the-result", **HERE)
    assert (await ask("page_fault", page_id="the-result", **HERE))["page"]["content"] == "ready"


async def test_the_same_mistake_again_and_again_is_stopped(refuse: Refuse) -> None:
    told = [await refuse("search_pages", query="x", scope="galaxy", **HERE) for _ in range(2)]
    assert all(text.startswith("invalid_argument") for text in told)
    wrong = [await refuse("search_pages", query="x", limit=99, **HERE) for _ in range(5)]
    assert "change the call" in wrong[2]
    assert wrong[3].startswith("invalid_argument")
    assert wrong[4].startswith("loop_detected")


async def test_polling_the_ledger_is_never_a_loop(ask: Ask) -> None:
    await user(ask, "hello")
    for _ in range(20):
        assert "notes" not in await ask("session_stats", **HERE)


async def test_building_the_same_context_is_never_a_loop(ask: Ask) -> None:
    await user(ask, "hello")
    for _ in range(10):
        assert "notes" not in await ask("context_build", **HERE)


async def test_ranges_of_a_long_page_are_no_loop(ask: Ask) -> None:
    page = await written(ask, " ".join(f"word{n}" for n in range(20_000)))
    offset = 0
    for _ in range(6):
        reply = await ask("page_fault", page_id=page, offset=offset, max_tokens=400, **HERE)
        assert not any("called" in note for note in reply.get("notes", ()))
        offset = reply["next_offset"]


async def test_different_searches_and_writes_are_no_loop(ask: Ask) -> None:
    for number in range(12):
        assert "notes" not in await ask("page_write", content=f"fact {number}", **HERE)
        assert "notes" not in await ask("search_pages", query=f"fact {number}", **HERE)
    for number in range(12):
        assert "notes" not in await ask("search_pages", query=f"fact and {number}", **HERE)


async def test_repeats_with_the_same_key_are_no_loop(ask: Ask) -> None:
    for _ in range(8):
        assert "notes" not in await ask("page_write", content="once", key="k", **HERE)
    event = {"role": "assistant", "content": "once", "key": "e"}
    for _ in range(8):
        assert "notes" not in await ask("session_record", events=[event], **HERE)


async def test_a_question_longer_than_any_question_is_refused(refuse: Refuse) -> None:
    text = await refuse("search_pages", query="word " * 50_000, **HERE)
    assert text.startswith("invalid_argument: The arguments of search_pages")
    assert "fewer words" in text


# Without a server: what comes of any run of calls.


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9)), max_size=60))
def test_a_call_that_brings_something_new_is_never_stopped(calls: list[tuple[str, int]]) -> None:
    watched = Spinning(stops=True).of((1, "s"), 1)
    latest: dict[str, int] = {}
    for query, found in calls:
        asked = watched.ask("search_pages", {"query": query})
        try:
            asked.answered({"results": [found]})
        except LoopDetected:
            assert latest[query] == found
        latest[query] = found


def test_what_a_later_try_may_mend_is_not_counted() -> None:
    watched = Spinning(stops=True).of((1, "s"), 1)
    for _ in range(9):
        busy = StoreBusy("another window writes. Try again")
        assert watched.ask("page_pin", {"page_id": "claim_1"}).failed(busy) is busy
    assert busy.message == "another window writes. Try again"


def test_a_turn_begins_anew() -> None:
    spinning = Spinning(stops=True)
    for turn in range(1, 10):
        error = spinning.of((1, "s"), turn).ask("page_fault", {}).failed(PageNotFound("claim_9"))
        assert "Do not guess" not in str(error)


async def test_by_default_circles_are_noted_and_nothing_is_stopped(
    connect: Connect,
    asking: Callable[[Client], Ask],
    refusing: Callable[[Client], Refuse],
) -> None:
    async with connect() as client:
        ask, refuse = asking(client), refusing(client)
        page = await written(ask)
        replies = [await ask("page_fault", page_id=page, **HERE) for _ in range(40)]
        assert {reply["page"]["page_id"] for reply in replies} == {page}
        assert "notes" in replies[2]
        told = [await refuse("page_fault", page_id=f"claim_{n}", **HERE) for n in range(50, 60)]
        assert all(text.startswith("page_not_found: ") for text in told)
        assert "Do not guess ids" in told[2]
