"""Asking the server as a model does; every reply is held to the rules that all replies keep."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import anyio
import httpx2
import mcp.types as types
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import Context

from pagefault.base.estimate import Estimate
from pagefault.memory import Memory
from pagefault.surface.app import PagefaultServer, build_server
from pagefault.surface.door import Place
from pagefault.surface.transport.http import serve_http
from pagefault.surface.transport.tokens import hash_token

Ask = Callable[..., Awaitable[dict[str, Any]]]
Refuse = Callable[..., Awaitable[str]]
Direct = Callable[[str, dict[str, Any]], Awaitable[types.CallToolResult]]
MakeMemory = Callable[..., Memory]
Serve = Callable[..., AbstractAsyncContextManager[str]]
Visit = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def store_url() -> str:
    """The surface is the same over every store: the fastest one will do."""
    return "sqlite://:memory:"


def reply_of(result: types.CallToolResult) -> dict[str, Any]:
    """A tool's reply, when it is as all replies are: one block of compact, finite, valid JSON."""
    (block,) = result.content
    assert isinstance(block, types.TextContent)
    assert not result.is_error, block.text
    reply: dict[str, Any] = json.loads(block.text)
    assert block.text == json.dumps(reply, ensure_ascii=False, separators=(",", ":"))
    assert reply == result.structured_content
    assert isinstance(reply["session_id"], str)
    assert isinstance(reply["workspace"], str)
    assert reply.get("notes", ["one"]) != []
    block.text.encode()
    assert all(math.isfinite(number) for number in numbers(reply))
    return reply


def error_of(result: types.CallToolResult) -> str:
    """A failure's text, when it is as all are: a code first, short, nothing of our insides."""
    (block,) = result.content
    assert isinstance(block, types.TextContent)
    text = block.text
    assert result.is_error, text
    assert result.structured_content is None
    code, colon, rest = text.partition(": ")
    assert colon, text
    assert rest, text
    assert code.replace("_", "").isalpha(), text
    assert code.islower(), text
    assert len(text) < 2_000
    text.encode()
    for inside in ("Traceback", "pydantic", "apsw", 'File "', "sqlite3", "object at 0x", "<class"):
        assert inside not in text
    return text


def numbers(value: object) -> Iterator[float]:
    """Every number in a JSON value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, int | float):
        yield value


@pytest.fixture
def tokens() -> Callable[[dict[str, Any]], int]:
    """Tokens of a reply's text block, by the tokenizer of the test's workspaces."""
    count = Estimate().count

    def of(reply: dict[str, Any]) -> int:
        return count(json.dumps(reply, ensure_ascii=False, separators=(",", ":")))

    return of


@pytest.fixture
def asking() -> Callable[[Client], Ask]:
    """Calls tools of a client and gives their replies."""

    def to(client: Client) -> Ask:
        async def ask(tool: str, **arguments: Any) -> dict[str, Any]:
            meta = arguments.pop("_meta", None)
            return reply_of(await client.call_tool(tool, arguments, meta=meta))

        return ask

    return to


@pytest.fixture
def refusing() -> Callable[[Client], Refuse]:
    """Calls tools of a client that fail, and gives the errors' texts."""

    def to(client: Client) -> Refuse:
        async def refuse(tool: str, **arguments: Any) -> str:
            meta = arguments.pop("_meta", None)
            return error_of(await client.call_tool(tool, arguments, meta=meta))

        return refuse

    return to


@pytest.fixture
def ask(client: Client, asking: Callable[[Client], Ask]) -> Ask:
    """Calls a tool and gives its reply."""
    return asking(client)


@pytest.fixture
def refuse(client: Client, refusing: Callable[[Client], Refuse]) -> Refuse:
    """Calls a tool that fails and gives the error's text."""
    return refusing(client)


@pytest.fixture
async def direct(make_memory: MakeMemory) -> AsyncIterator[Direct]:
    """Calls a tool with arguments that no client would let through."""
    memory = make_memory()
    server = build_server(memory, Place("", "default", None, "estimate"))

    async def call(tool: str, arguments: dict[str, Any]) -> types.CallToolResult:
        request: Any = ServerRequestContext(
            session=cast("Any", None),  # no tool speaks to the client by itself
            lifespan_context=memory,
            protocol_version="2026-07-28",
            method="tools/call",
        )
        context = Context(request_context=request, mcp_server=server)
        result = await server.call_tool(tool, arguments, context)
        assert isinstance(result, types.CallToolResult)
        return result

    async with memory:
        yield call


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """Lets in ann with the token ``ann-1`` and ben with ``ben-1``."""
    path = tmp_path / "tokens"
    path.touch(mode=0o600)
    path.write_text("".join(f"{who} sha256:{hash_token(f'{who}-1')}\n" for who in ("ann", "ben")))
    return path


async def _health() -> dict[str, object]:
    return {}


@pytest.fixture
def serve() -> Serve:
    """A server over real HTTP: its URL."""

    @asynccontextmanager
    async def serving(
        server: PagefaultServer, token_file: Path | None = None
    ) -> AsyncIterator[str]:
        run = partial(
            serve_http, server, host="127.0.0.1", port=0, token_file=token_file, health=_health
        )
        async with anyio.create_task_group() as tasks:
            yield await tasks.start(run)
            tasks.cancel_scope.cancel()

    return serving


@pytest.fixture
def visit() -> Visit:
    """A client of a URL, with a bearer token if one is given."""

    @asynccontextmanager
    async def visiting(url: str, token: str = "", mode: str = "auto") -> AsyncIterator[Client]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            httpx2.AsyncClient(headers=headers, trust_env=False, timeout=10) as http,
            Client(streamable_http_client(url, http_client=http), mode=mode) as client,
        ):
            yield client

    return visiting
