"""Thrashing: how many of the pages evicted lately had to come back. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_WINDOW = 16  # turns that count as lately
_LEAST = 4  # evictions before anything is said of them
_TOO_MANY = 0.5  # of them coming back: each second eviction was for nothing


@dataclass(slots=True)
class _Gone:
    page_id: str
    turn: int
    tokens: int
    back: bool = False


class Thrash:
    """The evictions of the last turns, and which of them were undone by a fault."""

    def __init__(self) -> None:
        self._lately: deque[_Gone] = deque()
        self._gone: dict[str, _Gone] = {}

    @property
    def evictions(self) -> int:
        """Evictions lately."""
        return len(self._lately)

    @property
    def returns(self) -> int:
        """Those of them whose page had to come back."""
        return sum(each.back for each in self._lately)

    @property
    def index(self) -> float:
        """Returns over evictions, 0 to 1."""
        return self.returns / self.evictions if self._lately else 0.0

    @property
    def high(self) -> bool:
        """Whether so many come back that letting more go would only make it worse."""
        return self.evictions >= _LEAST and self.index >= _TOO_MANY

    @property
    def tokens(self) -> int:
        """Of the pages that came back, each once: so much more budget would have kept them."""
        return sum({each.page_id: each.tokens for each in self._lately if each.back}.values())

    def evicted(self, page_id: str, tokens: int, turn: int) -> None:
        """A page has to yield in that turn; the same twice in one is one decision taken again."""
        known = self._gone.get(page_id)
        if known is None or known.turn != turn or known.back:
            gone = _Gone(page_id, turn, tokens)
            self._lately.append(gone)
            self._gone[page_id] = gone

    def mapped(self, page_id: str) -> None:
        """A page is mapped again, or for the first time."""
        gone = self._gone.get(page_id)
        if gone is not None:
            gone.back = True

    def begin_turn(self, turn: int) -> None:
        """Time passes: old evictions are not lately any more."""
        while self._lately and turn - self._lately[0].turn >= _WINDOW:
            gone = self._lately.popleft()
            if self._gone.get(gone.page_id) is gone:
                del self._gone[gone.page_id]
