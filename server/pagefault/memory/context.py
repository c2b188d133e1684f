"""The next call's context: rules, manifest and mapped pages, never over budget by a token."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from hashlib import blake2b

from ..base import assets
from ..base.errors import InvalidArgument, TokenLimitExceeded
from ..base.event import clean
from ..base.log import Operation
from ..base.page import Level, Page
from ..base.tokens import Tokenizer
from ..paging.eviction import in_order
from ..paging.levels.reference import excerpt
from ..paging.packing import (
    AVAILABLE,
    Line,
    Packed,
    available_entry,
    block,
    compact,
    could_fit,
    manifest_entry,
    manifest_json,
    pack,
    rank_available,
)
from ..paging.resident import Mapped
from ..residency import Residency
from .core import Memory, begin_turn
from .levels import at_level
from .mapping import admit, placed
from .recall import SearchRequest, search
from .renewing import renew

MODES = ("strict", "relaxed", "passive")
_PREPASS = 5  # pages that a message may bring in
_PREPASS_SHARE = 0.5  # of the best hit's score: weaker hits are not brought in
_OFFER_SHARE = 0.2  # of the budget: what the list of available pages may take
_HINT_WIDTH = 120  # characters of a hint in the manifest


@dataclass(frozen=True, slots=True)
class ContextRequest:
    """What the context is for. ``budget`` in tokens of the whole message."""

    message: str | None = None
    budget: int | None = None
    mode: str | None = None
    system_prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """The message, its tokens, the pages in it, those left out, those the pre-pass brought in."""

    message: str
    tokens: int
    pages: tuple[str, ...]
    omitted: tuple[str, ...]
    brought: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Parts:
    """Everything that goes into the message, before it is known how much of it fits."""

    seat: Residency
    mode: str
    head: str
    lines: Sequence[Line]
    left_out: Sequence[str]
    offers: Sequence[tuple[Page, str, Sequence[int]]]
    policies: Mapping[str, object]
    tokens_of: Mapping[str, int]


def digest(message: str) -> bytes:
    """By which a message that was announced is known again when it is recorded; never kept."""
    return blake2b(clean(message).encode(), digest_size=16).digest()


async def build(memory: Memory, seat: Residency, request: ContextRequest) -> Context:
    """The developer message for the next model call; ``message`` brings in what it refers to.

    Raises:
        InvalidArgument: a mode that does not exist, or a budget that is not positive.
        TokenLimitExceeded: the rules and the system prompt alone are over the budget.
    """
    mode = request.mode or seat.row.mode or memory.settings.mode
    if mode not in MODES:
        message = f"mode is {mode[:40]!r}: use one of {', '.join(MODES)}"
        raise InvalidArgument(message)
    budget = request.budget if request.budget is not None else seat.set.budget
    if budget < 1:
        message = f"budget_tokens is {budget}: give a positive number, or leave it out"
        raise InvalidArgument(message)
    tokenizer = await memory.tokenizer(seat.workspace)
    async with seat.lock:
        brought = await bring_in(memory, seat, request.message)
        parts = await _parts(memory, seat, mode, request.system_prompt, budget)
    return _fit(parts, budget, tokenizer, brought)


async def bring_in(memory: Memory, seat: Residency, message: str | None) -> tuple[str, ...]:
    """The pre-pass: map what the message refers to, at no cost to the model's quota."""
    if not message:
        return ()
    seat.decide(partial(_begin_announced, said=digest(message)))
    found = await search(memory, seat, SearchRequest(message[:4_000], limit=_PREPASS))
    best = max((quoted.hit.score for quoted in found.results), default=0.0)
    wanted = [
        quoted.hit.page_id
        for quoted in found.results
        if quoted.hit.score >= best * _PREPASS_SHARE and quoted.hit.page_id not in seat.set
    ]
    pages = await memory.store.pages(seat.workspace, wanted, seat.row.id)
    brought = []
    for page in (pages[page_id] for page_id in wanted if page_id in pages):
        if page.tokens <= seat.set.room() // 2:
            seat.decide(partial(_map_in_full, page=page), page.page_id)
            brought.append(page.page_id)
    return tuple(name for name in brought if name in seat.set)


async def _parts(
    memory: Memory, seat: Residency, mode: str, system_prompt: str | None, budget: int
) -> _Parts:
    candidates, left_out = could_fit(by_worth(seat), budget)
    named = [known.page_id for known in candidates]
    pages = await memory.store.pages(seat.workspace, named, seat.row.id)
    for known in candidates:
        if known.page_id in pages:
            await renew(memory, seat, known, pages[known.page_id])
    current = [seat.set.get(page_id) for page_id in named if page_id in pages]
    lines = [
        await _line(memory, seat, known, pages[known.page_id])
        for known in current
        if known is not None
    ]
    settings = memory.settings
    policies = {
        "faults_allowed": True,
        "max_faults_per_turn": settings.faults_per_turn,
        "upgrade_budget_tokens": settings.fault_tokens_per_turn,
        "prefer_levels": [0],
    }
    return _Parts(
        seat,
        mode,
        _head(memory, mode, system_prompt),
        lines,
        left_out,
        [] if mode == "passive" else await _offers(memory, seat),
        policies,
        {page.page_id: page.tokens for page in seat.set.pages()},
    )


def by_worth(seat: Residency) -> list[Mapped]:
    """Mapped pages, the one to keep longest first: pins, then the policy's order backwards."""
    pages = seat.set.pages()
    pinned = [page for page in pages if page.is_pinned(seat.turn)]
    rest = [page for page in pages if not page.is_pinned(seat.turn)]
    return [*reversed(pinned), *reversed(in_order(seat.set.policy, rest))]


