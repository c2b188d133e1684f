"""Values stated in text: `sigma = 5.2`, `mean=37`, `x: 3 kg`; and what a user's text makes known.

A statement names one number. Code, comparisons, conditions, ranges, dates, versions and sums state
nothing. With a colon it needs a unit, since much else is written with one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from .numbers import NUMBER, SIGN, number
from .units import UNIT

_NAME: Final = r"[^\W\d_]\w{0,39}"
_STATED: Final = re.compile(
    rf"(?<![\w$.?&\\\[\]<>=!+*/^%-])(?P<name>{_NAME})[ \t]{{0,3}}"
    rf"(?P<sign>=(?!=)|:(?!=)[ \t])[ \t]{{0,3}}(?P<number>{SIGN}(?=[\d.]){NUMBER})"
    rf"(?![\w]*\d)(?P<unit>[ \t]?(?:{UNIT})(?!\w))?"
)
_GOES_ON: Final = re.compile(r"[ \t]*(?:[*/^+=<>]|[-\u2013\u2212][ \t]*[\w(]|[.,:]\d|\()|\w")
_CONDITION: Final = re.compile(
    r"\b(?:(?:if|elif|else if|while|switch|case|when|unless|until|where|wenn|falls)\b"
    r"|for(?:\s*\(|\s+\w+\s*(?:=|\bin\b|\bfrom\b)))[^.;\n]*$",
    re.IGNORECASE,
)
_CODE: Final = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)

_KNOWN_NUMBER: Final = re.compile(rf"(?<![\w.])(?:(?<![\d)\]])[-\u2212])?(?=[\d.]){NUMBER}")
_IDENTIFIER: Final = re.compile(r"#?\w[\w.@+-]{0,62}\w", re.ASCII)
_CAPITALS: Final = re.compile(r"[A-Z]{3,12}")
_CLAUSE: Final = 200  # characters before a statement in which a condition is looked for
_LIMIT: Final = 2000  # values of one text


@dataclass(frozen=True, slots=True)
class Stated:
    """A named number, with its unit where one was given."""

    name: str
    value: int | float
    unit: str | None = None


def stated(text: str) -> tuple[Stated, ...]:
    """The values that a text states, in its order; a name stated twice has its last value."""
    plain = _CODE.sub(" ", text)
    found: dict[str, Stated] = {}
    for match in _STATED.finditer(plain):
        unit = (match["unit"] or "").strip() or None
        value = number(match["number"])
        if value is None or not _states(plain, match, unit):
            continue
        found.pop(match["name"], None)
        found[match["name"]] = Stated(match["name"], value, unit)
    return tuple(found.values())


def _states(text: str, match: re.Match[str], unit: str | None) -> bool:
    """Whether it is said outright: no condition, no sum or range, and no bare colon."""
    if _GOES_ON.match(text, match.end()) or (match["sign"].startswith(":") and not unit):
        return False
    line = max(text.rfind("\n", 0, match.start()) + 1, match.start() - _CLAUSE)
    return _CONDITION.search(text[line : match.start()]) is None


def known_numbers(text: str) -> tuple[int | float, ...]:
    """The numbers in a text, once each: 1,000 is 1000, "10-20" is 10 and 20."""
    found: dict[int | float, None] = {}
    for match in _KNOWN_NUMBER.finditer(text):
        value = number(match[0])
        if value is not None:
            found[value] = None
        if len(found) >= _LIMIT:
            break
    return tuple(found)


def known_identifiers(text: str) -> tuple[str, ...]:
    """The identifiers in a text, once each: words with digits and more than digits, dates, codes
    in capitals, mail addresses, file names with an underscore.
    """
    found: dict[str, None] = {}
    for match in _IDENTIFIER.finditer(text):
        word = match[0]
        if _identifies(word):
            found[word] = None
        if len(found) >= _LIMIT:
            break
    return tuple(found)


def _identifies(word: str) -> bool:
    if "@" in word or "_" in word.strip("_") or _CAPITALS.fullmatch(word):
        return True
    digits = sum(sign.isdigit() for sign in word)
    if not digits or number(word) is not None:
        return False
    return any(sign.isalpha() for sign in word) or word.startswith("#") or word.count("-") > 1
