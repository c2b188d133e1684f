"""What every store promises of calls of other tools: their bindings, and what they teach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import pytest
from tests.contract.test_store_forks import fork
from tests.stores.making import LASTING, Bench, added, said

from pagefault.base.log import Called, Fixed, Forgotten, Judged, LogLine, SeenAgain, SessionOpened
from pagefault.stores.contract import Applied, Store

pytestmark = pytest.mark.anyio


def called(**fields: Any) -> Called:
    """A call that went well and whose result is bound next, and what ``fields`` say otherwise."""
    usual = {
        "session": "s1",
        "event_id": "+0",
        "tool": "lookup",
        "call": "c" * 32,
        "answer": "a" * 32,
        "ok": True,
        "door": "tool_record",
        "number": 0,
    }
    return Called(**{**usual, **fields})


async def call(bench: Bench, session: str = "s1", **fields: Any) -> Applied:
    """A call with its event, as it is recorded."""
    key = fields.pop("key", None)
    event = said(session=session, role="tool", key=key)
    opened = SessionOpened(session=session)
    return await bench.do(opened, event, called(session=session, **fields), new=["evt"])


def numbers(lines: Sequence[LogLine]) -> list[int | None]:
    return [line.operation.number for line in lines if isinstance(line.operation, Called)]


async def test_results_are_numbered_from_one_in_each_session(bench: Bench) -> None:
    answers = [await call(bench) for _ in range(3)] + [await call(bench, "s2")]
    assert [answer.bindings for answer in answers] == [(1,), (2,), (3,), (1,)]
    assert (await bench.session()).bindings == 3


async def test_one_commit_numbers_its_results_in_order(bench: Bench) -> None:
    made = await bench.do(
        said(role="tool"),
        called(),
        said(role="tool", event_id="+1"),
        called(event_id="+1", ok=False, number=None),
        said(role="tool", event_id="+2"),
        called(event_id="+2"),
        new=["evt", "evt", "evt"],
    )
    assert made.bindings == (1, 2)
    lines = await bench.store.calls(bench.workspace, "s1", 0, 10)
    assert numbers(lines) == [1, None, 2]
    assert [line.operation.event_id for line in lines if isinstance(line.operation, Called)] == [
        *made.ids
    ]


async def test_a_repeated_key_binds_nothing_more(bench: Bench) -> None:
    first = await call(bench, key="k")
    again = await call(bench, key="k")
    assert (first.bindings, again.bindings) == ((1,), ())
    assert again.ids == first.ids
    assert again.duplicates == {0}
    assert numbers(await bench.store.calls(bench.workspace, "s1", 0, 10)) == [1]


async def test_a_call_comes_back_as_it_was_recorded(bench: Bench) -> None:
    given = {
        "aliases": ("price", "p"),
        "type": "number",
        "unit": "EUR",
        "names": ("id", "когда"),
        "took": 0.25,
        "changes": True,
        "tool_call_id": "toolu_1",
    }
    made = await call(bench, **given)
    (line,) = await bench.store.calls(bench.workspace, "s1", 0, 10)
    assert line.operation == called(event_id=made.ids[0], number=1, **given)


async def test_calls_are_what_the_lineage_recorded_judged_and_saw_again(bench: Bench) -> None:
    first = await call(bench)
    await bench.say("something else")
    await bench.do(SeenAgain(session="s1", event_id=first.ids[0], door="session_record"))
    await bench.do(Judged(session="s1", tool="lookup", guard="loops", verdict="warn"))
    kinds = [line.operation.kind for line in await bench.store.calls(bench.workspace, "s1", 0, 10)]
    assert kinds == ["call", "call_seen", "verdict"]
    after = (await bench.store.calls(bench.workspace, "s1", 0, 1))[0].position
    assert len(await bench.store.calls(bench.workspace, "s1", after, 10)) == 2
    assert len(await bench.store.calls(bench.workspace, "s1", after, 1)) == 1
    assert await bench.store.calls(bench.workspace, "nobody", 0, 10) == []


async def test_a_fork_goes_on_from_the_bindings_of_its_parent(bench: Bench) -> None:
    await call(bench)
    await call(bench)
    await fork(bench)
    in_parent, in_fork = await call(bench), await call(bench, "s2")
    assert in_parent.bindings == in_fork.bindings == (3,)
    lines = await bench.store.calls(bench.workspace, "s2", 0, 10)
    assert numbers(lines) == [1, 2, 3]
    assert [line.operation.session for line in lines] == ["s1", "s1", "s2"]


async def test_lessons_are_the_calls_of_all_sessions_and_what_was_forgotten(bench: Bench) -> None:
    failed = await bench.write("no such id")
    await call(bench, ok=False, number=None, page_id=failed)
    fixed = await bench.write("found")
    await bench.do(
        SessionOpened(session="s1"),
        said(session="s1", role="tool"),
        called(page_id=fixed),
        Fixed(session="s1", page_id=fixed, failed=failed, tool="lookup", change=("~id",)),
        new=["evt"],
    )
    page = await bench.write("other things")
    await call(bench, "s2")
    await bench.do(Forgotten(page_id=page, reason="asked"))
    lines = await bench.store.lessons(bench.workspace, 0, 10)
    assert [line.operation.kind for line in lines] == ["call", "call", "fix", "call", "forget"]
    learned = lines[2].operation
    assert isinstance(learned, Fixed)
    assert (learned.page_id, learned.failed) == (fixed, failed)
    assert await bench.store.lessons(bench.workspace, lines[1].position, 2) == lines[2:4]
    elsewhere = await Bench.at(bench.store, "elsewhere")
    assert await bench.store.lessons(elsewhere.workspace, 0, 10) == []


async def test_a_fix_may_name_a_failure_of_the_same_commit(bench: Bench) -> None:
    made = await bench.do(
        added(page_id="+0", page_type="artifact"),
        added(page_id="+1", page_type="artifact"),
        Fixed(session="s1", page_id="+1", failed="+0", tool="lookup", change=("+b",)),
        new=["art", "art"],
        contents=[b"no"],
    )
    learned = (await bench.store.lessons(bench.workspace, 0, 10))[-1].operation
    assert isinstance(learned, Fixed)
    assert (learned.failed, learned.page_id) == made.ids


async def test_what_was_folded_is_kept_until_it_is_folded_further(bench: Bench) -> None:
    assert await bench.store.folded(bench.workspace, "experience") is None
    data = bytes(range(256)) * 40
    await bench.store.keep_folded(bench.workspace, "experience", 7, data)
    assert await bench.store.folded(bench.workspace, "experience") == (7, data)
    await bench.store.keep_folded(bench.workspace, "experience", 9, b"{}")
    assert await bench.store.folded(bench.workspace, "experience") == (9, b"{}")
    elsewhere = await Bench.at(bench.store, "elsewhere")
    assert await bench.store.folded(elsewhere.workspace, "experience") is None


async def test_many_that_record_at_once_get_dense_numbers(bench: Bench) -> None:
    got: list[int] = []

    async def record() -> None:
        got.extend((await call(bench)).bindings)

    async with anyio.create_task_group() as group:
        for _ in range(40):
            group.start_soon(record)
    assert sorted(got) == list(range(1, 41))


@LASTING
async def test_bindings_outlive_the_store(bench: Bench, open_store: Any) -> None:
    await call(bench)
    await bench.store.close()
    store: Store = open_store()
    try:
        again = await Bench.at(store)
        assert (await call(again)).bindings == (2,)
    finally:
        await store.close()


async def test_a_page_of_a_result_goes_on_being_found_by_its_call(bench: Bench) -> None:
    made = await bench.do(
        said(role="tool", page_id="+1"),
        added(page_id="+1", page_type="artifact", event_id="+0"),
        called(page_id="+1"),
        new=["evt", "art"],
        contents=[b"42"],
    )
    (line,) = await bench.store.calls(bench.workspace, "s1", 0, 10)
    assert isinstance(line.operation, Called)
    assert line.operation.page_id == made.ids[1]
    trail = await bench.store.log(bench.workspace, 0, 10, page_id=made.ids[1])
    assert [line.operation.kind for line in trail] == ["event", "page", "call"]
