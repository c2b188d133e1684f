"""Sessions: opening, resuming, recording, counting, and when turns begin."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from tests.conftest import HandClock, home
from tests.memory.making import (
    MakeMemory,
    count,
    drop,
    keep,
    level_of,
    mapped,
    page_of,
    prose,
    recall,
    say,
    seated,
    tell,
)

from pagefault.base.errors import InvalidArgument, SessionNotFound
from pagefault.base.log import EventAdded, LogLine, TurnBegan
from pagefault.base.page import Trust
from pagefault.ledger import (
    BATCH,
    STANDING,
    Started,
    StartRequest,
    check_handle,
    record,
    start,
)
from pagefault.memory.core import Memory
from pagefault.memory.keeping import pin
from pagefault.paging.eviction import POLICIES
from pagefault.residency import Residency

pytestmark = pytest.mark.anyio


async def opened(memory: Memory, seat: Residency, **wanted: Any) -> Started:
    return await start(memory, seat.workspace, StartRequest(**wanted))


async def events_of(memory: Memory, seat: Residency) -> list[EventAdded]:
    lines = await memory.store.events(seat.workspace, seat.row.id, 0, 1_000)
    return [line.operation for line in lines if isinstance(line.operation, EventAdded)]


async def log_of(memory: Memory, seat: Residency) -> list[LogLine]:
    await memory.flush()
    return await memory.store.log(seat.workspace, 0, 1_000, session=seat.row.id)


# --- opening -----------------------------------------------------------------------------------


async def test_a_new_session_gets_a_minted_handle_and_what_it_was_given(
    memory: Memory, seat: Residency
) -> None:
    started = await opened(memory, seat, title="Ports", model="gpt-4o", budget=5_000, mode="strict")
    row = started.seat.row
    assert not started.resumed
    assert row.id.startswith("s_")
    assert (row.title, row.model, row.budget, row.mode) == ("Ports", "gpt-4o", 5_000, "strict")
    assert started.seat.set.budget == 5_000
    assert (await memory.store.session(seat.workspace, row.id)) == row


async def test_two_new_sessions_are_two(memory: Memory, seat: Residency) -> None:
    first, second = await opened(memory, seat), await opened(memory, seat)
    assert first.seat.row.id != second.seat.row.id


async def test_a_handle_of_ones_own_is_created_and_then_resumed(
    memory: Memory, seat: Residency
) -> None:
    assert not (await opened(memory, seat, session_id="my-talk.1")).resumed
    again = await opened(memory, seat, session_id="my-talk.1")
    assert again.resumed
    assert again.seat.row.id == "my-talk.1"


async def test_a_title_never_resumes(memory: Memory, seat: Residency) -> None:
    first = await opened(memory, seat, title="Ports")
    second = await opened(memory, seat, title="Ports")
    assert not second.resumed
    assert first.seat.row.id != second.seat.row.id


async def test_resuming_with_settings_changes_those_and_no_others(
    memory: Memory, seat: Residency
) -> None:
    await opened(memory, seat, session_id="a", title="Ports", mode="strict")
    again = await opened(memory, seat, session_id="a", title="Harbours")
    assert (again.seat.row.title, again.seat.row.mode) == ("Harbours", "strict")


async def test_a_session_has_the_eviction_policy_that_it_named_from_then_on(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory, budget_tokens=500, protect_turns=0) as (memory, seat):
        claim = await keep(memory, seat, prose(100))
        pages = [await say(memory, seat, prose(100, number)) for number in range(4)]
        started = await opened(memory, seat, session_id=seat.row.id, policy="lru")
        assert (started.seat.row.policy, started.seat.set.policy) == ("lru", POLICIES["lru"])
        last = await say(memory, seat, prose(100, 9))
        assert mapped(seat) == [*pages, last]  # the claim was used least lately of all
        await recall(memory, seat, claim)
        await opened(memory, seat, session_id=seat.row.id, policy="default")
        await say(memory, seat, prose(100, 10))
        assert claim in mapped(seat)


async def test_a_policy_outlives_a_restart(make_memory: MakeMemory, store_url: str) -> None:
    if store_url == "sqlite://:memory:":
        pytest.skip("a store in memory does not outlive its process")
    async with seated(make_memory) as (memory, seat):
        await opened(memory, seat, session_id="s1", policy="cost")
    async with seated(make_memory) as (_, seat):
        assert seat.set.policy is POLICIES["cost"]


async def test_a_policy_that_another_server_names_holds_here_too(
    make_memory: MakeMemory, store_url: str
) -> None:
    if store_url == "sqlite://:memory:":
        pytest.skip("a store in memory has one process")
    async with seated(make_memory) as (one, seat), make_memory() as two:
        await start(two, await home(two), StartRequest("s1", policy="lru"))
        assert (await one.seat(seat.workspace, "s1")).set.policy is POLICIES["lru"]


async def test_a_smaller_budget_lets_go_of_what_no_longer_fits(
    memory: Memory, seat: Residency
) -> None:
    for number in range(4):
        await say(memory, seat, prose(100, number))
    again = await opened(memory, seat, session_id="s1", budget=250)
    assert again.seat.set.budget == 250
    assert again.resume.mapped == ("msg_3", "msg_4")
    await memory.flush()
    residents = await memory.store.residents(seat.workspace, "s1")
    assert [one.page_id for one in residents if one.level is not None] == ["msg_3", "msg_4"]


@pytest.mark.parametrize("store_url", ["file"], indirect=True)
async def test_a_servers_smaller_budget_holds_for_sessions_from_before(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory) as (memory, seat):
        for number in range(4):
            await say(memory, seat, prose(100, number))
    async with seated(make_memory, budget_tokens=250) as (memory, seat):
        assert mapped(seat) == ["msg_3", "msg_4"]
        assert seat.set.used <= 250


@pytest.mark.parametrize("latest", ["a", "b", STANDING])
async def test_last_resumes_the_session_that_was_active_last(
    memory: Memory, seat: Residency, clock: HandClock, latest: str
) -> None:
    for name in ("a", "b", STANDING, latest):
        clock.advance(10)
        await say(memory, await memory.seat(seat.workspace, name), "hello")
    again = await opened(memory, seat, session_id="last")
    assert again.resumed
    assert again.seat.row.id == latest


async def test_last_of_nothing_is_a_new_session_and_says_so(
    memory: Memory, seat: Residency
) -> None:
    started = await opened(memory, seat, session_id="last")
    assert not started.resumed
    assert started.notes == ("no earlier session in this workspace: this one is new",)
    assert started.seat.row.id != "last"


async def test_a_resume_brings_pins_last_summary_and_what_is_mapped(
    memory: Memory, seat: Residency
) -> None:
    rule = await say(memory, seat, "Answer in French.")
    other = await say(memory, seat, "hello")
    await pin(memory, seat, rule, pinned=True, turns=None)
    await keep(memory, seat, "They met.", page_type="summary")
    summary = await keep(memory, seat, "They met again.", page_type="summary")
    gone = await say(memory, seat, "passing")
    await drop(memory, seat, gone)
    resume = (await opened(memory, seat, session_id="s1")).resume
    assert resume.pins == (rule,)
    assert resume.summary == (summary, "They met again.")
    assert set(resume.mapped) == {rule, other, summary, "sum_1"}


async def test_the_five_latest_other_sessions_are_listed_latest_first(
    memory: Memory, seat: Residency, clock: HandClock
) -> None:
    for name in "abcdefg":
        clock.advance(10)
        await opened(memory, seat, session_id=name)
    others = (await opened(memory, seat, session_id="f")).others
    assert [other.id for other in others] == ["g", "e", "d", "c", "b"]


async def test_a_child_names_its_parent(memory: Memory, seat: Residency) -> None:
    await opened(memory, seat, session_id="parent")
    child = await opened(memory, seat, session_id="child", parent_id="parent")
    assert child.seat.row.parent == "parent"


@pytest.mark.parametrize(
    ("wanted", "kind", "message"),
    [
        ({"session_id": "no spaces"}, SessionNotFound, "'no spaces' cannot be a session"),
        ({"session_id": ""}, SessionNotFound, "cannot be a session"),
        ({"session_id": "x" * 129}, SessionNotFound, "1 to 128 letters"),
        ({"parent_id": "nobody"}, SessionNotFound, "parent_id 'nobody' is no session"),
        ({"budget": 99}, InvalidArgument, "budget_tokens is 99: give 100 to 10,000,000"),
        ({"budget": 10_000_001}, InvalidArgument, "budget_tokens is 10000001"),
        ({"mode": "loose"}, InvalidArgument, "mode is 'loose': use one of strict"),
        ({"policy": "fifo"}, InvalidArgument, "policy is 'fifo': use one of importance, lru, cost"),
        ({"policy": "os:system"}, InvalidArgument, "set by the operator alone"),
        ({"title": "t" * 201}, InvalidArgument, "title has 201 characters: use at most 200"),
    ],
)
async def test_a_session_that_cannot_be_opened_is_refused_and_not_made(
    memory: Memory, seat: Residency, wanted: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        await opened(memory, seat, **wanted)
    assert await memory.store.sessions(seat.workspace, 10) == []


@pytest.mark.parametrize("handle", ["a", "A.b-c_9", "x" * 128])
def test_a_handle_is_of_letters_digits_and_three_signs(handle: str) -> None:
    assert check_handle(handle) == handle


@pytest.mark.parametrize("handle", ["", "a b", "a/b", "ä", "a\n", "x" * 129])
def test_anything_else_is_no_handle(handle: str) -> None:
    with pytest.raises(SessionNotFound):
        check_handle(handle)


async def test_a_title_with_half_a_character_is_kept_whole(memory: Memory, seat: Residency) -> None:
    assert (await opened(memory, seat, title="a\ud800b")).seat.row.title == "a\ufffdb"


# --- recording ---------------------------------------------------------------------------------


async def test_each_event_makes_a_page_of_its_kind_in_order(
    memory: Memory, seat: Residency
) -> None:
    events = await tell(
        memory,
        seat,
        {"role": "user", "content": "What is 6*7?"},
        {"role": "assistant", "content": "I ask.", "model": "gpt-4o", "provider": "openai"},
        {"role": "tool", "tool_name": "calc", "content": "42", "arguments": {"x": "6*7"}},
        {"role": "system", "content": "Be brief."},
    )
    assert [event.event_id for event in events] == ["evt_1", "evt_2", "evt_3", "evt_4"]
    assert [event.page_id for event in events] == ["msg_1", "msg_2", "art_1", "msg_3"]
    pages = [await page_of(memory, seat, str(event.page_id)) for event in events]
    assert [(page.role, page.page_type) for page in pages] == [
        ("user", "transcript"),
        ("assistant", "transcript"),
        ("tool", "artifact"),
        ("system", "transcript"),
    ]
    assert [page.trust for page in pages] == [Trust.HIGH, Trust.MEDIUM, Trust.LOW, Trust.HIGH]
    assert pages[2].tool_name == "calc"
    assert mapped(seat) == ["msg_1", "msg_2", "art_1", "msg_3"]


async def test_what_was_recorded_reads_back_as_it_was(memory: Memory, seat: Residency) -> None:
    text, value = "  naïve\ttext \r\n", {"b": [1, 2.5, None], "a": "ж"}
    await tell(
        memory,
        seat,
        {"role": "user", "content": text, "name": "Ada", "created_at": "2025-05-05T05:05:05Z"},
        {"role": "tool", "content": value, "tool_name": "f", "arguments": value},
    )
    first, second = await events_of(memory, seat)
    assert (first.name, first.created_at) == ("Ada", 1_746_421_505.0)
    assert (await recall(memory, seat, "msg_1")).text == text
    assert json.loads((await recall(memory, seat, "art_1")).text) == value
    assert second.payload is not None
    kept = await memory.payload(seat.workspace, second.payload)
    assert json.loads(str(kept)) == {"arguments": value}


async def test_an_event_that_is_wrong_leaves_the_whole_batch_unrecorded(
    memory: Memory, seat: Residency
) -> None:
    with pytest.raises(InvalidArgument, match=r"events\[1\]\.role is 'robot'"):
        await tell(
            memory,
            seat,
            {"role": "user", "content": "one"},
            {"role": "robot", "content": "two"},
        )
    assert await memory.store.session(seat.workspace, "s1") is None
    assert (seat.turn, mapped(seat)) == (0, [])


@pytest.mark.parametrize("size", [0, BATCH + 1])
async def test_a_batch_has_one_to_a_thousand_events(
    memory: Memory, seat: Residency, size: int
) -> None:
    with pytest.raises(InvalidArgument, match=f"events holds {size}: record 1 to 1000 at a time"):
        await record(memory, seat, [{"role": "user", "content": "x"}] * size)


async def test_a_full_batch_is_recorded(memory: Memory, seat: Residency) -> None:
    events = [{"role": "user", "content": f"message {number}"} for number in range(BATCH)]
    done = await record(memory, seat, events)
    assert done.events[-1].page_id == f"msg_{BATCH}"
    assert seat.row.messages == BATCH
    assert seat.turn == 1


async def test_a_batch_larger_than_the_working_set_leaves_its_newest_mapped(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory, budget_tokens=500) as (memory, seat):
        events = [{"role": "user", "content": prose(100, number)} for number in range(12)]
        done = await record(memory, seat, events)
        assert mapped(seat) == [f"msg_{number}" for number in range(8, 13)]
        assert done.tokens == 1_200
        assert done.yielded.evicted == [f"msg_{number}" for number in range(1, 8)]


async def test_a_message_larger_than_the_working_set_is_mapped_at_the_level_that_fits(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory, budget_tokens=500) as (memory, seat):
        page_id = await say(memory, seat, prose(501))
        assert level_of(seat, page_id) == 1
        assert 200 < seat.set.used <= 500


async def test_imported_events_are_kept_and_not_mapped_and_not_trusted(
    memory: Memory, seat: Residency
) -> None:
    events = [{"role": "user", "content": "long ago"}, {"role": "assistant", "content": "yes"}]
    await record(memory, seat, events, imported=True)
    assert mapped(seat) == []
    page = await page_of(memory, seat, "msg_1")
    assert (page.source, page.trust) == ("import", Trust.LOW)


async def test_a_call_without_words_is_an_event_whose_calls_are_its_page(
    memory: Memory, seat: Residency
) -> None:
    calls = [{"id": "c1", "function": {"name": "f", "arguments": "{}"}}]
    (event,) = await tell(memory, seat, {"role": "assistant", "content": "", "tool_calls": calls})
    page = await page_of(memory, seat, str(event.page_id))
    assert (page.page_type, page.modality) == ("transcript", "structured")


# --- keys --------------------------------------------------------------------------------------


async def test_a_repeated_key_gives_the_first_ids_and_counts_nothing(
    memory: Memory, seat: Residency
) -> None:
    event = {"role": "user", "content": "hello", "key": "k1"}
    (first,) = await tell(memory, seat, event)
    again = await record(memory, seat, [event, {"role": "assistant", "content": "hi"}])
    assert (again.events[0].event_id, again.events[0].page_id) == (first.event_id, first.page_id)
    assert [one.duplicate for one in again.events] == [True, False]
    assert again.tokens == count("hi")
    assert (seat.row.messages, seat.row.user_messages, seat.turn) == (2, 1, 1)
    assert again.events[1].page_id == "msg_2"


async def test_a_key_repeated_inside_a_batch_is_one_event(memory: Memory, seat: Residency) -> None:
    event = {"role": "user", "content": "hello", "key": "k1"}
    first, second = await tell(memory, seat, event, event)
    assert (first.page_id, second.page_id) == ("msg_1", "msg_1")
    assert (first.duplicate, second.duplicate) == (False, True)
    assert mapped(seat) == ["msg_1"]


async def test_a_batch_sent_again_with_more_in_it_adds_what_is_new_and_begins_its_turn(
    memory: Memory, seat: Residency
) -> None:
    old = {"role": "user", "content": "hello", "key": "k1"}
    new = {"role": "user", "content": "and now?", "key": "k2"}
    await tell(memory, seat, old)
    events = await tell(memory, seat, old, new)
    assert [event.page_id for event in events] == ["msg_1", "msg_2"]
    assert seat.turn == 2
    await tell(memory, seat, old, new)
    assert seat.turn == 2


async def test_a_record_cut_off_and_sent_again_at_once_is_recorded_once(
    memory: Memory, seat: Residency
) -> None:
    event = {"role": "user", "content": "hello", "key": "k1"}
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(record, memory, seat, [event])
    assert len(await events_of(memory, seat)) == 1
    assert (seat.row.messages, seat.turn, mapped(seat)) == (1, 1, ["msg_1"])


# --- counting ----------------------------------------------------------------------------------


async def test_messages_calls_and_tokens_are_counted(memory: Memory, seat: Residency) -> None:
    asked, said, result = prose(30, 1), prose(20, 2), prose(10, 3)
    await say(memory, seat, asked)
    await say(memory, seat, said, role="assistant")
    await say(memory, seat, result, role="tool", tool_name="f")
    row = await memory.store.session(seat.workspace, "s1")
    assert row is not None
    assert (row.messages, row.user_messages, row.ai_messages, row.tool_calls) == (2, 1, 1, 1)
    assert (row.tokens, row.prompt_tokens, row.completion_tokens) == (60, 40, 20)


async def test_reported_usage_is_billed_in_place_of_a_count(
    memory: Memory, seat: Residency
) -> None:
    usage = {"prompt_tokens": 1_000, "completion_tokens": 7}
    await say(memory, seat, "hi", role="assistant", usage=usage)
    (event,) = await events_of(memory, seat)
    assert (event.counted, event.usage) == ("reported", {"prompt": 1_000, "completion": 7})
    assert (seat.row.tokens, seat.row.prompt_tokens, seat.row.completion_tokens) == (
        1_007,
        1_000,
        7,
    )


async def test_a_count_of_our_own_is_marked_with_its_tokenizer(
    memory: Memory, seat: Residency
) -> None:
    await say(memory, seat, "hi")
    assert (await events_of(memory, seat))[0].counted == "estimate"


async def test_a_hundred_records_at_once_lose_nothing(memory: Memory, seat: Residency) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(100):
            event = {"role": "user", "content": f"message {number}"}
            tasks.start_soon(record, memory, seat, [event])
    row = await memory.store.session(seat.workspace, "s1")
    assert row is not None
    assert (row.messages, row.turn) == (100, 100)
    assert len(mapped(seat)) == 100
    assert seat.set.used == sum(count(f"message {number}") for number in range(100))


# --- turns -------------------------------------------------------------------------------------


async def test_each_recorded_user_message_begins_a_turn(memory: Memory, seat: Residency) -> None:
    for turn in (1, 2, 3):
        await say(memory, seat, "well?")
        await say(memory, seat, "so", role="assistant")
        await say(memory, seat, "done", role="tool", tool_name="f")
        assert seat.turn == turn
        assert seat.row.turn_cause == "message"


async def test_a_batch_is_one_turn_however_many_messages_it_brings(
    memory: Memory, seat: Residency
) -> None:
    await tell(memory, seat, *({"role": "user", "content": f"m{n}"} for n in range(10)))
    assert seat.turn == 1


async def test_an_import_is_no_turn(memory: Memory, seat: Residency) -> None:
    await record(memory, seat, [{"role": "user", "content": "long ago"}], imported=True)
    assert seat.turn == 0
    await say(memory, seat, "now")
    assert seat.turn == 1


async def test_tool_results_in_a_user_message_are_no_turn_of_the_users(
    memory: Memory, seat: Residency
) -> None:
    await say(memory, seat, "What is 6*7?")
    await say(memory, seat, [{"type": "tool_result", "tool_use_id": "t1", "content": "42"}])
    assert seat.turn == 1


async def test_the_time_that_a_message_claims_drives_no_turn(
    memory: Memory, seat: Residency, clock: HandClock
) -> None:
    await say(memory, seat, "one", role="assistant", created_at="2020-01-01")
    await say(memory, seat, "two", role="assistant", created_at="2024-01-01")
    memory.begin_call(seat)
    assert seat.turn == 0


async def test_the_first_call_two_minutes_after_the_last_begins_a_turn(
    memory: Memory, seat: Residency, clock: HandClock
) -> None:
    await say(memory, seat, "hello")
    memory.begin_call(seat)
    clock.advance(119.9)
    memory.begin_call(seat)
    assert seat.turn == 1
    clock.advance(120)
    memory.begin_call(seat)
    assert (seat.turn, seat.row.turn_cause) == (2, "pause")
    memory.begin_call(seat)
    assert seat.turn == 2


async def test_the_25th_call_of_a_turn_without_a_user_message_begins_one(
    memory: Memory, seat: Residency
) -> None:
    await say(memory, seat, "thinking", role="assistant")
    for _ in range(24):
        memory.begin_call(seat)
    assert seat.turn == 0
    memory.begin_call(seat)
    assert (seat.turn, seat.row.turn_cause) == (1, "calls")
    for _ in range(23):
        memory.begin_call(seat)
    assert seat.turn == 1
    memory.begin_call(seat)
    assert seat.turn == 2


async def test_a_turn_that_a_user_message_began_takes_any_number_of_calls(
    memory: Memory, seat: Residency
) -> None:
    await say(memory, seat, "hello")
    for _ in range(100):
        memory.begin_call(seat)
    assert seat.turn == 1


async def test_a_call_that_begins_its_own_turn_begins_no_second_one(
    memory: Memory, seat: Residency, clock: HandClock
) -> None:
    await say(memory, seat, "hello")
    clock.advance(500)
    memory.begin_call(seat, own_turn=True)
    await say(memory, seat, "hello again")
    assert seat.turn == 2


async def test_a_session_in_which_nothing_has_happened_has_no_turn_to_end(
    memory: Memory, seat: Residency, clock: HandClock
) -> None:
    clock.advance(10_000)
    for _ in range(30):
        memory.begin_call(seat)
    assert seat.turn == 0
    assert await log_of(memory, seat) == []


async def test_every_beginning_of_a_turn_is_a_line_of_the_log(
    memory: Memory, seat: Residency, clock: HandClock
) -> None:
    await say(memory, seat, "hello")
    clock.advance(300)
    memory.begin_call(seat)
    await say(memory, seat, "and?")
    begun = [
        (line.turn, getattr(line.operation, "cause", "message"))
        for line in await log_of(memory, seat)
        if isinstance(line.operation, TurnBegan)
        or (isinstance(line.operation, EventAdded) and line.operation.begins_turn)
    ]
    assert begun == [(1, "message"), (2, "pause"), (3, "message")]


async def test_the_faults_of_a_turn_are_written_before_the_message_that_ends_it(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory) as (memory, seat):
        pages = [await say(memory, seat, f"message {number}") for number in range(3)]
        await drop(memory, seat, *pages)
        for page_id in pages:
            await recall(memory, seat, page_id)
        await say(memory, seat, "and now?")
        await memory.flush()
        row = await memory.store.session(seat.workspace, "s1")
        assert row is not None
        assert (row.turn, row.faults, row.fault_tokens, row.total_faults) == (4, 0, 0, 3)
        faults = [line for line in await log_of(memory, seat) if line.operation.kind == "fault"]
        assert {line.turn for line in faults} == {3}


async def test_sessions_of_two_workspaces_know_nothing_of_each_other(memory: Memory) -> None:
    here = await memory.seat(await home(memory, name="here"), "s1")
    there = await memory.seat(await home(memory, principal="eve", name="here"), "s1")
    await say(memory, here, "hello")
    assert await say(memory, there, "hello, too") == "msg_1"
    assert (here.row.messages, there.row.messages) == (1, 1)
    assert (await recall(memory, there, "msg_1")).text == "hello, too"
