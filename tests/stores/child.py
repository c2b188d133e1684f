"""What a second process does to a data file. Run as a script: ``child.py VERB PATH [ARGUMENT]``.

It says ``ready`` on stdout before it begins what matters, and waits for a line on stdin where the
test is to decide when.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import apsw

from pagefault.base.log import FaultedIn, Operation, PageAdded, SessionOpened
from pagefault.base.page import Page
from pagefault.memory.mapping import admit, placed
from pagefault.paging.eviction import POLICIES
from pagefault.residency import Residency, Rules
from pagefault.stores.contract import Applied, Commit, Session, Workspace, WorkspaceRequest
from pagefault.stores.lock import FileLock
from pagefault.stores.sqlite import SqliteStore, schema

NOW = 1_767_225_600.0


def say(text: object) -> None:
    print(text, flush=True)


def wait() -> None:
    sys.stdin.readline()


def hold(path: Path, _: str) -> None:
    """Take the file lock and keep it until told."""
    with FileLock(path.with_name(path.name + ".lock")):
        say("ready")
        wait()


def open_it(path: Path, _: str) -> None:
    """Open the store when told, and write one page."""
    say("ready")
    wait()
    anyio.run(_write, path, 1)


def write(path: Path, number: str) -> None:
    """Write so many pages of one session when told; say their ids."""
    say("ready")
    wait()
    anyio.run(_write, path, int(number))


def read(path: Path, _: str) -> None:
    """Keep a read transaction open until told."""
    db = apsw.Connection(str(path))
    db.execute("BEGIN")
    db.execute("SELECT count(*) FROM log").fetchall()
    say("ready")
    wait()
    db.close()


def migrate(path: Path, stop: str) -> None:
    """Migrate the file to a schema of its own; stop ``before``, ``inside`` or ``after``."""

    def extra(db: apsw.Connection) -> None:
        _stop(stop, "before")
        db.execute("CREATE TABLE extra(x) STRICT" if stop == "broken" else "CREATE TABLE extra(x)")
        db.execute("INSERT INTO extra SELECT key FROM content")
        db.execute("INSERT INTO extra VALUES('migrated')")
        db.execute("UPDATE session SET title='migrated'")
        _stop(stop, "inside")

    if stop == "told":
        say("ready")
        wait()
    with FileLock(path.with_name(path.name + ".lock")), apsw.Connection(str(path)) as db:
        pass
    with FileLock(path.with_name(path.name + ".lock")):
        schema.migrate(db, str(path), (*schema.MIGRATIONS, extra))
    _stop(stop, "after")
    db.close()


def fault(path: Path, number: str) -> None:
    """Fault so many pages into one session under a small budget, when told."""
    say("ready")
    wait()
    anyio.run(_fault, path, int(number))


def _stop(wanted: str, here: str) -> None:
    if wanted == here:
        say("ready")
        wait()


async def _workspace(store: SqliteStore) -> Workspace:
    return await store.open_workspace(WorkspaceRequest("local", "estimate", NOW))


async def _write(path: Path, number: int) -> None:
    store = SqliteStore.open(path)
    workspace = await _workspace(store)
    for _ in range(number):
        say((await _page(store, workspace, "a page about alder")).ids[0])
    await store.close()


async def _page(store: SqliteStore, workspace: Workspace, text: str) -> Applied:
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
    answer = await store.apply(
        Commit(workspace, NOW, "child", operations, [text.encode()], ["claim"])
    )
    assert isinstance(answer, Applied)
    return answer


async def _fault(path: Path, number: int) -> None:
    store = SqliteStore.open(path)
    workspace = await _workspace(store)
    rules = Rules(budget=100, policy=POLICIES["lru"], protection=0, damping=0)
    row = await store.session(workspace, "s1") or Session("s1", 0, NOW, NOW)
    seat = await Residency.read(store, workspace, row, rules)
    pages = list((await store.pages(workspace, [f"claim_{n}" for n in range(1, 41)], "s1")).values())
    for turn in range(number):
        page = pages[turn * 7 % len(pages)]
        await seat.refresh()
        seat.decide(lambda seat, page=page: _admitted(seat, page), page.page_id)  # type: ignore[misc]
        assert seat.set.used <= 100
        await seat.flush(NOW)
    say(seat.set.used)
    await store.close()


def _admitted(seat: Residency, page: Page) -> list[Operation]:
    _, lines = admit(seat, placed(page, 0, page.tokens), "resolve_reference")
    assert all(not isinstance(line, FaultedIn) or line.tokens <= 100 for line in lines)
    return lines


VERBS = {
    "hold": hold,
    "open": open_it,
    "write": write,
    "read": read,
    "migrate": migrate,
    "fault": fault,
}

if __name__ == "__main__":
    verb, where, *rest = sys.argv[1:]
    VERBS[verb](Path(where), rest[0] if rest else "")
