"""Choosing the pieces of a text that together tell most for so many tokens.

What a choice tells is a sum over words of what each tells, with less for every repetition: a
monotone submodular function, of which taking the best piece for its price, again and again, comes
near the optimum (Lin and Bilmes, A class of submodular functions for document summarization,
2011). A piece that was overtaken is looked at again only when it comes to the top (Minoux 1978),
and taken unless it has lost much since: so that each is looked at a bounded number of times, be
all pieces the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace
from math import sqrt

from ...base.boundary import boundary_before
from ..excerpt import OMITTED
from .source import Count

_LEAST = 1e-3  # what a piece without a word tells, such as one of emoji
_NEAR = 0.8  # of what it told when last looked at: enough for a piece to be taken
_WORTH_CUTTING = 5  # tokens that have to be free for a further piece to be cut to fit


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the text. ``words``: what each of its words tells; ``facts``: its numbers.

    ``emphasis`` multiplies what the piece tells, for what its words do not say.
    """

    start: int
    end: int
    tokens: int
    words: Mapping[str, float]
    facts: Collection[str] = ()
    emphasis: float = 1.0


def extract(
    text: str, pieces: Sequence[Piece], tokens: int, count: Count, facts: float = 0.0
) -> str | None:
    """The best pieces in their order, at most ``tokens`` with the marks of what was left out.

    ``facts``: a share of the tokens that goes first to pieces with numbers that none has brought
    yet. The last piece may be cut. None where nothing fits. Deterministic: of equals, the earlier.
    """
    order = _ranked(pieces, tokens, int(tokens * facts))
    low, high = 0, len(order)
    while low < high:  # the count of the whole is not the sum of the parts: find what fits
        middle = (low + high + 1) // 2
        if count(joined(text, [_span(pieces[i]) for i in order[:middle]])) <= tokens:
            low = middle
        else:
            high = middle - 1
    chosen = order[:low]
    return _with_a_cut_one(text, pieces, chosen, order[low:], tokens, count) or None


def joined(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Stretches of a text in order: neighbours as they stand, an ellipsis for what lies between."""
    parts: list[str] = []
    at = 0
    for start, end in sorted(spans):
        gap = text[at:start]
        if gap.strip():
            gap = _mark(gap, at)
        parts.append(gap if parts or gap.strip() else "")
        parts.append(text[start:end])
        at = end
    rest = text[at:]
    if rest.strip():
        lead = rest[: len(rest) - len(rest.lstrip())]
        parts.append(f"\n{OMITTED}" if "\n" in lead else f" {OMITTED}")
    return "".join(parts)


def _mark(gap: str, at: int) -> str:
    line = "\n" in gap
    if at == 0:
        return f"{OMITTED}\n" if line else f"{OMITTED} "
    return f"\n{OMITTED}\n" if line else f" {OMITTED} "


def _span(piece: Piece) -> tuple[int, int]:
    return piece.start, piece.end


def _ranked(pieces: Sequence[Piece], tokens: int, for_facts: int) -> list[int]:
    """The pieces to take, best first: for the facts, and then for all that they tell."""
    told: Counter[str] = Counter()
    spent, first = _greedy(pieces, range(len(pieces)), told, for_facts, facts=True)
    taken = set(first)
    rest = [index for index in range(len(pieces)) if index not in taken]
    _, more = _greedy(pieces, rest, told, 2 * tokens - spent, facts=False)
    return [*first, *more]


def _greedy(
    pieces: Sequence[Piece],
    among: Iterable[int],
    told: Counter[str],
    tokens: int,
    *,
    facts: bool,
) -> tuple[int, list[int]]:
    """Tokens spent, and the indices taken, each the best for its price when it was."""
    queue = [(-_worth(pieces[index], told, facts=facts), index) for index in among]
    heapify(queue)
    chosen: list[int] = []
    spent = 0
    while queue:
        stale, index = queue[0]
        worth = -_worth(pieces[index], told, facts=facts)
        if worth > _NEAR * stale:
            heapreplace(queue, (worth, index))
            continue
        heappop(queue)
        piece = pieces[index]
        if worth < 0 and spent + piece.tokens + 1 <= tokens:
            chosen.append(index)
            spent += piece.tokens + 1
            told.update(piece.words.keys())
    return spent, chosen


def _worth(piece: Piece, told: Counter[str], *, facts: bool) -> float:
    if facts:
        return sum(piece.words[fact] for fact in piece.facts if not told[fact]) / (piece.tokens + 1)
    gain = sum(
        worth * (sqrt(told[word] + 1) - sqrt(told[word])) for word, worth in piece.words.items()
    )
    return (gain + _LEAST) * piece.emphasis / (piece.tokens + 1)


def _with_a_cut_one(
    text: str,
    pieces: Sequence[Piece],
    chosen: Sequence[int],
    others: Sequence[int],
    tokens: int,
    count: Count,
) -> str:
    """The chosen pieces, and as much of the best other one as still fits."""
    spans = [_span(pieces[index]) for index in chosen]
    best = joined(text, spans) if spans else ""
    if not others or (best and tokens - count(best) < _WORTH_CUTTING):
        return best
    start, end = _span(pieces[others[0]])

    def cut_at(place: int) -> str:
        cut = boundary_before(text, place, start)
        return joined(text, [*spans, (start, start + len(text[start:cut].rstrip()))])

    places = range(start + 1, end)
    fitting = bisect_right(places, tokens, key=lambda place: count(cut_at(place)))
    made = cut_at(places[fitting - 1]) if fitting else best
    enough = not best or count(made) - count(best) >= _WORTH_CUTTING
    return made if enough and count(made) <= tokens else best
