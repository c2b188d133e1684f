"""Least recently used first."""

from __future__ import annotations

from ..resident import Mapped
from .ranking import ByWeight, Weight


def _weight(page: Mapped) -> Weight:
    return (page.touched,)


# The page whose last use lies farthest back goes first.
lru = ByWeight(_weight)
