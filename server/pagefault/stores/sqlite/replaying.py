"""An exported log folded into a workspace, with the numbers that its lines and contents have."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from ...base.errors import InvalidArgument
from ...base.log import LogLine, contents_of
from ..codec import keep
from ..contract import Workspace
from .apply import ID_FIELDS, only_row
from .projection import Projection, content_key


def replay(
    db: apsw.Connection,
    workspace: Workspace,
    contents: Sequence[tuple[int, bytes]],
    lines: Sequence[LogLine],
) -> None:
    """Append contents and lines to the workspace's log.

    Raises:
        InvalidArgument: the positions do not continue the log.
    """
    position, last = only_row(
        db, "SELECT position, content FROM workspace WHERE key=?", workspace.key
    )
    _check_order(lines, position)
    for number, plain in contents:
        _keep(db, workspace.key, number, plain)
        last = max(last, number)
    projection = Projection(db, workspace.key, workspace.owner)
    for line in lines:
        position = line.position
        projection.fold(line)
        # Forgotten ones too: their numbers are not given out again.
        last = max(last, *contents_of(line.operation), 0)
        _raise_counters(db, workspace.key, line)
    projection.finish()
    db.execute(
        "UPDATE workspace SET position=?, content=?, indexable=max(indexable,?) WHERE key=?",
        (position, last, projection.indexable, workspace.key),
    )


def _check_order(lines: Sequence[LogLine], position: int) -> None:
    for line in lines:
        if line.position != position + 1:
            message = f"line {line.position} does not follow line {position}: the export is cut"
            raise InvalidArgument(message)
        position = line.position


def _keep(db: apsw.Connection, workspace: int, number: int, plain: bytes) -> None:
    kept = keep(plain)
    db.execute(
        "INSERT INTO content VALUES(?,?,?,?)",
        (content_key(workspace, number), kept.codec, kept.checksum, kept.data),
    )


def _raise_counters(db: apsw.Connection, workspace: int, line: LogLine) -> None:
    if line.operation.kind not in ("event", "page"):
        return
    for name in ID_FIELDS:
        value = getattr(line.operation, name, None)
        if value is not None:
            prefix, _, number = value.rpartition("_")
            db.execute(
                "INSERT INTO counter VALUES(?,?,?)"
                " ON CONFLICT DO UPDATE SET last=max(last,excluded.last)",
                (workspace, prefix, int(number)),
            )
