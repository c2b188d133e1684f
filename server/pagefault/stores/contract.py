"""What a store promises. `tests/contract` holds every store to it.

One write: ``apply``. A commit is a list of operations, the contents they name, the ids it wants,
and the revisions it was planned on. It happens whole or not at all. When a revision is no longer
the store's, nothing happens and the answer is a `Conflict`: read again, plan again.

A durable commit is answered when it is safe; a derived one (`Commit.durable` False) is never
synced by itself, and a crash may lose the last of them but never change their order. Numbers of
ids are dense per prefix and never handed out twice.

A session that is a fork reads its parent as it was at the fork, and so on up to the first that is
none: that is its lineage. Of a page it reads its own head, else that of the nearest of its lineage
which had one by then, else the head of the page's home. A branch's head is the version that was
written on it, or gone back to, last.

What a page is superseded by, a session reads likewise: by the last link of its own, else of the
nearest of its lineage which had one by then; of a page that its lineage did not make, else by that
of the page's home. A link to a page that was forgotten does not count.

Every method raises `StoreError` kinds only, for what the disk or the server did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..base.errors import PageForgotten
from ..base.log import LogLine, Operation
from ..base.page import Page, Version
from ..index.document import Hit, Search

if TYPE_CHECKING:
    from .folding import Disagreement


@dataclass(frozen=True, slots=True)
class Workspace:
    """One lasting memory of one principal. ``key`` and ``owner`` are the store's own numbers."""

    key: int
    owner: int
    id: str
    name: str
    principal: str
    tokenizer: str
    fingerprint: str | None = None
    created_at: float = 0.0
    renamed_from: str | None = None  # the name that was asked for, when it was taken


@dataclass(frozen=True, slots=True)
class Session:
    """A session's row: settings, counters, and the revision of its residency.

    ``forked_at``: the log position at which it became a fork of its parent, None for no fork.
    """

    id: str
    revision: int
    created_at: float
    active_at: float
    title: str | None = None
    parent: str | None = None
    forked_at: int | None = None
    model: str | None = None
    budget: int | None = None
    mode: str | None = None
    policy: str | None = None
    turn: int = 0
    turn_cause: str = "start"
    segment: int = 1
    faults: int = 0
    fault_tokens: int = 0
    messages: int = 0
    user_messages: int = 0
    ai_messages: int = 0
    tool_calls: int = 0
    tokens: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_faults: int = 0
    bindings: int = 0  # the number of the last result that was bound


@dataclass(frozen=True, slots=True)
class Resident:
    """A page's place in one session. ``level`` None: evicted, and remembered for damping."""

    page_id: str
    version: int
    level: int | None
    tokens: int
    touched: int  # log position of the last use: the order of recency
    turn: int  # turn of the last use, or of the eviction
    mapped_turn: int
    protected_until: int
    pinned: bool
    pinned_until: int | None
    page_type: str
    importance: float
    content: int
    role: str | None = None
    modality: str = "text"
    superseded: bool = False  # as the session reads it


@dataclass(frozen=True, slots=True)
class Moment:
    """When an operation that is brought from another log happened there, and by whom."""

    at: float
    actor: str
    segment: int
    turn: int


@dataclass(frozen=True, slots=True)
class Commit:
    """What is to happen, whole or not at all.

    ``new``: the prefixes of the ids wanted, ``+0`` the first. ``contents``: the bytes that the
    operations name as -1, -2, …; of those that they name as ``blobs``, equal bytes that a page of
    the workspace holds already are taken in their place. ``expects``: session handle to the
    revision planned on. ``heads``: (session, page id) to the version that was its head.
    ``moments``: for operations from another log, one each, in place of ``at``, ``actor`` and the
    session's own turn.
    """

    workspace: Workspace
    at: float
    actor: str
    operations: Sequence[Operation]
    contents: Sequence[bytes] = ()
    new: Sequence[str] = ()
    expects: Mapping[str, int] = field(default_factory=dict)
    heads: Mapping[tuple[str, str], int] = field(default_factory=dict)
    durable: bool = True
    moments: Sequence[Moment] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """What happened: the ids in the order wanted, which of them (by index) a key had already
    got, the versions that were numbered, the contents' ids, the sessions as they are now.

    ``bindings``: the numbers that results were bound to, in the order of their calls.

    ``obtained``: in words, what more than the store's own promise a durable commit got, where
    the operator asked for it: "fsynced here, on 1 of 2 replicas".
    """

    ids: tuple[str, ...]
    contents: tuple[int, ...]
    duplicates: frozenset[int]
    versions: Mapping[str, int]
    position: int
    sessions: Mapping[str, Session]
    obtained: str | None = None
    bindings: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Conflict:
    """Nothing happened: ``subject`` has changed since the commit was planned."""

    subject: str


@dataclass(frozen=True, slots=True)
class WorkspaceRequest:
    """Which workspace is wanted: by ``id``, else by ``fingerprint``, else the one named.

    ``tokenizer`` and ``at`` (Unix seconds) are used when it is made.
    """

    principal: str
    tokenizer: str
    at: float
    id: str | None = None
    name: str = "default"
    fingerprint: str | None = None
    create: bool = True


