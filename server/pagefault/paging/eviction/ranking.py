"""Policies that weigh each page by itself, and pages kept in such an order while they change."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..resident import Mapped

# What a page weighs, lightest first to go. All of one policy's can be compared.
Weight = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ByWeight:
    """A policy by what each page weighs alone; the working set need not ask it anew every time."""

    weigh: Callable[[Mapped], Weight]

    def __call__(self, candidates: Iterable[Mapped]) -> Sequence[Mapped]:
        """The candidates, lightest first."""
        return sorted(candidates, key=self.weigh)


class Ranks:
    """Page ids in a policy's order. Changing one page takes a search, and not another sorting."""

    def __init__(self, policy: ByWeight) -> None:
        self._weigh = policy.weigh
        self._weights: dict[str, Weight] = {}
        self._order: list[tuple[Weight, str]] = []

    def __iter__(self) -> Iterator[str]:
        return (page_id for _, page_id in self._order)

    def put(self, page: Mapped) -> None:
        """The page is among them, and weighs what it weighs now."""
        weight = self._weigh(page)
        if self._weights.get(page.page_id) != weight:
            self.drop(page.page_id)
            self._weights[page.page_id] = weight
            insort(self._order, (weight, page.page_id))

    def drop(self, page_id: str) -> None:
        """The page is not among them."""
        weight = self._weights.pop(page_id, None)
        if weight is not None:
            del self._order[bisect_left(self._order, (weight, page_id))]
