"""The catalogue: a row for each document, with what a search filters by and shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import apsw

from .areas import Area
from .document import Document

# Named outright: without statistics the planner prefers to walk a whole area by its primary key.
BY_PAGE: Final = "index_document INDEXED BY index_document_page"

_COLUMNS: Final = (
    "session, page_id, version, content, page_type, modality, role, name, hint, created_at,"
    " importance, position"
)  # of a document, in the order of its fields


@dataclass(frozen=True, slots=True)
class Known:
    """A version that is in the index."""

    place: int
    session: int
    position: int
    home: bool

    def is_of(self, document: Document) -> bool:
        """Whether it is this very version of its page, from this very line of the log."""
        return (self.session, self.position) == (document.session, document.position)


def versions(db: apsw.Connection, area: Area, page_id: str) -> list[Known]:
    """The versions of a page that are in the index."""
    rows = db.execute(
        f"SELECT place, session, position, home FROM {BY_PAGE} WHERE area=? AND page_id=?",
        (area.number, page_id),
    )
    return [Known(place, session, position, bool(home)) for place, session, position, home in rows]


def note(
    db: apsw.Connection, area: Area, place: int, document: Document, known: Sequence[Known]
) -> None:
    """Enter a version of a page beside the `known` ones; it is the current one of its branch."""
    on_branch = [version for version in known if version.session == document.session]
    older = [version for version in on_branch if version.position < document.position]
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


def forget(db: apsw.Connection, area: Area, page_id: str) -> list[int]:
    """Delete the rows of every version of a page; the session of each."""
    rows = db.execute(
        f"DELETE FROM {BY_PAGE} WHERE area=? AND page_id=? RETURNING session",
        (area.number, page_id),
    )
    return [session for (session,) in rows]


def _values(document: Document) -> tuple[object, ...]:
    return tuple(getattr(document, column) for column in _COLUMNS.split(", "))
