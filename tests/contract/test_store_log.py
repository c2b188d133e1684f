"""What every store promises of its log: density, counters, and that replay gives all back."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.stores.histories import SESSIONS, Chronicle, Step, everything, histories
from tests.stores.making import Bench, open_workspace

from pagefault.base.errors import InvalidArgument
from pagefault.base.log import (
    OPERATIONS,
    EventAdded,
    Faulted,
    LogLine,
    Operation,
    TurnBegan,
    data_of,
    operation_of,
)
from pagefault.stores.contract import Session, Store, Workspace

pytestmark = pytest.mark.anyio

OpenStore = Callable[[], Store]

# Every example has a workspace of its own in the store that the examples share.
on_one_store = settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
workspaces = (f"w{number}" for number in itertools.count())


async def told(store: Store, history: Sequence[Step]) -> Chronicle:
    """A history carried out in a workspace where nothing has happened yet."""
    bench = Bench(store, await open_workspace(store, next(workspaces)))
    chronicle = Chronicle(bench)
    await chronicle.tell(history)
    return chronicle


# Lines


async def test_a_line_says_who_when_and_in_which_turn(bench: Bench) -> None:
    await bench.say("hello", begins_turn=True)
    event, page = (await bench.store.log(bench.workspace, 0, 10))[1:]
    assert (event.at, event.actor, event.segment, event.turn) == (bench.now, "test", 1, 1)
    assert (page.position, page.turn) == (event.position + 1, 1)


async def test_lines_are_read_in_pieces(bench: Bench) -> None:
    for number in range(5):
        await bench.say(f"message {number}")
    whole = await bench.store.log(bench.workspace, 0, 100)
    first = await bench.store.log(bench.workspace, 0, 4)
    rest = await bench.store.log(bench.workspace, 4, 100)
    assert first + rest == whole
    assert await bench.store.log(bench.workspace, whole[-1].position, 100) == []


async def test_the_log_of_a_page_or_a_session_is_its_part_of_the_whole(bench: Bench) -> None:
    page = await bench.write("one")
    await bench.write("two", session="s2")
    await bench.revise(page, "three", session="s2")
    whole = await bench.store.log(bench.workspace, 0, 100)
    of_page = await bench.store.log(bench.workspace, 0, 100, page_id=page)
    of_session = await bench.store.log(bench.workspace, 0, 100, session="s2")
    assert of_page == [w for w in whole if getattr(w.operation, "page_id", None) == page]
    assert of_session == [w for w in whole if w.operation.session == "s2"]
    assert len(of_page) == 2
    assert len(of_session) == 3


async def test_events_are_those_of_their_session_in_order(bench: Bench) -> None:
    for text, session in (("one", "s1"), ("two", "s2"), ("three", "s1")):
        await bench.say(text, session)
    events = await bench.store.events(bench.workspace, "s1", 0, 10)
    assert [e.operation.event_id for e in events if isinstance(e.operation, EventAdded)] == [
        "evt_1",
        "evt_3",
    ]
    assert await bench.store.events(bench.workspace, "s1", events[0].position, 10) == events[1:]
    assert await bench.store.events(bench.workspace, "s1", 0, 1) == events[:1]


# What any operation is like, written and read back

texts = st.text(max_size=20)
numbers = st.integers(-(2**53), 2**53)
finite = st.floats(allow_nan=False, allow_infinity=False)


def operations(kind: type[Operation]) -> st.SearchStrategy[Operation]:
    """Any operation of a kind; the times and shares in it are finite, as the door sees to."""
    usual: dict[str, st.SearchStrategy[Any]] = {
        "created_at": st.none() | finite,
        "importance": finite,
        "derived_from": st.lists(texts, max_size=3).map(tuple),
        "usage": st.none() | st.dictionaries(texts, numbers, max_size=3),
    }
    fields = kind.__dataclass_fields__
    return st.builds(kind, **{name: usual[name] for name in usual if name in fields})


@pytest.mark.parametrize("kind", OPERATIONS, ids=lambda kind: kind.kind)
@given(data=st.data())
def test_an_operation_comes_back_from_its_line(kind: type[Operation], data: st.DataObject) -> None:
    operation = data.draw(operations(kind))
    written = json.dumps(data_of(operation), ensure_ascii=False)
    page_id = getattr(operation, "page_id", None)
    assert operation_of(kind.kind, operation.session, page_id, json.loads(written)) == operation


def test_no_two_kinds_of_operation_share_a_name() -> None:
    assert len({operation.kind for operation in OPERATIONS}) == len(OPERATIONS)


# What holds after any history


@on_one_store
@given(history=histories)
async def test_positions_and_numbers_are_dense_after_any_history(
    bench: Bench, history: list[Step]
) -> None:
    chronicle = await told(bench.store, history)
    lines = await bench.store.log(chronicle.bench.workspace, 0, 10_000)
    assert [line.position for line in lines] == list(range(1, len(lines) + 1))
    by_prefix: dict[str, list[int]] = {}
    for name in chronicle.ids:
        prefix, _, number = name.rpartition("_")
        by_prefix.setdefault(prefix, []).append(int(number))
    for given_out in by_prefix.values():
        assert given_out == list(range(1, len(given_out) + 1))


@on_one_store
@given(history=histories)
async def test_a_sessions_counters_are_the_sums_over_its_log(
    bench: Bench, history: list[Step]
) -> None:
    chronicle = await told(bench.store, history)
    store, workspace = bench.store, chronicle.bench.workspace
    for session in SESSIONS:
        row = await store.session(workspace, session)
        lines = [line.operation for line in await of_lineage(store, workspace, row)]
        if row is None:
            assert lines == []
            continue
        events = [e for e in lines if isinstance(e, EventAdded)]
        faults = [f for f in lines if isinstance(f, Faulted)]
        assert row.messages == sum(e.role != "tool" for e in events)
        assert row.tool_calls == sum(e.role == "tool" for e in events)
        assert row.user_messages == sum(e.role == "user" for e in events)
        assert row.ai_messages == sum(e.role == "assistant" for e in events)
        assert row.prompt_tokens == sum(_tokens(e)[0] for e in events)
        assert row.completion_tokens == sum(_tokens(e)[1] for e in events)
        assert row.tokens == row.prompt_tokens + row.completion_tokens
        assert row.turn == sum(_begins_turn(o) for o in lines)
        assert row.total_faults == sum(not f.more for f in faults)
        of_turn = list(itertools.takewhile(lambda o: not _begins_turn(o), reversed(lines)))
        asked = [f for f in of_turn if isinstance(f, Faulted)]
        assert row.faults == sum(not f.more for f in asked)
        assert row.fault_tokens == sum(f.tokens for f in asked)


async def of_lineage(store: Store, workspace: Workspace, row: Session | None) -> list[LogLine]:
    """The session's lines, after those of its ancestors up to the forks."""
    if row is None:
        return []
    own = await store.log(workspace, 0, 10_000, session=row.id)
    if row.forked_at is None or row.parent is None:
        return own
    parent = await store.session(workspace, row.parent)
    before = await of_lineage(store, workspace, parent)
    return [line for line in before if line.position <= row.forked_at] + own


