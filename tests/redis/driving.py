"""Real `pagefault` processes, each driven by a client that may have any number of calls under way.

A call is answered, refused (`Refused`: the server says why), or its server is gone (`Gone`).
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import httpx2
from anyio.streams.buffered import BufferedByteReceiveStream
from tests.redis.servers import free_port
from tests.stores.making import open_workspace

from pagefault.base import portable
from pagefault.base.log import LogLine, PageAdded
from pagefault.stores.contract import Store, Workspace
from pagefault.stores.opening import Options, opener

PACKAGE = Path(portable.__file__).parents[2]
PATIENT = 30.0  # seconds where only a failure takes long
LONGEST_LINE = 2**24  # bytes
MODERN = "2026-07-28"
_META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Refused(Exception):
    """The server answered that it could not; the message is its own."""


class Gone(Exception):
    """The server ended, or does not listen: what came of the call is not known."""


async def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait, a bounded time, until the condition holds, and let everything else go on."""
    deadline = time.monotonic() + PATIENT
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENT:.0f} s: {what}"
        await anyio.sleep(0.002)


def environment(url: str, home: Path, **settings: object) -> dict[str, str]:
    """Of a server on the store at ``url`` that keeps its files in ``home``; settings by name."""
    ours = ("PAGEFAULT_", "SESSION_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    homes = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(home))
    named = {f"PAGEFAULT_{name.upper()}": str(value) for name, value in settings.items()}
    path = {"PYTHONPATH": str(PACKAGE), "PAGEFAULT_STORE": url, "PAGEFAULT_WORKSPACE": "default"}
    return {**kept, **homes, **path, **named}


@dataclass(eq=False, slots=True)
class _Waiting:
    """A call under way: the answer, once ``done``; None when none will come."""

    done: anyio.Event = field(default_factory=anyio.Event)
    answer: dict[str, Any] | None = None


class Stdio:
    """A server over stdio. ``slowest``: seconds of the call that took longest."""

    def __init__(self, process: anyio.abc.Process) -> None:
        self._process = process
        self._waiting: dict[int, _Waiting] = {}
        self._numbers = count(1)
        self._sending = anyio.Lock()
        self._ended = self._killed = False
        self.slowest = 0.0

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process.returncode is None and not self._ended

    def kill(self) -> None:
        """End it as a crash does, if that was not done."""
        if not self._killed:  # a second time would take its end away from those who wait for it
            self._killed = True
            with suppress(ProcessLookupError):
                self._process.kill()

    async def __call__(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The tool's reply.

        Raises:
            Refused, Gone: there is none.
        """
        began = time.monotonic()
        try:
            return reply_of(await self._ask("tools/call", name=tool, arguments=arguments))
        finally:
            self.slowest = max(self.slowest, time.monotonic() - began)

    async def handshake(self) -> None:
        """Say hello, as a client must before its first call."""
        about = {"name": "test", "version": "0"}
        greeting = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": about}
        await self._ask("initialize", **greeting)
        await self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def hear(self) -> None:
        """Take what the server says, until it ends."""
        assert self._process.stdout is not None
        lines = BufferedByteReceiveStream(self._process.stdout)
        try:
            while True:
                message = json.loads(await lines.receive_until(b"\n", LONGEST_LINE))
                if waiting := self._waiting.pop(message.get("id"), None):
                    waiting.answer = message
                    waiting.done.set()
        except (anyio.EndOfStream, anyio.IncompleteRead):
            self._ended = True
            for waiting in self._waiting.values():
                waiting.done.set()

    async def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        waiting = self._waiting[number] = _Waiting()
        await self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        if not self._ended:
            with anyio.fail_after(PATIENT):
                await waiting.done.wait()
        if waiting.answer is None:
            raise Gone(method)
        return waiting.answer

    async def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        async with self._sending:
            try:
                await self._process.stdin.send(json.dumps(message).encode() + b"\n")
            except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
                raise Gone(message["method"]) from error


@asynccontextmanager
async def stdio(url: str, home: Path, **settings: object) -> AsyncIterator[Stdio]:
    """A server over stdio on the store at ``url``, ready for calls; it is gone at the end."""
    process = await anyio.open_process(
        [sys.executable, "-m", "pagefault"],
        env=environment(url, home, **settings),
        cwd=home,
        stderr=subprocess.DEVNULL,
    )
    async with aclosing(process), anyio.create_task_group() as tasks:
        server = Stdio(process)
        tasks.start_soon(server.hear)
        try:
            await server.handshake()
            yield server
        finally:
            tasks.cancel_scope.cancel()
            server.kill()


def reply_of(message: Mapping[str, Any]) -> dict[str, Any]:
    """The reply in an answer to a tool call.

    Raises:
        Refused: it is a failure.
    """
    if "error" in message:
        raise Refused(message["error"]["message"])
    result = message["result"]
    if result.get("isError"):
        raise Refused(result["content"][0]["text"])
    reply: dict[str, Any] = result["structuredContent"]
    return reply


class Http:
    """A server over HTTP on a port that it keeps from start to start."""

    def __init__(self, url: str, home: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/mcp"
        self._command = [sys.executable, "-m", "pagefault", "serve", "--http", "--port", str(port)]
        self._environment = environment(url, home)
        self._home = home
        self._process: anyio.abc.Process | None = None
        self.starts = 0

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        process = self._process = await anyio.open_process(
            self._command,
            env=self._environment,
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        assert process.stderr is not None
        said = b""
        with anyio.fail_after(PATIENT):
            while not re.search(rb"serving http\S+\n", said):
                said += await process.stderr.receive()
        self.starts += 1

    async def end(self) -> int:
        """Ask it to end, as an operator does; its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        with anyio.fail_after(PATIENT):
            code = await self._process.wait()
        await self.stop()
        return code

    async def stop(self) -> None:
        """Be gone, whatever it does."""
        if self._process is not None:
            with anyio.CancelScope(shield=True):
                if self._process.returncode is None:
                    self._process.kill()
                await self._process.aclose()
            self._process = None


@asynccontextmanager
async def http(number: int, url: str, home: Path) -> AsyncIterator[list[Http]]:
    """So many servers over HTTP on the store at ``url``; they are gone at the end."""
    servers = [Http(url, home, free_port()) for _ in range(number)]
    try:
        async with anyio.create_task_group() as tasks:
            for server in servers:
                tasks.start_soon(server.start)
        yield servers
    finally:
        for server in servers:
            await server.stop()


class RoundRobin:
    """A client of several servers over HTTP: each call goes to the next, or to the one after it.

    ``turned_away``: how often a server did not listen, or went before it had answered.
    """

    def __init__(self, servers: Sequence[Http], client: httpx2.AsyncClient) -> None:
        self._urls = [server.url for server in servers]
        self._client = client
        self._turn = count()
        self.turned_away = 0

    async def __call__(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The tool's reply, of whichever server answers first; each is tried once.

        Raises:
            Refused: a server answers with a failure.
            Gone: none answers.
        """
        first = next(self._turn)
        for step in range(len(self._urls)):
            try:
                return await self.ask(self._urls[(first + step) % len(self._urls)], tool, arguments)
            except Gone:
                self.turned_away += 1
        raise Gone(tool)

    async def ask(self, url: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The reply of one server.

        Raises:
            Refused, Gone: there is none.
        """
        params = {"name": tool, "arguments": arguments, "_meta": _META}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        headers = {
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": MODERN,
            "Mcp-Method": "tools/call",
            "Mcp-Name": tool,
        }
        try:
            answer = await self._client.post(url, json=body, headers=headers)
        except httpx2.TransportError as error:
            raise Gone(url) from error
        return reply_of(answer.json())


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[tuple[Store, Workspace]]:
    """The store as somebody reads it who was not there."""
    store = opener(url, Options())()
    try:
        yield store, await open_workspace(store)
    finally:
        await store.close()


async def written(store: Store, workspace: Workspace) -> list[tuple[PageAdded, str]]:
    """Every page with its text, in the order of the log. No number is missing, of any kind."""
    texts: dict[int, str] = {}
    while more := await store.contents(workspace, max(texts, default=0), 1_000):
        texts |= {number: plain.decode() for number, plain in more}
    lines: list[LogLine] = []
    while new := await store.log(workspace, len(lines), 1_000):
        lines += new
    assert [line.position for line in lines] == list(range(1, len(lines) + 1))
    made = [line.operation for line in lines if isinstance(line.operation, PageAdded)]
    assert_dense(page.page_id for page in made)
    assert_dense(str(page.event_id) for page in made if page.event_id)
    return [(page, texts[page.content]) for page in made]


def assert_dense(ids: Iterable[str]) -> None:
    """In the order of the log, each kind is numbered 1, 2, 3 and so on."""
    seen: Counter[str] = Counter()
    for one in ids:
        prefix, _, number = one.rpartition("_")
        seen[prefix] += 1
        assert int(number) == seen[prefix], one
