"""One server process: its connections, of which there are at most so many, and talk over one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import anyio
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from .failures import is_answer

CONNECTIONS = 32  # of one process, to each node

Argument = str | bytes | int | float


class Line:
    """One connection, on which one request after the other is answered.

    ``waits``: a request was sent, and its answer has not come.
    """

    def __init__(self, connection: AbstractConnection, patience: float) -> None:
        self._connection = connection
        self._patience = patience
        self.waits = False

    async def ask(self, *arguments: Argument, patient: bool = False) -> Any:  # noqa: ANN401
        """What the server answers; ``patient``: for as long as the caller's own deadline."""
        packed = self._connection.pack_command(*arguments)
        self.waits = True
        try:
            with anyio.fail_after(None if patient else self._patience):
                await self._connection.send_packed_command(packed)
                answer = await self._connection.read_response()
        except RedisError as error:
            self.waits = not is_answer(error)
            raise
        self.waits = False
        return answer


class Node:
    """A server at a host and port, or at a socket. ``patience``: seconds for one answer.

    It connects when it is first asked, and never tries again by itself. ``places`` are to be
    taken before a line is: whoever finds none waits there.
    """

    def __init__(self, options: Mapping[str, Any], patience: float) -> None:
        self.host = str(options.get("host", ""))
        self.name = f"{self.host}:{options['port']}" if self.host else "the socket"
        self._client = Redis(
            **options,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=None,  # else it sends with asyncio.wait_for, which may swallow
            socket_connect_timeout=patience,  # a cancellation: we count the time ourselves
            max_connections=CONNECTIONS,
            protocol=2,
            driver_info=None,
        )
        self._patience = patience
        self.places = anyio.CapacityLimiter(CONNECTIONS)

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        """A connection of one's own. One whose answer is still to come is not used again."""
        pool: Any = self._client.connection_pool
        with anyio.fail_after(self._patience):  # connects, and says who we are
            connection: AbstractConnection = await pool.get_connection()
        line = Line(connection, self._patience)
        try:
            yield line
        finally:
            with anyio.CancelScope(shield=True):  # nothing in here waits for the network
                if line.waits:
                    await connection.disconnect(nowait=True)
                await pool.release(connection)

    def read_info(self, answer: bytes) -> dict[str, Any]:
        """What INFO answers, by name."""
        return dict(cast("Any", self._client).response_callbacks["INFO"](answer))

    async def reconnect(self) -> None:
        """Let go of the connections that nobody uses: the name may lead elsewhere by now."""
        with suppress(RedisError, OSError):
            await self._client.connection_pool.disconnect(inuse_connections=False)

    async def close(self) -> None:
        """Let go of every connection."""
        with suppress(RedisError, OSError):
            await self._client.aclose()
