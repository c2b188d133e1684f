"""A bench to work at a store with few words: commits, pages, and what a reader sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from pagefault.base.log import (
    EventAdded,
    FaultedIn,
    Forgotten,
    Operation,
    PageAdded,
    SessionOpened,
    VersionAdded,
)
from pagefault.base.page import PREFIXES
from pagefault.index.document import Search
from pagefault.stores.contract import (
    Applied,
    Commit,
    Conflict,
    Session,
    Store,
    Workspace,
    WorkspaceRequest,
)

START = 1_767_225_600.0  # 2026-01-01T00:00:00Z

# For promises that need a second process, or a restart: every store but the one in memory.
LASTING = pytest.mark.parametrize("store_url", ["file", "redis", "cluster"], indirect=True)


def added(**fields: Any) -> PageAdded:
    """A page with placeholders for its id and content, and what ``fields`` say otherwise."""
    usual = {
        "session": "s1",
        "page_id": "+0",
        "page_type": "claim",
        "modality": "text",
        "content": -1,
        "tokens": 10,
        "size": 40,
        "source": "model",
        "trust": 2,
    }
    return PageAdded(**{**usual, **fields})


def said(**fields: Any) -> EventAdded:
    """An event with a placeholder for its id, and what ``fields`` say otherwise."""
    return EventAdded(**{"session": "s1", "event_id": "+0", "role": "user", "tokens": 5, **fields})


def mapped(page_id: str, **fields: Any) -> FaultedIn:
    """The page mapped at level 0 for ten tokens, or as ``fields`` say."""
    usual = {"session": "s1", "version": 1, "level": 0, "tokens": 10, "reason": "recorded"}
    return FaultedIn(page_id=page_id, **{**usual, **fields})


async def open_workspace(
    store: Store, name: str = "default", principal: str = "local"
) -> Workspace:
    """The principal's workspace of that name."""
    return await store.open_workspace(WorkspaceRequest(principal, "estimate", START, name=name))


@dataclass(slots=True)
class Bench:
    """A workspace of a store, and a clock that ticks with every commit."""

    store: Store
    workspace: Workspace
    now: float = START

    @classmethod
    async def at(cls, store: Store, name: str = "default", principal: str = "local") -> Bench:
        """A bench with one open session, ``s1``."""
        bench = cls(store, await open_workspace(store, name, principal))
        await bench.do(SessionOpened(session="s1"))
        return bench

    def commit(
        self,
        *operations: Operation,
        contents: Sequence[bytes] = (),
        new: Sequence[str] = (),
        expects: Mapping[str, int] | None = None,
        heads: Mapping[tuple[str, str], int] | None = None,
        durable: bool = True,
    ) -> Commit:
        """The next commit of the test."""
        self.now += 1
        return Commit(
            self.workspace,
            self.now,
            "test",
            operations,
            contents,
            new,
            expects or {},
            heads or {},
            durable,
        )

    async def apply(self, *operations: Operation, **options: Any) -> Applied | Conflict:
        """What the store says to a commit of these operations."""
        return await self.store.apply(self.commit(*operations, **options))

    async def do(self, *operations: Operation, **options: Any) -> Applied:
        """A commit that meets no conflict."""
        answer = await self.apply(*operations, **options)
        assert isinstance(answer, Applied)
        return answer

    async def write(self, text: str | bytes = "a claim", **fields: Any) -> str:
        """A new page of the session ``s1`` or the one named; its id."""
        page = added(**{"size": len(as_bytes(text)), **fields})
        opened = SessionOpened(session=page.session)
        applied = await self.do(
            opened, page, contents=[as_bytes(text)], new=[PREFIXES[page.page_type]]
        )
        return applied.ids[0]

    async def say(self, text: str, session: str = "s1", **fields: Any) -> tuple[str, str]:
        """An event with its page; both ids."""
        event = said(session=session, page_id="+1", **fields)
        page = added(
            session=session,
            page_id="+1",
            page_type="transcript",
            role=event.role,
            event_id="+0",
            key=event.key,
            tokens=event.tokens,
        )
        opened = SessionOpened(session=session)
        applied = await self.do(opened, event, page, contents=[as_bytes(text)], new=["evt", "msg"])
        return applied.ids[0], applied.ids[1]

    async def revise(self, page_id: str, text: str | bytes, session: str = "s1") -> int:
        """A new version of a page, written in the session; its number."""
        answer = await self.apply(
            SessionOpened(session=session),
            await self.revision(page_id, session),
            contents=[as_bytes(text)],
        )
        assert isinstance(answer, Applied)
        return answer.versions[page_id]

    async def revision(self, page_id: str, session: str = "s1") -> VersionAdded:
        """The operation of a new version on the session's head, with content -1."""
        head = await self.store.page(self.workspace, page_id, session)
        assert head is not None
        return VersionAdded(
            session=session,
            page_id=page_id,
            version=0,
            parent=head.version,
            modality="text",
            content=-1,
            tokens=11,
            size=44,
            source="model",
            trust=2,
        )

    async def forget(self, *page_ids: str, reason: str = "asked") -> Applied:
        """Delete pages for good."""
        return await self.do(
            *(Forgotten(session="s1", page_id=page_id, reason=reason) for page_id in page_ids)
        )

    async def session(self, session: str = "s1") -> Session:
        """The row of a session that is there."""
        row = await self.store.session(self.workspace, session)
        assert row is not None
        return row

    async def text(self, page_id: str, session: str = "s1") -> str:
        """What the session reads on a page."""
        page = await self.store.page(self.workspace, page_id, session)
        assert page is not None
        return (await self.store.content(self.workspace, page.content)).decode()

    async def find(self, query: str, session: str = "s1", **options: Any) -> list[str]:
        """The pages that a search of the session gives, best first."""
        search = Search(query, workspace=0, **options)
        found = await self.store.search(self.workspace, session, search)
        return [hit.page_id for hit in found.hits]

    async def counts(self) -> dict[str, int]:
        """The store's totals, but for what its index may be catching up with at this moment."""
        totals = dict(await self.store.totals(self.workspace))
        del totals["unindexed"]
        return totals

    async def positions(self) -> list[int]:
        """The positions of all log lines."""
        return [line.position for line in await self.store.log(self.workspace, 0, 10_000)]


def as_bytes(text: str | bytes) -> bytes:
    """A text as it is kept."""
    return text.encode() if isinstance(text, str) else text
