"""The contract, kept by SQLite."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import anyio.to_thread
import apsw

from ...base.errors import InvalidArgument, WorkspaceNotFound
from ...base.log import LogLine
from ...base.page import Page, Version
from ...index import fulltext
from ...index.document import Search
from ..codec import keep
from ..contract import (
    Applied,
    Commit,
    Conflict,
    Found,
    Resident,
    Session,
    Workspace,
    WorkspaceRequest,
)
from .apply import apply, only_row
from .failures import explain
from .files import DataFile, open_file
from .following import any_left_over, catch_up
from .projection import Projection, content_key
from .reading import WORKSPACE, Reader
from .writer import Haste, Place, Writer

_INLINE = 2_000  # pages that are searched on the loop; more go to a worker thread
_PATIENT_BACKLOG = 4_096  # log positions a search waits for; a rebuild goes on behind it


class SqliteStore:
    """See `contract.Store`. It serves one event loop; many processes may share a file."""

    def __init__(self, file: DataFile, *, synced: bool) -> None:
        self._file = file
        place = Place(file.path, file.writing, file.turn, file.holder, synced)
        self._writer = Writer(place, any_left_over)
        self._reader = Reader(file.reading(), file.path, file.gate)
        self._searcher = Reader(file.reading(), file.path, file.gate)
        self._searching = threading.Lock()

    @classmethod
    def open(cls, path: Path | None, *, synced: bool = True) -> Self:
        """Open or make the file at ``path``; None is a memory that ends with the process.

        Raises:
            StoreError: what is wrong with the file, and what to do.
        """
        try:
            return cls(open_file(path), synced=synced)
        except (apsw.Error, OSError) as error:
            raise explain(error, str(path)) from error

    async def open_workspace(self, wanted: WorkspaceRequest) -> Workspace:
        """The workspace asked for, made when it is new."""
        found = _find(self._reader.db, wanted)
        if found is not None:
            return found
        if not wanted.create:
            message = (
                f"no workspace {wanted.id or wanted.name!r}. List them with `pagefault doctor`."
            )
            raise WorkspaceNotFound(message)
        return await self._writer.do(lambda db: _make(db, wanted), Haste.SYNCED)

    async def workspaces(self, principal: str) -> list[Workspace]:
        """All of a principal's workspaces, oldest first."""
        return self._reader.workspaces(principal)

    async def apply(self, commit: Commit) -> Applied | Conflict:
        """Let the commit happen whole, or not at all."""
        haste = Haste.SYNCED if commit.durable else Haste.SOON
        if any(operation.kind == "forget" for operation in commit.operations):
            haste = Haste.SCRUBBED
        return await self._writer.do(lambda db: apply(db, commit), haste)

    async def replay(
        self,
        workspace: Workspace,
        contents: Sequence[tuple[int, bytes]],
        lines: Sequence[LogLine],
    ) -> None:
        """Append exported contents and lines with their own numbers."""
        await self._writer.do(lambda db: _replay(db, workspace, contents, lines), Haste.SYNCED)

    async def session(self, workspace: Workspace, session: str) -> Session | None:
        """A session's row as last committed."""
        return self._reader.session(workspace.key, session)

    async def workspace_of(self, principal: str, session: str) -> Workspace | None:
        """The principal's workspace that has a session with this handle."""
        return self._reader.workspace_of(principal, session)

    async def sessions(self, workspace: Workspace, limit: int) -> list[Session]:
        """The latest sessions, last active first."""
        return self._reader.sessions(workspace.key, limit)

    async def residents(self, workspace: Workspace, session: str) -> list[Resident]:
        """Mapped pages, and those evicted lately, least recently used first."""
        return self._reader.residents(workspace.key, session)

    async def page(self, workspace: Workspace, page_id: str, session: str) -> Page | None:
        """The page at the session's head."""
        return self._reader.page(workspace.key, page_id, session)

    async def pages(
        self, workspace: Workspace, page_ids: Sequence[str], session: str
    ) -> dict[str, Page]:
        """Those of the pages that exist, each at the session's head."""
        return self._reader.pages(workspace.key, page_ids, session)

    async def recent_pages(self, workspace: Workspace, session: str, limit: int) -> list[Page]:
        """Claims and summaries, then the latest of the rest."""
        return self._reader.recent_pages(workspace.key, session, limit)

    async def page_of_key(self, workspace: Workspace, session: str, key: str) -> str | None:
        """The page that was written under a key."""
        return self._reader.page_of_key(workspace.key, session, key)

    async def content(self, workspace: Workspace, content: int) -> bytes:
        """The bytes of a content id."""
        return self._reader.content(workspace.key, content)

    async def contents(
        self, workspace: Workspace, after: int, limit: int
    ) -> list[tuple[int, bytes]]:
        """Contents with ids above ``after``, ascending."""
        return self._reader.contents(workspace.key, after, limit)

    async def versions(self, workspace: Workspace, page_id: str) -> list[Version]:
        """All versions of a page, oldest first."""
        return self._reader.versions(workspace.key, page_id)

    async def representations(
        self, workspace: Workspace, page_id: str, version: int
    ) -> dict[int, tuple[str, int, int]]:
        """Level to (origin, content id, tokens)."""
        return self._reader.representations(workspace.key, page_id, version)

    async def events(
        self, workspace: Workspace, session: str, after: int, limit: int
    ) -> list[LogLine]:
        """The session's recorded events, in order."""
        return self._reader.events(workspace.key, session, after, limit)

    async def log(
        self,
        workspace: Workspace,
        after: int,
        limit: int,
        page_id: str | None = None,
        session: str | None = None,
    ) -> list[LogLine]:
        """Log lines above ``after``, in order."""
        return self._reader.log(workspace.key, after, limit, page_id, session)

    async def derived_pages(self, workspace: Workspace, page_id: str) -> list[str]:
        """Pages derived from this one, at any depth."""
        return self._reader.derived_pages(workspace.key, page_id)

    async def ids_like(self, workspace: Workspace, what: str, prefix: str, limit: int) -> list[str]:
        """Ids that begin with ``prefix``, newest first."""
        return self._reader.ids_like(workspace.key, what, prefix, limit)

    async def search(self, workspace: Workspace, session: str, search: Search) -> Found:
        """Ranked hits over everything acknowledged before the call."""
        backlog = await self._follow(workspace)
        key, pages = self._reader.rows(
            "SELECT (SELECT key FROM session WHERE ws=?1 AND id=?2),"
            " (SELECT sum(last) FROM counter WHERE ws=?1)",
            (workspace.key, session),
        )[0]
        asked = replace(search, workspace=workspace.key, session=key or 0)
        if (pages or 0) <= _INLINE:
            hits = self._search(workspace, asked, self._reader)
        else:
            hits = await anyio.to_thread.run_sync(self._search_beside, workspace, asked)
        return Found(hits, self._reader.handles({hit.session for hit in hits}), backlog)

    async def totals(self, workspace: Workspace) -> Mapping[str, int]:
        """Counts of what the workspace holds."""
        return self._reader.totals(workspace.key)

    def seen(self) -> int:
        """A number that changes when anybody has committed anything."""
        return int(self._reader.rows("PRAGMA data_version")[0][0])

    async def backup(self, target: Path) -> None:
        """A consistent copy, made by SQLite page by page while others write."""
        await anyio.to_thread.run_sync(self._copy, target)

    async def close(self) -> None:
        """Write what is queued, and let go of the file."""
        await anyio.to_thread.run_sync(self._writer.close)
        for reader in (self._reader, self._searcher):
            reader.db.close()
        self._file.close()

    async def _follow(self, workspace: Workspace) -> int:
        """Bring the index up to what is acknowledged; how far it is behind when that is too far."""
        behind = self._reader.backlog(workspace.key)
        if behind > _PATIENT_BACKLOG:
            await self._writer.do(lambda db: catch_up(db, workspace.key), Haste.NOW)
            return self._reader.backlog(workspace.key)
        while behind and await self._writer.do(lambda db: catch_up(db, workspace.key), Haste.NOW):
            pass
        return 0

    def _search_beside(self, workspace: Workspace, search: Search) -> list[fulltext.Hit]:
        with self._searching:
            return self._search(workspace, search, self._searcher)

    def _search(self, workspace: Workspace, search: Search, reader: Reader) -> list[fulltext.Hit]:
        try:
            with reader.gate:
                return fulltext.search(reader.db, workspace.owner, search)
        except apsw.Error as error:
            raise explain(error, reader.path) from error

    def _copy(self, target: Path) -> None:
        try:
            source, copy = self._file.reading(), apsw.Connection(str(target))
            with copy.backup("main", source, "main") as backup:
                backup.step(-1)
            copy.close()
        except (apsw.Error, OSError) as error:
            raise explain(error, str(target)) from error


