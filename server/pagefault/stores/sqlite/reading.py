"""Reads: from rows to the contract's words. Nothing here writes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import apsw

from ...base.errors import StoreDamaged, StoreUnavailable
from ...base.log import CALLS, LESSONS, MOVES, LogLine, operation_of
from ...base.page import Page, Version
from ...index import fulltext
from ..codec import Kept, restore
from ..contract import Resident, Session, Workspace, chain, forgotten
from .apply import FIRST_WRITTEN, session_of
from .failures import explain
from .heads import FOREVER, FORKS_HEAD, HEAD, LINEAGE
from .projection import COLUMNS, SessionRow, content_key

WORKSPACE = (
    "SELECT w.key, w.owner, w.id, w.name, p.name, w.tokenizer, w.fingerprint, w.created_at"
    " FROM workspace w JOIN principal p ON p.key=w.owner"
)
_SESSION = f"SELECT {', '.join(COLUMNS)} FROM session"

_PAGE = (
    "SELECT p.id, p.page_type, v.modality, (SELECT id FROM session WHERE key=p.home), v.version,"
    " v.content, v.tokens, v.size, v.importance, v.source, v.trust, p.recorded_at, p.role, p.name,"
    " v.hint, p.created_at, p.event_id, p.payload, p.tool_call_id, p.tool_name, v.derived_from,"
    " p.position, v.blobs, v.flagged, p.archived, p.forgotten"
    " FROM page p JOIN version v ON v.ws=p.ws AND v.page=p.id AND v.version=%s"
    " WHERE p.ws=?1"
)
_FORKS_PAGE = LINEAGE + _PAGE % FORKS_HEAD
_PAGE %= HEAD
# Every link of the pages ?2 that counts on some branch, the latest of a page first.
_LINKS = (
    "SELECT x.page, x.branch, x.position, x.by, p.home, p.position FROM json_each(?2) j"
    " JOIN superseded x ON x.ws=?1 AND x.page=j.value JOIN page p ON p.ws=?1 AND p.id=x.page"
    " LEFT JOIN page g ON g.ws=?1 AND g.id=x.by WHERE g.forgotten IS NULL"
    " ORDER BY x.page, x.position DESC"
)
_MAPPED = "SELECT * FROM resident WHERE level IS NOT NULL"
_LATELY = (
    "SELECT * FROM resident WHERE level IS NULL AND"
    " ses=(SELECT key FROM session WHERE ws=?1 AND id=?2)"
    " ORDER BY turn DESC, touched DESC LIMIT 256"
)
_RESIDENT = (
    "SELECT r.page, r.version, r.level, r.tokens, r.touched, r.turn, r.mapped_turn,"
    " r.protected_until, n.ses IS NOT NULL, n.until_turn, p.page_type, v.importance, v.content,"
    " p.role, v.modality FROM session s JOIN (%s) r ON r.ses=s.key"
    " JOIN page p ON p.ws=s.ws AND p.id=r.page"
    " JOIN version v ON v.ws=s.ws AND v.page=r.page AND v.version=r.version"
    " LEFT JOIN pin n ON n.ses=r.ses AND n.page=r.page"
    " WHERE s.ws=?1 AND s.id=?2"
)
_LOG = (
    "SELECT l.key, l.at, l.actor, l.kind, s.id, l.segment, l.turn, l.page, l.data"
    " FROM log l LEFT JOIN session s ON s.key=l.ses WHERE l.key>? AND l.key<?"
)
_MADE = (
    " AND p.forgotten IS NULL AND p.page_type=?3 AND p.home=?4 AND p.position<=?5%s"
    " ORDER BY p.position DESC LIMIT ?6"
)
_LINEAGES = 4_096  # sessions of which it is remembered what they are forks of
_STANDING = ("claim", "summary", "procedure", "index")
_PASSING = ("transcript", "artifact")
_UNMAPPED = (
    " AND p.archived IS NULL AND NOT EXISTS (SELECT 1 FROM resident r"
    " WHERE r.page=p.id AND r.level IS NOT NULL"
    " AND r.ses=(SELECT key FROM session WHERE ws=?1 AND id=?2))"
)
_OF_KINDS = {
    "event": "l.kind='event'",
    "checkpoint": "l.kind='checkpoint'",
    "call": f"l.kind IN ({', '.join(repr(kind.kind) for kind in CALLS)})",
    "lesson": f"l.kind IN ({', '.join(repr(kind.kind) for kind in LESSONS)})",
    "move": f"l.kind IN ({', '.join(repr(kind.kind) for kind in MOVES)})",
}


class Reader:
    """Queries on one connection. ``gate`` keeps a shared in-memory connection to one at a time."""

    def __init__(
        self, db: apsw.Connection, path: str, gate: AbstractContextManager[object]
    ) -> None:
        self.db = db
        self.path = path
        self.gate = gate
        self._lineages: dict[tuple[int, str], list[tuple[int, int]]] = {}

    def rows(self, sql: str, bindings: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query.

        Raises:
            StoreError: what the file did.
        """
        try:
            with self.gate:
                return self.db.execute(sql, tuple(bindings)).fetchall()
        except (apsw.ConnectionClosedError, apsw.ThreadingViolationError) as error:
            message = f"{self.path} was closed. Start the server again."
            raise StoreUnavailable(message) from error
        except apsw.Error as error:
            raise explain(error, self.path) from error

    def principals(self) -> list[str]:
        """Everybody who has a workspace, in the order of their first."""
        return [name for (name,) in self.rows("SELECT name FROM principal ORDER BY key")]

    def workspaces(self, principal: str) -> list[Workspace]:
        """All workspaces of a principal, oldest first."""
        found = self.rows(
            f"{WORKSPACE} WHERE p.name=? ORDER BY w.key",
            (principal,),
        )
        return [Workspace(*row) for row in found]

    def workspace_of(self, principal: str, session: str) -> Workspace | None:
        """The oldest workspace of the principal with such a session."""
        found = self.rows(
            f"{WORKSPACE} JOIN session s ON s.ws=w.key WHERE p.name=? AND s.id=?"
            " ORDER BY w.key LIMIT 1",
            (principal, session),
        )
        return Workspace(*found[0]) if found else None

    def session(self, workspace: int, session: str) -> Session | None:
        """One session's row."""
        found = self.rows(f"{_SESSION} WHERE ws=? AND id=?", (workspace, session))
        return session_of(SessionRow(*found[0])) if found else None

    def sessions(self, workspace: int, limit: int) -> list[Session]:
        """The latest sessions, last active first."""
        found = self.rows(
            f"{_SESSION} WHERE ws=? ORDER BY active_at DESC, key DESC LIMIT ?", (workspace, limit)
        )
        return [session_of(SessionRow(*row)) for row in found]

    def residents(self, workspace: int, session: str) -> list[Resident]:
        """Mapped pages, and those evicted lately, least recently used first."""
        asked = (workspace, session)
        found = self.rows(_RESIDENT % _MAPPED, asked) + self.rows(_RESIDENT % _LATELY, asked)
        links = self.superseded(workspace, [row[0] for row in found], session)
        residents = (_resident(row, row[0] in links) for row in found)
        return sorted(residents, key=lambda page: (page.touched, page.page_id))

    def page(self, workspace: int, name: str, session: str) -> Page | None:
        """The page at the session's head, by its id or its key, with its levels.

        Raises:
            PageForgotten: only its tombstone is left.
        """
        asked = (workspace, session, name)
        found = self.rows(f"{self._pages_for(workspace, session)} AND p.id=?3", asked)
        if not found:
            page_id = self.page_of_key(workspace, session, name)
            return None if page_id is None else self.page(workspace, page_id, session)
        page = _page(found[0])
        if found[0][-1] is not None:
            raise forgotten(page.page_id)
        (page,) = self._linked(workspace, session, [page])
        return replace(page, levels=self.representations(workspace, page.page_id, page.version))

    def pages(self, workspace: int, page_ids: Sequence[str], session: str) -> dict[str, Page]:
        """Those of the pages that exist and were not forgotten."""
        found = self.rows(
            f"{self._pages_for(workspace, session)} AND p.forgotten IS NULL"
            " AND p.id IN (SELECT value FROM json_each(?3))",
            (workspace, session, json.dumps(list(page_ids))),
        )
        pages = self._linked(workspace, session, list(map(_page, found)))
        return {page.page_id: page for page in pages}

    def recent_pages(
        self, workspace: int, session: str, limit: int, *, unmapped: bool
    ) -> list[Page]:
        """Claims, summaries and the like, then the latest of the rest, each newest first."""
        lineage = self.lineage(workspace, session)
        kept, latest = (
            sorted(
                (
                    page
                    for page_type in types  # one at a time: the index gives each in order
                    for page in self._latest(
                        (workspace, session, page_type), lineage, limit, unmapped=unmapped
                    )
                ),
                key=lambda page: -page.position,
            )[:limit]
            for types in (_STANDING, _PASSING)
        )
        return self._linked(workspace, session, [*kept, *latest])

    def latest_page(self, workspace: int, session: str, page_type: str) -> Page | None:
        """The lineage's newest page of a type."""
        lineage = self.lineage(workspace, session)
        asked = (workspace, session, page_type)
        found = list(self._latest(asked, lineage, 1, unmapped=False))
        return self._linked(workspace, session, found)[0] if found else None

    def _latest(
        self,
        asked: tuple[int, str, str],
        lineage: Sequence[tuple[int, int]],
        limit: int,
        *,
        unmapped: bool,
    ) -> Iterator[Page]:
        """Pages of a type that the lineage made, newest first: its branches follow each other."""
        query = self._pages_for(*asked[:2]) + _MADE % (_UNMAPPED if unmapped else "")
        for branch, upto in lineage:
            found = self.rows(query, (*asked, branch, upto, limit)) if limit else []
            limit -= len(found)
            yield from map(_page, found)

    def superseded(
        self, workspace: int, page_ids: Sequence[str], session: str
    ) -> dict[str, tuple[str, ...]]:
        """What supersedes those of the pages that are superseded, and so on up to the last."""
        if not self.rows("SELECT 1 FROM superseded WHERE ws=? LIMIT 1", (workspace,)):
            return {}
        known: dict[str, str | None] = {}
        asked = set(page_ids)
        while asked:
            known |= dict.fromkeys(asked) | self._links(workspace, session, asked)
            asked = {by for by in known.values() if by is not None} - known.keys()
        chains = {page_id: chain(known, page_id) for page_id in page_ids}
        return {page_id: links for page_id, links in chains.items() if links}

    def _links(self, workspace: int, session: str, page_ids: Iterable[str]) -> dict[str, str]:
        """What supersedes each of the pages itself, by the link of the nearest branch."""
        lineage = self.lineage(workspace, session)
        found: dict[str, tuple[int, str | None]] = {}
        bound = (workspace, json.dumps(sorted(page_ids)))
        for page, branch, position, by, home, made in self.rows(_LINKS, bound):
            depth = _depth(lineage, branch, position)
            own = _depth(lineage, home, made) is not None
            if depth is None and branch == home and not own:
                depth = len(lineage)
            if depth is not None and (page not in found or depth < found[page][0]):
                found[page] = (depth, by)
        return {page: by for page, (_, by) in found.items() if by is not None}

    def _linked(self, workspace: int, session: str, pages: list[Page]) -> list[Page]:
        """The pages with what they are superseded by."""
        links = self.superseded(workspace, [page.page_id for page in pages], session)
        if not links:
            return pages
        return [replace(page, superseded_by=links.get(page.page_id, ())) for page in pages]

    def lineage(self, workspace: int, session: str) -> list[tuple[int, int]]:
        """The store's number of each branch that the session reads, and up to which position."""
        known = self._lineages.get((workspace, session))
        if known is not None:
            return known
        found = self.rows(
            f"{LINEAGE}SELECT key, upto FROM lineage ORDER BY depth", (workspace, session)
        )
        if found:  # then it never changes
            self._lineages[workspace, session] = found
        while len(self._lineages) > _LINEAGES:
            self._lineages.pop(next(iter(self._lineages)))
        return found

    def _pages_for(self, workspace: int, session: str) -> str:
        """The query for pages as the session reads them."""
        return _FORKS_PAGE if len(self.lineage(workspace, session)) > 1 else _PAGE

    def page_of_key(self, workspace: int, session: str, key: str) -> str | None:
        """The page written under a key."""
        found = self.rows(FIRST_WRITTEN, (workspace, session, key))
        return found[0][1] if found else None

    def content(self, workspace: int, content: int) -> bytes:
        """The plain bytes of a content id.

        Raises:
            StoreDamaged: they are gone, or are not what was written.
        """
        found = self.rows(
            "SELECT codec,checksum,data FROM content WHERE key=?",
            (content_key(workspace, content),),
        )
        if not found:
            message = f"content {content} is missing from {self.path}. Run `pagefault doctor`."
            raise StoreDamaged(message)
        return restore(Kept(*found[0]), f"content {content} in {self.path}")

    def kept(self, workspace: int, contents: Iterable[int]) -> dict[int, Kept]:
        """Those of the contents that are there, as they are stored."""
        found = self.rows(
            "SELECT key,codec,checksum,data FROM content WHERE key IN"
            " (SELECT ?1|value FROM json_each(?2))",
            (content_key(workspace, 0), json.dumps(list(contents))),
        )
        return {key - content_key(workspace, 0): Kept(*kept) for key, *kept in found}

    def contents(self, workspace: int, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Content ids above ``after`` with their bytes, ascending."""
        found = self.rows(
            "SELECT key,codec,checksum,data FROM content WHERE key>? AND key<? ORDER BY key"
            " LIMIT ?",
            (content_key(workspace, after), content_key(workspace + 1, 0), limit),
        )
        return [
            (key - content_key(workspace, 0), restore(Kept(*kept), f"content in {self.path}"))
            for key, *kept in found
        ]

    def sizes(self, workspace: int, after: int, limit: int) -> list[tuple[int, int]]:
        """Content ids above ``after`` with the bytes that each takes, ascending."""
        found = self.rows(
            "SELECT key,length(data) FROM content WHERE key>? AND key<? ORDER BY key LIMIT ?",
            (content_key(workspace, after), content_key(workspace + 1, 0), limit),
        )
        return [(key - content_key(workspace, 0), size) for key, size in found]

    def versions(self, workspace: int, page_id: str) -> list[Version]:
        """All versions of a page, oldest first."""
        found = self.rows(
            "SELECT v.page, v.version, v.parent, s.id, v.content, v.tokens, v.source, v.trust,"
            " v.at, v.position, v.modality, v.size, v.importance, v.hint, v.blobs, v.flagged"
            " FROM version v JOIN session s ON s.key=v.branch"
            " WHERE v.ws=? AND v.page=? ORDER BY v.version",
            (workspace, page_id),
        )
        return [_version(row) for row in found]

    def representations(
        self, workspace: int, page_id: str, version: int
    ) -> dict[int, tuple[str, int, int]]:
        """Level to (origin, content id, tokens)."""
        found = self.rows(
            "SELECT level,origin,content,tokens FROM representation"
            " WHERE ws=? AND page=? AND version=?",
            (workspace, page_id, version),
        )
        return {level: (origin, content, tokens) for level, origin, content, tokens in found}

    def events(self, workspace: int, session: str, after: int, limit: int) -> list[LogLine]:
        """The lineage's events, in order."""
        lineage = self.lineage(workspace, session)
        return list(self._of_branches("event", workspace, lineage, after, limit))

    def moves(self, workspace: int, session: str, after: int, limit: int) -> list[LogLine]:
        """The session's own lines that say what it maps, pins and reads, in order."""
        own = self.lineage(workspace, session)[:1]
        return list(self._of_branches("move", workspace, own, after, limit))

    def calls(self, workspace: int, session: str, after: int, limit: int) -> list[LogLine]:
        """The lineage's lines about calls of other tools, in order."""
        lineage = self.lineage(workspace, session)
        return list(self._of_branches("call", workspace, lineage, after, limit))

    def lessons(self, workspace: int, after: int, limit: int) -> list[LogLine]:
        """The workspace's lines that calls taught, in order."""
        query = f"{_LOG} AND {_OF_KINDS['lesson']} ORDER BY l.key LIMIT ?"
        return list(_lines(self.rows(query, (*_span(workspace, after), limit)), workspace))

    def folded(self, workspace: int, name: str) -> tuple[int, bytes] | None:
        """What was kept of a fold of the log, and the position it is true of."""
        found = self.rows(
            "SELECT position, codec, checksum, data FROM folded WHERE ws=? AND name=?",
            (workspace, name),
        )
        if not found:
            return None
        position, *kept = found[0]
        try:
            return position, restore(Kept(*kept), f"{name} in {self.path}")
        except StoreDamaged:
            return None  # it is folded anew

    def checkpoints(self, workspace: int, session: str) -> list[LogLine]:
        """The lineage's checkpoints, in order."""
        lineage = self.lineage(workspace, session)
        return list(self._of_branches("checkpoint", workspace, lineage, 0, FOREVER))

    def _of_branches(
        self,
        kinds: str,
        workspace: int,
        lineage: Sequence[tuple[int, int]],
        after: int,
        limit: int,
    ) -> Iterator[LogLine]:
        """Lines of some kinds, in order: each branch's come after those of its ancestors."""
        query = f"{_LOG} AND l.ses=? AND {_OF_KINDS[kinds]} ORDER BY l.key LIMIT ?"
        for branch, upto in reversed(lineage):
            first, end = _span(workspace, after)
            last = min(content_key(workspace, 0) + upto + 1, end)
            found = self.rows(query, (first, last, branch, limit)) if limit else []
            limit -= len(found)
            yield from _lines(found, workspace)

    def log(
        self, workspace: int, after: int, limit: int, page_id: str | None, session: str | None
    ) -> list[LogLine]:
        """Log lines in order."""
        span = _span(workspace, after)
        if page_id is not None:
            found = self.rows(
                f"{_LOG} AND l.page=? ORDER BY l.key LIMIT ?", (*span, page_id, limit)
            )
        elif session is not None:
            found = self.rows(
                f"{_LOG} AND s.ws=? AND s.id=? ORDER BY l.key LIMIT ?",
                (*span, workspace, session, limit),
            )
        else:
            found = self.rows(f"{_LOG} ORDER BY l.key LIMIT ?", (*span, limit))
        return list(_lines(found, workspace))

    def derived_pages(self, workspace: int, page_id: str) -> list[str]:
        """Pages that were derived from this one, at any depth."""
        found = self.rows(
            "WITH RECURSIVE down(page) AS (SELECT page FROM derivation WHERE ws=?1 AND source=?2"
            " UNION SELECT d.page FROM derivation d JOIN down ON d.ws=?1 AND d.source=down.page)"
            " SELECT down.page FROM down JOIN page p ON p.ws=?1 AND p.id=down.page"
            " WHERE p.forgotten IS NULL ORDER BY down.page",
            (workspace, page_id),
        )
        return [page for (page,) in found]

    def ids_like(self, workspace: int, what: str, prefix: str, limit: int) -> list[str]:
        """Ids that begin with ``prefix``, newest first."""
        table, order = {
            "page": ("page", "position DESC"),
            "session": ("session", "active_at DESC"),
        }[what]
        pages_only = " AND forgotten IS NULL" if what == "page" else ""
        found = self.rows(
            f"SELECT id FROM {table} WHERE ws=? AND id>=? AND id<?{pages_only}"
            f" ORDER BY {order} LIMIT ?",
            (workspace, prefix, prefix + "\U0010ffff", limit),
        )
        return [name for (name,) in found]

    def extent(self, workspace: int, session: str, scope: str) -> tuple[int, int]:
        """The store's number for a session, 0 for none, and about how many pages a search reads."""
        found = self.rows(
            "SELECT key, messages+tool_calls FROM session WHERE ws=? AND id=?",
            (workspace, session),
        )
        key, events = found[0] if found else (0, 0)
        if scope == "session":
            return key, events
        (pages,) = self.rows("SELECT total(last) FROM counter WHERE ws=?", (workspace,))[0]
        return key, int(pages)

    def handles(self, keys: Iterable[int]) -> dict[int, str]:
        """The handles of sessions by the store's numbers for them."""
        found = self.rows(
            "SELECT key, id FROM session WHERE key IN (SELECT value FROM json_each(?))",
            (json.dumps(sorted(keys)),),
        )
        return dict(found)

    def totals(self, workspace: int) -> dict[str, int]:
        """Counts of what the workspace holds."""
        (row,) = self.rows(
            "SELECT (SELECT count(*) FROM session WHERE ws=?1),"
            " (SELECT count(*) FROM page WHERE ws=?1 AND forgotten IS NULL),"
            " (SELECT content FROM workspace WHERE key=?1),"
            " (SELECT position FROM workspace WHERE key=?1),"
            " (SELECT max(indexable-indexed,0) FROM workspace WHERE key=?1),"
            " (SELECT count(*) FROM page WHERE ws=?1 AND archived IS NOT NULL)",
            (workspace,),
        )
        names = ("sessions", "pages", "contents", "lines", "unindexed", "archived")
        return dict(zip(names, row, strict=True))

    def backlog(self, workspace: int) -> int:
        """How many log positions the index is behind; 0 when it knows every page."""
        found = self.rows(
            "SELECT CASE WHEN index_format=? THEN max(indexable-indexed,0) ELSE indexable END"
            " FROM workspace WHERE key=?",
            (fulltext.INDEX_FORMAT, workspace),
        )
        return found[0][0] if found else 0


def _span(workspace: int, after: int) -> tuple[int, int]:
    return content_key(workspace, after), content_key(workspace + 1, 0)


def _page(row: tuple[Any, ...]) -> Page:
    fields = [*row[:20], tuple(json.loads(row[20])), row[21], tuple(json.loads(row[22])), row[23]]
    return replace(Page(*fields), archived=row[24] is not None)


def _version(row: tuple[Any, ...]) -> Version:
    fields = [*row[:14], tuple(json.loads(row[14])), row[15]]
    return Version(*fields)


def _resident(row: tuple[Any, ...], superseded: bool) -> Resident:
    fields = [*row[:8], bool(row[8]), *row[9:], superseded]
    return Resident(*fields)


def _depth(lineage: Sequence[tuple[int, int]], branch: int, position: int) -> int | None:
    """How far back in a lineage something lies that happened on a branch; None: not in it."""
    for depth, (own, upto) in enumerate(lineage):
        if own == branch and position <= upto:
            return depth
    return None


def _lines(rows: Iterable[tuple[Any, ...]], workspace: int) -> Iterator[LogLine]:
    for key, at, actor, kind, session, segment, turn, page, data in rows:
        operation = operation_of(kind, session, page, json.loads(data))
        yield LogLine(key - content_key(workspace, 0), at, actor, segment, turn, operation)
