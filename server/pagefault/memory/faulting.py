"""Faulting a page in: its content for the reply, its place in the working set."""

from __future__ import annotations

from dataclasses import dataclass

from ..base.errors import FaultLimitExceeded, FaultNotAllowed, InvalidArgument, PageNotFound
from ..base.log import Faulted, Operation
from ..base.media import Blob
from ..base.page import REASONS, Level, Page, allowed_reasons, confidence_of
from ..paging.quota import Quota
from ..paging.resident import Mapped
from ..paging.working_set import Admission
from ..residency import Residency
from .core import Memory
from .levels import Shown, at_level, fullest, images
from .mapping import Yielded, admit, placed


@dataclass(frozen=True, slots=True)
class FaultRequest:
    """What a model asked for. ``offset`` in characters, ``max_tokens`` of the content replied."""

    page_id: str
    target_level: int | None = None
    reason: str = "user_requested_recall"
    offset: int = 0
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """A page's content and what mapping it took. ``next_offset`` None: nothing is left of it.

    ``images``: those that go with the text, none of them with its further ranges.
    """

    page: Page
    shown: Shown
    text: str
    next_offset: int | None
    mapped: bool
    yielded: Yielded
    quota: Quota
    hit: bool
    notes: tuple[str, ...]
    images: tuple[Blob, ...] = ()


async def fault(memory: Memory, seat: Residency, request: FaultRequest) -> Fault:
    """Answer with the page and map it; the quota is spent only where it was not mapped so.

    Raises:
        PageNotFound, PageForgotten: there is no such page; the quota is untouched.
        InvalidArgument: a level, reason or offset that does not exist.
        FaultLimitExceeded: the turn's faults are spent.
        FaultNotAllowed: the reason is less sure than the operator wants it to be.
    """
    _check(request)
    page = await find_page(memory, seat, request.page_id)
    async with seat.lock:
        return await _fault(memory, seat, page, request)


async def find_page(memory: Memory, seat: Residency, name: str) -> Page:
    """The page with that id, or that was written under that key in the session.

    Raises:
        PageNotFound, PageForgotten: there is none, or not any more.
    """
    page = await memory.store.page(seat.workspace, name, seat.row.id)
    if page is None:
        raise PageNotFound(name)
    return page


def quota_of(memory: Memory, seat: Residency) -> Quota:
    """What the session's turn may still fault in."""
    settings = memory.settings
    return Quota(
        settings.faults_per_turn,
        settings.fault_tokens_per_turn,
        seat.faults,
        seat.fault_tokens,
        binding=seat.row.user_messages > 0,
    )


async def _fault(memory: Memory, seat: Residency, page: Page, request: FaultRequest) -> Fault:
    known = seat.set.get(page.page_id)
    quota = quota_of(memory, seat)
    shown = await _choose(memory, seat, page, request, known, quota)
    hit = known is not None and (known.version, known.level) == (page.version, shown.level)
    if not hit:
        _require_confidence(memory, request.reason)
    notes = _refuse_or_warn(quota, hit=hit, more=request.offset > 0)
    text, next_offset = await _cut(memory, seat, shown, request, quota, hit=hit)
    tokens = shown.tokens if text is shown.text else await _count(memory, seat, text)
    admission = Admission(None)

    def decide(seat: Residency) -> list[Operation]:
        nonlocal admission
        admission, lines = admit(seat, placed(page, shown.level, shown.tokens), request.reason)
        if hit:
            return lines
        seat.faults += request.offset == 0
        seat.fault_tokens += tokens
        asked = Faulted(
            session=seat.row.id,
            page_id=page.page_id,
            reason=request.reason,
            tokens=tokens,
            more=request.offset > 0,
        )
        return [asked, *lines]

    seat.decide(decide, page.page_id)
    if admission.page is None:
        notes = (*notes, _not_mapped(seat, page.page_id, shown))
    shown_with = () if request.offset else await images(memory, seat.workspace, page, shown)
    yielded = Yielded()
    yielded.add(admission)
    return Fault(
        page,
        shown,
        text,
        next_offset,
        admission.page is not None,
        yielded.told(seat),
        quota_of(memory, seat),
        hit,
        notes,
        tuple(shown_with),
    )


