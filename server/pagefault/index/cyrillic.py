"""Inflected forms of Cyrillic words brought together: a light stemmer after Porter's for Russian.

The published algorithm is M. F. Porter, "Russian stemming algorithm", in Snowball (2001),
https://snowballstem.org/algorithms/russian/stemmer.html. Taken from it: endings are looked for
behind the first vowel only, the longest one goes, some count only behind а or я, and participles
and superlatives lose a second layer. Lighter than it: gerunds, adjectives, verbs and nouns share
one list, and the derivational step, which joins different words, is left out. Ukrainian, Bulgarian
and Serbian words pass through the same rules, on both sides of a search alike.
"""

from __future__ import annotations

import re
from typing import Final

_VOWEL: Final = re.compile("[аеиоуыэюяіїє]")
_LONGEST: Final = 6  # letters of an ending

_ENDINGS: Final = frozenset(
    # gerunds
    "ив ивши ывши ыв "
    # adjectives
    "ее ие ые ое ими ыми ей ий ый ой ем им ым ом его ого ему ому их ых ую юю ая яя ою ею "
    # verbs
    "ила ыла ена ейте уйте ите или ыли уй ил ыл ен ило ыло ено ят ует уют ит ыт ены ить ыть ишь ю "
    # nouns
    "а ев ов ье е иями ями ами еи ии и ией й иям ям ием ам о у ах иях ях ы ь ию ью ия ья я "
    "і ї".split()
)
_ENDINGS_AFTER_A: Final = frozenset(
    "в вши ла на ете йте ли л ем н ло но ет ют ны ть ешь нно".split()
)
_LAYER: Final = frozenset("ивш ывш ующ ейш и ь".split())
_LAYER_AFTER_A: Final = frozenset("нн вш ющ щ".split())


def stem(word: str) -> str:
    """The part of a casefolded Cyrillic word that its forms share; ё is read as е before."""
    vowel = _VOWEL.search(word)
    if vowel is None:
        return word
    start = vowel.end()
    if word.endswith(("ся", "сь")) and len(word) - 2 > start:
        word = word[:-2]
    bare = _without(word, start, _ENDINGS, _ENDINGS_AFTER_A)
    if bare != word:
        bare = _without(bare, start, _LAYER, _LAYER_AFTER_A)
    return bare[:-1] if bare.endswith("нн") else bare


def _without(word: str, start: int, endings: frozenset[str], after_a: frozenset[str]) -> str:
    """The word without its longest ending that begins at or past `start`."""
    size = len(word)
    for length in range(min(_LONGEST, size - start), 0, -1):
        tail = word[-length:]
        if tail in endings:
            return word[:-length]
        if tail in after_a and size - length > start and word[-length - 1] in "ая":
            return word[:-length]
    return word
