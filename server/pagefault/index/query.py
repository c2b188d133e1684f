"""A question of any words, as expressions that the full text table can be asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from . import forms, stopwords
from .analysis import asked, well_formed
from .scripts import MARKS, UNSPACED

MOST: Final = 64  # terms of one question; a longer one says the rest in vain

_LONGEST: Final = 20_000  # characters of a question that are read

_OPENING: Final = '"\u201c\u201e\u00ab\u300c'
_CLOSING: Final = '"\u201d\u201c\u00bb\u300d'
_TERM: Final = re.compile(rf"(?:[^\W_]|[{MARKS}{UNSPACED}])+")
_QUOTED: Final = re.compile(f"[{_OPENING}]([^{_OPENING}{_CLOSING}]+)[{_CLOSING}]")
_PAGE_ID: Final = re.compile(r"(?<!\w)[a-z]+_[0-9]{1,18}(?!\w)")
_PUNCTUATION: Final = ".,;:!?'\"()[]{}<>*\u00a1\u00bf\u00ab\u00bb\u2018-\u201f\u2026"
_ONE_CHARACTER: Final = re.compile(f"[{UNSPACED}]")


@dataclass(frozen=True, slots=True)
class Question:
    """FTS5 expressions, one for each thing asked for, and the page ids that stand in the text."""

    terms: tuple[str, ...]
    page_ids: tuple[str, ...]


def parse(text: str) -> Question:
    """The question behind a string; whatever the string, the expressions are valid.

    Every word is quoted, so no word can be an operator, and no quotation mark is part of one.
    """
    expressions = [_expression(word) for word in words(text)] + list(_phrases(text))
    page_ids = _PAGE_ID.findall(_readable(text))
    return Question(_distinct(expressions), _distinct(page_ids))


@lru_cache(maxsize=8)  # the search and its snippets read the same question
def words(text: str) -> tuple[str, ...]:
    """What a question asks for, read as the index reads: no repeats, no function words.

    When it has nothing but function words, they are what it asks for.
    """
    text = _readable(text)
    pieces = {piece: piece.casefold().strip(_PUNCTUATION) for piece in text.split()}
    common = stopwords.of(pieces.values())
    telling = " ".join(piece for piece, plain in pieces.items() if plain not in common)
    found = [term for term in _terms(telling) if not _is_function(term, common)]
    return _distinct(found or _terms(text))


def _distinct(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))[:MOST]


def _readable(text: str) -> str:
    return well_formed(text[:_LONGEST])


def _terms(text: str) -> list[str]:
    return _TERM.findall(asked(text).casefold())


def _is_function(term: str, common: frozenset[str]) -> bool:
    return term in common or stopwords.is_function_pair(term)


def _expression(word: str) -> str:
    if _ONE_CHARACTER.fullmatch(word):
        return f'"{word}" *'
    return " OR ".join(f'"{form}"' for form in forms.of(word))


def _phrases(text: str) -> Iterator[str]:
    for quoted in _QUOTED.findall(_readable(text)):
        exact = _terms(quoted)
        if 1 < len(exact) <= MOST:
            yield f'"{" ".join(exact)}"'
