"""The schema's versions, and how a file gets from one to the next.

A migration is one transaction under the file lock: a crash in it leaves the file as it was, and
a second process that waits finds the work done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import apsw

from ...base import assets
from ...base.errors import StoreDamaged, StoreTooNew
from ...index import fulltext

APPLICATION_ID = 0x70676661  # "pgfa": names the file's owner in its header

Migration = Callable[[apsw.Connection], None]


def _first(db: apsw.Connection) -> None:
    db.execute(assets.text("sqlite/0001.sql"))
    fulltext.create(db)


def _second(db: apsw.Connection) -> None:
    db.execute(assets.text("sqlite/0002.sql"))
    fulltext.create(db)


def _third(db: apsw.Connection) -> None:
    db.execute(assets.text("sqlite/0003.sql"))


def _fourth(db: apsw.Connection) -> None:
    db.execute(assets.text("sqlite/0004.sql"))


def _fifth(db: apsw.Connection) -> None:
    db.execute(assets.text("sqlite/0005.sql"))


def _sixth(db: apsw.Connection) -> None:
    db.execute(assets.text("sqlite/0006.sql"))


def _seventh(db: apsw.Connection) -> None:
    db.execute(assets.text("sqlite/0007.sql"))


def _eighth(db: apsw.Connection) -> None:
    db.execute(assets.text("sqlite/0008.sql"))


# Append only: a released migration is never changed.
MIGRATIONS: tuple[Migration, ...] = (
    _first,
    _second,
    _third,
    _fourth,
    _fifth,
    _sixth,
    _seventh,
    _eighth,
)


def check(db: apsw.Connection, newest: int, path: str) -> int:
    """The file's schema version, 0 for a new file.

    Raises:
        StoreTooNew: a later pagefault wrote it.
        StoreDamaged: it is a database of something else.
    """
    application = db.pragma("application_id")
    version = int(db.pragma("user_version"))
    if application not in (0, APPLICATION_ID) or (application == 0 and _has_tables(db)):
        message = f"{path} is a database of another program. Name another file with --store."
        raise StoreDamaged(message)
    if version > newest:
        message = (
            f"{path} has schema {version}, this pagefault knows up to {newest}. "
            "Update pagefault, or name another file with --store. Nothing was changed."
        )
        raise StoreTooNew(message)
    return version


def check_current(db: apsw.Connection, path: str) -> None:
    """Refuse to write a file that another pagefault has migrated since it was opened.

    Raises:
        StoreTooNew: it has.
    """
    check(db, len(MIGRATIONS), path)


def migrate(db: apsw.Connection, path: str, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the file to the newest schema, whole or not at all. The caller holds the file lock."""
    if check(db, len(migrations), path) == len(migrations):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        version = check(db, len(migrations), path)
        for step in migrations[version:]:
            step(db)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(migrations)}")
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _has_tables(db: apsw.Connection) -> bool:
    return bool(db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall())
