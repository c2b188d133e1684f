"""The mapped conversation as messages for a model's API, within a budget of tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..base.errors import InvalidArgument, TokenLimitExceeded
from ..base.event import canonical
from ..base.media import parts
from ..base.page import Page
from ..paging.messages import (
    FORMATS,
    SHOWN_BY,
    Conversation,
    Exchange,
    Spoken,
    ToolCall,
    pair,
    read_calls,
    with_images,
)
from ..paging.packing import Line, block, context_line, could_fit
from ..paging.resident import Mapped
from ..residency import Residency
from .context import ContextRequest, budget_of, by_worth
from .core import Memory
from .following import follow
from .levels import at_level
from .lineage import is_own, lineage_of
from .media import blobs_of, frame_of
from .packs import Pack, state_of
from .prefetching import Brought, bring_in


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages in the API's own shape. ``repairs``: calls or results without their other half.

    ``images``: the base64 in the messages, of which ``tokens`` counts what the images cost.
    """

    conversation: Conversation
    tokens: int
    pages: tuple[str, ...]
    omitted: tuple[str, ...]
    brought: tuple[str, ...]
    repairs: int
    why: Mapping[str, str] = field(default_factory=dict)  # of those brought in: how surely
    images: Sequence[str] = ()


async def build_messages(
    memory: Memory, seat: Residency, request: ContextRequest, name: str
) -> Messages:
    """The session's mapped messages, the newest that fit, in order; other mapped pages are
    quoted in the system message.

    Raises:
        InvalidArgument: a format that does not exist.
        TokenLimitExceeded: the system message alone is over the budget.
    """
    if name not in FORMATS:
        message = f"format is {name[:40]!r}: use one of {', '.join(FORMATS)}, or leave it out"
        raise InvalidArgument(message)
    budget = budget_of(seat, request)
    asked = (name, budget, request.system_prompt)
    count = (await memory.tokenizer(seat.workspace)).count
    async with seat.lock:
        brought = await bring_in(memory, seat, request.message)
        lately = await follow(memory, seat.workspace)
        made = memory.packs.get(asked, Messages, seat, lately)
        memory.counts[seat.workspace.principal].packs[made is not None] += 1
        if made is not None:
            return _with_brought(made, brought)
        position, state = lately.reached, state_of(seat)
        candidates, left_out = could_fit(by_worth(seat), budget)
        spoken, quoted = await _read(memory, seat, candidates, name)
    exchanges, repairs = pair(spoken)
    system = _system(request.system_prompt or "", quoted, budget, count)
    shown, omitted = _newest(exchanges, budget, lambda some: _tokens(name, some, system, count))
    tokens = _tokens(name, shown, system, count)
    if tokens > budget:
        text = (
            f"the system message takes {tokens:,} tokens, budget_tokens is {budget:,}. "
            "Raise it or shorten the prompt"
        )
        raise TokenLimitExceeded(text)
    shown = await _illustrated(memory, seat, shown)
    images = tuple(data for one in shown for said in one.messages for data in said.images or ())
    made = Messages(
        FORMATS[name](shown, system),
        tokens,
        _ids(shown),
        (*_ids(omitted), *left_out),
        (),
        repairs,
        images=images,
    )
    known = frozenset([*(page.page_id for page in candidates), *left_out])
    if not images:  # megabytes are not kept at hand
        memory.packs.keep(asked, seat, Pack(made, state, position, known))
    return _with_brought(made, brought)


def _with_brought(made: Messages, brought: Sequence[Brought]) -> Messages:
    if not brought:
        return made
    return replace(
        made,
        brought=tuple(one.page_id for one in brought),
        why={one.page_id: one.confidence for one in brought},
    )


async def _read(
    memory: Memory, seat: Residency, candidates: Sequence[Mapped], name: str
) -> tuple[list[Spoken], list[str]]:
    """What was said in this session, in order, and lines for the other mapped pages."""
    mapped = {known.page_id: known for known in candidates}
    pages = await memory.store.pages(seat.workspace, list(mapped), seat.row.id)
    lineage = await lineage_of(memory, seat)
    spoken, quoted = [], []
    for page in sorted(pages.values(), key=lambda page: page.position):
        shown = await at_level(memory, seat.workspace, page, mapped[page.page_id].level)
        if is_own(lineage, page) and page.event_id is not None and shown.level == 0:
            said = await _spoken(memory, seat, page, shown.text)
            seen = page.modality == "image" and page.role in SHOWN_BY[name]
            spoken.append(await _seen(memory, seat, page, said) if seen else said)
        else:
            quoted.append(context_line(Line(page, shown.level, shown.text)))
    return spoken, quoted


