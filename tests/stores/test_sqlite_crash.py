"""A process that is killed while it writes: what it was told was kept is there, and whole."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from tests.stores.conftest import StartChild
from tests.stores.making import Bench

from pagefault.stores.sqlite import SqliteStore

pytestmark = pytest.mark.anyio


async def test_no_acknowledged_write_is_lost_with_a_killed_process(
    path: Path, start_child: StartChild
) -> None:
    acknowledged: list[str] = []
    for writes in (5, 17, 31):
        child = start_child("write", path, 100_000).ready()
        child.go()
        acknowledged += [child.line() for _ in range(writes)]
        acknowledged += child.kill()
        db = apsw.Connection(str(path))
        assert str(db.pragma("integrity_check")) == "ok"
        db.close()
    bench = await Bench.at(SqliteStore.open(path))
    totals = await bench.store.totals(bench.workspace)
    assert len(set(acknowledged)) == len(acknowledged) >= 53
    assert totals["pages"] <= len(acknowledged) + 3  # at most one each was under way
    for page in acknowledged:
        assert await bench.text(page) == "a page about alder"
    assert len(await bench.find("alder", limit=10_000)) == totals["pages"]
    positions = await bench.positions()
    assert positions == list(range(1, len(positions) + 1))
    await bench.store.close()


async def test_two_processes_go_on_when_one_of_them_is_killed(
    path: Path, start_child: StartChild
) -> None:
    victim, survivor = (start_child("write", path, number).ready() for number in (100_000, 40))
    victim.go()
    victim.line()
    survivor.go()
    survivor.line()
    victim.kill()
    assert len(survivor.finish()) == 39
