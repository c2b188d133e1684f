"""Archiving: pages that nobody has used for long are kept small and found last, and stay readable.

It happens in short steps while servers serve. Whoever faults such a page in has it back as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..base.log import Archived
from ..index.document import Search
from ..paging.unused import Unused, Uses
from ..stores.contract import Commit, Conflict, Workspace
from ..stores.pieces import lines
from .core import Memory

_STEP = 64  # pages of one commit, which others wait for


@dataclass(frozen=True, slots=True)
class Shelved:
    """The pages that were archived, and the bytes that this has saved."""

    page_ids: tuple[str, ...] = ()
    saved: int = 0


async def survey(
    memory: Memory, workspace: Workspace, before: float, session: str | None = None
) -> list[Unused]:
    """What could be archived: not used at ``before`` (Unix seconds) or since; nothing changes."""
    uses = Uses()
    async for line in lines(memory.store, workspace):
        uses.take(line)
    return list(uses.unused(before, session))


async def archive(memory: Memory, workspace: Workspace, pages: Sequence[Unused]) -> Shelved:
    """Archive them, a bounded number in one commit; who has come into use by then is left out.

    The contents are kept small first: a process that is killed in between leaves pages that are
    as they were in smaller bytes, and the next time archives them.
    """
    done: tuple[str, ...] = ()
    saved = 0
    for start in range(0, len(pages), _STEP):
        step = pages[start : start + _STEP]
        contents = sorted(number for page in step for number in page.contents)
        for first in range(0, len(contents), _STEP):
            saved += await memory.store.repack(workspace, contents[first : first + _STEP])
        done += await _shelve(memory, workspace, [page.page_id for page in step])
        # To move a page in the index takes longer than to write it: whoever searches would wait.
        await memory.store.search(workspace, "", Search("", workspace.key))
    return Shelved(done, saved)


async def _shelve(memory: Memory, workspace: Workspace, page_ids: list[str]) -> tuple[str, ...]:
    while page_ids:
        marks = [Archived(page_id=page_id) for page_id in page_ids]
        answer = await memory.store.apply(Commit(workspace, memory.now(), "system", marks))
        if not isinstance(answer, Conflict):
            return tuple(page_ids)
        page_ids.remove(answer.subject)
    return ()
