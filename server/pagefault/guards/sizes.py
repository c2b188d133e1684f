"""How large arguments and results may be."""

from __future__ import annotations

from ..base.call import canonical_arguments
from .guard import Finding, Question
from .rules import Rules

NAME = "sizes"


def check(question: Question, rules: Rules) -> Finding | None:
    """Stop a call with more arguments than a tool can be expected to take."""
    most = rules.sizes.arguments
    size = _size(question.arguments)
    if most is None or size <= most:
        return None
    reason = f"The arguments of {question.name} are {size:,} bytes; at most {most:,} are allowed."
    return Finding(NAME, "block", reason, "Pass a reference or a file name, or split the call.")


def report(tool: str, result: object, rules: Rules) -> Finding | None:
    """What is to be said of a result that is larger than allowed. It is kept all the same."""
    most = rules.sizes.result
    size = 0 if most is None else _size(result)
    if most is None or size <= most or rules.mode(NAME) == "off":
        return None
    reason = f"The result of {tool} is {size:,} bytes, more than {most:,}."
    return Finding(NAME, "warn", reason, "Read it in ranges, and ask the tool for less next time.")


def _size(value: object) -> int:
    text = value if isinstance(value, str) else canonical_arguments(value)
    return len(text.encode("utf-8", "surrogatepass"))
