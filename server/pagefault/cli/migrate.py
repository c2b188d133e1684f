"""``pagefault migrate``: everything from one store into another, compared byte by byte."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from ..base.errors import InvalidArgument, StoreDamaged, StoreUnavailable
from ..memory.opening import store_options
from ..stores.moving import Moved, Progress, move
from ..stores.opening import opener, sqlite_path
from .setting_up import LOCAL, shown

if TYPE_CHECKING:
    from ..stores.contract import Store, Workspace
    from .setting_up import SetUp

_UNEQUAL = 1
_STEPS = 20  # words of progress for one count, at most
_NAMED = 5  # damaged contents that are named to a person


def add_options(parser: ArgumentParser) -> None:
    """The options of ``migrate``."""
    url = "a file, sqlite:///path, redis://host/0?prefix=pf, …"
    parser.add_argument("source", metavar="FROM", help=f"the store to read: {url}")
    parser.add_argument(
        "target",
        metavar="TO",
        help="the store to fill: a new one, or one that an earlier run has filled in part",
    )
    parser.add_argument("--workspace", metavar="ID", help="move only the workspaces of this id")
    parser.add_argument("--progress", action="store_true", help="say how far it is on stderr")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(ready: SetUp, options: Namespace) -> int:
    """Move, and say what was moved; 1 when the stores are not equal at the end."""
    source, target = options.source, options.target
    names = shown(source), shown(target)
    open_source, open_target = (_opener(ready, url) for url in (source, target))
    _require_a_way(source, target, names)
    telling = options.progress or (sys.stderr is not None and sys.stderr.isatty())

    async def moved() -> Sequence[Moved]:
        async with _opened(open_source) as ours:
            if not await ours.principals():
                message = f"{names[0]} holds no workspace: check its path, number and prefix"
                raise InvalidArgument(message)
            async with _opened(open_target) as theirs:
                return await move(
                    ours,
                    theirs,
                    progress=_Teller(loud=telling).tell,
                    only=options.workspace,
                    names=names,
                )

    return _report(anyio.run(moved), names, as_json=options.json)


def _opener(ready: SetUp, url: str) -> Callable[[], Store]:
    return opener(url, store_options(ready.resolved.settings, ready.folders))


def _require_a_way(source: str, target: str, names: tuple[str, str]) -> None:
    """Refuse a source that is not there, and a move that leads nowhere.

    Raises:
        StoreUnavailable, InvalidArgument: what is wrong with the two together; nothing was opened.
    """
    ours, theirs = _file(source), _file(target)
    if ours is not None and not ours.is_file():
        message = f"there is no data file at {ours}. Name the store to read as FROM"
        raise StoreUnavailable(message)
    same_file = ours is not None and theirs is not None and _same(ours, theirs)
    if same_file or names[0] == names[1]:
        message = f"FROM and TO are the same store, {names[0]}: name another one to fill"
        raise InvalidArgument(message)
    for url, name in zip((source, target), names, strict=True):
        if _is_sqlite(url) and _file(url) is None:
            message = (
                f"{name} ends with this process, and holds nothing before or after: name a file"
            )
            raise InvalidArgument(message)


def _is_sqlite(url: str) -> bool:
    return "://" not in url or url.startswith("sqlite://")


def _file(url: str) -> Path | None:
    return sqlite_path(url) if _is_sqlite(url) else None


def _same(one: Path, other: Path) -> bool:
    return (
        one.samefile(other)
        if one.exists() and other.exists()
        else one.absolute() == other.absolute()
    )


@asynccontextmanager
async def _opened(open_store: Callable[[], Store]) -> AsyncIterator[Store]:
    store = await anyio.to_thread.run_sync(open_store)
    try:
        yield store
    finally:
        with anyio.CancelScope(shield=True):
            await store.close()


class _Teller:
    """Says on stderr how far a workspace is, not more often than a person wants to read it."""

    def __init__(self, *, loud: bool) -> None:
        self._loud = loud
        self._said: tuple[object, ...] = ()

    async def tell(self, progress: Progress) -> None:
        """One line, when there is enough news."""
        done, total = progress.done, progress.total
        news = (progress.workspace, progress.what, done * _STEPS // max(total, 1))
        if self._loud and news != self._said:
            self._said = news
            line = f"{_name(progress.workspace)}: {done:,} of {total:,} {progress.what}"
            print(line, file=sys.stderr, flush=True)


def _name(workspace: Workspace) -> str:
    if workspace.principal == LOCAL:
        return workspace.id
    return f"{workspace.id} of {workspace.principal}"


def _report(moved: Sequence[Moved], names: tuple[str, str], *, as_json: bool) -> int:
    """Print what was moved; the exit code.

    Raises:
        StoreDamaged: contents could not be read at the source; everything else was moved.
    """
    if as_json:
        print(json.dumps(_as_json(moved, names)))
    else:
        for one in moved:
            print(_line(one, names))
    lost = [f"content {gone.content} of {gone.page_id}" for one in moved for gone in one.lost]
    if lost:
        further = f" and {len(lost) - _NAMED:,} more" if len(lost) > _NAMED else ""
        message = (
            f"{len(lost):,} contents cannot be read in {names[0]}: {', '.join(lost[:_NAMED])}"
            f"{further}. Everything else was moved. Run `pagefault doctor --store {names[0]}`"
        )
        raise StoreDamaged(message)
    return 0 if all(one.equal for one in moved) else _UNEQUAL


def _line(moved: Moved, names: tuple[str, str]) -> str:
    name = _name(moved.source)
    if moved.target.name != moved.source.name:
        name += f" (called {moved.target.name!r} there, {moved.source.name!r} here)"
    counts = (
        f"{name}: {moved.position:,} log lines ({moved.brought:,} of them now), "
        f"{moved.contents:,} contents"
    )
    if moved.equal:
        return f"{counts}; compared, all of it is the same up to log position {moved.position:,}"
    return (
        f"{counts}; {names[0]} was written to all the time, after log position "
        f"{moved.position:,} too: run it again"
    )


def _as_json(moved: Sequence[Moved], names: tuple[str, str]) -> dict[str, object]:
    return {
        "from": names[0],
        "to": names[1],
        "equal": all(one.equal for one in moved),
        "workspaces": [
            {
                "principal": one.source.principal,
                "workspace": one.source.id,
                "name": one.target.name,
                "position": one.position,
                "brought": one.brought,
                "contents": one.contents,
                "damaged": [
                    {"content": gone.content, "page_id": gone.page_id} for gone in one.lost
                ],
                "equal": one.equal,
            }
            for one in moved
        ],
    }