def _find(db: apsw.Connection, wanted: WorkspaceRequest) -> Workspace | None:
    by, value = ("id", wanted.id) if wanted.id else ("fingerprint", wanted.fingerprint)
    if value is None:
        by, value = "id", wanted.name
    row = db.execute(
        f"{WORKSPACE} WHERE p.name=? AND w.{by}=?", (wanted.principal, value)
    ).fetchone()
    return Workspace(*row) if row else None


def _make(db: apsw.Connection, wanted: WorkspaceRequest) -> Workspace:
    found = _find(db, wanted)
    if found is not None:
        return found
    db.execute("INSERT OR IGNORE INTO principal(name) VALUES(?)", (wanted.principal,))
    (owner,) = only_row(db, "SELECT key FROM principal WHERE name=?", wanted.principal)
    name = wanted.id or wanted.name
    chosen = _free_id(db, owner, _slug(name))
    db.execute(
        "INSERT INTO workspace(owner,id,name,fingerprint,tokenizer,created_at) VALUES(?,?,?,?,?,?)",
        (owner, chosen, name, wanted.fingerprint, wanted.tokenizer, wanted.at),
    )
    made = Workspace(*only_row(db, f"{WORKSPACE} WHERE w.key=?", db.last_insert_rowid()))
    return made if chosen == _slug(name) else replace(made, renamed_from=name)


