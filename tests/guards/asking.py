"""Questions and pasts as tests need them."""

from __future__ import annotations

from typing import Any

from pagefault.base.call import Call, Outcome
from pagefault.guards.fold import Judgement, judge
from pagefault.guards.guard import Question, Tool
from pagefault.guards.known import Known
from pagefault.guards.past import Past, step
from pagefault.guards.presets import DEFAULT
from pagefault.guards.rules import Mode, Rules

Arguments = dict[str, Any]


def alone(guard: str, mode: Mode = "block", **numbers: Any) -> Rules:
    """Rules under which only one guard is asked."""
    modes: dict[str, Mode] = dict.fromkeys(DEFAULT.modes, "off")
    return Rules(modes={**modes, guard: mode}, **numbers)


def known(*texts: str) -> Known:
    """What the user said."""
    seen = Known()
    for text in texts:
        seen.tell(text, "user")
    return seen


def ask(
    name: str,
    arguments: Arguments,
    rules: Rules = DEFAULT,
    past: Past | None = None,
    **more: Any,
) -> Judgement:
    """What the guards say of a call at second 1000."""
    call = Call(name, arguments)
    more.setdefault("now", 1000.0)
    return judge(Question(call, arguments, past or Past(), **more), rules)


def declared(**schema: Any) -> Tool:
    """A tool whose arguments have a schema."""
    return Tool(schema={"type": "object", **schema})


def make(
    past: Past, tool: str, arguments: Arguments, value: Any = "ok", *, ok: bool = True
) -> None:
    """A call is made; each takes a second."""
    made = step(Call(tool, arguments), Outcome(ok, value), 1000.0 + past.called, 1.0)
    past.take(made)
