"""Mending what is derived: from the log, which is the truth, and from what was written.

What was written itself, level 0 above all, is never touched: where it is damaged, that is said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..base.log import Collected, Mended
from ..stores.contract import Commit, Damage, Workspace
from ..stores.folding import Disagreement
from .core import Memory


@dataclass(frozen=True, slots=True)
class Repair:
    """What was mended in a workspace, in words, and what is damaged that only a backup has."""

    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


async def repair(memory: Memory, workspace: Workspace) -> Repair:
    """Examine a workspace and mend what is derived.

    Raises:
        StoreError: the store cannot be read or written.
    """
    found = await memory.store.examine(workspace)
    made = Repair()
    if found.numbers:  # before anything is written: a new line takes the next of them
        await memory.store.renumber(workspace)
        made.done.extend(found.numbers)
        found = await memory.store.examine(workspace)  # what was out of the counts' reach, too
    for wrong in found.sessions:
        await _restate(memory, workspace, wrong, made)
    await _drop_levels(memory, workspace, found.damage, made)
    if found.index:
        await memory.store.rebuild_index(workspace)
        made.done.extend(f"the index: {complaint}" for complaint in found.index)
    await _fit(memory, workspace, made)
    return made


async def _restate(memory: Memory, workspace: Workspace, wrong: Disagreement, made: Repair) -> None:
    """Make a session what its log says; the line behind it lets other processes notice."""
    words = f"session {wrong.session}: {'; '.join(wrong.details)}"
    if not await memory.store.restate(workspace, wrong):
        made.left.append(f"{words}. It has changed meanwhile: run the repair again")
        return
    line = Mended(session=wrong.session, found=wrong.details)
    await memory.apply(Commit(workspace, memory.now(), "system", [line]))
    made.done.append(words)


async def _drop_levels(
    memory: Memory, workspace: Workspace, damage: Sequence[Damage], made: Repair
) -> None:
    """Drop computed levels that are damaged: they are computed again when they are needed."""
    levels: dict[str | None, list[int]] = defaultdict(list)
    for one in damage:
        (made.done if one.computed else made.left).append(one.detail)
        if one.computed:
            levels[one.page_id].append(one.content)
    for page_id, contents in levels.items():
        line = Collected(page_id=page_id, contents=tuple(contents))
        await memory.apply(Commit(workspace, memory.now(), "system", [line]))


async def _fit(memory: Memory, workspace: Workspace, made: Repair) -> None:
    """Let sessions go of what their own budget has no room for.

    Without one of its own a session has its server's, which may be another than ours.
    """
    many = (await memory.store.totals(workspace))["sessions"]
    for row in await memory.store.sessions(workspace, many + 1):
        mapped = await memory.store.residents(workspace, row.id)
        used = sum(page.tokens for page in mapped if page.level is not None)
        if row.budget and used > row.budget:
            seat = await memory.seat(workspace, row.id)
            await seat.flush(memory.now())
            words = f"{used:,} tokens are mapped, the budget is {row.budget:,}"
            made.done.append(f"session {row.id}: {words}")
