"""Time travel: where a session stood at a turn or a position, read from the log in pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from itertools import pairwise

import anyio.lowlevel

from ..base.errors import InvalidArgument
from ..base.log import Forgotten, LogLine, Reverted, VersionAdded
from ..base.page import Page
from ..paging.packing import Line, block, context_line
from ..paging.past import Branch, Changes, Past, changes
from ..residency import Residency
from ..stores.pieces import LINES, lines
from .core import Memory
from .levels import at_level
from .lineage import lineage_of


async def at_turn(memory: Memory, seat: Residency, turn: int) -> Past:
    """Where the session stood when that turn ended; now, for the present one.

    A turn that has not begun yet has nothing. A page that was forgotten later is still named.

    Raises:
        InvalidArgument: there is no such turn.
    """
    if turn < 0:
        message = f"turn is {turn}: give 0 for what came before the first turn, or 1 and more"
        raise InvalidArgument(message)
    await seat.flush(memory.now())
    if turn > seat.turn:
        return Past(turn=turn)
    branch = await _branch_of_turn(memory, seat, turn)
    past = Past()
    async for line in moves(memory, seat, branch):
        if line.turn > turn:
            break
        past.take(line)
    past.turn = turn
    if gone := await _gone(memory, seat, past):
        await _forget(memory, seat, past, gone, await _end(memory, seat, branch, past))
    return past


async def at_position(memory: Memory, seat: Residency, position: int) -> Past:
    """Where the session stood at a log position."""
    await seat.flush(memory.now())
    branch = (await _branch_of_position(memory, seat, position)).until(position)
    past = Past()
    async for line in moves(memory, seat, branch):
        past.take(line)
    past.position = position
    await _forget(memory, seat, past, await _gone(memory, seat, past), position)
    return past


async def between(memory: Memory, seat: Residency, first: int, last: int) -> Changes:
    """What changed from the end of one turn to that of another.

    Raises:
        InvalidArgument: there are no such turns, or they come in the other order.
    """
    if first > last:
        message = f"since_turn {first} comes after turn {last}: give the earlier one as since_turn"
        raise InvalidArgument(message)
    before, after = await at_turn(memory, seat, first), await at_turn(memory, seat, last)
    written: dict[str, int] = {}
    for branch in reversed(await lineage_of(memory, seat)):
        async for line in moves(memory, seat, branch, before.position):
            operation = line.operation
            inside = first < line.turn <= last
            if inside and isinstance(operation, VersionAdded | Reverted):
                written[operation.page_id] = operation.version
    return replace(changes(before, after), written=written)


async def context_at(memory: Memory, seat: Residency, turn: int, budget: int) -> str:
    """The pages that were mapped when a turn ended, as they read then: the latest that fit.

    A page that has been forgotten since is not among them.
    """
    past = await at_turn(memory, seat, turn)
    pages = await memory.store.pages(seat.workspace, list(past.mapped), seat.row.id)
    count = (await memory.tokenizer(seat.workspace)).count
    budget -= count(block("CONTEXT", "\n"))
    chosen: list[tuple[int, str]] = []
    for page_id, place in reversed(past.mapped.items()):
        if page_id not in pages:
            continue
        page = await at_version(memory, seat, pages[page_id], place.version)
        shown = await at_level(memory, seat.workspace, page, int(place.level or 0))
        line = context_line(Line(page, shown.level, shown.text))
        budget -= count(line + "\n")
        if budget < 0:
            break
        chosen.append((page.position, line))
    return block("CONTEXT", "\n".join(line for _, line in sorted(chosen)))


async def moves(
    memory: Memory, seat: Residency, branch: Branch, after: int = 0
) -> AsyncIterator[LogLine]:
    """A branch's lines that say what it maps, pins and reads, above a position."""
    while True:
        piece = await memory.store.moves(seat.workspace, branch.session, after, LINES)
        for line in piece:
            if branch.upto is not None and line.position > branch.upto:
                return
            yield line
        if not piece:
            return
        after = piece[-1].position
        await anyio.lowlevel.checkpoint()  # a long past is read while others are served


async def at_version(memory: Memory, seat: Residency, page: Page, version: int) -> Page:
    """The page as one of its versions has it."""
    if page.version == version:
        return page
    for found in await memory.store.versions(seat.workspace, page.page_id):
        if found.version == version:
            return replace(
                page,
                version=version,
                modality=found.modality,
                content=found.content,
                tokens=found.tokens,
                size=found.size,
                importance=found.importance,
                source=found.source,
                trust=found.trust,
                hint=found.hint,
                blobs=found.blobs,
                flagged=found.flagged,
                levels=None,
            )
    return page


async def _branch_of_turn(memory: Memory, seat: Residency, turn: int) -> Branch:
    """The branch on which the session was in that turn: where it forks, the fork's."""
    lineage = await lineage_of(memory, seat)
    for branch, older in pairwise(lineage):
        opening = await _opening(memory, seat, branch, older)
        if opening is None or opening.turn <= turn:
            return branch
    return lineage[-1]


async def _branch_of_position(memory: Memory, seat: Residency, position: int) -> Branch:
    lineage = await lineage_of(memory, seat)
    for branch, older in pairwise(lineage):
        if older.upto is not None and older.upto <= position:
            return branch
    return lineage[-1]


async def _opening(
    memory: Memory, seat: Residency, branch: Branch, older: Branch
) -> LogLine | None:
    """The line that opened a fork: the first of its own, at the fork or soon after it."""
    after = (older.upto or 0) - 1
    found = await memory.store.log(seat.workspace, after, 1, session=branch.session)
    return found[0] if found else None


async def _end(memory: Memory, seat: Residency, branch: Branch, past: Past) -> int | None:
    """The position before the turn after it began on the branch; None when none has."""
    after = past.position
    while True:
        piece = await memory.store.log(seat.workspace, after, LINES, session=branch.session)
        for line in piece:
            if line.turn > past.turn or not branch.holds(branch.session, line.position):
                return line.position - 1
        if not piece:
            return branch.upto
        after = piece[-1].position


async def _gone(memory: Memory, seat: Residency, past: Past) -> list[str]:
    """The pages of that moment that have been forgotten since, or had been by then."""
    named = list({**past.mapped, **past.pins})
    alive = await memory.store.pages(seat.workspace, named, seat.row.id)
    return [page_id for page_id in named if page_id not in alive]


async def _forget(
    memory: Memory, seat: Residency, past: Past, page_ids: Iterable[str], until: int | None
) -> None:
    """Take out those of the pages that were forgotten by then, in whichever session."""
    for page_id in page_ids:
        async for line in lines(memory.store, seat.workspace, page_id=page_id):
            by_then = until is None or line.position <= until
            if by_then and isinstance(line.operation, Forgotten):
                past.forget(page_id)
