"""What a session's paging has come to: counted from log lines, whoever wrote them. Pure.

A prefetch is a page that was mapped though nobody had asked for it. It is a hit once it is read
(faulted, pinned, built upon), and waste once it is evicted unread.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from ..base.log import (
    Demoted,
    Evicted,
    Faulted,
    FaultedIn,
    Operation,
    PageAdded,
    Pinned,
    Touched,
    VersionAdded,
)
from ..base.page import REASONS


@dataclass(slots=True)
class Tally:
    """Counts of one session. ``faults`` by reason; ``hits``: pages asked for that were mapped."""

    faults: Counter[str] = field(default_factory=Counter)
    fault_tokens: int = 0
    hits: int = 0
    evictions: int = 0
    demotions: int = 0
    prefetched: int = 0
    prefetch_hits: int = 0
    prefetch_waste: int = 0
    _asked: str | None = None  # the page of the fault whose mapping comes next
    _unread: set[str] = field(default_factory=set)

    @property
    def hit_rate(self) -> float | None:
        """Of the pages asked for, the share that was mapped; None when none was asked for."""
        asked = self.hits + self.faults.total()
        return self.hits / asked if asked else None

    @property
    def unread(self) -> int:
        """Prefetched pages that are mapped and have not been read."""
        return len(self._unread)

    def copy(self) -> Tally:
        """One that can be counted on without changing this."""
        return replace(self, faults=Counter(self.faults), _unread=set(self._unread))

    def add(self, other: Tally) -> None:
        """Count what another tally has counted as well."""
        self.faults.update(other.faults)
        self.fault_tokens += other.fault_tokens
        self.hits += other.hits
        self.evictions += other.evictions
        self.demotions += other.demotions
        self.prefetched += other.prefetched
        self.prefetch_hits += other.prefetch_hits
        self.prefetch_waste += other.prefetch_waste

    def fold(self, operation: Operation) -> None:
        """Count one of the session's operations; they come in the log's order."""
        match operation:
            case Faulted(page_id=page_id):
                self.faults[operation.reason] += not operation.more
                self.fault_tokens += operation.tokens
                self._asked = page_id
                self._read(page_id)
            case FaultedIn(page_id=page_id):
                self._mapped(page_id, operation.reason)
            case Touched(page_id=page_id, reason=None):
                self.hits += 1
                self._read(page_id)
            case Evicted(page_id=page_id):
                self.evictions += 1
                self.prefetch_waste += page_id in self._unread
                self._unread.discard(page_id)
            case Demoted():
                self.demotions += 1
            case _:
                for page_id in _built_upon(operation):
                    self._read(page_id)

    def _mapped(self, page_id: str, reason: str) -> None:
        if page_id == self._asked:
            self._asked = None
        elif reason in REASONS:
            self.prefetched += 1
            self._unread.add(page_id)

    def _read(self, page_id: str) -> None:
        self.prefetch_hits += page_id in self._unread
        self._unread.discard(page_id)


def _built_upon(operation: Operation) -> tuple[str, ...]:
    """The pages that somebody must have read who did this."""
    match operation:
        case Pinned(page_id=page_id, pinned=True):
            return (page_id,)
        case PageAdded(derived_from=sources) | VersionAdded(derived_from=sources):
            return sources
        case _:
            return ()
