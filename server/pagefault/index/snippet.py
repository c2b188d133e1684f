"""The words of a page that answer a question best, quoted as they stand. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from . import forms, query
from .folding import bare
from .scripts import UNSPACED

ELLIPSIS: Final = "…"

_ANCHORS: Final = 8  # places tried for each word
_TRIES: Final = 200  # of finding them: a short word may begin a thousand others
_INFLECTION: Final = 3  # letters that a form may be longer than the word asked for

_UNSPACED: Final = re.compile(f"[{UNSPACED}]")
_WORD: Final = re.compile(r"\w*")
_SENTENCE_END: Final = re.compile(r"[.!?…][\"')\]»”]*\s+|[。！？]+[」』”]*|\n+")
_SPACE: Final = re.compile(r"\s+")


def snippet(text: str, question: str, width: int = 240) -> str:
    """The quote of one page; of many, read the question once with `wanted`."""
    return quote(text, wanted(question), width)


def wanted(question: str) -> tuple[Wanted, ...]:
    """What a question asks for, ready to be looked for in any number of texts."""
    return tuple(Wanted.of(word) for word in query.words(question))


def quote(text: str, wanted: Sequence[Wanted], width: int = 240) -> str:
    """At most about `width` characters of a page: the passage with most of the wanted words.

    What is quoted is a piece of the page as it stands, cut at the bounds of sentences or words
    where these are near; an ellipsis marks an end where the page goes on.
    """
    if len(text) <= width:
        return text.strip()
    folded = _folded(text)
    anchor = _best_anchor(folded, wanted, width)
    start = _start(text, anchor, width // 3)
    end = _end(text, start, width)
    before = ELLIPSIS if text[:start].strip() else ""
    after = ELLIPSIS if text[end:].strip() else ""
    return before + text[start:end].strip() + after


@dataclass(frozen=True, slots=True)
class Wanted:
    """A word of the question, as the beginnings of its forms and how long these may get."""

    beginnings: tuple[str, ...]
    longest: int
    inside: bool  # may begin anywhere, as in a script without spaces

    @classmethod
    def of(cls, word: str) -> Wanted:
        """What to look for when a question has this word."""
        plain = _folded(word)
        if _UNSPACED.match(plain):
            return cls((plain,), len(plain), inside=True)
        if not plain.isascii():
            return cls((plain,), 2 * len(plain) + _INFLECTION, inside=False)
        beginnings = dict.fromkeys(_beginning(form) for form in forms.of(plain))
        return cls(tuple(beginnings), len(plain) + _INFLECTION, inside=False)

    def found(self, folded: str, start: int, end: int) -> Iterator[int]:
        """Where it stands between two positions, form by form."""
        for beginning in self.beginnings:
            at = folded.find(beginning, start, end)
            for _ in range(_TRIES):
                if at < 0:
                    break
                if self.inside or self._stands(folded, at):
                    yield at
                at = folded.find(beginning, at + 1, end)

    def _stands(self, folded: str, at: int) -> bool:
        if at and folded[at - 1].isalnum():
            return False
        word = _WORD.match(folded, at)
        return word is not None and word.end() - at <= self.longest


def _beginning(word: str) -> str:
    """What a word's regular forms have in common, roughly: two thirds of it."""
    return word[: max(3, 2 * len(word) // 3)]


def _folded(text: str) -> str:
    """Lower case without accents, every character where it was."""
    lower = text.lower()
    if len(lower) != len(text):  # a few letters grow when they are lowered
        lower = "".join(char.lower() if len(char.lower()) == 1 else char for char in text)
    return bare(lower)


def _best_anchor(folded: str, wanted: Sequence[Wanted], width: int) -> int:
    """Where the window begins that shows most of the words, the first of several; 0 for none."""
    best, most = 0, 0
    for anchor in sorted(_anchors(folded, wanted)):
        end = anchor + 2 * width // 3
        shown = sum(next(word.found(folded, anchor, end), None) is not None for word in wanted)
        if shown > most:
            best, most = anchor, shown
    return best


def _anchors(folded: str, wanted: Sequence[Wanted]) -> set[int]:
    size = len(folded)
    return {
        anchor
        for word in wanted
        for anchor, _ in zip(word.found(folded, 0, size), range(_ANCHORS), strict=False)
    }


def _start(text: str, anchor: int, lead: int) -> int:
    """Where the quote begins: its sentence's start when near, else a word's."""
    first = max(0, anchor - lead)
    if first == 0:
        return 0
    ends = [match.end() for match in _SENTENCE_END.finditer(text, first, anchor)]
    if ends:
        return ends[-1]
    space = _SPACE.search(text, first + lead // 2, anchor)
    return space.end() if space else anchor


def _end(text: str, start: int, width: int) -> int:
    """Where the quote ends: with a sentence in its last third, else with a word."""
    last = start + width
    if last >= len(text):
        return len(text)
    ends = [match.end() for match in _SENTENCE_END.finditer(text, start + 2 * width // 3, last)]
    if ends:
        return ends[-1]
    spaces = [match.start() for match in _SPACE.finditer(text, start + width // 2, last)]
    return spaces[-1] if spaces else last
