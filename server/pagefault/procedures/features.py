"""Hashed terms: what makes two failures or two goals alike, without a word that could be read.

A term is 32 bits of a hash of a word and the field it stands in. What is forgotten leaves numbers
that tell nobody what was written; two texts still match in the words they share.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from .blame import blamed
from .errors import normalise, telling

ERROR_TERMS: Final = 64  # of one failure, at most
GOAL_TERMS: Final = 16

_WORD: Final = re.compile(r"[^\W\d]{2,40}|<\w+>")
_CODE: Final = re.compile(r"\b[A-Za-z]{1,4}[-_]?\d{2,5}\b|\b[1-5]\d\d\b")  # E999, TS2304, 404
_UNSPACED: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{2,}")
_COMMON: Final = frozenset(
    "the of to in is it and or an on at by for with was were be been this that these those from as "
    "are has have had not but your you we my me our can could should would will please".split()
)


def of_failure(message: str, error: str, arguments: Mapping[str, Any]) -> tuple[int, ...]:
    """Terms of a failed call: its error as it is and normalised, its type, its arguments."""
    words = dict.fromkeys(_words(normalise(message)))
    said = telling(message)
    words.update(dict.fromkeys(_words(said)))
    terms = [_hashed(f"t {error}")]
    terms += [_hashed(f"k {key}") for key in sorted(arguments)[:16]]
    terms += [_hashed(f"a {key} {_shape(arguments[key])}") for key in sorted(arguments)[:16]]
    terms += [_hashed(f"b {key}") for key in blamed(message, arguments)]
    terms += [_hashed(f"c {code.lower()}") for code in dict.fromkeys(_CODE.findall(said))]
    terms += [_hashed(f"e {word}") for word in words]
    return tuple(dict.fromkeys(terms[:ERROR_TERMS]))


def of_goal(goal: str) -> tuple[int, ...]:
    """Terms of what a call was made for, the common words of English left out."""
    words = dict.fromkeys(word for word in _words(goal[:1000]) if word not in _COMMON)
    return tuple(_hashed(f"g {word}") for word in list(words)[:GOAL_TERMS])


def _words(text: str) -> Iterable[str]:
    for word in _WORD.findall(text.lower()):
        if _UNSPACED.fullmatch(word):
            yield from (word[i : i + 2] for i in range(len(word) - 1))
        else:
            yield word


def _shape(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """The rough form of an argument: what class of value it is, not which one."""
    match value:
        case bool() | None:
            return str(value).lower()
        case int() | float():
            return "negative" if value < 0 else "zero" if value == 0 else type(value).__name__
        case str():
            return _string_shape(value)
        case list():
            return "list" + str(min(len(value), 3))
        case _:
            return "object"


def _string_shape(text: str) -> str:
    if not text.strip():
        return "empty"
    if "\n" in text:
        return "lines"
    if "/" in text:
        return "path"
    if any(sign.isdigit() for sign in text):
        return "digits" if text.isdigit() else "mixed"
    return "words" if " " in text.strip() else "word"


@lru_cache(maxsize=8192)
def _hashed(term: str) -> int:
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=4).digest(), "big")
