"""When a call counts as the fix of an earlier failure: decided from the calls of one session.

A failure stays open until its tool succeeds; whatever the success, the failure is closed by it. It
is fixed when the arguments differ, and merely over when they are the same. A failure that passes
by itself (a timeout, a lost connection) is fixed only by a call that has something in common with
it. Calls of other tools do not move the window: it counts the calls of the tool itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .change import change, related
from .errors import TRANSIENT, error_type
from .features import of_failure, of_goal
from .lines import Fixed

WINDOW: Final = 10  # calls of one tool within which a success fixes a failure
_VIA: Final = 8  # tools used in between that are kept, the latest


@dataclass(frozen=True, slots=True)
class Attempt:
    """A call of the session with its outcome. ``error``: the message; ``kind``: its given type."""

    event: str
    tool: str
    arguments: Mapping[str, Any]
    ok: bool
    error: str = ""
    kind: str | None = None
    goal: str = ""


def fixes(
    recent: Sequence[Attempt], latest: Attempt, *, session: str = "", at: float = 0.0
) -> tuple[Fixed, ...]:
    """What the latest call says about the session's open failures of its tool, oldest first.

    A success with other arguments fixes every open failure. A failure with other arguments than
    the last open one is a change that did not help (``worked`` is false). ``recent`` are the calls
    before it in their order: all tools' back to the tool's tenth last call, or fewer.
    """
    found = open_failures(recent, latest.tool)
    tried = found if latest.ok else found[-1:]
    made = (_fix(recent, place, latest, session, at) for place in tried)
    return tuple(fix for fix in made if fix is not None)


def open_failures(recent: Sequence[Attempt], tool: str) -> list[int]:
    """Places in ``recent`` of the tool's failures since its last success, the latest ten."""
    places: list[int] = []
    for place in range(len(recent) - 1, -1, -1):
        if recent[place].tool != tool:
            continue
        if recent[place].ok or len(places) == WINDOW:
            break
        places.append(place)
    return places[::-1]


def _fix(
    recent: Sequence[Attempt], place: int, latest: Attempt, session: str, at: float
) -> Fixed | None:
    failed = recent[place]
    delta = change(failed.arguments, latest.arguments)
    kind = error_type(failed.error, failed.kind)
    if not delta or (kind in TRANSIENT and not related(failed.arguments, latest.arguments)):
        return None
    between = [call.tool for call in recent[place + 1 :] if call.tool != latest.tool]
    return Fixed(
        session=session,
        tool=latest.tool,
        failed=failed.event,
        fixed=latest.event,
        keys=delta.keys,
        sig=delta.sig,
        via=tuple(dict.fromkeys(between[::-1]))[:_VIA][::-1] if latest.ok else (),
        error=kind,
        features=of_failure(failed.error, kind, failed.arguments) if latest.ok else (),
        goal=of_goal(failed.goal or latest.goal) if latest.ok else (),
        worked=latest.ok,
        at=at,
    )
