"""Where a text may be taken apart: its sentences, or clauses where a sentence is long.

An approximation of Unicode annex 29 without its tables: the stops of many scripts, the ends of
lines that are not merely wrapped, and no stop after an initial, a short title or a list's number.
Taking two sentences for one does no harm; the pieces are only as large as is worth quoting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from ...base.boundary import boundary_before

Span = tuple[int, int]

LONGEST = 300  # characters of a piece
MOST = 400_000  # characters that are weighed; of a longer text, stretches all over it
_STRETCH = 10_000
_PIECES = 6_000
_CLOSING = "[\"'”’»)\\]」』）】]*+"
_STOP = re.compile(
    f"(?P<dot>(?<![.])[.]++{_CLOSING}(?=\\s))"
    f"|(?<![!?…؟۔։።])[!?…؟۔։።]++{_CLOSING}(?=\\s|$)"
    f"|[。！？｡।॥።။]++{_CLOSING}"
    "|(?P<line>\\n\\s*+)"
)
_CLAUSE = re.compile("[;:,—–،؛][\\s]|\\s[—–-]\\s|[；：，、、]")
_LAST_WORD = re.compile("(?:^|(?<=[\\s(\"'«“]))\\w{1,3}$")
_WINDOW = 12  # characters before a stop that are looked at
_SHORT_LINE = 40  # characters from which a line may have been wrapped


def pieces(text: str, start: int, end: int, longest: int = LONGEST) -> list[Span]:
    """Sentences between two places, in order, without the blanks between them.

    One of more than ``longest`` characters in its clauses, as far as it has any.
    """
    return [
        part
        for first, last in _sentences(text, start, end)
        for clause in _clauses(text, first, last, longest)
        for part in _cut(text, *clause)
    ]


def taken_apart(text: str, split: Callable[[str, int, int], Sequence[Span]]) -> list[Span]:
    """The pieces that ``split`` finds in the text, in bounded number: of a longer text those of
    stretches all over it, and neighbours together where they are very many."""
    found = [split(text, start, end) for start, end in stretches(text, MOST)]
    together = max(1, -(-sum(map(len, found)) // _PIECES))
    return [
        (part[first][0], part[min(first + together, len(part)) - 1][1])
        for part in found
        for first in range(0, len(part), together)
    ]


def stretches(text: str, most: int) -> list[Span]:
    """The whole text, or stretches of ``most`` characters together: both ends, evenly between."""
    if len(text) <= most:
        return [(0, len(text))]
    number = most // _STRETCH
    step = (len(text) - _STRETCH) / (number - 1)
    return [(int(i * step), int(i * step) + _STRETCH) for i in range(number)]


def _sentences(text: str, start: int, end: int) -> Iterator[Span]:
    first = start
    for stop in _STOP.finditer(text, start, end):
        if not _is_end(text, stop, first):
            continue
        yield from _stripped(text, first, stop.end())
        first = stop.end()
    yield from _stripped(text, first, end)


def _is_end(text: str, stop: re.Match[str], first: int) -> bool:
    after = text[stop.end() : stop.end() + 2].lstrip()[:1]
    if stop["line"] is not None:
        wrapped = stop[0].count("\n") == 1 and stop.start() - first >= _SHORT_LINE
        return not (wrapped and after.islower() and text[stop.start() - 1] not in ".!?:; \t\r")
    if stop["dot"] is None:
        return True
    quoted = stop[0][-1] != "."
    return not after.islower() and (quoted or not _is_short(text, first, stop.start()))


def _is_short(text: str, first: int, end: int) -> bool:
    """Whether what a dot stands behind is an initial, a title like Dr, or the number of an item."""
    word = _LAST_WORD.search(text[max(first, end - _WINDOW) : end])
    if word is None:
        return False
    if word[0].isdigit():
        return not text[first:end].strip(" \t").removesuffix(word[0])
    return word[0].istitle() and (len(word[0]) > 1 or word[0].isupper())


def _clauses(text: str, start: int, end: int, longest: int) -> Iterator[Span]:
    if end - start > longest:
        for mark in _CLAUSE.finditer(text, start, end):
            if mark.end() - start >= longest // 2:
                yield from _stripped(text, start, mark.end())
                start = mark.end()
    yield from _stripped(text, start, end)


def _cut(text: str, start: int, end: int) -> Iterator[Span]:
    """The stretch, between words where it is longer than any piece may be."""
    while end - start > LONGEST:
        cut = boundary_before(text, start + LONGEST, start)
        yield from _stripped(text, start, cut)
        start = cut
    yield from _stripped(text, start, end)


def _stripped(text: str, start: int, end: int) -> Iterator[Span]:
    part = text[start:end]
    lead = len(part) - len(part.lstrip())
    if lead < len(part):
        yield start + lead, start + len(part.rstrip())
