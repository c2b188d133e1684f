"""Tools whose success usually comes before another's: there before it succeeds, missing before it
fails. Counted over the last calls of each session, and told by their lift.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

from .lines import Called

WINDOW: Final = 12  # other tools that succeeded lately in the session
_SESSIONS: Final = 64
_COUNTED: Final = 32  # tools counted before one tool

SUCCESSES: Final = 5  # a tool must have so many before anything is said of it
FAILURES: Final = 3
BEFORE_SUCCESS: Final = 0.8  # of the successes, the share that had it before
LIFT: Final = 1.2


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """``with_it`` and ``without``: the tool's rate of success when the other came before or not."""

    tool: str
    lift: float
    with_it: float
    without: float


@dataclass(slots=True)
class _Before:
    ok: int = 0
    failed: int = 0
    counts: dict[str, list[int]] = field(default_factory=dict)  # other tool: [before ok, failed]


@dataclass(slots=True)
class Prerequisites:
    """What came before every tool's calls."""

    by_tool: dict[str, _Before] = field(default_factory=dict)
    lately: OrderedDict[str, dict[str, None]] = field(default_factory=OrderedDict)

    def fold(self, line: Called) -> None:
        """Count what succeeded before this call, and this call for those to come."""
        done = self._done(line.session)
        before = self.by_tool.setdefault(line.tool, _Before())
        before.ok += line.ok
        before.failed += not line.ok
        counts = before.counts
        for tool in done:
            if tool in counts:
                counts[tool][not line.ok] += 1
            elif tool != line.tool and len(counts) < _COUNTED:
                counts[tool] = [int(line.ok), int(not line.ok)]
        if line.ok:
            done.pop(line.tool, None)
            done[line.tool] = None
            if len(done) > WINDOW:
                del done[next(iter(done))]

    def _done(self, session: str) -> dict[str, None]:
        done = self.lately.get(session)
        if done is None:
            done = self.lately[session] = {}
            if len(self.lately) > _SESSIONS:
                self.lately.popitem(last=False)
        return done

    def drop(self, tool: str) -> None:
        """Know nothing of a tool any more."""
        self.by_tool.pop(tool, None)

    def of(self, tool: str) -> list[Prerequisite]:
        """The tools to call before this one, the strongest first; none without enough calls."""
        before = self.by_tool.get(tool)
        if before is None or before.ok < SUCCESSES or before.failed < FAILURES:
            return []
        judged = (_judged(before, other, *counts) for other, counts in before.counts.items())
        found = [each for each in judged if each is not None]
        return sorted(found, key=lambda each: (-each.lift, each.tool))

    def missing(self, tool: str, session: str) -> list[Prerequisite]:
        """Those that have not succeeded in the session lately."""
        done = self.lately.get(session, {})
        return [each for each in self.of(tool) if each.tool not in done]

    def to_json(self) -> list[Any]:
        """Everything as a JSON array, in its order."""
        tools = [[tool, b.ok, b.failed, list(b.counts.items())] for tool, b in self.by_tool.items()]
        return [tools, [[session, list(done)] for session, done in self.lately.items()]]

    @classmethod
    def from_json(cls, row: list[Any]) -> Prerequisites:
        """What `to_json` wrote."""
        tools = {
            tool: _Before(ok, failed, {other: list(pair) for other, pair in counts})
            for tool, ok, failed, counts in row[0]
        }
        return cls(tools, OrderedDict((s, dict.fromkeys(done)) for s, done in row[1]))


def _judged(before: _Before, other: str, ok: int, failed: int) -> Prerequisite | None:
    calls = before.ok + before.failed
    rest = calls - ok - failed
    rate = before.ok / calls
    with_it = ok / (ok + failed)
    without = (before.ok - ok) / rest if rest else 1.0
    lift = with_it / rate
    if ok < BEFORE_SUCCESS * before.ok or lift < LIFT or without >= with_it:
        return None
    return Prerequisite(other, lift, with_it, without)
