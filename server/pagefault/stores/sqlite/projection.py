"""From a log line to the rows that follow from it.

The same functions serve a live commit and a replayed log: they read nothing but the line and the
tables, and decide nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import apsw

from ...base.errors import StoreDamaged
from ...base.log import (
    Archived,
    BindingsUsed,
    Called,
    Checkpointed,
    Collected,
    Demoted,
    EventAdded,
    Evicted,
    Faulted,
    FaultedIn,
    Fixed,
    Forgotten,
    Judged,
    LogLine,
    Mended,
    PageAdded,
    Pinned,
    Promoted,
    Represented,
    Restored,
    Reverted,
    SeenAgain,
    SessionChanged,
    SessionOpened,
    Superseded,
    Touched,
    TurnBegan,
    Unarchived,
    VersionAdded,
    data_of,
)
from ...index import fulltext
from ..codec import Kept, restore


@dataclass(slots=True)
class SessionRow:
    """A session while a commit is folded into it; written back once at the commit's end."""

    key: int
    ws: int
    id: str
    revision: int
    created_at: float
    active_at: float
    title: str | None
    parent: str | None
    forked_at: int | None
    model: str | None
    budget: int | None
    mode: str | None
    policy: str | None
    turn: int
    turn_cause: str
    segment: int
    faults: int
    fault_tokens: int
    messages: int
    user_messages: int
    ai_messages: int
    tool_calls: int
    tokens: int
    prompt_tokens: int
    completion_tokens: int
    total_faults: int
    bindings: int


COLUMNS = tuple(f.name for f in fields(SessionRow))
_SETTINGS = ("model", "budget", "mode", "policy")
_GOING_ON = COLUMNS[COLUMNS.index("turn") :]  # what a fork takes over: turn, segment, counters
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM session"
_UPDATE = f"UPDATE session SET {', '.join(f'{c}=?' for c in COLUMNS[3:])} WHERE key=?"


def content_key(workspace: int, content: int) -> int:
    """The row of a content, or of a log line: the workspace in the upper bits."""
    return workspace << 40 | content


