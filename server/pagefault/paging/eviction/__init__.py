"""Eviction policies: each orders candidates, first to go first, and decides nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from ..resident import Mapped
from .cost import cost
from .importance import importance
from .lru import lru
from .modality import modality
from .ranking import ByWeight as ByWeight
from .ranking import Ranks as Ranks

# A policy orders the pages that may go; the working set does the counting. It is a function of
# the pages alone: what it needs to know of the past stands in them.
Policy = Callable[[Iterable[Mapped]], Sequence[Mapped]]

POLICIES: Mapping[str, Policy] = MappingProxyType(
    {"importance": importance, "lru": lru, "cost": cost, "modality": modality}
)

DEFAULT = "default"  # as a session's policy: the operator's, also where that is a user's own


def in_order(policy: Policy, pages: Iterable[Mapped]) -> list[Mapped]:
    """Each page once, in the policy's order; those that a user's policy left out go last."""
    left = {page.page_id: page for page in pages}
    wanted = policy(list(left.values()))
    named = [left.pop(page.page_id) for page in wanted if page.page_id in left]
    return [*named, *left.values()]
