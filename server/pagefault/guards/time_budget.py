"""How long the calls of a turn may take together."""

from __future__ import annotations

from .guard import Finding, Question
from .rules import Rules

NAME = "time"


def check(question: Question, rules: Rules) -> Finding | None:
    """Warn when the time of a turn runs short, and stop the call when it is used up."""
    most, turn = rules.time.per_turn, question.past.present
    if most is None or turn.seconds < most * rules.time.warn_at:
        return None
    reason = f"The calls of this turn have taken {turn.seconds:.1f} s of {most:g} s."
    if turn.seconds >= most and question.past.heard:
        return Finding(NAME, "block", reason, "Answer with what you have, or ask whether to go on.")
    return Finding(NAME, "warn", reason, "Leave out what is not needed for the answer.")
