"""How serving ends: on a signal, with open streams closed and calls under way answered."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
from uvicorn.server import HANDLED_SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


@contextmanager
def stop_signals(stop: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Send SIGTERM and SIGINT (on Windows also SIGBREAK) to ``stop`` for as long as this lasts.

    uvicorn's own handling ends with serving, before the store is closed, and then kills the
    process with the signal; a stop that was asked for exits with 0.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals; whoever owns it stops us otherwise
        return
    before = {number: signal.signal(number, stop) for number in HANDLED_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Streams:
    """ASGI: answers that stay open for news (both protocol eras) end when the server stops.

    They would never end by themselves, and uvicorn would wait for them and then cut them off.
    Other answers are left to finish.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._stopping = anyio.Event()

    def end(self) -> None:
        """End every open stream, and each later one as soon as it begins."""
        self._stopping.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if not _stays_open(scope):
            await self._app(scope, receive, send)
            return
        sent: list[Message] = []  # the last message only

        async def note_and_send(message: Message) -> None:
            sent[:] = [message]
            await send(message)

        await self._app(scope, self._until_stopped(receive), note_and_send)
        if self._stopping.is_set() and sent and _unfinished(sent[0]):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _until_stopped(self, receive: Receive) -> Receive:
        """A ``receive`` that reports the client as gone once the server stops."""

        async def next_message() -> Message:
            received: Message = {"type": "http.disconnect"}

            async def listen() -> None:
                nonlocal received
                received = await receive()
                either.cancel_scope.cancel()

            async with anyio.create_task_group() as either:
                either.start_soon(listen)
                await self._stopping.wait()
                either.cancel_scope.cancel()
            return received

        return next_message


def _stays_open(scope: Scope) -> bool:
    """A GET is the news stream of 2025 clients, ``subscriptions/listen`` that of 2026 clients."""
    listens = (b"mcp-method", b"subscriptions/listen") in scope["headers"]
    return scope["method"] == "GET" or listens


def _unfinished(message: Message) -> bool:
    return message["type"] == "http.response.start" or bool(message.get("more_body", False))