async def _choose(
    memory: Memory,
    seat: Residency,
    page: Page,
    request: FaultRequest,
    known: Mapped | None,
    quota: Quota,
) -> Shown:
    """The level that was asked for, else the fullest that fits the turn's fault tokens.

    An image cannot be cut: where it does not fit, the page comes at the fullest level that does.
    """
    if page.blobs:
        return await _choose_whole(memory, seat, page, request, known, quota)
    if request.target_level is not None:
        return await at_level(memory, seat.workspace, page, request.target_level)
    mapped_full = known is not None and (known.version, known.level) == (page.version, 0)
    if mapped_full or not quota.binding or page.tokens <= quota.tokens_left or request.offset:
        return await at_level(memory, seat.workspace, page, Level.FULL)
    # A smaller level that nobody asked for comes whole: its ranges would be taken for the page's.
    most = min(quota.tokens_left, request.max_tokens or _reply(memory), _reply(memory))
    fitting = await fullest(memory, seat.workspace, page, most)
    return fitting or await at_level(memory, seat.workspace, page, Level.FULL)


async def _choose_whole(
    memory: Memory,
    seat: Residency,
    page: Page,
    request: FaultRequest,
    known: Mapped | None,
    quota: Quota,
) -> Shown:
    shown = await at_level(memory, seat.workspace, page, request.target_level or Level.FULL)
    hit = known is not None and (known.version, known.level) == (page.version, shown.level)
    most = min(request.max_tokens or _reply(memory), _reply(memory))
    if quota.binding and not hit:
        most = min(most, quota.tokens_left)
    if shown.tokens <= most or request.offset:
        return shown
    fitting = await fullest(memory, seat.workspace, page, most)
    return fitting or await at_level(memory, seat.workspace, page, Level.REFERENCE)


async def _cut(
    memory: Memory,
    seat: Residency,
    shown: Shown,
    request: FaultRequest,
    quota: Quota,
    *,
    hit: bool,
) -> tuple[str, int | None]:
    """The range of the text that the reply may hold, and where the next one begins."""
    if request.offset > len(shown.text) or request.offset < 0:
        message = (
            f"offset {request.offset} is outside of {request.page_id}, which has "
            f"{len(shown.text)} characters at level {shown.level}. Use the next_offset of a reply"
        )
        raise InvalidArgument(message)
    limit = min(request.max_tokens or memory.settings.fault_reply_tokens, _reply(memory))
    if quota.binding and not hit:
        limit = min(limit, quota.tokens_left)
    if request.offset == 0 and shown.tokens <= limit:
        return shown.text, None
    tokenizer = await memory.tokenizer(seat.workspace)
    rest = shown.text[request.offset :]
    text = tokenizer.clip(rest, limit) or rest[:1]
    end = request.offset + len(text)
    return text, end if end < len(shown.text) else None


def _reply(memory: Memory) -> int:
    settings = memory.settings
    return min(settings.fault_reply_tokens, settings.reply_tokens)


def _require_confidence(memory: Memory, reason: str) -> None:
    """A page that is not mapped so needs a reason that the operator allows."""
    threshold = memory.settings.fault_confidence
    allowed = allowed_reasons(threshold)
    if reason not in allowed:
        message = (
            f"reason {reason} is {confidence_of(reason)}: this server faults pages in for "
            f"{' or '.join(allowed)} only (--fault-confidence {threshold}). Answer from what is "
            "mapped, or ask the user; give one of these reasons where it is the true one"
        )
        raise FaultNotAllowed(message)


def _refuse_or_warn(quota: Quota, *, hit: bool, more: bool) -> tuple[str, ...]:
    refusal = None if hit else quota.refusal(more=more)
    if refusal is None:
        return ()
    if quota.binding:
        message = (
            f"{refusal}. Answer from what you have, or wait for the user's next message; "
            "a mapped page can be read again at no cost"
        )
        raise FaultLimitExceeded(message)
    return (f"{refusal}; not enforced, since no user message is recorded",)


def _not_mapped(seat: Residency, page_id: str, shown: Shown) -> str:
    return (
        f"answered and not mapped: its {shown.tokens:,} tokens do not fit beside the pins "
        f"({max(seat.set.room(page_id), 0):,} of {seat.set.budget:,} tokens)"
    )


async def _count(memory: Memory, seat: Residency, text: str) -> int:
    return (await memory.tokenizer(seat.workspace)).count(text)


def _check(request: FaultRequest) -> None:
    if request.target_level is not None and request.target_level not in set(Level):
        message = (
            f"target_level is {request.target_level}: use 0 (full), 1 (reduced), 2 (abstract) "
            "or 3 (reference), or leave it out"
        )
        raise InvalidArgument(message)
    if request.reason not in REASONS:
        message = f"reason is {request.reason[:40]!r}: use one of {', '.join(REASONS)}"
        raise InvalidArgument(message)
    if request.max_tokens is not None and request.max_tokens < 1:
        message = f"max_tokens is {request.max_tokens}: give a positive number, or leave it out"
        raise InvalidArgument(message)
