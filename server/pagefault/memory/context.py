"""The next call's context: rules, manifest and mapped pages, never over budget by a token."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..base import assets
from ..base.errors import InvalidArgument, TokenLimitExceeded
from ..base.event import clean
from ..base.page import REASONS, Level, Page, allowed_reasons
from ..paging.eviction import in_order
from ..paging.excerpt import excerpt
from ..paging.levels.targets import levels_of
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
from .core import Memory
from .following import follow
from .levels import at_level
from .lineage import is_own, lineage_of
from .measures import standing_pressure
from .packs import Pack, state_of
from .prefetching import Brought, bring_in
from .renewing import renew

MODES = ("strict", "relaxed", "passive")
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
    why: Mapping[str, str] = field(default_factory=dict)  # of those brought in: how surely


@dataclass(frozen=True, slots=True)
class _Counts:
    """Counting tokens: of a whole message, and of the pieces that come again and again."""

    whole: Callable[[str], int]
    piece: Callable[[str], int]


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
    budget = budget_of(seat, request)
    asked = ("text", mode, budget, request.system_prompt)
    counts = _Counts(
        (await memory.tokenizer(seat.workspace)).count, await memory.counter(seat.workspace)
    )
    async with seat.lock:
        brought = await bring_in(memory, seat, request.message)
        lately = await follow(memory, seat.workspace)
        made = memory.packs.get(asked, Context, seat, lately)
        memory.counts[seat.workspace.principal].packs[made is not None] += 1
        if made is not None:
            return with_brought(made, brought)
        position = lately.reached
        parts = await _parts(memory, seat, mode, request.system_prompt, budget)
        state = state_of(seat)
    made = _fit(parts, budget, counts)
    memory.packs.keep(asked, seat, Pack(made, state, position, _told_of(parts, made)))
    return with_brought(made, brought)


def budget_of(seat: Residency, request: ContextRequest) -> int:
    """The tokens that the context may have.

    Raises:
        InvalidArgument: that is not one at least.
    """
    budget = request.budget if request.budget is not None else seat.set.budget
    if budget < 1:
        message = f"budget_tokens is {budget}: give a positive number, or leave it out"
        raise InvalidArgument(message)
    return budget


def with_brought(made: Context, brought: Sequence[Brought]) -> Context:
    """The context, and what its message brought in."""
    if not brought:
        return made
    return replace(
        made,
        brought=tuple(one.page_id for one in brought),
        why={one.page_id: one.confidence for one in brought},
    )


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
    lines = []
    left = budget
    for mapped in current:
        if mapped is not None:
            fits = mapped.tokens <= left
            left -= mapped.tokens if fits else 0
            lines.append(await _line(memory, seat, mapped, pages[mapped.page_id], fits=fits))
    settings = memory.settings
    policies = {
        "faults_allowed": True,
        "max_faults_per_turn": settings.faults_per_turn,
        "upgrade_budget_tokens": settings.fault_tokens_per_turn,
        "fault_confidence": settings.fault_confidence,
        "prefer_levels": [0],
    }
    pressed = standing_pressure(seat)
    if pressed.level in ("high", "critical"):
        policies["pressure"] = {"level": pressed.level, "causes": list(pressed.causes)}
    return _Parts(
        seat,
        mode,
        _head(memory, mode, system_prompt),
        lines,
        left_out,
        [] if mode == "passive" else await _offers(memory, seat),
        policies,
    )


def by_worth(seat: Residency) -> list[Mapped]:
    """Mapped pages, the one to keep longest first: pins, then the policy's order backwards."""
    pages = seat.set.pages()
    pinned = [page for page in pages if page.is_pinned(seat.turn)]
    rest = [page for page in pages if not page.is_pinned(seat.turn)]
    return [*reversed(pinned), *reversed(in_order(seat.set.policy, rest))]


async def _line(memory: Memory, seat: Residency, known: Mapped, page: Page, *, fits: bool) -> Line:
    """The page as it is mapped, and where it does not fit so, its smaller forms as well."""
    shown = await at_level(memory, seat.workspace, page, known.level)
    since = known.mapped_turn
    smaller: list[Line] = []
    tokens = shown.tokens
    # A text is cut rather than shown as its stub, of which the manifest would say as much.
    least = Level.ABSTRACT if page.modality == "text" else Level.REFERENCE
    for level in () if fits else range(shown.level + 1, least + 1):
        form = await at_level(memory, seat.workspace, page, level)
        if form.level == level and form.tokens < tokens:
            smaller.append(Line(page, level, form.text, form.tokens, since))
            tokens = form.tokens
    return Line(page, shown.level, shown.text, shown.tokens, since, tuple(smaller))


