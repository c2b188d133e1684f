"""The levels that a page has: level 0, what a model wrote for it, what is computed when needed.

A level is computed once and kept beside the page in a derived commit, so that it stays word for
word what it was. A model's own words go before computed ones: a computed level that is not in
order with them is made anew, to fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anyio import to_thread

from ..base.errors import StoreDamaged, StoreError
from ..base.log import Represented
from ..base.media import Blob, data_urls
from ..base.page import Level, Page
from ..paging.levels import Made, Source, compute
from ..paging.levels.targets import target_tokens
from ..stores.contract import Commit, Workspace
from .core import Memory
from .media import blobs_of

MODEL = "model"  # the origin of what a model wrote
_BESIDE = 20_000  # characters from which a level is computed beside the loop
_AROUND = 16  # pages of the session, of each kind, that a stub is told apart from
_AROUND_SIZE = 8_000  # bytes of the largest of them

Kept = Mapping[int, tuple[str, int, int]]  # level to origin, content id, tokens


@dataclass(frozen=True, slots=True)
class Shown:
    """A page's text at one level, and the images that are shown with it.

    Those of level 0 are not among them: `images` reads them where they are wanted.
    """

    level: int
    text: str
    tokens: int
    origin: str
    images: tuple[Blob, ...] = ()


async def at_level(memory: Memory, workspace: Workspace, page: Page, wanted: int) -> Shown:
    """The page at ``wanted``, or at the nearest fuller level where it has no text so small.

    That may be the page itself, said to be level 0. Nothing fails where the level that was
    computed cannot be kept, as in a store that may only be read.
    """
    if wanted > Level.FULL:
        kept = await kept_levels(memory, workspace, page)
        held = _in_force(memory, page, kept)
        for level in _tried(page, wanted):
            shown = await _readable(memory, workspace, held, level)
            if shown is not None:
                return shown
            if target_tokens(page.tokens, level) is not None:
                made = await _made(memory, workspace, page, level)
                if made is not None:
                    return made
    return await _full(memory, workspace, page)


async def images(memory: Memory, workspace: Workspace, page: Page, shown: Shown) -> list[Blob]:
    """The images that go with a page at the level that it is shown at."""
    if shown.level > Level.FULL:
        return list(shown.images)
    return [blob for blob in await blobs_of(memory, workspace, page) if blob.kind == "image"]


def _tried(page: Page, wanted: int) -> Sequence[int]:
    """The levels to try in turn: an image of which there is no thumbnail falls to its caption."""
    if page.blobs and wanted == Level.REDUCED:
        return (Level.REDUCED, Level.ABSTRACT)
    return range(wanted, Level.FULL, -1)


async def fullest(memory: Memory, workspace: Workspace, page: Page, most: int) -> Shown | None:
    """The page at the fullest level of at most so many tokens; None where every one has more."""
    for level in Level:
        if level > Level.FULL or page.tokens <= most:
            shown = await at_level(memory, workspace, page, level)
            if shown.tokens <= most:
                return shown
    return None


async def kept_levels(memory: Memory, workspace: Workspace, page: Page) -> Kept:
    """What is kept beside level 0, computed or written."""
    if page.levels is not None:
        return page.levels
    return await memory.store.representations(workspace, page.page_id, page.version)


def bounds(kept: Kept, tokens: int, level: int) -> tuple[int, int]:
    """Between how many tokens a level has to lie, for each to be smaller than the one above.

    The least above it, and the most below it, both of them excluded. ``tokens``: of level 0.
    """
    above = [size for other, (_, _, size) in kept.items() if other < level]
    below = [size for other, (_, _, size) in kept.items() if other > level]
    return min(above, default=tokens), max(below, default=0)


def _in_force(memory: Memory, page: Page, kept: Kept) -> Kept:
    """A model's words, and the computed levels that are in order with them and still up to date."""
    current = {compressor.name for compressor in memory.tools.compressors}
    held = {level: form for level, form in kept.items() if form[0] == MODEL}
    for level in sorted(kept.keys() - held.keys()):
        above, below = bounds(held, page.tokens, level)
        if kept[level][0] in current and below < kept[level][2] < above:
            held[level] = kept[level]
    return held


