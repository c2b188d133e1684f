"""``pagefault gc``: free what nothing reaches any more. What was said or done always stays."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import anyio

from ..memory.collecting import collect, survey
from ..paging.reach import KINDS, Garbage
from ..stores.contract import Reclaimed, Workspace
from .screen import Screen
from .setting_up import every_workspace, opened, require_data

if TYPE_CHECKING:
    from .setting_up import SetUp


@dataclass(frozen=True, slots=True)
class _Pile:
    """How much there is of a kind."""

    count: int
    bytes: int


@dataclass(frozen=True, slots=True)
class _Result:
    """What can go, or has gone. ``index``: documents of pages that are not there any more."""

    dry_run: bool
    workspaces: Sequence[tuple[Workspace, Mapping[str, _Pile]]]
    index: int
    file: Reclaimed


def add_options(parser: ArgumentParser) -> None:
    """The options of ``gc``."""
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would go, and change nothing"
    )
    parser.add_argument(
        "--vacuum",
        action="store_true",
        help="write the data file anew without its free room; servers wait meanwhile",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(ready: SetUp, options: Namespace) -> int:
    """Look through everything, take away what nothing reaches, and say how much that is."""
    require_data(ready)
    result = anyio.run(_gc, ready, options.dry_run, options.vacuum)
    if options.json:
        print(json.dumps(_as_json(result), indent=2))
    else:
        _print(Screen.of_stdout(), result)
    return 0


async def _gc(ready: SetUp, dry_run: bool, vacuum: bool) -> _Result:
    async with opened(ready) as memory:
        done = []
        for workspace in await every_workspace(ready, memory):
            garbage = await survey(memory, workspace)
            if not dry_run:
                await collect(memory, workspace, garbage)
            done.append((workspace, _piles(garbage)))
        index = await memory.store.tidy_index(remove=not dry_run)
        file = Reclaimed() if dry_run else await memory.store.reclaim(whole=vacuum)
        return _Result(dry_run, done, index, file)


def _piles(garbage: Sequence[Garbage]) -> dict[str, _Pile]:
    piles = {}
    for kind in KINDS:
        sizes = [one.size for one in garbage if one.kind == kind]
        piles[kind] = _Pile(len(sizes), sum(sizes))
    return piles


def _as_json(result: _Result) -> dict[str, object]:
    return {
        "dry_run": result.dry_run,
        "workspaces": [
            {
                "principal": workspace.principal,
                "workspace": workspace.id,
                "garbage": {kind: asdict(pile) for kind, pile in piles.items()},
            }
            for workspace, piles in result.workspaces
        ],
        "index_documents": result.index,
        "file": asdict(result.file),
    }


def _print(screen: Screen, result: _Result) -> None:
    does = "would go" if result.dry_run else "gone"
    for workspace, piles in result.workspaces:
        total = sum(pile.bytes for pile in piles.values())
        name = f"{workspace.id} of {workspace.principal}"
        screen.heading(f"{name}: {sum(pile.count for pile in piles.values()):,} contents {does}")
        for kind, pile in piles.items():
            screen.say(f"  {pile.count:>8,}  {pile.bytes:>14,} bytes  {kind}")
        screen.say(f"            {total:>14,} bytes  in all")
    for line in _rest(result, does):
        screen.say(line)


def _rest(result: _Result, does: str) -> Iterator[str]:
    if result.index:
        yield f"index: {result.index:,} documents of what is not there any more {does}"
    if result.file.freed:
        yield f"file: {result.file.freed:,} bytes given back to the disk"
    if result.file.whole_only:
        yield (
            f"file: {result.file.held:,} bytes inside it are free for new pages; to give them "
            "back to the disk: pagefault gc --vacuum, for which servers wait"
        )
