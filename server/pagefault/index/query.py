"""A question of any words, as expressions that the full text table can be asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from . import forms, stopwords
from .analysis import asked, well_formed
from .scripts import MARKS, UNSPACED

MOST: Final = 64  # terms of one question; a longer one says the rest in vain

_TERM: Final = re.compile(rf"(?:[^\W_]|[{MARKS}{UNSPACED}])+")
_QUOTED: Final = re.compile('["\u201c\u201e\u00ab\u300c]([^"\u201c-\u201e\u00ab\u00bb\u300c\u300d]+)'
                            '["\u201d\u201c\u00bb\u300d]')
_PAGE_ID: Final = re.compile(r"(?<!\w)[a-z]+_[0-9]{1,18}(?!\w)")
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
    pieces = text.split()
    common = stopwords.of([term.casefold() for term in _TERM.findall(text)])
    telling = (term for piece in pieces for term in _telling(piece, common))
    found = tuple(islice(dict.fromkeys(telling), MOST))
    return found or tuple(islice(dict.fromkeys(_terms(text)), MOST))


def _terms(text: str) -> list[str]:
    return _TERM.findall(asked(text).casefold())


def _telling(piece: str, common: frozenset[str]) -> Iterator[str]:
    whole = _TERM.findall(piece)
    if len(whole) == 1 and whole[0].casefold() in common:
        return
    for term in _terms(piece):
        if term not in common and not stopwords.is_function_pair(term):
            yield term


def _expression(word: str) -> str:
    if _ONE_CHARACTER.fullmatch(word):
        return f'"{word}" *'
    return " OR ".join(f'"{form}"' for form in forms.of(word))


def _phrases(text: str) -> Iterator[str]:
    for quoted in _QUOTED.findall(well_formed(text)):
        exact = _terms(quoted)
        if 1 < len(exact) <= MOST:
            yield f'"{" ".join(exact)}"'
