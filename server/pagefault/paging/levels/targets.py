"""How many tokens a level should have.

REDUCED is half of the page, and at most half of what a turn may fault in by default, so that two
of them fit into one turn however long their pages are. ABSTRACT is a fifth: of what is said in
sentences of some 20 tokens, one in five; at most 512, so that a turn can look at sixteen.
REFERENCE is a line: bookmarks of 8 to 24 tokens sufficed for finding pages again (Cooperative
Paging, arXiv 2604.12376), and ours also say what the page is, who spoke and when, in 6 to 14.

Below its floor a level is left out, and the page is shown at the level above: half of two
sentences is no sentence, and a stub needs room for more than its own head.
"""

from __future__ import annotations

from types import MappingProxyType

from ...base.page import Level

_FLOORS = MappingProxyType({Level.REDUCED: 48, Level.ABSTRACT: 128, Level.REFERENCE: 18})
_REDUCED_MOST = 4_096
_ABSTRACT_MOST = 512
_REFERENCE_LEAST, _REFERENCE_MOST = 20, 40


def target_tokens(tokens: int, level: int) -> int | None:
    """The most tokens of a level of a page that has ``tokens``; None where it has no such level.

    The targets of one page strictly decrease with the level.
    """
    if tokens < _FLOORS[Level(level)]:
        return None
    if level == Level.REDUCED:
        return min(tokens // 2, _REDUCED_MOST)
    if level == Level.ABSTRACT:
        return min(tokens // 5, _ABSTRACT_MOST)
    least = min(_REFERENCE_LEAST, 2 * tokens // 3)
    return min(max(tokens // 8, least), _REFERENCE_MOST)


def levels_of(tokens: int) -> list[int]:
    """The levels that a page of so many tokens can be shown at, as far as its size tells."""
    smaller = (Level.REDUCED, Level.ABSTRACT, Level.REFERENCE)
    return [0, *(int(level) for level in smaller if target_tokens(tokens, level) is not None)]


def between(target: int, above: int, below: int) -> int | None:
    """The target, moved to where it is under ``above`` tokens and over ``below``, if it can be.

    A model's own words for another level may be longer or shorter than that level's target.
    """
    if target >= above:
        target = max(2 * above // 3, below + 1)
    if target <= below:
        target = (above + below) // 2
    return target if below < target < above else None
