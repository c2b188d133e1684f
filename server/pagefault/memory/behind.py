"""What is done behind a reply: its decisions are written, then what may come next is prepared."""

from __future__ import annotations

import logging
from functools import partial

from ..base.errors import StoreError
from ..base.page import Level
from ..residency import Residency
from .core import Memory
from .levels import at_level

log = logging.getLogger(__name__)

_PAGES = 8  # that are prepared at a time: others are to be served in between


def settle(memory: Memory, seat: Residency) -> None:
    """Have the session's decisions written behind the reply."""
    if seat.pending:
        memory.behind((seat.workspace.key, seat.row.id), partial(_settle, memory, seat))


async def prepare(memory: Memory, seat: Residency) -> None:
    """Make the stubs of pages that will have to yield soon, so that they can be shown as those.

    Nothing is decided here: a turn that begins, or a page that comes, finds what is kept by then.
    """
    wanted = seat.set.unprepared()[:_PAGES]
    if not wanted:
        return
    forms = seat.set.learned.forms
    named = [known.page_id for known in wanted]
    pages = await memory.store.pages(seat.workspace, named, seat.row.id)
    for page_id, page in pages.items():
        try:
            shown = await at_level(memory, seat.workspace, page, Level.REFERENCE)
        except StoreError:
            raise
        except Exception:  # a user's own compressor: nobody waits for it, so nobody would hear
            log.exception("no stub of %s could be made", page_id)
            forms.learn(page_id, page.version, Level.FULL, page.tokens)
        else:
            forms.learn(page_id, page.version, shown.level, shown.tokens)


async def _settle(memory: Memory, seat: Residency) -> None:
    try:
        await seat.flush(memory.now())
        await prepare(memory, seat)
    except StoreError:
        return  # decisions stay pending; the next call that writes says what is wrong
