"""The contract, kept by SQLite."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

import anyio.to_thread
import apsw

from ...base.errors import (
    StoreBusy,
    StoreFull,
    StoreReadOnly,
    WorkspaceNotFound,
)
from ...base.log import LogLine
from ...base.page import Page, Version
from ...base.portable import owner_only
from ...index import fulltext
from ...index.document import Search
from ..codec import packed
from ..contract import (
    Applied,
    Commit,
    Conflict,
    Examination,
    Found,
    Reclaimed,
    Resident,
    Session,
    Workspace,
    WorkspaceRequest,
)
from ..folding import Disagreement
from ..naming import free_id, slug
from .agreeing import examine, rebuild_index, renumber, restate
from .apply import apply, keep_folded, only_row, replace_contents
from .failures import explain
from .files import DataFile, FrozenFile, MemoryFile, open_file
from .following import any_left_over, catch_up
from .reading import WORKSPACE, Reader
from .reclaiming import drop_leftovers, leftover_documents, rewrite, room, shrink
from .replaying import replay
from .schema import check_current
from .writer import Haste, Place, Work, Writer

T = TypeVar("T")

_INLINE = 2_000  # events or pages that are searched on the loop; more go to a worker thread
_PATIENT_BACKLOG = 4_096  # log positions a search waits for; a rebuild goes on behind it


class SqliteStore:
    """See `contract.Store`. It serves one event loop; many processes may share a file."""

    def __init__(self, file: DataFile, *, synced: bool) -> None:
        self._synced = synced
        self._searching = threading.Lock()
        self._use(file)

    @classmethod
    def open(cls, path: Path | None, *, synced: bool = True) -> Self:
        """Open or make the file at ``path``; None is a memory that ends with the process.

        Raises:
            StoreError: what is wrong with the file, and what to do.
        """
        file = _opened(path)
        try:
            return cls(file, synced=synced)
        except BaseException:
            file.close()
            raise

    async def open_workspace(self, wanted: WorkspaceRequest) -> Workspace:
        """The workspace asked for, made when it is new."""
        found = self._reader.rows(*_search_for(wanted))
        if found:
            return Workspace(*found[0])
        if not wanted.create:
            message = (
                f"no workspace {wanted.id or wanted.name!r}. List them with `pagefault doctor`."
            )
            raise WorkspaceNotFound(message)
        return await self._write(lambda db: _make(db, wanted), Haste.SYNCED)

    async def principals(self) -> list[str]:
        """Everybody who has a workspace here, in the order of their first."""
        return self._reader.principals()

    async def workspaces(self, principal: str) -> list[Workspace]:
        """All of a principal's workspaces, oldest first."""
        return self._reader.workspaces(principal)

    async def apply(self, commit: Commit) -> Applied | Conflict:
        """Let the commit happen whole, or not at all."""
        haste = Haste.SYNCED if commit.durable else Haste.NOW
        if any(operation.kind == "forget" for operation in commit.operations):
            haste = Haste.SCRUBBED
        return await self._write(lambda db: apply(db, commit), haste)

    async def replay(
        self,
        workspace: Workspace,
        contents: Sequence[tuple[int, bytes]],
        lines: Sequence[LogLine],
    ) -> None:
        """Append exported contents and lines with their own numbers."""
        await self._write(lambda db: replay(db, workspace, contents, lines), Haste.SYNCED)

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

    async def page(self, workspace: Workspace, name: str, session: str) -> Page | None:
        """The page at the session's head, by its id or its key."""
        return self._reader.page(workspace.key, name, session)

    async def pages(
        self, workspace: Workspace, page_ids: Sequence[str], session: str
    ) -> dict[str, Page]:
        """Those of the pages that exist, each at the session's head."""
        return self._reader.pages(workspace.key, page_ids, session)

    async def recent_pages(
        self, workspace: Workspace, session: str, limit: int, *, unmapped: bool = False
    ) -> list[Page]:
        """Claims, summaries and the like, then the latest of the rest."""
        return self._reader.recent_pages(workspace.key, session, limit, unmapped=unmapped)

    async def latest_page(self, workspace: Workspace, session: str, page_type: str) -> Page | None:
        """The session's newest page of a type."""
        return self._reader.latest_page(workspace.key, session, page_type)

    async def page_of_key(self, workspace: Workspace, session: str, key: str) -> str | None:
        """The page that was written under a key."""
        return self._reader.page_of_key(workspace.key, session, key)

    async def superseded(
        self, workspace: Workspace, page_ids: Sequence[str], session: str
    ) -> dict[str, tuple[str, ...]]:
        """Those of the pages that are superseded, and by what."""
        return self._reader.superseded(workspace.key, page_ids, session)

    async def content(self, workspace: Workspace, content: int) -> bytes:
        """The bytes of a content id."""
        return self._reader.content(workspace.key, content)

    async def contents(
        self, workspace: Workspace, after: int, limit: int
    ) -> list[tuple[int, bytes]]:
        """Contents with ids above ``after``, ascending."""
        return self._reader.contents(workspace.key, after, limit)

    async def sizes(self, workspace: Workspace, after: int, limit: int) -> list[tuple[int, int]]:
        """Contents with ids above ``after``, ascending, and the bytes that each takes."""
        return self._reader.sizes(workspace.key, after, limit)

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

    async def moves(
        self, workspace: Workspace, session: str, after: int, limit: int
    ) -> list[LogLine]:
        """The session's own lines that say what it maps, pins and reads, in order."""
        return self._reader.moves(workspace.key, session, after, limit)

    async def calls(
        self, workspace: Workspace, session: str, after: int, limit: int
    ) -> list[LogLine]:
        """The lineage's lines about calls of other tools, in order."""
        return self._reader.calls(workspace.key, session, after, limit)

    async def lessons(self, workspace: Workspace, after: int, limit: int) -> list[LogLine]:
        """The workspace's lines that calls taught, in order."""
        return self._reader.lessons(workspace.key, after, limit)

    async def folded(self, workspace: Workspace, name: str) -> tuple[int, bytes] | None:
        """What was kept of a fold of the log, and the position it is true of."""
        return self._reader.folded(workspace.key, name)

    async def keep_folded(
        self, workspace: Workspace, name: str, position: int, data: bytes
    ) -> None:
        """Keep what folding the log up to a position gave."""
        await self._write(
            lambda db: keep_folded(db, workspace.key, name, position, data), Haste.NOW
        )

    async def checkpoints(self, workspace: Workspace, session: str) -> list[LogLine]:
        """The lines that gave the lineage's positions their names, in order."""
        return self._reader.checkpoints(workspace.key, session)

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
        key, reached = self._reader.extent(workspace.key, session, search.scope)
        ancestors = tuple(self._reader.lineage(workspace.key, session)[1:])
        asked = replace(search, workspace=workspace.key, session=key, ancestors=ancestors)
        if reached <= _INLINE:
            hits = self._search(workspace, asked, self._reader)
        else:
            hits = await anyio.to_thread.run_sync(self._search_beside, workspace, asked)
        return Found(hits, self._reader.handles({hit.session for hit in hits}), backlog)

    async def totals(self, workspace: Workspace) -> Mapping[str, int]:
        """Counts of what the workspace holds."""
        return self._reader.totals(workspace.key)

    async def examine(self, workspace: Workspace) -> Examination:
        """Compare what is kept of a workspace with its log, beside the loop."""
        return await anyio.to_thread.run_sync(self._examine, workspace.key)

    async def restate(self, workspace: Workspace, disagreement: Disagreement) -> bool:
        """Make a session what its log says, unless it has changed since."""
        work = partial(restate, workspace=workspace.key, wrong=disagreement)
        return await self._write(work, Haste.SYNCED)

    async def renumber(self, workspace: Workspace) -> None:
        """Raise positions and counters to what is taken."""
        await self._write(partial(renumber, workspace=workspace.key), Haste.SYNCED)

    async def rebuild_index(self, workspace: Workspace) -> None:
        """Drop the index; the next search, or the writer in a quiet moment, makes it anew."""
        work = partial(rebuild_index, workspace=workspace.key, owner=workspace.owner)
        await self._write(work, Haste.SCRUBBED)

    async def tidy_index(self, *, remove: bool) -> int:
        """Documents of what is not there any more; with ``remove`` their parts are made anew."""
        if not remove:
            return leftover_documents(self._reader.db)
        return await self._write(drop_leftovers, Haste.SCRUBBED)

    async def repack(self, workspace: Workspace, contents: Sequence[int]) -> int:
        """Keep contents in as few bytes as it takes; they are compressed beside the writer."""
        found = self._reader.kept(workspace.key, contents)
        smaller = await anyio.to_thread.run_sync(packed, found)
        work = partial(replace_contents, workspace=workspace.key, packed=smaller)
        return await self._write(work, Haste.NOW) if smaller else 0

    async def reclaim(self, *, whole: bool = False) -> Reclaimed:
        """Give free room inside the file back to the disk."""
        before, _ = await self._write(room, Haste.NOW)
        if whole and not isinstance(self._file, MemoryFile):
            await anyio.to_thread.run_sync(self._rewrite)
        else:
            while await self._write(shrink, Haste.NOW):
                pass
        after, held = await self._write(room, Haste.SCRUBBED)
        return Reclaimed(max(0, before - after), held, whole_only=held > 0 and not whole)

    async def ping(self) -> None:
        """See that the file can be read."""
        self._reader.rows("SELECT key FROM workspace LIMIT 1")

    async def backup(self, target: Path) -> None:
        """A consistent copy, made by SQLite page by page while others write."""
        await anyio.to_thread.run_sync(self._copy, target)

    async def close(self) -> None:
        """Write what is queued, and let go of the file."""
        ended = await self._writer.close()
        await anyio.to_thread.run_sync(self._close_searcher)
        self._reader.db.close()
        if ended:  # else the writer's thread still waits for the file's lock
            self._file.close()

    def _use(self, file: DataFile) -> None:
        try:
            reading, searching = file.reading(), file.reading()
        except apsw.Error as error:
            raise explain(error, file.path) from error
        self._file = file
        self._reader = Reader(reading, file.path, file.gate)
        self._searcher = Reader(searching, file.path, file.gate)
        check = partial(check_current, path=file.path)
        place = Place(file.path, file.writing, check, file.turn, file.holder, self._synced)
        self._writer = Writer(place, any_left_over)

    async def _write(self, work: Work[T], haste: Haste) -> T:
        if isinstance(self._file, FrozenFile):
            await self._thaw(self._file)
        return await self._writer.do(work, haste)

    async def _thaw(self, frozen: FrozenFile) -> None:
        """Use the file like any other as soon as it may be written again."""
        fresh = await anyio.to_thread.run_sync(_opened, Path(frozen.path))
        if isinstance(fresh, FrozenFile) or self._file is not frozen:
            fresh.close()
            return
        idle = self._writer
        self._use(fresh)
        await idle.close()

    async def _follow(self, workspace: Workspace) -> int:
        """Bring the index up to what is acknowledged; how far it is behind when that is too far."""
        behind = self._reader.backlog(workspace.key)
        if not behind:
            return 0
        piece = partial(catch_up, workspace=workspace.key)
        try:
            more = await self._write(piece, Haste.NOW)
            while more and behind <= _PATIENT_BACKLOG:
                more = await self._write(piece, Haste.NOW)
        except (StoreReadOnly, StoreFull, StoreBusy):
            more = True  # what the index knows is better than nothing
        return self._reader.backlog(workspace.key) if more else 0

    def _close_searcher(self) -> None:
        with self._searching, self._file.gate:  # when the last search has ended
            self._searcher.db.close()

    def _search_beside(self, workspace: Workspace, search: Search) -> list[fulltext.Hit]:
        with self._searching:
            return self._search(workspace, search, self._searcher)

    def _search(self, workspace: Workspace, search: Search, reader: Reader) -> list[fulltext.Hit]:
        try:
            with reader.gate:
                return fulltext.search(reader.db, workspace.owner, search)
        except apsw.Error as error:
            raise explain(error, reader.path) from error

    def _examine(self, workspace: int) -> Examination:
        with self._searching:
            return examine(self._searcher, workspace)

    def _rewrite(self) -> None:
        try:
            with self._file.turn, closing(self._file.writing()) as db:
                rewrite(db)
        except (apsw.Error, OSError) as error:
            raise explain(error, self._file.path) from error

    def _copy(self, target: Path) -> None:
        try:
            with self._file.gate, closing(apsw.Connection(str(target))) as copy:
                owner_only(target)
                source = self._file.reading()
                with copy.backup("main", source, "main") as backup:
                    backup.step(-1)
                if source is not self._reader.db:
                    source.close()
        except (apsw.Error, OSError) as error:
            raise explain(error, str(target)) from error


