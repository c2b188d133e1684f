"""What has happened in a workspace of late, folded from its log. Pure.

Three things that many calls want to know, kept up with by reading each new line once: which pages
were read, and before which calls (for prefetch), what each session's paging has come to (for
statistics), and which pages and sessions have changed (for packed contexts).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection
from dataclasses import dataclass, field

from ..base.log import Called, Faulted, LogLine, Touched, Unarchived
from .before_calls import BeforeCalls
from .prefetch import Reads
from .tally import Tally

_SESSIONS = 256  # whose tallies are kept
_CHANGES = 2_048  # changes that are remembered


@dataclass(slots=True)
class Lately:
    """The log from ``since`` (exclusive) to ``reached``: positions in the workspace's log."""

    since: int
    reached: int = 0
    reads: Reads = field(default_factory=Reads)
    before_calls: BeforeCalls = field(default_factory=BeforeCalls)
    _tallies: OrderedDict[str, Tally] = field(default_factory=OrderedDict)
    _others: Tally = field(default_factory=Tally)  # of sessions whose own tally is not kept
    _changes: deque[tuple[int, str | None, str | None]] = field(
        default_factory=lambda: deque(maxlen=_CHANGES)
    )

    def __post_init__(self) -> None:
        self.reached = max(self.reached, self.since)

    def fold(self, line: LogLine) -> None:
        """Take one further line in; lines come in the log's order."""
        operation = line.operation
        session: str | None = operation.session
        page_id: str | None = getattr(operation, "page_id", None)
        self.reached = line.position
        if operation.durable:
            self._changes.append((line.position, session, page_id))
        elif isinstance(operation, Unarchived):  # whichever session it is of may offer it again
            self._changes.append((line.position, None, None))
        if session is None:
            return
        self._tally(session).fold(operation)
        if isinstance(operation, Faulted) or (
            isinstance(operation, Touched) and operation.reason is None
        ):
            self.reads.add(session, line.turn, operation.page_id, line.position)
        elif isinstance(operation, Called) and operation.ok:
            read = self.reads.of_turns(session, line.turn - 1, line.turn)
            self.before_calls.called(session, line.turn, operation.tool, read)

    def tally(self, session: str) -> Tally:
        """What the session's paging came to in these lines, as a copy to count on."""
        return self._tally(session).copy()

    def total(self) -> Tally:
        """What the paging of all sessions came to in these lines."""
        total = self._others.copy()
        for tally in self._tallies.values():
            total.add(tally)
        return total

    def changed(self, after: int, session: str, page_ids: Collection[str]) -> bool:
        """Whether anything was written after a position in the session, or to one of the pages.

        Also where that is not remembered any more.
        """
        if after < self.since:
            return True
        if len(self._changes) == _CHANGES and self._changes[0][0] > after:
            return True
        for position, where, page_id in reversed(self._changes):
            if position <= after:
                return False
            if where == session or page_id in page_ids or (where is None and page_id is None):
                return True
        return False

    def _tally(self, session: str) -> Tally:
        tally = self._tallies.get(session)
        if tally is None:
            tally = self._tallies[session] = Tally()
            if len(self._tallies) > _SESSIONS:
                self._others.add(self._tallies.popitem(last=False)[1])
        else:
            self._tallies.move_to_end(session)
        return tally
