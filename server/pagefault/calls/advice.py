"""What experience says of a call, or of a goal, in words that a model can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..base.call import Call
from ..base.clock import iso
from ..procedures import wording
from ..procedures.experience import Experience
from ..procedures.retrieval import Fix, Query, Working, find_fixes, find_ways
from ..residency import Residency
from ..stores.contract import Workspace
from .core import Calls

_PATTERNS = 3


@dataclass(frozen=True, slots=True)
class Pattern:
    """A fix, a way of calling or a tool's record: ``text`` for a model, and the counts behind it.

    ``last``: ISO time; None and 0 where it does not apply.
    """

    kind: str
    tool: str
    text: str
    worked: int = 0
    failed: int = 0
    last: str | None = None
    via: tuple[str, ...] = ()
    example: Mapping[str, Any] | None = None


async def before(calls: Calls, seat: Residency, experience: Experience, call: Call) -> list[str]:
    """What to know before this very call is made; nothing where nothing is known."""
    tool = experience.tools.get(call.tool)
    if tool is None:
        return []
    said = []
    bad = tool.ways.bad.get(call.digest)
    now = calls.memory.now()
    if bad is not None:
        said.append(wording.of_bad(call.tool, bad, now))
        query = Query(call.tool, call.arguments, kind=bad.error)
        said += [
            await _fix(calls, seat.workspace, seat.row.id, fix)
            for fix in find_fixes(experience, query, now, 1)
        ]
    missing = experience.prerequisites.missing(call.tool, seat.row.id)
    said += [text for text in [wording.of_prerequisites(call.tool, missing)] if text]
    return said


async def search(calls: Calls, workspace: Workspace, session: str, query: Query) -> list[Pattern]:
    """Fixes for an error, ways that worked for a goal, a tool's record: the best few of each."""
    experience = await calls.learning.experience(workspace)
    now = calls.memory.now()
    found: list[Pattern] = []
    if query.error or query.kind or query.tool is not None:
        found += [
            await _fix_pattern(calls, workspace, session, fix, now)
            for fix in find_fixes(experience, query, now, _PATTERNS)
        ]
    found += [
        await _way_pattern(calls, workspace, session, way, now)
        for way in find_ways(experience, query, _PATTERNS)
    ]
    return found + _record(experience, query.tool)


async def for_tools(
    calls: Calls, workspace: Workspace, session: str, tools: Sequence[str]
) -> list[str]:
    """A line or two on each of the tools in play, for a context."""
    experience = await calls.learning.experience(workspace)
    now = calls.memory.now()
    said = []
    for name in tools:
        query = Query(name)
        said += [
            await _fix(calls, workspace, session, fix)
            for fix in find_fixes(experience, query, now, 1)
        ]
        needed = wording.of_prerequisites(name, experience.prerequisites.of(name))
        said += [needed] if needed else []
    return said


def _record(experience: Experience, name: str | None) -> list[Pattern]:
    tool = experience.tools.get(name) if name else None
    if tool is None or name is None:
        return []
    counts = tool.counts
    said = [wording.of_counts(name, counts)]
    needed = wording.of_prerequisites(name, experience.prerequisites.of(name))
    text = "; ".join([*said, *([needed] if needed else [])])
    return [Pattern("record", name, text, counts.ok, counts.failed)]


async def _fix(calls: Calls, workspace: Workspace, session: str, fix: Fix) -> str:
    return (await _fix_pattern(calls, workspace, session, fix, calls.memory.now())).text


async def _fix_pattern(
    calls: Calls, workspace: Workspace, session: str, fix: Fix, now: float
) -> Pattern:
    failed, fixed = fix.example or (None, None)
    old, new = (
        await _arguments(calls, workspace, session, failed),
        await _arguments(calls, workspace, session, fixed),
    )
    return Pattern(
        "fix",
        fix.tool,
        wording.of_fix(fix, now, old, new),
        fix.worked,
        fix.failed,
        iso(fix.last),
        fix.via,
        None if old is None or new is None else {"failed": old, "fixed": new},
    )


async def _way_pattern(
    calls: Calls, workspace: Workspace, session: str, way: Working, now: float
) -> Pattern:
    example = await _arguments(calls, workspace, session, way.example or None)
    return Pattern(
        "way",
        way.tool,
        wording.of_way(way, now, example),
        way.ok,
        way.failed,
        iso(way.last),
        example=example,
    )


async def _arguments(
    calls: Calls, workspace: Workspace, session: str, page_id: str | None
) -> Mapping[str, Any] | None:
    """The arguments of a recorded call, by its page; None where they were forgotten."""
    page = None if page_id is None else await calls.page_of(workspace, session, page_id)
    if page is None:
        return None
    arguments = (await calls.payload(workspace, page)).get("arguments")
    return arguments if isinstance(arguments, dict) else None
