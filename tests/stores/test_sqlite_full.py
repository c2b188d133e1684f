"""A full disk: a clear error, nothing acknowledged lost, and writing again once there is room."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import apsw
import pytest
from tests.stores.disk import WatchedDisk
from tests.stores.making import Bench, added

from pagefault.base.errors import StoreFull
from pagefault.stores.lock import FileLock
from pagefault.stores.sqlite import SqliteStore
from pagefault.stores.sqlite.files import DiskFile

pytestmark = pytest.mark.anyio


def sound(path: Path) -> bool:
    db = apsw.Connection(str(path))
    try:
        return str(db.pragma("integrity_check")) == "ok"
    finally:
        db.close()


@pytest.mark.parametrize("writes", range(0, 14, 2))
async def test_wherever_the_disk_fills_up_the_commit_is_refused_whole(
    watched: Bench, disk: WatchedDisk, path: Path, writes: int
) -> None:
    kept = await watched.write("kept about alder")
    before = await watched.store.totals(watched.workspace)
    disk.room = writes
    with pytest.raises(StoreFull, match="is full"):
        await watched.do(
            *(added(page_id=f"+{n}", content=-1 - n) for n in range(3)),
            contents=[secrets.token_bytes(30_000) for _ in range(3)],
            new=["claim"] * 3,
        )
    assert await watched.text(kept) == "kept about alder"
    after = await watched.store.totals(watched.workspace)
    assert {**after, "unindexed": 0} == {**before, "unindexed": 0}
    disk.room = None
    assert await watched.write("there is room") == "claim_2"
    assert await watched.find("alder") == [kept]
    assert sound(path)


async def test_a_full_disk_is_no_reason_not_to_search(watched: Bench, disk: WatchedDisk) -> None:
    kept = await watched.write("about alder")
    assert await watched.find("alder") == [kept]
    await watched.write("about beech")
    disk.room = 0
    assert await watched.find("alder") == [kept]
    disk.room = None
    assert await watched.find("beech") == ["claim_2"]


async def test_a_store_that_a_full_disk_kept_shut_is_opened_when_there_is_room(
    disk: WatchedDisk, path: Path
) -> None:
    disk.room = 0
    with pytest.raises(StoreFull, match="is full"):
        SqliteStore.open(path)
    disk.room = None
    bench = await Bench.at(SqliteStore.open(path))
    assert await bench.write() == "claim_1"
    await bench.store.close()


class SmallFile(DiskFile):
    """A file that may not grow beyond so many pages of 4 kB."""

    writer: apsw.Connection

    def writing(self) -> apsw.Connection:
        self.writer = super().writing()
        return self.writer

    def limit(self, pages: int) -> None:
        self.writer.execute(f"PRAGMA max_page_count={pages}").fetchall()


async def test_what_shared_the_transaction_of_a_refused_commit_is_as_its_caller_was_told(
    path: Path,
) -> None:
    file = SmallFile(path)
    bench = await Bench.at(SqliteStore(file, synced=True))
    await bench.write("kept")
    file.limit(int(file.writer.pragma("page_count")) + 20)
    told: dict[str, str | None] = {}

    async def write(text: str) -> None:
        try:
            told[text] = await bench.write(text)
        except StoreFull:
            told[text] = None

    async with anyio.create_task_group() as tasks:
        with FileLock(path.with_name("memory.db.lock")):  # until it is free, all queue up
            tasks.start_soon(write, "the first waits alone")
            await anyio.wait_all_tasks_blocked()
            for text in ("before", secrets.token_hex(200_000), "after", "and after"):
                tasks.start_soon(write, text)
            await anyio.wait_all_tasks_blocked()
    contents = [data.decode() for _, data in await bench.store.contents(bench.workspace, 0, 100)]
    assert sorted(contents) == sorted(["kept", *(text for text in told if told[text])])
    assert None in told.values()
    file.limit(100_000)
    assert await bench.write("there is room") == f"claim_{len(contents) + 1}"
    await bench.store.close()
    assert sound(path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 3 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("a small tmpfs is mounted by root on Linux; the shim above shows the same")
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("tried to mount a tmpfs of 3 MB and was refused; the shim shows the same")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def fill(bench: Bench, kept: dict[str, str]) -> None:
    for _ in range(200):
        text = secrets.token_hex(20_000)
        kept[await bench.write(text)] = text


async def test_a_disk_that_is_really_full_loses_nothing_and_recovers(small_disk: Path) -> None:
    ballast = anyio.Path(small_disk / "ballast")
    await ballast.write_bytes(bytes(400_000))
    bench = await Bench.at(SqliteStore.open(small_disk / "memory.db"))
    kept: dict[str, str] = {}
    with pytest.raises(StoreFull):
        await fill(bench, kept)
    for page, text in kept.items():
        assert await bench.text(page) == text
    await ballast.unlink()
    again = await bench.write("there is room")
    assert again == f"claim_{len(kept) + 1}"
    await bench.store.close()
    reopened = await Bench.at(SqliteStore.open(small_disk / "memory.db"))
    for page, text in {**kept, again: "there is room"}.items():
        assert await reopened.text(page) == text
    await reopened.store.close()
    assert sound(small_disk / "memory.db")
