"""Answering a question: what holds its terms is ranked, then read best first.

Two things keep the cost from growing with the store. A term that more than `COMMON` rows hold is
read no further, since it hardly tells them apart; only when a question has no other does it count,
for the newest of them. And few places are looked at closer, more only when the filters of a search
leave too few of these. Archived pages are looked through only where the others do not answer
enough, and come after them; by its id each is found at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import apsw

from . import areas, lanes, places, query, ranking
from .areas import INDEX_FORMAT, Area
from .document import Hit, Search
from .lanes import SPOKEN
from .ranking import Match
from .reading import Reader

COMMON: Final = 4096
_CLOSER: Final = 64  # places looked at closer at first, for at most half as many wanted
_WIDER: Final = 16  # times as many, when these are too few

_PLACE_AND_PART: Final = f"rowid>>{places.PART_BITS}, rowid&{places.PARTS - 1}"
_ASIDE: Final = f"AND rowid&{places.row_id(places.ASIDE, 0)}"


@dataclass(frozen=True, slots=True)
class _Range:
    """What is searched: the rows of these places, of so many documents."""

    table: str
    first: int
    last: int
    documents: int
    aside: bool  # only what lies beside the conversation

    def match(self, db: apsw.Connection, expression: str, order: str = "ASC") -> Match:
        """What an expression matches, in the order of the row ids, at most one past `COMMON`."""
        rows = db.execute(
            f"SELECT {_PLACE_AND_PART} FROM {self.table} WHERE {self.table} MATCH ?"
            f" AND rowid BETWEEN ? AND ? {_ASIDE if self.aside else ''}"
            f" ORDER BY rowid {order} LIMIT ?",
            (expression, *places.row_span(self.first, self.last), COMMON + 1),
        )
        match = Match()
        for place, part in rows:
            if part < places.FIRST_PART:
                match.whole[place] = part
            else:
                match.parts.append((place, part))
        return match


def search(db: apsw.Connection, principal: int, asked: Search) -> list[Hit]:
    """The pages that answer best, best first: at most `limit`, after the first `offset`.

    Any string is a question. One without a word finds nothing.
    """
    question = query.parse(asked.query)
    hits: list[Hit] = []
    if question.terms and asked.limit > 0:
        with db:  # one view of the file for all that is read
            found = areas.of(db, principal, asked.workspace)
            hits = _search(
                db, [area for area in found if area.format == INDEX_FORMAT], asked, question
            )
    return hits[asked.offset : asked.offset + asked.limit]


def _search(
    db: apsw.Connection, parts: Sequence[Area], asked: Search, question: query.Question
) -> list[Hit]:
    """The hits of each part behind those of the one before, where that has too few."""
    best: list[Hit] = []
    readers: list[tuple[Reader, _Range]] = []
    for area in parts:
        within = _range(db, area, asked)
        if within is not None:
            reader = Reader(db, area, asked)
            readers.append((reader, within))
            if len(best) < asked.offset + asked.limit:
                telling = _telling(db, within, question.terms)
                best += _behind(best, _best(telling, within.documents, reader, asked))
    top = best[0].score if best else 0.0
    named = [
        hit
        for reader, within in readers
        for hit in reader.named(question.page_ids, (within.first, within.last), above=top)
    ]
    ids = {hit.page_id for hit in named}
    return named + [hit for hit in best if hit.page_id not in ids]


def _behind(before: Sequence[Hit], hits: Sequence[Hit]) -> list[Hit]:
    """The same hits in their order, each with a smaller score than any of those before."""
    if not before:
        return list(hits)
    last = before[-1].score
    return [replace(hit, score=last * hit.score / (last + hit.score)) for hit in hits]


def _range(db: apsw.Connection, area: Area, asked: Search) -> _Range | None:
    """What a search is to look through, None when there is nothing."""
    aside = bool(asked.page_types) and SPOKEN not in asked.page_types
    if asked.scope != "session" or asked.ancestors:  # of a fork's branches are read what it reads
        return _Range(area.table, 0, places.LAST, area.documents, aside)
    lane = None if asked.session is None else lanes.find(db, area, asked.session)
    if lane is None:
        return None
    return _Range(area.table, *places.span(lane.number), lane.documents, aside)


def _telling(db: apsw.Connection, within: _Range, terms: Sequence[str]) -> list[Match]:
    """What holds each term, for those terms that tell documents apart."""
    held = [(term, within.match(db, term)) for term in terms]
    telling = [match for _, match in held if 0 < len(match) <= COMMON]
    common = [term for term, match in held if len(match) > COMMON]
    if telling or not common:
        return telling
    together = within.match(db, " AND ".join(f"({term})" for term in common), "DESC")
    return [together if len(together) else within.match(db, common[0], "DESC")]


def _best(matches: Sequence[Match], documents: int, reader: Reader, asked: Search) -> list[Hit]:
    """The best hits, enough for the page asked for where there are so many."""
    wanted = asked.offset + asked.limit
    matched = sum(map(len, matches))
    closer = _CLOSER
    while True:
        if 2 * wanted <= closer:
            hits = reader.best(ranking.scores(matches, documents, closer), wanted)
            if len(hits) == wanted or closer >= matched:
                return hits
        closer *= _WIDER
