"""Calls of other tools among many: ``python -m tests.measuring.calls FOLDER [--calls 10000]``.

A store at FOLDER (made when it is not there) in which so many calls are recorded: all in one
session, or with ``--sitting`` so many in each. Prints the server's own time of a check, a record
and a search. For the same beside an echo server: ``--bench`` prints what a benchmark of calls over
stdio needs; ``--sync`` measures what a sync of this disk takes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.measuring.filling import memory_at, workspace_in

from pagefault.base.call import Call
from pagefault.calls import advice
from pagefault.calls.checking import CheckRequest, check
from pagefault.calls.core import Calls
from pagefault.calls.hearing import About, Listener
from pagefault.calls.recording import after
from pagefault.guards.presets import DEFAULT
from pagefault.ledger import record
from pagefault.procedures.retrieval import Query
from pagefault.residency import Residency

CALLS = 10_000
SESSION = "calls"
_TOOLS = 40
_TASK = 10  # calls after one message of the user
_TOGETHER = 500  # events recorded in one call
_ROUNDS = 300
_GOALS = ("cancel the order", "book a table", "find the invoice", "move the meeting", "ship a box")

Figures = dict[str, tuple[float, float]]


def events(count: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """So many calls as a host records them, each tenth after a message of the user.

    One in ten fails for want of an argument, and is made again with it.
    """
    chance = random.Random(seed)
    made, missing = 0, ""
    while made < count:
        if made % _TASK == 0 and not missing:
            order = chance.randrange(10**7)
            yield {"role": "user", "content": f"Please {chance.choice(_GOALS)} W{order:07}."}
        tool = missing or f"tool_{chance.randrange(_TOOLS)}"
        fails = not missing and chance.random() < 0.1
        arguments: dict[str, Any] = {"order_id": f"W{chance.randrange(10**7):07}", "limit": made}
        event = {"role": "tool", "tool_name": tool, "arguments": arguments}
        if fails:
            event["error"] = f"ValueError: {arguments['order_id']} needs an argument: region"
            missing = tool
        else:
            arguments |= {"region": chance.choice(["eu", "us"])} if missing else {}
            total = chance.randrange(10_000) / 100
            event["content"] = json.dumps({"id": arguments["order_id"], "total": total})
            missing = ""
        yield event
        made += 1


async def prepare(folder: Path, count: int, sitting: int, durability: str = "normal") -> None:
    """Record the calls, so many in a session; nothing if they are there."""
    async with memory_at(_url(folder), folder, durability) as memory:
        workspace = await workspace_in(memory)
        if await memory.store.session(workspace, SESSION) is not None:
            return
        calls = Calls(memory, DEFAULT)
        for number in range(0, count, sitting):
            name = f"{SESSION}-{number}" if number + sitting < count else SESSION
            seat = await memory.seat(workspace, name)
            said = list(events(min(sitting, count - number), seed=number))
            for first in range(0, len(said), _TOGETHER):
                await record(
                    memory,
                    seat,
                    said[first : first + _TOGETHER],
                    imported=True,
                    listener=Listener(calls, "session_record"),
                )
        await calls.learning.experience(workspace)


async def measure(folder: Path, rounds: int = _ROUNDS, durability: str = "normal") -> Figures:
    """Milliseconds at the median and of the slowest in a hundred, by what was done."""
    async with memory_at(_url(folder), folder, durability) as memory:
        seat = await memory.seat(await workspace_in(memory), SESSION)
        calls = Calls(memory, DEFAULT)
        first = await _timed(partial(_check, calls, seat, -1))
        return {
            "check, first of the process": (first, first),
            "check": await _times(partial(_check, calls, seat), rounds),
            "record": await _times(partial(_record, calls, seat), rounds),
            "search by error": await _times(partial(_search, calls, seat), rounds),
            "search by goal": await _times(partial(_goal, calls, seat), rounds),
        }


async def _check(calls: Calls, seat: Residency, number: int) -> None:
    arguments = {"order_id": f"W{number:07}", "limit": number, "region": "eu"}
    await check(calls, seat, CheckRequest(Call(f"tool_{number % _TOOLS}", arguments)))


async def _record(calls: Calls, seat: Residency, number: int) -> None:
    given = {
        "role": "tool",
        "tool_name": f"tool_{number % _TOOLS}",
        "arguments": {"order_id": f"W{number:07}", "limit": number, "region": "eu"},
        "content": json.dumps({"id": f"W{number:07}", "total": number / 100}),
    }
    listener = Listener(calls, "tool_record", About())
    done = await record(calls.memory, seat, [given], listener=listener)
    assert listener.latest is not None
    (event,) = done.events
    after(calls, seat, listener.latest, event.event_id, event.page_id, done.bindings[0])


async def _search(calls: Calls, seat: Residency, number: int) -> None:
    error = f"ValueError: W{number:07} needs an argument: region"
    query = Query(f"tool_{number % _TOOLS}", {"order_id": f"W{number:07}", "limit": 1}, error)
    await advice.search(calls, seat.workspace, seat.row.id, query)


async def _goal(calls: Calls, seat: Residency, number: int) -> None:
    query = Query(None, goal=f"{_GOALS[number % len(_GOALS)]} W{number:07}")
    await advice.search(calls, seat.workspace, seat.row.id, query)


async def _times(work: Callable[[int], Awaitable[None]], rounds: int) -> tuple[float, float]:
    took = sorted([await _timed(partial(work, number)) for number in range(rounds)])
    return statistics.median(took), took[int(len(took) * 0.99)]


async def _timed(work: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await work()
    return (time.perf_counter() - began) * 1_000


def sync_takes(folder: Path, rounds: int = 200) -> float:
    """Milliseconds of one sync of a page's worth of appended bytes, at the median."""
    took = []
    path = folder / "sync"
    with path.open("ab", buffering=0) as file:
        for _ in range(rounds):
            file.write(bytes(8_192))
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - began) * 1_000)
    path.unlink()
    return statistics.median(took)


