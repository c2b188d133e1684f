"""What guards know of a session's calls: a bounded fold over them, the same on every replay."""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..base.call import Call, Outcome
from .normal import normal_digest
from .values import leaf, scalars, shape

STEPS = 32  # latest calls that loops are looked for in
_TOOLS = 512  # tools of which it is kept that they succeeded, and what their values look like
_SHAPES = 16  # kinds of value kept of one argument
_TIMES = 2_000  # calls of the last minute
_RUNNING = 512  # calls asked about and not yet reported
_MINUTE = 60.0
_SHORT = 64  # characters of a value that may be an identifier

_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Step:
    """A call that was made, reduced to what guards compare.

    ``call`` and ``result`` are digests, the result's of its normal form. ``number``: the result
    where it is a fraction. ``shapes``: argument and shape of each identifier. ``at``: seconds.
    """

    tool: str
    call: str
    result: str
    ok: bool
    at: float
    seconds: float = 0.0
    number: float | None = None
    shapes: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """The same for the same call with the same result."""
        return self.call, self.result


def step(call: Call, outcome: Outcome, at: float, seconds: float | None = None) -> Step:
    """What guards keep of a call and its outcome."""
    return Step(
        tool=call.tool,
        call=call.digest,
        result=normal_digest(outcome.value),
        ok=outcome.ok,
        at=at,
        seconds=max(0.0, seconds or 0.0),
        number=_fraction(outcome.value) if outcome.ok else None,
        shapes=tuple(_shapes(call)) if outcome.ok else (),
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that somebody was about to make, in a turn."""

    tool: str
    call: str
    at: float
    turn: int


@dataclass(slots=True)
class Turn:
    """The calls of the present turn."""

    number: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


@dataclass(slots=True)
class Past:
    """A session's calls so far, bounded whatever their number.

    Fed in the order of the record: ``turn`` where one begins, ``take`` for each call that was
    made, ``ask`` for each that passed its check. ``called``: how many calls there were at all;
    ``since_user``: how many since the user last spoke. ``heard``: the user has spoken at all.
    """

    steps: deque[Step] = field(default_factory=lambda: deque(maxlen=STEPS))
    called: int = 0
    since_user: int = 0
    heard: bool = False
    present: Turn = field(default_factory=Turn)
    succeeded: dict[str, int] = field(default_factory=dict)
    times: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=_TIMES))
    asked: dict[str, Asked] = field(default_factory=dict)
    shapes: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    def turn(self, number: int, *, by_user: bool) -> None:
        """A turn begins, with a message of the user or without one; its counts begin at zero."""
        if number != self.present.number:
            self.present = Turn(number)
        if by_user:
            self.heard, self.since_user = True, 0

    def take(self, made: Step, key: str | None = None) -> None:
        """A call was made. ``key``: under which it had been asked about, where that is known."""
        self.steps.append(made)
        self.called += 1
        self.since_user += 1
        self.present.calls[made.tool] += 1
        self.present.seconds += made.seconds
        self.times.append((made.at, made.tool))
        self._reported(made, key)
        if made.ok:
            _renew(self.succeeded, made.tool, self.succeeded.get(made.tool, 0) + 1, _TOOLS)
            self._learn(made)

    def ask(self, key: str, call: Call, at: float) -> None:
        """A call passed its check and is now running. ``key``: unique among running calls."""
        _renew(self.asked, key, Asked(call.tool, call.digest, at, self.present.number), _RUNNING)

    def running(self, now: float, lease: float) -> list[Asked]:
        """The calls that passed their check at most ``lease`` seconds ago, not yet reported."""
        return [asked for asked in self.asked.values() if now - asked.at < lease]

    def lately(self, now: float) -> list[str]:
        """The tools called within the last minute, one entry a call."""
        return [tool for at, tool in self.times if now - at < _MINUTE]

    def _reported(self, made: Step, key: str | None) -> None:
        if key is None or key not in self.asked:
            same = (name for name, asked in self.asked.items() if asked.call == made.call)
            key = next(same, None)
        if key is not None:
            del self.asked[key]

    def _learn(self, made: Step) -> None:
        for argument, form in made.shapes:
            forms = self.shapes.get((made.tool, argument), ())
            if form not in forms:
                forms = (*forms, form)[-_SHAPES:]
            _renew(self.shapes, (made.tool, argument), forms, _TOOLS)


def _renew(kept: dict[_K, _V], name: _K, value: _V, most: int) -> None:
    """Put a value at the end and drop the one that was renewed least lately."""
    kept.pop(name, None)
    kept[name] = value
    if len(kept) > most:
        del kept[next(iter(kept))]


def _shapes(call: Call) -> list[tuple[str, str]]:
    found = {
        (leaf(path), shape(value))
        for path, value in scalars(call.arguments)
        if isinstance(value, str) and len(value) <= _SHORT and any(map(str.isdigit, value))
    }
    return sorted(found)[:_SHAPES]


def _fraction(value: Any) -> float | None:  # noqa: ANN401 - any JSON value
    """A result that is a number with a point or an exponent; a count or a yes is none."""
    if isinstance(value, str) and len(value) <= _SHORT and not value.strip("+-").isdigit():
        try:
            value = float(value)
        except ValueError:
            return None
    return value if isinstance(value, float) and math.isfinite(value) else None
