"""The index follows the log: what has been written since it looked last, in bounded pieces."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import apsw

from ...base.errors import StoreDamaged
from ...base.log import LogLine, operation_of
from ...index import fulltext
from ...index.following import PIECE_ENTRIES, Entry, Piece, advance, fitting
from .projection import Projection, content_key

_STEP = 8  # entries, some five milliseconds, between two looks at who waits
_MOVES_STEP = 2  # the same, where pages move
_MOVES = 64  # pages of one piece that were archived, or are no longer
_BEHIND = "SELECT key, owner, indexed, indexable, index_format FROM workspace"
# A version's page was made by the line at the page's position; a page's own line is not read twice.
# The version that a branch went back to was made by the line at the version's position. CROSS JOIN
# keeps SQLite to the order of the log: it would read every page there is, and sort their lines.
_NEW = (
    "SELECT l.key, l.at, l.actor, l.kind, s.id, l.segment, l.turn, l.page, l.data, l.ses,"
    " p.recorded_at, h.id, o.data, a.kind, a.data, p.archived IS NOT NULL"
    " FROM log l CROSS JOIN page p ON p.ws=?1 AND p.id=l.page JOIN session s ON s.key=l.ses"
    " LEFT JOIN log o ON l.kind<>'page' AND o.key=?2+p.position"
    " LEFT JOIN session h ON h.key=o.ses"
    " LEFT JOIN version v ON l.kind='revert' AND v.ws=?1 AND v.page=l.page"
    " AND v.version=l.data->>'version' LEFT JOIN log a ON a.key=?2+v.position"
    " WHERE l.key>?3 AND l.key<?4 AND l.kind IN ('page','version','revert') AND p.forgotten IS NULL"
    " ORDER BY l.key LIMIT ?5"
)
_MOVED = (
    "SELECT l.key-?2, l.page, p.archived IS NOT NULL FROM log l"
    " CROSS JOIN page p ON p.ws=?1 AND p.id=l.page WHERE l.key>?2+?3 AND l.key<=?2+?4"
    " AND l.kind IN ('archive','unarchive') AND p.forgotten IS NULL ORDER BY l.key LIMIT ?5"
)


@dataclass(frozen=True, slots=True)
class _Move:
    """A page that was archived at a position, or was no longer; ``archived``: whether it is now."""

    position: int
    page_id: str
    archived: bool


def catch_up(db: apsw.Connection, workspace: int) -> bool:
    """Index one piece of what the workspace's index does not know yet; True when more is left."""
    row = db.execute(f"{_BEHIND} WHERE key=?", (workspace,)).fetchone()
    return row is not None and _piece(db, row, _nobody)


def any_left_over(db: apsw.Connection, awaited: Callable[[], bool]) -> bool:
    """Index one piece of the first workspace that is behind; True when more may be left.

    The piece ends early once somebody waits for it: a write should not wait for a whole one.
    """
    row = db.execute(
        f"{_BEHIND} WHERE indexed<indexable OR (index_format<>? AND indexable>0) LIMIT 1",
        (fulltext.INDEX_FORMAT,),
    ).fetchone()
    if row is None:
        return False
    _piece(db, row, awaited)
    return True


def _piece(db: apsw.Connection, behind: tuple[Any, ...], awaited: Callable[[], bool]) -> bool:
    workspace, owner, indexed, indexable, made_by = behind
    if made_by != fulltext.INDEX_FORMAT:
        fulltext.clear(db, owner, workspace)
        indexed = 0
    steps, all_of_them = _steps(db, workspace, indexed, indexable)
    projection = Projection(db, workspace, owner)
    done = 0
    while done < len(steps) and not (done and awaited()):
        step = steps[done : done + _STEP]
        if any(isinstance(one, _Move) for one in step):
            step = step[:_MOVES_STEP]
        done += len(step)
        _take(db, projection, step)
    all_of_them = all_of_them and done == len(steps)
    reached = max(indexable, indexed) if all_of_them else _position(steps[done - 1])
    db.execute(
        "UPDATE workspace SET indexed=?, index_format=? WHERE key=?",
        (reached, fulltext.INDEX_FORMAT, workspace),
    )
    return not all_of_them


def _steps(
    db: apsw.Connection, workspace: int, after: int, indexable: int
) -> tuple[list[Entry | _Move], bool]:
    """What follows a position, in order, as much as fits one piece, and whether that is all."""
    entries, all_of_them = fitting(_entries(db, workspace, after))
    until = max(indexable, after) if all_of_them else entries[-1].line.position
    base = content_key(workspace, 0)
    found = db.execute(_MOVED, (workspace, base, after, until, _MOVES + 1)).fetchall()
    moves = [_move(row) for row in found]
    steps: list[Entry | _Move] = sorted((*entries, *moves[:_MOVES]), key=_position)
    if len(moves) <= _MOVES:
        return steps, all_of_them
    return [step for step in steps if _position(step) <= moves[_MOVES - 1].position], False


def _take(db: apsw.Connection, projection: Projection, steps: Sequence[Entry | _Move]) -> None:
    """Index entries, and put pages into the area where they belong by now.

    One whose text is damaged stays where it is: an entry is taken out by its text.
    """
    owner, workspace = projection.owner, projection.workspace
    entries = [step for step in steps if isinstance(step, Entry)]
    piece = Piece(entries, (), _position(steps[-1]))
    advance(db, owner, workspace, piece, projection.text)
    for move in steps:
        if isinstance(move, _Move):
            with suppress(StoreDamaged):
                fulltext.settle(
                    db,
                    owner,
                    workspace,
                    move.page_id,
                    projection.exact_text,
                    archived=move.archived,
                )


def _move(row: tuple[Any, ...]) -> _Move:
    position, page_id, archived = row
    return _Move(position, page_id, bool(archived))


def _position(step: Entry | _Move) -> int:
    return step.position if isinstance(step, _Move) else step.line.position


def _nobody() -> bool:
    return False


def _entries(db: apsw.Connection, workspace: int, after: int) -> Iterator[Entry]:
    """What was written after a position, as far as it was not forgotten since."""
    base, end = content_key(workspace, 0), content_key(workspace + 1, 0)
    for row in db.execute(_NEW, (workspace, base, base + after, end, PIECE_ENTRIES + 1)):
        yield _entry(base, row)


def _entry(base: int, row: tuple[Any, ...]) -> Entry:
    key, at, actor, kind, session, segment, turn, page_id, data, branch, *made = row
    recorded_at, home, page_data, again_kind, again_data, archived = made
    operation = _operation(kind, session, page_id, data)
    page = operation if page_data is None else _operation("page", home, page_id, page_data)
    line = LogLine(key - base, at, actor, segment, turn, operation)
    again = None if again_kind is None else _operation(again_kind, session, page_id, again_data)
    return Entry(line, page, recorded_at, branch, again, bool(archived))


def _operation(kind: str, session: str, page_id: str, data: str) -> Any:  # noqa: ANN401 - by kind
    return operation_of(kind, session, page_id, json.loads(data))
