"""Opening a data file: what is refused, and that what is refused is left as it was."""

from __future__ import annotations

import os
import stat
from hashlib import sha256
from pathlib import Path

import anyio
import apsw
import pytest
from tests.stores.conftest import StartChild
from tests.stores.making import Bench

from pagefault.base.errors import StoreDamaged, StoreError, StoreReadOnly, StoreTooNew
from pagefault.stores.sqlite import SqliteStore

pytestmark = pytest.mark.anyio


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def database(path: Path, *statements: str) -> None:
    db = apsw.Connection(str(path))
    for statement in statements:
        db.execute(statement)
    db.close()


async def check(path: Path) -> None:
    bench = await Bench.at(SqliteStore.open(path))
    assert await bench.text("claim_1") == "kept"
    await bench.store.close()


async def filled(path: Path) -> None:
    bench = await Bench.at(SqliteStore.open(path))
    await bench.write("kept")
    await bench.store.close()


async def test_a_newer_file_is_refused_and_left_as_it_was(path: Path) -> None:
    await filled(path)
    database(path, "PRAGMA user_version=99")
    before = digest(path)
    with pytest.raises(StoreTooNew, match=r"schema 99.*Update pagefault"):
        SqliteStore.open(path)
    assert digest(path) == before


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param(["CREATE TABLE theirs(x)"], id="with tables and no name"),
        pytest.param(["PRAGMA application_id=4711"], id="with another name"),
    ],
)
async def test_the_database_of_another_program_is_refused_and_left_as_it_was(
    path: Path, statements: list[str]
) -> None:
    database(path, *statements)
    before = digest(path)
    with pytest.raises(StoreDamaged, match="another program"):
        SqliteStore.open(path)
    assert digest(path) == before


def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(path: Path) -> None:
    path.write_text("Dear diary,\n" * 500)
    before = digest(path)
    with pytest.raises(StoreDamaged, match="not a pagefault store"):
        SqliteStore.open(path)
    assert digest(path) == before


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    anyio.run(filled, path)
    anyio.run(check, path)


async def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    await filled(tmp_path / "not" / "there" / "memory.db")


def test_a_folder_is_no_data_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        SqliteStore.open(tmp_path)


def test_a_file_is_no_folder_for_a_data_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(StoreError, match=r"memory\.db"):
        SqliteStore.open(tmp_path / "file" / "memory.db")


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
async def test_what_is_kept_is_for_its_owner_alone(bench: Bench, path: Path) -> None:
    await bench.write()
    files = [path, *path.parent.glob("memory.db-*"), path.with_name("memory.db.lock")]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * len(files)
    assert len(files) == 4


def test_a_failed_opening_can_be_tried_again(path: Path) -> None:
    path.write_text("no database" * 100)
    for _ in range(3):
        with pytest.raises(StoreDamaged):
            SqliteStore.open(path)
    path.unlink()
    anyio.run(filled, path)


async def test_processes_that_make_a_file_at_once_share_it(
    path: Path, start_child: StartChild
) -> None:
    children = [start_child("write", path, 3) for _ in range(4)]
    for child in children:
        child.ready()
    for child in children:
        child.go()
    ids = [name for child in children for name in child.finish()]
    assert sorted(ids) == sorted(f"claim_{number}" for number in range(1, 13))
    bench = await Bench.at(SqliteStore.open(path))
    assert [w.id for w in await bench.store.workspaces("local")] == ["default"]
    assert len(await bench.find("alder", limit=20)) == 12
    await bench.store.close()


async def test_a_store_writes_no_file_that_was_migrated_behind_its_back(
    bench: Bench, path: Path
) -> None:
    page = await bench.write("kept")
    database(path, "PRAGMA user_version=99")
    with pytest.raises(StoreTooNew):
        await bench.write("late")
    assert await bench.text(page) == "kept"
    database(path, "PRAGMA user_version=1")
    assert await bench.write("again") == "claim_2"


def test_a_message_names_the_file_and_what_to_do(tmp_path: Path) -> None:
    target = tmp_path / "no database"
    target.write_text("x" * 1000)
    with pytest.raises(StoreDamaged) as failure:
        SqliteStore.open(target)
    assert str(target) in str(failure.value)
    assert "--store" in str(failure.value)
    assert not isinstance(failure.value, StoreReadOnly)
