"""Eviction policies: each orders candidates, first to go first, and decides nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from ..resident import Mapped
from .importance import importance
from .lru import lru

# A policy orders the pages that may go; the working set does the counting.
Policy = Callable[[Iterable[Mapped]], Sequence[Mapped]]

POLICIES: Mapping[str, Policy] = MappingProxyType({"importance": importance, "lru": lru})
