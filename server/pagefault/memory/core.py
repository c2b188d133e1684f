"""What every verb stands on: the open store, the sessions in use, texts, and writing behind."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import TracebackType
from typing import Self

import anyio
import anyio.abc

from ..base.clock import Clock, Ids
from ..base.config import Settings
from ..base.errors import StoreDamaged, StoreUnavailable
from ..base.log import Operation, TurnBegan
from ..base.page import Page
from ..base.tokens import Tokenizer
from ..paging.eviction import Policy
from ..paging.habits import Habits
from ..paging.lately import Lately
from ..paging.levels import COMPRESSORS, Compressor
from ..paging.turns import overdue
from ..residency import Residency, Rules, release_idle
from ..stores.contract import Applied, Commit, Conflict, Session, Store, Workspace
from .counts import Counts
from .packs import Packs

_SEATS = 256  # sessions whose working set this process keeps at hand
_TEXTS = 32 * 2**20  # characters of content kept decoded
_COUNTS = 8_192  # texts of which a tokenizer's count is remembered
_BEHIND = 0.05  # seconds from a reply to the writing of what it changed


@dataclass(frozen=True, slots=True)
class Tools:
    """What is injected: the outside world, and the plug points."""

    clock: Clock
    ids: Ids
    open_store: Callable[[], Store]
    open_tokenizer: Callable[[str], Tokenizer]
    policy: Policy
    compressors: Sequence[Compressor] = COMPRESSORS


class Memory:
    """Use as an async context manager; the store opens in the background, or at `ready`."""

    def __init__(self, settings: Settings, tools: Tools) -> None:
        self.settings = settings
        self.tools = tools
        self.lately: dict[int, Lately] = {}  # by workspace; `following.follow` keeps up
        self.packs = Packs()
        self.forgets = 0  # how often pages were deleted for good, for those who keep their words
        self.counts: defaultdict[str, Counts] = defaultdict(Counts)  # by principal
        self._habits: defaultdict[int, Habits] = defaultdict(Habits)  # by workspace
        self._store: Store | None = None
        self._opening = anyio.Lock()
        self._seats: OrderedDict[tuple[int, str], Residency] = OrderedDict()
        self._texts: OrderedDict[tuple[int, int], str] = OrderedDict()
        self._text_size = 0
        self._tokenizers: dict[str, Tokenizer] = {}
        self._counters: dict[str, Callable[[str], int]] = {}
        self._scheduled: set[tuple[int, str]] = set()
        self._tasks: anyio.abc.TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with anyio.CancelScope(shield=True):
            await self.close()
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()
            await self._tasks.__aexit__(None, None, None)  # else it would wrap the body's error

    @property
    def store(self) -> Store:
        """The open store.

        Raises:
            StoreUnavailable: `ready` has not been awaited.
        """
        if self._store is None:
            message = "the store is not open yet. Try again."
            raise StoreUnavailable(message)
        return self._store

    def now(self) -> float:
        """Unix seconds by the injected clock."""
        return self.tools.clock.now()

    async def ready(self) -> None:
        """Open the store if it is not open; a failure is tried again at the next call.

        Raises:
            StoreError: what is wrong with it, and what to do.
        """
        if self._store is None:
            async with self._opening:
                if self._store is None:
                    self._store = await anyio.to_thread.run_sync(self.tools.open_store)

    async def tokenizer(self, workspace: Workspace) -> Tokenizer:
        """The workspace's tokenizer, opened once, beside the loop."""
        name = workspace.tokenizer
        if name not in self._tokenizers:
            self._tokenizers[name] = await anyio.to_thread.run_sync(self.tools.open_tokenizer, name)
        return self._tokenizers[name]

    async def counter(self, workspace: Workspace) -> Callable[[str], int]:
        """Counts by the workspace's tokenizer; what is counted often is remembered."""
        tokenizer = await self.tokenizer(workspace)
        if workspace.tokenizer not in self._counters:
            self._counters[workspace.tokenizer] = lru_cache(_COUNTS)(tokenizer.count)
        return self._counters[workspace.tokenizer]

    async def seat(self, workspace: Workspace, session: str, *, whole: bool = True) -> Residency:
        """The session's working set, as fresh as the store; the session need not exist yet.

        ``whole`` False takes it as it is at hand, which is enough for a call that only adds to
        the session: its commit tells what others have made of it, and its mapping is planned
        anew when it is written behind.
        """
        key = (workspace.key, session)
        seat = self._seats.get(key)
        if seat is None:
            row = await self.store.session(workspace, session)
            row = row or Session(session, 0, self.now(), self.now())
            reuse = self._habits[workspace.key].reuse(session)
            seat = await Residency.read(self.store, workspace, row, self._rules(), reuse)
            seat = self._seats.setdefault(key, seat)
            await self._make_room()
        elif whole:
            await seat.refresh()
        self._seats.move_to_end(key)
        return seat

    def seated(self, workspace: Workspace, session: str) -> bool:
        """Whether this process has the session at hand."""
        return (workspace.key, session) in self._seats

    def begin_call(self, seat: Residency, *, own_turn: bool = False) -> None:
        """Count a call of the session; begin a turn when one is due and it begins none itself."""
        now = self.now()
        cause = overdue(now, seat.last_reply, seat.calls, seat.row.turn_cause)
        if cause is not None and not own_turn and seat.row.revision + seat.row.messages > 0:
            seat.decide(lambda s: begin_turn(s, cause))
        seat.calls += 1
        seat.last_reply = now

    async def text(self, workspace: Workspace, content: int) -> str:
        """The text of a content id.

        Raises:
            StoreDamaged: the stored bytes are not what was written.
        """
        key = (workspace.key, content)
        text = self._texts.get(key)
        if text is None:
            text = (await self.store.content(workspace, content)).decode()
            self._texts[key] = text
            self._text_size += len(text)
            while self._text_size > _TEXTS:
                self._text_size -= len(self._texts.popitem(last=False)[1])
        else:
            self._texts.move_to_end(key)
        return text

    async def payload(self, workspace: Workspace, content: int) -> str | None:
        """What belongs to an event beside its page; None when it was forgotten with the page."""
        try:
            return await self.text(workspace, content)
        except StoreDamaged:
            return None

    async def hint(self, workspace: Workspace, page: Page) -> str | None:
        """The hint that the page's writer gave, if any."""
        return None if page.hint is None else await self.text(workspace, page.hint)

    def drop(self, workspace: Workspace, page_ids: tuple[str, ...]) -> None:
        """Forget pages in this process: all decoded texts, and their place in working sets."""
        self.forgets += 1
        self._texts.clear()
        self._text_size = 0
        self._counters.clear()
        self.packs.clear()
        for (key, _), seat in self._seats.items():
            if key == workspace.key:
                for page_id in page_ids:
                    seat.set.forget(page_id)

    async def apply(self, commit: Commit, behind: Residency | None = None) -> Applied:
        """Write a commit that depends on nothing that could change.

        ``behind``: the session whose decisions taken so far come before it in the log.

        Raises:
            StoreUnavailable: the store refused it all the same, which would be a fault of ours.
        """
        write = self.store.apply if behind is None else behind.append
        answer = await write(commit)
        if isinstance(answer, Conflict):
            message = f"the write met a conflict over {answer.subject}. Try again."
            raise StoreUnavailable(message)
        return answer

    def behind(self, key: tuple[int, str], work: Callable[[], Awaitable[None]]) -> None:
        """Have something done for a session soon after the reply; once, however often it is asked.

        ``key``: of the workspace, and the session's handle.
        """
        if self._tasks is not None and key not in self._scheduled:
            self._scheduled.add(key)
            self._tasks.start_soon(self._soon, key, work)

    async def flush(self) -> None:
        """Write every decision taken so far."""
        for seat in list(self._seats.values()):
            await seat.flush(self.now())

    async def close(self) -> None:
        """Write what is left and close the store."""
        if self._store is not None:
            try:
                await self.flush()
            finally:
                await self._store.close()
                self._store = None

    async def _soon(self, key: tuple[int, str], work: Callable[[], Awaitable[None]]) -> None:
        await anyio.sleep(_BEHIND)
        self._scheduled.discard(key)
        await work()

    async def _make_room(self) -> None:
        while len(self._seats) > _SEATS:
            _, seat = self._seats.popitem(last=False)
            await seat.flush(self.now())

    def _rules(self) -> Rules:
        return Rules(
            self.settings.budget_tokens,
            self.tools.policy,
            self.settings.protect_turns,
            self.settings.refault_damping_turns,
        )


def begin_turn(seat: Residency, cause: str) -> list[Operation]:
    """Begin a turn that no recorded message begins; what to log."""
    seat.begin_turn(seat.turn + 1)
    seat.row = replace(seat.row, turn=seat.turn, turn_cause=cause)
    return [TurnBegan(session=seat.row.id, cause=cause), *release_idle(seat)]
