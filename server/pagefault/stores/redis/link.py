"""The way to the server: every request within its deadline, by a bounded number of connections.

A request that may be repeated is sent again, after a growing pause, while its deadline lasts.
Reads may always be; commits carry a token by which the server knows them again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha1
from itertools import count
from typing import Any, cast

import anyio
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from ...base import assets
from ...base.errors import StoreBusy, StoreError, StoreUnavailable
from .address import Address
from .failures import Unanswered, explain
from .node import CONNECTIONS, Argument, Line, Node
from .routes import Cluster, Place, Routes, Single

_PAUSE, _LONGEST_PAUSE = 0.05, 0.5  # seconds before a request is sent again, growing
_TRIES = 2  # that a deadline has room for when the server swallows them
_SETTINGS = ("appendfsync", "save", "min-replicas-to-write")  # what INFO does not tell
_MARGIN = 0.1  # of the deadline, for what comes after a confirmation

Talk = Callable[[Line], Awaitable[Any]]
Find = Callable[[bool], Awaitable[Node]]


class Script:
    """A Lua script of ours, made of files that lie together in resources/redis."""

    def __init__(self, *parts: str, flags: str = "") -> None:
        heading = f"#!lua flags={flags}\n" if flags else "#!lua\n"
        self.text = heading + "".join(assets.text(f"redis/{part}.lua") for part in parts)
        self.sha = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Said:
    """What a primary says of itself; None for what it does not let us ask.

    ``failure``: why it says nothing at all. ``round_trip``: seconds of a PING. ``info``, ``config``
    and ``cluster``: what INFO, CONFIG GET of `_SETTINGS`, and CLUSTER INFO say.
    """

    name: str
    failure: str | None = None
    round_trip: float = 0.0
    info: Mapping[str, Any] | None = None
    config: Mapping[str, str] | None = None
    cluster: Mapping[str, Any] | None = None


@dataclass(slots=True)
class _Course:
    """How a request has gone. ``crowded``: it waits until another one has ended. ``lost``: it
    was sent at least once, and nobody knows what came of it, which matters if it ``writes``."""

    writes: bool
    error: Exception = field(default_factory=TimeoutError)
    crowded: bool = False
    lost: bool = False


class Link:
    """Commands and scripts for one server or cluster. ``timeout``: seconds for one request."""

    def __init__(self, address: Address, timeout: float) -> None:
        self.name = address.name
        self.timeout = timeout
        self._routes = _routes(address, timeout / _TRIES)
        self._under_way: set[anyio.CancelScope] = set()
        self._closed = False

    async def script(self, script: Script, key: str, *arguments: Argument) -> Any:  # noqa: ANN401
        """What the script answers for the keys that begin with ``key``.

        Raises:
            StoreError: what the server did, within the deadline.
        """
        return await self._ask(self._to(key), partial(_run, script, key, arguments))

    async def write(
        self,
        script: Script,
        key: str,
        arguments: Sequence[Argument],
        confirm: Sequence[Argument] = (),
        within: float = 0.0,
    ) -> tuple[Any, Any]:
        """What the script answers, and what ``confirm`` (WAIT, WAITAOF) says of its writes.

        Both go through one connection: a server confirms what came through the same. The second
        is None where nothing is to be confirmed, and an exception where no confirmation came
        ``within`` so many seconds: the first stands.

        Raises:
            Unanswered: the server may have run the script.
            StoreError: it has not.
        """

        async def talk(line: Line) -> tuple[Any, Any]:
            answer = await _run(script, key, arguments, line)
            if not confirm:
                return answer, None
            left = anyio.current_effective_deadline() - anyio.current_time()
            return answer, await _confirmation(line, confirm, within, left - _MARGIN * self.timeout)

        return cast("tuple[Any, Any]", await self._ask(self._to(key), talk, writes=True))

    async def command(self, *arguments: Argument) -> Any:  # noqa: ANN401 - as Redis answers
        """What a single command answers, whose first argument is its key.

        It must be one that may be repeated.

        Raises:
            StoreError: what the server did, within the deadline.
        """
        return await self._ask(self._to(str(arguments[1])), lambda line: line.ask(*arguments))

    async def nodes(self) -> list[Said]:
        """What every primary says of itself, all asked at once.

        Raises:
            StoreError: a cluster does not even say which primaries it has.
        """
        return await asyncio.gather(*[self._about(node) for node in await self._primaries()])

    async def close(self) -> None:
        """Let go of every connection; what is under way fails."""
        self._closed = True
        for scope in list(self._under_way):
            scope.cancel()
        await self._routes.close()

    def _to(self, key: str) -> Find:
        return lambda again: self._routes.find(key, again=again)

    async def _ask(self, find: Find, talk: Talk, *, writes: bool = False) -> Any:  # noqa: ANN401
        course = _Course(writes)
        if self._closed:
            raise self._failure(course)
        with anyio.move_on_after(self.timeout) as scope:
            self._under_way.add(scope)
            try:
                return await self._persist(find, talk, course)
            finally:
                self._under_way.discard(scope)
        raise self._failure(course)

    async def _persist(self, find: Find, talk: Talk, course: _Course) -> Any:  # noqa: ANN401
        for attempt in count():
            again = attempt > 0
            try:
                return await self._try(await find(again), talk, course)
            except (RedisError, OSError) as error:
                course.error = error
                if not await self._routes.learn(error, again=again):
                    raise self._failure(course) from error
            await anyio.sleep(_pause(attempt))
        raise AssertionError  # the counting never ends

    async def _try(self, node: Node, talk: Talk, course: _Course) -> Any:  # noqa: ANN401
        course.crowded = node.places.available_tokens < 1
        async with node.places:
            course.crowded = False
            async with node.line() as line:
                try:
                    return await talk(line)
                finally:
                    course.lost = course.lost or line.waits

    def _failure(self, course: _Course) -> StoreError:
        if self._closed:
            failure: StoreError = StoreUnavailable(
                f"{self.name} was closed. Start the server again."
            )
        elif course.crowded:
            failure = StoreBusy(
                f"{self.name} has {CONNECTIONS} requests under way already. Try again."
            )
        else:
            failure = explain(course.error, self.name)
        return Unanswered(failure.message) if course.writes and course.lost else failure

    async def _primaries(self) -> list[Node]:
        try:
            with anyio.fail_after(self.timeout):
                return await self._routes.primaries()
        except (RedisError, OSError) as error:
            raise explain(error, self.name) from error

    async def _about(self, node: Node) -> Said:
        async def find(_: bool) -> Node:
            return node

        async def told(*arguments: Argument) -> Any:  # noqa: ANN401 - None where it is forbidden
            try:
                return await self._ask(find, lambda line: line.ask(*arguments))
            except StoreError as error:
                if isinstance(error.__cause__, ResponseError):
                    return None
                raise

        try:
            await told("PING")  # the first one has to connect
            begun = anyio.current_time()
            await told("PING")
            took = anyio.current_time() - begun
            info = await told("INFO")
            config = [await told("CONFIG", "GET", setting) for setting in _SETTINGS]
            cluster = await told("CLUSTER", "INFO")
        except StoreError as error:
            return Said(node.name, failure=error.message)
        return Said(
            node.name,
            round_trip=took,
            info=None if info is None else node.read_info(info),
            config=_settings(config),
            cluster=None if cluster is None else node.read_info(cluster),
        )


async def _run(script: Script, key: str, arguments: Sequence[Argument], line: Line) -> Any:  # noqa: ANN401
    try:
        return await line.ask("EVALSHA", script.sha, 1, key, *arguments)
    except NoScriptError:
        return await line.ask("EVAL", script.text, 1, key, *arguments)


async def _confirmation(
    line: Line, confirm: Sequence[Argument], within: float, patience: float
) -> Any:  # noqa: ANN401
    """What the server says of the line's writes; an exception when it says nothing in time.

    A server ends its waiting up to a tenth of a second late, so ``patience`` is to be longer.
    """
    milliseconds = max(1, round(min(within, patience / 2) * 1000))  # 0 would be for ever
    with anyio.move_on_after(patience):
        try:
            return await line.ask(*confirm, milliseconds, patient=True)
        except (RedisError, OSError) as error:
            return error
    return TimeoutError()


def _settings(answers: Sequence[Sequence[bytes] | None]) -> dict[str, str] | None:
    """Names and values from answers to CONFIG GET, each a list of both in turn."""
    words = [word.decode() for answer in answers for word in answer or ()]
    return None if None in answers else dict(zip(words[::2], words[1::2], strict=True))


def _pause(attempt: int) -> float:
    if attempt == 0:
        return 0.0  # an idle connection that the server has closed is the usual cause
    backoff = ExponentialWithJitterBackoff(cap=_LONGEST_PAUSE, base=_PAUSE)
    return float(backoff.compute(attempt))


def _routes(address: Address, patience: float) -> Routes:
    def make(place: Place) -> Node:
        host, port = place
        return Node({**address.options, "host": host, "port": port}, patience)

    if address.cluster:
        return Cluster(address.nodes, make, patience)
    return Single(Node(address.options, patience))
