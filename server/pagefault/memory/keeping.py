"""Keeping pages mapped, and letting them go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ..base.errors import InvalidArgument, PinLimitExceeded, WriteConflict
from ..base.log import Demoted, Evicted, Operation, Pinned, SessionOpened
from ..base.page import Level, Page
from ..paging.resident import Mapped
from ..paging.working_set import Admission
from ..residency import Residency
from ..stores.contract import Commit
from .core import Memory
from .faulting import find_page
from .levels import Shown, at_level
from .mapping import Yielded, lines_of, placed


@dataclass(frozen=True, slots=True)
class Pin:
    """A page's pin as it is now. ``until_turn`` None: until it is lifted."""

    page_id: str
    pinned: bool
    until_turn: int | None
    mapped: bool
    yielded: Yielded
    obtained: str | None = None


@dataclass(frozen=True, slots=True)
class Released:
    """What left the working set or is shown at a smaller level, and what stayed and why."""

    evicted: tuple[str, ...]
    demoted: tuple[str, ...]
    kept: tuple[str, ...]


async def pin(
    memory: Memory, seat: Residency, page_id: str, *, pinned: bool, turns: int | None
) -> Pin:
    """Keep a page mapped, for good or for some turns, or lift its pin.

    Raises:
        PageNotFound, PageForgotten: there is no such page.
        PinLimitExceeded: the pins would hold more than half of the budget.
        WriteConflict: others kept changing the session.
    """
    if turns is not None and turns < 1:
        message = f"turns is {turns}: give a positive number, or leave it out to pin for good"
        raise InvalidArgument(message)
    page = await find_page(memory, seat, page_id)
    async with seat.lock:
        shown = await _shown(memory, seat, page)
        return await _pin(memory, seat, page, shown, pinned=pinned, turns=turns)


async def _pin(
    memory: Memory,
    seat: Residency,
    page: Page,
    shown: Shown,
    *,
    pinned: bool,
    turns: int | None,
) -> Pin:
    until = seat.turn + turns - 1 if pinned and turns else None
    admission = Admission(None)

    def plan(seat: Residency) -> Commit:
        nonlocal admission
        operations: list[Operation] = [SessionOpened(session=seat.row.id)]
        if pinned:
            now = placed(page, shown.level, shown.tokens)
            admission = _admission(seat, now)
            operations += lines_of(seat, admission, now, "pin")
        operations.append(
            Pinned(session=seat.row.id, page_id=page.page_id, pinned=pinned, until_turn=until)
        )
        return Commit(seat.workspace, memory.now(), "model", operations)

    applied = await seat.commit(plan)
    if applied is None:
        message = f"session {seat.row.id} is being changed by others all the time. Try again"
        raise WriteConflict(message)
    seat.set.commit(admission)
    if page.page_id in seat.set:
        seat.set.pin(page.page_id, pinned=pinned, until=until)
    yielded = Yielded()
    yielded.add(admission)
    return Pin(page.page_id, pinned, until, page.page_id in seat.set, yielded, applied.obtained)


async def release(
    memory: Memory, seat: Residency, page_ids: Sequence[str], level: int | None
) -> Released:
    """Unmap pages, or show them at a smaller level; pinned ones stay as they are.

    Raises:
        PageNotFound, PageForgotten: one of them does not exist; nothing was released.
        InvalidArgument: the level is not 1 to 3.
    """
    if level is not None and level not in (1, 2, 3):
        message = f"level is {level}: demote to 1, 2 or 3, or leave it out to evict"
        raise InvalidArgument(message)
    pages = [await find_page(memory, seat, page_id) for page_id in page_ids]
    async with seat.lock:
        evicted: list[str] = []
        demoted: list[str] = []
        kept: list[str] = []
        for page in pages:
            known = seat.set.get(page.page_id)
            if known is None:
                continue
            if known.is_pinned(seat.turn):
                kept.append(page.page_id)
            elif level is None:
                seat.decide(partial(_evict, page_id=page.page_id), page.page_id)
                evicted.append(page.page_id)
            elif await _demote(memory, seat, page, known, level):
                demoted.append(page.page_id)
            else:
                kept.append(page.page_id)
        return Released(tuple(evicted), tuple(demoted), tuple(kept))


async def _demote(memory: Memory, seat: Residency, page: Page, known: Mapped, level: int) -> bool:
    shown = await at_level(memory, seat.workspace, page, level)
    if shown.tokens >= known.tokens:
        return False

    def decide(seat: Residency) -> list[Operation]:
        if not seat.set.demote(page.page_id, shown.level, shown.tokens):
            return []
        return [
            Demoted(
                session=seat.row.id,
                page_id=page.page_id,
                level=shown.level,
                tokens=shown.tokens,
            )
        ]

    seat.decide(decide, page.page_id)
    return True


async def _shown(memory: Memory, seat: Residency, page: Page) -> Shown:
    known = seat.set.get(page.page_id)
    current = known is not None and known.version == page.version
    return await at_level(
        memory, seat.workspace, page, known.level if known and current else Level.FULL
    )


def _admission(seat: Residency, page: Mapped) -> Admission:
    known = seat.set.get(page.page_id)
    others = seat.set.pinned_tokens()
    if known is not None and known.is_pinned(seat.turn):
        others -= known.tokens
    half = seat.set.budget // 2
    if others + page.tokens > half:
        message = (
            f"pinning {page.page_id} ({page.tokens:,} tokens) would make {others + page.tokens:,}"
            f" pinned tokens; pins may hold half of the budget, {half:,}. Unpin another page, or "
            "write a short page of what matters in it and pin that"
        )
        raise PinLimitExceeded(message)
    return seat.set.plan(page)


def _evict(seat: Residency, page_id: str) -> list[Operation]:
    gone = seat.set.evict(page_id)
    return [Evicted(session=seat.row.id, page_id=page_id, cause="asked")] if gone else []
