"""How hard pressed a working set is, and by what. Pure.

A full set is its usual state and no alarm: what counts is whether what had to go is asked for
again, whether pins leave room, and whether the turn can fault any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LEVELS = ("low", "medium", "high", "critical")


@dataclass(frozen=True, slots=True)
class Load:
    """Shares from 0 to 1: mapped tokens of the budget, pinned tokens of the half of it that pins
    may hold, spent faults or fault tokens of the turn (0 where these do not bind), and evicted
    pages that had to be faulted in again."""

    filled: float
    pinned: float = 0.0
    spent: float = 0.0
    thrash: float = 0.0


@dataclass(frozen=True, slots=True)
class Pressure:
    """``level`` is one of `LEVELS`; ``causes``: what makes it so and what to do, worst first."""

    level: str
    causes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Gauge:
    """A share of `Load`, from where on it is medium, high and critical, and in words."""

    name: str
    steps: tuple[float, float, float]
    words: str


_NEVER = 2.0  # a share that there is not
_GAUGES: Sequence[_Gauge] = (
    _Gauge(
        "thrash",
        (0.1, 0.25, 0.5),
        "{:.0%} of what was evicted had to be faulted in again: a larger budget_tokens helps",
    ),
    _Gauge(
        "pinned",
        (0.5, 0.8, 0.95),
        "pins hold {:.0%} of what pins may hold: unpin what is settled",
    ),
    _Gauge(
        "spent",
        (0.5, 1.0, _NEVER),
        "{:.0%} of the turn's faults are spent",
    ),
    _Gauge(
        "filled",
        (0.75, 0.95, _NEVER),
        "{:.0%} of the budget is mapped: page_evict what is settled",
    ),
)


def pressure(load: Load) -> Pressure:
    """The level of the worst cause, and every cause above low."""
    found = []
    for gauge in _GAUGES:
        share: float = getattr(load, gauge.name)
        level = sum(share >= step for step in gauge.steps)
        if level:
            found.append((level, gauge.words.format(share)))
    found.sort(key=lambda one: -one[0])
    worst = found[0][0] if found else 0
    return Pressure(LEVELS[worst], tuple(words for _, words in found))
