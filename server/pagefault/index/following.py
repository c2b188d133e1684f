"""Following a log: entries of it become documents, a bounded piece at a time.

A store reads the entries from wherever its log lies. What becomes of them is the same for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import apsw

from ..base.log import LogLine, PageAdded, Reverted, VersionAdded
from . import fulltext
from .fulltext import Document, TextOf

# A piece is one transaction, which others wait for: about a tenth of a second.
PIECE_ENTRIES: Final = 256
PIECE_BYTES: Final = 2**19  # of their texts together, unless one alone is larger


@dataclass(frozen=True, slots=True)
class Entry:
    """A log line that made a page or a further version of one, or went back to a version.

    ``page`` is the operation that made the page, the line's own for a first version;
    ``recorded_at`` is when it did (Unix seconds). ``branch`` is the store's number for the
    session of the line. ``again``: the operation that had made the version gone back to.
    ``archived``: whether the page is by now.
    """

    line: LogLine
    page: PageAdded
    recorded_at: float
    branch: int
    again: PageAdded | VersionAdded | None = None
    archived: bool = False

    @property
    def made(self) -> PageAdded | VersionAdded:
        """The operation that made the version.

        Raises:
            TypeError: the line made nothing that could be indexed.
        """
        operation = self.line.operation
        if isinstance(operation, Reverted) and self.again is not None:
            return self.again
        if isinstance(operation, PageAdded | VersionAdded):
            return operation
        message = f"line {self.line.position} is a {operation.kind!r}: index pages and versions"
        raise TypeError(message)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the log: its entries in order, then the ids of the pages forgotten in it.

    ``moved``: the pages that were archived in it, or were no longer; True: they are by now.

    With the piece in, the index knows everything up to ``reached``, a log position. Nothing
    forgotten later than that belongs here: its entries may come with the next piece.
    """

    entries: Sequence[Entry]
    forgotten: Sequence[str]
    reached: int
    moved: Mapping[str, bool] = field(default_factory=dict)


def fitting(entries: Iterable[Entry]) -> tuple[list[Entry], bool]:
    """As many as fit one piece, at least one where there is any, and whether these are all.

    At most one more than these is taken from ``entries``.
    """
    taken: list[Entry] = []
    size = 0
    for entry in entries:
        size += entry.made.size
        if taken and (size > PIECE_BYTES or len(taken) == PIECE_ENTRIES):
            return taken, False
        taken.append(entry)
    return taken, True


def documents(workspace: int, entries: Iterable[Entry], text_of: TextOf) -> list[Document]:
    """What the index is told of each entry; ``text_of`` gives the texts of the hints."""
    return [_document(workspace, entry, text_of) for entry in entries]


def advance(
    db: apsw.Connection, principal: int, workspace: int, piece: Piece, text_of: TextOf
) -> None:
    """Index a piece in the caller's transaction, on its writing connection.

    An entry that is there already is left as it is. The texts of forgotten pages must still be
    those that were indexed: ``text_of`` raises when it cannot give one back.
    """
    added = documents(workspace, piece.entries, text_of)
    fulltext.add(db, principal, added, text_of)
    for page_id, archived in piece.moved.items():
        fulltext.settle(db, principal, workspace, page_id, text_of, archived=archived)
    for page_id in piece.forgotten:
        fulltext.remove(db, principal, workspace, page_id, text_of)


def _document(workspace: int, entry: Entry, text_of: TextOf) -> Document:
    made, page = entry.made, entry.page
    return Document(
        workspace=workspace,
        session=entry.branch,
        page_id=page.page_id,
        version=made.version if isinstance(made, VersionAdded) else 1,
        content=made.content,
        page_type=page.page_type,
        modality=made.modality,
        role=page.role,
        name=page.name or page.tool_name,
        hint=None if made.hint is None else text_of(made.hint),
        created_at=entry.recorded_at if page.created_at is None else page.created_at,
        importance=made.importance,
        position=entry.line.position,
        archived=entry.archived,
    )
