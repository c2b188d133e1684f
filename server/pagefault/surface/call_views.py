"""What can be read by URI of calls of other tools: bindings, and what calls have taught."""

from __future__ import annotations

from typing import Any

from .. import calls
from ..base.event import canonical
from .reading import JSON, Reading, View
from .tools.calls import binding_row
from .tools.procedures import pattern

_MANY = 100  # bindings, or tools, of one reading


async def _bindings(reading: Reading) -> str:
    seat = await reading.seat()
    newest = await calls.newest(reading.calls, seat, _MANY)
    return canonical([binding_row(one) for one in newest])


async def _procedures(reading: Reading) -> str:
    experience = await reading.calls.learning.experience(reading.workspace)
    latest = list(experience.tools.items())[::-1][:_MANY]
    rows: list[dict[str, Any]] = [
        {
            "tool": name,
            "calls": tool.counts.calls,
            "worked": tool.counts.ok,
            "errors": dict(tool.counts.errors),
            "fixes": tool.patterns.size,
        }
        for name, tool in latest
    ]
    return canonical({"calls": experience.calls, "tools": rows})


async def _procedures_of(reading: Reading) -> str:
    query = calls.Query(reading.names["tool_name"])
    found = await calls.search(reading.calls, reading.workspace, "", query)
    return canonical([pattern(one) for one in found])


CALL_VIEWS = (
    View(
        "sessions/{session_id}/bindings",
        "bindings",
        "What $v1, $v2, … stand for, the newest first",
        _bindings,
        JSON,
    ),
    View("procedures", "procedures", "What calls of tools have come to, by tool", _procedures),
    View(
        "procedures/{tool_name}",
        "procedure",
        "What a tool's calls have taught: fixes, ways that work",
        _procedures_of,
    ),
)
