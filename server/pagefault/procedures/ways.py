"""Ways of calling one tool: sets of argument names, with what came of them and what for.

Also the exact calls that have failed and never worked, known by their digest.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

from .likeness import Likeness
from .lines import Called

WAYS: Final = 32  # of one tool
GOALS: Final = 4  # of one way, the latest distinct ones
BAD: Final = 32  # calls of one tool


@dataclass(slots=True)
class Way:
    """``goals``: hashed terms of a goal, with the event of a success under it, newest last."""

    keys: tuple[str, ...]
    ok: int = 0
    failed: int = 0
    last: float = 0.0  # when it last worked
    seen: str = ""  # the event of its latest success
    goals: OrderedDict[tuple[int, ...], str] = field(default_factory=OrderedDict)


@dataclass(slots=True)
class Bad:
    """An exact call that failed ``times`` times and has never worked since."""

    times: int
    event: str
    error: str
    at: float


@dataclass(slots=True)
class Ways:
    """What is known of how one tool is called."""

    by_keys: OrderedDict[tuple[str, ...], Way] = field(default_factory=OrderedDict)
    bad: OrderedDict[str, Bad] = field(default_factory=OrderedDict)
    _index: Likeness[tuple[str, ...]] | None = field(default=None, compare=False, repr=False)

    @property
    def index(self) -> Likeness[tuple[str, ...]]:
        """The ways by their keys, described by what they were used for."""
        if self._index is None:
            self._index = Likeness()
            for way in self.by_keys.values():
                self._index.add(way.keys, _terms(way))
        return self._index

    def fold(self, line: Called) -> None:
        """Count one call."""
        way = self.by_keys.get(line.keys)
        if way is None:
            way = self._opened(line.keys)
        if line.ok:
            self._worked(way, line)
        else:
            way.failed += 1
            self._failed(line)

    def forget(self, events: frozenset[str]) -> None:
        """Drop what would show one of these events."""
        for way in self.by_keys.values():
            if way.seen in events:
                way.seen = ""
            for goal in [terms for terms, event in way.goals.items() if event in events]:
                del way.goals[goal]
                self._index = None
        for call in [call for call, bad in self.bad.items() if bad.event in events]:
            del self.bad[call]

    def _opened(self, keys: tuple[str, ...]) -> Way:
        if len(self.by_keys) >= WAYS:
            weakest = min(self.by_keys.values(), key=lambda way: (way.ok, way.ok + way.failed))
            del self.by_keys[weakest.keys]
            self._index = None
        way = self.by_keys[keys] = Way(keys)
        return way

    def _worked(self, way: Way, line: Called) -> None:
        way.ok += 1
        way.last = max(way.last, line.at)
        way.seen = line.event
        if self.bad:
            self.bad.pop(line.call, None)
        if line.goal:
            self._meant(way, line)

    def _meant(self, way: Way, line: Called) -> None:
        """Remember what the way was used for; the index is only touched by a new goal."""
        new = line.goal not in way.goals
        if new and self._index is not None and way.keys in self._index.lengths:
            self._index.remove(way.keys, _terms(way))
        way.goals[line.goal] = line.event
        way.goals.move_to_end(line.goal)
        if len(way.goals) > GOALS:
            way.goals.popitem(last=False)
        if new and self._index is not None:
            self._index.add(way.keys, _terms(way))

    def _failed(self, line: Called) -> None:
        before = self.bad.pop(line.call, None)
        times = before.times + 1 if before else 1
        self.bad[line.call] = Bad(times, line.event, line.error, line.at)
        if len(self.bad) > BAD:
            self.bad.popitem(last=False)

    def to_json(self) -> list[Any]:
        """Everything as a JSON array, in its order."""
        ways = [
            [way.keys, way.ok, way.failed, way.last, way.seen, list(way.goals.items())]
            for way in self.by_keys.values()
        ]
        bad = [[call, b.times, b.event, b.error, b.at] for call, b in self.bad.items()]
        return [ways, bad]

    @classmethod
    def from_json(cls, row: list[Any]) -> Ways:
        """What `to_json` wrote."""
        ways = [_way(each) for each in row[0]]
        bad = OrderedDict((each[0], Bad(*each[1:])) for each in row[1])
        return cls(OrderedDict((way.keys, way) for way in ways), bad)


def _terms(way: Way) -> dict[int, None]:
    return {term: None for goal in way.goals for term in goal}


def _way(row: list[Any]) -> Way:
    keys, ok, failed, last, seen, goals = row
    found = OrderedDict((tuple(terms), event) for terms, event in goals)
    return Way(tuple(keys), ok, failed, last, seen, found)
