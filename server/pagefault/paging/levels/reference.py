"""Level 3: one line that says what the page is, so that a model knows what it could fault.

A short text is quoted. Of a longer one stand here the words that set it apart, in its own order:
frequent in it and rare in what surrounds it (tf-idf against the session's other pages, Sparck
Jones 1972), since a vague stub is a page that is not found again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import sqrt

from ...base.clock import iso
from ...base.page import Level, Page
from ..excerpt import excerpt
from .sentences import stretches
from .source import Count, Source, Target
from .terms import Term, rarity, terms

_MOST = 40_000  # characters that are read for words
_AROUND = 4_000  # of each surrounding text
_SPEAKER = 24  # characters of the speaker's name
_CANDIDATES = 64
_SHORT_NUMBER, _BARE = 4, 0.3  # digits that tell little by themselves, and what they tell
_COMMON = 0.5  # of the pages around: a word that so many of them have tells nothing
_HEADWAY = 0.5  # what a word gains by standing at the beginning


def shorten(source: Source, target: Target) -> str | None:
    """``[type] speaker date: words``; None at other levels."""
    if target.level != Level.REFERENCE:
        return None
    lead = head(source.page)
    room = target.tokens - source.count(lead)
    if room <= 0:
        return None
    text = source.hint or source.text
    line = _line(text)
    if line is not None and source.count(lead + line) <= target.tokens:
        return lead + line
    if source.hint:
        return lead + _cut(source.hint, room, source.count)
    words = _keywords(source, room)
    return f"{lead}{words}" if words else None


def head(page: Page) -> str:
    """What the page is, who said it, and when it was said where that is known."""
    speaker = page.name or page.tool_name or page.role or ""
    date = "" if page.created_at is None else iso(page.created_at)[:10]
    said = " ".join(part for part in (excerpt(speaker, _SPEAKER), date) if part)
    return f"[{page.page_type}] {said}: " if said else f"[{page.page_type}] "


def _line(text: str) -> str | None:
    """The whole text on one line, where it is short enough to be worth trying."""
    return " ".join(text.split()) if len(text) <= 1_000 else None


def _cut(text: str, tokens: int, count: Count) -> str:
    width = min(len(text), 600)
    while width > 1 and count(excerpt(text, width)) > tokens:
        width = width * 3 // 4
    return excerpt(text, width)


def _keywords(source: Source, tokens: int) -> str:
    """As many of the most particular words as fit, each where it first stands."""
    text = source.text
    found = [term for start, end in stretches(text, _MOST) for term in terms(text, start, end)]
    scores = _scores(found, source.around)
    ranked = sorted(scores, key=lambda term: (-scores[term], term.start))
    low, high = 0, min(len(ranked), _CANDIDATES)
    while low < high:
        middle = (low + high + 1) // 2
        if source.count(_said(text, ranked[:middle])) + 1 <= tokens:
            low = middle
        else:
            high = middle - 1
    return _said(text, ranked[:low])


def _scores(found: Sequence[Term], around: Sequence[str]) -> Mapping[Term, float]:
    """Each word where it first stands, and how much it tells this page from those around it."""
    times = Counter(term.key for term in found)
    first = {term.key: term for term in reversed(found)}
    shapes: dict[str, float] = {}
    for term in found:
        shapes[term.key] = max(shapes.get(term.key, 0.0), _shape(term))
    others = [{term.key for term in terms(text[:_AROUND])} for text in around]
    rare = rarity([first.keys(), *others])
    known = Counter(key for keys in others for key in keys)
    common = max(2, _COMMON * len(others))
    telling = [term for key, term in first.items() if known[key] < common] or first.values()
    end = max((term.end for term in found), default=1)
    return {
        term: sqrt(times[term.key])
        * shapes[term.key]
        * rare[term.key]
        * (1 + _HEADWAY * (1 - term.start / end))
        for term in telling
    }


def _shape(term: Term) -> float:
    bare = len(term.key) < _SHORT_NUMBER and term.key.isdigit()
    return _BARE if bare else term.shape


def _said(text: str, chosen: Sequence[Term]) -> str:
    """The words in the text's order; those that touch or overlap in it are one."""
    spans: list[tuple[int, int]] = []
    for term in sorted(chosen, key=lambda term: term.start):
        if spans and term.start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], term.end))
        else:
            spans.append((term.start, term.end))
    return " ".join(text[start:end] for start, end in spans)
