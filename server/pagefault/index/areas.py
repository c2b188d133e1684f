"""An area: the part of the index that belongs to one workspace of one principal.

It is a full text table of its own, so that no statistic crosses a workspace, let alone a principal,
and a row in each of the index's tables for what is in it. The text is in none of them.

Archived pages have an area of their own beside it, so that what is no longer asked for makes no
search slower. All documents of a page are in the same of the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import apsw

from .analysis import TOKENIZER

INDEX_FORMAT: Final = 1  # how an area was made; one of another format is cleared and made again

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS index_area (
  area INTEGER PRIMARY KEY,
  principal INTEGER NOT NULL,
  workspace INTEGER NOT NULL, -- below 0: of the archived pages of that workspace
  format INTEGER NOT NULL,
  documents INTEGER NOT NULL DEFAULT 0,
  newest INTEGER NOT NULL DEFAULT 0, -- largest log position
  UNIQUE (principal, workspace)
) STRICT;
CREATE TABLE IF NOT EXISTS index_lane (
  area INTEGER NOT NULL,
  session INTEGER NOT NULL,
  number INTEGER NOT NULL,
  turn INTEGER NOT NULL,  -- the last one given out
  aside INTEGER NOT NULL, -- likewise, beside the conversation
  spoken_at REAL,         -- when the last turn was said
  documents INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (area, session)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS index_document (
  area INTEGER NOT NULL,
  place INTEGER NOT NULL,
  session INTEGER NOT NULL,
  page_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  content INTEGER NOT NULL,
  page_type TEXT NOT NULL,
  modality TEXT NOT NULL,
  role TEXT,
  name TEXT,
  hint TEXT,
  created_at REAL,
  importance REAL NOT NULL,
  position INTEGER NOT NULL,
  current INTEGER NOT NULL, -- the latest on its branch
  home INTEGER NOT NULL,    -- on the branch that the page was made on
  PRIMARY KEY (area, place)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS index_document_page
  ON index_document (area, page_id, session, position);
"""


@dataclass(frozen=True, slots=True)
class Area:
    """Its number, its format, how many documents it holds, and the largest log position.

    That is of all that the workspace holds, so that no score depends on when a page was archived.
    """

    number: int
    format: int
    documents: int
    newest: int

    @property
    def table(self) -> str:
        """The name of its full text table."""
        return f"index_terms_{self.number}"


def part(workspace: int, *, archived: bool) -> int:
    """Under which number a workspace's area is found, or that of its archived pages."""
    return -workspace if archived else workspace


def keep_plans(db: apsw.Connection) -> None:
    """Spare the connection from planning a prepared query anew whenever other values are bound.

    It could plan better for them only by statistics, which we never have made; and planning takes
    ten times as long as reading a row.
    """
    db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)


def create(db: apsw.Connection) -> None:
    """Make the tables of the index, where they are not there yet."""
    db.execute(_TABLES)


def find(db: apsw.Connection, principal: int, workspace: int) -> Area | None:
    """The area of a workspace, None before its first document."""
    row = db.execute(
        "SELECT area, format, documents, (SELECT max(newest) FROM index_area WHERE principal=?1"
        " AND workspace IN (?2, -?2)) FROM index_area WHERE principal=?1 AND workspace=?2",
        (principal, workspace),
    ).fetchone()
    if row is None:
        return None
    number, made_by, documents, newest = row
    return Area(number, made_by, documents, newest)


def of(db: apsw.Connection, principal: int, workspace: int) -> list[Area]:
    """The areas that a workspace has: of its pages, and of its archived ones."""
    parts = (part(workspace, archived=archived) for archived in (False, True))
    return [area for key in parts if (area := find(db, principal, key)) is not None]


def establish(db: apsw.Connection, principal: int, workspace: int) -> Area:
    """The area of a workspace in the present format, made anew where it is not there."""
    area = find(db, principal, workspace)
    if area is not None and area.format == INDEX_FORMAT:
        return area
    if area is not None:
        drop(db, area)
    return _establish(db, principal, workspace)


def _establish(db: apsw.Connection, principal: int, workspace: int) -> Area:
    number: int = db.execute(
        "INSERT INTO index_area (principal, workspace, format) VALUES (?,?,?) RETURNING area",
        (principal, workspace, INDEX_FORMAT),
    ).get
    area = Area(number, INDEX_FORMAT, 0, 0)
    tokenizer = " ".join(f"'{word}'" for word in TOKENIZER)
    db.execute(
        f"CREATE VIRTUAL TABLE {area.table} USING fts5("
        f"body, content='', columnsize=0, tokenize=\"{tokenizer}\")"
    )
    db.execute(f"INSERT INTO {area.table}({area.table}, rank) VALUES('secure-delete', 1)")
    return area


def drop(db: apsw.Connection, area: Area) -> None:
    """Delete an area with all that it holds."""
    db.execute(f"DROP TABLE IF EXISTS {area.table}")
    for table in ("index_document", "index_lane", "index_area"):
        db.execute(f"DELETE FROM {table} WHERE area=?", (area.number,))


def count(db: apsw.Connection, area: Area, added: int, newest: int = 0) -> None:
    """Count documents that came, or left when `added` is negative."""
    db.execute(
        "UPDATE index_area SET documents=documents+?, newest=max(newest,?) WHERE area=?",
        (added, newest, area.number),
    )
