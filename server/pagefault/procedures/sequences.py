"""Sequences of tools that end a turn well, and which of them are worth a name.

Every turn is one stretch of calls, repeats of one tool in a row taken as one. When the next turn
begins, each run of two to five tools in it is counted once: as worked when all its calls and the
turn's last call succeeded, as failed otherwise. What keeps working is proposed as a procedure.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

from .lines import Called

LENGTHS: Final = (2, 3, 4, 5)
_STEPS: Final = 12  # of a turn, the latest
_TURNS: Final = 64  # sessions whose turn is open
KEPT: Final = 512
_SESSIONS: Final = 4  # in which a sequence worked, as far as they are told apart

TIMES: Final = 3  # turns in which a sequence worked before it is worth a name
RATE: Final = 0.8

Tools = tuple[str, ...]


@dataclass(slots=True)
class Sequence:
    """``worked`` and ``failed`` count turns; ``events``: the calls of the latest that worked."""

    tools: Tools
    worked: int = 0
    failed: int = 0
    last: float = 0.0
    sessions: list[str] = field(default_factory=list)
    events: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        """Of the turns, the share in which it worked."""
        return self.worked / (self.worked + self.failed)


@dataclass(frozen=True, slots=True)
class Promotion:
    """A sequence worth a page: its name, and the events that it was learned from."""

    name: str
    tools: Tools
    worked: int
    failed: int
    sessions: int
    events: tuple[str, ...]


@dataclass(slots=True)
class _Turn:
    number: int
    steps: list[tuple[str, bool, str]] = field(default_factory=list)  # tool, ok, event
    at: float = 0.0


@dataclass(slots=True)
class Sequences:
    """All sequences of a workspace, with the turns that are not over yet."""

    by_tools: dict[Tools, Sequence] = field(default_factory=dict)
    open: OrderedDict[str, _Turn] = field(default_factory=OrderedDict)

    def fold(self, line: Called) -> None:
        """Follow one call; a new turn of its session closes the one before."""
        turn = self.open.get(line.session)
        if turn is None or turn.number != line.turn:
            if turn is not None:
                self._close(line.session, turn)
            turn = self.open[line.session] = _Turn(line.turn)
            self.open.move_to_end(line.session)
            if len(self.open) > _TURNS:
                self._close(*self.open.popitem(last=False))
        turn.at = line.at
        step = (line.tool, line.ok, line.event)
        if turn.steps and turn.steps[-1][0] == line.tool:
            turn.steps[-1] = step  # the last of a row of calls is the one that counts
            return
        turn.steps.append(step)
        if len(turn.steps) > _STEPS:
            del turn.steps[0]

    def forget(self, events: frozenset[str]) -> None:
        """Drop what would show one of these events."""
        for sequence in self.by_tools.values():
            if not events.isdisjoint(sequence.events):
                sequence.events = ()
        for turn in self.open.values():
            turn.steps = [step for step in turn.steps if step[2] not in events]

    def _close(self, session: str, turn: _Turn) -> None:
        steps = turn.steps
        if len(steps) < LENGTHS[0]:
            return
        ended_well = steps[-1][1]
        runs = {
            tuple(step[0] for step in steps[start : start + length]): steps[start : start + length]
            for length in LENGTHS
            for start in range(len(steps) - length + 1)
        }
        for tools, run in runs.items():
            worked = ended_well and all(step[1] for step in run)
            self._count(session, turn.at, tools, run if worked else None)
        if len(self.by_tools) > KEPT:
            self._thin()

    def _count(
        self, session: str, at: float, tools: Tools, run: list[tuple[str, bool, str]] | None
    ) -> None:
        sequence = self.by_tools.get(tools)
        if sequence is None:
            sequence = self.by_tools[tools] = Sequence(tools)
        if run is None:
            sequence.failed += 1
            return
        sequence.worked += 1
        sequence.last = max(sequence.last, at)
        sequence.events = tuple(step[2] for step in run)
        if session not in sequence.sessions and len(sequence.sessions) < _SESSIONS:
            sequence.sessions.append(session)

    def _thin(self) -> None:
        """Keep the three quarters that worked most, then latest; in the order they came."""
        ranked = sorted(self.by_tools.values(), key=lambda each: (-each.worked, -each.last))
        keep = {sequence.tools for sequence in ranked[: KEPT * 3 // 4]}
        self.by_tools = {tools: each for tools, each in self.by_tools.items() if tools in keep}

    def to_json(self) -> list[Any]:
        """Everything as a JSON array, in its order."""
        kept = [
            [each.tools, each.worked, each.failed, each.last, each.sessions, each.events]
            for each in self.by_tools.values()
        ]
        turns = [[session, t.number, t.steps, t.at] for session, t in self.open.items()]
        return [kept, turns]

    @classmethod
    def from_json(cls, row: list[Any]) -> Sequences:
        """What `to_json` wrote."""
        found = [Sequence(tuple(r[0]), r[1], r[2], r[3], list(r[4]), tuple(r[5])) for r in row[0]]
        turns = OrderedDict((r[0], _Turn(r[1], [(*s,) for s in r[2]], r[3])) for r in row[1])
        return cls({each.tools: each for each in found}, turns)


def promotions(known: Sequences, named: Collection[str] = ()) -> list[Promotion]:
    """Sequences that keep succeeding and have no page yet, the most proven first.

    A sequence that always comes inside a longer one that qualifies as well is left to that one.
    ``named``: names of the procedures that have a page.
    """
    able = [each for each in known.by_tools.values() if _proven(each)]
    found = [each for each in able if not any(_inside(each, longer) for longer in able)]
    found.sort(key=lambda each: (-each.worked, -len(each.tools), each.tools))
    made = [_promotion(each) for each in found]
    return [promotion for promotion in made if promotion.name not in named]


def name_of(tools: Tools) -> str:
    """The name of a sequence's procedure."""
    return " > ".join(tools)


def _proven(sequence: Sequence) -> bool:
    return sequence.worked >= TIMES and sequence.rate >= RATE and bool(sequence.events)


def _inside(short: Sequence, long: Sequence) -> bool:
    size = len(short.tools)
    if size >= len(long.tools) or long.worked < short.worked:
        return False
    starts = range(len(long.tools) - size + 1)
    return any(long.tools[start : start + size] == short.tools for start in starts)


def _promotion(sequence: Sequence) -> Promotion:
    return Promotion(
        name_of(sequence.tools),
        sequence.tools,
        sequence.worked,
        sequence.failed,
        len(sequence.sessions),
        sequence.events,
    )
