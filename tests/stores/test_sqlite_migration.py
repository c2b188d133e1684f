"""Migrating a file: whole or not at all, once, whoever is killed in the middle of it."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from tests.stores.conftest import StartChild
from tests.stores.making import Bench

from pagefault.base.errors import StoreTooNew
from pagefault.base.log import HERE, Reverted, SessionChanged, SessionOpened, Superseded
from pagefault.stores.sqlite import SqliteStore, schema

pytestmark = pytest.mark.anyio


async def filled(path: Path) -> None:
    bench = await Bench.at(SqliteStore.open(path))
    await bench.write("kept")
    await bench.store.close()


def state(path: Path) -> tuple[int, bool, list[str | None]]:
    """The schema's version, whether the migration's table is there, the sessions' titles."""
    db = apsw.Connection(str(path))
    version = int(db.pragma("user_version"))
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema")}
    titles = list(db.execute("SELECT title FROM session")) if "session" in tables else []
    assert db.pragma("integrity_check") == "ok"
    db.close()
    return version, "extra" in tables, [title for (title,) in titles]


async def test_a_file_from_before_sessions_had_a_policy_gives_none_to_its_sessions(
    tmp_path: Path,
) -> None:
    path = tmp_path / "memory.db"
    await filled(path)
    db = apsw.Connection(str(path))
    db.execute(
        "ALTER TABLE session DROP COLUMN policy; DROP TABLE superseded;"
        "DROP INDEX page_archived; ALTER TABLE page DROP COLUMN archived;"
        "ALTER TABLE version DROP COLUMN flagged"
    )
    db.pragma("user_version", 4)
    db.close()
    bench = await Bench.at(SqliteStore.open(path))
    assert (await bench.session()).policy is None
    await bench.do(SessionChanged(session="s1", policy="lru"))
    assert (await bench.session()).policy == "lru"
    await bench.store.close()


CURRENT = len(schema.MIGRATIONS)
OLD, NEW = (CURRENT, False, [None]), (CURRENT + 1, True, ["migrated"])


@pytest.mark.parametrize(
    ("at", "expected"), [("before", OLD), ("inside", OLD), ("after", NEW)], ids=lambda x: str(x)
)
async def test_a_migration_that_is_killed_leaves_old_or_new(
    path: Path, start_child: StartChild, at: str, expected: tuple[int, bool, list[str | None]]
) -> None:
    await filled(path)
    start_child("migrate", path, at).ready().kill()
    assert state(path) == expected


async def test_an_old_file_that_a_migration_was_killed_on_goes_on(
    path: Path, start_child: StartChild
) -> None:
    await filled(path)
    start_child("migrate", path, "inside").ready().kill()
    bench = await Bench.at(SqliteStore.open(path))
    assert await bench.text("claim_1") == "kept"
    assert await bench.write() == "claim_2"
    await bench.store.close()
    start_child("migrate", path).finish()
    assert state(path) == NEW
    with pytest.raises(StoreTooNew):
        SqliteStore.open(path)


async def test_a_file_whose_making_was_killed_is_made_again(
    path: Path, start_child: StartChild
) -> None:
    start_child("migrate", path, "inside").ready().kill()
    assert state(path) == (0, False, [])
    await filled(path)
    assert state(path) == OLD


async def test_a_file_is_migrated_once_by_processes_that_come_at_once(
    path: Path, start_child: StartChild
) -> None:
    await filled(path)
    children = [start_child("migrate", path, "first").ready() for _ in range(3)]
    for child in children:
        child.go()
    for child in children:
        child.finish()
    assert state(path) == NEW
    db = apsw.Connection(str(path))
    assert db.execute("SELECT count(*) FROM extra").fetchall() == [(1,)]
    db.close()


async def test_a_migration_that_fails_leaves_the_old_schema(path: Path) -> None:
    await filled(path)

    def good(db: apsw.Connection) -> None:
        db.execute("CREATE TABLE extra(x)")

    def bad(db: apsw.Connection) -> None:
        db.execute("UPDATE session SET title='half'")
        db.execute("INSERT INTO no_such_table VALUES(1)")

    db = apsw.Connection(str(path))
    with pytest.raises(apsw.SQLError):
        schema.migrate(db, str(path), (*schema.MIGRATIONS, good, bad))
    db.close()
    assert state(path) == OLD


async def test_several_migrations_are_made_in_their_order(path: Path) -> None:
    def steps(*names: str) -> list[schema.Migration]:
        return [lambda db, name=name: db.execute(f"CREATE TABLE {name}(x)") for name in names]  # type: ignore[misc]

    db = apsw.Connection(str(path))
    schema.migrate(db, str(path))
    schema.migrate(db, str(path), [*schema.MIGRATIONS, *steps("one")])
    schema.migrate(db, str(path), [*schema.MIGRATIONS, *steps("one", "two", "three")])
    assert db.pragma("user_version") == len(schema.MIGRATIONS) + 3
    db.close()


async def test_a_file_of_the_first_schema_is_brought_to_the_present_one(path: Path) -> None:
    """What the first schema lacks is taken out of a new file; then it is opened."""
    bench = await Bench.at(SqliteStore.open(path))
    page = await bench.write("about alder", key="k")
    await bench.store.close()
    db = apsw.Connection(str(path))
    db.execute("""
        ALTER TABLE session DROP COLUMN policy;
        ALTER TABLE written DROP COLUMN position;
        DROP TABLE reverted;
        DROP TABLE superseded;
        DROP INDEX page_archived;
        ALTER TABLE page DROP COLUMN archived;
        DROP INDEX log_of_moves;
        DROP INDEX log_of_checkpoints;
        DROP INDEX log_of_calls;
        DROP INDEX log_of_lessons;
        DROP TABLE folded;
        ALTER TABLE session DROP COLUMN bindings;
        DROP TABLE blob;
        ALTER TABLE version DROP COLUMN blobs;
        ALTER TABLE version DROP COLUMN flagged;
        DROP INDEX index_document_page;
        CREATE UNIQUE INDEX index_document_page
            ON index_document (area, page_id, session, version);
        PRAGMA user_version = 1;
    """)
    db.close()
    bench = await Bench.at(SqliteStore.open(path))
    await bench.do(SessionOpened(session="s2", parent="s1", forked_at=HERE))
    assert await bench.write("about alder", key="k", session="s2") == page
    await bench.revise(page, "about beech")
    await bench.do(Reverted(session="s1", page_id=page, version=1))
    assert await bench.find("alder") == [page]
    other = await bench.write("about cedar")
    await bench.do(Superseded(session="s1", page_id=page, by=other))
    assert len(await bench.store.moves(bench.workspace, "s1", 0, 9)) == 3
    await bench.store.close()
    assert state(path)[0] == CURRENT
