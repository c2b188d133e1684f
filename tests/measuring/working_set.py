"""A large working set in a large session: ``python -m tests.measuring.working_set FOLDER``.

1,000 mapped pages in a session of 100,000, in a store at FOLDER (made when it is not there). The
time of faults, of a context built anew, and of one that is still packed. For the same beside the
echo server: ``--calls`` prints what a benchmark of calls over stdio needs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from tests.measuring.filling import LENGTH, fill, memory_at, workspace_in

from pagefault.ledger import StartRequest, start
from pagefault.memory.context import ContextRequest, build
from pagefault.memory.core import Memory
from pagefault.memory.faulting import FaultRequest, fault
from pagefault.residency import Residency

PAGES = 100_000
MAPPED = 1_000
SESSION = "large"
_ROOM = MAPPED * LENGTH  # tokens: what so many pages cannot fill
_ROUNDS = 50


async def prepare(folder: Path, pages: int = PAGES, mapped: int = MAPPED) -> None:
    """Fill a session, and map its latest pages."""
    async with memory_at(f"sqlite:///{folder / 'memory.db'}", folder, "normal") as memory:
        workspace = await workspace_in(memory)
        if await memory.store.session(workspace, SESSION) is not None:
            return
        await start(memory, workspace, StartRequest(session_id=SESSION, budget=_ROOM))
        await fill(memory, workspace, pages, session=SESSION)
        seat = await memory.seat(workspace, SESSION)
        for number in range(pages - mapped + 1, pages + 1):
            await fault(memory, seat, FaultRequest(f"msg_{number}"))
        await memory.flush()


async def measure(folder: Path, pages: int = PAGES, rounds: int = _ROUNDS) -> dict[str, float]:
    """Milliseconds at the median, by what was done."""
    async with memory_at(f"sqlite:///{folder / 'memory.db'}", folder, "normal") as memory:
        seat = await memory.seat(await workspace_in(memory), SESSION)
        first = await _timed(lambda: _context(memory, seat))
        return {
            "pages mapped": float(len(seat.set)),
            "context, first of the process": first,
            "context, packed": await _median(lambda _: _context(memory, seat), rounds),
            "page_fault, mapped": await _median(partial(_fault, memory, seat, pages), rounds),
            "page_fault, not mapped": await _median(partial(_fault, memory, seat, 0), rounds),
            "context, after a fault": await _after_faults(memory, seat, rounds // 5),
        }


async def _context(memory: Memory, seat: Residency) -> None:
    await build(memory, seat, ContextRequest(budget=_ROOM))


async def _fault(memory: Memory, seat: Residency, last: int, number: int) -> None:
    """One of the last pages, which are mapped; with 0 as the last, one of the first."""
    await fault(memory, seat, FaultRequest(f"msg_{last - number if last else number + 1}"))


async def _after_faults(memory: Memory, seat: Residency, rounds: int) -> float:
    took = []
    for number in range(rounds):
        await _fault(memory, seat, 0, rounds * 5 + number)
        took.append(await _timed(lambda: _context(memory, seat)))
    return statistics.median(took)


async def _median(work: Callable[[int], Awaitable[None]], rounds: int) -> float:
    return statistics.median([await _timed(partial(work, number)) for number in range(rounds)])


async def _timed(work: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await work()
    return (time.perf_counter() - began) * 1_000


def calls() -> dict[str, object]:
    """The same over stdio, for a benchmark that runs an echo server beside."""
    opened = {"tool": "session_start", "arguments": {"session_id": SESSION}}
    session = {"session_id": SESSION}
    return {
        "setup": [opened],
        "calls": [
            {"tool": "page_fault", "arguments": {**session, "page_id": f"msg_{PAGES - 5}"}},
            {"tool": "context_build", "arguments": {**session, "budget_tokens": 8_000}},
        ],
    }


def main() -> None:
    """Prepare, measure, and print; or print the calls."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--calls", action="store_true")
    given = arguments.parse_args()
    if given.calls:
        print(json.dumps(calls()))
        return
    given.folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(prepare(given.folder))
    for name, value in asyncio.run(measure(given.folder)).items():
        print(f"{name}: {value:.2f}")


if __name__ == "__main__":
    main()
