"""Keeping a reply within its tokens: long text comes in ranges, long lists end with a note."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from ..base.event import canonical
from ..base.tokens import Tokenizer
from .door import Call

_SIDE = 50  # ids named of what a call did beside its subject
_NOTE = 24  # tokens of a note that says what was cut
_NEWEST_LAST = ("log", "versions")  # of these the end is kept
_PAGED = "results"  # what `next` goes on with

T = TypeVar("T")
Place = tuple[dict[str, Any], str]


def some(call: Call, name: str, ids: Sequence[T]) -> list[T]:
    """The first of many ids, or short entries, and a note when the reply does not have them all."""
    if len(ids) > _SIDE:
        call.notes.append(f"{name}: {_SIDE} of {len(ids):,} named")
    return list(ids[:_SIDE])


async def whole(call: Call, reply: dict[str, Any], offset: int = 0) -> str:
    """The reply as JSON of at most ``--reply-tokens``: where it is longer, its longest lists are
    cut in place and a note says so. ``offset``: where its results begin, for ``next``."""
    limit = call.memory.settings.reply_tokens
    text = canonical(reply)
    if _surely_fits(readable(call, text), limit):
        return text
    tokenizer = await call.memory.tokenizer(call.workspace)
    said: list[str] = list(reply.get("notes", ()))
    cut: dict[str, int] = {}  # the list's name to its full length
    while (over := tokenizer.count(readable(call, text)) - limit) > 0 and (
        place := _longest(reply)
    ):
        holder, name = place
        cut.setdefault(name, len(holder[name]))
        holder[name] = _shorter(holder[name], over + _NOTE, tokenizer, name)
        if name == _PAGED:
            reply["next"] = offset + len(holder[name])
        reply["notes"] = [*said, *(_note(reply, name, full) for name, full in cut.items())]
        text = canonical(reply)
    return text


def readable(call: Call, text: str) -> str:
    """What a model reads of a reply: all but the images in it."""
    for image in call.encoded:
        text = text.replace(image, "")
    return text


async def clip_text(
    call: Call, reply: dict[str, Any], field: tuple[str, ...], limit: int, offset: int
) -> None:
    """Cut the text at ``field`` in place, so that all of the reply is at most ``limit`` tokens.

    ``offset``: where the text begins in what it is of; ``next_offset`` then says where to go on.
    """
    *path, name = field
    holder: dict[str, Any] = reply
    for step in path:
        holder = holder[step]
    text = holder.get(name)
    if not isinstance(text, str) or (len(text) < limit and _surely_fits(canonical(reply), limit)):
        return
    tokenizer = await call.memory.tokenizer(call.workspace)
    holder[name] = ""
    frame = tokenizer.count(canonical(reply)) + _NOTE
    shown = tokenizer.clip(text, limit)
    while True:
        holder[name] = shown
        if len(shown) < len(text):
            reply["next_offset"] = offset + len(shown)
        size = tokenizer.count(canonical(reply))
        if size <= limit or len(shown) == 1:
            return
        room = tokenizer.count(shown) * max(limit - frame, 0) // max(size - frame, 1) - 1
        shown = tokenizer.clip(text, room) or text[:1]


def _surely_fits(text: str, limit: int) -> bool:
    """Without counting: no tokenizer here makes more than five tokens of four bytes."""
    return len(text.encode()) * 5 <= limit * 4


def _longest(reply: dict[str, Any]) -> Place | None:
    """Where the reply's longest list is; None when there is nothing left to cut."""
    places = [place for place in _lists(reply) if place[0][place[1]]]
    return max(places, key=lambda place: len(canonical(place[0][place[1]])), default=None)


def _lists(holder: dict[str, Any]) -> Iterator[Place]:
    for name, value in holder.items():
        if isinstance(value, list) and name != "notes":
            yield holder, name
        elif isinstance(value, dict):
            yield from _lists(value)


def _shorter(items: list[Any], tokens: int, tokenizer: Tokenizer, name: str) -> list[Any]:
    """The list without as many items as hold ``tokens``, and without one at least."""
    ordered = items[::-1] if name in _NEWEST_LAST else items[:]
    while ordered and tokens > 0:
        tokens -= tokenizer.count(canonical(ordered.pop()))
    return ordered[::-1] if name in _NEWEST_LAST else ordered


def _note(reply: dict[str, Any], name: str, full: int) -> str:
    left = next((len(holder[found]) for holder, found in _lists(reply) if found == name), 0)
    which = "last" if name in _NEWEST_LAST else "first"
    return f"{name}: the {which} {left:,} of {full:,}, to keep the reply short"
