"""The two streams that the SDK serves a connection over, on top of our pipes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Self

import anyio
import anyio.lowlevel
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from .frames import FrameScanner
from .messages import Refusal, read_message, write_message

if TYPE_CHECKING:
    from mcp_types import JSONRPCMessage, RequestId

    from .frames import Oversized
    from .pipes import Outlet, Source

_KEPT_AHEAD = 8  # messages before the first request; the SDK keeps as many

_STAYS_OPEN = "subscriptions/listen"  # is not waited for at the end
_CANCELLED = "notifications/cancelled"  # its request is never answered


class Unanswered:
    """The ids of requests that came in and have not been answered, until they are given up."""

    def __init__(self) -> None:
        """None yet."""
        self.given_up = False
        self._ids: set[RequestId] = set()
        self._changed = anyio.Event()

    def received(self, message: JSONRPCMessage) -> None:
        """Note a message that came in: a request, or word that one is not wanted any more."""
        if isinstance(message, JSONRPCRequest) and message.method != _STAYS_OPEN:
            self._ids.add(message.id)
        if isinstance(message, JSONRPCNotification) and message.method == _CANCELLED:
            self._settled((message.params or {}).get("requestId"))

    def sent(self, message: JSONRPCMessage) -> None:
        """Note a message that goes out."""
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            self._settled(message.id)

    def give_up(self) -> None:
        """Wait for no answer any more: the server is ending."""
        self.given_up = True
        self._changed.set()

    async def none(self) -> None:
        """Wait until every request is answered or given up."""
        while self._ids and not self.given_up:
            self._changed = anyio.Event()
            await self._changed.wait()

    def _settled(self, request_id: object) -> None:
        if isinstance(request_id, str | int):
            self._ids.discard(request_id)
            if not self._ids:
                self._changed.set()


class Stream:
    """What the SDK asks of a stream besides `receive` or `send`; the pipes outlive it."""

    async def __aenter__(self) -> Self:
        """Nothing to open."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""

    async def aclose(self) -> None:
        """Nothing to close."""


class ReadStream(Stream):
    """A stream that is iterated until it ends."""

    async def receive(self) -> SessionMessage:
        """The next message. Raises anyio.EndOfStream after the last."""
        raise NotImplementedError

    def __aiter__(self) -> Self:
        """Itself."""
        return self

    async def __anext__(self) -> SessionMessage:
        """The next message."""
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None


class Inbound(ReadStream):
    """The client's messages; unreadable ones are answered here and never come up.

    Nothing is read ahead of the SDK, and nothing while the client leaves too many replies unread.
    """

    def __init__(
        self, source: Source, outlet: Outlet, unanswered: Unanswered, frame_limit: int
    ) -> None:
        """`frame_limit` in bytes."""
        self._source = source
        self._outlet = outlet
        self._unanswered = unanswered
        self._limit = frame_limit
        self._scanner = FrameScanner(frame_limit)
        self._ready: deque[SessionMessage] = deque()

    async def receive(self) -> SessionMessage:
        """The next message; the end comes once the calls in flight are answered or given up."""
        while not self._ready:
            if not await self._read_on():
                await self._unanswered.none()
                raise anyio.EndOfStream
        if self._unanswered.given_up:
            raise anyio.EndOfStream
        item = self._ready.popleft()
        self._unanswered.received(item.message)
        return item

    async def first_request(self) -> SessionMessage | None:
        """The first request to come, which `receive` will give too; None if none ever comes."""
        while True:
            for item in self._ready:
                if isinstance(item.message, JSONRPCRequest):
                    return item
            while len(self._ready) > _KEPT_AHEAD:
                self._ready.pop()
            if not await self._read_on():
                return None

    def take_out(self, item: SessionMessage) -> None:
        """Receive the request that `first_request` gave, ahead of what may stand before it."""
        self._ready.remove(item)
        self._unanswered.received(item.message)

    async def _read_on(self) -> bool:
        """Take in the next portion; False when there was none and nothing came of the rest."""
        await self._outlet.room()
        if self._unanswered.given_up:
            return False
        portion = await self._source.read()
        frames = self._scanner.feed(portion) if portion else self._scanner.finish()
        for frame in frames:
            self._take(frame)
        return bool(portion or frames)

    def _take(self, frame: bytes | Oversized) -> None:
        message = read_message(frame, self._limit)
        if isinstance(message, Refusal):
            self._outlet.push(write_message(message.answer()))
        else:
            self._ready.append(SessionMessage(message))


class Single(ReadStream):
    """One request, and the end as soon as nothing is unanswered."""

    def __init__(self, item: SessionMessage, unanswered: Unanswered) -> None:
        """`item`: the request."""
        self._items = [item]
        self._unanswered = unanswered

    async def receive(self) -> SessionMessage:
        """The request, once."""
        if self._items:
            return self._items.pop()
        await self._unanswered.none()
        raise anyio.EndOfStream


class Outbound(Stream):
    """The server's messages."""

    def __init__(self, outlet: Outlet, unanswered: Unanswered) -> None:
        """`unanswered` is told of every answer."""
        self._outlet = outlet
        self._unanswered = unanswered

    async def send(self, item: SessionMessage) -> None:
        """Write one message; waits while the client leaves too many unread."""
        message = item.message
        self._outlet.push(write_message(message))
        self._unanswered.sent(message)
        if isinstance(message, JSONRPCNotification):  # a call that only reports must still yield
            await anyio.lowlevel.checkpoint()
        await self._outlet.room()
