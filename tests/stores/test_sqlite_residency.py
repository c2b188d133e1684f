"""Committed residency never exceeds its budget, however many processes map into one session."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.stores.conftest import StartChild
from tests.stores.making import Bench

from pagefault.base.log import Evicted, FaultedIn, Touched

pytestmark = pytest.mark.anyio

BUDGET = 100  # tokens, of child.py


async def test_two_processes_that_fault_into_one_session_stay_within_its_budget(
    bench: Bench, path: Path, start_child: StartChild
) -> None:
    for number in range(30):
        await bench.write(f"page {number}", tokens=7 + number)
    children = [start_child("fault", path, turns).ready() for turns in (30, 23)]
    for child in children:
        child.go()
    used = [int(child.finish()[0]) for child in children]
    assert all(tokens <= BUDGET for tokens in used)

    mapped: dict[str, int] = {}
    for line in await bench.store.log(bench.workspace, 0, 10_000):
        operation = line.operation
        if isinstance(operation, FaultedIn):
            mapped[operation.page_id] = operation.tokens
        elif isinstance(operation, Evicted):
            del mapped[operation.page_id]
        elif isinstance(operation, Touched):
            assert operation.page_id in mapped
        assert sum(mapped.values()) <= BUDGET
    residents = await bench.store.residents(bench.workspace, "s1")
    assert {one.page_id: one.tokens for one in residents if one.level is not None} == mapped
    assert len(mapped) >= 2


async def test_both_processes_got_their_faults_written(
    bench: Bench, path: Path, start_child: StartChild
) -> None:
    await bench.write("one", tokens=10)
    children = [start_child("fault", path, 12).ready() for _ in range(2)]
    for child in children:
        child.go()
    for child in children:
        child.finish()
    kinds = [type(line.operation) for line in await bench.store.log(bench.workspace, 0, 1000)]
    assert kinds.count(FaultedIn) == 1
    assert kinds.count(Touched) == 23
