"""A workspace's whole log with its contents, read in short pieces while others write."""

from __future__ import annotations

from collections.abc import AsyncIterator

from .. import __version__
from ..base.errors import StoreDamaged
from ..base.exported import Content, End, Header, Item, contents_of
from ..base.log import Forgotten, LogLine
from ..stores.contract import Store, Workspace

_LINES = 500  # log lines of one read
_CONTENTS = 16  # contents of one read; each may hold megabytes


async def export(store: Store, workspace: Workspace) -> AsyncIterator[Item]:
    """Everything up to now, in the order that `base.exported` describes.

    A page that is forgotten meanwhile takes contents away that were named before: then the lines
    up to its tombstone are exported as well, so that it comes back as forgotten.
    """
    yield Header(
        workspace.id,
        workspace.name,
        workspace.tokenizer,
        workspace.created_at,
        workspace.fingerprint,
        f"pagefault {__version__}",
    )
    contents = lines = last = 0
    until = (await store.totals(workspace))["lines"]
    while lines < until:
        piece = await store.log(workspace, lines, min(_LINES, until - lines))
        named = max((number for line in piece for number in contents_of(line)), default=0)
        async for content in _contents(store, workspace, last, named):
            contents += 1
            yield content
        last = max(last, named)
        for line in piece:
            yield line
        lines = piece[-1].position
        if lines == until:
            until = await _last_tombstone(store, workspace, lines)
    yield End(contents, lines)


async def _contents(
    store: Store, workspace: Workspace, after: int, until: int
) -> AsyncIterator[Content]:
    """The contents with ids above ``after``, up to ``until``."""
    while after < until:
        try:
            piece = await store.contents(workspace, after, _CONTENTS)
        except StoreDamaged:
            piece = []
            async for content in _one_by_one(store, workspace, after, until):
                yield content
            after = min(after + _CONTENTS, until)
            continue
        for number, data in piece:
            if number <= until:
                yield Content(number, data)
        after = piece[-1][0] if piece else until


async def _one_by_one(
    store: Store, workspace: Workspace, after: int, until: int
) -> AsyncIterator[Content]:
    """The next contents, where one is damaged; a gone one right before it counts as damaged."""
    for number in range(after + 1, min(after + _CONTENTS, until) + 1):
        try:
            (found, data), *_ = await store.contents(workspace, number - 1, 1) or [(0, b"")]
        except StoreDamaged:
            yield Content(number, None)
        else:
            if found == number:
                yield Content(number, data)


async def _last_tombstone(store: Store, workspace: Workspace, after: int) -> int:
    """The position of the last page forgotten after ``after``, else ``after`` itself."""
    found = position = after
    while piece := await store.log(workspace, position, _LINES):
        found = max([found, *(line.position for line in piece if _is_tombstone(line))])
        position = piece[-1].position
    return found


def _is_tombstone(line: LogLine) -> bool:
    return isinstance(line.operation, Forgotten)
