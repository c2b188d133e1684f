"""What experience has to say to a call or a goal: ranked changes that fixed alike failures, and
ways of calling that worked.

A change is voted for by the fifteen nearest failures that it could repair, each with its likeness
of error, arguments and goal. A vote fades with its age, and with failures after the change was
applied. Ranking looks at the whole change and, with half the weight, at its argument names alone,
so that many small variants of the right names beat one common stranger.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from .blame import blamed
from .change import classes_of, fits
from .errors import error_type
from .experience import Experience, Tool
from .features import of_failure, of_goal
from .likeness import scores
from .patterns import Example, Pattern

NEIGHBOURS: Final = 15
LIMIT: Final = 3
_NAMES_ALONE: Final = 0.5
_VIA: Final = 3  # tools in between that are named
_HALF_LIFE: Final = 180 * 86_400.0  # seconds after which a vote counts half
_FORGIVEN: Final = 2  # failures after being applied before a change fades
_FADE: Final = 0.7
_OTHERS: Final = 600  # examples of other tools that are looked through
_LITTLE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for; whatever is None or empty does not count.

    ``error``: the message of the failure at hand; ``kind``: its type as the caller names it.
    """

    tool: str | None = None
    arguments: Mapping[str, Any] | None = None
    error: str | None = None
    kind: str | None = None
    goal: str = ""


@dataclass(frozen=True, slots=True)
class Fix:
    """A change that has fixed alike failures.

    ``worked`` and ``failed``: how often it was applied with which end, over all cases; ``votes``:
    how many of the nearest failures it fixed. ``example``: events of the nearest failure and its
    fix, None when they were forgotten. ``tool``: where it was learned.
    """

    tool: str
    keys: tuple[str, ...]
    sig: tuple[str, ...]
    score: float
    votes: int
    worked: int
    failed: int
    last: float
    error: str
    via: tuple[str, ...] = ()
    example: tuple[str, str] | None = None

    @property
    def rate(self) -> float:
        """Of the times it was applied, the share that worked."""
        return self.worked / max(1, self.worked + self.failed)


@dataclass(frozen=True, slots=True)
class Working:
    """A way of calling a tool that worked: names of arguments, counts, the event to show."""

    tool: str
    keys: tuple[str, ...]
    score: float
    ok: int
    failed: int
    last: float
    example: str

    @property
    def rate(self) -> float:
        """Of the calls of this way, the share that succeeded."""
        return self.ok / max(1, self.ok + self.failed)


@dataclass(frozen=True, slots=True)
class _Vote:
    weight: float
    tool: str
    pattern: Pattern
    example: Example


def find_fixes(experience: Experience, query: Query, now: float, limit: int = LIMIT) -> list[Fix]:
    """The changes most likely to repair the call, best first.

    Of the tool itself where it has any that fit; else of other tools, where their change can be
    made to the same arguments. A failed call may get one more that nobody has tried, as the last:
    to change the argument that the error names (`votes` and `worked` are 0).
    """
    tool = experience.tools.get(query.tool) if query.tool else None
    found = []
    if query.tool and tool is not None:
        found = _ranked(_votes({query.tool: tool}, query, now), limit)
    if not found and (query.error or query.kind or query.goal):
        found = _ranked(_votes(_latest(experience), query, now), limit)
    guess = _untried(experience, query)
    if guess is not None and len(found) < limit and all(fix.keys != guess.keys for fix in found):
        found.append(guess)
    return found


def _untried(experience: Experience, query: Query) -> Fix | None:
    """A change of the argument that the error speaks of, or of the only one there is.

    Its class is the one that has most often fixed a value of this form, in any tool.
    """
    if not query.tool or not query.arguments or not (query.error or query.kind):
        return None
    blame = blamed(query.error or "", query.arguments)
    if not blame and len(query.arguments) > 1:
        return None
    key = max(blame, key=lambda each: blame[each]) if blame else next(iter(query.arguments))
    kind = max(classes_of(query.arguments[key]), key=lambda each: experience.classes.get(each, 0))
    error = error_type(query.error or "", query.kind)
    return Fix(query.tool, (f"~{key}",), (f"~{key}:{kind}",), 0.0, 0, 0, 0, 0.0, error)


