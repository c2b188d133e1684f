"""A local index that follows the workspaces of a server which cannot search by itself.

Before each search it reads what the log has gained, so that what was written through one server
is found through another on the next call. Every few seconds it also follows the workspaces that
are in use, so that a page which was forgotten elsewhere does not stay in this machine's file. A
workspace that is far ahead is followed behind the search, which says how far.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread

from ...base.errors import StoreError
from ...index.document import Hit, Search
from ...index.follower import Follower
from ...index.following import PIECE_BYTES, PIECE_ENTRIES, Entry, Piece
from ..contract import Found, Workspace
from .drafting import chunks_of, restored
from .link import Link, Script
from .reading import line_of, page_added

_EVERY = 5.0  # seconds between looks at the workspaces in use
_PATIENT_BACKLOG = 4_096  # log positions a search waits for; the rest is followed behind it
_INLINE = 2_000  # documents that are searched on the loop; more go to a worker thread

log = logging.getLogger("pagefault")


@dataclass(frozen=True, slots=True)
class _Read:
    """A piece of the log as it was read: the piece, its texts, its sessions, and the log's end."""

    after: int
    piece: Piece
    texts: Mapping[int, bytes]
    sessions: Mapping[int, str]
    indexable: int
    position: int


class Following:
    """Searches, and keeps the local index up with the log. It serves one event loop."""

    def __init__(self, link: Link, read: Script, follower: Follower) -> None:
        self._link = link
        self._read = read
        self._follower = follower
        self._known: dict[int, tuple[Workspace, str]] = {}
        self._linked: set[int] = set()  # workspaces in which a page was ever superseded
        self._turns: dict[int, anyio.Lock] = {}
        self._looking: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    def follow(self, workspace: Workspace, place: str) -> None:
        """Follow a workspace from here on, beside the calls."""
        self._known[workspace.key] = (workspace, place)
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look())

    async def search(
        self, workspace: Workspace, place: str, session: str, search: Search
    ) -> tuple[Found, Mapping[int, bytes]]:
        """Hits over everything acknowledged before the call, and the texts of those hits."""
        backlog = await self._catch_up(workspace, place, patient=True)
        if backlog:
            self._wake.set()
        number = self._follower.number(workspace.key, session)
        asked = replace(search, workspace=workspace.key, session=number)
        run = partial(self._follower.search, workspace.owner, asked)
        small = self._follower.pages(workspace.key) <= _INLINE
        hits: Sequence[Hit] = run() if small else await anyio.to_thread.run_sync(run)
        handles = self._follower.handles(workspace.key, {hit.session for hit in hits})
        texts = self._follower.texts(workspace.key, {hit.content for hit in hits})
        return Found(hits, handles, backlog, workspace.key in self._linked), texts

    def behind(self, workspace: Workspace, indexable: int) -> int:
        """Log positions up to ``indexable`` that the index does not know yet."""
        return max(0, indexable - self._follower.reached(workspace.key))

    async def complaints(
        self, workspace: Workspace, documents: Callable[[int], int]
    ) -> Sequence[str]:
        """What is wrong with the index; ``documents``: how many it has at a log position."""
        state = partial(self._follower.state, workspace.owner, workspace.key)
        reached, found = await anyio.to_thread.run_sync(state)
        wanted = documents(reached)
        if found.documents == wanted:
            return list(found.complaints)
        return [*found.complaints, f"it has {found.documents:,} documents, by the log {wanted:,}"]

    async def reset(self, workspace: Workspace) -> None:
        """Drop the index of a workspace; it follows the log from its beginning."""
        reset = partial(self._follower.reset, workspace.owner, workspace.key)
        await anyio.to_thread.run_sync(reset)

    async def tidy(self, known: Set[int], *, remove: bool) -> int:
        """Documents of workspaces that are not ``known``; with ``remove`` they are dropped."""
        return await anyio.to_thread.run_sync(partial(self._follower.tidy, known, remove=remove))

    async def close(self) -> None:
        """Follow no more, and let go of the local file."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
        await anyio.to_thread.run_sync(self._follower.close)

    async def _look(self) -> None:
        """Follow all workspaces now and then; ends when it is cancelled."""
        while True:
            self._wake.clear()
            for workspace, place in list(self._known.values()):
                try:
                    await self._catch_up(workspace, place, patient=False)
                except StoreError as error:
                    log.info("following %s: %s", workspace.id, error)
                except Exception:  # the next look may succeed, and searches say what is wrong
                    log.exception("following %s", workspace.id)
            with suppress(StoreError):  # what a reader kept from being scrubbed
                await anyio.to_thread.run_sync(self._follower.scrub)
            with anyio.move_on_after(_EVERY):  # asyncio.wait_for may swallow a cancellation
                await self._wake.wait()

    async def _catch_up(self, workspace: Workspace, place: str, *, patient: bool) -> int:
        """Bring the index up to the log; how far it is behind when that would take too long."""
        lock = self._turns.setdefault(workspace.key, anyio.Lock())
        if patient and lock.locked():  # a rebuild is under way: do not wait for all of it
            ahead = await self._next(workspace, place)
            if ahead.indexable - self._follower.reached(workspace.key) > _PATIENT_BACKLOG:
                return self.behind(workspace, ahead.indexable)
        async with lock:
            while True:
                read = await self._next(workspace, place)
                more = await self._take(workspace, read)
                behind = self.behind(workspace, read.indexable)
                if not more or (patient and behind > _PATIENT_BACKLOG):
                    return behind
                if not patient:
                    await anyio.lowlevel.checkpoint()

    async def _take(self, workspace: Workspace, read: _Read) -> bool:
        """Put what was read into the index; True when more may follow."""
        if read.position < read.after:  # the server went back: it lost what it had not saved
            reset = partial(self._follower.reset, workspace.owner, workspace.key)
            await anyio.to_thread.run_sync(reset)
            return True
        if read.piece.reached == read.after:
            return False
        advance = partial(
            self._follower.advance,
            workspace.owner,
            workspace.key,
            read.after,
            read.piece,
            read.texts,
            read.sessions,
        )
        await anyio.to_thread.run_sync(advance)  # nothing, when another process was first
        return self._follower.reached(workspace.key) < read.indexable

    async def _next(self, workspace: Workspace, place: str) -> _Read:
        after = self._follower.reached(workspace.key)
        answer = await self._link.script(
            self._read, place, "follow", after, PIECE_ENTRIES, PIECE_BYTES
        )
        reached, indexable, position, forgotten, found, linked, moved = answer
        if linked:
            self._linked.add(workspace.key)
        texts: dict[int, bytes] = {}
        sessions: dict[int, str] = {}
        entries = [await self._entry(place, one, texts, sessions) for one in found]
        places = {page.decode(): bool(archived) for page, archived in moved}
        piece = Piece(entries, [page.decode() for page in forgotten], int(reached), places)
        return _Read(after, piece, texts, sessions, int(indexable), int(position))

    async def _entry(
        self, place: str, one: Sequence[Any], texts: dict[int, bytes], sessions: dict[int, str]
    ) -> Entry:
        entry, first, branch, *contents, again, archived = one
        line = line_of(entry)
        page, recorded_at = page_added(first or entry)
        sessions[int(branch)] = str(line.operation.session)
        for number, stored in zip(contents[::2], contents[1::2], strict=True):
            if number != b"-":
                with suppress(StoreError):  # damaged: its readers hear so, the index has no words
                    texts[int(number)] = await self.whole(place, int(number), stored)
        made_again: Any = line_of(again).operation if again else None
        return Entry(line, page, recorded_at, int(branch), made_again, bool(archived))

    async def whole(self, place: str, number: int, first: bytes) -> bytes:
        """The plain bytes of a content whose first chunk was read.

        Raises:
            StoreDamaged: they are not the bytes that were written.
        """
        further = [
            await self._link.script(self._read, place, "chunk", number, chunk)
            for chunk in range(1, chunks_of(first))
        ]
        return restored([first, *further], f"content {number} in {self._link.name}")
