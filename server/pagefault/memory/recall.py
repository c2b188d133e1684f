"""Finding pages by their words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..base.clock import parse_time
from ..base.errors import InvalidArgument
from ..base.page import MODALITIES, PAGE_TYPES
from ..index.document import Hit, Search
from ..index.snippet import Wanted, quote, wanted
from ..residency import Residency
from .core import Memory
from .sinking import ranked
from .vetting import standing_of

SNIPPET_WIDTH = 240  # characters
MOST = 50  # results of one call

_BARE_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A question. Times are ISO 8601; a bare date in ``until`` includes its day."""

    query: str
    page_types: Sequence[str] = ()
    modality: str | None = None
    scope: str = "workspace"
    since: str | None = None
    until: str | None = None
    limit: int = 10
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Quoted:
    """A hit with the words of the page that answer the question best.

    ``superseded_by``: the page that stands in its place now. ``flagged``: why it is kept out of
    contexts.
    """

    hit: Hit
    session: str
    snippet: str
    superseded_by: str | None = None
    flagged: str | None = None


@dataclass(frozen=True, slots=True)
class Results:
    """Hits, best first. ``next_offset`` None: there are no more."""

    results: tuple[Quoted, ...]
    next_offset: int | None
    backlog: int


async def search(memory: Memory, seat: Residency, request: SearchRequest) -> Results:
    """Ranked pages for a query; any string is a query, and an empty one finds nothing.

    Raises:
        InvalidArgument: a filter that does not exist, with those that do.
    """
    _check(request)
    found, links = await ranked(
        memory,
        seat,
        Search(
            query=request.query,
            workspace=seat.workspace.key,
            session=None,
            scope=request.scope,
            page_types=tuple(request.page_types),
            modality=request.modality,
            since=_since(request.since),
            until=_until(request.until),
            limit=request.limit + 1,
            offset=request.offset,
        ),
    )
    hits = found.hits[: request.limit]
    memory.counts[seat.workspace.principal].searches[bool(hits)] += 1
    more = len(found.hits) > request.limit
    words = wanted(request.query)
    flags = await _flags(memory, seat, hits)
    quoted = [
        Quoted(
            hit,
            found.sessions.get(hit.session, ""),
            await _quote(memory, seat, hit, words),
            links[hit.page_id][-1] if hit.page_id in links else None,
            flags.get(hit.page_id),
        )
        for hit in hits
    ]
    next_offset = request.offset + request.limit if more else None
    return Results(tuple(quoted), next_offset, found.backlog)


async def _flags(memory: Memory, seat: Residency, hits: Sequence[Hit]) -> dict[str, str]:
    """Which of the hits are flagged, and why; no person's words ever are.

    Only those are asked about whose words pose: they are at hand, and a request is not.
    """
    ids = []
    for hit in hits:
        if hit.role not in ("user", "system"):
            text = await memory.text(seat.workspace, hit.content)
            ids += [hit.page_id] if standing_of("model", text, hit.hint)[1] else []
    pages = await memory.store.pages(seat.workspace, ids, seat.row.id) if ids else {}
    return {page.page_id: page.flagged for page in pages.values() if page.flagged is not None}


async def _quote(memory: Memory, seat: Residency, hit: Hit, words: Sequence[Wanted]) -> str:
    return quote(await memory.text(seat.workspace, hit.content), words, SNIPPET_WIDTH)


def _check(request: SearchRequest) -> None:
    unknown = [name for name in request.page_types if name not in PAGE_TYPES]
    if unknown:
        message = f"page_type is {unknown[0][:40]!r}: use one of {', '.join(PAGE_TYPES)}"
        raise InvalidArgument(message)
    if request.modality is not None and request.modality not in MODALITIES:
        message = f"modality is {request.modality[:40]!r}: use one of {', '.join(MODALITIES)}"
        raise InvalidArgument(message)
    if request.scope not in ("workspace", "session"):
        message = f"scope is {request.scope[:40]!r}: use workspace or session"
        raise InvalidArgument(message)
    if not 1 <= request.limit <= MOST or request.offset < 0:
        message = f"limit is {request.limit}, offset {request.offset}: 1 to {MOST}, and 0 or more"
        raise InvalidArgument(message)


def _since(text: str | None) -> float | None:
    return parse_time(text) if text else None


def _until(text: str | None) -> float | None:
    if not text:
        return None
    at = parse_time(text)
    return at + _DAY - 0.001 if _BARE_DATE.fullmatch(text.strip()) else at
