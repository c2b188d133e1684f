"""Calls of this server's own tools that run in circles: pointed out, and stopped where strict.

The guards' fold over a session's latest calls within a turn, in this process alone: nothing of it
is logged. The third call that brings the same again gets a note. With strict guards the fifth is
answered with what to do instead; without them a program may read one page for ever. A call is made
all the same before it is stopped, so that one which brings anything new never is. Writing,
recording and other progress begin the count anew, as does a turn.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ..base.call import Call
from ..base.errors import InvalidArgument, LoopDetected, PagefaultError
from ..base.page import PAGE_ID
from ..guards import loops, sizes
from ..guards.guard import Question
from ..guards.past import Past, Step
from ..guards.rules import LoopRules, Rules, SizeRules

_SESSIONS = 256  # whose latest calls are kept
_TOLD, _STOPPED = 3, 4  # same calls: the third is told; with four before it, one is stopped
_GUESSED, _GUESSED_STOPPED = 2, 5  # ids in a row that are no pages
_LARGEST = 200_000  # bytes of the arguments of a call that only asks

# What only asks, or does again what is done: the same answer again is no progress.
_WATCHED = frozenset(
    "page_fault search_pages page_history page_pin page_evict binding_get procedure_search".split()
)
# What hosts poll, or build each context with: neither spinning nor progress.
_POLLED = frozenset(("session_stats", "context_build"))
# What an answer says of the working set and the turn, and not of what was asked.
_PASSING = frozenset("effects notes tokens_left durability score session_id workspace".split())
# Failures that a repeat may mend.
_PASSES = ("store_", "conflict", "internal")

# The guards that this needs, in the fold's order; all of them would take longer to load.
_GUARDS = (sizes.check, loops.check)
_BEFORE = Rules(
    loops=LoopRules(repeats=_STOPPED, stop=_STOPPED, stop_errors=_STOPPED),
    sizes=SizeRules(arguments=_LARGEST),
)
_AFTER = Rules(loops=LoopRules(repeats=_TOLD, errors=_TOLD))
_USE = "Use what it gave, ask for something else, or answer."
_INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "page_not_found": "Do not guess ids: search_pages finds pages by their words.",
        "fault_limit_exceeded": "Answer from what is mapped, or wait for the user.",
    }
)
_OTHERWISE = "Read the error and change the call, or tell the user."


@dataclass(slots=True)
class Watched:
    """A session's latest calls in one turn. ``stops``: circles are stopped and not only noted.
    ``unknown``: the ids in a row that were no pages.
    """

    turn: int
    stops: bool
    past: Past = field(default_factory=Past)
    unknown: dict[str, None] = field(default_factory=dict)

    def ask(self, tool: str, arguments: Mapping[str, Any]) -> Asked:
        """Look at a call before it is made.

        Raises:
            InvalidArgument: it only asks, with more words than any question has.
        """
        if tool not in _WATCHED:
            return Asked(self, tool, "", stop=False)
        call = Call(tool, {name: given for name, given in arguments.items() if given is not None})
        question = Question(call, call.arguments, self.past, 0.0)
        found = (check(question, _BEFORE) for check in _GUARDS)
        finding = next((one for one in found if one is not None and one.verdict == "block"), None)
        if finding is not None and finding.guard == sizes.NAME:
            message = f"{finding.reason} Ask with fewer words"
            raise InvalidArgument(message)
        return Asked(self, tool, call.digest, stop=self.stops and finding is not None)


@dataclass(frozen=True, slots=True)
class Asked:
    """A call on its way. ``stop``: it is to be stopped, should it bring the same once more."""

    watched: Watched
    tool: str
    call: str
    stop: bool

    def answered(self, reply: Mapping[str, Any]) -> str | None:
        """What to note of an answer, if anything.

        Raises:
            LoopDetected: it is the same again.
        """
        if self.tool in _POLLED:
            return None
        self.watched.unknown.clear()
        if self.tool not in _WATCHED:
            self.watched.past = Past()
            return None
        again = self._take(str(_brought(reply)), ok=True)
        if again and self.stop:
            message = (
                f"{self.tool} with these arguments brings the same again and again, with nothing "
                f"new in between. {_USE} The user's next message lifts this"
            )
            raise LoopDetected(message)
        found = loops.report(self.watched.past, _AFTER)
        return None if found is None else f"{found.reason} {_USE}"

    def failed(self, error: PagefaultError) -> PagefaultError:
        """The error to answer with: as it was, with a hint, or that it runs in circles."""
        if error.code.startswith(_PASSES) or self.tool in _POLLED:
            return error
        again = self._take(error.code, ok=False, call=self.call or error.message)
        instead = _INSTEAD.get(error.code, _OTHERWISE)
        if error.code == "page_not_found":
            return self._unknown(error, instead, again=again)
        if again and self.stop:
            return LoopDetected(f"{self.tool} fails in the same way each time. {error.message}")
        if loops.report(self.watched.past, _AFTER) is not None:
            error.message = f"{error.message.rstrip('.')}. {_TOLD} failures like this: {instead}"
        return error

    def _unknown(self, error: PagefaultError, instead: str, *, again: bool) -> PagefaultError:
        unknown = self.watched.unknown
        named = PAGE_ID.search(error.message)
        unknown[named[0] if named else error.message] = None
        guessed = self.watched.stops and len(unknown) >= _GUESSED_STOPPED
        if guessed or (again and self.stop):
            times = f"nor were {len(unknown) - 1} before it" if len(unknown) > 1 else "still"
            what = error.message.partition(" is no page")[0]
            return LoopDetected(f"{what} is no page, {times}. {instead}")
        if len(unknown) >= _GUESSED or loops.report(self.watched.past, _AFTER) is not None:
            error.message = f"{error.message.rstrip('.')}. {instead}"
        return error

    def _take(self, result: str, *, ok: bool, call: str | None = None) -> bool:
        """Keep what came of the call; whether it is what came of it last."""
        made = Step(self.tool, call or self.call, result, ok, 0.0)
        before = (one for one in reversed(self.watched.past.steps) if one.call == made.call)
        last = next(before, None)
        self.watched.past.steps.append(made)
        self.watched.past.since_user += 1
        return last is not None and last.key == made.key


class Spinning:
    """The latest calls of the sessions that this process serves. ``stops``: as of `Watched`."""

    def __init__(self, *, stops: bool) -> None:
        self._stops = stops
        self._sessions: OrderedDict[tuple[int, str], Watched] = OrderedDict()

    def of(self, session: tuple[int, str], turn: int) -> Watched:
        """The session's calls of this turn. ``session``: the workspace's key, and its handle."""
        found = self._sessions.get(session)
        if found is None or found.turn != turn:
            found = self._sessions[session] = Watched(turn, self._stops)
            if len(self._sessions) > _SESSIONS:
                self._sessions.popitem(last=False)
        self._sessions.move_to_end(session)
        return found


def _brought(value: Any) -> int:  # noqa: ANN401 - any JSON value
    """A number that is the same for answers that say the same, in this process."""
    if isinstance(value, Mapping):
        return hash(
            tuple((name, _brought(each)) for name, each in value.items() if name not in _PASSING)
        )
    if isinstance(value, list | tuple):
        return hash(tuple(map(_brought, value)))
    return hash((type(value), value))
