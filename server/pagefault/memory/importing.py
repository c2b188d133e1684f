"""Bringing an exported log into a workspace: as it was, or beside what is there under new ids.

Both go piece by piece. A piece, of at most 500 log lines and some megabytes, happens whole or not
at all; what failed between two pieces can be gone on with, or told from what is there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ..base.errors import InvalidArgument
from ..base.exported import Content, Item
from ..base.log import (
    HERE,
    Checkpointed,
    EventAdded,
    LogLine,
    Operation,
    PageAdded,
    Restored,
    SessionOpened,
)
from ..stores.contract import Commit, Moment, Workspace
from ..stores.pieces import BYTES, LINES, agreed, append
from .core import Memory

T = TypeVar("T")

_GONE = 0  # no content has this number: a page that names it is reported as damaged
_BITS = 50  # of a session handle that is minted because the old one is taken


@dataclass(frozen=True, slots=True)
class Imported:
    """One piece that is in: its log lines, and the new name of every session, event and page."""

    lines: int
    sessions: Mapping[str, str]
    ids: Mapping[str, str]


async def restore(
    memory: Memory, workspace: Workspace, items: Iterable[Item]
) -> AsyncIterator[Imported]:
    """Append the export with its own numbers; lines that are there already are passed over.

    Raises:
        InvalidArgument: the workspace's log does not continue as the export does.
    """
    async for piece in append(memory.store, workspace, _each(items)):
        yield Imported(len(piece), {}, {})


async def begins_with(
    memory: Memory, workspace: Workspace, items: Iterable[Item], length: int
) -> bool:
    """Whether the workspace's log is a true beginning of the export: empty, or a part of it.

    ``length``: the export's log lines.
    """
    here = (await memory.store.totals(workspace))["lines"]
    exported = (item for item in items if isinstance(item, LogLine))
    return here < length and await agreed(memory.store, workspace, _each(exported)) == here


async def graft(
    memory: Memory, workspace: Workspace, items: Iterable[Item]
) -> AsyncIterator[Imported]:
    """Bring the export in under new ids; a session keeps its handle unless it is taken.

    Times, actors and turns stay what they were, as do keys, which hold within a session.

    Raises:
        InvalidArgument: a line names what no line before it has made.
    """
    scion = _Scion(memory, workspace)
    for item in items:
        if isinstance(item, Content):
            scion.hold(item)
        elif isinstance(item, LogLine):
            if scion.must_settle_before(item):
                yield await scion.settle()
            await scion.add(item)
    if scion.piece.operations:
        yield await scion.settle()


async def _each(items: Iterable[T]) -> AsyncIterator[T]:
    """The items of a file, for those who also take them from a store."""
    for item in items:
        yield item


@dataclass(slots=True)
class _Piece:
    """What goes into the next commit: operations with placeholders, and whose they are."""

    operations: list[Operation] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    slots: dict[str, int] = field(default_factory=dict)
    contents: dict[int, int] = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)
    size: int = 0


class _Scion:
    """The branch that is grafted: what the old names stand for here, and the piece in hand."""

    def __init__(self, memory: Memory, workspace: Workspace) -> None:
        self.memory = memory
        self.workspace = workspace
        self.piece = _Piece()
        self._ids: dict[str, str] = {}
        self._contents: dict[int, int] = {}
        self._sessions: dict[str, str] = {}
        self._places: list[tuple[int, int]] = []  # (old, new) position of each piece's last line
        self._held: dict[int, bytes] = {}
        self._last = 0

    def hold(self, content: Content) -> None:
        """Keep a content until the lines that name it have come."""
        if content.data is not None:
            self._held[content.number] = content.data

    def must_settle_before(self, line: LogLine) -> bool:
        """Whether the piece in hand is full, or the line needs to know its positions."""
        piece = self.piece
        if len(piece.operations) >= LINES or piece.size >= BYTES:
            return True
        named = _position_named(line.operation)
        return named not in (None, line.position) and bool(piece.operations)

    async def add(self, line: LogLine) -> None:
        """Put a line into the piece, in this workspace's names."""
        operation = line.operation
        changes = self._names(line) | self._numbers(line)
        if isinstance(operation, SessionOpened):
            changes |= await self._opening(line, operation)
        if isinstance(operation, Restored) and operation.to is not None:
            changes["to"] = self._position(operation.to)
        changes["session"] = self._session(line, operation.session)
        self.piece.operations.append(replace(operation, **changes))
        self.piece.moments.append(Moment(line.at, line.actor, line.segment, line.turn))
        self._last = line.position

    async def settle(self) -> Imported:
        """Write the piece, and learn what its placeholders became."""
        piece, self.piece = self.piece, _Piece()
        applied = await self.memory.apply(
            Commit(
                self.workspace,
                self.memory.now(),
                "import",
                piece.operations,
                piece.data,
                piece.prefixes,
                moments=piece.moments,
            )
        )
        named = {old: applied.ids[slot] for old, slot in piece.slots.items()}
        self._ids |= named
        self._contents |= {old: applied.contents[i] for old, i in piece.contents.items()}
        self._places.append((self._last, applied.position))
        return Imported(len(piece.operations), piece.sessions, named)

    async def _opening(self, line: LogLine, opened: SessionOpened) -> dict[str, Any]:
        old = str(opened.session)
        new = await self._free_handle(old)
        self._sessions[old] = self.piece.sessions[old] = new
        changes: dict[str, Any] = {}
        if opened.parent is not None:
            changes["parent"] = self._sessions.get(opened.parent)
        if opened.forked_at is not None:
            here = opened.forked_at == line.position
            changes["forked_at"] = HERE if here else self._position(opened.forked_at)
        return changes

    async def _free_handle(self, old: str) -> str:
        taken = old in self._sessions.values()
        if taken or await self.memory.store.session(self.workspace, old) is not None:
            return self.memory.tools.ids.handle(_BITS)
        return old

    def _session(self, line: LogLine, old: str | None) -> str | None:
        if old is not None and old not in self._sessions:
            raise _unknown(line, f"session {old}")
        return None if old is None else self._sessions[old]

    def _position(self, old: int) -> int:
        """Where the line of an old position stands now; pieces are written without a gap."""
        last, now = next(place for place in self._places if place[0] >= old)
        return now - (last - old)

    def _names(self, line: LogLine) -> dict[str, Any]:
        operation = line.operation
        makes = isinstance(operation, EventAdded | PageAdded)
        changes: dict[str, Any] = {}
        for name in ("event_id", "page_id", "failed"):
            old = getattr(operation, name, None)
            if old is not None:
                changes[name] = self._id(line, old, makes=makes)
        sources: tuple[str, ...] = getattr(operation, "derived_from", ())
        if sources:
            changes["derived_from"] = tuple(self._id(line, old, makes=False) for old in sources)
        by = getattr(operation, "by", None)
        if by is not None:
            changes["by"] = self._id(line, by, makes=False)
        cause = getattr(operation, "cause", None)
        if cause in self._ids or cause in self.piece.slots:
            changes["cause"] = self._id(line, str(cause), makes=False)
        return changes

    def _id(self, line: LogLine, old: str, *, makes: bool) -> str:
        if old in self._ids:
            return self._ids[old]
        slots = self.piece.slots
        if old not in slots:
            if not makes:
                raise _unknown(line, old)
            slots[old] = len(slots)
            self.piece.prefixes.append(old.rpartition("_")[0])
        return f"+{slots[old]}"

    def _numbers(self, line: LogLine) -> dict[str, Any]:
        if isinstance(line.operation, Checkpointed):  # it names pages as they were called, and the
            self._held.pop(line.operation.payload or _GONE, None)  # lines before it tell the same
            return {"payload": None}
        named = ("content", "hint", "payload")
        changes: dict[str, Any] = {
            name: self._content(number)
            for name in named
            if (number := getattr(line.operation, name, None)) is not None
        }
        blobs: tuple[int, ...] = getattr(line.operation, "blobs", ())
        return changes | ({"blobs": tuple(map(self._content, blobs))} if blobs else {})

    def _content(self, old: int) -> int:
        if old in self._contents:
            return self._contents[old]
        piece = self.piece
        if old not in piece.contents:
            if old not in self._held:
                return _GONE
            piece.contents[old] = len(piece.data)
            piece.size += len(self._held[old])
            piece.data.append(self._held.pop(old))
        return -1 - piece.contents[old]


def _position_named(operation: Operation) -> int | None:
    """The earlier position that an operation names."""
    if isinstance(operation, Restored):
        return operation.to
    return operation.forked_at if isinstance(operation, SessionOpened) else None


def _unknown(line: LogLine, what: str) -> InvalidArgument:
    message = f"line {line.position} of the export names {what}, which no line before it has made"
    return InvalidArgument(message)
