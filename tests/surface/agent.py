"""A task driven end to end by openai-agents, in an interpreter that has it: ``agent.py SERVER…``.

SERVER is the command of a memory server over stdio. The model is a script behind an
OpenAI-compatible server on loopback. Prints as JSON what was called and what came of it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
from agents.mcp import MCPServerStdio
from openai import AsyncOpenAI

# A model that follows a script: it yields a call, is sent its answer, and returns its last words.
Step = tuple[str, dict[str, Any]]
Script = Generator[Step, Any, str]


def guarded(session: str, tool: str, arguments: dict[str, Any]) -> Generator[Step, Any, Any]:
    """Check a call, make it with the arguments that the check gives, and record what came of it.

    The check where it stopped the call, else the record with the result.
    """
    here = {"session_id": session, "tool_name": tool}
    checked = yield "tool_check", {**here, "arguments": arguments}
    if checked["verdict"] == "block":
        return checked
    given = checked["arguments"]
    result = yield tool, given
    failed = isinstance(result, str) and result.startswith("error: ")
    outcome = {"error": result} if failed else {"result": result}
    recorded = yield "tool_record", {**here, "arguments": given, **outcome}
    return {"checked": checked, "given": given, "result": result, "recorded": recorded}


def first() -> Script:
    """Uses a result by its name, runs in a circle until it is stopped, and fixes a failure."""
    yield "session_start", {"session_id": "one"}
    price = yield from guarded("one", "price", {"item": "lamp"})
    reference = price["recorded"]["binding"]["ref"]
    total = yield from guarded("one", "total", {"price": reference, "count": 2})
    rounds = 0
    while rounds < 20:
        status = yield from guarded("one", "status", {"order": "A-17"})
        if status.get("verdict") == "block":
            break
        rounds += 1
    yield from guarded("one", "book", {"order": "A-17"})
    booked = yield from guarded("one", "book", {"order": "A-17", "region": "eu"})
    return json.dumps(
        {
            "reference": reference,
            "given": total["given"],
            "total": total["result"],
            "rounds": rounds,
            "stopped": status,
            "booked": booked["result"],
        }
    )


def second() -> Script:
    """Asks before it makes the call that failed in the first session, and does as it is told."""
    yield "session_start", {"session_id": "two"}
    call = {"session_id": "two", "tool_name": "book", "arguments": {"order": "A-17"}}
    checked = yield "tool_check", call
    found = yield "procedure_search", {**call, "error": "region is missing"}
    fix = next(one for one in found["patterns"] if one["kind"] == "fix")
    booked = yield from guarded("two", "book", fix["example"]["fixed"])
    return json.dumps({"experience": checked["experience"], "fix": fix, "booked": booked["result"]})


@function_tool
def price(item: str) -> float:
    """What an item costs."""
    return {"lamp": 12.5}[item]


@function_tool
def total(price: float, count: int) -> float:
    """What so many cost."""
    return price * count


@function_tool
def status(order: str) -> str:
    """How an order is going."""
    return f"{order} is pending"


@function_tool
def book(order: str, region: str = "") -> str:
    """Book an order."""
    return f"{order} is booked" if region else "error: region is missing"


class Model(ThreadingHTTPServer):
    """Answers each request with the script's next step."""

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.calls: list[str] = []

    def answer(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        last = messages[-1]
        try:
            name, arguments = self.script.send(
                _value(last["content"]) if last["role"] == "tool" else None
            )
        except StopIteration as end:
            return {"role": "assistant", "content": end.value}
        self.calls.append(name)
        function = {"name": name, "arguments": json.dumps(arguments)}
        call = {"id": f"call_{len(self.calls)}", "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call]}


class _Handler(BaseHTTPRequestHandler):
    server: Model

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = self.server.answer(asked["messages"])
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        given = {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "script",
            "choices": [choice],
        }
        data = json.dumps(given).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _value(content: Any) -> Any:
    """A tool's answer as the value that it is, out of the blocks of text it may be wrapped in."""
    if isinstance(content, list):
        content = "".join(part["text"] for part in content)
    try:
        value = json.loads(content)
    except ValueError:
        return content
    wrapped = isinstance(value, dict) and value.get("type") == "text"
    return _value(value["text"]) if wrapped else value


async def run(script: Script, task: str, command: list[str]) -> dict[str, Any]:
    """The agent's last words about the task, and the tools it called."""
    with Model(script) as model:
        threading.Thread(target=model.serve_forever, daemon=True).start()
        client = AsyncOpenAI(base_url=f"http://127.0.0.1:{model.server_port}/v1", api_key="none")
        params = {"command": command[0], "args": command[1:]}
        async with MCPServerStdio(params=params, client_session_timeout_seconds=30) as memory:
            agent = Agent(
                name="worker",
                instructions="Check every call, and record it.",
                model=OpenAIChatCompletionsModel("script", client),
                tools=[price, total, status, book],
                mcp_servers=[memory],
            )
            done = await Runner.run(agent, task, max_turns=100)
        model.shutdown()
        return {"calls": model.calls, **json.loads(done.final_output)}


async def main(command: list[str]) -> None:
    set_tracing_disabled(True)
    one = await run(first(), "Order two lamps and book A-17.", command)
    two = await run(second(), "Book A-17 once more.", command)
    print(json.dumps([one, two]))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
