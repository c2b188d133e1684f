"""What `doctor --repair` mends, and what `doctor` says of it beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import anyio

from ..base.errors import PagefaultError
from ..memory.repairing import repair
from ..stores.contract import Examination
from .finding import REPAIR, Finding
from .setting_up import data_file, opened, server_url

if TYPE_CHECKING:
    from .setting_up import SetUp

_BACKUP = "Only a backup has it: keep this store as it is, and export what can still be read"


def repaired(ready: SetUp) -> list[Finding]:
    """Mend everything that is derived, in all workspaces, and say what that was."""
    path = data_file(ready)
    if server_url(ready) is None and (path is None or not path.exists()):
        return []
    try:
        return anyio.run(_repaired, ready)
    except PagefaultError as error:
        return [Finding("fail", "repair", error.message)]


def disagreeing(examination: Examination, name: str) -> Iterator[Finding]:
    """What in a workspace is not as its log says, and can be made so again."""
    for wrong in examination.sessions:
        yield Finding(
            "fail",
            "sessions",
            f"{wrong.session} in {name}: {'; '.join(wrong.details)}",
            REPAIR,
        )
    for complaint in examination.numbers:
        yield Finding("fail", "numbers", f"{complaint} in {name}", REPAIR)
    for complaint in examination.index:
        yield Finding("fail", "index", f"{complaint} in {name}", REPAIR)


async def _repaired(ready: SetUp) -> list[Finding]:
    found = []
    async with opened(ready) as memory:
        for principal in await memory.store.principals():
            for workspace in await memory.store.workspaces(principal):
                made = await repair(memory, workspace)
                name = f"in {workspace.id} of {principal}"
                found += [Finding("ok", "repaired", f"{done}, {name}") for done in made.done]
                found += [Finding("fail", "not repaired", f"{what}, {name}", _BACKUP)
                          for what in made.left]  # fmt: skip
    return found or [Finding("ok", "repair", "nothing that is derived needed it")]
