"""Searching, so that a superseded page comes after those that answer comparably well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..index import query
from ..index.document import Hit, Search
from ..residency import Residency
from ..stores.contract import Found
from .core import Memory

# Of its score a superseded page keeps half: it comes before a page in force only where that holds
# less than half of what is asked for, which the pre-pass does not count as an answer either.
_SUNK = 0.5

Links = Mapping[str, tuple[str, ...]]  # page to what supersedes it, and so on up to the last


async def ranked(memory: Memory, seat: Residency, search: Search) -> tuple[Found, Links]:
    """What a search finds, in this order, and which of it is superseded.

    A page that the question names by its id stays where it is. As many hits are read as it takes
    to be sure of the order: none that follows could come before the last one wanted, since no
    score is raised (the threshold algorithm of Fagin, Lotem and Naor, 2001). So the order is the
    same whatever part of it is asked for.
    """
    named = set(query.parse(search.query).page_ids)
    wanted = depth = search.offset + search.limit
    while True:
        asked = replace(search, limit=depth, offset=0)
        found = await memory.store.search(seat.workspace, seat.row.id, asked)
        ids = [hit.page_id for hit in found.hits] if found.linked else []
        links = await memory.store.superseded(seat.workspace, ids, seat.row.id) if ids else {}
        hits = sorted(
            (_sunk(hit) if hit.page_id in links.keys() - named else hit for hit in found.hits),
            key=lambda hit: -hit.score,
        )
        if len(hits) < depth or hits[wanted - 1].score >= found.hits[-1].score:
            return replace(found, hits=hits[search.offset : wanted]), links
        depth *= 2


def _sunk(hit: Hit) -> Hit:
    return replace(hit, score=hit.score * _SUNK)
