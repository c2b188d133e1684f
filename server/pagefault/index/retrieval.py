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

COMMON: Final = 4096

# Preferences between near equals, as shares of the score: together less than one in twelve.
_IMPORTANT: Final = 0.03
_RECENT: Final = 0.02
_SAME_SESSION: Final = 0.03
_PREFERRED: Final = (1 + _IMPORTANT) * (1 + _RECENT) * (1 + _SAME_SESSION)

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
    " ON d.area=:area AND d.page_id=w.value AND d.place BETWEEN :first AND :last"
)
# The version that the asking session reads: its own, else that of the page's own branch.
_READABLE: Final = (
    "d.current AND (d.session=:session OR d.home AND NOT EXISTS (SELECT 1 FROM"
    " index_document o WHERE o.area=d.area AND o.page_id=d.page_id AND o.session=:session))"
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
    matches = _matches(db, area, within, question.terms)
    found = ranking.scores(matches, within.documents, wanted)
    reader = _Reader(db, area, search, within)
    best = reader.best(found, wanted)
    named = reader.named(question.page_ids, above=best[0].score if best else 0.0)
    ids = {hit.page_id for hit in named}
    hits = named + [hit for hit in best if hit.page_id not in ids]
    return hits[search.offset : wanted]


def _matches(
    db: apsw.Connection, area: Area, within: _Range, terms: Sequence[str]
) -> list[list[int]]:
    """For each term that tells documents apart, the row ids that hold it."""
    held = [(term, _rows(db, area, within, term)) for term in terms]
    telling = [rows for _, rows in held if 0 < len(rows) <= COMMON]
    common = [term for term, rows in held if len(rows) > COMMON]
    if telling or not common:
        return telling
    together = " AND ".join(f"({term})" for term in common)
    newest = "ORDER BY rowid DESC"
    return [_rows(db, area, within, together, newest) or _rows(db, area, within, common[0], newest)]


def _rows(
    db: apsw.Connection, area: Area, within: _Range, expression: str, order: str = ""
) -> list[int]:
    """The row ids that an expression matches, at most one more than `COMMON` of them."""
    table = area.table
    found = db.execute(
        f"SELECT rowid FROM {table} WHERE {table} MATCH ? AND rowid BETWEEN ? AND ? {order} LIMIT ?",
        (expression, *places.row_span(within.first, within.last), COMMON + 1),
    )
    return [row for (row,) in found]


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
        """The `wanted` best of the places found, or a few more, best first."""
        order = sorted(found, key=found.__getitem__, reverse=True)
        hits: list[Hit] = []
        done, piece = 0, wanted + wanted // 2 + 8
        while done < len(order) and not self._settled(hits, wanted, found[order[done]]):
            part = order[done : done + piece]
            done, piece = done + piece, piece * 4
            hits += [_hit(row, self._preferred(row, found)) for row in self._read(_AT_PLACES, part)]
            hits.sort(key=lambda hit: (-hit.score, -hit.position))
        return hits

    def _settled(self, hits: Sequence[Hit], wanted: int, next_score: float) -> bool:
        """Whether no place with the next score or a smaller one can still come among the best."""
        return len(hits) >= wanted and hits[wanted - 1].score >= next_score * _PREFERRED

    def _preferred(self, row: _Row, found: Mapping[int, float]) -> float:
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
