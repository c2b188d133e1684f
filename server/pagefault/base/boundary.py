"""Where a text may be cut without hurting a word or a character."""

from __future__ import annotations

from unicodedata import category

_WORD_REACH = 32
_CHARACTER_REACH = 64
"""How many code points a cut may move back; beyond that it stays, so that junk costs nothing."""

_JOINER = "\u200d"


def boundary_before(text: str, position: int, start: int = 0) -> int:
    """The last good place to cut at or before ``position`` and after ``start``.

    Between words when one ends within the last 32 code points, else between characters as a
    reader sees them (an approximation of Unicode annex 29: marks, joiners, skin tones, flags and
    CR LF stay together), else ``position`` itself. Scripts written without spaces are cut
    between any two characters.
    """
    if not start < position < len(text):
        return position
    cut = _character_start(text, position, start)
    for place in range(cut, max(start, cut - _WORD_REACH), -1):
        if not _inside_word(text, place) and not _inside_character(text, place):
            return place
    return cut


def _character_start(text: str, position: int, start: int) -> int:
    for place in range(position, max(start, position - _CHARACTER_REACH), -1):
        if not _inside_character(text, place):
            return place
    return position


def _inside_word(text: str, place: int) -> bool:
    return _of_spaced_word(text[place - 1]) and _of_spaced_word(text[place])


def _of_spaced_word(character: str) -> bool:
    """Whether its script writes words between spaces: all before Thai, and Korean."""
    spaced = character < "\u0e00" or "\uac00" <= character <= "\ud7af"
    return spaced and character.isalnum()


def _inside_character(text: str, place: int) -> bool:
    before, after = text[place - 1], text[place]
    if after < "\u0300":
        return before == "\r" and after == "\n"
    return (
        before == _JOINER
        or _extends(after)
        or (_is_flag_half(after) and _flag_halves_before(text, place) % 2 == 1)
    )


def _extends(character: str) -> bool:
    tone = "\U0001f3fb" <= character <= "\U0001f3ff"
    low_surrogate = "\udc00" <= character <= "\udfff"
    return tone or low_surrogate or character == _JOINER or category(character).startswith("M")


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flag_halves_before(text: str, place: int) -> int:
    first = place
    while first > max(0, place - _CHARACTER_REACH) and _is_flag_half(text[first - 1]):
        first -= 1
    return place - first
