"""Counting words, and cutting a long text into parts of equal numbers of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from .scripts import UNSPACED

PART: Final = 60  # words of one part; a text of at most so many is one part

# Two characters of an unspaced script stand for a word: about the mean in Chinese and Japanese.
_WORD: Final = re.compile(rf"[{UNSPACED}]{{1,2}}|[^\s{UNSPACED}]+")


def count(text: str) -> int:
    """How many words a text has."""
    if text.isascii():
        return len(text.split())
    return sum(1 for _ in _WORD.finditer(text))


def parts(text: str) -> Iterator[str]:
    """The text in parts of `PART` words, which together are the text."""
    start = 0
    for number, word in enumerate(_WORD.finditer(text)):
        if number and number % PART == 0:
            yield text[start : word.start()]
            start = word.start()
    yield text[start:]
