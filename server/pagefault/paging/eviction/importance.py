"""Least important first: by kind of page, then by the caller's word, then by last use.

Equal to lru where pages differ neither in type nor in importance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..resident import Mapped

# What stays longer: a claim or a summary stands for many lines of transcript.
_STAYS = {
    "transcript": 0,
    "artifact": 0,
    "procedure": 1,
    "index": 1,
    "summary": 2,
    "claim": 2,
}


def importance(candidates: Iterable[Mapped]) -> Sequence[Mapped]:
    """Transcripts and artifacts go before procedures, these before summaries and claims."""
    return sorted(
        candidates,
        key=lambda page: (_STAYS[page.page_type], page.importance, page.touched),
    )
