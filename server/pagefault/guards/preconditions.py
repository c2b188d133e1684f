"""What a tool was declared to need before it: other tools that succeeded, or values from them."""

from __future__ import annotations

from typing import Any

from .guard import Finding, Question
from .known import Known
from .rules import Rules
from .values import leaf, scalars

NAME = "preconditions"
_SAFE = (0.0, 1.0)
_TOLERANCE = 1e-9


def check(question: Question, rules: Rules) -> Finding | None:  # noqa: ARG001 - a guard's shape
    """Stop a call whose declared needs are not met."""
    tool = question.tool
    missing = [name for name in tool.needs if name not in question.past.succeeded]
    if missing:
        reason = (
            f"precondition_failed: {question.name} needs {', '.join(missing)} to succeed first."
        )
        return Finding(NAME, "block", reason, f"Call {missing[0]} first, then this again.")
    loose = [
        f"{path}={value!r}"
        for path, value in scalars(question.arguments)
        if _declared(path, tool.grounded) and not _comes_from(value, question.known)
    ]
    if not loose:
        return None
    reason = (
        f"precondition_failed: {', '.join(loose)} of {question.name} must be an earlier result."
    )
    return Finding(NAME, "block", reason, "Compute the value with a tool and pass its $vN.")


def _declared(path: str, grounded: tuple[str, ...]) -> bool:
    return "*" in grounded or leaf(path) in grounded or path.partition(".")[0] in grounded


def _comes_from(value: Any, known: Known | None) -> bool:  # noqa: ANN401 - any JSON scalar
    """Whether a number was given or computed; what is no number need not be."""
    if isinstance(value, bool) or value is None:
        return True
    try:
        number = float(value)
    except ValueError:
        return True
    if number in _SAFE:
        return True
    return known is not None and (known.has_number(number) or known.has_close(number, _TOLERANCE))