async def _full(memory: Memory, workspace: Workspace, page: Page) -> Shown:
    text = await memory.text(workspace, page.content)
    return Shown(Level.FULL, text, page.tokens, "original")


async def _kept(memory: Memory, workspace: Workspace, kept: Kept, level: int) -> Shown:
    origin, content, tokens = kept[level]
    return _shown(level, await memory.text(workspace, content), tokens, origin)


def _shown(level: int, text: str, tokens: int, origin: str) -> Shown:
    """The level as it is kept: what was computed may begin with images."""
    found, rest = ([], text) if origin == MODEL else data_urls(text)
    return Shown(level, rest, tokens, origin, tuple(found))


async def _readable(memory: Memory, workspace: Workspace, kept: Kept, level: int) -> Shown | None:
    """A level that is kept; None where there is none, or where what was computed is damaged.

    Raises:
        StoreDamaged: what a model wrote is.
    """
    if level not in kept:
        return None
    try:
        return await _kept(memory, workspace, kept, level)
    except StoreDamaged:
        if kept[level][0] == MODEL:
            raise
        return None


async def _made(memory: Memory, workspace: Workspace, page: Page, level: int) -> Shown | None:
    """The level computed now and kept; what was written or computed since, where that is so.

    What is kept is read before, since the caller's page may be older, and once more after, since
    computing may take a while.
    """
    now = await memory.store.representations(workspace, page.page_id, page.version)
    held = _in_force(memory, page, now)
    shown = await _readable(memory, workspace, held, level)
    if shown is not None:
        return shown
    source = await _source(memory, workspace, page, level)
    above, below = bounds(held, page.tokens, level)
    arguments = (source, level, above, below, memory.tools.compressors)
    if len(source.text) < _BESIDE and not source.blobs:
        made = compute(*arguments)
    else:
        made = await to_thread.run_sync(compute, *arguments)
    if made is None:
        return None
    now = await memory.store.representations(workspace, page.page_id, page.version)
    if level in now and now[level][0] == MODEL:
        return await _kept(memory, workspace, now, level)
    await _keep(memory, workspace, page, level, made)
    return _shown(level, made.text, made.tokens, made.origin)


async def _source(memory: Memory, workspace: Workspace, page: Page, level: int) -> Source:
    tokenizer = await memory.tokenizer(workspace)
    hint = await memory.hint(workspace, page)
    tells_apart = level == Level.REFERENCE and hint is None
    return Source(
        page,
        await memory.text(workspace, page.content),
        tokenizer.count,
        hint,
        await _around(memory, workspace, page) if tells_apart else (),
        await blobs_of(memory, workspace, page) if level < Level.REFERENCE else (),
    )


async def _around(memory: Memory, workspace: Workspace, page: Page) -> Sequence[str]:
    """The latest texts of the page's session: beside those a reader will meet its stub.

    They are mostly at hand, which the counts of the index are not; and what is rare in the whole
    workspace may be what this session is all about.
    """
    latest = await memory.store.recent_pages(workspace, page.session, _AROUND)
    texts = []
    for other in latest:
        if other.page_id != page.page_id and other.size <= _AROUND_SIZE:
            text = await memory.payload(workspace, other.content)
            texts += [] if text is None else [text]
    return texts


async def _keep(memory: Memory, workspace: Workspace, page: Page, level: int, made: Made) -> None:
    """Keep a computed level, where that is possible; it belongs to the page and no session."""
    line = Represented(
        page_id=page.page_id,
        version=page.version,
        level=level,
        origin=made.origin,
        content=-1,
        tokens=made.tokens,
    )
    commit = Commit(workspace, memory.now(), "system", [line], [made.text.encode()], durable=False)
    try:
        await memory.store.apply(commit)
    except StoreError:
        return  # it is computed again when it is next needed