@dataclass(frozen=True, slots=True)
class Reclaimed:
    """What became of a file's free room, in bytes: ``freed`` for others, ``held`` by the file.

    ``whole_only``: what it holds it gives back only when it is written anew as a whole.
    """

    freed: int = 0
    held: int = 0
    whole_only: bool = False


@dataclass(frozen=True, slots=True)
class Damage:
    """A content that is not what was written. ``computed``: a level, which can be made anew.

    ``page_id`` None: of an event that made no page. ``detail``: what is wrong, in words.
    """

    content: int
    page_id: str | None
    computed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Examination:
    """Where what is kept of a workspace is not what its log says, in words but for the sessions.

    ``numbers``: positions and counts that new lines and ids would be given by. ``index``: what is
    wrong with the search index.
    """

    sessions: Sequence[Disagreement] = ()
    numbers: Sequence[str] = ()
    index: Sequence[str] = ()
    damage: Sequence[Damage] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """Hits, best first. ``sessions``: the handles behind the hits' session numbers;
    ``backlog``: log positions that a rebuilding index does not know yet. ``linked`` False: no page
    of the workspace was ever superseded."""

    hits: Sequence[Hit]
    sessions: Mapping[int, str]
    backlog: int = 0
    linked: bool = True


def chain(links: Mapping[str, str | None], page_id: str) -> tuple[str, ...]:
    """What supersedes a page, what supersedes that, and so on, by each one's own link.

    Sessions that link to and fro may make a ring of what a third reads: it is gone round once.
    """
    there = [page_id]
    while (by := links.get(there[-1])) is not None and by not in there:
        there.append(by)
    return tuple(there[1:])


def forgotten(page_id: str) -> PageForgotten:
    """The error of reading a page that was deleted for good."""
    message = (
        f"{page_id} was deleted for good with page_forget; its content is not kept. "
        "page_history shows when and why."
    )
    return PageForgotten(message)


