"""Serves one client over stdin and stdout, in place of the SDK's own stdio transport.

That one leaves unreadable lines unanswered, takes lines of any length, dies of an unpaired
surrogate in a result, and binds a client whose first request is `server/discover` to one era.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import anyio
from mcp.server.runner import serve_dual_era_loop
from mcp_types import JSONRPCRequest

from .claim import claimed_stdio
from .lifetime import Lifetime
from .pipes import Outlet, Source
from .streams import Inbound, Outbound, Single, Unanswered

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server
    from mcp.server.mcpserver import MCPServer
    from mcp.shared.message import SessionMessage
    from mcp_types import JSONRPCMessage

FRAME_LIMIT: Final = 8 * 2**20
"""Bytes of one line; a longer one is scanned, not kept, and refused."""

_ANSWERS_WITHIN = 0.5  # seconds that calls in flight have to finish once the end has begun
_UNWINDS_WITHIN = 0.1  # seconds that those which are then cut off have to leave


async def serve_stdio(server: MCPServer[Any], *, frame_limit: int = FRAME_LIMIT) -> None:
    """Serve until stdin closes, a stop signal comes or the parent vanishes; then end in time.

    Calls in flight have half a second to finish, then the server's lifespan is left. What hangs
    beyond that is ended with the process, with exit code 0. Needs asyncio. `frame_limit` in bytes.
    """
    low = server._lowlevel_server  # the only way in mcp 2.3 to serve streams of one's own
    with claimed_stdio() as (incoming, outgoing):
        link = _Link(incoming, outgoing, frame_limit)
        with link.lifetime:
            async with anyio.create_task_group() as tasks:
                async with low.lifespan(low) as state:
                    tasks.start_soon(link.converse, low, state)
                    tasks.start_soon(link.give_up)
                    await link.over.wait()
                tasks.cancel_scope.cancel()
            await link.flush()
    if link.failure is not None:
        raise link.failure


class _Link:
    """One client, from its first byte to the end."""

    def __init__(self, incoming: int, outgoing: int, frame_limit: int) -> None:
        self.over = anyio.Event()
        self.failure: Exception | None = None
        self.lifetime = Lifetime(self._end)
        self._ending = anyio.Event()
        self._last_read_at = math.inf  # in the event loop's time
        self._unanswered = Unanswered()
        self._source = Source(incoming, self.lifetime.end)
        self._outlet = Outlet(outgoing, self.lifetime.end)
        self._inbound = Inbound(self._source, self._outlet, self._unanswered, frame_limit)
        self._outbound = Outbound(self._outlet, self._unanswered)

    async def converse(self, low: Server[Any], state: object) -> None:
        """Serve every message; the first request that is no discovery decides the era."""
        self._source.start()
        try:
            while discovery := await self._discovery():
                alone = Single(discovery, self._unanswered)
                await serve_dual_era_loop(low, alone, self._outbound, lifespan_state=state)
            await serve_dual_era_loop(low, self._inbound, self._outbound, lifespan_state=state)
        except Exception as failure:  # kept until the lifespan is left: it may have lines to write
            self.failure = failure
            self._end()
        self.over.set()

    async def give_up(self) -> None:
        """Once the end has begun cut calls off after a while, and leave those that stay behind."""
        await self._ending.wait()
        await anyio.sleep(_ANSWERS_WITHIN)
        self._unanswered.give_up()
        self._outlet.lift_limit()
        await anyio.sleep(_UNWINDS_WITHIN)
        self.over.set()

    async def flush(self) -> None:
        """Let the client read the last bytes, as long as calls would have been given."""
        with anyio.CancelScope(deadline=self._last_read_at):
            await self._outlet.emptied()

    async def _discovery(self) -> SessionMessage | None:
        """The next request if it is a `server/discover` before anything else."""
        item = await self._inbound.first_request()
        if item is None or not _is_discovery(item.message):
            return None
        self._inbound.take_out(item)
        return item

    def _end(self) -> None:
        self._source.end()
        self._ending.set()
        self._last_read_at = anyio.current_time() + _ANSWERS_WITHIN + _UNWINDS_WITHIN


def _is_discovery(message: JSONRPCMessage) -> bool:
    return isinstance(message, JSONRPCRequest) and message.method == "server/discover"
