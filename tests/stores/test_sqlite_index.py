"""The index of a file: made anew when its format has changed, searched beside the loop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import apsw
import pytest
from tests.stores.making import Bench, added, open_workspace

from pagefault.base.errors import StoreUnavailable
from pagefault.base.log import Archived, SessionOpened
from pagefault.index.document import Search
from pagefault.stores.contract import Found
from pagefault.stores.sqlite import SqliteStore, following
from pagefault.stores.sqlite.following import any_left_over

pytestmark = pytest.mark.anyio

WORDS = ("alder", "beech", "cedar", "дуб", "松の木")


async def filled(path: Path, pages: int) -> Bench:
    bench = await Bench.at(SqliteStore.open(path))
    for start in range(0, pages, 100):
        many = range(start, min(start + 100, pages))
        added_now = [added(page_id=f"+{n - start}", content=start - 1 - n) for n in many]
        texts = [f"page {n} about {WORDS[n % 5]} and {WORDS[n // 5 % 5]}".encode() for n in many]
        await bench.do(*added_now, contents=texts, new=["claim"] * len(many))
    await bench.say("a message about alder")
    await bench.revise("claim_1", "now about cedar", session="s2")
    return bench


async def results(bench: Bench, session: str = "s1") -> dict[str, Found]:
    return {
        word: await bench.store.search(
            bench.workspace, session, Search(word, workspace=0, limit=400)
        )
        for word in WORDS
    }


def made_by_another_format(path: Path) -> None:
    db = apsw.Connection(str(path))
    db.execute("UPDATE workspace SET index_format=index_format+1")
    db.execute("UPDATE index_area SET format=format+1")
    db.close()


def pieces(path: Path, awaited: bool) -> list[int]:
    """How many documents the index gains with each piece of what is left over."""
    db = apsw.Connection(str(path))
    gained: list[int] = []
    before = 0
    while any_left_over(db, lambda: awaited):
        (now,) = db.execute("SELECT documents FROM index_area").fetchall()[0]
        gained.append(now - before)
        before = now
    db.close()
    return gained


async def test_left_over_work_ends_early_once_somebody_waits_for_it(path: Path) -> None:
    bench = await filled(path, 100)
    await bench.store.close()
    made_by_another_format(path)
    assert pieces(path, awaited=False) == [102]
    made_by_another_format(path)
    awaited = pieces(path, awaited=True)
    assert sum(awaited) == 102
    assert max(awaited) <= 8
    again = await reopened(path)
    assert len((await results(again))["alder"].hits) > 25
    await again.store.close()


async def test_the_index_reads_on_where_it_is_in_the_log_however_many_pages_there_are(
    path: Path,
) -> None:
    bench = await filled(path, 20)
    await bench.store.close()
    db = apsw.Connection(str(path))
    plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {following._NEW}", (1, 0, 0, 9, 9))]
    db.close()
    assert plan[0].startswith("SEARCH l USING INTEGER PRIMARY KEY")
    assert not any("TEMP B-TREE" in step for step in plan)


async def reopened(path: Path) -> Bench:
    store = SqliteStore.open(path)
    (workspace,) = await store.workspaces("local")
    return Bench(store, workspace)


@pytest.mark.parametrize("pages", [20, 600])
async def test_an_index_of_another_format_is_made_anew_with_the_same_results(
    path: Path, pages: int
) -> None:
    bench = await filled(path, pages)
    before = await results(bench), await results(bench, "s2")
    assert len(before[0]["alder"].hits) > pages // 4
    await bench.store.close()
    made_by_another_format(path)
    again = await reopened(path)
    assert (await results(again), await results(again, "s2")) == before
    await again.store.close()


async def test_a_version_is_found_with_its_own_words_and_hint_and_with_the_name_of_its_page(
    path: Path,
) -> None:
    bench = await Bench.at(SqliteStore.open(path))
    page = await bench.write("about alder", page_type="artifact", role="tool", tool_name="grep")
    home = await bench.revision(page, "s2")
    version = replace(home, hint=-2, importance=0.9, modality="structured")
    contents = [b"about beech", b"the second"]
    await bench.do(SessionOpened(session="s2"), version, contents=contents)
    found = await bench.store.search(bench.workspace, "s2", Search("grep", workspace=0))
    (hit,) = found.hits
    assert (hit.page_id, hit.version, hit.page_type, hit.role) == (page, 2, "artifact", "tool")
    assert (hit.name, hit.hint, hit.created_at) == ("grep", "the second", bench.now - 1)
    assert (hit.importance, hit.modality, found.sessions[hit.session]) == (0.9, "structured", "s2")
    await bench.store.close()


async def test_a_long_rebuilding_is_not_waited_for_and_says_how_far_it_is(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = await filled(path, 600)
    whole = (await results(bench))["alder"]
    await bench.store.close()
    made_by_another_format(path)
    monkeypatch.setattr("pagefault.stores.sqlite.store._PATIENT_BACKLOG", 100)
    again = await reopened(path)
    found = await again.store.search(again.workspace, "s1", Search("alder", workspace=0, limit=400))
    assert 0 < found.backlog < 600
    assert 0 < len(found.hits) < len(whole.hits)
    backlogs = [found.backlog]
    while backlogs[-1]:
        found = (await results(again))["alder"]
        backlogs.append(found.backlog)
    assert backlogs == sorted(backlogs, reverse=True)
    assert found == whole
    await again.store.close()


async def test_the_index_follows_by_itself_when_it_is_quiet(path: Path) -> None:
    bench = await filled(path, 20)
    with anyio.fail_after(20):
        while (await bench.store.totals(bench.workspace))["unindexed"]:
            await anyio.lowlevel.checkpoint()
    await bench.store.close()


# Searches in a worker thread


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every search is a large one."""
    monkeypatch.setattr("pagefault.stores.sqlite.store._INLINE", -1)


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize("lasting", [True, False], ids=["file", "memory"])
async def test_searches_beside_the_loop_go_with_writes_and_reads(path: Path, lasting: bool) -> None:
    bench = await Bench.at(SqliteStore.open(path if lasting else None))

    async def write(number: int) -> None:
        page = await bench.write(f"page about alder{number}")
        assert await bench.find(f"alder{number}") == [page]
        assert await bench.text(page) == f"page about alder{number}"

    async with anyio.create_task_group() as tasks:
        for number in range(40):
            tasks.start_soon(write, number)
    assert len(await bench.find("page", limit=100)) == 40
    await bench.store.close()


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize("lasting", [True, False], ids=["file", "memory"])
async def test_a_store_may_be_closed_in_the_middle_of_searches(path: Path, lasting: bool) -> None:
    bench = await Bench.at(SqliteStore.open(path if lasting else None))
    for number in range(30):
        await bench.write(f"page {number} about alder " * 40)
    await bench.find("alder")
    ends: list[str] = []

    async def search() -> None:
        try:
            await bench.find("alder")
            ends.append("found")
        except StoreUnavailable:
            ends.append("closed")

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(search)
        await anyio.wait_all_tasks_blocked()
        await bench.store.close()
    assert len(ends) == 20


async def test_a_page_that_is_archived_against_the_log_is_so_no_longer_once_it_was_repaired(
    path: Path,
) -> None:
    bench = await Bench.at(SqliteStore.open(path))
    pages = [await bench.write(f"alder number {number}") for number in range(3)]
    await bench.do(Archived(page_id=pages[0]))
    await bench.find("alder")
    await bench.store.close()
    with apsw.Connection(str(path)) as db:
        db.execute("UPDATE page SET archived=CASE WHEN archived IS NULL THEN 1 END")
    db.close()
    bench = Bench(store := SqliteStore.open(path), await open_workspace(store))
    found = await store.examine(bench.workspace)
    assert list(found.numbers) == ["3 pages are archived, or not, as the log does not say"]
    await store.renumber(bench.workspace)
    assert list((await store.examine(bench.workspace)).numbers) == []
    assert (await bench.find("alder"))[2] == pages[0]
    assert (await bench.counts())["archived"] == 1
    await store.close()
