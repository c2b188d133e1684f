"""A session's numbers: what its paging came to, and how hard pressed it is."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from ..base.errors import StoreError
from ..paging.pressure import Load, Pressure, pressure
from ..paging.tally import Tally
from ..residency import Residency
from .core import Memory
from .faulting import quota_of
from .following import follow

_TELLING = 4  # evictions lately, from which on it tells how many came back
_ACTIVE = 5  # turns after whose last use a mapped page is idle


@dataclass(frozen=True, slots=True)
class Measured:
    """A session's paging. ``since``: log position after which it was counted, 0 for all of it.

    ``active_tokens``: mapped tokens of pages used, or mapped, in the last `_ACTIVE` turns: those
    that earn their place.
    """

    tally: Tally
    since: int
    active_tokens: int
    pressure: Pressure


async def measure(memory: Memory, seat: Residency) -> Measured:
    """The session's numbers as they are now."""
    with suppress(StoreError):  # what cannot be written yet is counted when it is
        await seat.flush(memory.now())
    lately = await follow(memory, seat.workspace)
    tally = lately.tally(seat.row.id)
    active = sum(p.tokens for p in seat.set.pages() if seat.turn - p.turn < _ACTIVE)
    return Measured(tally, lately.since, active, pressure_of(memory, seat))


def pressure_of(memory: Memory, seat: Residency) -> Pressure:
    """How hard pressed the session's working set is."""
    quota = quota_of(memory, seat)
    spent = max(quota.spent_faults / quota.faults, quota.spent_tokens / quota.tokens)
    load = _standing(seat)
    filled = seat.set.used / max(seat.set.budget, 1)
    return pressure(replace(load, filled=filled, spent=min(1.0, spent) if quota.binding else 0.0))


def standing_pressure(seat: Residency) -> Pressure:
    """The pressure that stays when the turn ends, and that a full set alone does not make."""
    return pressure(_standing(seat))


def _standing(seat: Residency) -> Load:
    lately = seat.set.learned.thrash
    return Load(
        filled=0.0,
        pinned=2 * seat.set.pinned_tokens() / max(seat.set.budget, 1),
        thrash=lately.index if lately.evictions >= _TELLING else 0.0,
    )
