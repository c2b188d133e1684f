"""A copy made while others write: sound, and a beginning of the log."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import apsw
import pytest
from tests.stores.conftest import StartChild
from tests.stores.making import Bench

from pagefault.base.errors import StoreError
from pagefault.stores.sqlite import SqliteStore

pytestmark = pytest.mark.anyio


def sound(path: Path) -> bool:
    db = apsw.Connection(str(path))
    try:
        return str(db.pragma("integrity_check")) == "ok"
    finally:
        db.close()


async def test_a_copy_made_while_another_process_writes_is_a_beginning_of_the_log(
    bench: Bench, path: Path, tmp_path: Path, start_child: StartChild
) -> None:
    for number in range(50):
        await bench.write(f"page {number} " * 500)
    child = start_child("write", path, 100).ready()
    child.go()
    copies = [tmp_path / f"copy-{number}.db" for number in range(4)]
    for copy in copies:
        await bench.store.backup(copy)
    child.finish()
    whole = await bench.store.log(bench.workspace, 0, 10_000)
    for copy in copies:
        assert sound(copy)
        store = SqliteStore.open(copy)
        lines = await store.log(bench.workspace, 0, 10_000)
        assert len(lines) >= 51
        assert lines == whole[: len(lines)]
        totals = await store.totals(bench.workspace)
        assert len(await store.contents(bench.workspace, 0, 10_000)) == totals["pages"]
        await store.close()


async def test_a_copy_goes_on_as_a_store_of_its_own(bench: Bench, tmp_path: Path) -> None:
    page = await bench.write("about alder")
    await bench.store.backup(tmp_path / "copy.db")
    await bench.write("later")
    copy = await Bench.at(SqliteStore.open(tmp_path / "copy.db"))
    assert copy.workspace == bench.workspace
    assert await copy.text(page) == "about alder"
    assert await copy.find("alder") == [page]
    assert await copy.write() == "claim_2"
    await copy.store.close()


async def test_a_memory_is_copied_into_a_file(tmp_path: Path) -> None:
    bench = await Bench.at(SqliteStore.open(None))
    page = await bench.write("about alder")
    await bench.store.backup(tmp_path / "copy.db")
    assert await bench.write("and on it goes") == "claim_2"
    await bench.store.close()
    copy = await Bench.at(SqliteStore.open(tmp_path / "copy.db"))
    assert await copy.text(page) == "about alder"
    await copy.store.close()


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
async def test_a_copy_is_for_its_owner_alone(bench: Bench, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    await bench.store.backup(copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


async def test_a_copy_into_a_folder_that_is_not_there_is_an_error(
    bench: Bench, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        await bench.store.backup(tmp_path / "not there" / "copy.db")
    assert await bench.write() == "claim_1"
