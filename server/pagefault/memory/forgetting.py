"""Deleting a page for good, with everything that was made from it."""

from __future__ import annotations

from dataclasses import dataclass

from ..base.errors import InvalidArgument
from ..base.event import clean
from ..base.log import Forgotten
from ..residency import Residency
from ..stores.contract import Commit
from .core import Memory
from .faulting import find_page


@dataclass(frozen=True, slots=True)
class Gone:
    """The pages that were deleted: the one that was named, and those derived from it."""

    page_ids: tuple[str, ...]
    obtained: str | None = None


async def forget(memory: Memory, seat: Residency, page_id: str, reason: str) -> Gone:
    """Delete the content of a page, all its versions and levels, and of pages derived from it.

    A tombstone stays in the log: when, why, on whose behalf.

    Raises:
        PageNotFound, PageForgotten: there is nothing to delete.
        InvalidArgument: no reason was given.
    """
    if not reason.strip():
        message = "reason is empty: say why the page is deleted; it is kept in the log"
        raise InvalidArgument(message)
    page = await find_page(memory, seat, page_id)
    gone: tuple[str, ...] = ()
    left = [page.page_id, *await _derived(memory, seat, page.page_id)]
    while left:  # once more: somebody may have derived a page while these were being deleted
        lines = [
            Forgotten(session=page.session, page_id=name, reason=clean(reason)[:500])
            for name in left
        ]
        applied = await memory.apply(Commit(seat.workspace, memory.now(), "model", lines))
        memory.drop(seat.workspace, tuple(left))
        gone += tuple(left)
        left = await _derived(memory, seat, page.page_id)
    return Gone(gone, applied.obtained)


async def _derived(memory: Memory, seat: Residency, page_id: str) -> list[str]:
    derived = await memory.store.derived_pages(seat.workspace, page_id)
    return [other for other in derived if other != page_id]
