"""The answer to a request that is turned away before the protocol sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp.types import INTERNAL_ERROR, INVALID_REQUEST
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Mapping


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A JSON-RPC error without an id, the form in which MCP clients pass on ``message``.

    The message begins with a stable code and ends with the next step.
    """
    code = INTERNAL_ERROR if status >= 500 else INVALID_REQUEST
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}
    return JSONResponse(body, status_code=status, headers=headers)
