"""The project's own guards behind the interface of the measuring script for recorded calls."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from typing import Any

from pagefault.base.call import Call, Outcome
from pagefault.guards import grounding, loops
from pagefault.guards.guard import Question
from pagefault.guards.known import Known, Source, usual
from pagefault.guards.past import Past, step
from pagefault.guards.presets import DEFAULT
from pagefault.guards.values import scalars

SOURCES: dict[str, Source] = {"system": "rule", "user": "user", "tool": "result"}
SESSIONS = 3  # other sessions in which a value was given before it is usual


class Loops:
    """What tool_record says after each call of a trace."""

    def __init__(self) -> None:
        self.past = Past()

    def after_call(self, call: dict[str, Any]) -> str | None:
        """The nudge, if there is one."""
        made = Call(call["tool"], call["arguments"])
        outcome = Outcome(call["success"], call["result"])
        self.past.take(step(made, outcome, float(call["step"])))
        found = loops.report(self.past, DEFAULT)
        return found.reason if found else None


class Grounding:
    """What the grounding guard says of each call of a conversation."""

    def __init__(self) -> None:
        self.known = Known()

    def message(self, role: str, content: str) -> None:
        """A message; what the model said itself grounds nothing."""
        if role == "assistant":
            self.known.mention(content)
        else:
            self.known.tell(content, SOURCES[role])

    def check(self, tool: str, arguments: dict[str, Any]) -> list[str]:
        """The paths of values from nowhere."""
        return self.found(tool, arguments)

    def found(self, tool: str, arguments: dict[str, Any], often: Collection[str] = ()) -> list[str]:
        """The same, given the values that are usual for the tool."""
        call = Call(tool, arguments)
        question = Question(call, arguments, Past(), now=0.0, known=self.known, usual=often)
        return [path for path, _ in grounding.ungrounded(question)]


class Workspace:
    """Conversations one after the other in a workspace, in which usual values become known.

    An instance makes the guard of each conversation, as a class would.
    """

    def __init__(self) -> None:
        self.given: dict[str, Counter[str]] = defaultdict(Counter)

    def __call__(self) -> InWorkspace:
        return InWorkspace(self)


class InWorkspace(Grounding):
    """One of those conversations. Its own values count once it has ended: when the next begins."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self.workspace = workspace
        self.calls: dict[str, set[str]] = defaultdict(set)
        self.before = {tool: Counter(values) for tool, values in workspace.given.items()}

    def check(self, tool: str, arguments: dict[str, Any]) -> list[str]:
        """The paths of values from nowhere, usual ones left out."""
        counts = self.before.get(tool, Counter())
        often = {value for value, sessions in counts.items() if sessions >= SESSIONS}
        new = {usual(path, value) for path, value in scalars(arguments)} - self.calls[tool]
        self.calls[tool] |= new
        self.workspace.given[tool].update(new)
        return self.found(tool, arguments, often)


over_sessions = Workspace()
