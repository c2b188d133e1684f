"""The procedures group: what earlier calls have taught."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from ... import calls
from ..door import Call
from ..tool import Spec


async def procedure_search(
    call: Call,
    tool_name: str | None = None,
    goal: str | None = None,
    error: str | None = None,
    arguments: Annotated[dict[str, Any] | None, Field(description="that failed")] = None,
) -> dict[str, Any]:
    """Find what worked before: fixes for an error, arguments, tools to call first. Call it when a
    tool fails, or before one that is new to you.
    """
    query = calls.Query(tool_name, arguments, error, goal=goal or "")
    found = await calls.search(call.calls, call.workspace, call.seat.row.id, query)
    if not found:
        call.notes.append("nothing like it was recorded yet: tool_record teaches")
    return call.answer(patterns=[pattern(one) for one in found])


def pattern(one: calls.Pattern) -> dict[str, Any]:
    """A pattern as a reply shows it."""
    told = {
        "kind": one.kind,
        "tool": one.tool,
        "text": one.text,
        "worked": one.worked,
        "failed": one.failed,
        "last": one.last,
        "via": list(one.via),
        "example": one.example,
    }
    return {name: value for name, value in told.items() if value not in (None, [], {})}


TOOLS = (
    Spec(
        procedure_search,
        "Search what calls taught",
        {"patterns": "array"},
        read_only=True,
        idempotent=True,
    ),
)
