"""References that resolve to nothing, and placeholders that nobody filled in.

Only what can be a reference counts: ``$v99`` and ``${v99.id}`` anywhere in a string. ``$USD``,
``$PATH``, ``$5`` and escaped ones are text, and so is ``{{name}}`` inside of a longer one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from .guard import Finding, Question
from .rules import Rules
from .values import scalars

NAME = "references"
_SHOWN = 10

_REFERENCE = re.compile(r"(?<!\\)((?:\\\\)*)\$(?:\{(v\d+)\b[^{}]*\}|(v\d+)\b)")
# The whole value is a blank: {{order_id}}, ${order_id}, <ORDER_ID>, but not ${HOME} or <b>.
_BLANK = re.compile(
    r"\s*(\{\{\s*[\w.-]+\s*\}\}|\$\{[a-z][\w.]*\}|<[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+>)\s*"
)


def check(question: Question, rules: Rules) -> Finding | None:  # noqa: ARG001 - a guard's shape
    """Stop a call with an unknown reference; warn of a value that is only a placeholder."""
    return _unknown(question) or _blank(question)


def _unknown(question: Question) -> Finding | None:
    if question.names is None:
        return None
    missing = [name for name in _references(question) if name not in question.names]
    if not missing:
        return None
    named = ", ".join(f"${name}" for name in dict.fromkeys(missing))
    there = ", ".join(f"${name}" for name in islice(question.names, _SHOWN)) or "none"
    reason = f"{named}: no result is bound to this name. Bound are: {there}."
    return Finding(
        NAME, "block", reason, "Use one of these, or call the tool that gives the value."
    )


def _references(question: Question) -> Iterator[str]:
    for _, value in scalars(question.written.arguments):
        if isinstance(value, str) and "$" in value:
            for _, braced, bare in _REFERENCE.findall(value):
                yield braced or bare


def _blank(question: Question) -> Finding | None:
    for path, value in scalars(question.arguments):
        if (
            isinstance(value, str)
            and _BLANK.fullmatch(value)
            and value.strip("${} ") not in (question.names or ())
        ):
            reason = f"{path}={value!r} is a placeholder and not a value."
            return Finding(NAME, "warn", reason, "Put the value itself, or a $vN that holds it.")
    return None
