"""The index follows the log: what has been written since it looked last, in bounded pieces."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import apsw

from ...index import fulltext
from .projection import Projection, content_key

PIECE = 256  # pages indexed in one transaction, while others wait for the lock
_BYTES = 2**19  # of their texts together, unless one alone is larger: about a tenth of a second

_BEHIND = "SELECT key, owner, indexed, indexable, index_format FROM workspace"
_NEW = (
    "SELECT v.size, p.id, v.version, v.content, p.page_type, v.modality, p.role, p.name, v.hint,"
    " coalesce(p.created_at, p.recorded_at), v.importance, v.position, v.branch, p.tool_name"
    " FROM log l JOIN page p ON p.ws=?1 AND p.id=l.page"
    " JOIN version v ON v.ws=?1 AND v.page=l.page AND v.position=l.key-?2"
    " WHERE l.key>?3 AND l.key<?4 AND l.kind IN ('page','version') AND p.forgotten IS NULL"
    " ORDER BY l.key LIMIT ?5"
)


def catch_up(db: apsw.Connection, workspace: int) -> bool:
    """Index one piece of what the workspace's index does not know yet; True when more is left."""
    row = db.execute(f"{_BEHIND} WHERE key=?", (workspace,)).fetchone()
    return row is not None and _piece(db, *row)


def any_left_over(db: apsw.Connection) -> bool:
    """Index one piece of the first workspace that is behind; True when more is left."""
    row = db.execute(
        f"{_BEHIND} WHERE indexed<indexable OR (index_format<>? AND indexable>0) LIMIT 1",
        (fulltext.INDEX_FORMAT,),
    ).fetchone()
    if row is None:
        return False
    _piece(db, *row)
    return True


def _piece(
    db: apsw.Connection, workspace: int, owner: int, indexed: int, indexable: int, made_by: int
) -> bool:
    if made_by != fulltext.INDEX_FORMAT:
        fulltext.clear(db, owner, workspace)
        indexed = 0
    rows = _rows(db, workspace, indexed)
    piece = rows[: _fitting([size for size, *_ in rows])]
    projection = Projection(db, workspace, owner)
    documents = _documents(projection, piece)
    fulltext.add(db, owner, documents, projection.text)
    done = len(piece) < PIECE and len(piece) == len(rows)
    reached = max(indexable, indexed) if done else documents[-1].position
    db.execute(
        "UPDATE workspace SET indexed=?, index_format=? WHERE key=?",
        (reached, fulltext.INDEX_FORMAT, workspace),
    )
    return not done


def _rows(db: apsw.Connection, workspace: int, after: int) -> list[tuple[Any, ...]]:
    base, end = content_key(workspace, 0), content_key(workspace + 1, 0)
    return db.execute(_NEW, (workspace, base, base + after, end, PIECE)).fetchall()


def _fitting(sizes: Sequence[int]) -> int:
    """How many from the first on fit one transaction: at least one."""
    return max(1, sum(total <= _BYTES for total in accumulate(sizes)))


def _documents(projection: Projection, rows: Sequence[tuple[Any, ...]]) -> list[fulltext.Document]:
    return [
        fulltext.Document(
            workspace=projection.workspace,
            session=branch,
            page_id=page,
            version=version,
            content=content,
            page_type=page_type,
            modality=modality,
            role=role,
            name=name or tool_name,
            hint=projection.text(hint) if hint is not None else None,
            created_at=created_at,
            importance=importance,
            position=position,
        )
        for (
            _,
            page,
            version,
            content,
            page_type,
            modality,
            role,
            name,
            hint,
            created_at,
            importance,
            position,
            branch,
            tool_name,
        ) in rows
    ]