class Projection:
    """Folds lines of one workspace into its tables, inside the caller's transaction."""

    def __init__(self, db: apsw.Connection, workspace: int, owner: int) -> None:
        self.db = db
        self.workspace = workspace
        self.owner = owner
        self.sessions: dict[str, SessionRow] = {}
        self.indexable = 0
        self.forgot = False

    def session(self, handle: str) -> SessionRow | None:
        """The session's row, read once."""
        if handle not in self.sessions:
            row = self.db.execute(
                f"{_SELECT} WHERE ws=? AND id=?", (self.workspace, handle)
            ).fetchone()
            if row is None:
                return None
            self.sessions[handle] = SessionRow(*row)
        return self.sessions[handle]

    def known(self, handle: str | None) -> SessionRow:
        """The row of a session that a line names.

        Raises:
            LookupError: the log names a session before it opens it.
        """
        row = self.session(handle) if handle is not None else None
        if row is None:
            message = f"no session {handle!r}"
            raise LookupError(message)
        return row

    def fold(self, line: LogLine) -> None:
        """Write the line and what follows from it."""
        operation = line.operation
        handler = _HANDLERS[type(operation)]
        handler(self, line, operation)
        row = self.session(operation.session) if operation.session else None
        if row is not None:
            row.active_at = line.at
        self.db.execute(
            "INSERT INTO log VALUES(?,?,?,?,?,?,?,?,?)",
            (
                content_key(self.workspace, line.position),
                line.at,
                line.actor,
                operation.kind,
                row.key if row else None,
                line.segment,
                line.turn,
                getattr(operation, "page_id", None),
                json.dumps(data_of(operation), ensure_ascii=False, separators=(",", ":")),
            ),
        )

    def finish(self) -> None:
        """Write the sessions back."""
        for row in self.sessions.values():
            values = [getattr(row, column) for column in COLUMNS[3:]]
            self.db.execute(_UPDATE, (*values, row.key))

    # One function a kind of line, in the order of base/log.py.

    def _session(self, line: LogLine, opened: SessionOpened) -> None:
        self.db.execute(
            "INSERT INTO session(ws,id,created_at,active_at,title,parent,forked_at,model,budget,"
            "mode,policy) VALUES(?,?,?,?,?,?,?,?,?,?,?)",
            (
                self.workspace,
                opened.session,
                line.at,
                line.at,
                opened.title,
                opened.parent,
                opened.forked_at,
                opened.model,
                opened.budget,
                opened.mode,
                opened.policy,
            ),
        )
        if opened.parent is not None and opened.forked_at is not None:
            self._fork(self.known(opened.session), self.known(opened.parent))

    def _fork(self, row: SessionRow, parent: SessionRow) -> None:
        for name in _GOING_ON:
            setattr(row, name, getattr(parent, name))
        for name in _SETTINGS:
            if getattr(row, name) is None:
                setattr(row, name, getattr(parent, name))

    def _session_changed(self, _: LogLine, changed: SessionChanged) -> None:
        row = self.known(changed.session)
        for name in ("title", *_SETTINGS):
            value = getattr(changed, name)
            if value is not None:
                setattr(row, name, value)
        row.revision += 1

    def _event(self, line: LogLine, event: EventAdded) -> None:
        row = self.known(event.session)
        if event.begins_turn:
            _begin_turn(row, line.turn, "message")
        if event.role == "tool":
            row.tool_calls += 1
        else:
            row.messages += 1
        row.user_messages += event.role == "user"
        row.ai_messages += event.role == "assistant"
        _count_tokens(row, event)
        if event.key is not None:
            self._remember_key(line, row, event.key, event.event_id, event.page_id)

    def _page(self, line: LogLine, page: PageAdded) -> None:
        row = self.known(page.session)
        self.db.execute(
            "INSERT INTO page(ws,id,home,page_type,role,name,event_id,payload,tool_call_id,"
            "tool_name,created_at,recorded_at,position) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                self.workspace,
                page.page_id,
                row.key,
                page.page_type,
                page.role,
                page.name,
                page.event_id,
                page.payload,
                page.tool_call_id,
                page.tool_name,
                page.created_at,
                line.at,
                line.position,
            ),
        )
        self._write_version(line, row, page, 1, None)
        if page.key is not None and page.event_id is None:
            self._remember_key(line, row, page.key, None, page.page_id)

    def _version(self, line: LogLine, version: VersionAdded) -> None:
        row = self.known(version.session)
        self._write_version(line, row, version, version.version, version.parent)
        if version.key is not None:
            self._remember_key(line, row, version.key, None, version.page_id)

    def _revert(self, line: LogLine, reverted: Reverted) -> None:
        row = self.known(reverted.session)
        self.db.execute(
            "INSERT INTO reverted VALUES(?,?,?,?,?)",
            (self.workspace, reverted.page_id, row.key, line.position, reverted.version),
        )
        self.indexable = line.position

    def _supersede(self, line: LogLine, link: Superseded) -> None:
        row = self.known(link.session)
        self.db.execute(
            "INSERT INTO superseded VALUES(?,?,?,?,?)",
            (self.workspace, link.page_id, row.key, line.position, link.by),
        )

    def _represent(self, _: LogLine, made: Represented) -> None:
        self.db.execute(
            "INSERT INTO representation VALUES(?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET"
            " origin=excluded.origin, content=excluded.content, tokens=excluded.tokens"
            " WHERE origin<>'model' OR excluded.origin='model'",  # a model's own words stay
            (
                self.workspace,
                made.page_id,
                made.version,
                made.level,
                made.origin,
                made.content,
                made.tokens,
            ),
        )

    def _collect(self, _: LogLine, collected: Collected) -> None:
        gone = json.dumps(collected.contents)
        self.db.execute(
            "DELETE FROM representation WHERE ws=? AND page=?"
            " AND content IN (SELECT value FROM json_each(?))",
            (self.workspace, collected.page_id, gone),
        )
        self.db.execute(
            "DELETE FROM content WHERE key IN (SELECT ?|value FROM json_each(?))",
            (content_key(self.workspace, 0), gone),
        )

    def _archive(self, line: LogLine, moved: Archived | Unarchived) -> None:
        since = line.position if isinstance(moved, Archived) else None
        self.db.execute(
            "UPDATE page SET archived=? WHERE ws=? AND id=? AND forgotten IS NULL",
            (since, self.workspace, moved.page_id),
        )
        self.indexable = line.position

    def _pin(self, _: LogLine, pin: Pinned) -> None:
        row = self.known(pin.session)
        row.revision += 1
        if pin.pinned:
            self.db.execute(
                "INSERT OR REPLACE INTO pin SELECT ?,id,? FROM page"
                " WHERE ws=? AND id=? AND forgotten IS NULL",
                (row.key, pin.until_turn, self.workspace, pin.page_id),
            )
        else:
            self.db.execute("DELETE FROM pin WHERE ses=? AND page=?", (row.key, pin.page_id))

    def _forget(self, line: LogLine, forgotten: Forgotten) -> None:
        self.forgot = True
        page_id = forgotten.page_id
        self._unindex(page_id)
        for content in self._contents_of(page_id) - self._held_by_others(page_id):
            self.db.execute(
                "DELETE FROM content WHERE key=?", (content_key(self.workspace, content),)
            )
        self.db.execute(
            "UPDATE page SET forgotten=coalesce(forgotten,?), name=NULL, archived=NULL"
            " WHERE ws=? AND id=?",
            (line.position, self.workspace, page_id),
        )
        self.db.execute(
            "DELETE FROM representation WHERE ws=? AND page=?", (self.workspace, page_id)
        )
        for handle in self._sessions_keeping(page_id):
            row = self.known(handle)
            row.revision += 1
            self.db.execute("DELETE FROM resident WHERE ses=? AND page=?", (row.key, page_id))
            self.db.execute("DELETE FROM pin WHERE ses=? AND page=?", (row.key, page_id))

    def _mark(self, _: LogLine, mark: Checkpointed | Restored | Mended) -> None:
        self.known(mark.session).revision += 1

    def _turn(self, line: LogLine, turn: TurnBegan) -> None:
        row = self.known(turn.session)
        _begin_turn(row, line.turn, turn.cause)
        row.revision += 1

    def _fault(self, _: LogLine, fault: Faulted) -> None:
        row = self.known(fault.session)
        row.faults += not fault.more
        row.total_faults += not fault.more
        row.fault_tokens += fault.tokens

    def _fault_in(self, line: LogLine, fault: FaultedIn) -> None:
        row = self.known(fault.session)
        row.revision += 1
        self.db.execute(
            "INSERT OR REPLACE INTO resident SELECT ?,id,?,?,?,?,?,?,? FROM page"
            " WHERE ws=? AND id=? AND forgotten IS NULL",
            (
                row.key,
                fault.version,
                fault.level,
                fault.tokens,
                line.position,
                line.turn,
                line.turn,
                fault.protected_until,
                self.workspace,
                fault.page_id,
            ),
        )

    def _demote(self, line: LogLine, demoted: Demoted) -> None:
        row = self.known(demoted.session)
        row.revision += 1
        self.db.execute(
            "UPDATE resident SET level=?, tokens=? WHERE ses=? AND page=?",
            (demoted.level, demoted.tokens, row.key, demoted.page_id),
        )
        if demoted.cause is None:
            self._used(line, row, demoted.page_id)

    def _evict(self, line: LogLine, evicted: Evicted) -> None:
        row = self.known(evicted.session)
        row.revision += 1
        self.db.execute(
            "UPDATE resident SET level=NULL, tokens=0, turn=? WHERE ses=? AND page=?",
            (line.turn, row.key, evicted.page_id),
        )

    def _touch(self, line: LogLine, touched: Touched) -> None:
        row = self.known(touched.session)
        row.revision += 1
        self._used(line, row, touched.page_id)

    def _call(self, _: LogLine, call: Called) -> None:
        row = self.known(call.session)
        row.bindings = max(row.bindings, call.number or 0)

    def _lesson(
        self, _: LogLine, lesson: SeenAgain | Fixed | Promoted | BindingsUsed | Judged
    ) -> None:
        self.known(lesson.session)

    # What several kinds share.

    def _used(self, line: LogLine, row: SessionRow, page_id: str) -> None:
        self.db.execute(
            "UPDATE resident SET touched=?, turn=? WHERE ses=? AND page=? AND level IS NOT NULL",
            (line.position, line.turn, row.key, page_id),
        )

    def text(self, content: int) -> str:
        """The text of a content id; empty when it is gone or damaged, which its readers hear."""
        try:
            return self.exact_text(content)
        except StoreDamaged:
            return ""

    def exact_text(self, content: int) -> str:
        """The text of a content id.

        Raises:
            StoreDamaged: it is gone, or is not what was written.
        """
        row = self.db.execute(
            "SELECT codec,checksum,data FROM content WHERE key=?",
            (content_key(self.workspace, content),),
        ).fetchone()
        if row is None:
            message = f"content {content} is missing. Run `pagefault doctor`."
            raise StoreDamaged(message)
        return restore(Kept(*row), f"content {content}").decode(errors="replace")

    def _write_version(
        self,
        line: LogLine,
        row: SessionRow,
        made: PageAdded | VersionAdded,
        version: int,
        parent: int | None,
    ) -> None:
        self.db.execute(
            "INSERT INTO version VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                self.workspace,
                made.page_id,
                version,
                row.key,
                parent,
                made.modality,
                made.content,
                made.hint,
                made.tokens,
                made.size,
                made.source,
                made.trust,
                made.importance,
                json.dumps(made.derived_from),
                line.at,
                line.position,
                json.dumps(made.blobs),
                made.flagged,
            ),
        )
        for content in made.blobs:
            self.db.execute(
                "INSERT OR IGNORE INTO blob SELECT ?1,?2,?3,checksum FROM content WHERE key=?4",
                (self.workspace, content, made.page_id, content_key(self.workspace, content)),
            )
        for source in made.derived_from:
            self.db.execute(
                "INSERT OR IGNORE INTO derivation VALUES(?,?,?)",
                (self.workspace, source, made.page_id),
            )
        self.indexable = line.position

    def _remember_key(
        self,
        line: LogLine,
        row: SessionRow,
        key: str,
        event_id: str | None,
        page_id: str | None,
    ) -> None:
        self.db.execute(
            "INSERT INTO written VALUES(?,?,?,?,?)",
            (row.key, key, event_id, page_id, line.position),
        )

    def _contents_of(self, page_id: str) -> set[int]:
        found = self.db.execute(
            "SELECT content FROM version WHERE ws=?1 AND page=?2 UNION "
            "SELECT hint FROM version WHERE ws=?1 AND page=?2 UNION "
            "SELECT payload FROM page WHERE ws=?1 AND id=?2 UNION "
            "SELECT b.value FROM version v, json_each(v.blobs) b WHERE v.ws=?1 AND v.page=?2 UNION "
            "SELECT data->>'content' FROM log"  # of every level there ever was
            " WHERE page=?2 AND kind='represent' AND key>?3 AND key<?4",
            (
                self.workspace,
                page_id,
                content_key(self.workspace, 0),
                content_key(self.workspace + 1, 0),
            ),
        )
        return {content for (content,) in found if content is not None}

    def _held_by_others(self, page_id: str) -> set[int]:
        """The blobs of a page that other pages hold as well; it holds them no longer."""
        held = {
            content
            for (content,) in self.db.execute(
                "DELETE FROM blob WHERE ws=? AND page=? RETURNING content",
                (self.workspace, page_id),
            ).fetchall()
        }
        others = self.db.execute(
            "SELECT DISTINCT content FROM blob WHERE ws=? AND content IN"
            " (SELECT value FROM json_each(?))",
            (self.workspace, json.dumps(sorted(held))),
        )
        return {content for (content,) in others}

    def _sessions_keeping(self, page_id: str) -> list[str]:
        """The sessions in which it is mapped, remembered or pinned."""
        found = self.db.execute(
            "SELECT id FROM session s WHERE ws=?1 AND"
            " (EXISTS (SELECT 1 FROM resident WHERE ses=s.key AND page=?2)"
            " OR EXISTS (SELECT 1 FROM pin WHERE ses=s.key AND page=?2))",
            (self.workspace, page_id),
        )
        return [handle for (handle,) in found]

    def _unindex(self, page_id: str) -> None:
        try:
            fulltext.remove(self.db, self.owner, self.workspace, page_id, self.exact_text)
        except StoreDamaged:  # an entry is taken out by its text: without it the index goes whole
            fulltext.clear(self.db, self.owner, self.workspace)
            self.db.execute(
                "UPDATE workspace SET indexed=0, index_format=0 WHERE key=?", (self.workspace,)
            )


