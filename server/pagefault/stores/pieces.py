"""A workspace's log with its contents, read and appended in short pieces while others write."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass, field

from ..base.errors import StoreDamaged
from ..base.exported import Content, Item, contents_of
from ..base.log import Collected, Forgotten, LogLine
from .contract import Store, Workspace

LINES = 500  # of one piece
BYTES = 8 * 2**20  # of contents, after which a piece is closed
_CONTENTS = 16  # contents of one read; each may hold megabytes


async def lines(
    store: Store,
    workspace: Workspace,
    after: int = 0,
    until: int | None = None,
    page_id: str | None = None,
) -> AsyncIterator[LogLine]:
    """The log's lines with a position above ``after`` and at most ``until``, of a page if named."""
    while until is None or after < until:
        limit = LINES if until is None else min(LINES, until - after)
        piece = await store.log(workspace, after, limit, page_id)
        if not piece:
            return
        for line in piece:
            yield line
        after = piece[-1].position


async def read(
    store: Store, workspace: Workspace, *, after: int = 0, held: int = 0
) -> AsyncIterator[Content | LogLine]:
    """All log lines up to now, and before each the contents that it is the first to name.

    Only lines above ``after`` and contents above ``held``. A content that is gone, since its page
    was forgotten, is left out; one that cannot be read comes without its bytes. What is
    forgotten or collected meanwhile takes contents away that were named before: then the lines up
    to the one that says so come as well.
    """
    until = (await store.totals(workspace))["lines"]
    while after < until:
        async for item in _stretch(store, workspace, after, until, held):
            if isinstance(item, Content):
                held = item.number
            yield item
        after, until = until, await _last_tombstone(store, workspace, until)


async def append(
    store: Store, workspace: Workspace, items: AsyncIterable[Item]
) -> AsyncIterator[Sequence[LogLine]]:
    """Append what the workspace does not have yet, with its own numbers; the lines of each piece.

    A piece, of at most 500 lines and some megabytes, happens whole or not at all.

    Raises:
        InvalidArgument: the workspace's log does not continue as the items do.
    """
    totals = await store.totals(workspace)
    position, held = totals["lines"], totals["contents"]
    piece = _Piece()
    async for item in items:
        if isinstance(item, Content):
            piece.hold(item, held)
        elif isinstance(item, LogLine) and item.position > position:
            piece.lines.append(item)
            if piece.is_full:
                await store.replay(workspace, piece.contents, piece.lines)
                yield piece.lines
                piece = _Piece()
    if piece.lines:
        await store.replay(workspace, piece.contents, piece.lines)
        yield piece.lines


async def agreed(
    store: Store, workspace: Workspace, theirs: AsyncIterable[LogLine], after: int = 0
) -> int:
    """The position up to which the workspace's log is ``theirs``, which begin behind ``after``."""
    own = lines(store, workspace, after)
    async for line in theirs:
        if await anext(own, None) != line:
            break
        after = line.position
    return after


class Shelf:
    """The contents of a workspace with ids above ``after``, ascending, read some at a time."""

    def __init__(self, store: Store, workspace: Workspace, after: int = 0) -> None:
        self._store = store
        self._workspace = workspace
        self._read_to = after
        self._ahead: deque[Content] = deque()

    async def up_to(self, number: int) -> AsyncIterator[Content]:
        """The next contents, up to that id; those that cannot be read without their bytes."""
        while True:
            while self._ahead and self._ahead[0].number <= number:
                yield self._ahead.popleft()
            if self._ahead or self._read_to >= number:
                return
            await self._read(number)

    async def _read(self, number: int) -> None:
        try:
            piece = await self._store.contents(self._workspace, self._read_to, _CONTENTS)
        except StoreDamaged:
            await self._read_singly()
            return
        self._ahead.extend(Content(found, data) for found, data in piece)
        self._read_to = piece[-1][0] if piece else number

    async def _read_singly(self) -> None:
        """The next contents, one of which is damaged; a gone one right before it counts as that."""
        for number in range(self._read_to + 1, self._read_to + _CONTENTS + 1):
            try:
                data = await single(self._store, self._workspace, number)
            except StoreDamaged:
                self._ahead.append(Content(number, None))
            else:
                if data is not None:
                    self._ahead.append(Content(number, data))
        self._read_to += _CONTENTS


async def single(store: Store, workspace: Workspace, number: int) -> bytes | None:
    """One content; None when it is gone.

    Raises:
        StoreDamaged: it is damaged, or gone and the next one that there is is damaged.
    """
    for found, data in await store.contents(workspace, number - 1, 1):
        if found == number:
            return data
    return None


async def _stretch(
    store: Store, workspace: Workspace, after: int, until: int, held: int
) -> AsyncIterator[Content | LogLine]:
    shelf = Shelf(store, workspace, held)
    async for line in lines(store, workspace, after, until):
        async for content in shelf.up_to(max(contents_of(line), default=0)):
            yield content
        yield line


async def _last_tombstone(store: Store, workspace: Workspace, after: int) -> int:
    """The last position after ``after`` that took contents away, else ``after`` itself."""
    async for line in lines(store, workspace, after):
        if isinstance(line.operation, Forgotten | Collected):
            after = line.position
    return after


@dataclass(slots=True)
class _Piece:
    contents: list[tuple[int, bytes]] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)
    size: int = 0

    @property
    def is_full(self) -> bool:
        return len(self.lines) >= LINES or self.size >= BYTES

    def hold(self, content: Content, held: int) -> None:
        """Take a content along, unless the workspace has it or nobody can read it."""
        if content.number > held and content.data is not None:
            self.contents.append((content.number, content.data))
            self.size += len(content.data)
