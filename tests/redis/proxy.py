"""A bad network: a TCP proxy on loopback whose badness is switched while it runs.

It works in a thread with a loop of its own, so that it serves a test that blocks as well as one
with an event loop. When a switch returns, it has taken effect.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Literal, Self

from tests.redis.servers import free_port, until

Way = Literal["server", "client"]  # where bytes go to: requests, replies
Pieces = asyncio.Queue[tuple[float, bytes]]  # when each is due; an empty one is the end

PIECE = 65_536


class Mode(Enum):
    """How the network is."""

    PASS = auto()
    DROP = auto()
    HALF_CLOSE = auto()
    BLACK_HOLE = auto()


@dataclass(eq=False, slots=True)
class Link:
    """A client's connection and its other half, the task that carries it, and what became of it.

    ``open``: the client has not closed it. ``lost``: bytes of it are missing.
    """

    client: asyncio.StreamWriter
    task: asyncio.Task[None]
    server: asyncio.StreamWriter | None = None
    open: bool = True
    lost: bool = False

    def cut(self) -> None:
        """End both halves at once, with whatever is under way."""
        self.open = False
        self.task.cancel()
        for half in (self.client, self.server):
            if half is not None:
                half.transport.abort()

    def close(self) -> None:
        """End both halves when what is under way has gone out."""
        self.open = False
        for half in (self.client, self.server):
            if half is not None:
                half.close()


class Proxy:
    """Stands before the server at a port of this machine. Clients go to ``port``.

    ``accepted`` counts all connections that there ever were.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = free_port()
        self.accepted = 0
        self._mode = Mode.DROP
        self._delay: dict[Way, float] = {"server": 0, "client": 0}
        self._left: dict[Way, int | None] = {"server": None, "client": None}
        self._links: set[Link] = set()
        self._listener: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.forward()
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def connections(self) -> int:
        """How many connections no client has closed, and no switch."""
        return sum(link.open for link in list(self._links))

    def wait_for(self, connections: int) -> None:
        """Wait for so many connections. It blocks: from a client's event loop, use a thread."""
        until(lambda: self.connections == connections, f"{connections} connections")

    def forward(self) -> None:
        """Be a good network again. A connection of which bytes are missing is cut."""
        self._delay = {"server": 0, "client": 0}
        self._left = {"server": None, "client": None}
        self._do(self._switch(Mode.PASS))

    def delay(self, seconds: float, *, to: Way | None = None) -> None:
        """Make every piece late that goes to the server, or to the client, or either way."""
        self._delay |= dict.fromkeys(self._delay if to is None else (to,), seconds)

    def sever(self, after: int, *, to: Way) -> None:
        """Let so many bytes more go that way, and cut the connection they went on; once."""
        self._left[to] = after

    def drop(self) -> None:
        """Cut every connection, and refuse new ones."""
        self._do(self._switch(Mode.DROP))

    def half_close(self) -> None:
        """Carry requests and no replies: the client reads the end of the stream instead."""
        self._do(self._switch(Mode.HALF_CLOSE))

    def black_hole(self) -> None:
        """Accept everything, swallow it, and say nothing, not even that the server is gone."""
        self._do(self._switch(Mode.BLACK_HOLE))

    def _do(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _end(self) -> None:
        await self._switch(Mode.DROP)
        while others := asyncio.all_tasks() - {asyncio.current_task()}:  # some just accepted
            await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # what was cut is closed

    async def _switch(self, mode: Mode) -> None:
        self._mode = mode
        if mode is Mode.DROP and self._listener is not None:
            self._listener.close()
            self._listener = None
        elif mode is not Mode.DROP and self._listener is None:
            listening = socket.create_server(("127.0.0.1", self.port))
            self._listener = await asyncio.start_server(self._accept, sock=listening)
        for link in list(self._links):
            self._hold_to(link, mode)

    def _hold_to(self, link: Link, mode: Mode) -> None:
        """What the mode means for an open connection."""
        if mode is Mode.DROP or (mode is Mode.PASS and link.lost):
            link.cut()
        elif mode is Mode.HALF_CLOSE:
            link.client.write_eof()
            link.lost = True

    def _swallows(self, way: Way) -> bool:
        return self._mode is Mode.BLACK_HOLE or (self._mode is Mode.HALF_CLOSE and way == "client")

    async def _accept(self, requests: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        link = Link(client, task)
        self._links.add(link)
        self.accepted += 1
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):  # no server, or it was cut
                await self._carry(link, requests)
        finally:
            link.close()
            self._links.discard(link)

    async def _carry(self, link: Link, requests: asyncio.StreamReader) -> None:
        if self._mode is Mode.BLACK_HOLE:  # the server never hears of it
            link.lost = True
            return await self._read(link, requests, "server", Pieces())
        replies, link.server = await asyncio.open_connection("127.0.0.1", self.target)
        self._hold_to(link, self._mode)
        there, back = Pieces(), Pieces()
        try:
            async with asyncio.TaskGroup() as group:
                others = [
                    group.create_task(self._read(link, requests, "server", there)),
                    group.create_task(self._write(link, link.server, "server", there)),
                    group.create_task(self._read(link, replies, "client", back)),
                ]
                await self._write(link, link.client, "client", back)
                for task in others:
                    task.cancel()
        except* OSError:  # an end went away, or was severed: so does the other
            pass

    async def _read(
        self, link: Link, reader: asyncio.StreamReader, way: Way, pieces: Pieces
    ) -> None:
        data: bytes | None = None
        while data != b"":
            try:
                data = await reader.read(PIECE)
            except OSError:  # an end like any other, that a black hole swallows
                data = b""
            pieces.put_nowait((self._loop.time() + self._delay[way], data))
        if way == "server":
            link.open = False

    async def _write(
        self, link: Link, writer: asyncio.StreamWriter, way: Way, pieces: Pieces
    ) -> None:
        while True:
            due, data = await pieces.get()
            await asyncio.sleep(due - self._loop.time())
            if self._swallows(way):
                link.lost = True
            elif data:
                await self._pass_on(writer, way, data)
            else:
                return writer.write_eof()

    async def _pass_on(self, writer: asyncio.StreamWriter, way: Way, data: bytes) -> None:
        allowed = self._allowed(way, len(data))  # counted before the other side knows of them
        writer.write(data[:allowed])
        await writer.drain()
        if allowed is not None:
            raise ConnectionAbortedError

    def _allowed(self, way: Way, size: int) -> int | None:
        """How many of the bytes may pass before the connection is severed; None: it is not."""
        left = self._left[way]
        if left is None or size < left:
            self._left[way] = None if left is None else left - size
            return None
        self._left[way] = None
        return left
