"""Which node has a key: of a single server that one, of a cluster what its slots say.

In a cluster, a node that does not answer holds up nobody who asks another: the slots as they are
known go on to be used, and whoever failed waits for the next reading of them, which asks all
nodes at once and takes the first answer. A key whose slot is just being moved is not asked for at
the other node, where the rest of its workspace may not have arrived: it is tried again later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, ReadOnlyError, RedisError

from .failures import is_passing
from .node import Node

_SLOTS = 16_384
_FRESH = 0.1  # seconds, in which slots are not read again because of a failure

Place = tuple[str, int]  # host and port


class Routes(Protocol):
    """What there is to know about where to send a request."""

    async def find(self, key: str, *, again: bool) -> Node:
        """The node that has the key; ``again``: another try, after what `learn` was told."""
        ...

    async def learn(self, error: Exception, *, again: bool) -> bool:
        """Take note of a failure; whether the request is worth another try."""
        ...

    async def primaries(self) -> list[Node]:
        """Every node that takes writes."""
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...


class Single:
    """One server."""

    def __init__(self, server: Node) -> None:
        self._server = server

    async def find(self, key: str, *, again: bool) -> Node:  # noqa: ARG002
        """The server."""
        return self._server

    async def learn(self, error: Exception, *, again: bool) -> bool:
        """A primary that has become a replica may have handed its name to another server."""
        if isinstance(error, ReadOnlyError) and not again:
            await self._server.reconnect()
            return True
        return is_passing(error)

    async def primaries(self) -> list[Node]:
        """The server."""
        return [self._server]

    async def close(self) -> None:
        """Let go of every connection."""
        await self._server.close()


class Cluster:
    """Nodes that share the slots. ``patience``: seconds for reading who has which."""

    def __init__(
        self, seeds: Sequence[Place], make: Callable[[Place], Node], patience: float
    ) -> None:
        self._make = make
        self._patience = patience
        self._nodes = {seed: make(seed) for seed in seeds}
        self._slots: list[Place | None] = []
        self._stale = False
        self._read_at = 0.0
        self._reading: asyncio.Task[None] | None = None

    async def find(self, key: str, *, again: bool) -> Node:
        """The node that has the key's slot.

        Raises:
            ClusterDownError: no node has.
        """
        if not self._slots or (again and self._stale and self._age() > _FRESH):
            await asyncio.shield(self._read())
        place = self._slots[key_slot(key.encode())]
        if place is None:
            self._stale = True
            message = "Hash slot not served"
            raise ClusterDownError(message, status_code="CLUSTERDOWN")
        return self._at(place)

    async def learn(self, error: Exception, *, again: bool) -> bool:  # noqa: ARG002
        """A slot is elsewhere, or a node is gone."""
        if isinstance(error, MovedError):
            if self._slots and error.host:
                self._slots[error.slot_id] = (error.host, error.port)
            self._read()
            return True
        self._stale = self._stale or is_passing(error)
        return is_passing(error) or isinstance(error, AskError)

    async def primaries(self) -> list[Node]:
        """Every node that has slots."""
        await asyncio.shield(self._read())
        return [self._at(place) for place in dict.fromkeys(self._slots) if place is not None]

    async def close(self) -> None:
        """Let go of every connection."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait((self._reading,))
        for node in self._nodes.values():
            await node.close()

    def _age(self) -> float:
        return asyncio.get_running_loop().time() - self._read_at

    def _at(self, place: Place) -> Node:
        if place not in self._nodes:
            self._nodes[place] = self._make(place)
        return self._nodes[place]

    def _read(self) -> asyncio.Task[None]:
        """The reading of the slots that is under way, or a new one."""
        if self._reading is None:
            self._stale, self._read_at = False, asyncio.get_running_loop().time()
            self._reading = asyncio.get_running_loop().create_task(self._ask_all())
            self._reading.add_done_callback(self._was_read)
        return self._reading

    def _was_read(self, reading: asyncio.Task[None]) -> None:
        self._reading = None
        if not reading.cancelled() and reading.exception() is not None:
            self._stale = True

    async def _ask_all(self) -> None:
        """Take the slots as the first node that answers has them; else raise what one said."""
        asked = [asyncio.ensure_future(_slots_as_told_by(node)) for node in self._nodes.values()]
        failure: Exception = TimeoutError()
        try:
            async with asyncio.timeout(self._patience):
                for answer in asyncio.as_completed(asked):
                    try:
                        self._slots = await answer
                    except (RedisError, OSError) as error:
                        failure = error if is_passing(failure) else failure
                    else:
                        return
        except TimeoutError:
            pass
        finally:
            for one in asked:
                one.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        raise failure


async def _slots_as_told_by(node: Node) -> list[Place | None]:
    async with node.places, node.line() as line:
        rows: Sequence[Sequence[Any]] = await line.ask("CLUSTER", "SLOTS")
    slots: list[Place | None] = [None] * _SLOTS
    for first, last, (host, port, *_), *_ in rows:
        named = (host or b"").decode()
        place = (node.host if named in ("", "?") else named, int(port))
        slots[int(first) : int(last) + 1] = [place] * (int(last) - int(first) + 1)
    return slots
