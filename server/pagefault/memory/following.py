"""Keeping up with a workspace's log, which other processes write as well."""

from __future__ import annotations

from ..paging.lately import Lately
from ..stores.contract import Workspace
from .core import Memory

_PIECE = 500  # lines read at once
_TAIL = 2_000  # lines read of a log that nothing is known of, or that has run far ahead


async def follow(memory: Memory, workspace: Workspace) -> Lately:
    """The log of late, with every line that was acknowledged before this call."""
    lately = memory.lately.get(workspace.key)
    if lately is None:
        lately = memory.lately[workspace.key] = await _from_the_tail(memory, workspace)
    read = 0
    while True:
        after = lately.reached
        lines = await memory.store.log(workspace, after, _PIECE)
        for line in lines:
            if line.position > lately.reached:  # another call may have read it meanwhile
                lately.fold(line)
        read += len(lines)
        if len(lines) < _PIECE:
            return lately
        if read >= 2 * _TAIL:
            lately = memory.lately[workspace.key] = await _from_the_tail(memory, workspace)
            read = 0


async def _from_the_tail(memory: Memory, workspace: Workspace) -> Lately:
    position = (await memory.store.totals(workspace))["lines"]
    return Lately(since=max(0, position - _TAIL))
