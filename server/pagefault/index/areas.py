"""The index's own tables: an area for each workspace of a principal, its lanes, its documents.

An area is one full text table, so no statistic crosses a workspace, let alone a principal. A lane
is a session in an area: it gives out the turns. The text is in neither; only the inverted index
holds its words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import apsw

from . import places
from .analysis import TOKENIZER
from .document import Document

INDEX_FORMAT: Final = 1  # what an index was made by; another format is cleared and made again

_SITTING: Final = 3600.0  # seconds of silence that end a sitting
_SPOKEN: Final = "transcript"  # the page type whose pages are turns of a conversation

_COLUMNS: Final = (
    "session, page_id, version, content, page_type, modality, role, name, hint, created_at,"
    " importance, position"
)  # of a document, in the order of its fields

# Named outright: without statistics the planner prefers to walk a whole area by its primary key.
BY_PAGE: Final = "index_document INDEXED BY index_document_page"

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS index_area (
  area INTEGER PRIMARY KEY,
  principal INTEGER NOT NULL,
  workspace INTEGER NOT NULL,
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
  current INTEGER NOT NULL, -- the newest version on its branch
  home INTEGER NOT NULL,    -- on the branch that the page was made on
  PRIMARY KEY (area, place)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS index_document_page
  ON index_document (area, page_id, session, version);
"""


@dataclass(frozen=True, slots=True)
class Area:
    """A workspace's part of the index."""

    number: int
    format: int
    documents: int
    newest: int

    @property
    def table(self) -> str:
        """The name of its full text table."""
        return f"index_terms_{self.number}"


@dataclass(frozen=True, slots=True)
class Known:
    """A version that is in the index."""

    place: int
    session: int
    version: int
    home: bool

    def is_of(self, document: Document) -> bool:
        """Whether it is this very version of its page."""
        return (self.session, self.version) == (document.session, document.version)


@dataclass(slots=True)
class Lane:
    """A session's turns while documents are being added; `keep` writes it back once."""

    session: int
    number: int
    turn: int = 0
    aside: int = places.ASIDE
    spoken_at: float | None = None
    documents: int = 0
    added: int = 0

    def take(self, document: Document, *, is_new: bool) -> int:
        """A place for a document: the next turn, or one beside the conversation.

        A later version is no turn: what was said at that point was the first.
        """
        self.added += 1
        if document.page_type == _SPOKEN and is_new:
            return places.place(self.number, self._next_turn(document.created_at))
        self.aside += places.APART
        return places.place(self.number, self.aside)

    def _next_turn(self, spoken_at: float | None) -> int:
        self.turn += 1 if self._goes_on(spoken_at) else places.APART
        self.spoken_at = spoken_at
        return self.turn

    def _goes_on(self, spoken_at: float | None) -> bool:
        if self.spoken_at is None or spoken_at is None:
            return True
        return abs(spoken_at - self.spoken_at) <= _SITTING


def create(db: apsw.Connection) -> None:
    """Make the tables of the index, where they are not there yet."""
    db.execute(_TABLES)


def find(db: apsw.Connection, principal: int, workspace: int) -> Area | None:
    """The area of a workspace, None before its first document."""
    row = db.execute(
        "SELECT area, format, documents, newest FROM index_area WHERE principal=? AND workspace=?",
        (principal, workspace),
    ).fetchone()
    return None if row is None else Area(*row)


def establish(db: apsw.Connection, principal: int, workspace: int) -> Area:
    """The area of a workspace in the present format, made anew where it is not there."""
    area = find(db, principal, workspace)
    if area is not None and area.format == INDEX_FORMAT:
        return area
    if area is not None:
        drop(db, area)
    return _establish(db, principal, workspace)


def _establish(db: apsw.Connection, principal: int, workspace: int) -> Area:
    (number,) = db.execute(
        "INSERT INTO index_area (principal, workspace, format) VALUES (?,?,?) RETURNING area",
        (principal, workspace, INDEX_FORMAT),
    ).fetchall()[0]
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


