"""The index as the store uses it: documents in, documents out, questions answered.

`add`, `remove` and `clear` belong in the caller's transaction on its writing connection, `search`
on any connection. The index is derived: `clear` and then `add` of every document, in the order of
their positions, gives it back. Where a page was removed its turn stays empty, so that its
neighbours do not become each other's; a rebuild brings them together.

The full text tables are contentless: they hold the inverted index and no text. An entry leaves
them by reading the same text again, and `secure-delete` takes it out of their pages at once.
`PRAGMA secure_delete` on the connection is the caller's part, as is `residue.Scrubber` after the
commit: copies are left in the write-ahead log, and in pages that entries moved away from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby

import apsw

from . import areas, catalogue, entries, lanes
from .areas import INDEX_FORMAT, Area, create, keep_plans
from .document import Document, Hit, Search
from .retrieval import search
from .scrubbing import scrub
from .state import state

__all__ = [
    "INDEX_FORMAT",
    "Document",
    "Hit",
    "Search",
    "TextOf",
    "add",
    "clear",
    "create",
    "keep_plans",
    "remove",
    "search",
    "state",
]

TextOf = Callable[[int], str]  # the text of a content, by its id in the workspace


def add(
    db: apsw.Connection, principal: int, documents: Iterable[Document], text_of: TextOf
) -> None:
    """Index versions of pages; one that is already there is left as it is."""
    ordered = sorted(documents, key=lambda document: (document.workspace, document.position))
    for workspace, group in groupby(ordered, lambda document: document.workspace):
        _add(db, areas.establish(db, principal, workspace), list(group), text_of)


def _add(db: apsw.Connection, area: Area, documents: list[Document], text_of: TextOf) -> None:
    open_lanes: dict[int, lanes.Lane] = {}
    rows: list[entries.Row] = []
    added = 0
    for document in documents:
        known = catalogue.versions(db, area, document.page_id)
        if any(version.is_of(document) for version in known):
            continue
        if document.session not in open_lanes:
            open_lanes[document.session] = lanes.open_for(db, area, document.session)
        place = open_lanes[document.session].take(document, is_new=not known)
        catalogue.note(db, area, place, document, known)
        rows += entries.rows(place, document, text_of(document.content))
        added += 1
    entries.insert(db, area, rows)
    for lane in open_lanes.values():
        lanes.keep(db, area, lane)
    areas.count(db, area, added, newest=documents[-1].position)


def remove(
    db: apsw.Connection, principal: int, workspace: int, page_id: str, text_of: TextOf
) -> None:
    """Take every version of a page out of the index, while its contents can still be read.

    No word of it stays behind, also not in the tables' inner structure. An area of another format
    cannot be taken apart and is cleared whole.
    """
    area = areas.find(db, principal, workspace)
    if area is None:
        return
    if area.format != INDEX_FORMAT:
        areas.drop(db, area)
        return
    rows: list[entries.Row] = []
    for place, document in catalogue.documents(db, area, workspace, page_id):
        rows += entries.rows(place, document, text_of(document.content))
    entries.delete(db, area, rows)
    sessions = catalogue.forget(db, area, page_id)
    lanes.leave(db, area, sessions)
    areas.count(db, area, -len(sessions))
    scrub(db, area, [body for _, body in rows])


def clear(db: apsw.Connection, principal: int, workspace: int) -> None:
    """Take everything of a workspace out of the index."""
    area = areas.find(db, principal, workspace)
    if area is not None:
        areas.drop(db, area)
