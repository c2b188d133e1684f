"""What a second process does to a data file. Run as a script: ``child.py VERB PATH [ARGUMENT]``.

It says ``ready`` on stdout where the test is to decide when it goes on, by a line on stdin.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import anyio
import apsw

from pagefault.base.log import Operation, PageAdded, SessionOpened
from pagefault.base.page import Page
from pagefault.memory.mapping import admit, placed
from pagefault.paging.eviction import POLICIES
from pagefault.residency import Residency, Rules
from pagefault.stores.contract import Applied, Commit, Session, Workspace, WorkspaceRequest
from pagefault.stores.lock import FileLock
from pagefault.stores.sqlite import SqliteStore, schema

NOW = 1_767_225_600.0
BUDGET = 100


def pause() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def hold(path: Path, _: str) -> None:
    """Keep the file lock until told."""
    with FileLock(path.with_name(path.name + ".lock")):
        pause()


def write(path: Path, number: str) -> None:
    """Open the store when told, write so many pages of one session, and say their ids."""
    pause()
    anyio.run(_write, path, int(number))


def read(path: Path, _: str) -> None:
    """Keep a read transaction open until told."""
    db = apsw.Connection(str(path))
    db.execute("BEGIN")
    db.execute("SELECT count(*) FROM log").fetchall()
    pause()
    db.close()


def migrate(path: Path, at: str) -> None:
    """Migrate the file to a schema of its own; pause first, before, inside or after."""

    def extra(db: apsw.Connection) -> None:
        _pause_at("before", at)
        db.execute("CREATE TABLE extra(x)")
        db.execute("INSERT INTO extra VALUES('migrated')")
        db.execute("UPDATE session SET title='migrated'")
        _pause_at("inside", at)

    _pause_at("first", at)
    with FileLock(path.with_name(path.name + ".lock")):
        db = apsw.Connection(str(path))
        db.execute("PRAGMA journal_mode=WAL")
        schema.migrate(db, str(path), (*schema.MIGRATIONS, extra))
        _pause_at("after", at)
        db.close()


def fault(path: Path, number: str) -> None:
    """Fault so many pages into one session under a small budget, when told."""
    pause()
    anyio.run(_fault, path, int(number))


def _pause_at(here: str, wanted: str) -> None:
    if here == wanted:
        pause()


async def _write(path: Path, number: int) -> None:
    store = SqliteStore.open(path)
    workspace = await _workspace(store)
    for _ in range(number):
        print(await _page(store, workspace, "a page about alder"), flush=True)
    await store.close()


async def _workspace(store: SqliteStore) -> Workspace:
    return await store.open_workspace(WorkspaceRequest("local", "estimate", NOW))


async def _page(store: SqliteStore, workspace: Workspace, text: str) -> str:
    page = PageAdded(
        session="s1",
        page_id="+0",
        page_type="claim",
        modality="text",
        content=-1,
        tokens=10,
        size=len(text),
        source="model",
        trust=2,
    )
    operations: list[Operation] = [SessionOpened(session="s1"), page]
    commit = Commit(workspace, NOW, "child", operations, [text.encode()], ["claim"])
    answer = await store.apply(commit)
    assert isinstance(answer, Applied)
    return answer.ids[0]


async def _fault(path: Path, number: int) -> None:
    store = SqliteStore.open(path)
    workspace = await _workspace(store)
    rules = Rules(budget=BUDGET, policy=POLICIES["lru"], protection=0, damping=0)
    row = await store.session(workspace, "s1") or Session("s1", 0, NOW, NOW)
    seat = await Residency.read(store, workspace, row, rules)
    ids = await store.ids_like(workspace, "page", "claim_", 100)
    pages = await store.pages(workspace, ids, "s1")
    for turn in range(number):
        page = pages[ids[turn * 7 % len(ids)]]
        await seat.refresh()
        seat.decide(partial(_admitted, page=page), page.page_id)
        await seat.flush(NOW)
    print(seat.set.used, flush=True)
    await store.close()


def _admitted(seat: Residency, page: Page) -> list[Operation]:
    _, lines = admit(seat, placed(page, 0, page.tokens), "resolve_reference")
    return lines


VERBS = {"hold": hold, "write": write, "read": read, "migrate": migrate, "fault": fault}

if __name__ == "__main__":
    verb, where, *rest = sys.argv[1:]
    VERBS[verb](Path(where), rest[0] if rest else "")