async def _spoken(memory: Memory, seat: Residency, page: Page, text: str) -> Spoken:
    kept = None if page.payload is None else await memory.payload(seat.workspace, page.payload)
    payload: dict[str, Any] = json.loads(kept) if kept else {}
    content: object = json.loads(text) if page.modality == "structured" else text
    calls = read_calls(payload)
    if page.role != "tool":
        only_calls = bool(calls) and page.modality == "structured" and text == canonical(payload)
        return Spoken(
            page.page_id, page.role or "user", None if only_calls else content, page.name, calls
        )
    arguments = payload.get("arguments")
    call = ToolCall(
        page.tool_call_id or str(page.event_id),
        page.tool_name or "tool",
        arguments if isinstance(arguments, dict) else {},
    )
    return Spoken(page.page_id, "tool", content, answers=call)


async def _seen(memory: Memory, seat: Residency, page: Page, said: Spoken) -> Spoken:
    """The message with its image parts; their bytes are read when it is known what fits."""
    frame, named = await frame_of(memory, seat.workspace, page)
    content = parts(frame, named)
    text = await memory.text(seat.workspace, page.content)
    count = (await memory.tokenizer(seat.workspace)).count
    unread = ["" for part in content if part["type"] == "image"]
    return replace(said, content=content, images=unread, tokens=page.tokens - count(text))


async def _illustrated(
    memory: Memory, seat: Residency, exchanges: Sequence[Exchange]
) -> list[Exchange]:
    """The exchanges with the bytes of their images, which are read for those alone that fit."""
    named = [said.page_id for one in exchanges for said in one.messages if said.images is not None]
    pages = await memory.store.pages(seat.workspace, named, seat.row.id) if named else {}
    read: dict[str, list[str]] = {}
    for page in pages.values():
        frame, kinds = await frame_of(memory, seat.workspace, page)
        blobs = await blobs_of(memory, seat.workspace, page)
        numbers = (part["blob"] for part in parts(frame, kinds) if part["type"] == "image")
        read[page.page_id] = [blobs[number].base64 for number in numbers]

    def images_of(said: Spoken) -> Sequence[str]:
        return read.get(said.page_id, said.images or ())

    return [with_images(one, images_of) for one in exchanges]


def _system(prompt: str, quoted: Sequence[str], budget: int, count: Callable[[str], int]) -> str:
    """The prompt, and as many quoted pages, newest first, as half of what is left may take."""
    left = (budget - count(prompt)) // 2
    chosen: list[str] = []
    for line in reversed(quoted):
        left -= count(line + "\n")
        if left < 0:
            break
        chosen.insert(0, line)
    parts = [prompt] if prompt else []
    return "\n\n".join([*parts, block("CONTEXT", "\n".join(chosen))] if chosen else parts)


def _newest(
    exchanges: Sequence[Exchange], budget: int, tokens: Callable[[Sequence[Exchange]], int]
) -> tuple[Sequence[Exchange], Sequence[Exchange]]:
    """The longest tail of the exchanges that fits, by bisection, and what comes before it."""
    low, high = 0, len(exchanges)
    while low < high:
        middle = (low + high) // 2
        if tokens(exchanges[middle:]) <= budget:
            high = middle
        else:
            low = middle + 1
    return exchanges[low:], exchanges[:low]


def _tokens(
    name: str, exchanges: Sequence[Exchange], system: str, count: Callable[[str], int]
) -> int:
    made = FORMATS[name](exchanges, system)
    images = sum(said.tokens for exchange in exchanges for said in exchange.messages)
    return images + count(canonical(made.messages)) + count(made.system or "")


def _ids(exchanges: Sequence[Exchange]) -> tuple[str, ...]:
    named = (said.page_id for exchange in exchanges for said in exchange.messages)
    return tuple(dict.fromkeys(named))
