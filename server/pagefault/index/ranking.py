"""Ranking: how well each place answers, from the rows that hold each term. Pure.

BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009) with
the saturation k1 = 1.2 and two departures. A term counts once in a part of at most sixty words,
and a long page counts as its best part (Callan, "Passage-level evidence in document retrieval",
1994); so no length has to be normalised. And a short turn lends its words to the turns beside it,
the more so the fewer they are: what was said just before and after tells what a turn is about.
Frequencies are those of the range searched, a session or a workspace.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from math import log
from typing import Final

from .places import AFTER, BEFORE, FIRST_PART, PARTS, TURN, place_of

_SATURATION: Final = 1.2
_LENT: Final = 0.4  # worth of a neighbour's word, when the neighbour has `_USUAL` words
_USUAL: Final = 20  # words of a spoken turn
_LENDING: Final = 0.2  # a term in a larger share of the documents says nothing of the neighbours

_PART: Final = PARTS - 1
_REACH: Final = tuple(TURN * step for step in (*range(1, BEFORE + 1), *range(-AFTER, 0)))
_LOANS: Final = tuple(2 * _LENT / (1 + words / _USUAL) for words in range(FIRST_PART))


def scores(matches: Collection[Sequence[int]], documents: int, wanted: int) -> dict[int, float]:
    """A score for each place, from the row ids that match each term.

    Rare terms come first. A term that is common only tells the places found by rarer ones apart,
    once these are at least `wanted`.
    """
    found: dict[int, float] = {}
    for rows in sorted(matches, key=len):
        weight = _rarity(len(rows), documents)
        if len(rows) <= documents * _LENDING:
            _add_lending(found, rows, weight)
        elif len(found) < wanted:
            _add(found, rows, weight)
        else:
            _refine(found, rows, weight)
    return _by_place(found)


def _rarity(holding: int, documents: int) -> float:
    holding = min(holding, documents)
    return log(1 + (documents - holding + 0.5) / (holding + 0.5))


def _saturated(count: float) -> float:
    return count * (1 + _SATURATION) / (count + _SATURATION)


def _add_lending(found: dict[int, float], rows: Iterable[int], weight: float) -> None:
    counts: dict[int, float] = {}
    for row in rows:
        part = row & _PART
        if part < FIRST_PART:
            row -= part
            loan = _LOANS[part]
            for step in _REACH:
                counts[row + step] = counts.get(row + step, 0.0) + loan
        counts[row] = counts.get(row, 0.0) + 1.0
    for row, count in counts.items():
        found[row] = found.get(row, 0.0) + weight * _saturated(count)


def _add(found: dict[int, float], rows: Iterable[int], weight: float) -> None:
    for row in _keys(rows):
        found[row] = found.get(row, 0.0) + weight


def _refine(found: dict[int, float], rows: Iterable[int], weight: float) -> None:
    for row in found.keys() & _keys(rows):
        found[row] += weight


def _keys(rows: Iterable[int]) -> set[int]:
    """Rows as keys of the scores: a document of one part without its length."""
    return {row if row & _PART >= FIRST_PART else row & ~_PART for row in rows}


def _by_place(found: dict[int, float]) -> dict[int, float]:
    """Parts brought together: the best part of a page, and what its neighbours lend the whole."""
    best: dict[int, float] = {}
    places: dict[int, float] = {}
    for row, score in found.items():
        place = place_of(row)
        if row & _PART:
            best[place] = max(best.get(place, 0.0), score)
        else:
            places[place] = score
    for place, score in best.items():
        places[place] = places.get(place, 0.0) + score
    return places
