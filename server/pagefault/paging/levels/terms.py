"""The words of a text, and how much each tells, without knowing its language.

Three things are taken for signs of content. A word is rare: in few units of the text, or in few
other pages (Sparck Jones 1972). A word is long: frequent words are short in every language that
was looked at (Zipf 1935; Bentz and Ferrer-i-Cancho 2016). A word has the shape of a fact: it holds
a digit, is joined by signs as paths and identifiers are, or is written with a capital within a
sentence. Scripts that write no spaces are read in overlapping pairs of characters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import log

# Thai, Lao, Burmese, Khmer; kana, bopomofo, Han with its extensions.
UNSPACED = (
    "\u0e01-\u0e4e\u0e81-\u0ece\u1000-\u109f\u1780-\u17d3"
    "\u3005-\u3007\u3031-\u3035\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
)
# Signs of other scripts that belong to the word they stand in.
_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff\u200c\u200d"
_LETTER = f"(?:[^\\W{UNSPACED}]|[{_MARKS}])"
# Possessive throughout: a megabyte without a space stays linear.
_WORD = re.compile(f"[{UNSPACED}]++|{_LETTER}++(?:[-'’.,:/\\\\@+#]{_LETTER}++)*+")
_IS_UNSPACED = re.compile(f"[{UNSPACED}]")
_JOINTS = frozenset("_./:@\\#+")
_LONGEST = 80  # characters of a word that are looked at

_LONG = 8  # letters from which a word is not taken to tell more
_IDENTIFIER, _NUMBER, _NAME, _JOINED, _PAIR = 3.0, 2.0, 1.6, 1.6, 0.5
_SHORT_NUMBER = 2  # digits of a number that is no more than a number


@dataclass(frozen=True, slots=True)
class Term:
    """A word where it stands, in the form by which its repetitions are known, and its shape."""

    start: int
    end: int
    key: str
    shape: float

    @property
    def is_number(self) -> bool:
        """Whether it holds a digit."""
        return self.shape >= _NUMBER


def terms(text: str, start: int = 0, end: int | None = None) -> Iterator[Term]:
    """The words between two places of a text, in order."""
    first = True
    for match in _WORD.finditer(text, start, len(text) if end is None else end):
        if _IS_UNSPACED.match(match[0]):
            yield from _pairs(match[0], match.start())
        else:
            word = match[0][:_LONGEST]
            start = match.start()
            yield Term(start, start + len(word), word.casefold(), _shape(word, first=first))
        first = False


def rarity(found: Iterable[Iterable[str]]) -> Mapping[str, float]:
    """From the keys of each unit to what each key tells by being rare among the units."""
    units = [set(keys) for keys in found]
    frequency = Counter(key for keys in units for key in keys)
    return {key: log(1 + len(units) / times) for key, times in frequency.items()}


def _pairs(run: str, start: int) -> Iterator[Term]:
    for place in range(max(1, len(run) - 1)):
        pair = run[place : place + 2]
        shape = _NUMBER if any(map(str.isdigit, pair)) else _PAIR
        yield Term(start + place, start + place + len(pair), pair, shape)


def _shape(word: str, *, first: bool) -> float:
    if any(map(str.isdigit, word)):
        return _NUMBER if len(word) <= _SHORT_NUMBER else _IDENTIFIER
    length = min(len(word), _LONG) / _LONG
    if not _JOINTS.isdisjoint(word):
        return _JOINED * max(length, 0.5)
    capital = word[1:2].isalpha() and word[0] != word[0].lower()  # which I'm has not
    inner = word[1:] != word[1:].lower()
    return _NAME if inner or (capital and not first) else length
