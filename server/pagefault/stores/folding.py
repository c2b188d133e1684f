"""What a log says that its sessions are: by which a store's own rows can be checked, and mended.

A third reading of the log beside the stores' own, in plain Python: where all three agree, none of
them is wrong by itself. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ..base.log import (
    Called,
    Demoted,
    EventAdded,
    Evicted,
    Faulted,
    FaultedIn,
    Forgotten,
    LogLine,
    PageAdded,
    Pinned,
    SessionOpened,
    Touched,
    TurnBegan,
)

# The fields of a session's row that nobody sets but the log's lines, in the row's order.
COUNTERS: Final = (
    "turn",
    "turn_cause",
    "segment",
    "faults",
    "fault_tokens",
    "messages",
    "user_messages",
    "ai_messages",
    "tool_calls",
    "tokens",
    "prompt_tokens",
    "completion_tokens",
    "total_faults",
    "bindings",
)
_AT_FIRST: Final[Mapping[str, Any]] = {
    **dict.fromkeys(COUNTERS, 0),
    "turn_cause": "start",
    "segment": 1,
}
_NAMED: Final = 6  # differences of one session that are put into words


@dataclass(frozen=True, slots=True)
class Spot:
    """How a page is mapped; the fields mean what they mean of a `contract.Resident`."""

    version: int
    level: int | None
    tokens: int
    touched: int
    turn: int
    mapped_turn: int
    protected_until: int


@dataclass(slots=True)
class Standing:
    """A session's counters, its mapped pages, and its pins with the last turn of each."""

    counters: dict[str, Any] = field(default_factory=lambda: dict(_AT_FIRST))
    mapped: dict[str, Spot] = field(default_factory=dict)
    pins: dict[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A session that is not as its log says. ``standing``: as it says; ``revision``: as found."""

    session: str
    revision: int
    details: tuple[str, ...]
    standing: Standing


class Folded:
    """The log of one workspace, taken in line by line up to ``position``."""

    def __init__(self) -> None:
        self.position = 0
        self._sessions: dict[str, Standing] = {}
        self._alive: set[str] = set()
        self._evicted: dict[str, dict[str, Spot]] = {}

    def take(self, line: LogLine) -> None:
        """What follows from the next line."""
        self.position = line.position
        handler = _HANDLERS.get(type(line.operation))
        if handler is not None:
            handler(self, line, line.operation)

    def standing(self, session: str) -> Standing:
        """How a session stands."""
        return self._sessions.get(session, Standing())

    def disagreement(self, session: str, revision: int, found: Standing) -> Disagreement | None:
        """What is otherwise in a session than the lines say; None when nothing is."""
        standing = self.standing(session)
        details = tuple(_differences(found, standing))
        return Disagreement(session, revision, details, standing) if details else None

    # One function a kind of line.

    def _session(self, _: LogLine, opened: SessionOpened) -> None:
        made = Standing()
        if opened.parent is not None and opened.forked_at is not None:
            made.counters = dict(self.standing(opened.parent).counters)
        self._sessions[str(opened.session)] = made
        self._evicted[str(opened.session)] = {}

    def _event(self, line: LogLine, event: EventAdded) -> None:
        counters = self._of(event.session).counters
        if event.begins_turn:
            _begin_turn(counters, line.turn, "message")
        counters["tool_calls" if event.role == "tool" else "messages"] += 1
        counters["user_messages"] += event.role == "user"
        counters["ai_messages"] += event.role == "assistant"
        prompt, completion = _tokens(event)
        counters["prompt_tokens"] += prompt
        counters["completion_tokens"] += completion
        counters["tokens"] += prompt + completion

    def _page(self, _: LogLine, page: PageAdded) -> None:
        self._alive.add(page.page_id)

    def _forget(self, _: LogLine, forgotten: Forgotten) -> None:
        self._alive.discard(forgotten.page_id)
        for handle, standing in self._sessions.items():
            standing.mapped.pop(forgotten.page_id, None)
            standing.pins.pop(forgotten.page_id, None)
            self._evicted[handle].pop(forgotten.page_id, None)

    def _pin(self, _: LogLine, pin: Pinned) -> None:
        pins = self._of(pin.session).pins
        if not pin.pinned:
            pins.pop(pin.page_id, None)
        elif pin.page_id in self._alive:
            pins[pin.page_id] = pin.until_turn

    def _turn(self, line: LogLine, turn: TurnBegan) -> None:
        _begin_turn(self._of(turn.session).counters, line.turn, turn.cause)

    def _fault(self, _: LogLine, fault: Faulted) -> None:
        counters = self._of(fault.session).counters
        counters["faults"] += not fault.more
        counters["total_faults"] += not fault.more
        counters["fault_tokens"] += fault.tokens

    def _fault_in(self, line: LogLine, fault: FaultedIn) -> None:
        if fault.page_id in self._alive:
            self._evicted[str(fault.session)].pop(fault.page_id, None)
            self._of(fault.session).mapped[fault.page_id] = Spot(
                fault.version,
                fault.level,
                fault.tokens,
                line.position,
                line.turn,
                line.turn,
                fault.protected_until,
            )

    def _demote(self, line: LogLine, demoted: Demoted) -> None:
        mapped, evicted = self._of(demoted.session).mapped, self._evicted[str(demoted.session)]
        spot = mapped.get(demoted.page_id) or evicted.pop(demoted.page_id, None)
        if spot is not None:
            spot = replace(spot, level=demoted.level, tokens=demoted.tokens)
            if demoted.cause is None:  # somebody asked for it, and so used it
                spot = replace(spot, touched=line.position, turn=line.turn)
            mapped[demoted.page_id] = spot

    def _evict(self, _: LogLine, evicted: Evicted) -> None:
        spot = self._of(evicted.session).mapped.pop(evicted.page_id, None)
        if spot is not None:
            self._evicted[str(evicted.session)][evicted.page_id] = spot

    def _touch(self, line: LogLine, touched: Touched) -> None:
        mapped = self._of(touched.session).mapped
        if touched.page_id in mapped:
            spot = mapped[touched.page_id]
            mapped[touched.page_id] = replace(spot, touched=line.position, turn=line.turn)

    def _call(self, _: LogLine, call: Called) -> None:
        counters = self._of(call.session).counters
        counters["bindings"] = max(counters["bindings"], call.number or 0)

    def _of(self, session: str | None) -> Standing:
        return self._sessions[str(session)]


_HANDLERS: Final[Mapping[type, Callable[[Folded, LogLine, Any], None]]] = {
    SessionOpened: Folded._session,
    EventAdded: Folded._event,
    PageAdded: Folded._page,
    Forgotten: Folded._forget,
    Pinned: Folded._pin,
    TurnBegan: Folded._turn,
    Faulted: Folded._fault,
    FaultedIn: Folded._fault_in,
    Demoted: Folded._demote,
    Evicted: Folded._evict,
    Touched: Folded._touch,
    Called: Folded._call,
}


def _begin_turn(counters: dict[str, Any], turn: int, cause: str) -> None:
    counters.update(turn=turn, turn_cause=cause, faults=0, fault_tokens=0)


def _tokens(event: EventAdded) -> tuple[int, int]:
    """What an event counts as of a prompt, and of a completion."""
    if event.usage:
        return event.usage.get("prompt", 0), event.usage.get("completion", 0)
    return (0, event.tokens) if event.role == "assistant" else (event.tokens, 0)


def _differences(found: Standing, wanted: Standing) -> Iterator[str]:
    told = list(_all_differences(found, wanted))
    yield from told[:_NAMED]
    if len(told) > _NAMED:
        yield f"and {len(told) - _NAMED:,} more"


def _all_differences(found: Standing, wanted: Standing) -> Iterator[str]:
    for name in COUNTERS:
        if found.counters[name] != wanted.counters[name]:
            yield f"{name} is {found.counters[name]}, by the log {wanted.counters[name]}"
    for page in sorted(found.mapped.keys() | wanted.mapped.keys()):
        here, there = found.mapped.get(page), wanted.mapped.get(page)
        if here != there:
            yield f"{page} is {_in_words(here)}, by the log {_in_words(there)}"
    for page in sorted(found.pins.keys() | wanted.pins.keys()):
        pinned, by_log = page in found.pins, page in wanted.pins
        if pinned != by_log:
            yield f"{page} is {_not(pinned)}pinned, by the log it is {_not(by_log)}so"
        elif found.pins[page] != wanted.pins[page]:
            yield f"{page} is pinned until turn {found.pins[page]}, by the log {wanted.pins[page]}"


def _not(holds: bool) -> str:
    return "" if holds else "not "


def _in_words(spot: Spot | None) -> str:
    if spot is None:
        return "not mapped"
    return (
        f"mapped at level {spot.level} of version {spot.version} with {spot.tokens} tokens "
        f"(line {spot.touched}, turns {spot.turn}, {spot.mapped_turn}, {spot.protected_until})"
    )
