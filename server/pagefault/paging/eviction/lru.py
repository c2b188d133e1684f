"""Least recently used first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..resident import Mapped


def lru(candidates: Iterable[Mapped]) -> Sequence[Mapped]:
    """The page whose last use lies farthest back goes first."""
    return sorted(candidates, key=lambda page: page.touched)
