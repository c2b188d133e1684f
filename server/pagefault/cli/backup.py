"""``pagefault backup``: a consistent copy of the data file, verified before it gets its name."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from ..base.errors import InvalidArgument, StoreDamaged
from ..base.portable import owner_only
from .setting_up import opened, require_data

if TYPE_CHECKING:
    from .setting_up import SetUp


def add_options(parser: ArgumentParser) -> None:
    """The options of ``backup``."""
    parser.add_argument("target", type=Path, help="the file to make; it must not exist yet")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(ready: SetUp, options: Namespace) -> int:
    """Copy, verify, and say how large the copy is."""
    target: Path = options.target.expanduser()
    part = target.with_name(target.name + ".part")
    for path in (target, part):
        _refuse_existing(path)
    require_data(ready)
    try:
        anyio.run(_copy, ready, part)
        complaints = _complaints(part)
        if complaints:
            message = f"the copy is not sound: {complaints[0]}. Run `pagefault doctor`"
            raise StoreDamaged(message)
        _refuse_existing(target)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    _report(target, as_json=options.json)
    return 0


async def _copy(ready: SetUp, target: Path) -> None:
    async with opened(ready) as memory:
        await memory.store.backup(target)
    owner_only(target)


def _complaints(copy: Path) -> list[str]:
    from ..stores.sqlite.inspecting import Inspector

    with Inspector(copy) as inspector:
        return [*inspector.complaints(), *inspector.damaged()]


def _refuse_existing(path: Path) -> None:
    if path.exists():
        message = f"{path} exists already and is not overwritten: name a file that does not"
        raise InvalidArgument(message)
    if not path.parent.is_dir():
        message = f"{path.parent} is no folder: make it, or name another file"
        raise InvalidArgument(message)


def _report(target: Path, *, as_json: bool) -> None:
    size = target.stat().st_size
    if as_json:
        print(json.dumps({"backup": str(target), "bytes": size, "verified": True}))
    else:
        print(f"{target}: {size:,} bytes, verified (structure and every content's checksum)")
