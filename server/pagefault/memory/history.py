"""What happened to a page: its versions, its log lines, an old text, a difference."""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import anyio.to_thread

from ..base.errors import PageNotFound, VersionNotFound
from ..base.log import LogLine
from ..base.page import PAGE_ID, Version
from ..residency import Residency
from .core import Memory

_LINES = 2_000  # log lines of a page that are told, the latest


@dataclass(frozen=True, slots=True)
class History:
    """A page's past. ``text``: of the version asked for; ``difference``: a unified diff."""

    page_id: str
    versions: Sequence[Version]
    lines: Sequence[LogLine]
    forgotten: bool
    version: int | None = None
    text: str | None = None
    difference: str | None = None


async def history(
    memory: Memory,
    seat: Residency,
    page_id: str,
    *,
    version: int | None = None,
    against: int | None = None,
) -> History:
    """Versions and log lines; with ``version`` its text, with ``against`` what differs from it.

    Raises:
        PageNotFound: there never was such a page.
        VersionNotFound: it has no such version.
        StoreDamaged: the text is not what was written.
    """
    if not PAGE_ID.fullmatch(page_id):
        raise PageNotFound(page_id)
    versions = await memory.store.versions(seat.workspace, page_id)
    if not versions:
        raise PageNotFound(page_id)
    lines = await _latest(memory, seat, page_id)
    forgotten = any(line.operation.kind == "forget" for line in lines)
    if forgotten or (version is None and against is None):
        return History(page_id, versions, lines, forgotten)
    shown = version if version is not None else versions[-1].version
    text = await _text(memory, seat, versions, shown)
    if against is None:
        return History(page_id, versions, lines, forgotten, shown, text)
    before = await _text(memory, seat, versions, against)
    difference = await anyio.to_thread.run_sync(_diff, before, text, against, shown)
    return History(page_id, versions, lines, forgotten, shown, None, difference)


async def _latest(memory: Memory, seat: Residency, page_id: str) -> list[LogLine]:
    lines: deque[LogLine] = deque(maxlen=_LINES)
    more = await memory.store.log(seat.workspace, 0, _LINES, page_id=page_id)
    while more:
        lines.extend(more)
        more = await memory.store.log(seat.workspace, more[-1].position, _LINES, page_id=page_id)
    return list(lines)


async def _text(memory: Memory, seat: Residency, versions: Sequence[Version], wanted: int) -> str:
    for version in versions:
        if version.version == wanted:
            return await memory.text(seat.workspace, version.content)
    have = ", ".join(str(version.version) for version in versions[-20:])
    message = f"{versions[0].page_id} has no version {wanted}. It has {have}"
    raise VersionNotFound(message)


def _diff(before: str, after: str, old: int, new: int) -> str:
    lines = difflib.unified_diff(
        before.splitlines(),
        after.splitlines(),
        f"version {old}",
        f"version {new}",
        lineterm="",
        n=2,
    )
    return "\n".join(lines)
