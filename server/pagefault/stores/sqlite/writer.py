"""The one thread that writes: a queue, a file lock, one transaction for all that waits.

Jobs that arrive while a sync is under way share the next one (group commit). Derived jobs never
cause a sync: they are durable with the next job that is. The order of the queue is the order of
the log. A caller that is cancelled does not take its job back. When the queue is quiet, the
thread does what is left over: the index follows the log, and a write-ahead log that a reader kept
from being scrubbed is scrubbed.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar

import anyio.to_thread
import apsw

from ...base.errors import StoreBusy, StoreUnavailable
from ...index.residue import Scrubber
from .failures import explain
from .files import BUSY_MS

T = TypeVar("T")
Work = Callable[[apsw.Connection], T]
Leftover = Callable[[apsw.Connection, Callable[[], bool]], bool]

PATIENCE = 10.0  # seconds a caller waits for the file lock before it is told who holds it
_LINGER = 0.05  # seconds of quiet after which left-over work is done
_SCRUB_AGAIN = 1.0  # seconds until the log is scrubbed after all, when a reader was in the way
_BATCH = 256  # jobs in one transaction
_DEBT = 16  # jobs after which left-over work is done without waiting for quiet


class Haste(Enum):
    """When a job is written, and when its caller hears of it."""

    SYNCED = "synced"  # at once, answered when the disk has it
    SCRUBBED = "scrubbed"  # the same, and no older copy is left in the write-ahead log
    NOW = "now"  # at once, not synced by itself: durable with the next job that is


@dataclass(slots=True, eq=False)
class _Job(Generic[T]):
    work: Work[T]
    haste: Haste
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[T]
    started: bool = False
    abandoned: bool = False
    gate: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> bool:
        """Claim the job for writing; False when its caller gave up first."""
        with self.gate:
            self.started = not self.abandoned
            return self.started

    def abandon(self) -> bool:
        """Give the job up; False when it is already being written."""
        with self.gate:
            self.abandoned = not self.started
            return self.abandoned


@dataclass(frozen=True, slots=True)
class Place:
    """The file that is written: how it is opened, whose turn it is, what it is called.

    ``check`` raises when the file is no longer one that this version may write.
    """

    path: str
    open: Callable[[], apsw.Connection]
    check: Callable[[apsw.Connection], object]
    turn: AbstractContextManager[object]
    holder: Callable[[], str]
    synced: bool


class Writer:
    """Owns the writing connection, which is opened in the thread at the first job.

    ``leftover`` does a bounded piece of background work and says whether more is left; it is given
    something to ask whether a caller has begun to wait for it, and then comes to an end.
    """

    def __init__(self, place: Place, leftover: Leftover) -> None:
        self._place = place
        self._leftover = leftover
        self._queue: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="pagefault-writer", daemon=True)
        self._db: apsw.Connection | None = None
        self._debt = 0
        self._scrubber = Scrubber()
        self._unscrubbed = False
        self._closed = False
        self._thread.start()

    async def do(self, work: Work[T], haste: Haste) -> T:
        """Queue ``work`` and wait for its answer.

        Raises:
            StoreBusy: another process held the lock for ten seconds; nothing was written.
            StoreError: what the file did; nothing was written.
        """
        if self._closed:
            message = f"{self._place.path} was closed. Start the server again."
            raise StoreUnavailable(message)
        loop = asyncio.get_running_loop()
        job: _Job[T] = _Job(work, haste, loop, loop.create_future())
        job.answer.add_done_callback(_seen)
        self._queue.put(job)
        done, _ = await asyncio.wait((job.answer,), timeout=PATIENCE)
        if not done and job.abandon():
            message = (
                f"{self._place.path} is held by {self._place.holder()} for more than "
                f"{PATIENCE:.0f} s. Nothing was written: try again, or stop that process."
            )
            raise StoreBusy(message)
        return await job.answer

    async def close(self) -> bool:
        """Write what is queued, then end the thread.

        False when another process kept the lock from it for too long: the thread still waits.
        """
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await anyio.to_thread.run_sync(self._thread.join, PATIENCE)
        return not self._thread.is_alive()

    def _run(self) -> None:
        running = True
        while running:
            batch, running = self._gather()
            if batch:
                self._write(batch)
                self._debt += len(batch)
            if running and self._left_over(batch):
                self._work_off()
        if self._db is not None:
            with suppress(apsw.Error):  # a search may still read the memory that both share
                self._db.close()

    def _left_over(self, batch: list[_Job[Any]]) -> bool:
        quiet = not batch
        return self._debt >= _DEBT or (quiet and (self._debt > 0 or self._unscrubbed))

    def _gather(self) -> tuple[list[_Job[Any]], bool]:
        """What is queued, in order, and whether there may be more later."""
        batch: list[_Job[Any]] = []
        try:
            job = self._queue.get(timeout=self._quiet())
        except queue.Empty:
            return batch, True
        while job is not None:
            batch.append(job)
            if self._queue.empty() or len(batch) == _BATCH:
                return batch, True
            job = self._queue.get()
        return batch, False

    def _quiet(self) -> float | None:
        """Seconds without a job after which left-over work is done; None: there is none."""
        if self._debt:
            return _LINGER
        return _SCRUB_AGAIN if self._unscrubbed else None

    def _write(self, batch: list[_Job[Any]]) -> None:
        outcomes: list[tuple[_Job[Any], Any, BaseException | None]] = []
        try:
            with self._place.turn:
                db = self._connection()
                jobs = [job for job in batch if job.start()]
                self._transact(db, jobs, outcomes)
        except Exception as error:  # whatever it was, the callers must hear and the thread go on
            outcomes = [(job, None, self._meaning(error)) for job in batch]
        for job, value, error_or_none in outcomes:
            _answer(job, value, error_or_none)

    def _transact(
        self,
        db: apsw.Connection,
        jobs: list[_Job[Any]],
        outcomes: list[tuple[_Job[Any], Any, BaseException | None]],
    ) -> None:
        hastes = {job.haste for job in jobs}
        durable = self._place.synced and bool(hastes & {Haste.SYNCED, Haste.SCRUBBED})
        with _transaction(db, synced=durable):
            self._place.check(db)
            outcomes.extend(self._one(db, job) for job in jobs)
        if Haste.SCRUBBED in hastes:
            self._unscrubbed = not self._scrub(db)

    def _one(
        self, db: apsw.Connection, job: _Job[Any]
    ) -> tuple[_Job[Any], Any, BaseException | None]:
        db.execute("SAVEPOINT job")  # one job's failure is not its company's
        try:
            value = job.work(db)
        except Exception as error:  # a fault in one job must not end the thread
            if not db.in_transaction:
                raise  # SQLite gave the whole transaction up, and everybody in it must hear so
            db.execute("ROLLBACK TO job; RELEASE job")
            return job, None, self._meaning(error)
        db.execute("RELEASE job")
        return job, value, None

    def _work_off(self) -> None:
        try:
            with self._place.turn:
                db = self._connection()
                with _transaction(db, synced=False):
                    self._place.check(db)
                    more = self._leftover(db, lambda: not self._queue.empty())
                if self._unscrubbed:
                    self._unscrubbed = not self._scrub(db, patient=False)
        except Exception:  # the next caller that needs the work hears of the failure
            more = False
        self._debt = int(more)

    def _scrub(self, db: apsw.Connection, *, patient: bool = True) -> bool:
        """Leave nothing of what was deleted; False when a reader needs it or the disk fails."""
        if not patient:
            db.set_busy_timeout(0)
        try:
            self._scrubber.scrub(db)
        except apsw.Error:  # what was committed stands all the same
            return False
        finally:
            db.set_busy_timeout(BUSY_MS)
        return True

    def _meaning(self, error: Exception) -> Exception:
        if isinstance(error, apsw.Error | OSError):
            return explain(error, self._place.path)
        return error

    def _connection(self) -> apsw.Connection:
        if self._db is None:
            self._db = self._place.open()
        return self._db


@contextmanager
def _transaction(db: apsw.Connection, *, synced: bool) -> Iterator[None]:
    db.execute("PRAGMA synchronous=FULL" if synced else "PRAGMA synchronous=NORMAL")
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _seen(answer: asyncio.Future[Any]) -> None:
    """Of a caller that was cancelled nobody asks what came of its job."""
    if not answer.cancelled():
        answer.exception()


def _answer(job: _Job[Any], value: object, error: BaseException | None) -> None:
    def settle() -> None:
        if job.answer.done():
            return
        if error is None:
            job.answer.set_result(value)
        else:
            job.answer.set_exception(error)

    try:
        job.loop.call_soon_threadsafe(settle)
    except RuntimeError:  # the loop is closed: nobody waits for this answer any more
        return
