"""How many calls a turn may hold: per tool, for finding tools, for using them, in all.

Calls that were made count, and those that passed their check in this turn and are still running;
a call is of one kind. In a session without recorded user
messages nobody can tell where a turn ends, so budgets warn there and never stop a call.
"""

from __future__ import annotations

from collections import Counter

from .guard import Finding, Question
from .rules import BudgetRules, Rules
from .values import words

NAME = "budgets"
_FINDS = frozenset({"discover", "search", "list", "find", "get", "browse", "describe", "lookup"})
_TOOLS = frozenset({"tool", "tools", "schema", "schemas", "capabilities"})
_INSTEAD = "Answer with what you have, or ask the user whether to go on."


def is_discovery(tool: str, budgets: BudgetRules) -> bool:
    """Whether a tool finds tools: declared so, or by whole words of its name (``list_tools``)."""
    if tool in budgets.discovery_tools:
        return True
    if tool in budgets.execution_tools:
        return False
    name = words(tool.rpartition(".")[2])
    return bool(_TOOLS.intersection(name)) and (bool(_FINDS.intersection(name)) or len(name) == 1)


def check(question: Question, rules: Rules) -> Finding | None:
    """Warn before the last call that a budget allows, and stop the one after it."""
    budgets = rules.budgets
    every = (budgets.discovery, budgets.execution, budgets.total, budgets.per_tool)
    if not budgets.tools and all(limit is None for limit in every):
        return None
    turn = _of_turn(question, rules)
    discovery = is_discovery(question.name, budgets)
    alike = sum(count for tool, count in turn.items() if is_discovery(tool, budgets) == discovery)
    kind = "discovery" if discovery else "execution"
    limits = (
        (
            question.name,
            turn[question.name],
            budgets.tools.get(question.name, budgets.per_tool),
        ),
        (f"{kind} tools", alike, budgets.discovery if discovery else budgets.execution),
        ("all tools", turn.total(), budgets.total),
    )
    found = [_over(what, used, limit) for what, used, limit in limits if limit is not None]
    stopped = next((each for each in found if each and each.verdict == "block"), None)
    finding = stopped or next((each for each in found if each), None)
    if finding is None or finding.verdict == "warn" or question.past.heard:
        return finding
    return Finding(NAME, "warn", finding.reason, finding.instead)


def _of_turn(question: Question, rules: Rules) -> Counter[str]:
    past = question.past
    running = past.running(question.now, rules.rates.lease)
    return past.present.calls + Counter(
        each.tool for each in running if each.turn == past.present.number
    )


def _over(what: str, used: int, limit: int) -> Finding | None:
    if used >= limit:
        reason = f"{used} calls of {what} in this turn; the budget is {limit}."
        return Finding(NAME, "block", reason, _INSTEAD)
    if used == limit - 1:
        reason = f"This is the last call of {what} that the budget of {limit} allows in this turn."
        return Finding(NAME, "warn", reason, "Make it count.")
    return None
