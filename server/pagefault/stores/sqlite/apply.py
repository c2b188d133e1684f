"""One commit inside an open transaction: check what it was planned on, number it, fold it.

Everything is checked before the first write that cannot be taken back by the caller's savepoint.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import apsw

from ...base.log import (
    HERE,
    Archived,
    Called,
    Collected,
    EventAdded,
    LogLine,
    Operation,
    PageAdded,
    Represented,
    Reverted,
    SessionOpened,
    Superseded,
    TurnBegan,
    VersionAdded,
)
from ..codec import Kept, keep
from ..contract import Applied, Commit, Conflict, Moment, Session
from .heads import FORKS_HEAD, LINEAGE
from .projection import Projection, SessionRow, content_key

ID_FIELDS = ("event_id", "page_id")
# Beside them: of an eviction the page that took the room, of a fix the page of what had failed, of
# a link the page that supersedes.
_NAMING_FIELDS = (*ID_FIELDS, "cause", "failed", "by")
# The event and page that a session's lineage has written under a key, ?3.
FIRST_WRITTEN = (
    f"{LINEAGE}SELECT w.event_id, w.page FROM lineage l JOIN written w ON w.ses=l.key"
    " AND w.key=?3 AND w.position<=l.upto ORDER BY l.depth LIMIT 1"
)
CONTENT_FIELDS = ("content", "hint", "payload")


def apply(db: apsw.Connection, commit: Commit) -> Applied | Conflict:
    """Write the commit's lines and contents; a `Conflict` has written nothing.

    Raises:
        LookupError: an operation names a session that no operation opened.
    """
    projection = Projection(db, commit.workspace.key, commit.workspace.owner)
    conflict = _conflict(db, commit, projection)
    if conflict is not None:
        return conflict
    draft = _Draft(db, commit, projection)
    for operation, moment in zip_longest(commit.operations, commit.moments):
        draft.add(operation, moment)
    return draft.finish()


def _conflict(db: apsw.Connection, commit: Commit, projection: Projection) -> Conflict | None:
    for handle, revision in commit.expects.items():
        row = projection.session(handle)
        if (row.revision if row else 0) != revision:
            return Conflict(handle)
    for (handle, page_id), version in commit.heads.items():
        if head(db, commit.workspace.key, page_id, handle) != version:
            return Conflict(page_id)
    subject = _forgotten(db, commit) or _not_garbage(db, commit) or _in_use(db, commit)
    return None if subject is None else Conflict(subject)


def _forgotten(db: apsw.Connection, commit: Commit) -> str | None:
    """A page that was deleted for good and that the commit would bring content of again."""
    named: set[str] = set()
    for operation in commit.operations:
        named.update(getattr(operation, "derived_from", ()))
        if isinstance(operation, VersionAdded | Reverted | Superseded | Represented):
            named.add(operation.page_id)
        if isinstance(operation, Superseded) and operation.by is not None:
            named.add(operation.by)
    if not named:
        return None
    row = db.execute(
        "SELECT id FROM page WHERE ws=? AND forgotten IS NOT NULL"
        " AND id IN (SELECT value FROM json_each(?))",
        (commit.workspace.key, json.dumps(sorted(named))),
    ).fetchone()
    return None if row is None else str(row[0])


def _not_garbage(db: apsw.Connection, commit: Commit) -> str | None:
    """A page of which the commit would collect more than levels, though it was not forgotten."""
    for operation in commit.operations:
        if isinstance(operation, Collected):
            row = db.execute(
                "SELECT p.id FROM page p JOIN version v ON v.ws=p.ws AND v.page=p.id,"
                " json_each(?3) c WHERE p.ws=?1 AND p.id=?2 AND p.forgotten IS NULL"
                " AND c.value IN (v.content, v.hint, p.payload) UNION ALL"
                " SELECT b.page FROM blob b, json_each(?3) c"
                " WHERE b.ws=?1 AND b.content=c.value LIMIT 1",
                (commit.workspace.key, operation.page_id, json.dumps(operation.contents)),
            ).fetchone()
            if row is not None:
                return str(row[0])
    return None


def _in_use(db: apsw.Connection, commit: Commit) -> str | None:
    """A page that the commit would archive though a session maps or pins it, or it is not there."""
    named = [line.page_id for line in commit.operations if isinstance(line, Archived)]
    row = (
        db.execute(
            "SELECT j.value FROM json_each(?2) j"
            " LEFT JOIN page p ON p.ws=?1 AND p.id=j.value AND p.forgotten IS NULL"
            " WHERE p.id IS NULL OR EXISTS (SELECT 1 FROM session s JOIN resident r"
            " ON r.ses=s.key AND r.page=p.id WHERE s.ws=?1 AND r.level IS NOT NULL)"
            " OR EXISTS (SELECT 1 FROM session s JOIN pin n ON n.ses=s.key AND n.page=p.id"
            " WHERE s.ws=?1) LIMIT 1",
            (commit.workspace.key, json.dumps(named)),
        ).fetchone()
        if named
        else None
    )
    return None if row is None else str(row[0])


def head(db: apsw.Connection, workspace: int, page_id: str, session: str) -> int | None:
    """The version of a page that a session reads; None for no page."""
    row = db.execute(
        f"{LINEAGE}SELECT {FORKS_HEAD} FROM page p WHERE p.ws=?1 AND p.id=?3",
        (workspace, session, page_id),
    ).fetchone()
    return None if row is None else row[0]


class _Draft:
    """Puts real numbers where the commit has placeholders, and folds line by line."""

    def __init__(self, db: apsw.Connection, commit: Commit, projection: Projection) -> None:
        self.db = db
        self.commit = commit
        self.projection = projection
        self.ids: dict[int, str] = {}
        self.contents: dict[int, int] = {}
        self.duplicates: set[int] = set()
        self.versions: dict[str, int] = {}
        self.bindings: list[int] = []
        self.position, self.content = only_row(
            db, "SELECT position, content FROM workspace WHERE key=?", commit.workspace.key
        )

    def add(self, operation: Operation, moment: Moment | None) -> None:
        """Fold one operation, unless it repeats what was written before."""
        if self._repeats(operation):
            return
        operation = self._resolved(operation)
        when = moment or self._moment(operation)
        self.position += 1
        self.projection.fold(
            LogLine(self.position, when.at, when.actor, when.segment, when.turn, operation)
        )

    def finish(self) -> Applied:
        """Write the counters back and say what came of the placeholders."""
        self.projection.finish()
        self.db.execute(
            "UPDATE workspace SET position=?, content=?, indexable=max(indexable,?) WHERE key=?",
            (
                self.position,
                self.content,
                self.projection.indexable,
                self.commit.workspace.key,
            ),
        )
        return Applied(
            tuple(self.ids.get(i, "") for i in range(len(self.commit.new))),
            tuple(self.contents.get(i, 0) for i in range(len(self.commit.contents))),
            frozenset(self.duplicates),
            self.versions,
            self.position,
            {handle: session_of(row) for handle, row in self.projection.sessions.items()},
            bindings=tuple(self.bindings),
        )

    def _moment(self, operation: Operation) -> Moment:
        row = self.projection.session(operation.session) if operation.session else None
        if isinstance(operation, SessionOpened) and operation.forked_at is not None:
            row = self.projection.session(str(operation.parent))
        segment = row.segment if row else 1
        return Moment(self.commit.at, self.commit.actor, segment, _turn(operation, row))

    def _repeats(self, operation: Operation) -> bool:
        if isinstance(operation, SessionOpened):
            return self.projection.session(str(operation.session)) is not None
        key = getattr(operation, "key", None)
        follows = isinstance(operation, PageAdded) and operation.event_id is not None
        if key is not None and not follows:
            return self._written_before(operation, key)
        named = (getattr(operation, name, None) for name in (*ID_FIELDS, "by"))
        return any(isinstance(name, str) and _slot(name) in self.duplicates for name in named)

    def _written_before(self, operation: Operation, key: str) -> bool:
        row = self.projection.known(operation.session)
        first = self.db.execute(FIRST_WRITTEN, (row.ws, row.id, key)).fetchone()
        if first is None:
            return False
        for name, value in zip(ID_FIELDS, first, strict=True):
            slot = _slot(getattr(operation, name, None))
            if slot is not None:
                self.ids[slot] = value or ""
                self.duplicates.add(slot)
        return True

    def _resolved(self, operation: Operation) -> Operation:
        changes = self._names(operation) | self._numbers(operation)
        return replace(operation, **changes) if changes else operation

    def _names(self, operation: Operation) -> dict[str, Any]:
        """The fields that name a page or an event by its place among the wanted ids."""
        changes: dict[str, Any] = {}
        for name in _NAMING_FIELDS:
            value = getattr(operation, name, None)
            if _slot(value) is not None:
                changes[name] = self._named(str(value))
        sources: tuple[str, ...] = getattr(operation, "derived_from", ())
        if any(_slot(source) is not None for source in sources):
            changes["derived_from"] = tuple(map(self._named, sources))
        return changes

    def _numbers(self, operation: Operation) -> dict[str, Any]:
        """The contents that the commit brings, the number of a new version, a fork's position."""
        changes: dict[str, Any] = {}
        for name in CONTENT_FIELDS:
            value = getattr(operation, name, None)
            if isinstance(value, int) and value < 0:
                changes[name] = self._content(-1 - value)
        blobs: tuple[int, ...] = getattr(operation, "blobs", ())
        if any(number < 0 for number in blobs):
            changes["blobs"] = tuple(n if n >= 0 else self._blob(-1 - n) for n in blobs)
        if isinstance(operation, VersionAdded) and operation.version == 0:
            changes["version"] = self._next_version(operation.page_id)
        if isinstance(operation, SessionOpened) and operation.forked_at == HERE:
            changes["forked_at"] = self.position + 1
        if isinstance(operation, Called) and operation.number == 0:
            changes["number"] = self.projection.known(operation.session).bindings + 1
            self.bindings.append(changes["number"])
        return changes

    def _next_version(self, page_id: str) -> int:
        (latest,) = only_row(
            self.db,
            "SELECT coalesce(max(version),0) FROM version WHERE ws=? AND page=?",
            self.commit.workspace.key,
            page_id,
        )
        self.versions[page_id] = latest + 1
        return self.versions[page_id]

    def _named(self, value: str) -> str:
        slot = _slot(value)
        return value if slot is None else self._id(slot)

    def _id(self, slot: int) -> str:
        if slot not in self.ids:
            prefix = self.commit.new[slot]
            (number,) = only_row(
                self.db,
                "INSERT INTO counter VALUES(?,?,1) "
                "ON CONFLICT DO UPDATE SET last=last+1 RETURNING last",
                self.commit.workspace.key,
                prefix,
            )
            self.ids[slot] = f"{prefix}_{number}"
        return self.ids[slot]

    def _blob(self, index: int) -> int:
        """The content of equal bytes that another page holds, else a new one."""
        if index not in self.contents:
            kept = keep(self.commit.contents[index])
            workspace = self.commit.workspace.key
            same = self.db.execute(
                "SELECT b.content FROM blob b JOIN content c ON c.key=(b.ws<<40|b.content)"
                " WHERE b.ws=? AND b.checksum=? AND c.codec=? AND c.data=? LIMIT 1",
                (workspace, kept.checksum, kept.codec, kept.data),
            ).fetchone()
            self.contents[index] = self._kept(kept) if same is None else int(same[0])
        return self.contents[index]

    def _content(self, index: int) -> int:
        if index not in self.contents:
            self.contents[index] = self._kept(keep(self.commit.contents[index]))
        return self.contents[index]

    def _kept(self, kept: Kept) -> int:
        self.content += 1
        self.db.execute(
            "INSERT INTO content VALUES(?,?,?,?)",
            (
                content_key(self.commit.workspace.key, self.content),
                kept.codec,
                kept.checksum,
                kept.data,
            ),
        )
        return int(self.content)


