"""The real fold and retrieval of experience under the evaluation of fixes, as its plug-in.

    cd CHECKOUT
    PYTHONPATH=.:server python TOOLS/eval_guards.py --only fix --baselines \\
        --fix tests.measuring.fixes:Fixes

Every recorded call goes through `fixes` and `Experience`, trace by trace as sessions; nothing is
decided here.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from pagefault.base.call import Call
from pagefault.procedures.errors import error_type
from pagefault.procedures.experience import Experience
from pagefault.procedures.fixing import WINDOW, Attempt, fixes
from pagefault.procedures.lines import Called
from pagefault.procedures.retrieval import Query, find_fixes

_RECENT = 20 * WINDOW  # calls of a session that are looked back on


class Fixes:
    """What the evaluation asks of a memory of fixes."""

    def __init__(self) -> None:
        self.experience = Experience()

    def fit(self, calls: list[dict[str, Any]]) -> None:
        for trace, of_trace in groupby(calls, key=lambda call: call["trace_id"]):
            recent: list[Attempt] = []
            for step, call in enumerate(of_trace):
                attempt = attempt_of(f"{trace}#{step}", call)
                self._learn(trace, recent, attempt)
                recent = [*recent[1 - _RECENT :], attempt]

    def suggest(
        self, tool: str, arguments: dict[str, Any], error: dict[str, str] | None, k: int
    ) -> list[dict[str, Any]]:
        said = error or {}
        query = Query(tool, arguments, said.get("message"), said.get("type"))
        found = find_fixes(self.experience, query, 0.0, k)
        return [{"keys": fix.keys, "sig": fix.sig, "via": fix.via} for fix in found]

    def _learn(self, session: str, recent: list[Attempt], attempt: Attempt) -> None:
        self.experience.fold(
            Called(
                session,
                attempt.event,
                attempt.tool,
                Call(attempt.tool, attempt.arguments).digest,
                attempt.ok,
                keys=tuple(sorted(attempt.arguments)),
                error="" if attempt.ok else error_type(attempt.error, attempt.kind),
            )
        )
        for line in fixes(recent, attempt, session=session):
            self.experience.fold(line)


def attempt_of(event: str, call: dict[str, Any]) -> Attempt:
    said = call["error"] or {}
    arguments = call["arguments"] if isinstance(call["arguments"], dict) else {}
    message, kind = said.get("message") or "", said.get("type")
    return Attempt(event, call["tool"], arguments, call["success"], message, kind)
