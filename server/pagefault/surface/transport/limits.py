"""How much an HTTP client may send, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .refusal import refusal

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one client, and of all of them together."""

    body_bytes: int = 8 * 1024 * 1024
    header_bytes: int = 32 * 1024
    connections: int = 1_000
    arrival_seconds: float = 20.0  # from a request's first byte to its last
    answer_seconds: float = 20.0  # without taking a byte of an answer that waits
    idle_seconds: int = 30  # between two requests; longer than HTTP clients keep a connection
    health_seconds: float = 5.0  # for the answer of a health check
    health_kept_seconds: float = 1.0  # in which all who ask get the same answer
    stop_seconds: int = 2  # for calls under way when the server is told to stop


class Sized:
    """ASGI: answers 431 and 413 to what is too large, and passes on only whole requests.

    A client that leaves in the middle of its body is forgotten here: the SDK would log each as an
    error with its traceback, which costs more than the request did.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        answer = self._objection(scope)
        if answer is None:
            body = await _read_body(receive, self._limits.body_bytes)
            if body is None:
                return
            if len(body) <= self._limits.body_bytes:
                await self._app(scope, _replay(bytes(body), receive), send)
                return
            answer = _too_large(413, "body", self._limits.body_bytes)
        await answer(scope, receive, send)

    def _objection(self, scope: Scope) -> Response | None:
        """What the headers alone are refused for."""
        if _header_bytes(scope) > self._limits.header_bytes:
            return _too_large(431, "headers", self._limits.header_bytes)
        if _declared_bytes(scope) > self._limits.body_bytes:
            return _too_large(413, "body", self._limits.body_bytes)
        return None


async def _read_body(receive: Receive, most: int) -> bytearray | None:
    """The body; a little more than ``most`` of it when it is larger; None when the client left."""
    body = bytearray()
    while len(body) <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that gives the body at once, and then what comes after it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return waiting.pop() if waiting else await receive()

    return next_message


def _header_bytes(scope: Scope) -> int:
    target = len(scope["raw_path"]) + len(scope["query_string"])
    return target + sum(len(name) + len(value) for name, value in scope["headers"])


def _declared_bytes(scope: Scope) -> int:
    values = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(values[0]) if values else 0


def _too_large(status: int, part: str, most: int) -> Response:
    return refusal(
        status,
        f"{part}_too_large: the {part} of one request may have {most:,} bytes. "
        "Send it in smaller pieces.",
    )
