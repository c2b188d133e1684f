"""One session's calls of other tools, folded from its log lines: bindings, repeats, what is due.

Pure: it is given lines in their order, and the same lines give the same track in every process.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Collection
from dataclasses import dataclass, field

from ..base.call import Call
from ..base.log import BindingsUsed, Called, Judged, LogLine, Restored, SeenAgain
from ..guards.past import Past, Step
from ..procedures.fixing import Attempt

RECENT = 256  # calls that are remembered in their order
_KNOWN = 1_024  # different calls of which the latest good answer is remembered
_TURNS = 2  # turns within which a call comes through a second tool


@dataclass(frozen=True, slots=True)
class Made:
    """A call that was recorded, with when it was: Unix seconds and the session's turn."""

    call: Called
    at: float
    turn: int
    position: int


@dataclass(slots=True)
class Track:
    """What is known of the session's calls. ``reached``: the log position it is true of.

    ``past``: what guards look at. ``open``: calls that the model has announced, by their ids.
    ``attempts``: the recent ones as fixes are looked for, without arguments and error texts.
    ``_alone``: the calls of each tool that came through one door only.
    """

    reached: int = 0
    past: Past = field(default_factory=Past)
    open: OrderedDict[str, Call] = field(default_factory=OrderedDict)
    bound: dict[int, Made] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    recent: deque[Made] = field(default_factory=lambda: deque(maxlen=RECENT))
    attempts: deque[Attempt] = field(default_factory=lambda: deque(maxlen=RECENT))
    used: set[int] = field(default_factory=set)
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    changed: int = 0  # position of the last call that was marked as changing something
    _heard: bool = False
    _made: list[Made] = field(default_factory=list)
    _restores: list[tuple[int, int]] = field(default_factory=list)  # position, and where to
    _answered: OrderedDict[str, Made] = field(default_factory=OrderedDict)
    _alone: dict[str, deque[Made]] = field(default_factory=dict)

    def fold(self, line: LogLine) -> None:
        """Take the next line in."""
        self.reached = line.position
        operation = line.operation
        if isinstance(operation, Called):
            self._call(Made(operation, line.at, line.turn, line.position))
        elif isinstance(operation, SeenAgain):
            self._joined(operation)
        elif isinstance(operation, BindingsUsed):
            self.used.update(operation.numbers)
        elif isinstance(operation, Restored) and operation.to is not None:
            self._go_back(line.position, operation.to)
        elif isinstance(operation, Judged):
            self.verdicts[operation.guard, operation.verdict] += 1

    def turn(self, number: int, *, heard: bool) -> None:
        """The session's present turn; ``heard``: somebody records what the user says."""
        self._heard = heard
        if number > self.past.present.number:
            self.past.turn(number, by_user=heard)

    def announce(self, call_id: str, call: Call) -> None:
        """A model is about to make a call."""
        self.open[call_id] = call
        if len(self.open) > RECENT:
            self.open.popitem(last=False)

    def number(self, name: str) -> int | None:
        """The number behind ``v1`` or an alias; None where nothing is bound to it."""
        if name[:1] == "v" and name[1:].isdecimal() and name[1:].isascii():
            number = int(name[1:])
            return number if number in self.bound else None
        return self.aliases.get(name)

    def answered(self, digest: str) -> Made | None:
        """The latest of the same calls that went well."""
        return self._answered.get(digest)

    def in_play(self, limit: int = 5) -> list[str]:
        """The tools called in this turn and the one before, the latest first."""
        since = self.past.present.number - 1
        late = (made.call.tool for made in reversed(self.recent) if made.turn >= since)
        return list(dict.fromkeys(late))[:limit]

    def first_of(self, call: Called, turn: int, taken: Collection[int] = ()) -> Made | None:
        """The recorded call that this one is, come through another tool; None for a new one.

        Told by the id that the model gave it, else by tool and arguments, the earliest first.
        ``taken``: log positions of calls that another one is already.
        """
        for made in self._alone.get(call.tool, ()):
            late = turn - made.turn <= _TURNS and made.position not in taken
            if late and made.call.door != call.door and _same(made.call, call):
                return made
        return None

    def _joined(self, seen: SeenAgain) -> None:
        """The event's call, or the one that is named of several, has come through both tools."""
        for made in reversed(self.recent):
            call = made.call
            if call.event_id == seen.event_id and seen.call in (None, call.call):
                waiting = self._alone.get(call.tool, deque())
                if made in waiting:
                    waiting.remove(made)

    def _go_back(self, position: int, to: int) -> None:
        """Bind what was bound at a position, which may itself follow an earlier going back."""
        self._restores.append((position, to))
        self.bound, self.aliases = {}, {}
        for made in self._made:
            if self._stands(made.position):
                self._bind(made)

    def _stands(self, position: int) -> bool:
        """Whether what happened at a position is not undone, looking back from the latest line."""
        upto = self.reached
        for restored, to in reversed(self._restores):
            if restored > upto:
                continue  # it is undone itself
            if position > restored:
                return True
            if position > to:
                return False
            upto = to
        return True

    def _bind(self, made: Made) -> None:
        number = made.call.number
        if number is not None:
            self.bound[number] = made
            self.aliases.update(dict.fromkeys(made.call.aliases, number))

    def _call(self, made: Made) -> None:
        call = made.call
        self.recent.append(made)
        self.attempts.append(_attempt(made))
        self._alone.setdefault(call.tool, deque(maxlen=RECENT)).append(made)
        self._made.append(made)
        self._bind(made)
        self.turn(made.turn, heard=self._heard)
        self.past.take(_step(made))
        if call.changes:
            self.changed = made.position
        if call.ok:
            self._answered[call.call] = made
            self._answered.move_to_end(call.call)
            if len(self._answered) > _KNOWN:
                self._answered.popitem(last=False)


def _same(first: Called, again: Called) -> bool:
    """Whether two calls of a tool that came through different doors are one."""
    if first.tool_call_id is not None and again.tool_call_id is not None:
        return first.tool_call_id == again.tool_call_id
    return first.call == again.call


def _attempt(made: Made) -> Attempt:
    call = made.call
    return Attempt(str(call.page_id), call.tool, {}, call.ok, kind=call.error or None)


def _step(made: Made) -> Step:
    call = made.call
    pairs = (shape.rpartition(":") for shape in call.shapes)
    return Step(
        tool=call.tool,
        call=call.call,
        result=call.answer,
        ok=call.ok,
        at=made.at,
        seconds=call.took or 0.0,
        number=call.fraction,
        shapes=tuple((name, form) for name, _, form in pairs),
    )
