"""Sequences of calls that keep succeeding become pages of type procedure, found like any page."""

from __future__ import annotations

from ..base.log import Promoted
from ..memory.writing import WriteRequest, write
from ..procedures import wording
from ..procedures.sequences import Promotion, promotions
from ..residency import Residency
from ..stores.contract import Commit
from .core import Calls

_AT_ONCE = 2  # pages made after one call
_NAME = 200  # characters of a page's name
_KEY = 128


async def promote(calls: Calls, seat: Residency) -> list[str]:
    """Give what keeps working a page; the ids of those that were made now.

    Looked at once a turn of a session, since a sequence is counted when the next turn begins.
    """
    if not calls.begins_looking(seat):
        return []
    experience = await calls.learning.experience(seat.workspace)
    found = promotions(experience.sequences, experience.named)[:_AT_ONCE]
    return [await _page(calls, seat, promotion) for promotion in found]


async def _page(calls: Calls, seat: Residency, promotion: Promotion) -> str:
    memory = calls.memory
    pages = await memory.store.pages(seat.workspace, promotion.events, seat.row.id)
    request = WriteRequest(
        wording.of_promotion(promotion),
        page_type="procedure",
        derived_from=tuple(page_id for page_id in promotion.events if page_id in pages),
        name=promotion.name[:_NAME],
        key=f"procedure {promotion.name}"[:_KEY],
    )
    written = await write(memory, seat, request)
    line = Promoted(session=seat.row.id, page_id=written.page_id, name=promotion.name)
    await memory.apply(Commit(seat.workspace, memory.now(), "server", [line]))
    return written.page_id
