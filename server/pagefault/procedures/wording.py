"""What experience says, as short text that a model can act on.

Names and values are data: they are quoted as JSON, so that nothing learned can pose as a rule.
Values come from the example's events, which the caller fetches; without them a change is told by
its class.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from .counters import Counts
from .prerequisites import Prerequisite
from .retrieval import Fix, Working
from .sequences import Promotion
from .ways import Bad

_VALUE: Final = 60  # characters of a value that are shown
_DAY: Final = 86_400.0

_CLASSES: Final = {
    "flip": "the other boolean",
    "num+": "a larger number",
    "num-": "a smaller number",
    "list+": "more items",
    "list-": "fewer items",
    "list~": "other items",
    "dict~": "other fields",
    "case": "other upper and lower case",
    "prefix+": "something put before it",
    "prefix-": "its beginning left out",
    "suffix+": "something put behind it",
    "suffix-": "its end left out",
    "punct": "other punctuation",
    "edit": "an edited text",
    "replace": "another value",
}
_TYPES: Final = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "list": "array",
    "dict": "object",
    "NoneType": "null",
}


def of_fix(
    fix: Fix,
    now: float,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> str:
    """One line: `unsat -> fix: add b; change a: 1 -> 2; first call model (b=3; worked 3 of 4)`.

    ``before`` and ``after``: arguments of the example, where they could be fetched.
    """
    old, new = before or {}, after or {}
    parts = [_step(name, old, new) for name in fix.sig]
    given = [f"{_name(k)}={_value(new[k])}" for k in _added(fix) if k in new]
    if fix.via:
        parts.append("first call " + " or ".join(_name(tool) for tool in fix.via))
    return f"{fix.error} -> fix: {'; '.join(parts)} ({'; '.join([*given, _counted(fix, now)])})"


def of_way(way: Working, now: float, example: Mapping[str, Any] | None = None) -> str:
    """One line: which arguments a tool was called with, how often that worked, and an example."""
    named = ", ".join(_name(key) for key in way.keys) or "nothing"
    text = f"{_name(way.tool)} with {named}: worked {way.ok} of {way.ok + way.failed} times"
    text += f", last {_ago(now - way.last)}"
    return f"{text}; for example {_value(example, 4 * _VALUE)}" if example else text


def of_bad(tool: str, bad: Bad, now: float) -> str:
    """One line on an exact call that has only ever failed."""
    times = "once" if bad.times == 1 else f"{bad.times} times"
    return (
        f"{_name(tool)} with exactly these arguments failed {times} ({bad.error}), "
        f"last {_ago(now - bad.at)}: change them before you call it again"
    )


def of_prerequisites(tool: str, needed: Iterable[Prerequisite]) -> str:
    """One line that names the tools to call first; empty when there is none."""
    named = [
        f"{_name(each.tool)} (works in {each.with_it:.0%} after it, {each.without:.0%} without)"
        for each in needed
    ]
    return f"before {_name(tool)} usually comes {', '.join(named)}" if named else ""


def of_counts(tool: str, counts: Counts) -> str:
    """One line of a tool's record."""
    text = f"{_name(tool)}: {counts.ok} of {counts.calls} calls worked"
    worst = sorted(counts.errors.items(), key=lambda each: (-each[1], each[0]))[:3]
    if worst:
        text += "; errors: " + ", ".join(f"{name} {times}" for name, times in worst)
    stopped = sorted(counts.stopped.items(), key=lambda each: (-each[1], each[0]))[:3]
    if stopped:
        text += "; to avoid, stopped by " + ", ".join(f"{name} {n}" for name, n in stopped)
    median = counts.median
    return text if median is None else f"{text}; about {median:.0f} ms"


def of_promotion(promotion: Promotion) -> str:
    """The text of a named procedure's page: what it is, and where it was learned."""
    steps = "\n".join(f"{n}. {_name(tool)}" for n, tool in enumerate(promotion.tools, 1))
    turns = promotion.worked + promotion.failed
    sessions = "1 session" if promotion.sessions == 1 else f"{promotion.sessions} sessions or more"
    return (
        f"Procedure: {' > '.join(_name(tool) for tool in promotion.tools)}\n{steps}\n"
        f"Learned from calls: it ended well in {promotion.worked} of {turns} turns, in {sessions}. "
        f"Latest calls: {', '.join(promotion.events)}."
    )


def block(lines: Iterable[str], limit: int, count: Callable[[str], int] = len) -> str:
    """The `VM:EXPERIENCE` block of `context_build`: whole lines, at most ``limit`` as counted.

    Empty when no line fits. Lines are escaped, so that none can close the block.
    """
    said: list[str] = []
    for line in lines:
        more = [*said, "- " + " ".join(line.split()).replace("<", "\\u003c")]
        if count(_block(more)) > limit:
            break
        said = more
    return _block(said) if said else ""


def _block(said: Iterable[str]) -> str:
    return "\n".join(["<VM:EXPERIENCE>", *said, "</VM:EXPERIENCE>"])


def _added(fix: Fix) -> list[str]:
    return [key[1:] for key in fix.keys if key.startswith("+")]


def _step(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    sign, rest = name[0], name[1:]
    if sign == "+":
        return f"add {_name(rest)}"
    if sign == "-":
        return f"remove {_name(rest)}"
    return _changed(rest, before, after)


def _changed(rest: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    key, _, kind = rest.rpartition(":")
    if key.endswith(":type"):
        key = key.removesuffix(":type")
    if key in before and key in after:
        return f"change {_name(key)}: {_value(before[key])} -> {_value(after[key])}"
    return f"change {_name(key)} to {_class(kind)}"


def _class(kind: str) -> str:
    before, arrow, after = kind.partition(">")
    if arrow:
        return f"{_TYPES.get(after, after)} instead of {_TYPES.get(before, before)}"
    return _CLASSES.get(kind, "another value")


def _counted(fix: Fix, now: float) -> str:
    if not fix.worked:
        return "the error names it; not tried yet"
    tried = fix.worked + fix.failed
    return f"worked {fix.worked} of {tried} times, last {_ago(now - fix.last)}"


def _ago(seconds: float) -> str:
    days = int(max(0.0, seconds) // _DAY)
    return "today" if days == 0 else "a day ago" if days == 1 else f"{days} days ago"


def _name(name: str) -> str:
    """A name as it is when it is one, else quoted."""
    return name if name.replace(".", "").replace("-", "").isidentifier() else json.dumps(name)


def _value(value: Any, limit: int = _VALUE) -> str:  # noqa: ANN401 - any JSON value
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= limit else text[: limit - 1] + "…"
