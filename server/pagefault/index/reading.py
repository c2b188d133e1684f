"""Reading the documents that a search may see, best first, as hits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import apsw

from .areas import Area
from .document import Hit, Search

# Preferences between near equals, as shares of the score: together about one in twelve.
_IMPORTANT: Final = 0.03
_RECENT: Final = 0.02
_SAME_SESSION: Final = 0.03
_PREFERRED: Final = (1 + _IMPORTANT) * (1 + _RECENT) * (1 + _SAME_SESSION)
_NEAR_EQUALS: Final = 8  # documents read at once beyond those wanted, which a preference may lift
_MOST_PLACES: Final = 1024  # read in one statement

_SELECT: Final = (
    "SELECT place, page_id, version, content, session, page_type, modality, role, name, hint,"
    " created_at, importance, position FROM index_document d"
)
# The version that the asking session reads: its own, else that of the page's own branch.
_READABLE: Final = (
    "area=?1 AND current AND (session=?2 OR home AND NOT EXISTS (SELECT 1"
    " FROM index_document o INDEXED BY index_document_page"
    " WHERE o.area=?1 AND o.page_id=d.page_id AND o.session=?2))"
)
# The same for a fork, whose branches ?2 lists as JSON, each with the last position that counts.
_READABLE_BY_FORK: Final = (
    "area=?1 AND place=coalesce((SELECT o.place FROM json_each(?2) b JOIN index_document o"
    " INDEXED BY index_document_page ON o.area=?1 AND o.page_id=d.page_id"
    " AND o.session=b.value->>0 AND o.position<=b.value->>1"
    " ORDER BY b.key, o.position DESC LIMIT 1), %s)"
)
_HOME: Final = (
    "(SELECT o.place FROM index_document o INDEXED BY index_document_page"
    " WHERE o.area=?1 AND o.page_id=d.page_id AND o.home AND o.current)"
)
_NEVER_ENDS: Final = 1 << 62  # the position that a session's own branch counts up to
_FILTERS: Final[Mapping[str, str]] = {
    "page_types": "page_type IN (SELECT value FROM json_each(?))",
    "modality": "modality=?",
    "role": "role=?",
    "since": "created_at>=?",
    "until": "created_at<=?",
}

_Row = tuple[Any, ...]  # the columns of `_SELECT`


class Reader:
    """The documents of an area as a search sees them."""

    def __init__(self, db: apsw.Connection, area: Area, asked: Search) -> None:
        filters = _filters(asked)
        self._db = db
        self._own = {asked.session, *(branch for branch, _ in asked.ancestors)}
        self._newest = max(1, area.newest)
        readable, session = _readable(asked)
        self._where = " AND ".join((readable, *(_FILTERS[name] for name in filters)))
        self._bound = (area.number, session, *filters.values())

    def named(self, page_ids: Sequence[str], span: tuple[int, int], above: float) -> list[Hit]:
        """The pages with these ids that stand between two places.

        Their score is above what words would get them.
        """
        if not page_ids:
            return []
        by_id = f"{_SELECT} INDEXED BY index_document_page WHERE {self._where}"
        listed = ",".join("?" * len(page_ids))
        rows = self._db.execute(
            f"{by_id} AND place BETWEEN ? AND ? AND page_id IN ({listed})",
            (*self._bound, *span, *page_ids),
        )
        return [_hit(row, above + 1.0) for row in rows]

    def best(self, found: Mapping[int, float], wanted: int) -> list[Hit]:
        """The `wanted` best of the places found, or all that can be seen when these are fewer.

        Reads until no preference can lift what is left among them, so that the order is the same
        however many are wanted.
        """
        order = sorted(found, key=found.__getitem__, reverse=True)
        scored: list[tuple[float, _Row]] = []
        done, piece = 0, wanted + _NEAR_EQUALS
        while done < len(order) and not _settled(scored, wanted, found[order[done]]):
            part = order[done : done + piece]
            done, piece = done + piece, min(_MOST_PLACES, piece * 2)
            scored += [(self._score(row, found), row) for row in self._at(part)]
            scored.sort(key=lambda pair: (pair[0], pair[1][-1]), reverse=True)
        return [_hit(row, score) for score, row in scored[:wanted]]

    def _at(self, places: Sequence[int]) -> list[_Row]:
        listed = ",".join("?" * len(places))
        return self._db.execute(
            f"{_SELECT} WHERE {self._where} AND place IN ({listed})", (*self._bound, *places)
        ).fetchall()

    def _score(self, row: _Row, found: Mapping[int, float]) -> float:
        """What was found, a little more for what is important, recent and of the session."""
        place, session, importance, position = row[0], row[4], row[11], row[12]
        preferred: float = (
            (1 + _IMPORTANT * min(1.0, max(0.0, importance)))
            * (1 + _RECENT * position / self._newest)
            * (1 + _SAME_SESSION * (session in self._own))
        )
        return found[place] * preferred


def _readable(asked: Search) -> tuple[str, object]:
    """Which documents the session reads: the condition, and what it binds to ?2."""
    if not asked.ancestors:
        return _READABLE, asked.session
    branches = ((asked.session, _NEVER_ENDS), *asked.ancestors)
    elsewhere = "NULL" if asked.scope == "session" else _HOME
    return _READABLE_BY_FORK % elsewhere, json.dumps(branches)


def _settled(scored: Sequence[tuple[float, _Row]], wanted: int, following: float) -> bool:
    """Whether nothing of the `following` score, or of a smaller one, belongs among the wanted."""
    return len(scored) >= wanted and scored[wanted - 1][0] > following * _PREFERRED


def _filters(asked: Search) -> dict[str, object]:
    """The filters that are set, with the values to bind."""
    values = {name: getattr(asked, name) for name in _FILTERS}
    if asked.page_types:
        values["page_types"] = json.dumps(asked.page_types)
    return {name: value for name, value in values.items() if value not in (None, ())}


def _hit(row: _Row, score: float) -> Hit:
    _, page_id, version, content, session, *rest = row
    return Hit(page_id, version, content, session, score, *rest)
