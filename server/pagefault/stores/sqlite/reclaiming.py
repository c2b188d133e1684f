"""Free room in the file: what the index holds in vain, and pages that hold nothing."""

from __future__ import annotations

from typing import Any

import apsw

from ...index import fulltext

_STEP = 512  # pages given back in one transaction, which others wait for

# Areas, with the workspace that each was made for and how many documents are of no page there.
_LEFT_OVER = (
    "SELECT a.principal, a.workspace, w.key, (SELECT count(*) FROM index_document d"
    " LEFT JOIN page p ON p.ws=abs(a.workspace) AND p.id=d.page_id AND p.forgotten IS NULL"
    " WHERE d.area=a.area AND (w.key IS NULL OR p.id IS NULL)) AS lost"
    " FROM index_area a LEFT JOIN workspace w ON w.key=abs(a.workspace) AND w.owner=a.principal"
    " WHERE lost>0 OR w.key IS NULL"
)


def leftover_documents(db: apsw.Connection) -> int:
    """How many documents of the index are of no page that there is."""
    return sum(lost for *_, lost in _left_over(db))


def drop_leftovers(db: apsw.Connection) -> int:
    """Drop the areas with such documents: an entry leaves by its text, and theirs are gone."""
    found = _left_over(db)
    for principal, workspace, there, _ in found:
        fulltext.clear(db, principal, abs(workspace))
        if there is not None:
            db.execute("UPDATE workspace SET indexed=0, index_format=0 WHERE key=?", (there,))
    return sum(lost for *_, lost in found)


def room(db: apsw.Connection) -> tuple[int, int]:
    """Bytes of the file, and those of them that hold nothing."""
    page = int(db.pragma("page_size"))
    return page * int(db.pragma("page_count")), page * int(db.pragma("freelist_count"))


def shrink(db: apsw.Connection) -> bool:
    """Give one piece of what holds nothing back to the disk; True when more can be given.

    A file that was made without pointer maps keeps it, until it is written anew.
    """
    before = int(db.pragma("freelist_count"))
    db.execute(f"PRAGMA incremental_vacuum({_STEP})").fetchall()
    left = int(db.pragma("freelist_count"))
    return 0 < left < before


def rewrite(db: apsw.Connection) -> None:
    """Write the file anew, without what holds nothing, and so that `shrink` works from now on."""
    db.execute("PRAGMA auto_vacuum=INCREMENTAL")
    db.execute("VACUUM")
    db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


def _left_over(db: apsw.Connection) -> list[tuple[Any, ...]]:
    return db.execute(_LEFT_OVER).fetchall()
