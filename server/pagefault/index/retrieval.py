"""Answering a question: rows that hold its terms, ranked, then read best first.

Two things are kept from growing with the store. A term that more than `COMMON` rows hold is read
no further, since it hardly tells them apart; only when a question has no other does it count, for
the newest of them. And documents are read in pieces, until the best are certain.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import apsw

from . import areas, places, query, ranking
from .areas import INDEX_FORMAT, Area
from .document import Hit, Search
from .ranking import Match

COMMON: Final = 4096

# Preferences between near equals, as shares of the score: together about one in twelve.
_IMPORTANT: Final = 0.03
_RECENT: Final = 0.02
_SAME_SESSION: Final = 0.03
_NEAR_EQUALS: Final = 8  # documents read beyond those wanted, which a preference may lift

_PLACE_AND_PART: Final = f"rowid>>{places.PART_BITS}, rowid&{places.PARTS - 1}"
_COLUMNS: Final = (
    "d.page_id, d.version, d.content, d.session, d.page_type, d.modality, d.role, d.name, d.hint,"
    " d.created_at, d.importance, d.position"
)
_AT_PLACES: Final = (
    f"SELECT d.place, {_COLUMNS} FROM json_each(:wanted) w CROSS JOIN index_document d"
    " ON d.area=:area AND d.place=w.value"
)
_BY_ID: Final = (
    f"SELECT d.place, {_COLUMNS} FROM json_each(:wanted) w CROSS JOIN index_document d"
    " INDEXED BY index_document_page ON d.area=:area AND d.page_id=w.value AND d.place BETWEEN :first AND :last"
)
# The version that the asking session reads: its own, else that of the page's own branch.
_READABLE: Final = (
    "d.current AND (d.session=:session OR d.home AND NOT EXISTS (SELECT 1 FROM"
    " index_document o INDEXED BY index_document_page WHERE o.area=d.area AND o.page_id=d.page_id AND o.session=:session))"
)
_FILTERS: Final[Mapping[str, str]] = {
    "page_types": "d.page_type IN (SELECT value FROM json_each(:page_types))",
    "modality": "d.modality=:modality",
    "role": "d.role=:role",
    "since": "d.created_at>=:since",
    "until": "d.created_at<=:until",
}


_Row = tuple[Any, ...]  # a place and `_COLUMNS`


@dataclass(frozen=True, slots=True)
class _Range:
    """The places searched, from `first` to `last`, and how many documents they hold."""

    first: int
    last: int
    documents: int


def search(db: apsw.Connection, principal: int, search: Search) -> list[Hit]:
    """The pages that answer best, best first: at most `limit`, after the first `offset`.

    Any string is a question. One without a word finds nothing.
    """
    question = query.parse(search.query)
    if not question.terms or search.limit < 1:
        return []
    with db:  # one view of the file for all that is read
        area = areas.find(db, principal, search.workspace)
        within = area and _range(db, area, search)
        if area is None or within is None:
            return []
        return _answer(db, area, search, within, question)


def _range(db: apsw.Connection, area: Area, search: Search) -> _Range | None:
    if area.format != INDEX_FORMAT:
        return None
    if search.scope != "session":
        return _Range(0, places.LAST, area.documents)
    lane = None if search.session is None else areas.find_lane(db, area, search.session)
    return None if lane is None else _Range(*places.span(lane.number), lane.documents)


def _answer(
    db: apsw.Connection, area: Area, search: Search, within: _Range, question: query.Question
) -> list[Hit]:
    wanted = search.offset + search.limit
    matches = _telling(db, area, within, question.terms)
    found = ranking.scores(matches, within.documents, wanted)
    reader = _Reader(db, area, search, within)
    best = reader.best(found, wanted)
    named = reader.named(question.page_ids, above=best[0].score if best else 0.0)
    ids = {hit.page_id for hit in named}
    hits = named + [hit for hit in best if hit.page_id not in ids]
    return hits[search.offset : wanted]


def _telling(
    db: apsw.Connection, area: Area, within: _Range, terms: Sequence[str]
) -> list[Match]:
    """What holds each term, for those terms that tell documents apart."""
    matches = _matches(db, area, within, terms)
    telling = [match for match in matches if 0 < len(match) <= COMMON]
    common = [term for term, match in zip(terms, matches, strict=True) if len(match) > COMMON]
    if telling or not common:
        return telling
    together = " AND ".join(f"({term})" for term in common)
    together_or_first = _matches(db, area, within, (together, common[0]), "DESC")
    return [match for match in together_or_first if len(match)][:1]


def _matches(
    db: apsw.Connection, area: Area, within: _Range, terms: Sequence[str], order: str = "ASC"
) -> list[Match]:
    """What holds each term, at most one row more than `COMMON` a term. In one statement, since
    a statement costs as much as thirty rows.
    """
    held = (
        f"SELECT * FROM (SELECT {number}, {_PLACE_AND_PART} FROM {area.table}"
        f" WHERE {area.table} MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid {order} LIMIT ?)"
        for number in range(len(terms))
    )
    span = places.row_span(within.first, within.last)
    bound = [value for term in terms for value in (term, *span, COMMON + 1)]
    matches = [Match() for _ in terms]
    for number, place, part in db.execute(" UNION ALL ".join(held), bound):
        if part < places.FIRST_PART:
            matches[number].whole[place] = part
        else:
            matches[number].parts.append((place, part))
    return matches


class _Reader:
    """Reads the documents that a search may see, as hits."""

    def __init__(self, db: apsw.Connection, area: Area, search: Search, within: _Range) -> None:
        asked = {name: getattr(search, name) for name in _FILTERS}
        filters = {name: value for name, value in asked.items() if value not in (None, ())}
        self._conditions = " AND ".join((_READABLE, *(_FILTERS[name] for name in filters)))
        self._bound: dict[str, object] = {
            "area": area.number,
            "session": search.session,
            "first": within.first,
            "last": within.last,
            **filters,
            "page_types": json.dumps(search.page_types),
        }
        self._db = db
        self._session = search.session
        self._newest = max(1, area.newest)

    def named(self, page_ids: Sequence[str], above: float) -> list[Hit]:
        """The pages with these ids, with a score above what their words would get them."""
        if not page_ids:
            return []
        return [_hit(row, above + 1.0) for row in self._read(_BY_ID, page_ids)]

    def best(self, found: Mapping[int, float], wanted: int) -> list[Hit]:
        """The `wanted` best of the places found, best first."""
        order = sorted(found, key=found.__getitem__, reverse=True)
        scored: list[tuple[float, _Row]] = []
        done, piece = 0, wanted + _NEAR_EQUALS
        while done < len(order) and len(scored) < wanted:
            part = order[done : done + piece]
            done, piece = done + piece, piece * 4
            scored += [(self._score(row, found), row) for row in self._read(_AT_PLACES, part)]
        scored.sort(key=lambda pair: (pair[0], pair[1][12]), reverse=True)
        return [_hit(row, score) for score, row in scored[:wanted]]

    def _score(self, row: _Row, found: Mapping[int, float]) -> float:
        """What was found, a little more for what is important, recent and of the session."""
        place, session, importance, position = row[0], row[4], row[11], row[12]
        return (
            found[place]
            * (1 + _IMPORTANT * min(1.0, max(0.0, importance)))
            * (1 + _RECENT * min(1.0, position / self._newest))
            * (1 + _SAME_SESSION * (session == self._session))
        )

    def _read(self, source: str, wanted: Sequence[int] | Sequence[str]) -> list[_Row]:
        bound = {**self._bound, "wanted": json.dumps(wanted)}
        return self._db.execute(f"{source} WHERE {self._conditions}", bound).fetchall()


def _hit(row: _Row, score: float) -> Hit:
    _, page_id, version, content, session, *rest = row
    return Hit(page_id, version, content, session, score, *rest)
