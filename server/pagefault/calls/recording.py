"""After a call to another tool: what was recorded of it, and what there is to say about it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..base.errors import InvalidArgument, PageForgotten
from ..bindings.binding import Binding, alias_problem
from ..guards.fold import report
from ..residency import Residency
from .bindings import binding_of
from .core import Calls
from .hearing import New
from .track import Made, Track

_ALIASES = 5


@dataclass(frozen=True, slots=True)
class After:
    """A recorded call: its binding where it has one, and notes for the model."""

    binding: Binding | None
    notes: tuple[str, ...]


def check_aliases(aliases: Sequence[str]) -> tuple[str, ...]:
    """The aliases, without a leading ``$``; an alias may move on to a newer result.

    Raises:
        InvalidArgument: one of them cannot be a name, or there are too many.
    """
    named = tuple(alias.removeprefix("$") for alias in aliases)
    if len(named) > _ALIASES:
        message = f"alias has {len(named)} names: give at most {_ALIASES}"
        raise InvalidArgument(message)
    for alias in named:
        problem = alias_problem(alias)
        if problem is not None:
            message = f"alias {problem}"
            raise InvalidArgument(message)
    return named


def after(
    calls: Calls, seat: Residency, new: New, event_id: str, page_id: str | None, number: int | None
) -> After:
    """What to answer of a call that has just been recorded, with the ids it was given."""
    track = calls.session(seat).track
    line = replace(new.line, event_id=event_id, page_id=page_id, number=number)
    made = Made(line, calls.memory.now(), seat.turn, track.reached)
    binding = None if number is None else binding_of(track, made, new.value)
    past = track.past
    if recorded(track, event_id) is None:  # else another call has read the log meanwhile
        past = replace(past, steps=deque([*past.steps, new.step], past.steps.maxlen))
    found = report(past, line.tool, new.value, calls.rules)
    return After(binding, tuple(f"{one.reason} {one.instead}".strip() for one in found))


async def again(calls: Calls, seat: Residency, event_id: str) -> After:
    """What to answer of a call that was recorded before."""
    track = await calls.track(seat)
    made = recorded(track, event_id)
    if made is None or made.call.number is None:
        return After(None, ())
    try:
        value = await calls.value(seat, made.call)
    except PageForgotten:
        return After(None, ("its result was deleted for good",))
    return After(binding_of(track, made, value), ())


async def bound_to(calls: Calls, seat: Residency, numbers: Sequence[int]) -> dict[str, int]:
    """The events that made these bindings, with the number of each."""
    if not numbers:
        return {}
    track = await calls.track(seat)
    made = (track.bound.get(number) for number in numbers)
    return {one.call.event_id: one.call.number or 0 for one in made if one is not None}


def recorded(track: Track, event_id: str) -> Made | None:
    """The call that an event was, if it was one of the latest."""
    return next((made for made in reversed(track.recent) if made.call.event_id == event_id), None)
