"""The write-ahead log stays small, whoever reads."""

from __future__ import annotations

import secrets
from pathlib import Path

import apsw
import pytest
from tests.stores.conftest import StartChild
from tests.stores.making import Bench

from pagefault.stores.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

LIMIT = 2**20  # bytes it is cut back to in these tests
CHECKPOINT = 1_000 * 4_128  # bytes after which SQLite moves it into the file


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pagefault.stores.sqlite.files._WAL_LIMIT", LIMIT)


def size(path: Path) -> int:
    log = path.with_name(path.name + "-wal")
    return log.stat().st_size if log.exists() else 0


async def write(bench: Bench, many: int, each: int = 400_000) -> None:
    for _ in range(many):
        await bench.write(secrets.token_bytes(each))


async def test_it_stays_bounded_while_an_export_reads_in_pieces(bench: Bench, path: Path) -> None:
    largest = read = 0
    for _ in range(40):
        await write(bench, 1)
        for number, _ in await bench.store.contents(bench.workspace, read, 4):
            read = number
        largest = max(largest, size(path))
    assert read == 40
    assert largest < 2 * CHECKPOINT


@pytest.mark.usefixtures("small_limit")
async def test_it_is_cut_back_when_a_long_reader_has_ended(
    path: Path, start_child: StartChild
) -> None:
    bench = await Bench.at(SqliteStore.open(path))
    child = start_child("read", path).ready()
    await write(bench, 30)
    assert size(path) > 30 * 400_000  # nothing may be moved while it is read from before
    child.finish()
    await write(bench, 3, 100)
    assert size(path) <= LIMIT
    await bench.store.close()


async def test_a_closed_store_leaves_none(path: Path) -> None:
    bench = await Bench.at(SqliteStore.open(path))
    await write(bench, 3)
    assert size(path) > 0
    await bench.store.close()
    assert size(path) == 0
    db = apsw.Connection(str(path))
    assert db.execute("SELECT count(*) FROM content").fetchall() == [(3,)]
    db.close()
