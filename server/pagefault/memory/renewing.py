"""Keeping what is mapped true to what is stored: a page has been written anew, by whomever."""

from __future__ import annotations

from functools import partial

from ..base.log import Evicted, Operation
from ..base.page import Page
from ..paging.resident import Mapped
from ..residency import Residency
from .core import Memory
from .levels import at_level, fullest
from .mapping import admit, placed


async def renew(memory: Memory, seat: Residency, known: Mapped, page: Page) -> None:
    """Map the page as the session reads it now, where that is not how it is mapped.

    At its level, else at the fullest that fits, else not at all: a page is never shown with the
    tokens of another text.
    """
    if known.version != page.version and put_out(seat, page):
        return
    seat.set.supersede(page.page_id, superseded=bool(page.superseded_by))
    shown = await at_level(memory, seat.workspace, page, known.level)
    if (known.version, known.level, known.tokens) == (page.version, shown.level, shown.tokens):
        return
    room = seat.set.room(page.page_id)
    if shown.tokens > max(known.tokens, room):
        shown = await fullest(memory, seat.workspace, page, room) or shown
    now = placed(page, shown.level, shown.tokens)
    seat.decide(partial(_replace, now=now), page.page_id)


def put_out(seat: Residency, page: Page) -> bool:
    """Whether a page is kept out for what it says now; it is not mapped any more then.

    A pin stands for somebody's consent to whatever the page says.
    """
    known = seat.set.get(page.page_id)
    if page.flagged is None or (known is not None and known.is_pinned(seat.turn)):
        return False
    if known is not None:
        seat.decide(partial(_evict, page_id=page.page_id), page.page_id)
    return True


def _evict(seat: Residency, page_id: str) -> list[Operation]:
    gone = seat.set.evict(page_id)
    return [Evicted(session=seat.row.id, page_id=page_id, cause="flagged")] if gone else []


def _replace(seat: Residency, now: Mapped) -> list[Operation]:
    admission, lines = admit(seat, now, "recorded")
    if admission.page is None and seat.set.evict(now.page_id):
        lines.append(Evicted(session=seat.row.id, page_id=now.page_id, cause=now.page_id))
    return lines
