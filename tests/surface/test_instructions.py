"""What a client shows the model before anything else."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from mcp import Client

from pagefault import __version__
from pagefault.base import assets
from pagefault.surface.views import locate

pytestmark = pytest.mark.anyio

Connect = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_instructions_reach_clients_of_both_eras_uncut(
    connect: Connect, mode: str
) -> None:
    async with connect(mode=mode) as client:
        assert client.instructions == assets.text("instructions.md")
        assert len(client.instructions) < 2_048
        assert len(client.instructions.encode()) < 2_048


async def test_the_session_rule_and_resuming_come_first(client: Client) -> None:
    assert client.instructions is not None
    rules = client.instructions.split("\n\n")
    assert "session_start" not in rules[0]
    assert "session_start" in rules[1]
    assert 'session_id="last"' in rules[1]


async def test_the_instructions_name_no_tool_that_is_not_there(client: Client) -> None:
    assert client.instructions is not None
    named = set(re.findall(r"\b(?:page|session|search|context)_[a-z]+\b", client.instructions))
    tools = {tool.name for tool in (await client.list_tools()).tools}
    assert named - {"page_id", "session_id"} <= tools


async def test_the_guide_names_every_tool_and_only_resources_that_there_are(
    client: Client,
) -> None:
    guide = assets.text("guide.md")
    for tool in (await client.list_tools()).tools:
        assert f"`{tool.name}`" in guide
    resources = guide.split("## Resources")[1]
    session = ""
    for named in re.findall(r"`([^`]+)`", resources)[2:]:  # the first two are the URI's beginnings
        path = f"{session}{named}" if named.startswith("/") else named
        if named.startswith("sessions/"):
            session = named
        blanks = re.sub(r"\{\w+\}", "x", path)
        assert locate(f"memory://{blanks}").path == blanks


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_server_says_who_it_is_and_what_it_can_do(connect: Connect, mode: str) -> None:
    async with connect(mode=mode) as client:
        assert client.server_info is not None
        assert (client.server_info.name, client.server_info.version) == ("pagefault", __version__)
        can = client.server_capabilities
        assert can.tools is not None
        assert can.prompts is not None
        assert can.completions is not None
        assert can.resources is not None
        assert can.resources.subscribe is True
