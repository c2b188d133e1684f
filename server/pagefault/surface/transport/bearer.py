"""Bearer tokens: every request gets a principal, or a 401."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken

from .principal import LOCAL, SCOPE_KEY
from .refusal import refusal
from .tokens import TokenFileError

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from .tokens import TokenFile

_BEARER = re.compile(rb"bearer +([\x21-\x7e]+) *", re.IGNORECASE)
_log = logging.getLogger(__name__)


class Authenticated:
    """ASGI: lets requests through with their principal in the scope.

    Without a token file everybody is ``local``; whoever builds that sees to it that only this
    machine can connect. The SDK ties a session (``Mcp-Session-Id``) to the user in the scope and
    answers any other user as if the session did not exist (CVE-2026-52869).
    """

    def __init__(self, app: ASGIApp, tokens: TokenFile | None) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._tokens is None:
            await self._app({**scope, SCOPE_KEY: LOCAL}, receive, send)
            return
        token = bearer_token(scope)
        try:
            principal = self._tokens.principal(token) if token else None
        except TokenFileError as error:
            _log.error("%s", error)
            await _unavailable()(scope, receive, send)
            return
        if principal is None:
            await _unauthorized(given=token is not None)(scope, receive, send)
            return
        caller = {SCOPE_KEY: principal, "user": _user(principal)}
        await self._app({**scope, **caller}, receive, send)


def bearer_token(scope: Scope) -> str | None:
    """The token of the request's only Authorization header, or None."""
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    match = _BEARER.fullmatch(given[0]) if len(given) == 1 else None
    return match[1].decode("ascii") if match else None


def _user(principal: str) -> AuthenticatedUser:
    """The SDK's form of a caller; without the token, which nothing behind this door needs."""
    return AuthenticatedUser(
        AccessToken(token="", client_id=principal, subject=principal, scopes=[])
    )


def _unauthorized(*, given: bool) -> Response:
    fault = "the bearer token is not known here" if given else "no bearer token was sent"
    challenge = 'Bearer realm="pagefault"' + (', error="invalid_token"' if given else "")
    return refusal(
        401,
        f"unauthorized: {fault}. Every request needs `Authorization: Bearer TOKEN` with a token "
        "of this server's token file; ask its operator for one.",
        {"WWW-Authenticate": challenge},
    )


def _unavailable() -> Response:
    return refusal(
        503,
        "tokens_unavailable: the server cannot check tokens at the moment. Its operator finds the "
        "reason in its log; try again later.",
        {"Retry-After": "30"},
    )
