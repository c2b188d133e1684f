"""The two pipes of a stdio server: bytes in, bytes out, a bounded number of them in between.

Both work in the event loop where the system can tell that this does not block, which spares a call
two changes of thread, and in a thread of their own elsewhere.
"""

from __future__ import annotations

import asyncio
import math
import os
import queue
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ...base.portable import wait_for_bytes, wait_for_room, watchable, write_room

if TYPE_CHECKING:
    from collections.abc import Callable

_PORTION: Final = 65536  # bytes asked for at once: what a pipe holds
_PORTIONS_AHEAD: Final = 4  # read and not yet asked for
_BACKLOG: Final = 2**20  # bytes of replies a client may leave unread before reading stops


class Source:
    """The bytes that come in, in portions, read at most a few ahead of who asks for them."""

    def __init__(self, fd: int, on_end: Callable[[], None]) -> None:
        """`on_end` is called, in the event loop, when the other side has closed."""
        self._fd = fd
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._portions: deque[bytes] = deque()
        self._arrival: asyncio.Future[None] | None = None
        self._ended = False
        self._watched = False
        self._thread_may_read: threading.Semaphore | None = None

    def start(self) -> None:
        """Begin to read."""
        if watchable(self._fd):
            self._watch()
        else:
            may_read = self._thread_may_read = threading.Semaphore(_PORTIONS_AHEAD)
            threading.Thread(target=self._pump, args=(may_read,), name="stdin", daemon=True).start()

    async def read(self) -> bytes:
        """The next portion; empty at the end."""
        if not self._portions and not self._ended:
            self._arrival = self._loop.create_future()
            await self._arrival
        if not self._portions:
            return b""
        portion = self._portions.popleft()
        self._ask_for_more()
        return portion

    def end(self) -> None:
        """Read no more: who waits gets what has come in, and then the end."""
        self._ended = True
        self._unwatch()
        self._wake()

    def _ask_for_more(self) -> None:
        if self._thread_may_read is not None:
            self._thread_may_read.release()
        elif not self._watched and not self._ended:
            self._watch()

    def _watch(self) -> None:
        self._watched = True
        self._loop.add_reader(self._fd, self._readable)

    def _unwatch(self) -> None:
        if self._watched:
            self._watched = False
            self._loop.remove_reader(self._fd)

    def _readable(self) -> None:
        with suppress(BlockingIOError):
            self._arrived(_read(self._fd))
        if len(self._portions) >= _PORTIONS_AHEAD:
            self._unwatch()

    def _pump(self, may_read: threading.Semaphore) -> None:
        portion = b"?"
        with suppress(RuntimeError):  # the loop is closed: the process is ending
            while portion:
                may_read.acquire()
                portion = _read_all_the_same(self._fd)
                self._loop.call_soon_threadsafe(self._arrived, portion)

    def _arrived(self, portion: bytes) -> None:
        if portion and not self._ended:
            self._portions.append(portion)
            self._wake()
        elif not self._ended:
            self.end()
            self._on_end()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)


class Outlet:
    """The bytes that go out, in the order of `push`; a bounded number may wait for the reader."""

    def __init__(self, fd: int, on_broken: Callable[[], None]) -> None:
        """`on_broken` is called, in the event loop, when nobody can read any more."""
        self._fd = fd
        self._on_broken = on_broken
        self._loop = asyncio.get_running_loop()
        self._waiting = 0  # bytes handed to the thread
        self._limit: float = _BACKLOG
        self._few_wait = asyncio.Event()
        self._none_wait = asyncio.Event()
        self._thread_queue: queue.SimpleQueue[bytes] | None = None
        self._broken = False
        self._note_waiting(0)

    def push(self, data: bytes) -> None:
        """Write the bytes now, as far as that does not block, and the rest behind the others."""
        if not self._broken and not self._waiting:
            data = self._write_now(data)
        if not self._broken and data:
            self._note_waiting(len(data))
            self._to_thread(data)

    async def room(self) -> None:
        """Wait while more than the backlog allows is waiting; a broken pipe has room."""
        if not self._few_wait.is_set():
            await self._few_wait.wait()

    def lift_limit(self) -> None:
        """Let nobody wait for room any more: the server is ending."""
        self._limit = math.inf
        self._note_waiting(0)

    async def emptied(self) -> None:
        """Wait until all is written, or nobody reads."""
        await self._none_wait.wait()

    def _write_now(self, data: bytes) -> bytes:
        done = 0
        try:
            while done < len(data) and (room := write_room(self._fd)):
                done += os.write(self._fd, data[done : done + room])
        except BlockingIOError:
            return data[done:]
        except OSError:
            self._break()
        return data[done:]

    def _to_thread(self, data: bytes) -> None:
        if self._thread_queue is None:
            self._thread_queue = queue.SimpleQueue()
            threading.Thread(
                target=self._drain, args=(self._thread_queue,), name="stdout", daemon=True
            ).start()
        self._thread_queue.put(data)

    def _drain(self, waiting: queue.SimpleQueue[bytes]) -> None:
        with suppress(RuntimeError):  # the loop is closed: the process is ending
            try:
                while True:
                    data = waiting.get()
                    _write_all(self._fd, data)
                    self._loop.call_soon_threadsafe(self._note_waiting, -len(data))
            except OSError:
                self._loop.call_soon_threadsafe(self._break)

    def _note_waiting(self, change: int) -> None:
        self._waiting += change
        _set(self._few_wait, self._broken or self._waiting <= self._limit)
        _set(self._none_wait, self._broken or self._waiting == 0)

    def _break(self) -> None:
        self._broken = True
        self._note_waiting(0)
        self._on_broken()


def _read(fd: int) -> bytes:
    """Raises BlockingIOError if somebody made the descriptor non-blocking and nothing is there."""
    try:
        return os.read(fd, _PORTION)
    except BlockingIOError:
        raise
    except OSError:  # a terminal that hung up, a connection that was reset
        return b""


def _read_all_the_same(fd: int) -> bytes:
    while True:
        try:
            return _read(fd)
        except BlockingIOError:
            wait_for_bytes(fd)


def _write_all(fd: int, data: bytes) -> None:
    done = 0
    while done < len(data):
        try:
            done += os.write(fd, data[done : done + _PORTION])
        except BlockingIOError:
            wait_for_room(fd)


def _set(event: asyncio.Event, on: bool) -> None:
    if on:
        event.set()
    else:
        event.clear()
