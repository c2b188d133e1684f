"""What a workspace's calls have taught, followed through the log that all processes write.

A fold is kept with the store from time to time, so that a process that starts reads the last one
and the lines behind it, and not the whole log.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

import anyio

from ..base.errors import StoreError
from ..base.log import Called, Fixed, Forgotten, Judged, LogLine, Promoted
from ..memory import Memory
from ..procedures import lines
from ..procedures.experience import Experience
from ..stores.contract import Workspace

_NAME = "experience"
_PIECE = 1_000  # lines read at once
_KEEP = 2_000  # lines after which the fold is kept anew
_WORKSPACES = 16  # of which this process has the fold at hand


@dataclass(slots=True)
class _Followed:
    """A workspace's fold, the position it is true of, and the one that was kept last."""

    experience: Experience = field(default_factory=Experience)
    reached: int = 0
    kept: int = 0
    lock: anyio.Lock = field(default_factory=anyio.Lock)


class Learning:
    """The folds of the workspaces in use."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._followed: OrderedDict[int, _Followed] = OrderedDict()

    async def experience(self, workspace: Workspace) -> Experience:
        """The workspace's experience with every call that was acknowledged before this one."""
        followed = self._followed.setdefault(workspace.key, _Followed())
        self._followed.move_to_end(workspace.key)
        while len(self._followed) > _WORKSPACES:
            self._followed.popitem(last=False)
        async with followed.lock:
            if not followed.reached:
                await self._begin(workspace, followed)
            read = await self._catch_up(workspace, followed)
            if read and followed.reached - followed.kept >= _KEEP:
                await self._keep(workspace, followed)
        return followed.experience

    async def _begin(self, workspace: Workspace, followed: _Followed) -> None:
        kept = await self._memory.store.folded(workspace, _NAME)
        if kept is None:
            return
        position, data = kept
        experience = Experience.from_json(data.decode())
        if experience is not None:
            followed.experience = experience
            followed.reached = followed.kept = position

    async def _catch_up(self, workspace: Workspace, followed: _Followed) -> int:
        """Fold what is new; how many lines that was."""
        read = 0
        while True:
            found = await self._memory.store.lessons(workspace, followed.reached, _PIECE)
            for line in found:
                _fold(followed.experience, line)
                followed.reached = line.position
            read += len(found)
            if len(found) < _PIECE:
                return read

    async def _keep(self, workspace: Workspace, followed: _Followed) -> None:
        data = followed.experience.to_json().encode()
        followed.kept = followed.reached
        try:
            await self._memory.store.keep_folded(workspace, _NAME, followed.reached, data)
        except StoreError:
            return  # it is kept another time


def _fold(experience: Experience, line: LogLine) -> None:
    operation = line.operation
    if isinstance(operation, Called):
        experience.fold(_called(operation, line))
    elif isinstance(operation, Fixed):
        experience.fold(_fixed(operation, line))
    elif isinstance(operation, Judged) and operation.verdict == "block":
        experience.fold(lines.Stopped(operation.tool, operation.guard))
    elif isinstance(operation, Promoted):
        experience.fold(lines.Named(operation.name, operation.page_id))
    elif isinstance(operation, Forgotten):
        experience.fold(lines.Gone((operation.page_id,)))


# A call is known to experience by its page, which has its arguments and can be forgotten.


def _called(call: Called, line: LogLine) -> lines.Called:
    return lines.Called(
        session=str(call.session),
        event=call.page_id or call.event_id,
        tool=call.tool,
        call=call.call,
        ok=call.ok,
        answer=call.answer,
        keys=call.names,
        error=call.error,
        goal=call.goal,
        duration=None if call.took is None else call.took * 1_000,
        binding=call.number,
        given=call.given,
        turn=line.turn,
        at=line.at,
    )


def _fixed(fix: Fixed, line: LogLine) -> lines.Fixed:
    return lines.Fixed(
        session=str(fix.session),
        tool=fix.tool,
        failed=fix.failed,
        fixed=fix.page_id,
        keys=fix.change,
        sig=fix.classes,
        via=fix.via,
        error=fix.error,
        features=fix.features,
        goal=fix.goal,
        worked=fix.worked,
        at=line.at,
    )
