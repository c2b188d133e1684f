"""One writer at a time among processes: who waits, who is told what, and that none is starved."""

from __future__ import annotations

from pathlib import Path

import anyio
import apsw
import pytest
from tests.stores.conftest import StartChild
from tests.stores.making import Bench

from pagefault.base.errors import StoreBusy
from pagefault.base.log import TurnBegan
from pagefault.base.portable import try_lock, unlock
from pagefault.stores.lock import FileLock
from pagefault.stores.sqlite import SqliteStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pagefault.stores.sqlite.writer.PATIENCE", 0.2)
    monkeypatch.setattr("pagefault.stores.sqlite.files.BUSY_MS", 50)


@pytest.mark.usefixtures("impatient")
async def test_a_lock_that_is_held_is_reported_with_its_holder(
    bench: Bench, path: Path, start_child: StartChild
) -> None:
    child = start_child("hold", path).ready()
    with pytest.raises(StoreBusy, match=rf"held by process {child.pid} .*Nothing was written"):
        await bench.write("given up")
    child.finish()
    assert await bench.write("after") == "claim_1"
    assert await bench.store.contents(bench.workspace, 0, 10) == [(1, b"after")]


@pytest.mark.usefixtures("impatient")
async def test_a_job_that_was_given_up_is_not_written_later(
    bench: Bench, path: Path, start_child: StartChild
) -> None:
    child = start_child("hold", path).ready()
    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(_is_busy, bench, f"given up {number}")
    before = await bench.positions()
    child.finish()
    applied = await bench.do(TurnBegan(session="s1", cause="pause"))
    assert applied.position == len(before) + 1
    assert await bench.store.contents(bench.workspace, 0, 10) == []


async def _is_busy(bench: Bench, text: str) -> None:
    with pytest.raises(StoreBusy):
        await bench.write(text)


@pytest.mark.usefixtures("impatient")
async def test_reads_and_searches_go_on_while_another_process_holds_the_lock(
    bench: Bench, path: Path, start_child: StartChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await bench.write("about alder")
    assert await bench.find("alder") == [first]
    monkeypatch.setattr("pagefault.stores.sqlite.writer._LINGER", 60.0)  # no index by itself
    await bench.write("about alder too")
    child = start_child("hold", path).ready()
    assert await bench.text(first) == "about alder"
    assert await bench.find("alder") == [first]  # what the index knows, rather than nothing
    child.finish()
    assert len(await bench.find("alder")) == 2


async def test_a_killed_holder_holds_nothing(
    bench: Bench, path: Path, start_child: StartChild
) -> None:
    start_child("hold", path).ready().kill()
    assert await bench.write() == "claim_1"


@pytest.mark.usefixtures("impatient")
async def test_a_store_closes_although_another_process_keeps_the_lock(
    path: Path, start_child: StartChild
) -> None:
    bench = await Bench.at(SqliteStore.open(path))
    child = start_child("hold", path).ready()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_is_busy, bench, "given up")
            await anyio.wait_all_tasks_blocked()
            await bench.store.close()
    child.finish()


@pytest.mark.usefixtures("impatient")
async def test_a_program_that_does_not_know_the_lock_is_reported_too(path: Path) -> None:
    bench = await Bench.at(SqliteStore.open(path))
    foreign = apsw.Connection(str(path))
    foreign.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match="locked by another program"):
        await bench.write("refused")
    foreign.execute("ROLLBACK")
    foreign.close()
    assert await bench.write("after") == "claim_1"
    await bench.store.close()


async def test_processes_that_write_one_session_at_once_get_dense_numbers(
    bench: Bench, path: Path, start_child: StartChild
) -> None:
    children = [start_child("write", path, 25) for _ in range(4)]
    for child in children:
        child.ready()
    for child in children:
        child.go()
    ids = [child.finish() for child in children]
    assert sorted(name for own in ids for name in own) == sorted(
        f"claim_{number}" for number in range(1, 101)
    )
    for own in ids:
        numbers = [int(name.removeprefix("claim_")) for name in own]
        assert numbers == sorted(numbers)
    positions = await bench.positions()
    assert positions == list(range(1, len(positions) + 1))
    assert len(await bench.find("alder", limit=200)) == 100


def test_a_lock_excludes_whoever_else_opened_it(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    held = FileLock(path)
    with path.open("r+b") as other:
        with held:
            assert not try_lock(other.fileno())
        assert try_lock(other.fileno())
        unlock(other.fileno())
    held.close()
    held.close()


def test_a_lock_names_its_holder_as_far_as_it_knows(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    lock = FileLock(path)
    assert lock.holder() == "another process"
    with lock:
        assert lock.holder() == "this process"
        path.write_text("4711                ")
        assert lock.holder() == "process 4711"
    path.unlink()
    assert lock.holder() == "another process"
    lock.close()
