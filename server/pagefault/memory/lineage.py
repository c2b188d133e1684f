"""What a fork reads besides its own: the sessions it descends from, each up to the fork."""

from __future__ import annotations

from collections.abc import Sequence

from ..base.page import Page
from ..paging.past import Branch
from ..residency import Residency
from .core import Memory

Lineage = Sequence[Branch]


async def lineage_of(memory: Memory, seat: Residency) -> Lineage:
    """The session's branches: its own, then its ancestors', the nearest first."""
    branches = [Branch(seat.row.id)]
    row = seat.row
    while row.forked_at is not None and row.parent is not None:
        branches.append(Branch(row.parent, row.forked_at))
        parent = await memory.store.session(seat.workspace, row.parent)
        if parent is None:
            break
        row = parent
    return branches


def is_own(lineage: Lineage, page: Page) -> bool:
    """Whether the page was made in the session's own conversation."""
    return any(branch.holds(page.session, page.position) for branch in lineage)
