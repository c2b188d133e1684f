"""Code, logs and output by their lines: what both have in common."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .choosing import Piece
from .sentences import LONGEST, MOST, Span, taken_apart
from .source import Count
from .terms import rarity, terms

_LINE = re.compile(r"[^\n]+")
FEWEST = 6  # lines below which a text has no shape of lines to speak of


def spans_of(text: str) -> list[Span]:
    """The lines that are not blank, indentation included; of a long text, from all over it."""
    return taken_apart(text, _lines)


def share(lines: Sequence[str], shape: re.Pattern[str]) -> float:
    """Of the lines, how many have the shape."""
    return sum(shape.search(line) is not None for line in lines) / max(len(lines), 1)


def sample(text: str, most: int = 200) -> list[str]:
    """Lines from all over a text, by which its kind can be told; none where there are too few."""
    lines = [text[start:end] for start, end in spans_of(text[:MOST])]
    if len(lines) < FEWEST:
        return []
    step = max(1, len(lines) // most)
    return lines[::step]


def weighed(
    text: str, spans: Sequence[Span], emphasis: Sequence[float], count: Count
) -> list[Piece]:
    """The lines as pieces to choose from; ``emphasis`` one each."""
    found = [list(terms(text, *span)) for span in spans]
    rare = rarity([term.key for term in line] for line in found)
    return [
        Piece(
            start,
            end,
            count(text[start:end]),
            {term.key: term.shape * rare[term.key] for term in line},
            (),
            more,
        )
        for (start, end), line, more in zip(spans, found, emphasis, strict=True)
    ]


def _lines(text: str, start: int, end: int) -> list[Span]:
    """The lines, one that is longer than is worth quoting in parts."""
    return [
        (first, min(first + LONGEST, last))
        for line in _LINE.finditer(text, start, end)
        for last in (line.start() + len(line[0].rstrip()),)
        for first in range(line.start(), last, LONGEST)
    ]
