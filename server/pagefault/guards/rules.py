"""The settings of all guards: what each may do, and its numbers. Presets stand in presets.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

# A guard that is off is not asked; one that warns never stops a call; one set to block may.
Mode = Literal["off", "warn", "block"]
MODES: tuple[Mode, ...] = ("off", "warn", "block")


@dataclass(frozen=True, slots=True)
class LoopRules:
    """When calls run in circles. Counts include the latest call.

    ``repeats`` of the same call with the same result among the last ``window``: a nudge.
    ``errors`` of one tool with the same error among the last ``error_window``: a nudge.
    ``asked``: the same call asked about and never reported: a nudge.
    ``stop`` repeats with nothing new in between: blocked; ``stop_errors`` when they failed.
    """

    window: int = 10
    repeats: int = 3
    error_window: int = 8
    errors: int = 4
    asked: int = 5
    stop: int = 4
    stop_errors: int = 3


@dataclass(frozen=True, slots=True)
class BudgetRules:
    """Calls per turn, None for no limit. Tools are of one kind only: discovery or execution.

    ``discovery_tools`` and ``execution_tools`` are names that the operator declares; a tool in
    neither is told by the words of its name.
    """

    discovery: int | None = None
    execution: int | None = None
    total: int | None = None
    per_tool: int | None = None
    tools: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    discovery_tools: frozenset[str] = frozenset()
    execution_tools: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SizeRules:
    """Largest arguments and results, in UTF-8 bytes of their JSON; None for no limit."""

    arguments: int | None = 1_000_000
    result: int | None = 1_000_000


@dataclass(frozen=True, slots=True)
class RateRules:
    """Calls at once and per minute, None for no limit.

    ``lease``: seconds after which a call that nobody reported no longer counts as running.
    """

    running: int | None = None
    running_per_tool: int | None = None
    per_minute: int | None = None
    per_minute_per_tool: int | None = None
    lease: float = 300.0


@dataclass(frozen=True, slots=True)
class TimeRules:
    """Seconds that the calls of a turn may take together; a warning from ``warn_at`` of it."""

    per_turn: float | None = None
    warn_at: float = 0.8


@dataclass(frozen=True, slots=True)
class Rules:
    """All settings. ``modes``: by guard; a guard without one, as a user's own, may block."""

    modes: Mapping[str, Mode] = field(default_factory=lambda: MappingProxyType({}))
    loops: LoopRules = LoopRules()
    budgets: BudgetRules = BudgetRules()
    sizes: SizeRules = SizeRules()
    rates: RateRules = RateRules()
    time: TimeRules = TimeRules()
    mask_secrets: bool = False

    def mode(self, guard: str) -> Mode:
        """What a guard may do."""
        return self.modes.get(guard, "block")
