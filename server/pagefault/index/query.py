"""A question of any words, as expressions that the full text table can be asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from . import forms, stopwords
from .analysis import asked, well_formed
from .scripts import MARKS, UNSPACED

MOST: Final = 64  # terms of one question; a longer one says the rest in vain

_TERM: Final = re.compile(rf"(?:[^\W_]|[{MARKS}{UNSPACED}])+")
_QUOTED: Final = re.compile('["\u201c\u201e\u00ab\u300c]([^"\u201c-\u201e\u00ab\u00bb\u300c\u300d]+)'
                            '["\u201d\u201c\u00bb\u300d]')
_PAGE_ID: Final = re.compile(r"(?<!\w)[a-z]+_[0-9]{1,18}(?!\w)")
_PUNCTUATION: Final = ".,;:!?'\"()[]{}<>*\u00a1\u00bf\u00ab\u00bb\u2018-\u201f\u2026"
_ONE_CHARACTER: Final = re.compile(f"[{UNSPACED}]")


@dataclass(frozen=True, slots=True)
class Question:
    """`terms` are FTS5 expressions, one for each thing asked for; `page_ids` stand in it as such."""

    terms: tuple[str, ...]
    page_ids: tuple[str, ...]


def parse(text: str) -> Question:
    """The question behind a string; whatever the string, the expressions are valid.

    Every word is quoted, so no word can be an operator, and no quotation mark is part of one.
    """
    terms = dict.fromkeys(_expression(word) for word in words(text))
    terms |= dict.fromkeys(_phrases(text))
    return Question(tuple(terms), tuple(dict.fromkeys(_PAGE_ID.findall(text))))


def words(text: str) -> tuple[str, ...]:
    """What a question asks for, read as the index reads: no repeats, no function words.

    When it has nothing but function words, they are what it asks for.
    """
    text = well_formed(text)
    pieces = [piece.strip(_PUNCTUATION) for piece in text.casefold().split()]
    common = stopwords.of(pieces)
    telling = [
        piece for piece, plain in zip(text.split(), pieces, strict=True) if plain not in common
    ]
    found = [term for term in _terms(" ".join(telling)) if not _is_function(term, common)]
    return tuple(dict.fromkeys(found or _terms(text)))[:MOST]


def _terms(text: str) -> list[str]:
    return _TERM.findall(asked(text).casefold())


def _is_function(term: str, common: frozenset[str]) -> bool:
    return term in common or stopwords.is_function_pair(term)


def _expression(word: str) -> str:
    if _ONE_CHARACTER.fullmatch(word):
        return f'"{word}" *'
    return " OR ".join(f'"{form}"' for form in forms.of(word))


def _phrases(text: str) -> Iterator[str]:
    for quoted in _QUOTED.findall(well_formed(text)):
        exact = _terms(quoted)
        if 1 < len(exact) <= MOST:
            yield f'"{" ".join(exact)}"'
