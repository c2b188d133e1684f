"""What the sessions of a workspace have taught of how soon pages are used again. Pure.

A session is short, and has shown little before its first pages have to go. What earlier sessions
of the same workspace have shown is the best guess until then: the same tools bring pages that are
used alike. It is a prior and no more, which a session's own uses soon outweigh.

Derived, and of this process alone: after a restart it is learned anew.
"""

from __future__ import annotations

from collections import OrderedDict

from .reuse import Key, Reuse, Seen

_SESSIONS = 32  # the latest, that are believed


class Habits:
    """The uses of a workspace's latest sessions."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, Reuse] = OrderedDict()

    def reuse(self, session: str) -> Reuse:
        """What a session learns, beginning with what the others have taught by now."""
        if session not in self._sessions:
            self._sessions[session] = Reuse(self._taught())
            if len(self._sessions) > _SESSIONS:
                self._sessions.popitem(last=False)
        return self._sessions[session]

    def _taught(self) -> dict[Key, Seen]:
        taught: dict[Key, Seen] = {}
        for reuse in self._sessions.values():
            for key, seen in reuse.taught().items():
                taught.setdefault(key, Seen()).add(seen)
        return taught
