"""What the disk is asked for: a sync for what is durable, shared by those who wait for it."""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from tests.stores.disk import WatchedDisk
from tests.stores.making import Bench, mapped

from pagefault.base.errors import StoreError, StoreUnavailable
from pagefault.base.log import Touched, TurnBegan
from pagefault.stores.sqlite import SqliteStore

pytestmark = pytest.mark.anyio


async def begin_turn(bench: Bench, *, durable: bool = True) -> None:
    await bench.do(TurnBegan(session="s1", cause="pause"), durable=durable)


async def test_a_durable_commit_is_synced_before_it_is_answered(
    watched: Bench, disk: WatchedDisk
) -> None:
    await begin_turn(watched)
    for _ in range(5):
        before = len(disk.syncs)
        await begin_turn(watched)
        assert disk.syncs[before:] == ["memory.db-wal"]


async def test_a_durable_commit_is_not_answered_while_its_sync_is_under_way(
    watched: Bench, disk: WatchedDisk
) -> None:
    answered = anyio.Event()

    async def write() -> None:
        await watched.write("slow")
        answered.set()

    disk.hold()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        await anyio.to_thread.run_sync(disk.entered.wait, 10)
        assert not answered.is_set()
        disk.release()
    assert answered.is_set()


async def test_commits_that_come_while_a_sync_is_under_way_share_the_next(
    watched: Bench, disk: WatchedDisk
) -> None:
    await begin_turn(watched)
    before = len(disk.syncs)
    disk.hold()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watched.write, "first")
        await anyio.to_thread.run_sync(disk.entered.wait, 10)
        for number in range(30):
            tasks.start_soon(watched.write, f"page {number}")
        await anyio.wait_all_tasks_blocked()
        disk.release()
    assert len(disk.syncs) - before == 2
    assert await watched.write() == "claim_32"


async def test_derived_commits_cause_no_sync(watched: Bench, disk: WatchedDisk) -> None:
    page = await watched.write()
    await watched.do(mapped(page))
    before = len(disk.syncs)
    for _ in range(5):
        await watched.do(Touched(session="s1", page_id=page), durable=False)
    assert disk.syncs[before:] == []
    assert (await watched.session()).revision == 6


async def test_following_the_log_with_the_index_causes_no_sync(
    watched: Bench, disk: WatchedDisk
) -> None:
    await watched.write("about alder")
    before = len(disk.syncs)
    assert await watched.find("alder") == ["claim_1"]
    assert disk.syncs[before:] == []


async def test_an_operator_may_choose_not_to_wait_for_the_disk(
    watched: Bench, disk: WatchedDisk, path: Path
) -> None:
    fast = await Bench.at(SqliteStore.open(path, synced=False))
    await fast.write()
    before = len(disk.syncs)
    await fast.write()
    assert disk.syncs[before:] == []
    await fast.store.close()


async def test_one_sync_is_for_a_durable_commit_and_the_derived_ones_before_it(
    watched: Bench, disk: WatchedDisk
) -> None:
    await begin_turn(watched, durable=False)
    before = len(disk.syncs)
    await begin_turn(watched)
    assert disk.syncs[before:] == ["memory.db-wal"]
    assert (await watched.session()).turn == 2


async def test_a_slow_sync_delays_no_read(watched: Bench, disk: WatchedDisk) -> None:
    page = await watched.write("about alder")
    await watched.do(mapped(page))
    assert await watched.find("alder") == [page]
    store, workspace = watched.store, watched.workspace
    disk.hold()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watched.write, "slow")
        await anyio.to_thread.run_sync(disk.entered.wait, 10)
        with anyio.fail_after(10):
            assert await watched.text(page) == "about alder"
            assert (await watched.session()).revision == 1
            assert len(await store.residents(workspace, "s1")) == 1
            assert await store.page(workspace, "claim_2", "s1") is None  # it is not safe yet
            assert await watched.find("alder") == [page]
        disk.release()
    assert await watched.text("claim_2") == "slow"


async def test_a_commit_whose_sync_fails_is_not_said_to_be_kept(
    watched: Bench, disk: WatchedDisk
) -> None:
    await watched.write("kept")
    disk.fails = True
    with pytest.raises(StoreUnavailable, match="the disk reported an error"):
        await watched.write("lost")
    assert await watched.text("claim_1") == "kept"
    assert await watched.store.page(watched.workspace, "claim_2", "s1") is None
    disk.fails = False
    assert await watched.write("next") == "claim_2"
    assert await watched.text("claim_2") == "next"


async def test_all_who_share_a_sync_hear_that_it_failed(watched: Bench, disk: WatchedDisk) -> None:
    heard: list[StoreError] = []

    async def write() -> None:
        try:
            await watched.write("lost")
        except StoreError as error:
            heard.append(error)

    disk.fails = True
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(write)
    assert len(heard) == 10
    disk.fails = False
    assert await watched.write("next") == "claim_1"


# Callers that give up


async def test_a_cancelled_caller_does_not_take_its_commit_back(
    watched: Bench, disk: WatchedDisk
) -> None:
    disk.hold()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watched.write, "under way")
        await anyio.to_thread.run_sync(disk.entered.wait, 10)
        tasks.start_soon(watched.write, "queued")
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    disk.release()
    assert await watched.write("after") == "claim_3"
    assert await watched.text("claim_1") == "under way"
    assert await watched.text("claim_2") == "queued"


async def test_what_a_cancelled_caller_would_have_heard_disturbs_nobody(
    watched: Bench, disk: WatchedDisk
) -> None:
    disk.hold()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watched.write, "lost")
        await anyio.to_thread.run_sync(disk.entered.wait, 10)
        disk.fails = True
        tasks.cancel_scope.cancel()
    disk.release()
    with pytest.raises(StoreUnavailable):
        await watched.write("lost too")
    disk.fails = False
    assert await watched.write("after") == "claim_1"
