"""The demo's client: the MCP client of the official SDK, talking to a real server over stdio."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp import Client, MCPError, StdioServerParameters
from mcp.types import TextContent

from ...base.config import environment
from ...base.errors import PagefaultError

_OWN_VARIABLES = ("PAGEFAULT_", "SESSION_")


class DemoFailed(PagefaultError):
    """The server did not answer as the demo needs it."""

    code = "demo_failed"


@dataclass(slots=True)
class Caller:
    """Calls tools of the server, and counts what its replies cost a model. ``count``: tokens."""

    client: Client
    count: Callable[[str], int]
    session: dict[str, str] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)  # by tool, as are the tokens
    reply_tokens: Counter[str] = field(default_factory=Counter)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """The tool's reply, as the model would read it.

        Raises:
            DemoFailed: the server answered with an error.
        """
        result = await self.client.call_tool(tool, {**self.session, **arguments})
        (block,) = result.content
        text = block.text if isinstance(block, TextContent) else ""
        if result.is_error:
            message = f"{tool} answered: {text}"
            raise DemoFailed(message)
        self.calls[tool] += 1
        self.reply_tokens[tool] += self.count(text)
        reply: dict[str, Any] = json.loads(text)
        return reply


@asynccontextmanager
async def served(
    folder: Path, settings: dict[str, str], count: Callable[[str], int]
) -> AsyncIterator[Caller]:
    """A server over a store in ``folder``, started as a client starts it, and its caller.

    Raises:
        DemoFailed: it does not start, ends before its time, or answers with an error.
    """
    try:
        async with Client(_parameters(folder, settings)) as client:
            yield Caller(client, count)
    except (MCPError, OSError) as error:
        raise _failed(error) from error
    except BaseExceptionGroup as group:  # the SDK's own task groups wrap whatever happens in them
        raise _failed(_leaf(group)) from group


def _parameters(folder: Path, settings: dict[str, str]) -> StdioServerParameters:
    """A server that knows none of the user's own settings and none of their data."""
    config = folder / "config.toml"
    config.write_text("", encoding="utf-8")
    flags = [word for name, value in settings.items() for word in (f"--{name}", value)]
    own = {
        name: value for name, value in environment().items() if not name.startswith(_OWN_VARIABLES)
    }
    package = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join(filter(None, (package, own.get("PYTHONPATH"))))
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "pagefault", "serve", "--config", str(config), *flags],
        env={**own, "PYTHONPATH": path},
        cwd=folder,
    )


def _failed(error: BaseException) -> PagefaultError:
    if isinstance(error, PagefaultError):
        return error
    message = (
        f"the server did not keep up the conversation ({error or type(error).__name__}). What it "
        "says of it stands above; `pagefault doctor` checks this installation"
    )
    return DemoFailed(message)


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
