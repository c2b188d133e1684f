"""``pagefault archive``: keep what nobody has used for long small; every page stays readable."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from ..base.errors import SessionNotFound
from ..memory.archiving import Shelved, archive, survey
from ..stores.contract import Workspace
from .screen import Screen
from .setting_up import every_workspace, opened, require_data

if TYPE_CHECKING:
    from ..memory.core import Memory
    from .setting_up import SetUp

_UNITS = {"h": 3_600, "d": 86_400, "w": 604_800}
_OLD = "90d"


@dataclass(frozen=True, slots=True)
class _Result:
    """What is archived, or could be: of each workspace how many pages of each type.

    ``saved``: the bytes that it has saved.
    """

    dry_run: bool
    workspaces: Sequence[tuple[Workspace, Mapping[str, int], int]]


def add_options(parser: ArgumentParser) -> None:
    """The options of ``archive``."""
    parser.add_argument(
        "--older-than",
        metavar="TIME",
        type=_seconds,
        default=_OLD,
        help="how long nobody has used a page: hours, days or weeks, as 36h, 90d or 8w "
        f"(default {_OLD})",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be archived, and change nothing"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(ready: SetUp, options: Namespace) -> int:
    """Archive the pages of all workspaces, or of the workspace or session that a setting names."""
    require_data(ready)
    result = anyio.run(_archive, ready, options.older_than, options.dry_run)
    if options.json:
        print(json.dumps(_as_json(result), indent=2))
    else:
        _print(Screen.of_stdout(), result)
    return 0


async def _archive(ready: SetUp, older_than: float, dry_run: bool) -> _Result:
    session = ready.resolved.settings.session or None
    async with opened(ready) as memory:
        done = []
        for workspace in await _places(ready, memory, session):
            unused = await survey(memory, workspace, memory.now() - older_than, session)
            shelved = Shelved(tuple(page.page_id for page in unused))
            if not dry_run:
                shelved = await archive(memory, workspace, unused)
            types = {page.page_id: page.page_type for page in unused}
            counts = Counter(types[page_id] for page_id in shelved.page_ids)
            done.append((workspace, counts, shelved.saved))
        return _Result(dry_run, done)


async def _places(ready: SetUp, memory: Memory, session: str | None) -> list[Workspace]:
    """The workspaces to look through: with a session, those that have it."""
    found = await every_workspace(ready, memory)
    if session is None:
        return found
    there = [one for one in found if await memory.store.session(one, session) is not None]
    if not there:
        message = f"no session {session!r} in what is looked through: leave --session out for all"
        raise SessionNotFound(message)
    return there


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d{1,6})([hdw])", text)
    if match is None:
        message = f"{text!r} is no length of time: give hours, days or weeks, as 36h, 90d or 8w"
        raise ArgumentTypeError(message)
    return float(int(match[1]) * _UNITS[match[2]])


def _as_json(result: _Result) -> dict[str, object]:
    return {
        "dry_run": result.dry_run,
        "workspaces": [
            {
                "principal": workspace.principal,
                "workspace": workspace.id,
                "pages": sum(counts.values()),
                "types": dict(counts),
                "saved_bytes": saved,
            }
            for workspace, counts, saved in result.workspaces
        ],
    }


def _print(screen: Screen, result: _Result) -> None:
    does = "would be archived" if result.dry_run else "archived"
    for workspace, counts, saved in result.workspaces:
        name = f"{workspace.id} of {workspace.principal}"
        screen.heading(f"{name}: {sum(counts.values()):,} pages {does}")
        for page_type, count in sorted(counts.items()):
            screen.say(f"  {count:>8,}  {page_type}")
        if saved:
            screen.say(f"  {saved:>8,}  bytes saved")