def _begin_turn(row: SessionRow, turn: int, cause: str) -> None:
    row.turn, row.turn_cause = turn, cause
    row.faults = row.fault_tokens = 0


def _count_tokens(row: SessionRow, event: EventAdded) -> None:
    usage = event.usage or {}
    prompt, completion = usage.get("prompt", 0), usage.get("completion", 0)
    if not usage:
        spoken = event.role == "assistant"
        prompt, completion = (0, event.tokens) if spoken else (event.tokens, 0)
    row.prompt_tokens += prompt
    row.completion_tokens += completion
    row.tokens += prompt + completion


_HANDLERS: dict[type, Callable[[Projection, LogLine, Any], None]] = {
    SessionOpened: Projection._session,
    SessionChanged: Projection._session_changed,
    EventAdded: Projection._event,
    PageAdded: Projection._page,
    VersionAdded: Projection._version,
    Reverted: Projection._revert,
    Superseded: Projection._supersede,
    Represented: Projection._represent,
    Collected: Projection._collect,
    Archived: Projection._archive,
    Unarchived: Projection._archive,
    Pinned: Projection._pin,
    Forgotten: Projection._forget,
    Checkpointed: Projection._mark,
    Restored: Projection._mark,
    Mended: Projection._mark,
    TurnBegan: Projection._turn,
    Faulted: Projection._fault,
    FaultedIn: Projection._fault_in,
    Demoted: Projection._demote,
    Evicted: Projection._evict,
    Touched: Projection._touch,
    Called: Projection._call,
    SeenAgain: Projection._lesson,
    Fixed: Projection._lesson,
    Promoted: Projection._lesson,
    BindingsUsed: Projection._lesson,
    Judged: Projection._lesson,
}
