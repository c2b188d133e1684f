"""What every store promises of a commit: numbers, wholeness, conflicts, keys, contents, order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from tests.stores.making import LASTING, Bench, added, mapped, said

from pagefault.base.errors import StoreDamaged, StoreUnavailable
from pagefault.base.log import Pinned, SessionChanged, SessionOpened, Touched, TurnBegan
from pagefault.stores.contract import Applied, Conflict, Store

pytestmark = pytest.mark.anyio

OpenStore = Callable[[], Store]


# Numbers


async def test_ids_are_dense_per_prefix_in_the_order_wanted(bench: Bench) -> None:
    pages = [added(page_id=f"+{slot}") for slot in range(4)]
    applied = await bench.do(*pages, contents=[b"x"], new=["claim", "sum", "claim", "msg"])
    assert applied.ids == ("claim_1", "sum_1", "claim_2", "msg_1")
    assert await bench.write() == "claim_3"


async def test_an_id_that_no_operation_uses_is_not_spent(bench: Bench) -> None:
    applied = await bench.do(added(page_id="+1"), contents=[b"x"], new=["claim", "claim"])
    assert applied.ids == ("", "claim_1")
    assert await bench.write() == "claim_2"


async def test_a_failed_commit_spends_no_number(bench: Bench) -> None:
    before = await bench.positions()
    with pytest.raises(LookupError):
        await bench.do(
            added(), added(page_id="+1", session="nobody"), contents=[b"x"], new=["a", "a"]
        )
    applied = await bench.do(added(), contents=[b"y"], new=["claim"])
    assert (applied.ids, applied.contents) == (("claim_1",), (1,))
    assert applied.position == len(before) + 1


async def test_commits_at_once_get_numbers_of_their_own(bench: Bench) -> None:
    ids: list[str] = []

    async def write() -> None:
        ids.append(await bench.write())

    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(write)
    assert sorted(ids) == sorted(f"claim_{number}" for number in range(1, 31))


async def test_the_number_of_a_forgotten_page_is_not_given_out_again(bench: Bench) -> None:
    await bench.forget(await bench.write())
    assert await bench.write() == "claim_2"


@LASTING
async def test_numbers_go_on_after_a_restart(open_store: OpenStore) -> None:
    for number in (1, 2, 3):
        store = open_store()
        bench = await Bench.at(store)
        assert await bench.write() == f"claim_{number}"
        await store.close()


@LASTING
async def test_two_openings_of_one_store_share_the_numbers(
    bench: Bench, open_store: OpenStore
) -> None:
    other = await Bench.at(open_store())
    ids = [await (bench, other)[turn % 2].write() for turn in range(6)]
    await other.store.close()
    assert ids == [f"claim_{number}" for number in range(1, 7)]


async def test_a_workspace_numbers_for_itself(bench: Bench) -> None:
    await bench.write()
    other = await Bench.at(bench.store, "other")
    assert await other.write() == "claim_1"


async def test_versions_are_numbered_by_the_store(bench: Bench) -> None:
    page = await bench.write()
    assert [await bench.revise(page, "again") for _ in range(3)] == [2, 3, 4]


# Whole or not at all


async def test_a_bad_operation_in_the_middle_leaves_nothing(bench: Bench) -> None:
    before = await bench.counts()
    with pytest.raises(LookupError):
        await bench.do(
            SessionOpened(session="new"),
            added(session="new"),
            TurnBegan(session="nobody", cause="pause"),
            added(page_id="+1"),
            contents=[b"text"],
            new=["claim", "claim"],
        )
    assert await bench.store.session(bench.workspace, "new") is None
    assert await bench.counts() == before
    assert await bench.store.contents(bench.workspace, 0, 10) == []


async def test_a_bad_commit_takes_no_company_with_it(bench: Bench) -> None:
    async def bad() -> None:
        with pytest.raises(LookupError):
            await bench.do(TurnBegan(session="nobody", cause="pause"))

    async def good() -> None:
        await bench.write("good")

    async with anyio.create_task_group() as tasks:
        for work in (good, bad, good, bad, good):
            tasks.start_soon(work)
    assert (await bench.store.totals(bench.workspace))["pages"] == 3


# Conflicts


async def test_a_commit_planned_on_an_old_revision_writes_and_numbers_nothing(
    bench: Bench,
) -> None:
    page = await bench.write()
    old = (await bench.session()).revision
    await bench.do(mapped(page))
    before = await bench.counts()
    answer = await bench.apply(
        added(), mapped("+0"), contents=[b"lost"], new=["claim"], expects={"s1": old}
    )
    assert answer == Conflict("s1")
    assert await bench.counts() == before
    assert await bench.write() == "claim_2"


async def test_a_commit_planned_on_an_old_head_writes_and_numbers_nothing(bench: Bench) -> None:
    page = await bench.write("one")
    revision = await bench.revision(page)
    await bench.revise(page, "two")
    before = await bench.counts()
    answer = await bench.apply(revision, contents=[b"late"], heads={("s1", page): 1})
    assert answer == Conflict(page)
    assert await bench.counts() == before
    assert await bench.text(page) == "two"
    assert await bench.revise(page, "three") == 3


async def test_a_head_that_is_still_the_head_is_no_conflict(bench: Bench) -> None:
    page = await bench.write("one")
    answer = await bench.apply(
        await bench.revision(page), contents=[b"two"], heads={("s1", page): 1}
    )
    assert isinstance(answer, Applied)


async def test_a_version_of_another_session_is_no_conflict_with_ones_own_head(
    bench: Bench,
) -> None:
    page = await bench.write("one")
    revision = await bench.revision(page)
    await bench.revise(page, "theirs", session="s2")
    answer = await bench.apply(revision, contents=[b"ours"], heads={("s1", page): 1})
    assert isinstance(answer, Applied)
    assert answer.versions == {page: 3}


async def test_the_head_of_a_page_that_is_not_there_is_a_conflict(bench: Bench) -> None:
    answer = await bench.apply(TurnBegan(session="s1", cause="pause"), heads={("s1", "claim_9"): 1})
    assert answer == Conflict("claim_9")


async def test_a_session_that_is_not_there_yet_has_revision_0(bench: Bench) -> None:
    opened = SessionOpened(session="new")
    assert await bench.apply(opened, expects={"new": 1}) == Conflict("new")
    assert isinstance(await bench.apply(opened, expects={"new": 0}), Applied)


async def test_of_commits_planned_on_the_same_revision_one_wins(bench: Bench) -> None:
    page = await bench.write()
    expects = {"s1": (await bench.session()).revision}
    answers: list[Applied | Conflict] = []

    async def race() -> None:
        answers.append(await bench.apply(mapped(page), expects=expects))

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(race)
    assert [isinstance(answer, Applied) for answer in answers].count(True) == 1


async def test_what_changes_a_working_set_changes_the_revision(bench: Bench) -> None:
    page = await bench.write()
    for operation in (
        mapped(page),
        Touched(session="s1", page_id=page),
        Pinned(session="s1", page_id=page, pinned=True),
        SessionChanged(session="s1", budget=500),
        TurnBegan(session="s1", cause="pause"),
    ):
        before = (await bench.session()).revision
        applied = await bench.do(operation)
        assert applied.sessions["s1"].revision > before
        assert await bench.session() == applied.sessions["s1"]


async def test_what_is_only_recorded_leaves_the_revision_alone(bench: Bench) -> None:
    before = (await bench.session()).revision
    await bench.say("hello")
    await bench.write()
    assert (await bench.session()).revision == before


async def test_an_answer_gives_the_sessions_as_they_are_now(bench: Bench) -> None:
    applied = await bench.do(said(), new=["evt"])
    assert applied.sessions == {"s1": await bench.session()}
    assert applied.sessions["s1"].messages == 1


# Idempotency keys


async def test_a_repeated_event_is_answered_with_its_first_ids(bench: Bench) -> None:
    first = await bench.say("hello", key="k1")
    before = await bench.counts()
    event, page = said(page_id="+1", key="k1"), added(page_id="+1", event_id="+0", key="k1")
    again = await bench.do(event, page, mapped("+1"), contents=[b"other"], new=["evt", "msg"])
    assert again.ids == first
    assert again.duplicates == {0, 1}
    assert await bench.counts() == before
    assert await bench.text(first[1]) == "hello"


async def test_a_repeated_page_is_answered_with_its_first_id(bench: Bench) -> None:
    first = await bench.write("first", key="k1")
    again = await bench.do(added(key="k1"), contents=[b"second"], new=["claim"])
    assert again.ids == (first,)
    assert again.duplicates == {0}
    assert len(await bench.store.contents(bench.workspace, 0, 10)) == 1


async def test_a_repeated_version_is_not_written_again(bench: Bench) -> None:
    page = await bench.write("one")
    revision = await bench.revision(page)
    keyed = replace(revision, key="k1")
    assert (await bench.do(keyed, contents=[b"two"])).versions == {page: 2}
    assert (await bench.do(keyed, contents=[b"three"])).versions == {}
    assert [version.version for version in await bench.store.versions(bench.workspace, page)] == [
        1,
        2,
    ]


async def test_a_key_repeated_within_one_commit_is_written_once(bench: Bench) -> None:
    applied = await bench.do(
        said(event_id="+0", key="same"),
        said(event_id="+1", key="same"),
        said(event_id="+2", key="other"),
        new=["evt", "evt", "evt"],
    )
    assert applied.ids == ("evt_1", "evt_1", "evt_2")
    assert applied.duplicates == {1}
    assert (await bench.session()).messages == 2


async def test_a_repeated_message_begins_no_turn(bench: Bench) -> None:
    await bench.do(said(key="k1", begins_turn=True), new=["evt"])
    assert (await bench.session()).turn == 1
    await bench.do(said(key="k1", begins_turn=True), new=["evt"])
    assert (await bench.session()).turn == 1


async def test_of_a_batch_that_was_half_written_the_rest_is_written(bench: Bench) -> None:
    await bench.do(said(key="k1"), new=["evt"])
    applied = await bench.do(said(key="k1"), said(event_id="+1", key="k2"), new=["evt", "evt"])
    assert applied.ids == ("evt_1", "evt_2")
    assert applied.duplicates == {0}


async def test_a_key_belongs_to_its_session(bench: Bench) -> None:
    await bench.write(key="k1")
    assert await bench.write(key="k1", session="s2") == "claim_2"


async def test_a_page_is_found_by_its_key(bench: Bench) -> None:
    written = await bench.write(key="k1")
    _, message = await bench.say("hello", key="k2")
    store, workspace = bench.store, bench.workspace
    assert await store.page_of_key(workspace, "s1", "k1") == written
    assert await store.page_of_key(workspace, "s1", "k2") == message
    assert await store.page_of_key(workspace, "s1", "k3") is None
    assert await store.page_of_key(workspace, "s2", "k1") is None


# Contents


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"x" * 1_000_000, id="a megabyte that compresses"),
        pytest.param(bytes(range(256)) * 4_000, id="a megabyte of every byte"),
        pytest.param("Ünïcode 漢字 🦉 \x00 text".encode(), id="not ASCII"),
        pytest.param(b"\xff\xfe\x00\x80 no text at all", id="not UTF-8"),
    ],
)
async def test_a_content_comes_back_byte_for_byte(bench: Bench, content: bytes) -> None:
    applied = await bench.do(added(), contents=[content], new=["claim"])
    assert await bench.store.content(bench.workspace, applied.contents[0]) == content
    assert await bench.store.contents(bench.workspace, 0, 10) == [(1, content)]
    await bench.find("text")  # which brings it into the index


async def test_a_content_that_two_operations_name_is_kept_once(bench: Bench) -> None:
    applied = await bench.do(
        added(page_id="+0"), added(page_id="+1"), contents=[b"x"], new=["claim", "claim"]
    )
    assert applied.contents == (1,)
    assert len(await bench.store.contents(bench.workspace, 0, 10)) == 1


async def test_contents_are_read_in_pieces_in_their_order(bench: Bench) -> None:
    for number in range(5):
        await bench.write(f"text {number}")
    first = await bench.store.contents(bench.workspace, 0, 3)
    rest = await bench.store.contents(bench.workspace, first[-1][0], 3)
    assert [number for number, _ in first + rest] == [1, 2, 3, 4, 5]
    assert rest[-1] == (5, b"text 4")


async def test_a_content_that_is_not_there_is_said_to_be_missing(bench: Bench) -> None:
    with pytest.raises(StoreDamaged, match="missing"):
        await bench.store.content(bench.workspace, 77)


async def test_contents_of_one_workspace_are_not_those_of_another(bench: Bench) -> None:
    await bench.write("ours")
    other = await Bench.at(bench.store, "other")
    assert await bench.store.contents(other.workspace, 0, 10) == []
    with pytest.raises(StoreDamaged):
        await bench.store.content(other.workspace, 1)


# Derived commits, order, closing


async def test_derived_commits_keep_their_order_among_durable_ones(bench: Bench) -> None:
    order: list[str] = []

    async def one(number: int) -> None:
        cause = f"cause {number}"
        order.append(cause)
        await bench.do(TurnBegan(session="s1", cause=cause), durable=number % 7 == 0)

    async with anyio.create_task_group() as tasks:
        for number in range(40):
            tasks.start_soon(one, number)
    lines = await bench.store.log(bench.workspace, 1, 100)
    assert [line.operation for line in lines] == [
        TurnBegan(session="s1", cause=cause) for cause in order
    ]


async def test_a_derived_commit_is_read_as_soon_as_it_is_answered(bench: Bench) -> None:
    await bench.do(TurnBegan(session="s1", cause="pause"), durable=False)
    assert (await bench.session()).turn == 1


@LASTING
async def test_what_is_queued_is_written_before_the_store_closes(open_store: OpenStore) -> None:
    bench = await Bench.at(open_store())
    async with anyio.create_task_group() as tasks:
        for number in range(10):
            await anyio.lowlevel.checkpoint()
            turn = TurnBegan(session="s1", cause=f"cause {number}")
            tasks.start_soon(bench.store.apply, bench.commit(turn, durable=False))
        await anyio.lowlevel.checkpoint()
        await bench.store.close()
    again = await Bench.at(open_store())
    assert (await again.session()).turn == 10
    await again.store.close()


async def test_a_closed_store_says_so(open_store: OpenStore) -> None:
    bench = await Bench.at(open_store())
    await bench.store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await bench.session()
    with pytest.raises(StoreUnavailable, match="closed"):
        await bench.write()
    with pytest.raises(StoreUnavailable, match="closed"):
        await Bench.at(bench.store)


async def test_a_backup_is_a_store_of_its_own(bench: Bench, tmp_path: Path) -> None:
    page = await bench.write("kept")
    await bench.store.backup(tmp_path / "copy.db")
    assert await bench.text(page) == "kept"
    assert (tmp_path / "copy.db").stat().st_size > 0


async def test_the_totals_count_what_is_there(bench: Bench) -> None:
    await bench.write("one")
    await bench.write("two", session="s2")
    await bench.forget("claim_1")
    totals = await bench.store.totals(bench.workspace)
    assert {name: totals[name] for name in ("sessions", "pages", "lines")} == {
        "sessions": 2,
        "pages": 1,
        "lines": 5,
    }
