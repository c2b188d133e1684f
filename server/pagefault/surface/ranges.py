"""Keeping a reply within its tokens: the long text in it comes in ranges."""

from __future__ import annotations

from typing import Any

from .door import Call
from .tool import compact

_SURELY_FITS = 2  # characters of a reply that are at most a token each, halved for escapes


async def clip_reply(
    call: Call, reply: dict[str, Any], field: tuple[str, ...], limit: int, offset: int
) -> dict[str, Any]:
    """The reply with the text at ``field`` cut so that all of it is at most ``limit`` tokens.

    ``offset``: where the text begins in its page; ``next_offset`` then says where to go on.
    """
    holder: dict[str, Any] = reply
    for name in field[:-1]:
        holder = holder[name]
    text = holder.get(field[-1])
    if not isinstance(text, str) or len(text) * _SURELY_FITS < limit:
        return reply
    tokenizer = await call.memory.tokenizer(call.workspace)
    room = limit
    while (over := tokenizer.count(compact(reply)) - limit) > 0 and room > 0:
        room = min(room, tokenizer.count(holder[field[-1]])) - over - 8
        shorter = tokenizer.clip(text, max(room, 1))
        holder[field[-1]] = shorter
        reply["next_offset"] = offset + len(shorter)
    return reply