def _free_id(db: apsw.Connection, owner: int, slug: str) -> str:
    taken = {name for (name,) in db.execute("SELECT id FROM workspace WHERE owner=?", (owner,))}
    number = 2
    chosen = slug
    while chosen in taken:
        chosen, number = f"{slug}-{number}", number + 1
    return chosen


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:64] or "default"


def _replay(
    db: apsw.Connection,
    workspace: Workspace,
    contents: Sequence[tuple[int, bytes]],
    lines: Sequence[LogLine],
) -> None:
    position, last = only_row(
        db, "SELECT position, content FROM workspace WHERE key=?", workspace.key
    )
    for number, plain in contents:
        kept = keep(plain)
        db.execute(
            "INSERT INTO content VALUES(?,?,?,?)",
            (content_key(workspace.key, number), kept.codec, kept.checksum, kept.data),
        )
        last = max(last, number)
    projection = Projection(db, workspace.key, workspace.owner)
    for line in lines:
        if line.position != position + 1:
            message = f"line {line.position} does not follow line {position}: the export is cut"
            raise InvalidArgument(message)
        position = line.position
        projection.fold(line)
        _raise_counters(db, workspace.key, line)
    projection.finish()
    db.execute(
        "UPDATE workspace SET position=?, content=?, indexable=max(indexable,?) WHERE key=?",
        (position, last, projection.indexable, workspace.key),
    )


def _raise_counters(db: apsw.Connection, workspace: int, line: LogLine) -> None:
    for name in ("event_id", "page_id"):
        value = getattr(line.operation, name, None)
        if value is not None and line.operation.kind in ("event", "page"):
            prefix, _, number = value.rpartition("_")
            db.execute(
                "INSERT INTO counter VALUES(?,?,?)"
                " ON CONFLICT DO UPDATE SET last=max(last,excluded.last)",
                (workspace, prefix, int(number)),
            )
