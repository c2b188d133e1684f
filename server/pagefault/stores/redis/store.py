"""The contract, kept by Redis."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Self

import anyio.to_thread

from ...base.clock import Ids, RandomIds
from ...base.errors import StoreDamaged, StoreUnavailable
from ...base.log import LogLine
from ...base.page import Page, Version
from ...index.document import Search
from ...index.follower import Follower
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
    forgotten,
)
from ..folding import Disagreement
from ..lock import FileLock
from ..moving import move
from ..sqlite import SqliteStore
from . import reading
from .address import Address, read_address
from .drafting import (
    HEADER,
    chunks_of,
    draft,
    draft_replay,
    hash_of,
    repacked,
    restored,
    session_of,
    stored,
)
from .examining import Examiner
from .following import Following
from .link import Link, Script
from .mending import renumbering, restatement
from .node import Argument
from .registry import Registry
from .writer import Confirmation, Writer

_AHEAD = 8 * 2**20  # bytes of contents that were read along with their pages
_LINEAGES = 4_096  # sessions of which it is remembered what they are forks of
_TOGETHER = 500  # pages asked for in one request
_CONTENTS = 4 * 2**20  # bytes of contents in one answer
_STANDING = ("claim", "summary", "procedure", "index")
_PASSING = ("transcript", "artifact")


class RedisStore:
    """See `contract.Store`. It connects when it is first asked, and again after every failure."""

    def __init__(
        self,
        address: Address,
        folder: Path | None,
        ids: Ids,
        *,
        timeout: float,
        confirmation: Confirmation,
    ) -> None:
        self.name = address.name
        self._link = Link(address, timeout)
        self._script = Script("keys", "read", flags="no-writes")
        self._mend = Script("keys", "mend")
        self._registry = Registry(self._link, address.prefix, ids)
        self._writer = Writer(self._link, ids, confirmation)
        self._turn = None if folder is None else _turn(address.index_file(folder))
        path = None if folder is None else address.index_file(folder)
        self._following = Following(self._link, self._script, Follower.open(path, self._turn))
        self._places: dict[int, str] = {}
        self._ahead: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._ahead_size = 0
        self._lineages: dict[tuple[int, str], tuple[tuple[int, int], ...]] = {}

    @classmethod
    def open(
        cls,
        url: str,
        folder: Path | None,
        *,
        timeout: float = 2.5,
        confirmation: Confirmation | None = None,
        ids: Ids | None = None,
    ) -> Self:
        """A store at ``url``, whose index is kept in ``folder``; None keeps it in memory.

        Raises:
            InvalidArgument: the URL cannot be read.
            StoreError: the folder's file cannot be used.
        """
        address = read_address(url)
        return cls(
            address,
            folder,
            ids or RandomIds(),
            timeout=timeout,
            confirmation=confirmation or Confirmation(),
        )

    async def open_workspace(self, wanted: WorkspaceRequest) -> Workspace:
        """The workspace asked for, made when it is new."""
        workspace, place = await self._registry.open(wanted)
        self._note(workspace, place)
        return workspace

    async def principals(self) -> list[str]:
        """Everybody who has a workspace here, in the order of their first."""
        return await self._registry.principals()

    async def workspaces(self, principal: str) -> list[Workspace]:
        """All of a principal's workspaces, oldest first."""
        return [workspace for workspace, _ in await self._all(principal)]

    async def apply(self, commit: Commit) -> Applied | Conflict:
        """Let the commit happen whole, or not at all."""
        scrubs = any(operation.kind == "forget" for operation in commit.operations)
        if scrubs:
            self._ahead.clear()
            self._ahead_size = 0
        made = draft(commit, self._writer.token())
        place = self._place(commit.workspace)
        return await self._writer.send(place, made, durable=commit.durable, scrubs=scrubs)

    async def replay(
        self,
        workspace: Workspace,
        contents: Sequence[tuple[int, bytes]],
        lines: Sequence[LogLine],
    ) -> None:
        """Append exported contents and lines with their own numbers."""
        made = draft_replay(contents, lines, self._writer.token())
        await self._writer.send(self._place(workspace), made, durable=True)

    async def session(self, workspace: Workspace, session: str) -> Session | None:
        """A session's row as last committed."""
        row = hash_of(await self._ask(workspace, "session", session))
        return session_of(session, row) if row else None

    async def workspace_of(self, principal: str, session: str) -> Workspace | None:
        """The principal's workspace that has a session with this handle."""
        for workspace, _ in await self._all(principal):
            if await self.session(workspace, session) is not None:
                return workspace
        return None

    async def sessions(self, workspace: Workspace, limit: int) -> list[Session]:
        """The latest sessions, last active first."""
        rows = await self._ask(workspace, "sessions", limit)
        return [session_of(handle.decode(), hash_of(row)) for handle, row in rows]

    async def residents(self, workspace: Workspace, session: str) -> list[Resident]:
        """Mapped pages, and those evicted lately, least recently used first."""
        return reading.residents_of(await self._ask(workspace, "residents", session))

    async def page(self, workspace: Workspace, name: str, session: str) -> Page | None:
        """The page at the session's head, with what a reader asks for next."""
        found = await self._ask(workspace, "page", session, name)
        if not found:
            return None
        page = reading.page_of(found)
        if reading.is_forgotten(found):
            raise forgotten(page.page_id)
        levels, first = found[7:]
        if first:
            plain = await self._following.whole(self._place(workspace), page.content, first)
            self._keep_ahead(workspace, {page.content: plain})
        return replace(page, levels=reading.levels_of(levels))

    async def pages(
        self, workspace: Workspace, page_ids: Sequence[str], session: str
    ) -> dict[str, Page]:
        """Those of the pages that exist and were not forgotten."""
        found: dict[str, Page] = {}
        for start in range(0, len(page_ids), _TOGETHER):
            piece = page_ids[start : start + _TOGETHER]
            answers = await self._ask(workspace, "pages", session, *piece)
            alive = (answer for answer in answers if answer and not reading.is_forgotten(answer))
            found |= {page.page_id: page for page in map(reading.page_of, alive)}
        return found

    async def recent_pages(
        self, workspace: Workspace, session: str, limit: int, *, unmapped: bool = False
    ) -> list[Page]:
        """Claims, summaries and the like, then the latest of the rest."""
        answers = await self._ask(
            workspace, "recent", session, limit, int(unmapped), *_STANDING, *_PASSING
        )
        pages = sorted(map(reading.page_of, answers), key=lambda page: -page.position)
        standing = [page for page in pages if page.page_type in _STANDING]
        passing = [page for page in pages if page.page_type in _PASSING]
        return [*standing[:limit], *passing[:limit]]

    async def latest_page(self, workspace: Workspace, session: str, page_type: str) -> Page | None:
        """The session's newest page of a type."""
        answers = await self._ask(workspace, "recent", session, 1, 0, page_type)
        return reading.page_of(answers[0]) if answers else None

    async def page_of_key(self, workspace: Workspace, session: str, key: str) -> str | None:
        """The page written under a key."""
        found = await self._ask(workspace, "page_of_key", session, key)
        return None if found == b"-" else found.decode()

    async def superseded(
        self, workspace: Workspace, page_ids: Sequence[str], session: str
    ) -> dict[str, tuple[str, ...]]:
        """Those of the pages that are superseded, and by what."""
        found: dict[str, tuple[str, ...]] = {}
        for start in range(0, len(page_ids), _TOGETHER):
            piece = page_ids[start : start + _TOGETHER]
            for page, chain in await self._ask(workspace, "superseded", session, *piece):
                found[page.decode()] = tuple(by.decode() for by in chain)
        return found

    async def content(self, workspace: Workspace, content: int) -> bytes:
        """The bytes of a content id."""
        ahead = self._ahead.pop((workspace.key, content), None)
        if ahead is not None:
            self._ahead_size -= len(ahead)
            return ahead
        first = await self._ask(workspace, "content", content)
        return await self._following.whole(self._place(workspace), content, first)

    async def contents(
        self, workspace: Workspace, after: int, limit: int
    ) -> list[tuple[int, bytes]]:
        """Contents with ids above ``after``, ascending."""
        place = self._place(workspace)
        found: list[Any] = []
        last = after + 1
        while after < last and not found:  # past those that are gone
            asked = await self._ask(workspace, "contents", after, limit, _CONTENTS)
            after, last, found = int(asked[0]), int(asked[1]), asked[2]
        return [
            (int(number), await self._following.whole(place, int(number), first))
            for number, first in found
        ]

    async def sizes(self, workspace: Workspace, after: int, limit: int) -> list[tuple[int, int]]:
        """Contents with ids above ``after``, ascending, and the bytes that each takes."""
        last = after + 1
        found: list[Any] = []
        while after < last and not found:  # past those that are gone
            asked = await self._ask(workspace, "sizes", after, limit)
            after, last, found = int(asked[0]), int(asked[1]), asked[2]
        return [(int(number), int(size)) for number, size in found]

    async def versions(self, workspace: Workspace, page_id: str) -> list[Version]:
        """All versions of a page, oldest first."""
        lines = await self._ask(workspace, "versions", page_id)
        return [reading.version_of(reading.line_of(line)) for line in lines]

    async def representations(
        self, workspace: Workspace, page_id: str, version: int
    ) -> dict[int, tuple[str, int, int]]:
        """Level to origin, content id and tokens of what is kept beside level 0."""
        return reading.levels_of(await self._ask(workspace, "levels", page_id, version))

    async def events(
        self, workspace: Workspace, session: str, after: int, limit: int
    ) -> list[LogLine]:
        """The session's recorded events, in order."""
        return self._lines(await self._ask(workspace, "events", session, after, limit))

    async def moves(
        self, workspace: Workspace, session: str, after: int, limit: int
    ) -> list[LogLine]:
        """The session's own lines that say what it maps, pins and reads, in order."""
        return self._lines(await self._ask(workspace, "moves", session, after, limit))

    async def calls(
        self, workspace: Workspace, session: str, after: int, limit: int
    ) -> list[LogLine]:
        """The lineage's lines about calls of other tools, in order."""
        return self._lines(await self._ask(workspace, "calls", session, after, limit))

    async def lessons(self, workspace: Workspace, after: int, limit: int) -> list[LogLine]:
        """The workspace's lines that calls taught, in order."""
        return self._lines(await self._ask(workspace, "lessons", after, limit))

    async def folded(self, workspace: Workspace, name: str) -> tuple[int, bytes] | None:
        """What was kept of a fold of the log, and the position it is true of."""
        position, data = await self._ask(workspace, "folded", name)
        if position is None or data is None:
            return None
        try:
            return int(position), restored([data], name)
        except StoreDamaged:
            return None  # it is folded anew

    async def keep_folded(
        self, workspace: Workspace, name: str, position: int, data: bytes
    ) -> None:
        """Keep what folding the log up to a position gave."""
        key = f"{self._place(workspace)}:f:{name}"
        await self._link.command("HSET", key, "position", position, "data", stored(data))

    async def checkpoints(self, workspace: Workspace, session: str) -> list[LogLine]:
        """The lines that gave the lineage's positions their names, in order."""
        return self._lines(await self._ask(workspace, "checkpoints", session))

    async def log(
        self,
        workspace: Workspace,
        after: int,
        limit: int,
        page_id: str | None = None,
        session: str | None = None,
    ) -> list[LogLine]:
        """Log lines above ``after``, in order."""
        if page_id is not None:
            found = await self._ask(workspace, "page_log", page_id, after, limit)
        elif session is not None:
            found = await self._ask(workspace, "session_log", session, after, limit)
        else:
            found = await self._ask(workspace, "log", after, limit)
        return self._lines(found)

    async def derived_pages(self, workspace: Workspace, page_id: str) -> list[str]:
        """Pages derived from this one, at any depth."""
        return sorted(page.decode() for page in await self._ask(workspace, "derived", page_id))

    async def ids_like(self, workspace: Workspace, what: str, prefix: str, limit: int) -> list[str]:
        """Ids that begin with ``prefix``, newest first."""
        if what == "session":
            handles = await self._ask(workspace, "handles_like", prefix, limit)
            return [handle.decode() for handle in handles]
        counters = hash_of(await self._ask(workspace, "counters"))
        counted = reading.ids_like(prefix, {name: int(last) for name, last in counters.items()})
        found: list[tuple[int, str]] = []
        while len(found) < limit and (ids := list(islice(counted, _TOGETHER))):
            alive = await self._ask(workspace, "alive", *ids)
            found += [(-int(position), page.decode()) for page, position in alive]
        return [page for _, page in sorted(found)][:limit]

    async def search(self, workspace: Workspace, session: str, search: Search) -> Found:
        """Ranked hits over everything acknowledged before the call, as ``session`` sees it."""
        place = self._place(workspace)
        ancestors = await self._ancestors(workspace, session)
        asked = replace(search, ancestors=ancestors)
        found, texts = await self._following.search(workspace, place, session, asked)
        self._keep_ahead(workspace, texts)
        return found

    async def totals(self, workspace: Workspace) -> Mapping[str, int]:
        """Counts of what the workspace holds."""
        position, contents, indexable, pages, sessions, archived = map(
            int, await self._ask(workspace, "totals")
        )
        return {
            "sessions": sessions,
            "pages": pages,
            "contents": contents,
            "lines": position,
            "unindexed": self._following.behind(workspace, indexable),
            "archived": archived,
        }

    async def examine(self, workspace: Workspace) -> Examination:
        """Compare what is kept of a workspace with its log, and the local index as well."""
        place = self._place(workspace)
        found = await Examiner(self._link, self._script, workspace, place).examine()
        index = await self._following.complaints(workspace, found.told.indexed)
        return replace(found.examination, index=index)

    async def restate(self, workspace: Workspace, disagreement: Disagreement) -> bool:
        """Make a session what its log says, unless it has changed since."""
        arguments = restatement(disagreement)
        return bool(await self._link.script(self._mend, self._place(workspace), *arguments))

    async def renumber(self, workspace: Workspace) -> None:
        """Make positions and counts what the log says."""
        place = self._place(workspace)
        while True:
            found = await Examiner(self._link, self._script, workspace, place).told()
            if await self._link.script(self._mend, place, *renumbering(found)):
                return

    async def rebuild_index(self, workspace: Workspace) -> None:
        """Drop the local index of the workspace; it follows the log from its beginning."""
        self._place(workspace)
        await self._following.reset(workspace)

    async def tidy_index(self, *, remove: bool) -> int:
        """Documents that the local index holds of workspaces that the server does not have."""
        known = set()
        for principal in await self._registry.principals():
            known |= {workspace.key for workspace, _ in await self._registry.all(principal)}
        return await self._following.tidy(known, remove=remove)

    async def repack(self, workspace: Workspace, contents: Sequence[int]) -> int:
        """Keep contents of a single chunk in as few bytes as it takes.

        Others stay as they are: who has read a first chunk asks for the further ones by number.
        """
        place = self._place(workspace)
        saved = 0
        for number in contents:
            first = await self._ask(workspace, "content", number)
            if first and chunks_of(first) == 1:
                smaller = await anyio.to_thread.run_sync(repacked, first)
                if smaller is not None:
                    header = first[:HEADER]
                    saved += await self._link.script(
                        self._mend, place, "content", number, header, smaller
                    )
        return saved

    async def reclaim(self, *, whole: bool = False) -> Reclaimed:  # noqa: ARG002
        """Nothing: the server sees to its memory itself."""
        return Reclaimed()

    async def ping(self) -> None:
        """See that the server answers, or of a cluster the node that knows the principals."""
        await self._registry.ping()

    async def backup(self, target: Path) -> None:
        """Everything, moved into a SQLite file.

        Raises:
            StoreDamaged: some contents cannot be read any more; the rest was copied.
        """
        copy = await anyio.to_thread.run_sync(partial(SqliteStore.open, target, synced=False))
        try:
            moved = await move(self, copy)
        finally:
            await copy.close()
            target.with_name(target.name + ".lock").unlink(missing_ok=True)
        lost = sum(len(workspace.lost) for workspace in moved)
        if lost:
            message = (
                f"{lost} contents in {self.name} are damaged and are not in the copy; everything "
                "else is. Run `pagefault doctor`."
            )
            raise StoreDamaged(message)

    async def close(self) -> None:
        """Wait for what is under way, and let go of the connections and the local file."""
        await self._writer.close()
        await self._following.close()
        await self._link.close()
        if self._turn is not None:
            self._turn.close()

    async def _all(self, principal: str) -> list[tuple[Workspace, str]]:
        known = await self._registry.all(principal)
        for workspace, place in known:
            self._note(workspace, place)
        return known

    async def _ask(self, workspace: Workspace, question: str, *arguments: Argument) -> Any:  # noqa: ANN401
        return await self._link.script(self._script, self._place(workspace), question, *arguments)

    async def _ancestors(self, workspace: Workspace, session: str) -> tuple[tuple[int, int], ...]:
        """What a fork reads besides its own branch, asked once: it never changes."""
        known = self._lineages.get((workspace.key, session))
        if known is None:
            (own, _), *others = await self._ask(workspace, "lineage", session)
            known = tuple((int(number), int(upto)) for number, upto in others)
            if own:
                self._lineages[workspace.key, session] = known
            while len(self._lineages) > _LINEAGES:
                self._lineages.pop(next(iter(self._lineages)))
        return known

    def _note(self, workspace: Workspace, place: str) -> None:
        self._places[workspace.key] = place

    def _place(self, workspace: Workspace) -> str:
        """What the workspace's keys begin with."""
        place = self._places.get(workspace.key)
        if place is None:
            message = f"workspace {workspace.id} was not opened in this store. Try again."
            raise StoreUnavailable(message)
        self._following.follow(workspace, place)
        return place

    def _lines(self, entries: Sequence[Any]) -> list[LogLine]:
        return [reading.line_of(entry) for entry in entries]

    def _keep_ahead(self, workspace: Workspace, contents: Mapping[int, bytes]) -> None:
        """Contents never change under their id: whoever asks next need not ask the server."""
        for number, plain in contents.items():
            if (workspace.key, number) not in self._ahead:
                self._ahead[workspace.key, number] = plain
                self._ahead_size += len(plain)
        while self._ahead_size > _AHEAD:
            self._ahead_size -= len(self._ahead.popitem(last=False)[1])


def _turn(path: Path) -> FileLock:
    """Whose turn it is to write the local index, among the processes of this machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.with_name(path.name + ".lock"))