async def _line(memory: Memory, seat: Residency, known: Mapped, page: Page) -> Line:
    shown = await at_level(memory, seat.workspace, page, known.level)
    return Line(page, shown.level, shown.text, known.is_pinned(seat.turn))


async def _offers(memory: Memory, seat: Residency) -> list[tuple[Page, str, Sequence[int]]]:
    offers: list[tuple[Page, str, Sequence[int]]] = []
    for page in await _unmapped(memory, seat):
        hint = await memory.hint(seat.workspace, page)
        text = hint or await memory.text(seat.workspace, page.content)
        speaker = page.name or page.tool_name or page.role or page.page_type
        small = await at_level(memory, seat.workspace, page, Level.REFERENCE)
        levels = [0, 3] if small.level == Level.REFERENCE else [0]
        offers.append((page, f"[{speaker}] {excerpt(text, _HINT_WIDTH)}", levels))
    return offers


async def _unmapped(memory: Memory, seat: Residency) -> list[Page]:
    """The session's pages to offer. What is not written yet, the store still sees as it was."""
    unwritten = seat.unwritten
    latest = await memory.store.recent_pages(
        seat.workspace, seat.row.id, AVAILABLE + len(unwritten), unmapped=True
    )
    known = await memory.store.pages(seat.workspace, list(unwritten), seat.row.id)
    just_gone = [page for page in known.values() if page.session == seat.row.id]
    return rank_available([*latest, *just_gone], [page.page_id for page in seat.set.pages()])


def _head(memory: Memory, mode: str, system_prompt: str | None) -> str:
    prompt = clean(system_prompt) if system_prompt else ""
    rules = rules_text(memory, mode)
    return "\n\n".join(part for part in (prompt, block("RULES", rules) if rules else "") if part)


def rules_text(memory: Memory, mode: str) -> str:
    """The rules of a mode with the numbers in force; empty for passive."""
    text = assets.text(f"rules/{mode}.md")
    return text.replace("{max_faults}", str(memory.settings.faults_per_turn)).replace(
        "{max_fault_tokens}", str(memory.settings.fault_tokens_per_turn)
    )


def _fit(parts: _Parts, budget: int, tokenizer: Tokenizer, brought: tuple[str, ...]) -> Context:
    """Pack for the budget; where the whole counts more than its parts, pack for a little less."""
    target = budget
    count = cache(tokenizer.count)  # packing again counts the same lines again
    while True:
        message, packed, offered = _compose(parts, target, count)
        tokens = tokenizer.count(message)
        if tokens <= budget:
            shown = tuple(line.page.page_id for line in packed.shown)
            omitted = (*packed.omitted, *parts.left_out)
            return Context(message, tokens, shown, omitted, brought)
        if not packed.shown and not offered:
            text = (
                f"the rules and the system prompt take {tokens:,} tokens, budget_tokens is "
                f"{budget:,}. Raise it, shorten the prompt, or use mode passive"
            )
            raise TokenLimitExceeded(text)
        target -= tokens - budget


def _compose(parts: _Parts, budget: int, count: Callable[[str], int]) -> tuple[str, Packed, int]:
    """The message, what is shown in it, and how many other pages it offers."""
    passive = parts.mode == "passive"
    empty = _message(parts, _NOTHING, [])
    left = budget - count(empty)
    packed = pack(
        parts.lines,
        left - (0 if passive else _reserve(parts, budget, count)),
        count,
        lambda line: 0 if passive else count(compact(_entry(parts, line)) + ","),
    )
    offers: list[Mapping[str, object]] = []
    if not passive:
        left = budget - count(_message(parts, packed, []))
        offers = _offered(parts, left, count)
    return _message(parts, packed, offers), packed, len(offers)


def _reserve(parts: _Parts, budget: int, count: Callable[[str], int]) -> int:
    entries = (compact(available_entry(*offer)) for offer in parts.offers)
    return min(int(budget * _OFFER_SHARE), sum(count(entry + ",") for entry in entries))


def _offered(parts: _Parts, left: int, count: Callable[[str], int]) -> list[Mapping[str, object]]:
    chosen: list[Mapping[str, object]] = []
    for offer in parts.offers:
        entry = available_entry(*offer)
        cost = count(compact(entry) + ",")
        if cost > left:
            break
        left -= cost
        chosen.append(entry)
    return chosen


def _entry(parts: _Parts, line: Line) -> dict[str, object]:
    return manifest_entry(line, parts.tokens_of.get(line.page.page_id, line.page.tokens))


_NOTHING = Packed((), (), (), ())


def _message(parts: _Parts, packed: Packed, offers: Sequence[Mapping[str, object]]) -> str:
    blocks = [parts.head] if parts.head else []
    if parts.mode != "passive":
        entries = [_entry(parts, line) for line in packed.shown]
        manifest = manifest_json(parts.seat.row.id, entries, offers, parts.policies)
        blocks.append(block("MANIFEST_JSON", manifest))
    blocks.append(block("CONTEXT", "\n".join(packed.lines)))
    return "\n\n".join(blocks)


def _begin_announced(seat: Residency, said: bytes) -> list[Operation]:
    lines = begin_turn(seat, "context")
    seat.announced = said
    return lines


def _map_in_full(seat: Residency, page: Page) -> list[Operation]:
    return admit(seat, placed(page, Level.FULL, page.tokens), "speculative")[1]
