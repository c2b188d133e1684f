"""Every successful recorded trace, call by call through the server's own check and record.

  python -m tests.measuring.replay_calls DATA [--preset default] [--show]

DATA: the folder of recorded traces. Each trace is a session of one workspace, in memory, so that
what one teaches is there for the next. What was said is recorded where it was kept; each call is
checked, whatever the answer, and then recorded with what really came of it.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.measuring.filling import memory_at, workspace_in
from tests.measuring.replay_guards import SUCCESSFUL, Row, messages, traces

from pagefault.base.call import Call
from pagefault.calls.checking import Checked, CheckRequest, check
from pagefault.calls.core import Calls
from pagefault.calls.hearing import Listener
from pagefault.guards.presets import PRESETS
from pagefault.ledger import record
from pagefault.stores.contract import Workspace


async def replay(
    calls: Calls, workspace: Workspace, session: str, made: list[Row], said: list[Row]
) -> AsyncIterator[tuple[Row, Checked]]:
    """What is said of each call of a trace, in order; ``said``: its conversation, or nothing."""
    following = iter(made)
    for place, message in enumerate(said):
        if message["role"] != "tool":  # what a call answered is recorded with the call
            await _hear(calls, workspace, session, message)
        for asked in message.get("tool_calls") or []:
            call = next(following, None)
            if call is not None:
                whole = _answer(said[place + 1 :], asked) or call["result"]
                yield call, await _call(calls, workspace, session, call | {"result": whole})
    for call in following:
        yield call, await _call(calls, workspace, session, call)


def _answer(later: list[Row], asked: Row) -> Any:
    """What a call answered, in full: the trace itself has the beginning."""
    return next((one["content"] for one in later if one.get("tool_call_id") == asked["id"]), None)


async def _call(calls: Calls, workspace: Workspace, session: str, call: Row) -> Checked:
    seat = await calls.memory.seat(workspace, session)
    checked = await check(calls, seat, CheckRequest(Call(call["tool"], call["arguments"])))
    event: dict[str, Any] = {
        "role": "tool",
        "tool_name": call["tool"],
        "arguments": call["arguments"],
    }
    event["content" if call["success"] else "error"] = call["result"]
    await record(calls.memory, seat, [event], listener=Listener(calls, "tool_record"))
    return checked


async def _hear(calls: Calls, workspace: Workspace, session: str, message: Row) -> None:
    if message["content"]:
        seat = await calls.memory.seat(workspace, session)
        event = {"role": message["role"], "content": message["content"]}
        await record(calls.memory, seat, [event], listener=Listener(calls, "session_record"))


async def measure(data: Path, source: str, preset: str, *, show: bool) -> str:
    """The line to print of one source."""
    verdicts, guards, advised = Counter[str](), Counter[str](), 0
    said = messages(data, source)
    async with memory_at("sqlite://:memory:", Path()) as memory:
        calls = Calls(memory, PRESETS[preset])
        workspace = await workspace_in(memory)
        for number, (trace, made) in enumerate(traces(data, source).items()):
            session = f"trace-{number}"
            async for call, checked in replay(calls, workspace, session, made, said.get(trace, [])):
                judgement = checked.judgement
                verdicts[judgement.verdict] += 1
                guards.update(f"{found.guard} {found.verdict}" for found in judgement.findings)
                advised += bool(checked.experience)
                if show and judgement.verdict in ("block", "repair"):
                    print(trace, call["step"], call["tool"], "|", judgement.reason)
    total = verdicts.total()
    share = verdicts["block"] / total
    return (
        f"{source}: {total} calls, blocked {share:.2%} {dict(verdicts)} {dict(guards)}, "
        f"experience said something of {advised}"
    )


def main() -> None:
    """Replay every source, and print what came of it."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("data", type=Path)
    arguments.add_argument("--preset", choices=PRESETS, default="default")
    arguments.add_argument("--show", action="store_true", help="print each call that was stopped")
    given = arguments.parse_args()
    for source in SUCCESSFUL:
        print(asyncio.run(measure(given.data, source, given.preset, show=given.show)), flush=True)


if __name__ == "__main__":
    main()
