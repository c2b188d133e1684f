"""Calls that run in circles: the same call and the same result, again and again.

A call is compared by tool and canonical arguments, its result in normal form. A pager and a poller
are left alone, because what they get differs. A loop is first pointed out, and a further round
of it stopped; as soon as a call brings something new, or the user speaks, no round of before
counts towards stopping one.

Thresholds: three of ten for the nudge, and four equal calls, three equal failures or three rounds
of alternating ones for the block, after the stuck detectors of open agents and their measurements.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice

from .guard import Finding, Question
from .past import Past, Step
from .rules import LoopRules, Rules

NAME = "loops"
_PERIODS = range(4, 9)  # circles that are too long for the window
_ROUNDS = 2

_INSTEAD = (
    "Change the arguments, use another tool, or say what you know and what is missing; "
    "the result will not change by itself."
)


def check(question: Question, rules: Rules) -> Finding | None:
    """What the past says of one more call like this."""
    numbers, steps = rules.loops, list(question.past.steps)
    digest = question.call.digest
    return (
        _one_more(steps, question, digest, numbers)
        or _failing_tool(steps, question.name, numbers)
        or _asked_again(question, digest, rules)
    )


def report(past: Past, rules: Rules) -> Finding | None:
    """What is to be said after the latest call: a nudge, where it has begun to run in circles."""
    numbers, steps = rules.loops, list(past.steps)
    if not steps or rules.mode(NAME) == "off":
        return None
    latest = steps[-1]
    same = _count(steps, latest, numbers.window)
    if same >= numbers.repeats:
        reason = f"{latest.tool} was called {same} times with these arguments and the same result."
        return Finding(NAME, "warn", reason, _INSTEAD)
    period = _period(steps)
    if period is not None:
        reason = f"The last {period} calls repeat the {period} before them, results and all."
        return Finding(NAME, "warn", reason, _INSTEAD)
    return None if latest.ok else _failing_tool(steps, latest.tool, numbers)


def _one_more(
    steps: Sequence[Step], question: Question, digest: str, numbers: LoopRules
) -> Finding | None:
    last = next((made for made in reversed(steps) if made.call == digest), None)
    if last is None:
        return None
    same = _count(steps, last, numbers.window)
    stop = numbers.stop if last.ok else numbers.stop_errors
    came = "brought the same result" if last.ok else "failed in the same way"
    unanswered = steps[max(0, len(steps) - question.past.since_user) :]
    if _in_circle(unanswered, last, numbers.repeats, stop):
        same = _count(steps, last, len(steps))
        reason = (
            f"{question.name} with these arguments {came} {same} times, with nothing new between."
        )
        return Finding(NAME, "block", reason, _INSTEAD)
    if same >= min(numbers.repeats, stop - 1):
        reason = f"{question.name} with these arguments {came} {same} times lately."
        return Finding(NAME, "warn", reason, _INSTEAD)
    return None


def _in_circle(steps: Sequence[Step], last: Step, repeats: int, stop: int) -> bool:
    """Whether the latest calls are rounds of one circle: each came, with its result, twice or more.

    One call that brought something new is enough to be out of it.
    """
    keys = [made.key for made in steps]
    begins = [place for place, key in enumerate(keys) if key == last.key]
    return any(
        len(keys) - first >= stop and min(Counter(keys[first:]).values()) >= _ROUNDS
        for first in begins[: max(0, len(begins) - repeats + 1)]
    )


def _count(steps: Sequence[Step], like: Step, window: int) -> int:
    """How often a call came among the latest with the result that it had last."""
    return sum(made.key == like.key for made in islice(reversed(steps), window))


def _period(steps: Sequence[Step]) -> int | None:
    """The length of a circle that was run through twice, of the longer ones."""
    keys = [made.key for made in steps]
    for period in _PERIODS:
        round_before = keys[-2 * period : -period]
        if len(keys) >= 2 * period and keys[-period:] == round_before:
            return period
    return None


def _failing_tool(steps: Sequence[Step], tool: str, numbers: LoopRules) -> Finding | None:
    lately = [made for made in steps[-numbers.error_window :] if made.tool == tool]
    if not lately or lately[-1].ok:
        return None
    same = sum(not made.ok and made.result == lately[-1].result for made in lately)
    if same < numbers.errors:
        return None
    reason = f"{tool} failed {same} times lately with the same error, whatever its arguments."
    return Finding(NAME, "warn", reason, "Read the error, and try another tool or ask the user.")


def _asked_again(question: Question, digest: str, rules: Rules) -> Finding | None:
    running = question.past.running(question.now, rules.rates.lease)
    same = sum(asked.call == digest for asked in running)
    if same < rules.loops.asked:
        return None
    reason = f"{question.name} was checked {same} times with these arguments, and no result came."
    return Finding(NAME, "warn", reason, "Record the result with tool_record, or stop calling it.")
