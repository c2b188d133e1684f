"""Text as the index reads it: the same reading for what is kept and for what is asked.

The reading leaves most text as it stands; SQLite's tokenizer (`TOKENIZER`) splits it into words,
folds case and stems English. Added before that: identifiers whole beside their parts,
pairs of neighbouring characters where a script writes no spaces, and Cyrillic stems. Whatever
changes here changes what lies in every index: raise `INDEX_FORMAT` with it, since entries are
deleted by reading their text again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Final

from .cyrillic import stem
from .folding import bare
from .scripts import CYRILLIC, UNSPACED

# English stems over Unicode words without accents; with the marks that Indic vowels are written by.
TOKENIZER: Final = ("porter", "unicode61", "remove_diacritics", "2", "categories", "L* N* Co Mn Mc")

_LONGEST_NAME = 80  # characters of an identifier that is kept whole beside its parts

# Possessive, and only from the beginning of a run: a megabyte without a space stays linear.
_COMPOUND: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]++(?:[_./\\:@#+-]++[A-Za-z0-9]++)+")
_CONNECTOR: Final = re.compile(r"[^A-Za-z0-9]+")
_HUMP: Final = re.compile(r"[a-z0-9][A-Z]")
_RUN: Final = re.compile(r"[A-Za-z0-9]++")
_SEAM: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_UNSPACED: Final = re.compile(f"[{UNSPACED}]+")
_CYRILLIC: Final = re.compile(f"[{CYRILLIC}]+")


def kept(text: str) -> str:
    """The reading of a page's text."""
    return _read(text, _every_character)


def asked(text: str) -> str:
    """The reading of a question. Differs where a run of unspaced script ends: see `_pairs`."""
    return _read(text, _pairs)


def well_formed(text: str) -> str:
    """The text with lone surrogates replaced: SQLite takes only what UTF-8 can say."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _read(text: str, pairs: Callable[[re.Match[str]], str]) -> str:
    if text.isascii():
        return _with_names(text)
    text = bare(_with_names(unicodedata.normalize("NFKC", well_formed(text))).casefold())
    text = _UNSPACED.sub(pairs, text)
    return _CYRILLIC.sub(lambda word: stem(word[0]), text)


def _with_names(text: str) -> str:
    text = _COMPOUND.sub(_whole_and_parts, text)
    return _RUN.sub(_humps, text) if _HUMP.search(text) else text


def _whole_and_parts(compound: re.Match[str]) -> str:
    if len(compound[0]) > _LONGEST_NAME:
        return compound[0]
    return f"{_CONNECTOR.sub('', compound[0]).lower()} {compound[0]}"


def _humps(run: re.Match[str]) -> str:
    if len(run[0]) > _LONGEST_NAME or not _HUMP.search(run[0]):
        return run[0]
    return f"{run[0].lower()} {_SEAM.sub(' ', run[0])}"


def _pairs(run: re.Match[str]) -> str:
    """A run as overlapping pairs of characters; a single character stands for itself."""
    text = run[0]
    if len(text) == 1:
        return f" {text} "
    return f" {' '.join(map(str.__add__, text, text[1:]))} "


def _every_character(run: re.Match[str]) -> str:
    """The pairs and the last character: so every character begins a term.

    A question of one character can then ask for the terms that begin with it.
    """
    return _pairs(run) if len(run[0]) == 1 else f"{_pairs(run)}{run[0][-1]} "