def bench() -> dict[str, object]:
    """The same over stdio, for a benchmark that runs an echo server beside."""
    session = {"session_id": SESSION}
    given = {"order_id": "W{i}", "region": "eu"}
    lookup = {"tool_name": "tool_1", "arguments": given}
    asked = {"error": "ValueError: W{i} needs an argument: region", "arguments": {"order_id": "W1"}}
    return {
        "setup": [{"tool": "session_start", "arguments": session}],
        "calls": [
            {"tool": "tool_check", "arguments": {**session, **lookup}},
            {"tool": "tool_record", "arguments": {**session, **lookup, "result": {"id": "W{i}"}}},
            {"tool": "procedure_search", "arguments": {**session, "tool_name": "tool_1", **asked}},
        ],
    }


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'memory.db'}"


def main() -> None:
    """Prepare, measure, and print; or print the calls, or what a sync takes."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--calls", type=int, default=CALLS)
    arguments.add_argument("--sitting", type=int, help="calls of one session; else all in one")
    arguments.add_argument("--durability", choices=("normal", "full"), default="normal")
    arguments.add_argument("--bench", action="store_true")
    arguments.add_argument("--sync", action="store_true")
    given = arguments.parse_args()
    if given.bench:
        print(json.dumps(bench()))
        return
    given.folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    asyncio.run(prepare(given.folder, given.calls, given.sitting or given.calls))
    print(f"prepared in {time.perf_counter() - began:.1f} s")
    if given.sync:
        print(f"a sync: {sync_takes(given.folder):.2f} ms")
        return
    for name, (usual, most) in asyncio.run(
        measure(given.folder, durability=given.durability)
    ).items():
        print(f"{name}: p50 {usual:.2f} ms, p99 {most:.2f} ms")


if __name__ == "__main__":
    main()
