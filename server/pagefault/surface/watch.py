"""Change notifications, in both protocol eras: who wants to hear of what, and what has changed.

Changes are read from the log, so that what another process wrote is told as well. A listener
hears only of workspaces of its own principal.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import anyio
from mcp.server.connection import Connection
from mcp.server.subscriptions import InMemorySubscriptionBus
from mcp.shared.subscriptions import ResourceUpdated, ServerEvent

from ..base.errors import LimitExceeded, StoreError
from ..base.log import LogLine
from ..memory import Memory
from ..stores.contract import Workspace

_EVERY = 0.25  # seconds between looks while somebody listens
_LINES = 500  # log lines of one look
_TOPICS = 10_000  # subscriptions of one server
_PATIENCE = 5.0  # seconds for a client to take a notification before it is dropped
_KNOWN = "pagefault.listens"  # in a connection's state: its end is looked after

log = logging.getLogger("pagefault")

Tell = Callable[[], Awaitable[None]]
Leave = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Topic:
    """A resource as the log knows it, the URI that somebody calls it by, and the log position
    after which changes are news."""

    workspace: Workspace
    path: str
    uri: str
    since: int


class Watch:
    """Who listens to which resources, and the loop that tells them."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.bus = InMemorySubscriptionBus()
        """Carries what concerns every listener: that a list has changed."""
        self._tells: dict[tuple[int, str], dict[tuple[object, str], Tell]] = {}
        self._seen: dict[int, tuple[Workspace, int]] = {}
        self._wake = anyio.Event()

    @property
    def listeners(self) -> int:
        """How many resources are listened to, each counted for every listener."""
        return sum(map(len, self._tells.values()))

    async def topic(self, workspace: Workspace, path: str, uri: str) -> Topic:
        """A resource as it is now.

        Raises:
            LimitExceeded: too many are listened to already.
        """
        if self.listeners >= _TOPICS:
            message = f"{_TOPICS:,} resources are listened to. End some of the subscriptions"
            raise LimitExceeded(message)
        if workspace.key in self._seen:
            return Topic(workspace, path, uri, self._seen[workspace.key][1])
        position = (await self.memory.store.totals(workspace))["lines"]
        return Topic(workspace, path, uri, position)

    def add(self, listener: object, topic: Topic, tell: Tell) -> None:
        """Tell a listener when the topic changes; once, however often it asks."""
        workspace = topic.workspace
        self._seen.setdefault(workspace.key, (workspace, topic.since))
        self._tells.setdefault((workspace.key, topic.path), {})[listener, topic.uri] = tell
        self._wake.set()

    def subscribe(self, connection: Connection, topic: Topic) -> None:
        """A client before 2026-07-28 asks; it is forgotten when its connection ends."""
        params = {"uri": topic.uri}

        async def tell() -> None:
            await connection.notify("notifications/resources/updated", params)

        self.add(connection, topic, tell)
        if not connection.state.get(_KNOWN):
            connection.state[_KNOWN] = True
            connection.exit_stack.callback(self.remove, connection)

    def remove(self, listener: object, uri: str | None = None) -> None:
        """Tell the listener no more: of one URI, or of any."""
        for key, tells in list(self._tells.items()):
            for known, named in list(tells):
                if known is listener and uri in (None, named):
                    del tells[known, named]
            if not tells:
                del self._tells[key]
        wanted = {workspace for workspace, _ in self._tells}
        self._seen = {key: seen for key, seen in self._seen.items() if key in wanted}

    async def run(self) -> None:
        """Look for changes while somebody listens; ends when it is cancelled."""
        try:
            while True:
                await self._look_again()
        except Exception:  # the server goes on without notifications rather than end for them
            log.exception("change notifications have ended")

    async def _look_again(self) -> None:
        if not self._tells:
            self._wake = anyio.Event()
            await self._wake.wait()
        await anyio.sleep(_EVERY)
        try:
            await self.look()
        except StoreError:
            return  # the store is away: the next look finds what was missed

    async def look(self) -> None:
        """Tell what has been written since the last look."""
        for key, (workspace, position) in list(self._seen.items()):
            lines = await self.memory.store.log(workspace, position, _LINES)
            if lines and key in self._seen:
                self._seen[key] = (workspace, lines[-1].position)
            for path in dict.fromkeys(path for line in lines for path in changed(line)):
                for (listener, _), tell in list(self._tells.get((key, path), {}).items()):
                    await self._tell(listener, tell)

    async def _tell(self, listener: object, tell: Tell) -> None:
        with anyio.move_on_after(_PATIENCE) as patience:
            await tell()
        if patience.cancelled_caught:
            self.remove(listener)


class Listening:
    """The bus of one ``subscriptions/listen`` stream (2026-07-28): its topics, and the lists."""

    def __init__(self, watch: Watch, topics: Iterable[Topic]) -> None:
        self._watch = watch
        self._topics = tuple(topics)

    async def publish(self, event: ServerEvent) -> None:
        """Tell every listener there is."""
        await self._watch.bus.publish(event)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Leave:
        """Hear of the topics until the returned function is called."""
        leave = self._watch.bus.subscribe(listener)
        for topic in self._topics:
            self._watch.add(self, topic, _deliver(listener, topic.uri))

        def unsubscribe() -> None:
            leave()
            self._watch.remove(self)

        return unsubscribe


def changed(line: LogLine) -> Iterator[str]:
    """The paths of the resources that a log line changes."""
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
            yield f"{base}/messages"


def _deliver(listener: Callable[[ServerEvent], None], uri: str) -> Tell:
    async def tell() -> None:
        listener(ResourceUpdated(uri=uri))

    return tell
