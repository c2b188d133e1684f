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

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain, groupby

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
    "settle",
    "state",
]

TextOf = Callable[[int], str]  # the text of a content, by its id in the workspace


def add(
    db: apsw.Connection, principal: int, documents: Iterable[Document], text_of: TextOf
) -> None:
    """Index versions of pages; one that is already there is left as it is."""
    ordered = sorted(documents, key=lambda document: (_part(document), document.position))
    for part, group in groupby(ordered, _part):
        area, other = areas.establish(db, principal, part), areas.find(db, principal, -part)
        there = [] if other is None else [other]
        _add(db, area, there, list(group), text_of)


def _part(document: Document) -> int:
    return areas.part(document.workspace, archived=document.archived)


def _add(
    db: apsw.Connection,
    area: Area,
    others: Sequence[Area],
    documents: Sequence[Document],
    text_of: TextOf,
) -> None:
    open_lanes: dict[int, lanes.Lane] = {}
    rows: list[entries.Row] = []
    added = 0
    for document in documents:
        known = catalogue.versions(db, area, document.page_id)
        elsewhere = (v for other in others for v in catalogue.versions(db, other, document.page_id))
        if any(version.is_of(document) for version in chain(known, elsewhere)):
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
    homes = []
    bodies: list[str] = []
    for area in areas.of(db, principal, workspace):
        if area.format != INDEX_FORMAT:
            areas.drop(db, area)
            continue
        rows = _rows(catalogue.documents(db, area, workspace, page_id), text_of)
        _take_out(db, area, page_id, rows)
        homes.append(area)
        bodies += [body for _, body in rows]
    for area in homes:  # also the one that the page left when it was archived, or used again
        scrub(db, area, bodies)


def settle(
    db: apsw.Connection,
    principal: int,
    workspace: int,
    page_id: str,
    text_of: TextOf,
    *,
    archived: bool,
) -> None:
    """Have every version of a page in the area where it belongs now.

    When ``text_of`` raises, nothing has changed. The area that the page leaves is not scrubbed of
    its words, which are still there to be found.
    """
    homes = [area for area in areas.of(db, principal, workspace) if area.format == INDEX_FORMAT]
    found = [(area, catalogue.documents(db, area, workspace, page_id)) for area in homes]
    target = areas.part(workspace, archived=archived)
    here = areas.find(db, principal, target)
    if not any(documents for area, documents in found if area != here):
        return
    rows = {area.number: _rows(documents, text_of) for area, documents in found}
    moved = [document for _, documents in found for _, document in documents]
    moved.sort(key=lambda document: document.position)
    for area in homes:
        _take_out(db, area, page_id, rows[area.number])
    area = areas.establish(db, principal, target)
    _add(db, area, [], [replace(one, archived=archived) for one in moved], text_of)


def clear(db: apsw.Connection, principal: int, workspace: int) -> None:
    """Take everything of a workspace out of the index."""
    for area in areas.of(db, principal, workspace):
        areas.drop(db, area)


def _rows(documents: Iterable[tuple[int, Document]], text_of: TextOf) -> list[entries.Row]:
    """The rows of documents at their places."""
    return [
        row
        for place, document in documents
        for row in entries.rows(place, document, text_of(document.content))
    ]


def _take_out(db: apsw.Connection, area: Area, page_id: str, rows: list[entries.Row]) -> None:
    entries.delete(db, area, rows)
    sessions = catalogue.forget(db, area, page_id)
    lanes.leave(db, area, sessions)
    areas.count(db, area, -len(sessions))
