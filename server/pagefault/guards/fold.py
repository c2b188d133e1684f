"""All guards over one call, in order: the first block stops, warnings add up, repairs carry on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import (
    budgets,
    grounding,
    leaks,
    loops,
    preconditions,
    rates,
    references,
    saturation,
    schema,
    sizes,
    time_budget,
)
from .guard import Finding, Guard, Question, Verdict
from .past import Past
from .rules import Rules

# In the order in which they are asked: what makes a call meaningless comes first, then what may
# be repaired, then what the past says, then the limits.
GUARDS: tuple[Guard, ...] = (
    Guard(sizes.NAME, sizes.check),
    Guard(references.NAME, references.check),
    Guard(schema.NAME, schema.check),
    Guard(leaks.NAME, leaks.check),
    Guard(preconditions.NAME, preconditions.check),
    Guard(grounding.NAME, grounding.check),
    Guard(saturation.NAME, saturation.check),
    Guard(loops.NAME, loops.check),
    Guard(budgets.NAME, budgets.check),
    Guard(rates.NAME, rates.check),
    Guard(time_budget.NAME, time_budget.check),
)
_DECIDES: tuple[Verdict, ...] = ("block", "repair", "warn")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What all guards together say. ``arguments``: those to call with, repaired where needed."""

    verdict: Verdict
    arguments: Mapping[str, Any]
    findings: tuple[Finding, ...] = ()

    @property
    def reason(self) -> str:
        """Why, in sentences for a model: what decided first."""
        deciding = sorted(self.findings, key=lambda found: found.verdict != self.verdict)
        return " ".join(found.reason for found in deciding)

    @property
    def instead(self) -> str:
        """The next step, by the guard that decided."""
        deciding = (found.instead for found in self.findings if found.verdict == self.verdict)
        return next(deciding, "")


def judge(question: Question, rules: Rules, guards: Iterable[Guard] = GUARDS) -> Judgement:
    """Ask the guards in order. A guard that fails is left out with a warning, and never raises."""
    findings: list[Finding] = []
    for guard in guards:
        found = _ask(guard, question, rules)
        if found is None:
            continue
        findings.append(found)
        if found.verdict == "block":
            break
        if found.verdict == "repair" and found.repair is not None:
            question = replace(question, arguments=found.repair)
    verdicts = {found.verdict for found in findings}
    deciding: Verdict = next((each for each in _DECIDES if each in verdicts), "allow")
    return Judgement(deciding, question.arguments, tuple(findings))


def report(past: Past, tool: str, result: object, rules: Rules) -> tuple[Finding, ...]:
    """What is to be said after a call was made and taken into the past: none of it stops one."""
    saturated = None if rules.mode(saturation.NAME) == "off" else saturation.report(past, tool)
    found = (loops.report(past, rules), saturated, sizes.report(tool, result, rules))
    return tuple(replace(each, verdict="warn") for each in found if each is not None)


def _ask(guard: Guard, question: Question, rules: Rules) -> Finding | None:
    mode = rules.mode(guard.name)
    if mode == "off":
        return None
    try:
        found = guard.check(question, rules)
    except Exception as failure:
        # perhaps a user's own: it must not be what stops a call
        reason = f"The guard {guard.name} failed ({type(failure).__name__}) and was left out."
        return Finding(guard.name, "warn", reason)
    if found is None or found.verdict == "allow":
        return None
    if found.verdict == "block" and mode == "warn":
        return replace(found, verdict="warn")
    return found
