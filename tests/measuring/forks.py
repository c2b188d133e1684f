"""What forks, checkpoints and going back cost in a session of any size:
``python -m tests.measuring.forks [PAGES]``.

One session of so many recorded messages on a file, its working set full; then forks of it, forks
of a small session beside it, checkpoints, and restores after a turn's worth of changes: also once
pages have been mapped and released many times. Beside them a bare fsync of a fork's size.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter

from tests.measuring.filling import memory_at, texts, workspace_in

from pagefault.base.log import FaultedIn, Operation
from pagefault.ledger import record
from pagefault.memory.core import Memory
from pagefault.memory.snapshots import checkpoint, fork, restore
from pagefault.memory.travel import at_turn
from pagefault.memory.writing import WriteRequest, write
from pagefault.residency import Residency
from pagefault.stores.contract import Commit

_PAGES = 100_000
_TOGETHER = 250  # messages recorded in one call
_LAST = 1_000  # of which the last are mapped
_ROUNDS = 9
_CHURN = 20_000  # lines that map a page again
_BARE = 128 * 1024  # bytes that a fork of a full working set writes, about
_SMALL = 100  # messages of the session beside it

Figures = dict[str, tuple[float, float]]  # of what: median and slowest, in milliseconds


async def measure(pages: int, rounds: int, folder: Path) -> Figures:
    """The figures for a session of so many pages."""
    memory = memory_at(str(folder / "memory.db"), folder)
    async with memory:
        workspace = await workspace_in(memory)
        large = await memory.seat(workspace, "large")
        small = await memory.seat(workspace, "small")
        await _fill(memory, large, pages)
        await _fill(memory, small, min(_SMALL, pages))
        return {
            f"fork of {pages:,} pages": await _timed(rounds, lambda: fork(memory, large, None)),
            f"fork of {_SMALL} pages": await _timed(rounds, lambda: fork(memory, small, None)),
            "checkpoint": await _timed(rounds, lambda: checkpoint(memory, large, None)),
            "restore": await _timed(rounds, lambda: _there_and_back(memory, large, next(_NAMES))),
            "what was mapped at the first turn": await _timed(
                rounds, lambda: at_turn(memory, large, 1)
            ),
            f"restore after {await _churn(memory, large):,} more mappings": await _timed(
                rounds, lambda: _there_and_back(memory, large, next(_NAMES))
            ),
            f"a bare fsync of {_BARE // 1024} KB": await _timed(
                rounds, lambda: _bare_fsync(folder / "bare")
            ),
        }


_NAMES = map("point {}".format, count())


async def _churn(memory: Memory, seat: Residency) -> int:
    """Map a page over and over; how many lines of the log say so."""
    (page, *_) = seat.set.pages()
    for _ in range(_CHURN // 500):
        lines: list[Operation] = [
            FaultedIn(
                session=seat.row.id,
                page_id=page.page_id,
                version=page.version,
                level=page.level,
                tokens=page.tokens,
                reason="speculative",
            )
            for _ in range(500)
        ]
        await memory.apply(Commit(seat.workspace, memory.now(), "model", lines, durable=False))
    await seat.refresh()
    return _CHURN


async def _bare_fsync(path: Path) -> None:
    with path.open("ab", buffering=0) as file:
        file.write(bytes(_BARE))
        os.fsync(file.fileno())


async def _there_and_back(memory: Memory, seat: Residency, name: str) -> None:
    await checkpoint(memory, seat, name)
    await write(memory, seat, WriteRequest(next(texts(seed=len(name))), page_id="msg_1"))
    await restore(memory, seat, name)


async def _timed(rounds: int, act: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    took = []
    for _ in range(rounds):
        start = perf_counter()
        await act()
        took.append((perf_counter() - start) * 1_000)
    return median(took), max(took)


async def _fill(memory: Memory, seat: Residency, pages: int) -> None:
    """Messages of two turns, the last of them mapped."""
    source = texts()
    events = [{"role": "user", "content": next(source)}]
    await record(memory, seat, events)
    done = 1
    while done < pages:
        many = min(_TOGETHER, pages - done)
        events = [{"role": "assistant", "content": next(source)} for _ in range(many)]
        await record(memory, seat, events, imported=done < pages - _LAST)
        await memory.flush()
        done += many


def table(figures: Figures) -> str:
    """The figures, in Markdown."""
    lines = ["| | median ms | slowest ms |", "|---|---|---|"]
    lines += [f"| {what} | {usual:.1f} | {most:.1f} |" for what, (usual, most) in figures.items()]
    return "\n".join(lines)


def main() -> None:
    """Measure, and print the table."""
    pages = int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else _PAGES
    with tempfile.TemporaryDirectory() as folder:
        print(table(asyncio.run(measure(pages, _ROUNDS, Path(folder)))))


if __name__ == "__main__":
    main()
