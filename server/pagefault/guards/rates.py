"""How many calls may run at once, and how many may begin within a minute.

What counts as running are calls that passed this very check and were not reported since. Who asks
must let the call enter ``Past.ask`` before the next one is checked; then exactly so many pass.
"""

from __future__ import annotations

from .guard import Finding, Question
from .rules import Rules

NAME = "rates"


def check(question: Question, rules: Rules) -> Finding | None:
    """Stop a call beyond a limit."""
    rates, tool = rules.rates, question.name
    running = [each.tool for each in question.past.running(question.now, rates.lease)]
    lately = running
    if rates.per_minute is not None or rates.per_minute_per_tool is not None:
        lately = question.past.lately(question.now) + running
    counts = (
        (len(running), rates.running, "calls are running", "Wait for one of them"),
        (
            running.count(tool),
            rates.running_per_tool,
            f"calls of {tool} are running",
            "Wait for one",
        ),
        (len(lately), rates.per_minute, "calls within a minute", "Wait some seconds"),
        (
            lately.count(tool),
            rates.per_minute_per_tool,
            f"calls of {tool} within a minute",
            "Wait some seconds",
        ),
    )
    for count, most, what, wait in counts:
        if most is not None and count >= most:
            reason = f"{count} {what}; at most {most} are allowed."
            return Finding(NAME, "block", reason, f"{wait}, then call again.")
    return None
