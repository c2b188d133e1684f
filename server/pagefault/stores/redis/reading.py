"""Answers of `resources/redis/read.lua` in the contract's words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from ...base.log import LogLine, PageAdded, VersionAdded, operation_of
from ...base.page import Page, Version
from ..contract import Resident
from .drafting import hash_of

Entry = Any  # of a stream: [id, [name, value, …]]

_LATELY = 256  # evicted pages that a session remembers


def line_of(entry: Entry) -> LogLine:
    """A line of the log as the stream has it."""
    position, fields = entry
    row = hash_of(fields)
    operation = operation_of(
        row["kind"].decode(),
        row["session"].decode() or None,
        row["page"].decode() or None,
        json.loads(row["data"]),
    )
    return LogLine(
        int(position.partition(b"-")[0]),
        float(row["at"]),
        row["actor"].decode(),
        int(row["segment"]),
        int(row["turn"]),
        operation,
    )


def page_of(answer: Sequence[Any]) -> Page:
    """A page at a version: from its first line, and the version's own where that is another."""
    home, _, version, first, line, superseded_by, archived, *_ = answer
    made = line_of(first)
    page: Any = made.operation
    at: Any = line_of(line).operation if line else page
    return Page(
        page_id=page.page_id,
        page_type=page.page_type,
        modality=at.modality,
        session=home.decode(),
        version=int(version),
        content=at.content,
        tokens=at.tokens,
        size=at.size,
        importance=at.importance,
        source=at.source,
        trust=at.trust,
        recorded_at=made.at,
        role=page.role,
        name=page.name,
        hint=at.hint,
        created_at=page.created_at,
        event_id=page.event_id,
        payload=page.payload,
        tool_call_id=page.tool_call_id,
        tool_name=page.tool_name,
        derived_from=at.derived_from,
        position=made.position,
        blobs=at.blobs,
        flagged=at.flagged,
        superseded_by=tuple(by.decode() for by in superseded_by),
        archived=bool(archived),
    )


def is_forgotten(answer: Sequence[Any]) -> bool:
    """Whether only the tombstone of the page is left."""
    return bool(answer[1])


def version_of(line: LogLine) -> Version:
    """A version from the line that made it."""
    made: Any = line.operation
    later = isinstance(made, VersionAdded)
    return Version(
        made.page_id,
        made.version if later else 1,
        made.parent if later else None,
        str(made.session),
        made.content,
        made.tokens,
        made.source,
        made.trust,
        line.at,
        line.position,
        made.modality,
        made.size,
        made.importance,
        made.hint,
        made.blobs,
        made.flagged,
    )


def residents_of(answer: Sequence[Any]) -> list[Resident]:
    """Mapped pages, and those evicted lately, least recently used first."""
    kept, pinned = map(hash_of, answer[:2])
    superseded = {page.decode() for page in answer[2]}
    found = [
        replace(_resident(page, words.decode(), pinned), superseded=page in superseded)
        for page, words in kept.items()
    ]
    return sorted(found, key=lambda page: (page.touched, page.page_id))


def levels_of(answer: Sequence[Any]) -> dict[int, tuple[str, int, int]]:
    """Level to origin, content id and tokens."""
    levels = {}
    for level, words in answer:
        content, tokens, origin = words.decode().split(" ", 2)
        levels[int(level)] = (origin, int(content), int(tokens))
    return levels


def ids_like(prefix: str, counters: Mapping[str, int]) -> Iterator[str]:
    """Every page id that begins with ``prefix`` and was given out, the highest number first.

    Ids are dense, so they are counted out and not looked up.
    """
    name, _, digits = prefix.rpartition("_") if "_" in prefix else (prefix, "", "")
    exact = "_" in prefix
    walks = [
        _numbers(kind, digits, last)
        for kind, last in counters.items()
        if (kind == name if exact else kind.startswith(name))
    ]
    while walks:
        for walk in list(walks):
            found = next(walk, None)
            if found is None:
                walks.remove(walk)
            else:
                yield found


def _numbers(kind: str, digits: str, last: int) -> Iterator[str]:
    """The ids of a kind whose number begins with ``digits``, from the highest down."""
    if not digits:
        yield from (f"{kind}_{number}" for number in range(last, 0, -1))
        return
    if not digits.isdecimal() or digits.startswith("0"):
        return
    spans = []
    for more in count():
        low = int(digits) * 10**more
        if low > last:
            break
        spans.append((low, min(last, low + 10**more - 1)))
    for low, high in reversed(spans):
        yield from (f"{kind}_{number}" for number in range(high, low - 1, -1))


def _resident(page: str, kept: str, pinned: Mapping[str, bytes]) -> Resident:
    (
        version,
        level,
        tokens,
        touched,
        turn,
        mapped_turn,
        protected,
        page_type,
        importance,
        content,
        role,
        *modality,
    ) = kept.split(" ")
    until = pinned.get(page)
    return Resident(
        page_id=page,
        version=int(version),
        level=None if level == "-" else int(level),
        tokens=int(tokens),
        touched=int(touched),
        turn=int(turn),
        mapped_turn=int(mapped_turn),
        protected_until=int(protected),
        pinned=until is not None,
        pinned_until=int(until) if until else None,
        page_type=page_type,
        importance=float(importance),
        content=int(content),
        role=None if role == "-" else role,
        modality=modality[0] if modality else "text",  # of what was mapped before it was noted
    )


def page_added(entry: Entry) -> tuple[PageAdded, float]:
    """The operation that made a page, and when."""
    line = line_of(entry)
    assert isinstance(line.operation, PageAdded)
    return line.operation, line.at
