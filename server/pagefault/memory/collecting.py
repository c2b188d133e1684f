"""Garbage collection: what nothing reaches is found in the log, and taken away in short steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from ..base.log import Collected
from ..paging.reach import Garbage, Reach
from ..stores.contract import Commit, Workspace
from ..stores.pieces import lines
from .core import Memory

_READ = 1_000  # contents of which the sizes are read at once
_STEP = 64  # contents of one commit, which others wait for


async def survey(memory: Memory, workspace: Workspace) -> list[Garbage]:
    """What nothing in the workspace reaches; nothing is changed.

    What is written meanwhile is no garbage: the contents are listed before the log is read.
    """
    sizes = await _sizes(memory, workspace)
    reach = Reach()
    async for line in lines(memory.store, workspace):
        reach.take(line)
    compressors = {compressor.name for compressor in memory.tools.compressors}
    return list(reach.garbage(sizes, compressors))


async def collect(memory: Memory, workspace: Workspace, garbage: Sequence[Garbage]) -> None:
    """Take it away, a bounded number of contents in one commit; what is gone by then stays gone.

    Each commit happens whole or not at all, so a process that is killed in between leaves what is
    left for the next time.

    Raises:
        StoreUnavailable: one of them is more than a level; nothing of that commit happened.
    """
    for start in range(0, len(garbage), _STEP):
        operations = list(_operations(garbage[start : start + _STEP]))
        commit = Commit(workspace, memory.now(), "system", operations, durable=False)
        await memory.apply(commit)


def _operations(garbage: Sequence[Garbage]) -> Iterator[Collected]:
    contents: dict[str | None, list[int]] = defaultdict(list)
    for one in garbage:
        contents[one.page_id].append(one.content)
    for page_id, numbers in contents.items():
        yield Collected(page_id=page_id, contents=tuple(sorted(numbers)))


async def _sizes(memory: Memory, workspace: Workspace) -> dict[int, int]:
    """The bytes that each of the workspace's contents takes."""
    sizes: dict[int, int] = {}
    after = 0
    while piece := await memory.store.sizes(workspace, after, _READ):
        sizes.update(piece)
        after = piece[-1][0]
    return sizes
