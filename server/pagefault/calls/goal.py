"""What a session's calls are made for: what its user said last."""

from __future__ import annotations

from ..base.errors import PageForgotten
from ..base.page import Page
from ..residency import Residency
from .core import Calls
from .spoken import holds_results

LENGTH = 1_000  # characters of a message that say what a call is for
_LATEST = (16, 256)  # pages that are looked through for the message; more where it is not among few


async def goal_of(calls: Calls, seat: Residency) -> str:
    """The beginning of the user's last message; nothing where there is none, or it is forgotten.

    It is looked for again once the session has another message of its user.
    """
    session = calls.session(seat)
    if session.asked_at != seat.row.user_messages:
        page = await _last_said(calls, seat)
        session.asked = None if page is None else page.page_id
        session.asked_at = seat.row.user_messages
    if session.asked is None:
        return ""
    try:
        found = await calls.memory.store.page(seat.workspace, session.asked, seat.row.id)
    except PageForgotten:
        return ""
    return "" if found is None else (await _text(calls, seat, found))[:LENGTH]


async def _last_said(calls: Calls, seat: Residency) -> Page | None:
    for limit in _LATEST if seat.row.user_messages else ():
        pages = await calls.memory.store.recent_pages(seat.workspace, seat.row.id, limit)
        for page in sorted(pages, key=lambda page: -page.position):
            if page.role == "user" and page.event_id is not None:
                text = await _text(calls, seat, page)
                if not holds_results(text, page.modality):
                    return page
    return None


async def _text(calls: Calls, seat: Residency, page: Page) -> str:
    return await calls.memory.text(seat.workspace, page.content)
