"""GET /health: whether the server can do its work, for whoever watches it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import anyio
from starlette.responses import JSONResponse, PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

_log = logging.getLogger(__name__)
_FAILED: Final = {"status": "error"}


class Health:
    """ASGI: 200 with what ``check`` says, or 503 when it fails, takes too long or is not ok.

    ``check`` says how things are under ``status``; without one, or with "ok", all is well. It is
    asked without a token and under any Host name (probes use bare addresses), so it tells no
    secrets; and however many ask, the check is made once in ``kept`` seconds.
    """

    def __init__(
        self, check: Callable[[], Awaitable[Mapping[str, object]]], seconds: float, kept: float
    ) -> None:
        self._check = check
        self._seconds = seconds
        self._kept = kept
        self._asking = anyio.Lock()
        self._latest: tuple[float, int, Mapping[str, object]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        reads = scope["method"] in {"GET", "HEAD"}
        answer = await self._answer() if reads else _only_get()
        await answer(scope, receive, send)

    async def _answer(self) -> Response:
        async with self._asking:
            now = anyio.current_time()
            if self._latest is None or now >= self._latest[0] + self._kept:
                status, said = await self._ask()
                self._latest = (anyio.current_time(), status, said)
            _, status, said = self._latest
        try:
            return _report(status, said)
        except Exception:  # it said what is no JSON
            _log.exception("the health check cannot be told")
            return _report(503, _FAILED)

    async def _ask(self) -> tuple[int, Mapping[str, object]]:
        try:
            with anyio.fail_after(self._seconds):
                said = await self._check()
            return (200 if said.get("status", "ok") == "ok" else 503), said
        except Exception:  # whatever is wrong with the server, the answer is that something is
            _log.exception("the health check failed")
            return 503, _FAILED


def _report(status: int, said: Mapping[str, object]) -> Response:
    return JSONResponse(dict(said), status_code=status, headers={"Cache-Control": "no-store"})


def _only_get() -> Response:
    return PlainTextResponse("GET /health", status_code=405, headers={"Allow": "GET, HEAD"})
