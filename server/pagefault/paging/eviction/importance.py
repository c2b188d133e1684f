"""Least important first: by kind of page, then by the caller's word, then by last use.

Equal to lru where pages differ neither in type nor in importance.
"""

from __future__ import annotations

from ..resident import Mapped
from .ranking import ByWeight, Weight

# What stays longer: a claim or a summary stands for many lines of transcript.
_STAYS = {
    "transcript": 0,
    "artifact": 0,
    "procedure": 1,
    "index": 1,
    "summary": 2,
    "claim": 2,
}


_SUPERSEDED = -1.0  # less than any importance


def standing(page: Mapped) -> tuple[int, float]:
    """What decides before any age: the kind of page, and the caller's word.

    A superseded page is the least important of its kind.
    """
    return _STAYS[page.page_type], _SUPERSEDED if page.superseded else page.importance


def _weight(page: Mapped) -> Weight:
    return (*standing(page), page.touched)


# Transcripts and artifacts go before procedures, these before summaries and claims.
importance = ByWeight(_weight)
