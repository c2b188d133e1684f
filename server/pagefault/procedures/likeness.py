"""How alike hashed descriptions are: BM25 over sets of terms (Robertson and Zaragoza 2009).

A term counts once in a description, so its weight is its rarity, damped by the description's
length. Several indexes are searched as one: rarity is counted over all of them.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

_K1: Final = 1.2
_B: Final = 0.75
_LOOKED_AT: Final = 20_000  # postings of one search; the commonest terms, which say least, go first

Name = TypeVar("Name", bound=Hashable)


@dataclass(slots=True)
class Likeness(Generic[Name]):
    """Descriptions by name, each a set of terms."""

    postings: dict[int, dict[Name, None]] = field(default_factory=dict)
    lengths: dict[Name, int] = field(default_factory=dict)
    length: int = 0  # of all descriptions together

    def add(self, name: Name, terms: Iterable[int]) -> None:
        """Enter a description; a term that comes twice counts once."""
        once = frozenset(terms)
        for term in once:
            self.postings.setdefault(term, {})[name] = None
        self.lengths[name] = len(once)
        self.length += len(once)

    def remove(self, name: Name, terms: Iterable[int]) -> None:
        """Take out a description that was entered with these terms."""
        self.length -= self.lengths.pop(name)
        for term in frozenset(terms):
            names = self.postings[term]
            del names[name]
            if not names:
                del self.postings[term]


def scores(indexes: Sequence[Likeness[Name]], terms: Iterable[int]) -> list[dict[Name, float]]:
    """For every index, the descriptions that share a term with the query, with their score."""
    size = sum(len(index.lengths) for index in indexes)
    mean = sum(index.length for index in indexes) / size if size else 1.0
    found: list[dict[Name, float]] = [{} for _ in indexes]
    left = _LOOKED_AT
    for common, places in _by_rarity(indexes, terms):
        if common > left:
            break
        left -= common
        rarity = _rarity(size, common) * (_K1 + 1)
        for place, names in places:
            lengths, into = indexes[place].lengths, found[place]
            for name in names:
                damped = 1 + _K1 * (1 - _B + _B * lengths[name] / mean)
                into[name] = into.get(name, 0.0) + rarity / damped
    return found


def _rarity(size: int, common: int) -> float:
    return math.log(1 + (size - common + 0.5) / (common + 0.5))


def _by_rarity(
    indexes: Sequence[Likeness[Name]], terms: Iterable[int]
) -> list[tuple[int, list[tuple[int, dict[Name, None]]]]]:
    """The terms that occur: in how many descriptions, and where; the rarest first."""
    occurring = []
    for term in dict.fromkeys(terms):
        places = [
            (place, index.postings[term])
            for place, index in enumerate(indexes)
            if term in index.postings
        ]
        if places:
            occurring.append((sum(len(names) for _, names in places), places))
    return sorted(occurring, key=lambda each: each[0])