def find_ways(experience: Experience, query: Query, limit: int = LIMIT) -> list[Working]:
    """The ways of calling that worked for a goal like this, or the tool's commonest ones."""
    tools = experience.tools
    if query.tool:
        tools = type(tools)((n, t) for n, t in tools.items() if n == query.tool)
    terms = of_goal(query.goal)
    likeness = scores([tool.ways.index for tool in tools.values()], terms)
    found = []
    for (name, tool), alike in zip(tools.items(), likeness, strict=True):
        for keys, way in tool.ways.by_keys.items():
            score = alike.get(keys, 0.0)
            if way.ok and (score or query.tool):
                found.append((score, way.ok, name, way))
    best = heapq.nlargest(limit, found, key=lambda each: (each[0], each[1], each[3].last))
    return [
        Working(
            name,
            way.keys,
            score,
            way.ok,
            way.failed,
            way.last,
            _shown(way.goals, terms) or way.seen,
        )
        for score, _, name, way in best
    ]


def _shown(goals: Mapping[tuple[int, ...], str], terms: Sequence[int]) -> str:
    """The event of the goal that shares most with the one asked for."""
    asked = set(terms)
    alike = [(len(asked.intersection(goal)), event) for goal, event in goals.items()]
    return max(alike, key=lambda each: each[0])[1] if alike else ""


def _latest(experience: Experience) -> dict[str, Tool]:
    """The tools used last that hold so many examples together as are looked through."""
    found: dict[str, Tool] = {}
    left = _OTHERS
    for name, tool in reversed(experience.tools.items()):
        if tool.patterns.size:
            found[name] = tool
            left -= tool.patterns.size
        if left <= 0:
            break
    return found


def _votes(tools: Mapping[str, Tool], query: Query, now: float) -> list[_Vote]:
    """The nearest failures whose fix could be made to the call at hand."""
    likeness = scores([tool.patterns.index for tool in tools.values()], _terms(query))
    blame = blamed(query.error or "", query.arguments or {})
    votes = []
    for (name, tool), alike in zip(tools.items(), likeness, strict=True):
        for pattern in tool.patterns.by_sig.values():
            if query.arguments is not None and not fits(pattern.keys, query.arguments):
                continue
            fade = _FADE ** max(0, pattern.misses - _FORGIVEN) * _aim(pattern.keys, blame)
            for number, example in pattern.examples.items():
                near = alike.get((pattern.sig, number), 0.0) + _LITTLE
                weight = near * fade * _freshness(now - example.at)
                votes.append((weight, example.at, number, _Vote(weight, name, pattern, example)))
    return [vote for *_, vote in heapq.nlargest(NEIGHBOURS, votes, key=itemgetter(0, 1, 2))]


def _aim(keys: Sequence[str], blame: Mapping[str, float]) -> float:
    """Twice as much for a change of everything that the error names as for one of nothing."""
    if not blame:
        return 1.0
    touched = sum(blame.get(key[1:], 0.0) for key in keys)
    return 1.0 + touched / sum(blame.values())


def _terms(query: Query) -> tuple[int, ...]:
    goal = of_goal(query.goal) if query.goal else ()
    if not query.error and not query.kind and not query.arguments:
        return goal
    message = query.error or ""
    kind = error_type(message, query.kind)
    return of_failure(message, kind, query.arguments or {}) + goal


def _freshness(age: float) -> float:
    return float(0.5 ** (max(0.0, age) / _HALF_LIFE))


def _ranked(votes: Sequence[_Vote], limit: int) -> list[Fix]:
    """Patterns by the votes for them, and half the votes for their argument names."""
    whole: defaultdict[tuple[str, ...], float] = defaultdict(float)
    names: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for vote in votes:
        whole[vote.pattern.sig] += vote.weight
        names[vote.pattern.keys] += vote.weight
    nearest: dict[tuple[str, ...], _Vote] = {}
    for vote in votes:  # they come nearest first
        nearest.setdefault(vote.pattern.sig, vote)
    value = {
        sig: whole[sig] + _NAMES_ALONE * names[vote.pattern.keys] for sig, vote in nearest.items()
    }
    best = sorted(value, key=lambda sig: -value[sig])[:limit]
    return [_fix(nearest[sig], value[sig], votes) for sig in best]


def _fix(nearest: _Vote, score: float, votes: Sequence[_Vote]) -> Fix:
    pattern = nearest.pattern
    own = [vote for vote in votes if vote.pattern.sig == pattern.sig]
    return Fix(
        tool=nearest.tool,
        keys=pattern.keys,
        sig=pattern.sig,
        score=score,
        votes=len(own),
        worked=pattern.worked,
        failed=pattern.failed,
        last=pattern.last,
        error=nearest.example.error,
        via=_via(own) or _via(votes),
        example=(nearest.example.failed, nearest.example.fixed),
    )


def _via(votes: Sequence[_Vote]) -> tuple[str, ...]:
    """The tools most used between these failures and their fixes."""
    used: Counter[str] = Counter()
    for vote in votes:
        for tool in vote.example.via:
            used[tool] += 1
    return tuple(tool for tool, _ in used.most_common(_VIA))
