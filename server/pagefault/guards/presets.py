"""Three sets of rules: smooth only advises, default lets normal work through, strict holds back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from .rules import BudgetRules, LoopRules, Mode, RateRules, Rules, TimeRules

_DEFAULT_MODES: Mapping[str, Mode] = {
    "sizes": "block",
    "references": "block",
    "schema": "block",
    "secrets": "warn",
    "preconditions": "block",
    "grounding": "warn",
    "saturation": "warn",
    "loops": "block",
    "budgets": "block",  # without limits of its own: those that the operator sets
    "rates": "block",
    "time": "block",
}

DEFAULT = Rules(modes=MappingProxyType(_DEFAULT_MODES))

SMOOTH = Rules(
    modes=MappingProxyType(
        {
            **_DEFAULT_MODES,
            "schema": "warn",
            "preconditions": "warn",
            "loops": "warn",
            "budgets": "warn",
        }
    ),
    budgets=BudgetRules(discovery=6, execution=15, total=20),
)

STRICT = Rules(
    modes=MappingProxyType(
        {**_DEFAULT_MODES, "secrets": "block", "grounding": "block", "saturation": "block"}
    ),
    loops=LoopRules(stop=3),
    budgets=BudgetRules(discovery=4, execution=10, total=12),
    rates=RateRules(running=20, running_per_tool=10),
    time=TimeRules(per_turn=300.0),
)

PRESETS: Mapping[str, Rules] = MappingProxyType(
    {"smooth": SMOOTH, "default": DEFAULT, "strict": STRICT}
)


def chosen(preset: str, *, per_turn: int = 0, running: int = 0) -> Rules:
    """A preset's rules with the operator's own limits, 0 for what the preset says.

    ``per_turn``: calls of a turn; ``running``: calls at once. They stop a call under any preset.
    """
    rules = PRESETS[preset]
    if per_turn:
        modes = MappingProxyType({**rules.modes, "budgets": "block"})
        rules = replace(rules, modes=modes, budgets=replace(rules.budgets, total=per_turn))
    if running:
        modes = MappingProxyType({**rules.modes, "rates": "block"})
        rules = replace(rules, modes=modes, rates=replace(rules.rates, running=running))
    return rules
