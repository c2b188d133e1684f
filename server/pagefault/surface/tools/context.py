"""The next call's context, as a tool."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ... import calls
from ...base.errors import InvalidArgument, TokenLimitExceeded
from ...base.event import canonical
from ...memory.context import Context, ContextRequest, build
from ...memory.mapping import Yielded
from ..door import Call
from ..effects import effects_of
from ..ranges import readable, some
from ..tool import Spec

if TYPE_CHECKING:
    from ...memory.messages import Messages

_FRAME = 64  # tokens of a reply around the message
_BROUGHT = (
    "prefetched",
    "prefetched_as",
    "effects",
)  # of the first build of a call, which had the message


async def context_build(
    call: Call,
    message: Annotated[str | None, Field(description="maps its subject")] = None,
    budget_tokens: int | None = None,
    mode: Literal["strict", "relaxed", "passive"] | None = None,
    system_prompt: str | None = None,
    format: Literal["openai_chat", "openai_responses", "anthropic"] | None = None,  # noqa: A002
    reserve_tokens: int | None = None,
) -> dict[str, Any]:
    """The next call's context: rules, manifest, pages. Call it after your window was cut or
    compacted; programs: before each call.
    """
    limit = call.memory.settings.reply_tokens
    wanted = budget_tokens if budget_tokens is not None else call.seat.set.budget
    wanted = _without(wanted, reserve_tokens)
    prompt = "\n\n".join(part for part in (system_prompt, await _experience(call)) if part)
    request = ContextRequest(message, min(wanted, limit - _FRAME), mode, prompt or None)
    if budget_tokens is not None and budget_tokens > limit - _FRAME:
        call.notes.append(f"a reply holds {limit:,} tokens at most, so the context has less")
    try:
        return await _built(call, request, format)
    except TokenLimitExceeded:
        if request.budget == wanted:
            raise
        text = (
            f"the rules and the system prompt alone are more than a reply holds, {limit:,} tokens "
            "(--reply-tokens). Shorten the system prompt, or use mode passive"
        )
        raise TokenLimitExceeded(text) from None


async def _experience(call: Call) -> str:
    """What the tools in play have taught, where the operator wants it said."""
    tokens = call.memory.settings.experience_tokens
    if not tokens:
        return ""
    tools = (await call.calls.track(call.seat)).in_play()
    said = await calls.for_tools(call.calls, call.workspace, call.seat.row.id, tools)
    tokenizer = await call.memory.tokenizer(call.workspace)
    return calls.block(said, tokens, tokenizer.count)


async def _built(call: Call, request: ContextRequest, format_: str | None) -> dict[str, Any]:
    """The reply, built again for a smaller budget while all of it is longer than a reply may be."""
    limit = call.memory.settings.reply_tokens
    tokenizer = await call.memory.tokenizer(call.workspace)
    said = list(call.notes)
    brought: dict[str, Any] = {}
    while True:
        make = _text(call, request) if format_ is None else _messages(call, request, format_)
        reply = await make
        brought = brought or {name: reply[name] for name in _BROUGHT if name in reply}
        reply |= brought
        over = tokenizer.count(readable(call, canonical(reply))) - limit
        if over <= 0:
            return reply
        call.notes[:] = said
        # The message has done its work: given again, it would begin another turn.
        request = replace(request, message=None, budget=reply["tokens"] - over)


async def _text(call: Call, request: ContextRequest) -> dict[str, Any]:
    built = await build(call.memory, call.seat, request)
    return call.answer(
        developer_message=built.message,
        tokens=built.tokens,
        **_named(call, built),
    )


async def _messages(call: Call, request: ContextRequest, format_: str) -> dict[str, Any]:
    from ...memory.messages import build_messages  # not at every start

    built = await build_messages(call.memory, call.seat, request, format_)
    call.encoded = built.images
    if built.repairs:
        call.notes.append(f"{built.repairs} tool calls or results stood alone and were repaired")
    return call.answer(
        messages=built.conversation.messages,
        system=built.conversation.system,
        tokens=built.tokens,
        **_named(call, built),
    )


def _without(budget: int, reserved: int | None) -> int:
    """The budget without what is reserved of it.

    Raises:
        InvalidArgument: less than nothing is reserved, or all of it.
    """
    if reserved is None or budget < 1:
        return budget
    if not 0 <= reserved < budget:
        message = (
            f"reserve_tokens is {reserved}, the budget {budget:,}: reserve 0 or more, and less "
            "than the budget"
        )
        raise InvalidArgument(message)
    return budget - reserved


def _named(call: Call, built: Context | Messages) -> dict[str, Any]:
    effects = effects_of(call, Yielded().told(call.seat))
    return {
        "pages": list(built.pages),
        "omitted": some(call, "omitted", built.omitted) or None,
        "prefetched": list(built.brought) or None,
        "prefetched_as": dict(built.why) or None,
        "effects": effects if any(effects.values()) else None,
    }


TOOLS = (
    Spec(
        context_build,
        "Build the context",
        {
            "developer_message": "string",
            "messages": "array",
            "tokens": "integer",
            "pages": "array",
            "omitted": "array",
        },
        read_only=True,
        large=True,
        own_turn=lambda given: bool(given.get("message")),
    ),
)
