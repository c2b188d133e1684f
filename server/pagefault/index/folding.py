"""Letters without their accents, each where it was."""

from __future__ import annotations

import unicodedata


def bare(text: str) -> str:
    """The text with the accents of Latin and Greek letters taken off, and of ё; as long as before.

    Of other scripts no accent can be spared: й is no и.
    """
    if text.isascii():
        return text
    return text.translate({ord(char): _base(char) for char in set(text) if _is_accented(char)})


def _is_accented(char: str) -> bool:
    return "\u00c0" <= char <= "\u03ff" or "\u1e00" <= char <= "\u1fff" or char in "ёЁ"


def _base(char: str) -> str:
    return unicodedata.normalize("NFD", char)[0]
