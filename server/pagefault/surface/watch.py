"""Change notifications, in both protocol eras: who listens to what, and what has changed.

Changes are read from the log, so that what another process wrote is told as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import anyio
from mcp.server.session import ServerSession
from mcp.server.subscriptions import InMemorySubscriptionBus
from mcp.shared.subscriptions import ResourceUpdated, ServerEvent

from ..base.errors import StoreError
from ..base.log import LogLine
from ..memory import Memory
from ..stores.contract import Workspace

_EVERY = 0.25  # seconds between looks while somebody listens
_LINES = 500  # log lines of one look


class Watch(InMemorySubscriptionBus):
    """The bus of 2026-07-28 listeners, and the subscriptions of earlier clients."""

    def __init__(self, memory: Memory) -> None:
        super().__init__()
        self.memory = memory
        self._sessions: dict[str, set[ServerSession]] = {}
        self._listening = 0
        self._seen: dict[int, tuple[Workspace, int]] = {}
        self._wake = anyio.Event()

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """A listen stream opened; it is counted until it closes."""
        leave = super().subscribe(listener)
        self._listening += 1
        self._wake.set()
        left = False

        def unsubscribe() -> None:
            nonlocal left
            if not left:
                left = True
                self._listening -= 1
            leave()

        return unsubscribe

    def add(self, uri: str, session: ServerSession) -> None:
        """An earlier client subscribes to a resource."""
        self._sessions.setdefault(uri, set()).add(session)
        self._wake.set()

    def remove(self, uri: str, session: ServerSession) -> None:
        """It does so no longer."""
        self._sessions.get(uri, set()).discard(session)
        if not self._sessions.get(uri):
            self._sessions.pop(uri, None)

    async def follow(self, workspace: Workspace) -> None:
        """Report what happens in the workspace from here on."""
        if workspace.key not in self._seen:
            position = (await self.memory.store.totals(workspace))["lines"]
            self._seen[workspace.key] = (workspace, position)

    async def run(self) -> None:
        """Look for changes while somebody listens; ends when it is cancelled."""
        while True:
            if not self._listening and not self._sessions:
                self._wake = anyio.Event()
                await self._wake.wait()
            await anyio.sleep(_EVERY)
            try:
                await self.look()
            except StoreError:
                continue  # the store is away: the next look finds what was missed

    async def look(self) -> None:
        """Report what has been written since the last look."""
        for key, (workspace, position) in list(self._seen.items()):
            lines = await self.memory.store.log(workspace, position, _LINES)
            if not lines:
                continue
            self._seen[key] = (workspace, lines[-1].position)
            for uri in changed(workspace.id, lines):
                await self._tell(uri)

    async def _tell(self, uri: str) -> None:
        await self.publish(ResourceUpdated(uri=uri))
        for session in list(self._sessions.get(uri, ())):
            try:
                await session.send_resource_updated(uri)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                self.remove(uri, session)


def changed(workspace: str, lines: Iterable[LogLine]) -> list[str]:
    """The resources that the lines changed, each in its long and its short form."""
    paths = dict.fromkeys(path for line in lines for path in _paths(line))
    return [f"memory://{start}{path}" for path in paths for start in (f"{workspace}/", "")]


def _paths(line: LogLine) -> Iterator[str]:
    operation: Any = line.operation
    page_id = getattr(operation, "page_id", None)
    if operation.durable and page_id is not None:
        yield f"pages/{page_id}"
        yield f"pages/{page_id}/history"
    if operation.kind == "session":
        yield "sessions"
    if operation.session is not None:
        base = f"sessions/{operation.session}"
        yield base
        yield f"{base}/log"
        if operation.kind == "event":
            yield f"{base}/events"
        if operation.kind not in ("event", "session"):
            yield f"{base}/manifest"
            yield f"{base}/context"
