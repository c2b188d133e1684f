"""``pagefault export``: a workspace's log and contents as JSON lines."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import IO, TYPE_CHECKING

import anyio

from ..base.errors import InvalidArgument, StoreDamaged
from ..base.exported import Content, End, encode
from ..base.portable import owner_only
from ..memory.exporting import export
from .setting_up import opened, require_data, standing_workspace

if TYPE_CHECKING:
    from .setting_up import SetUp


def add_options(parser: ArgumentParser) -> None:
    """The options of ``export``."""
    parser.add_argument(
        "file", nargs="?", type=Path, help="the file to make; without it, standard output"
    )


def run(ready: SetUp, options: Namespace) -> int:
    """Write everything that the workspace holds; a file appears whole or not at all."""
    require_data(ready)
    if options.file is None:
        end, damaged = anyio.run(_write, ready, sys.stdout.buffer)
    else:
        end, damaged = _to_file(ready, options.file.expanduser())
    if damaged:
        message = (
            f"{damaged} contents are damaged and are marked so in the export; everything else is "
            "in it. Run `pagefault doctor`"
        )
        raise StoreDamaged(message)
    if options.file is not None:
        print(f"{options.file}: {end.lines:,} log lines, {end.contents:,} contents")
    return 0


def _to_file(ready: SetUp, target: Path) -> tuple[End, int]:
    if target.exists():
        message = f"{target} exists already and is not overwritten: name a file that does not"
        raise InvalidArgument(message)
    part = target.with_name(target.name + ".part")
    try:
        with part.open("xb") as file:
            owner_only(part)
            written = anyio.run(_write, ready, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        message = f"{target} cannot be written: {error}. Nothing was exported"
        raise InvalidArgument(message) from error
    finally:
        part.unlink(missing_ok=True)
    return written


async def _write(ready: SetUp, file: IO[bytes]) -> tuple[End, int]:
    """Write the export; its end, and how many contents could not be read."""
    damaged = 0
    end = End(0, 0)
    async with opened(ready) as memory:
        workspace = await standing_workspace(ready, memory, create=False)
        async for item in export(memory.store, workspace):
            file.write(encode(item).encode() + b"\n")
            damaged += isinstance(item, Content) and item.data is None
            if isinstance(item, End):
                end = item
    file.flush()
    return end, damaged
