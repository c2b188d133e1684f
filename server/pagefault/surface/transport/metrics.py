"""GET /metrics: a principal's own numbers, for whoever scrapes them with its token."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from starlette.responses import PlainTextResponse, Response

from .principal import SCOPE_KEY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

METRICS_PATH: Final = "/metrics"
_MIME_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_log = logging.getLogger(__name__)


class Metrics:
    """ASGI: answers /metrics with what ``tell`` says of the principal; the rest goes on to ``app``.

    It stands behind the same checks as the endpoint (Host, token): how much somebody asks for, and
    what their workspaces are called, is as private as what they keep. ``tell`` None: there is no
    such path.
    """

    def __init__(self, app: ASGIApp, tell: Callable[[str], Awaitable[str]] | None) -> None:
        self._app = app
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._tell is None or scope["path"] != METRICS_PATH:
            await self._app(scope, receive, send)
            return
        answer = await self._answer(self._tell, scope)
        await answer(scope, receive, send)

    async def _answer(self, tell: Callable[[str], Awaitable[str]], scope: Scope) -> Response:
        if scope["method"] not in {"GET", "HEAD"}:
            return PlainTextResponse(
                "GET /metrics", status_code=405, headers={"Allow": "GET, HEAD"}
            )
        try:
            text = await tell(scope[SCOPE_KEY])
        except Exception:  # a scraper learns that there are no numbers, the log learns why
            _log.exception("the metrics cannot be told")
            return PlainTextResponse("unavailable", status_code=503)
        headers = {"Content-Type": _MIME_TYPE, "Cache-Control": "no-store"}
        return Response(text, headers=headers)