async def _offers(memory: Memory, seat: Residency) -> list[tuple[Page, str, Sequence[int]]]:
    offers: list[tuple[Page, str, Sequence[int]]] = []
    for page in await _unmapped(memory, seat):
        hint = await memory.hint(seat.workspace, page)
        text = hint or await memory.text(seat.workspace, page.content)
        speaker = page.name or page.tool_name or page.role or page.page_type
        hinted = f"[{speaker}] {excerpt(text, _HINT_WIDTH)}"
        offers.append((page, hinted, levels_of(page.tokens)))
    return offers


async def _unmapped(memory: Memory, seat: Residency) -> list[Page]:
    """The session's pages to offer. What is not written yet, the store still sees as it was."""
    unwritten = seat.unwritten
    latest = await memory.store.recent_pages(
        seat.workspace, seat.row.id, AVAILABLE + len(unwritten), unmapped=True
    )
    known = await memory.store.pages(seat.workspace, list(unwritten), seat.row.id)
    lineage = await lineage_of(memory, seat)
    just_gone = [page for page in known.values() if is_own(lineage, page)]
    return rank_available([*latest, *just_gone], [page.page_id for page in seat.set.pages()])


def _told_of(parts: _Parts, made: Context) -> frozenset[str]:
    """The pages that the context speaks of, and all that stand in their place."""
    pages = [*(line.page for line in parts.lines), *(page for page, *_ in parts.offers)]
    linked = (by for page in pages for by in page.superseded_by)
    offered = (page.page_id for page, *_ in parts.offers)
    return frozenset([*made.pages, *made.omitted, *offered, *linked])


def _head(memory: Memory, mode: str, system_prompt: str | None) -> str:
    prompt = clean(system_prompt) if system_prompt else ""
    rules = rules_text(memory, mode)
    return "\n\n".join(part for part in (prompt, block("RULES", rules) if rules else "") if part)


def rules_text(memory: Memory, mode: str) -> str:
    """The rules of a mode with the numbers in force; empty for passive."""
    settings = memory.settings
    numbers = {
        "{max_faults}": str(settings.faults_per_turn),
        "{max_fault_tokens}": str(settings.fault_tokens_per_turn),
        "{fault_reasons}": _reasons(settings.fault_confidence),
    }
    text = assets.text(f"rules/{mode}.md")
    for blank, number in numbers.items():
        text = text.replace(blank, number)
    return text


def _reasons(threshold: str) -> str:
    """What to say of the reasons that a fault may have; nothing where all are allowed."""
    allowed = allowed_reasons(threshold)
    return "" if allowed == REASONS else f" Reasons for a fault: {', '.join(allowed)}; no other."


def _fit(parts: _Parts, budget: int, count: _Counts) -> Context:
    """Pack for the budget; where the whole counts more than its parts, pack for a little less."""
    target = budget
    while True:
        message, packed, offered = _compose(parts, target, count)
        tokens = count.whole(message)
        if tokens <= budget:
            shown = tuple(line.page.page_id for line in packed.shown)
            omitted = (*packed.omitted, *parts.left_out)
            return Context(message, tokens, shown, omitted, ())
        if not packed.shown and not offered:
            text = (
                f"the rules and the system prompt take {tokens:,} tokens, budget_tokens is "
                f"{budget:,}. Raise it, shorten the prompt, or use mode passive"
            )
            raise TokenLimitExceeded(text)
        target -= tokens - budget


def _compose(parts: _Parts, budget: int, count: _Counts) -> tuple[str, Packed, int]:
    """The message, what is shown in it, and how many other pages it offers."""
    passive = parts.mode == "passive"
    empty = _message(parts, _NOTHING, [])
    left = budget - count.whole(empty)
    packed = pack(
        parts.lines,
        left - (0 if passive else _reserve(parts, budget, count.piece)),
        count.piece,
        lambda line: 0 if passive else count.piece(compact(_entry(line)) + ","),
    )
    offers: list[Mapping[str, object]] = []
    if not passive:
        left = budget - count.whole(_message(parts, packed, []))
        offers = _offered(parts, left, count.piece)
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


def _entry(line: Line) -> dict[str, object]:
    return manifest_entry(line, line.tokens)


_NOTHING = Packed((), (), (), ())


def _message(parts: _Parts, packed: Packed, offers: Sequence[Mapping[str, object]]) -> str:
    blocks = [parts.head] if parts.head else []
    if parts.mode != "passive":
        entries = [_entry(line) for line in packed.shown]
        manifest = manifest_json(parts.seat.row.id, entries, offers, parts.policies)
        blocks.append(block("MANIFEST_JSON", manifest))
    blocks.append(block("CONTEXT", "\n".join(packed.lines)))
    return "\n\n".join(blocks)
