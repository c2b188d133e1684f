"""Whether store, index and residency fit together."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.memory.making import MakeMemory, drop, keep, say, seated

from pagefault.memory.core import Memory
from pagefault.memory.health import Health, check
from pagefault.memory.recall import SearchRequest, search
from pagefault.residency import Residency

pytestmark = pytest.mark.anyio
on_file = pytest.mark.parametrize("store_url", ["file"], indirect=True)


async def lived(memory: Memory, seat: Residency) -> None:
    for number in range(5):
        await say(memory, seat, f"message {number}")
    page_id = await keep(memory, seat, "We use MySQL.")
    await keep(memory, seat, "We use Postgres.", page_id=page_id)
    await drop(memory, seat, "msg_2")
    await memory.flush()


async def test_a_workspace_that_fits_together_is_ok(memory: Memory, seat: Residency) -> None:
    await lived(memory, seat)
    found = await check(memory, seat.workspace)
    assert (found.status, list(found.problems)) == ("ok", [])
    assert found.counts["pages"] == 6
    assert (found.checked["sessions"], found.checked["pages"]) == (1, 6)


async def test_an_empty_workspace_is_ok(memory: Memory, seat: Residency) -> None:
    assert (await check(memory, seat.workspace)).status == "ok"


async def after(make_memory: MakeMemory, path: str, statement: str) -> Health:
    """Live, meddle with the file, and look again."""
    async with seated(make_memory) as (memory, seat):
        await lived(memory, seat)
        await search(memory, seat, SearchRequest("message"))  # so that all is indexed
    with sqlite3.connect(path) as db:
        db.execute(statement)
    db.close()
    async with seated(make_memory) as (memory, seat):
        return await check(memory, seat.workspace)


@on_file
@pytest.mark.parametrize(
    ("statement", "status", "what", "words"),
    [
        (
            "UPDATE content SET data = x'00' WHERE key = (SELECT min(key) FROM content)",
            "damaged",
            "content",
            "msg_1",
        ),
        (
            "UPDATE resident SET tokens = tokens + 7 WHERE page = 'msg_3'",
            "degraded",
            "residency",
            "tokens and has",
        ),
        (
            "UPDATE session SET budget = 5",
            "degraded",
            "residency",
            "the budget is 5",
        ),
        ("DELETE FROM index_document", "degraded", "index", "does not find it"),
    ],
    ids=["content", "counts", "budget", "index"],
)
async def test_what_does_not_fit_is_named_with_what_to_do(
    make_memory: MakeMemory,
    store_url: str,
    statement: str,
    status: str,
    what: str,
    words: str,
) -> None:
    assert Path(store_url).suffix == ".db"
    found = await after(make_memory, store_url, statement)
    assert found.status == status
    problem = found.problems[0]
    assert problem.what == what
    assert words in f"{problem.where} {problem.detail}"
    assert problem.repair