def find_lane(db: apsw.Connection, area: Area, session: int) -> Lane | None:
    """A session's lane, None before its first document."""
    row = db.execute(
        "SELECT session, number, turn, aside, spoken_at, documents FROM index_lane"
        " WHERE area=? AND session=?",
        (area.number, session),
    ).fetchone()
    return None if row is None else Lane(*row)


def open_lane(db: apsw.Connection, area: Area, session: int) -> Lane:
    """A session's lane, a new one with the next number where there is none."""
    lane = find_lane(db, area, session)
    if lane is not None:
        return lane
    (number,) = db.execute(
        "SELECT coalesce(max(number)+1, 0) FROM index_lane WHERE area=?", (area.number,)
    ).fetchall()[0]
    lane = Lane(session, number)
    _keep_lane(db, area, lane)
    return lane


def keep(db: apsw.Connection, area: Area, lanes: Iterable[Lane], newest: int) -> None:
    """Write back the lanes that documents were added to, and count these."""
    added = 0
    for lane in lanes:
        _keep_lane(db, area, lane)
        added += lane.added
    db.execute(
        "UPDATE index_area SET documents=documents+?, newest=max(newest,?) WHERE area=?",
        (added, newest, area.number),
    )


def _keep_lane(db: apsw.Connection, area: Area, lane: Lane) -> None:
    db.execute(
        "INSERT OR REPLACE INTO index_lane"
        " (area, session, number, turn, aside, spoken_at, documents) VALUES (?,?,?,?,?,?,?)",
        (
            area.number,
            lane.session,
            lane.number,
            lane.turn,
            lane.aside,
            lane.spoken_at,
            lane.documents + lane.added,
        ),
    )


def versions(db: apsw.Connection, area: Area, page_id: str) -> list[Known]:
    """The versions of a page that are in the index."""
    rows = db.execute(
        f"SELECT place, session, version, home FROM {BY_PAGE} WHERE area=? AND page_id=?",
        (area.number, page_id),
    )
    return [Known(place, session, version, bool(home)) for place, session, version, home in rows]


def note(
    db: apsw.Connection, area: Area, place: int, document: Document, known: Sequence[Known]
) -> None:
    """Enter a version of a page beside the `known` ones; it is the current one of its branch."""
    on_branch = [version for version in known if version.session == document.session]
    older = [version for version in on_branch if version.version < document.version]
    for version in older:
        db.execute(
            "UPDATE index_document SET current=0 WHERE area=? AND place=?",
            (area.number, version.place),
        )
    is_current = len(older) == len(on_branch)
    is_home = not known or any(version.home for version in on_branch)
    db.execute(
        f"INSERT INTO index_document ({_COLUMNS}, area, place, current, home)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (*_values(document), area.number, place, is_current, is_home),
    )


def documents(
    db: apsw.Connection, area: Area, workspace: int, page_id: str
) -> list[tuple[int, Document]]:
    """Every version of a page with its place."""
    rows = db.execute(
        f"SELECT place, {_COLUMNS} FROM {BY_PAGE} WHERE area=? AND page_id=?",
        (area.number, page_id),
    )
    return [(place, Document(workspace, *columns)) for place, *columns in rows]


def forget(db: apsw.Connection, area: Area, page_id: str) -> None:
    """Delete the rows of every version of a page."""
    rows = db.execute(
        f"DELETE FROM {BY_PAGE} WHERE area=? AND page_id=? RETURNING session",
        (area.number, page_id),
    ).fetchall()
    lane = "UPDATE index_lane SET documents=documents-1 WHERE area=? AND session=?"
    db.executemany(lane, [(area.number, session) for (session,) in rows])
    db.execute(
        "UPDATE index_area SET documents=documents-? WHERE area=?", (len(rows), area.number)
    )


def _values(document: Document) -> tuple[object, ...]:
    return tuple(getattr(document, column) for column in _COLUMNS.split(", "))
