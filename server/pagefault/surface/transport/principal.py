"""Who is calling, for every handler: the one place that answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request

if TYPE_CHECKING:
    from mcp.server.mcpserver import Context

LOCAL: Final = "local"
SCOPE_KEY: Final = "pagefault.principal"


def principal_of(ctx: Context[Any, Any]) -> str:
    """The caller's name: ``local``, or the principal of the bearer token that came with this call.

    Over HTTP it is read from the request being served and never from the session it belongs to.

    Raises:
        RuntimeError: when an HTTP request did not come through ``serve_http``'s checks, so that
            nobody is taken for ``local`` by an oversight.
    """
    request = ctx.request_context.request
    if request is None:  # stdio, or a client in the same process
        return LOCAL
    principal = request.scope.get(SCOPE_KEY) if isinstance(request, Request) else None
    if not isinstance(principal, str):
        message = "this HTTP request was not authenticated: serve it through serve_http"
        raise RuntimeError(message)
    return principal
