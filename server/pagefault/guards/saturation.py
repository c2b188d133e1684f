"""Numbers that say nothing any more: results at their limit, or extreme arguments.

A tool that answers 0.0 or 1.0 to different questions, a probability of 1e-13, the same fraction
three times: what goes in has left the range in which the tool can tell values apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .guard import Finding, Question
from .past import Past, Step
from .rules import Rules
from .values import scalars, words

NAME = "saturation"
_LIMITS = (0.0, 1.0)
_TINY = 1e-12
_RUN = 3
_RUN_AT_LIMIT = 2
_EXTREME = 8.0  # standard deviations: beyond, a normal tail is below 1e-15
_TAILS = frozenset({"cdf", "sf", "ppf", "pvalue", "quantile"})
_HUGE = 1e300


def check(question: Question, rules: Rules) -> Finding | None:  # noqa: ARG001 - a guard's shape
    """Warn of extreme arguments; stop a tool whose results have stopped to vary."""
    extreme = _extreme(question)
    if extreme is not None:
        return Finding(NAME, "warn", extreme, "Check the units and how the value was computed.")
    return report(question.past, question.name)


def report(past: Past, tool: str) -> Finding | None:
    """What the latest results of a tool say about going on with it."""
    made = [each for each in past.steps if each.tool == tool and each.ok]
    reason = _saturated(made)
    if reason is None:
        return None
    instead = "Do not call it again like this: check its inputs and units, or state the result."
    return Finding(NAME, "block", f"{tool}: {reason}", instead)


def _saturated(made: Sequence[Step]) -> str | None:
    last = made[-1].number if made else None
    if last is None:
        return None
    if 0 < abs(last) < _TINY:
        return f"the result {last:g} is as good as zero (saturation)."
    run = [each for each in made[-_RUN:] if each.number == last]
    if len({each.call for each in run}) < len(run):
        return None  # the same call twice is a matter of loops
    if last in _LIMITS and len(run) >= _RUN_AT_LIMIT and run[-1] is made[-1]:
        return f"the result was {last} {len(run)} times for different arguments (at its limit)."
    if len(run) == _RUN:
        return f"repeating value: {last} came {_RUN} times for different arguments."
    return None


def _extreme(question: Question) -> str | None:
    tail = bool(_TAILS.intersection(words(question.name)))
    for path, value in scalars(question.arguments):
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if isinstance(value, float) and not math.isfinite(value):
            return f"{path}={value} is not a finite number."
        if abs(value) > _HUGE:
            return f"{path} is beyond what a tool can compute with."
        if tail and abs(value) > _EXTREME:
            return (
                f"{path}={value!r} is more than {_EXTREME:g} deviations out: the answer is 0 or 1."
            )
    return None
