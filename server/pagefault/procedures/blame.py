"""Which arguments an error speaks of: those whose value or name stands in its message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from .errors import telling

_BY_VALUE: Final = 1.0
_BY_PART: Final = 0.75
_BY_NAME: Final = 0.5
_PART: Final = 4  # letters of a word in an id that says what it is ("gift_card_1642017")
_SHORTEST: Final = 3  # characters of a value that can be recognised
_LONGEST: Final = 80
_VALUES: Final = 200  # of one argument that are looked for
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_a-zA-Z]+")
_SAYS_NOTHING: Final = frozenset({"id", "ids", "name", "value", "new", "old", "the", "is", "to"})


def blamed(message: str, arguments: Mapping[str, Any]) -> dict[str, float]:
    """The arguments that a message names, by weight.

    1 for a value of theirs, three quarters for a word of an id, a half for a word of their name;
    endings of the plural do not count.
    """
    text = telling(message)
    lower = text.lower()
    words = {_stem(word) for word in _WORD.findall(text)}
    found = {}
    for key, value in arguments.items():
        values = list(_values(value))
        weight = _BY_VALUE * any(_stands_in(each, lower) for each in values)
        weight = weight or _BY_PART * any(not _parts(each).isdisjoint(words) for each in values)
        weight += _BY_NAME * (not _own_words(key).isdisjoint(words))
        if weight:
            found[key] = weight
    return found


def _own_words(key: str) -> set[str]:
    return {_stem(word) for word in _WORD.findall(key)} - _SAYS_NOTHING


def _parts(value: str) -> set[str]:
    """The words of an id; a value without digits, or of several words, is none."""
    if value.isalpha() or " " in value or not any(sign.isdigit() for sign in value):
        return set()
    return {_stem(word) for word in _WORD.findall(value) if len(word) >= _PART}


def _stem(word: str) -> str:
    lower = word.lower()
    return lower[:-1] if lower.endswith("s") and len(lower) > _SHORTEST else lower


def _values(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """The scalars in an argument that are long enough to be recognised, as lower-case text."""
    left = [value]
    for _ in range(_VALUES):
        if not left:
            return
        each = left.pop()
        if isinstance(each, Mapping):
            left.extend(each.values())
        elif isinstance(each, list):
            left.extend(each)
        elif each is not None and not isinstance(each, bool):
            text = str(each).strip().lower()
            if _SHORTEST <= len(text) <= _LONGEST:
                yield text


def _stands_in(value: str, text: str) -> bool:
    start = text.find(value)
    while start >= 0:
        end = start + len(value)
        if not text[start - 1 : start].isalnum() and not text[end : end + 1].isalnum():
            return True
        start = text.find(value, start + 1)
    return False
