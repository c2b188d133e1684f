"""Reading what is bound: by `$v1`, by alias, or the newest."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..base.errors import BindingNotFound, PageForgotten
from ..bindings.binding import Binding, unused
from ..bindings.describing import preview
from ..bindings.paths import NoSuchPath, follow
from ..bindings.references import explain, references, resolve
from ..bindings.stated import Stated
from ..residency import Residency
from .core import Calls
from .track import Made, Track

_NEWEST = 10  # bindings of a reply that names none
_LISTED = 12  # names in an error


@dataclass(frozen=True, slots=True)
class Bound:
    """A binding with its value; ``value`` is None where it was forgotten."""

    binding: Binding
    value: Any
    forgotten: bool = False


async def get(calls: Calls, seat: Residency, ref: str) -> Bound:
    """What a reference such as ``$v1``, ``v1``, ``$total`` or ``$v1.items[0]`` leads to.

    Raises:
        BindingNotFound: nothing is bound to it, or the path leads nowhere; with what exists.
        PageForgotten: the result was deleted for good.
    """
    track = await calls.track(seat)
    await calls.known(seat)
    written = ref.strip()
    named = references(written if "$" in written else f"${written}", _names(calls, seat, track))
    number = track.number(named[0].name) if named else None
    if named and number is None:
        said = await calls.stated(seat, named[0].name)
        if said is not None:
            return Bound(_stated(*said), said[0].value)
    if number is None:
        raise BindingNotFound(_unknown(track, ref))
    made = track.bound[number]
    value = await calls.value(seat, made.call)
    try:
        found = follow(value, named[0].path)
    except NoSuchPath as no:
        message = f"{ref[:80]!r}: {no}"
        raise BindingNotFound(message) from None
    return Bound(binding_of(track, made, value), found)


async def newest(calls: Calls, seat: Residency, limit: int = _NEWEST) -> list[Bound]:
    """The latest bindings of the session, the newest first."""
    track = await calls.track(seat)
    latest = list(islice(reversed(track.bound.values()), limit))
    return [await _bound(calls, seat, track, made) for made in latest]


async def idle(calls: Calls, seat: Residency) -> list[Binding]:
    """Results that no later call has referred to, of this turn and the one before."""
    track = await calls.track(seat)
    late = [made for made in track.recent if made.call.number and made.turn >= seat.turn - 1]
    given = [await _bound(calls, seat, track, made) for made in late[-_NEWEST:]]
    return list(unused((bound.binding for bound in given if not bound.forgotten), seat.turn))


async def resolved(
    calls: Calls, seat: Residency, track: Track, arguments: dict[str, Any]
) -> tuple[dict[str, Any], tuple[int, ...], str]:
    """The arguments with their references replaced, the numbers that were used, what is missing.

    Where anything is missing the arguments are as they came, and nothing was used.
    """
    values: dict[str, Any] = {}
    aliases = _names(calls, seat, track)
    for reference in references(arguments, aliases):
        number = track.number(reference.name)
        if number is None:
            said = await calls.stated(seat, reference.name)
            values.update({} if said is None else {reference.name: said[0].value})
        elif reference.name not in values:
            bound = await _bound(calls, seat, track, track.bound[number])
            if not bound.forgotten:
                values[reference.name] = bound.value
    found = resolve(arguments, values, aliases, Names(track))
    used = {track.number(name) for name in found.used}
    return found.arguments, tuple(sorted(n for n in used if n)), explain(found.missing)


def _names(calls: Calls, seat: Residency, track: Track) -> Collection[str]:
    """Everything beside the numbers that a reference may name: aliases, then stated values."""
    return {*track.aliases, *calls.session(seat).stated}


def _stated(said: Stated, page_id: str) -> Binding:
    """A stated value in the words of bindings; its number is 0, for it has none."""
    return Binding(
        0, "", "", "", page_id, 0, 0.0, "number", preview(said.value), said.unit, (said.name,)
    )


class Names(Collection[str]):
    """The bindings that exist, the newest first, and the aliases; not listed until asked for."""

    def __init__(self, track: Track) -> None:
        self._track = track

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._track.number(name) is not None

    def __iter__(self) -> Iterator[str]:
        yield from (f"v{number}" for number in reversed(self._track.bound))
        yield from self._track.aliases

    def __len__(self) -> int:
        return len(self._track.bound) + len(self._track.aliases)


def binding_of(track: Track, made: Made, value: Any) -> Binding:  # noqa: ANN401 - any JSON value
    """A bound call in the words of bindings."""
    call = made.call
    number = call.number or 0
    return Binding(
        number=number,
        tool=call.tool,
        call=call.call,
        event=call.event_id,
        page=call.page_id,
        turn=made.turn,
        at=made.at,
        type=call.type or "null",
        preview=preview(value),
        unit=call.unit,
        aliases=call.aliases,
        used=number in track.used,
    )


async def _bound(calls: Calls, seat: Residency, track: Track, made: Made) -> Bound:
    try:
        value = await calls.value(seat, made.call)
    except PageForgotten:
        return Bound(binding_of(track, made, None), None, forgotten=True)
    return Bound(binding_of(track, made, value), value)


def _unknown(track: Track, ref: str) -> str:
    there = Names(track)
    if not there:
        return f"nothing is bound to {ref[:80]!r}: nothing is bound at all. tool_record binds"
    listed = ", ".join(f"${name}" for name in islice(there, _LISTED))
    more = f" and {len(there) - _LISTED} more" if len(there) > _LISTED else ""
    return f"nothing is bound to {ref[:80]!r}. There are {listed}{more}"
