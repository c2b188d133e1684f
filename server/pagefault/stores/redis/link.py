"""The way to the server: every request within its deadline, by a bounded number of connections.

A request that may be repeated is sent again, after a growing pause, while its deadline lasts.
Reads may always be; commits carry a token by which the server knows them again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from hashlib import sha1
from itertools import count
from typing import Any, cast

import anyio
from redis.asyncio import Connection, ConnectionPool, Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import NoScriptError, RedisError

from ...base import assets
from ...base.errors import StoreBusy, StoreUnavailable
from .address import Address
from .failures import explain, is_passing

_CONNECTIONS = 32  # of one process, to each node
_PAUSE, _LONGEST_PAUSE = 0.02, 0.5  # seconds before a request is sent again, growing
_TRIES = 2  # that a deadline has room for when the server swallows them

Client = Redis | RedisCluster
Argument = str | bytes | int | float


class Script:
    """A Lua script of ours: the names of the keys, then what it does with them."""

    def __init__(self, name: str, flags: str) -> None:
        heading = f"#!lua flags={flags}\n" if flags else "#!lua\n"
        body = assets.text("redis/keys.lua") + assets.text(f"redis/{name}.lua")
        self.text = heading + body
        self.sha = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


class Link:
    """Commands and scripts for one server or cluster. ``timeout``: seconds for one request."""

    def __init__(self, address: Address, timeout: float) -> None:
        self.name = address.name
        self.timeout = timeout
        self._client = _client(address, timeout / _TRIES)
        self._places = anyio.CapacityLimiter(_CONNECTIONS)
        self._closed = False

    async def script(self, script: Script, key: str, *arguments: Argument) -> Any:  # noqa: ANN401
        """What the script answers for the keys that begin with ``key``.

        Raises:
            StoreError: what the server did, within the deadline.
        """

        async def run() -> Any:  # noqa: ANN401 - as Redis answers
            try:
                return await self._client.execute_command("EVALSHA", script.sha, 1, key, *arguments)
            except NoScriptError:
                return await self._client.execute_command("EVAL", script.text, 1, key, *arguments)

        return await self._ask(run)

    async def confirmed(
        self, script: Script, key: str, arguments: Sequence[Argument], confirm: Sequence[Argument]
    ) -> tuple[Any, Any]:
        """What the script answers, and what ``confirm`` (WAIT, WAITAOF) says of its writes.

        Both go through one connection: a server confirms what came through the same.
        """

        async def run() -> tuple[Any, Any]:
            first, *rest = await self._together(
                key, [("EVALSHA", script.sha, 1, key, *arguments), tuple(confirm)]
            )
            if isinstance(first, NoScriptError):
                first, *rest = await self._together(
                    key, [("EVAL", script.text, 1, key, *arguments), tuple(confirm)]
                )
            if isinstance(first, Exception):
                raise first
            return first, rest[0]

        return cast("tuple[Any, Any]", await self._ask(run))

    async def command(self, *arguments: Argument) -> Any:  # noqa: ANN401 - as Redis answers
        """What a single command answers; it must be one that may be repeated.

        Raises:
            StoreError: what the server did, within the deadline.
        """
        return await self._ask(lambda: self._client.execute_command(*arguments))

    async def nodes(self) -> list[dict[str, Any]]:
        """What every primary says of itself (INFO), with its settings that matter to us."""
        if isinstance(self._client, Redis):
            return [await self._about(self._client.execute_command)]
        await self._ask(self._client.initialize)
        return [await self._about(node.execute_command) for node in self._client.get_primaries()]

    async def close(self) -> None:
        """Let go of every connection."""
        self._closed = True
        with suppress(RedisError, OSError):
            await self._client.aclose()

    async def _ask(self, run: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401
        if self._closed:
            message = f"{self.name} was closed. Start the server again."
            raise StoreUnavailable(message)
        last: BaseException | None = None
        with anyio.move_on_after(self.timeout):
            async with self._places:
                last = TimeoutError()
                for attempt in count():
                    try:
                        return await run()
                    except (RedisError, OSError) as error:
                        if not is_passing(error):
                            raise explain(error, self.name) from error
                        last = error
                    await anyio.sleep(_pause(attempt))
        if last is None:
            message = f"{self.name} has {_CONNECTIONS} requests under way already. Try again."
            raise StoreBusy(message)
        raise explain(last, self.name) from last

    async def _together(self, key: str, commands: Sequence[tuple[Argument, ...]]) -> list[Any]:
        """The answers, errors among them, of commands sent through one connection at once."""
        async with _Line(self._client, key) as connection:
            await connection.send_packed_command(connection.pack_commands(commands))
            return [await _answer(connection) for _ in commands]

    async def _about(self, ask: Callable[..., Awaitable[Any]]) -> dict[str, Any]:
        about: dict[str, Any] = dict(await self._ask(lambda: ask("INFO")))
        with suppress(StoreUnavailable):  # managed servers forbid it
            wanted = ("CONFIG", "GET", "maxmemory-policy")
            about |= _pairs(await self._ask(lambda: ask(*wanted)))
            about |= _pairs(await self._ask(lambda: ask("CONFIG", "GET", "appendfsync")))
        return about


class _Line:
    """One connection to the node that has ``key``, given back at the end."""

    def __init__(self, client: Client, key: str) -> None:
        self._client = client
        self._key = key

    async def __aenter__(self) -> Connection:
        self._from: ConnectionPool | ClusterNode
        self._connection: Connection
        if isinstance(self._client, Redis):
            pool: Any = self._client.connection_pool
            self._from, self._connection = pool, await pool.get_connection()
        else:
            await self._client.initialize()
            node = self._client.get_node_from_key(self._key)
            if node is None:
                message = f"no node of the cluster has {self._key}"
                raise StoreUnavailable(message)
            self._from, self._connection = node, node.acquire_connection()
            await cast("Any", self._connection).connect()
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        if isinstance(self._from, ConnectionPool):
            await self._from.release(self._connection)
        else:
            self._from.release(self._connection)


async def _answer(connection: Connection) -> Any:  # noqa: ANN401
    try:
        return await connection.read_response()
    except RedisError as error:
        if is_passing(error):
            raise
        return error


def _pairs(answer: Any) -> dict[str, str]:  # noqa: ANN401 - a list or a mapping, by version
    paired = answer if isinstance(answer, dict) else zip(answer[::2], answer[1::2], strict=True)
    return {_text(name): _text(value) for name, value in dict(paired).items()}


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _pause(attempt: int) -> float:
    if attempt == 0:
        return 0.0  # an idle connection that the server has closed is the usual cause
    backoff = ExponentialWithJitterBackoff(cap=_LONGEST_PAUSE, base=_PAUSE)
    return float(backoff.compute(attempt))


def _client(address: Address, patience: float) -> Client:
    """A client that connects when it is first used, and never tries again by itself."""
    common: dict[str, Any] = {
        "socket_timeout": patience,
        "socket_connect_timeout": patience,
        "max_connections": _CONNECTIONS,
        "protocol": 2,
        "driver_info": None,
    }
    if not address.nodes:
        return Redis.from_url(address.url, retry=Retry(NoBackoff(), 0), **common)
    nodes = [ClusterNode(host, port) for host, port in address.nodes]
    return RedisCluster(
        startup_nodes=nodes,
        retry=Retry(NoBackoff(), 0),
        **common,
        **address.options,
    )
