"""What `pagefault` says at a terminal; the configuration that it prints works."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters

from pagefault.cli.connecting import explain_connection, own_command

posix = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")


def blocks(text: str) -> list[dict[str, Any]]:
    """The JSON objects that are set out over lines of the text."""
    decoder = json.JSONDecoder()
    starts = [place for place in range(len(text)) if text.startswith("\n  {\n", place)]
    return [decoder.raw_decode(text, place + 3)[0] for place in starts]


def entries() -> list[dict[str, Any]]:
    """The server's entry for each client that is configured by a file."""
    desktop, vscode = blocks(explain_connection())
    return [desktop["mcpServers"]["pagefault"], vscode["servers"]["pagefault"]]


def line(start: str) -> list[str]:
    (found,) = [one for one in explain_connection().splitlines() if one.strip().startswith(start)]
    return shlex.split(found)


def test_every_client_is_told_the_same_absolute_command() -> None:
    desktop, vscode = entries()
    command = [desktop["command"], *desktop["args"]]
    assert Path(command[0]).is_absolute()
    assert Path(command[0]).exists()
    assert vscode.pop("type") == "stdio"
    assert vscode == desktop
    words = line("claude mcp add")
    assert words[words.index("--") + 1 :] == command == list(own_command())
    assert json.loads(line("code --add-mcp")[2])["command"] == command[0]


def test_the_printed_configuration_starts_a_server(tmp_path: Path) -> None:
    entry = entries()[0]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    parameters = StdioServerParameters(
        command=entry["command"],
        args=[*entry["args"], "--store", str(tmp_path / "a.db")],
        env={**env, **entry.get("env", {})},
        cwd=tmp_path,
    )

    async def tools() -> int:
        async with Client(parameters) as client:
            return len((await client.list_tools()).tools)

    assert anyio.run(tools) == 16


@posix
def test_at_a_terminal_it_explains_itself_and_does_not_hang() -> None:
    ours, theirs = os.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "pagefault"],
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0
    assert "claude mcp add" in done.stdout
    assert "demo" in done.stdout.splitlines()[-3]
    assert "doctor" in done.stdout.splitlines()[-2]
