"""Prose and conversation at levels 1 and 2: the sentences that tell most, in their own words.

Extractive: whatever stands in the result stands so in the page, in the same order, with an
ellipsis for what was left out. A sentence is worth what its words tell (`terms`), more when it is
central, and more at the beginning and end of the text. How central: the weighted degree of LexRank
(Erkan and Radev 2004), the sum of a sentence's cosine similarity to all others; with cosines that
is its product with the sum of all normalised vectors, so it takes linear time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from math import sqrt

from ...base.page import Level
from .choosing import Piece, extract
from .cues import emphasis
from .sentences import LONGEST, MOST, Span, pieces, taken_apart
from .source import Count, Source, Target
from .terms import Term, rarity, terms

_SHORTEST = 60  # characters below which a sentence is not taken apart
_HALF = 2  # characters to a token of the target: no piece should take more than about half of it
_FACTS = 0.75  # of level 1's tokens: goes to numbers first, as far as there are any
_CENTRAL = 0.4
_FIRST, _LAST = 0.4, 0.2


def shorten(source: Source, target: Target) -> str | None:
    """The text in at most the target's tokens; the text itself where it has no more."""
    if target.level == Level.REFERENCE or source.page.modality not in ("text", "structured"):
        return None
    facts = _FACTS if target.level == Level.REDUCED else 0.0
    return summary(source.text, target.tokens, source.count, facts)


def summary(text: str, tokens: int, count: Count, facts: float = 0.0) -> str | None:
    """The sentences that tell most in at most ``tokens``; the share for facts goes to numbers."""
    if len(text) <= MOST and count(text) <= tokens:
        return text
    longest = min(LONGEST, max(_SHORTEST, _HALF * tokens))
    spans = taken_apart(text, partial(pieces, longest=longest))
    return extract(text, _weighed(text, spans, count), tokens, count, facts)


def _weighed(text: str, spans: Sequence[Span], count: Count) -> list[Piece]:
    found = [list(terms(text, *span)) for span in spans]
    rare = rarity([term.key for term in unit] for unit in found)
    words = [_words(unit, rare) for unit in found]
    central = _centrality(words)
    return [
        Piece(
            start,
            end,
            count(text[start:end]),
            words[i],
            {term.key for term in found[i] if term.is_number and not _counts(text, start, term)},
            emphasis(text[start:end]) + _CENTRAL * central[i] + _place(i, len(spans)),
        )
        for i, (start, end) in enumerate(spans)
    ]


def _words(unit: Sequence[Term], rare: Mapping[str, float]) -> dict[str, float]:
    words: dict[str, float] = {}
    for term in unit:
        words[term.key] = max(words.get(term.key, 0.0), term.shape * rare[term.key])
    return words


def _counts(text: str, start: int, term: Term) -> bool:
    """Whether the number only says which item of a list the piece is."""
    return (
        term.start == start and term.key.isdigit() and text[term.end : term.end + 1] in (".", ")")
    )


def _place(index: int, length: int) -> float:
    return _FIRST * (index == 0) + _LAST * (index == length - 1)


def _centrality(units: Sequence[Mapping[str, float]]) -> list[float]:
    """Of each unit, from 0 to 1: its similarity to all, relative to the most central one's."""
    lengths = [sqrt(sum(worth * worth for worth in unit.values())) or 1.0 for unit in units]
    whole: defaultdict[str, float] = defaultdict(float)
    for unit, length in zip(units, lengths, strict=True):
        for word, worth in unit.items():
            whole[word] += worth / length
    degrees = [
        sum(worth * whole[word] for word, worth in unit.items()) / length
        for unit, length in zip(units, lengths, strict=True)
    ]
    most = max(degrees, default=0.0) or 1.0
    return [degree / most for degree in degrees]
