"""Ranking: how well each place answers, from what holds each term. Pure.

BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009) with
the saturation k1 = 1.2 and two departures. A term counts once in a part of at most sixty words,
and a long page counts as its best part (Callan, "Passage-level evidence in document retrieval",
1994); so no length has to be normalised. And a short turn lends its words to the turns beside it,
the more so the fewer they are: what was said just before and after tells what a turn is about.
Frequencies are those of the range searched, a session or a workspace.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import log
from typing import Final

from .places import AFTER, BEFORE, FIRST_PART

_SATURATION: Final = 1.2
_LENT: Final = 0.4  # worth of a neighbour's word, when the neighbour has `_USUAL` words
_USUAL: Final = 20  # words of a spoken turn
# A term that more documents hold, or a larger share of them, says nothing of the neighbours.
_LENDERS: Final = 256
_LENDERS_SHARE: Final = 0.2
_ALWAYS_LENDERS: Final = 3
_FEW: Final = 4  # loans for each place to be looked at closer

_LOANS: Final = tuple(2 * _LENT / (1 + words / _USUAL) for words in range(FIRST_PART))


@dataclass(frozen=True, slots=True)
class Match:
    """What holds a term, oldest first: documents of one part, by place with their number of words,
    and the parts of longer ones, by place and part.
    """

    whole: dict[int, int] = field(default_factory=dict)
    parts: list[tuple[int, int]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.whole) + len(self.parts)


@dataclass(frozen=True, slots=True)
class _Term:
    match: Match
    weight: float
    lends: bool


def scores(matches: Iterable[Match], documents: int, most: int) -> dict[int, float]:
    """A score for each place that answers, of the places among so many documents.

    Of more than `most` places only those are scored that hold most by themselves, and what lies
    beside them.
    """
    terms = [_term(match, documents) for match in matches]
    found = _whole(terms, _promising(terms, most))
    for place, score in _best_parts(terms).items():
        found[place] = found.get(place, 0.0) + score
    return found


def _term(match: Match, documents: int) -> _Term:
    holding = len(match.whole) + len({place for place, _ in match.parts})
    holding = min(holding, documents)
    rarity = log(1 + (documents - holding + 0.5) / (holding + 0.5))
    lenders = min(_LENDERS, max(_ALWAYS_LENDERS, documents * _LENDERS_SHARE))
    return _Term(match, rarity, holding <= lenders)


def _promising(terms: Sequence[_Term], most: int) -> set[int] | None:
    """The places with the best words of their own and all in reach of them; None for all places.

    Lending is what costs: where little is lent, choosing would cost more than it saves.
    """
    if sum(len(term.match.whole) for term in terms if term.lends) <= _FEW * most:
        return None
    own: dict[int, float] = {}
    for term in terms:
        weight = term.weight
        for place in term.match.whole:
            own[place] = own.get(place, 0.0) + weight
    level = sorted(own.values())[-min(most, len(own))]
    above = [place for place, weight in own.items() if weight > level]
    equal = [place for place, weight in own.items() if weight == level]
    best = above + equal[len(above) - most :]
    return {place + step for place in best for step in range(-BEFORE, AFTER + 1)}


def _whole(terms: Iterable[_Term], near: set[int] | None) -> dict[int, float]:
    """The scores of documents as wholes: by what they hold, and what their neighbours lend."""
    found: dict[int, float] = {}
    for term in terms:
        whole = term.match.whole
        places = whole if near is None else whole.keys() & near
        if term.lends:
            _add(found, _lent(whole, places), term.weight)
            continue
        for place in places:
            found[place] = found.get(place, 0.0) + term.weight
    return found


def _lent(words: dict[int, int], places: Iterable[int]) -> dict[int, float]:
    """How often a term counts in each place that holds it or lies beside one."""
    counts: dict[int, float] = {}
    get = counts.get  # looked up once: this is the innermost loop of a search
    for place in places:
        counts[place] = get(place, 0.0) + 1.0
        loan = _LOANS[words[place]]
        for borrower in (place - AFTER, place + 1, place + BEFORE):
            counts[borrower] = get(borrower, 0.0) + loan
    return counts


def _add(found: dict[int, float], counts: dict[int, float], weight: float) -> None:
    most = weight * (1 + _SATURATION)
    get = found.get
    for place, count in counts.items():
        found[place] = get(place, 0.0) + most * count / (count + _SATURATION)


def _best_parts(terms: Iterable[_Term]) -> dict[int, float]:
    """The score of the best part of each longer document."""
    parts: dict[tuple[int, int], float] = {}
    for term in terms:
        for part in term.match.parts:
            parts[part] = parts.get(part, 0.0) + term.weight
    best: dict[int, float] = {}
    for (place, _), score in parts.items():
        best[place] = max(best.get(place, 0.0), score)
    return best