def _begins_turn(operation: Operation) -> bool:
    return isinstance(operation, TurnBegan) or getattr(operation, "begins_turn", False)


def _tokens(event: EventAdded) -> tuple[int, int]:
    if event.usage:
        return event.usage["prompt"], event.usage["completion"]
    return (0, event.tokens) if event.role == "assistant" else (event.tokens, 0)


# Replay


@on_one_store
@given(history=histories)
async def test_a_replayed_log_gives_every_read_back(
    bench: Bench, another_store: OpenStore, history: list[Step]
) -> None:
    chronicle = await told(bench.store, history)
    store, workspace = bench.store, chronicle.bench.workspace
    contents = await store.contents(workspace, 0, 10_000)
    lines = await store.log(workspace, 0, 10_000)
    copy = another_store()
    try:
        fresh = Bench(copy, await open_workspace(copy, workspace.id))
        await copy.replay(fresh.workspace, contents, lines)
        assert await everything(fresh) == await everything(chronicle.bench)
        fresh.now = chronicle.bench.now
        await both_go_on(fresh, chronicle.bench)
    finally:
        await copy.close()


async def both_go_on(fresh: Bench, old: Bench) -> None:
    for session in SESSIONS:
        assert await fresh.write(session=session) == await old.write(session=session)
    assert await everything(fresh) == await everything(old)


async def test_a_log_is_replayed_in_pieces(bench: Bench, another_store: OpenStore) -> None:
    for number in range(4):
        await bench.say(f"message {number} about alder")
    contents = await bench.store.contents(bench.workspace, 0, 100)
    lines = await bench.store.log(bench.workspace, 0, 100)
    copy = another_store()
    fresh = Bench(copy, await open_workspace(copy))
    await copy.replay(fresh.workspace, contents[:2], lines[:5])
    await copy.replay(fresh.workspace, contents[2:], lines[5:])
    assert await everything(fresh) == await everything(bench)
    assert len(await fresh.find("alder")) == 4
    await copy.close()


async def test_lines_that_do_not_follow_are_refused_whole(
    bench: Bench, another_store: OpenStore
) -> None:
    await bench.say("hello")
    contents = await bench.store.contents(bench.workspace, 0, 100)
    lines = await bench.store.log(bench.workspace, 0, 100)
    copy = another_store()
    workspace = await open_workspace(copy)
    with pytest.raises(InvalidArgument, match="line 3 does not follow line 1"):
        await copy.replay(workspace, contents, [lines[0], lines[2]])
    assert await copy.log(workspace, 0, 10) == []
    assert await copy.contents(workspace, 0, 10) == []
    await copy.replay(workspace, contents, lines)
    assert await copy.log(workspace, 0, 10) == lines
    await copy.close()