def _opened(path: Path | None) -> DataFile:
    try:
        return open_file(path)
    except (apsw.Error, OSError) as error:
        raise explain(error, str(path)) from error


def _search_for(wanted: WorkspaceRequest) -> tuple[str, tuple[str, str]]:
    """The query for the workspace that is wanted; a name's own spelling differs from its id."""
    if wanted.fingerprint is not None and not wanted.id:
        where, value = "w.fingerprint=?2", wanted.fingerprint
    else:
        where, value = "(w.id=?2 OR w.name=?2)", wanted.id or wanted.name
    return (
        f"{WORKSPACE} WHERE p.name=?1 AND {where} ORDER BY w.id<>?2, w.key LIMIT 1",
        (wanted.principal, value),
    )


def _make(db: apsw.Connection, wanted: WorkspaceRequest) -> Workspace:
    found = db.execute(*_search_for(wanted)).fetchone()
    if found is not None:
        return Workspace(*found)
    db.execute("INSERT OR IGNORE INTO principal(name) VALUES(?)", (wanted.principal,))
    (owner,) = only_row(db, "SELECT key FROM principal WHERE name=?", wanted.principal)
    name = wanted.id or wanted.name
    taken = {taken for (taken,) in db.execute("SELECT id FROM workspace WHERE owner=?", (owner,))}
    chosen = free_id(slug(name), taken)
    db.execute(
        "INSERT INTO workspace(owner,id,name,fingerprint,tokenizer,created_at) VALUES(?,?,?,?,?,?)",
        (owner, chosen, name, wanted.fingerprint, wanted.tokenizer, wanted.at),
    )
    made = Workspace(*only_row(db, f"{WORKSPACE} WHERE w.key=?", db.last_insert_rowid()))
    return made if chosen == slug(name) else replace(made, renamed_from=name)
