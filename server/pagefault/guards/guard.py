"""What a guard is asked, what it answers, and what it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ..base.call import Call
from .rules import Rules

if TYPE_CHECKING:  # what looks for secrets needs no more of this than its words
    from .known import Known
    from .past import Past

Verdict = Literal["allow", "warn", "repair", "block"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a guard found wrong with a call, for a model to act on.

    ``reason`` names the value and the rule, ``instead`` the next step. ``repair``: the whole
    arguments, corrected, and only where the verdict is repair.
    """

    guard: str
    verdict: Verdict
    reason: str
    instead: str = ""
    repair: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """What somebody declared of the tool that is about to be called.

    ``schema``: the JSON Schema of its arguments. ``needs``: tools that must have succeeded before
    in this session. ``grounded``: names of arguments whose numbers must come from an earlier
    result or from the user, ``"*"`` for all of them.
    """

    schema: Mapping[str, Any] | None = None
    needs: tuple[str, ...] = ()
    grounded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A call to check, and everything that guards may look at.

    ``written``: the call as the model wrote it, with its references. ``arguments``: the same with
    the references resolved, then as earlier guards repaired them. ``names``: the bindings and
    aliases that exist, newest first; None when nobody knows, and then no reference is judged.
    ``known``: the values seen so far, None when nobody kept them. ``usual``: values this tool was
    given before in several sessions, as ``known.usual`` writes them. ``now``: seconds.
    """

    written: Call
    arguments: Mapping[str, Any]
    past: Past
    now: float
    tool: Tool = field(default_factory=Tool)
    names: Collection[str] | None = None
    known: Known | None = None
    usual: Collection[str] = ()

    @property
    def name(self) -> str:
        """The tool that is about to be called."""
        return self.written.tool

    @property
    def call(self) -> Call:
        """The call as it would be made."""
        return Call(self.written.tool, self.arguments)


# A guard answers None when it has nothing to say. It changes nothing and keeps nothing.
Check = Callable[[Question, Rules], Finding | None]


@dataclass(frozen=True, slots=True)
class Guard:
    """A check and the name under which its mode is set."""

    name: str
    check: Check
