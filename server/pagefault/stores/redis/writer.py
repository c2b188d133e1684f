"""Commits on their way: in order, and all that wait in one request.

While a request is under way, the commits of its workspace queue up and go together with the next
one, so that their order in the log is the order in which they were made, and a slow line is
waited for once. A caller that is cancelled does not take its commit back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from redis.exceptions import ResponseError

from ...base.clock import Ids
from ...base.errors import StoreError, StoreFull, StoreUnavailable
from ..contract import Applied, Conflict
from .drafting import Draft, applied
from .failures import Unanswered
from .link import Link, Script
from .node import Argument

_BATCH = 64  # commits of one request
_BYTES = 2**21  # of contents, after which a request is closed
_STAGED_FOR = 600  # seconds until chunks of a commit that never came are dropped
_TOKEN_BITS = 60


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Whose word a durable commit waits for, beyond the server's: replicas, the append-only file.

    ``timeout`` in seconds; when it is over, the commit stands and what was obtained is told.
    """

    replicas: int = 0
    aof: bool = False
    timeout: float = 1.0


@dataclass(slots=True, eq=False)
class _Job:
    draft: Draft
    durable: bool
    scrubs: bool
    answer: asyncio.Future[Any]


@dataclass(slots=True)
class _Lane:
    """The commits of one workspace that wait, and the task that sends them."""

    waiting: deque[_Job] = field(default_factory=deque)
    sender: asyncio.Task[None] | None = None


class Writer:
    """Sends commits. One for each store; it serves one event loop."""

    def __init__(self, link: Link, ids: Ids, confirmation: Confirmation) -> None:
        self._link = link
        self._confirmation = confirmation
        self._apply = Script("keys", "fold", "apply")
        self._forget = Script("keys", "fold", "apply", flags="allow-oom")  # it makes room
        self._lanes: dict[str, _Lane] = {}
        self._name = ids.handle(_TOKEN_BITS)
        self._count = 0

    def token(self) -> str:
        """A name for a commit that no other will have."""
        self._count += 1
        return f"{self._name}.{self._count}"

    async def send(
        self, place: str, draft: Draft, *, durable: bool, scrubs: bool = False
    ) -> Applied | Conflict:
        """Send a commit to the workspace whose keys begin with ``place``; what came of it.

        Raises:
            StoreError: what the server did. Where its message says so, whether the commit stands
                is not known; to send it anew is safe where its events have keys.
        """
        job = _Job(draft, durable, scrubs, asyncio.get_running_loop().create_future())
        job.answer.add_done_callback(_seen)
        try:
            for name, part in draft.staged:
                await self._link.command("SET", f"{place}:u:{name}", part, "EX", _STAGED_FOR)
            self._queue(place, job)
            answer, obtained = await asyncio.shield(job.answer)
        except StoreFull:
            await self._unstage(place, draft)
            raise
        outcome = applied(answer, self._link.name)
        return replace(outcome, obtained=obtained) if isinstance(outcome, Applied) else outcome

    async def close(self) -> None:
        """Wait until all that was handed over is answered."""
        for lane in list(self._lanes.values()):
            if lane.sender is not None:
                await asyncio.wait((lane.sender,))

    def _queue(self, place: str, job: _Job) -> None:
        lane = self._lanes.setdefault(place, _Lane())
        lane.waiting.append(job)
        if lane.sender is None:
            lane.sender = asyncio.create_task(self._empty(place, lane))

    async def _unstage(self, place: str, draft: Draft) -> None:
        """Let go of what has arrived of a commit that found no room; else it goes by itself."""
        with suppress(StoreError):
            for name, _ in draft.staged:
                await self._link.command("UNLINK", f"{place}:u:{name}")

    async def _empty(self, place: str, lane: _Lane) -> None:
        while lane.waiting:
            batch = _batch(lane.waiting)
            try:
                answers, obtained = await self._request(place, batch)
            except Exception as error:  # whatever it was, the callers must hear of it
                _refuse(batch, error)
                if isinstance(error, StoreUnavailable):  # those behind have waited long enough
                    _refuse(lane.waiting, StoreUnavailable(error.message))
                    lane.waiting.clear()
                continue
            for job, answer in zip(batch, answers, strict=True):
                if not job.answer.done():
                    job.answer.set_result((answer, obtained if job.durable else None))
        self._lanes.pop(place, None)

    async def _request(self, place: str, batch: Sequence[_Job]) -> tuple[list[Any], str | None]:
        arguments = [argument for job in batch for argument in job.draft.arguments]
        script = self._forget if any(job.scrubs for job in batch) else self._apply
        confirm = self._confirm() if any(job.durable for job in batch) else ()
        within = self._confirmation.timeout
        answers, said = await self._link.write(script, place, arguments, confirm, within)
        return answers, None if said is None else self._obtained(said)

    def _confirm(self) -> tuple[Argument, ...]:
        wanted = self._confirmation
        if wanted.aof:
            return ("WAITAOF", 1, wanted.replicas)
        return ("WAIT", wanted.replicas) if wanted.replicas else ()

    def _obtained(self, said: Any) -> str:  # noqa: ANN401 - a number, a list of two, or an error
        """In words, whose confirmation came in time."""
        wanted = self._confirmation
        if isinstance(said, ResponseError):
            return f"not confirmed: the server cannot ({str(said)[:80]})"
        if isinstance(said, Exception):
            return "not confirmed: no answer in time"
        here, replicas = (None, int(said)) if isinstance(said, int) else map(int, said)
        parts = [] if here is None else ["fsynced here" if here else "not yet fsynced here"]
        if wanted.replicas:
            parts.append(f"on {replicas} of {wanted.replicas} replicas")
        return ", ".join(parts)


def _refuse(batch: Iterable[_Job], error: Exception) -> None:
    for job in batch:
        if not job.answer.done():
            job.answer.set_exception(_doubtful(error))


def _doubtful(error: Exception) -> Exception:
    """The failure of a commit whose answer may have been lost on its way."""
    if not isinstance(error, Unanswered):
        return error
    message = (
        f"{error.message} Whether this write stands is not known: look, or repeat it with the "
        "same key."
    )
    return StoreUnavailable(message)


def _batch(waiting: deque[_Job]) -> list[_Job]:
    """The first of those that wait: at least one, as many as one request holds."""
    batch: list[_Job] = []
    size = 0
    while waiting and len(batch) < _BATCH and (not batch or size < _BYTES):
        batch.append(waiting.popleft())
        size += batch[-1].draft.size
    return batch


def _seen(answer: asyncio.Future[Any]) -> None:
    """Of a caller that was cancelled nobody asks what came of its commit."""
    if not answer.cancelled():
        answer.exception()
