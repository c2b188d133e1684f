"""The levels that a page has: level 0, what a model wrote for it, and the stub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..base.page import Level, Page
from ..paging.levels.reference import stub
from ..stores.contract import Workspace
from .core import Memory


@dataclass(frozen=True, slots=True)
class Shown:
    """A page's text at one level."""

    level: int
    text: str
    tokens: int
    origin: str


async def at_level(memory: Memory, workspace: Workspace, page: Page, wanted: int) -> Shown:
    """The page at ``wanted``, or at the next fuller level that it has.

    Level 3 is the page itself, said to be level 0, where a stub would not be smaller.
    """
    if wanted == Level.FULL:
        return await _full(memory, workspace, page)
    kept = await kept_levels(memory, workspace, page)
    chosen = max((level for level in kept if level <= wanted), default=None)
    if chosen is not None and (chosen == wanted or wanted < Level.REFERENCE):
        return await _kept(memory, workspace, kept, chosen)
    if wanted < Level.REFERENCE:
        return await _full(memory, workspace, page)
    return await _stub(memory, workspace, page)


async def kept_levels(
    memory: Memory, workspace: Workspace, page: Page
) -> Mapping[int, tuple[str, int, int]]:
    """Level to origin, content id and tokens of what is kept beside level 0."""
    if page.levels is not None:
        return page.levels
    return await memory.store.representations(workspace, page.page_id, page.version)


async def _full(memory: Memory, workspace: Workspace, page: Page) -> Shown:
    text = await memory.text(workspace, page.content)
    return Shown(Level.FULL, text, page.tokens, "original")


async def _kept(
    memory: Memory,
    workspace: Workspace,
    kept: Mapping[int, tuple[str, int, int]],
    level: int,
) -> Shown:
    origin, content, tokens = kept[level]
    return Shown(level, await memory.text(workspace, content), tokens, origin)


async def _stub(memory: Memory, workspace: Workspace, page: Page) -> Shown:
    full = await _full(memory, workspace, page)
    tokenizer = await memory.tokenizer(workspace)
    text = stub(page, full.text, await memory.hint(workspace, page))
    tokens = tokenizer.count(text)
    return Shown(Level.REFERENCE, text, tokens, "stub") if tokens < full.tokens else full