def keep_folded(db: apsw.Connection, workspace: int, name: str, position: int, data: bytes) -> None:
    """Keep what folding the log up to a position gave."""
    kept = keep(data)
    db.execute(
        "INSERT OR REPLACE INTO folded VALUES(?,?,?,?,?,?)",
        (workspace, name, position, kept.codec, kept.checksum, kept.data),
    )


def replace_contents(db: apsw.Connection, workspace: int, packed: Mapping[int, Kept]) -> int:
    """Keep contents in other bytes, which say the same; the bytes that this has saved.

    One that is gone by now stays gone.
    """
    saved = 0
    for number, kept in packed.items():
        row = db.execute(
            "SELECT length(data) FROM content WHERE key=? AND checksum=?",
            (content_key(workspace, number), kept.checksum),
        ).fetchone()
        if row is not None:
            saved += row[0] - len(kept.data)
            db.execute(
                "UPDATE content SET codec=?, data=? WHERE key=?",
                (kept.codec, kept.data, content_key(workspace, number)),
            )
    return saved


def only_row(db: apsw.Connection, sql: str, *bindings: int | str) -> tuple[Any, ...]:
    """The row of a query that always has one.

    Raises:
        LookupError: it has none, so the file is not what the schema says.
    """
    row: tuple[Any, ...] | None = db.execute(sql, bindings).fetchone()
    if row is None:
        message = f"no row for {sql[:60]}"
        raise LookupError(message)
    return row


def _slot(value: object) -> int | None:
    return int(value[1:]) if isinstance(value, str) and value.startswith("+") else None


def _turn(operation: Operation, row: SessionRow | None) -> int:
    if row is None:
        return 0
    begins = isinstance(operation, TurnBegan) or (
        isinstance(operation, EventAdded) and operation.begins_turn
    )
    return row.turn + begins


def session_of(row: SessionRow) -> Session:
    """The row as callers see it."""
    return Session(
        id=row.id,
        revision=row.revision,
        created_at=row.created_at,
        active_at=row.active_at,
        title=row.title,
        parent=row.parent,
        forked_at=row.forked_at,
        model=row.model,
        budget=row.budget,
        mode=row.mode,
        policy=row.policy,
        turn=row.turn,
        turn_cause=row.turn_cause,
        segment=row.segment,
        faults=row.faults,
        fault_tokens=row.fault_tokens,
        messages=row.messages,
        user_messages=row.user_messages,
        ai_messages=row.ai_messages,
        tool_calls=row.tool_calls,
        tokens=row.tokens,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        total_faults=row.total_faults,
        bindings=row.bindings,
    )
