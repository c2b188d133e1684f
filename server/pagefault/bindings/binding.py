"""A binding: one tool result under a name, with where it came from; and which of them lie idle."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from .paths import NAME
from .references import is_number

ALIAS_LENGTH: Final = 64
_SHOWN: Final = 5
_ALIAS: Final = re.compile(NAME)


@dataclass(frozen=True, slots=True)
class Binding:
    """``number``: N of `$vN`, never given twice in a session. ``call``: digest of the arguments.

    ``event`` and ``page``: where the result is kept; ``page`` is None when it is in the event.
    ``turn`` and ``at``: when it was bound. ``used``: whether a later call has referred to it.
    """

    number: int
    tool: str
    call: str
    event: str
    page: str | None
    turn: int
    at: float
    type: str
    preview: str
    unit: str | None = None
    aliases: tuple[str, ...] = ()
    used: bool = False

    @property
    def ref(self) -> str:
        """The reference to it."""
        return f"$v{self.number}"


def alias_problem(alias: str, taken: Collection[str] = ()) -> str | None:
    """Why a name cannot be an alias, in words for a model; None when it can."""
    if is_number(alias):
        return f"{alias!r} is a number that only the server gives; choose a name such as total"
    if len(alias) > ALIAS_LENGTH or not _ALIAS.fullmatch(alias):
        return (
            f"{alias[:ALIAS_LENGTH]!r} is no name: letters, digits and underscores, not a digit "
            f"first, at most {ALIAS_LENGTH} characters"
        )
    return f"{alias!r} already names another binding of this session" if alias in taken else None


def unused(bindings: Iterable[Binding], turn: int, limit: int = _SHOWN) -> tuple[Binding, ...]:
    """Results of this turn or the one before that no later call has referred to, newest first.

    The latest binding is left out: it could not be used yet.
    """
    newest = sorted(bindings, key=lambda each: -each.number)[1:]
    idle = (each for each in newest if not each.used and each.turn >= turn - 1)
    return tuple(each for each, _ in zip(idle, range(limit), strict=False))


def unused_note(idle: Iterable[Binding]) -> str:
    """One line that points unused results out; empty when there is none."""
    named = ", ".join(f"{each.ref} ({each.tool}: {each.preview})" for each in idle)
    return f"results not used yet: {named}" if named else ""