class Store(Protocol):
    """See the module's docstring for the promises that bind every method."""

    async def open_workspace(self, wanted: WorkspaceRequest) -> Workspace:
        """The workspace asked for, made when it is new.

        Raises:
            WorkspaceNotFound: ``create`` is False and there is none.
        """
        ...

    async def principals(self) -> list[str]:
        """Everybody who has a workspace here, in the order of their first."""
        ...

    async def workspaces(self, principal: str) -> list[Workspace]:
        """All of a principal's workspaces, oldest first."""
        ...

    async def apply(self, commit: Commit) -> Applied | Conflict:
        """Let the commit happen whole, or not at all.

        It is also a conflict to bring content of a page that was forgotten, or derives from one,
        to collect what a version of the page, its hint or its event holds, and to archive what is
        no page, or mapped or pinned in a session.
        A key that the session's lineage had written by the fork is a repeat too.

        Raises:
            LookupError: an operation names a session that none opened; nothing happened.
        """
        ...

    async def session(self, workspace: Workspace, session: str) -> Session | None:
        """A session's row as last committed."""
        ...

    async def workspace_of(self, principal: str, session: str) -> Workspace | None:
        """The principal's workspace that has a session with this handle; the oldest of several."""
        ...

    async def sessions(self, workspace: Workspace, limit: int) -> list[Session]:
        """The latest sessions of the workspace, last active first."""
        ...

    async def residents(self, workspace: Workspace, session: str) -> list[Resident]:
        """The session's mapped pages, and those evicted lately, least recently used first."""
        ...

    async def page(self, workspace: Workspace, name: str, session: str) -> Page | None:
        """The page with that id, or that was written under that key in the session.

        It comes with the levels that are kept beside it.

        Raises:
            PageForgotten: the page was deleted for good.
        """
        ...

    async def pages(
        self, workspace: Workspace, page_ids: Sequence[str], session: str
    ) -> dict[str, Page]:
        """Those of the pages that exist, each at the session's head."""
        ...

    async def recent_pages(
        self, workspace: Workspace, session: str, limit: int, *, unmapped: bool = False
    ) -> list[Page]:
        """The latest claims, summaries and the like of the lineage, then its latest other pages.

        At most ``limit`` of each; ``unmapped``: only those that are neither mapped in the session
        nor archived.
        """
        ...

    async def latest_page(self, workspace: Workspace, session: str, page_type: str) -> Page | None:
        """The newest page of a type that the session's lineage made, unless it was forgotten."""
        ...

    async def page_of_key(self, workspace: Workspace, session: str, key: str) -> str | None:
        """The page that was written under an idempotency key of the session's lineage."""
        ...

    async def superseded(
        self, workspace: Workspace, page_ids: Sequence[str], session: str
    ) -> dict[str, tuple[str, ...]]:
        """Those of the pages that are superseded, each with what `Page.superseded_by` says."""
        ...

    async def content(self, workspace: Workspace, content: int) -> bytes:
        """The bytes of a content id.

        Raises:
            StoreDamaged: they are not the bytes that were written.
        """
        ...

    async def contents(
        self, workspace: Workspace, after: int, limit: int
    ) -> list[tuple[int, bytes]]:
        """Contents with ids above ``after``, ascending: what an export reads."""
        ...

    async def sizes(self, workspace: Workspace, after: int, limit: int) -> list[tuple[int, int]]:
        """Contents with ids above ``after``, ascending, and how many bytes each takes here."""
        ...

    async def versions(self, workspace: Workspace, page_id: str) -> list[Version]:
        """All versions of a page, oldest first."""
        ...

    async def representations(
        self, workspace: Workspace, page_id: str, version: int
    ) -> dict[int, tuple[str, int, int]]:
        """Level to (origin, content id, tokens) of what is kept beside level 0."""
        ...

    async def events(
        self, workspace: Workspace, session: str, after: int, limit: int
    ) -> list[LogLine]:
        """The events that the session's lineage recorded, above a position, in order."""
        ...

    async def moves(
        self, workspace: Workspace, session: str, after: int, limit: int
    ) -> list[LogLine]:
        """The session's own lines of the kinds `base.log.MOVES`, above a position, in order."""
        ...

    async def calls(
        self, workspace: Workspace, session: str, after: int, limit: int
    ) -> list[LogLine]:
        """The lineage's lines of the kinds `base.log.CALLS`, above a position, in order."""
        ...

    async def lessons(self, workspace: Workspace, after: int, limit: int) -> list[LogLine]:
        """The workspace's lines of the kinds `base.log.LESSONS`, above a position, in order."""
        ...

    async def folded(self, workspace: Workspace, name: str) -> tuple[int, bytes] | None:
        """What was kept under a name by `keep_folded`: the log position it is true of, and it."""
        ...

    async def keep_folded(
        self, workspace: Workspace, name: str, position: int, data: bytes
    ) -> None:
        """Keep what folding the log up to a position gave, in place of what was kept before.

        It is derived, and may be gone at any time; `folded` is None then.
        """
        ...

    async def checkpoints(self, workspace: Workspace, session: str) -> list[LogLine]:
        """The lines that gave the lineage's positions their names, in order."""
        ...

    async def log(
        self,
        workspace: Workspace,
        after: int,
        limit: int,
        page_id: str | None = None,
        session: str | None = None,
    ) -> list[LogLine]:
        """Log lines with a position above ``after``, in order, of a page or session if named."""
        ...

    async def derived_pages(self, workspace: Workspace, page_id: str) -> list[str]:
        """Pages that name this one in ``derived_from``, at any depth."""
        ...

    async def ids_like(self, workspace: Workspace, what: str, prefix: str, limit: int) -> list[str]:
        """Page ids or session handles (``what`` "page" or "session") that begin with prefix."""
        ...

    async def search(self, workspace: Workspace, session: str, search: Search) -> Found:
        """Ranked hits over everything acknowledged before the call, as ``session`` sees it.

        The store fills in its own numbers for the workspace and the session.
        """
        ...

    async def replay(
        self,
        workspace: Workspace,
        contents: Sequence[tuple[int, bytes]],
        lines: Sequence[LogLine],
    ) -> None:
        """Append exported contents and lines, with their own numbers, to a workspace's log.

        Raises:
            InvalidArgument: the positions do not continue the workspace's log.
        """
        ...

    async def totals(self, workspace: Workspace) -> Mapping[str, int]:
        """Counts: ``sessions``, ``pages`` alive, those of them that are ``archived``, log
        ``lines``; ``contents``: the last number.

        ``unindexed``: log positions that the index does not know yet.
        """
        ...

    async def examine(self, workspace: Workspace) -> Examination:
        """Compare what is kept of a workspace with its whole log, and read every content.

        What is written meanwhile is left out of the comparison.
        """
        ...

    async def restate(self, workspace: Workspace, disagreement: Disagreement) -> bool:
        """Make a session what its log says; False when it has changed since it was examined."""
        ...

    async def renumber(self, workspace: Workspace) -> None:
        """Make positions and counts what the log says; no number is given out a second time."""
        ...

    async def rebuild_index(self, workspace: Workspace) -> None:
        """Drop the workspace's search index; the next search makes it anew."""
        ...

    async def tidy_index(self, *, remove: bool) -> int:
        """How many documents the index holds of pages or workspaces that are not there any more.

        With ``remove``, the parts of the index that they are in are dropped, and made anew by the
        next search.
        """
        ...

    async def repack(self, workspace: Workspace, contents: Sequence[int]) -> int:
        """Keep these contents in as few bytes as it takes; how many bytes that has saved.

        Whoever reads them notices nothing. What is gone, damaged or too large for one step of the
        store stays as it is.
        """
        ...

    async def reclaim(self, *, whole: bool = False) -> Reclaimed:
        """Give free room inside a data file back, in short steps while others write.

        ``whole``: by writing the file anew, which others wait for. A server sees to it itself.
        """
        ...

    async def ping(self) -> None:
        """See that the store answers: one short read, within the store's own time limit."""
        ...

    async def backup(self, target: Path) -> None:
        """A copy of everything as a SQLite file, while others write."""
        ...

    async def close(self) -> None:
        """Write what is queued, and let go of the file or the connection."""
        ...
