"""What ``pagefault`` prints at a terminal: how a client is told to start it, and how to go on."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

NAME = "pagefault"


def explain_connection() -> str:
    """The configuration for the common clients, with this installation's own absolute path."""
    command, env = own_command(), own_environment()
    server: dict[str, object] = {"command": command[0], "args": [*command[1:]]}
    if env:
        server["env"] = env
    vscode = {"type": "stdio", **server}
    options = [word for name, value in env.items() for word in ("--env", f"{name}={value}")]
    return "\n".join(
        (
            "pagefault speaks MCP over stdio: a client starts it, you do not. Tell yours how:",
            "",
            "Claude Desktop (claude_desktop_config.json) and Cursor (.cursor/mcp.json):",
            _json({"mcpServers": {NAME: server}}),
            "",
            "Claude Code:",
            f"  {_words(['claude', 'mcp', 'add', *options, NAME, '--', *command])}",
            "",
            "VS Code (.vscode/mcp.json), or the command below it:",
            _json({"servers": {NAME: vscode}}),
            f"  {_words(['code', '--add-mcp', json.dumps({'name': NAME, **vscode})])}",
            "",
            f"See it work:     {_words([*command, 'demo'])}",
            f"Check it:        {_words([*command, 'doctor'])}",
            f"Everything else: {_words([*command, '--help'])}",
        )
    )


def own_command() -> tuple[str, ...]:
    """How to start this installation from anywhere: its console script, else ``-m pagefault``."""
    script = shutil.which(NAME, path=sysconfig.get_path("scripts"))
    return (script,) if script else (sys.executable, "-m", NAME)


def own_environment() -> Mapping[str, str]:
    """What a checkout without an installation needs: the folder that Python is to import from."""
    folder = Path(__file__).resolve().parents[2]
    installed = folder == Path(sysconfig.get_path("purelib")).resolve()
    return {} if installed or len(own_command()) == 1 else {"PYTHONPATH": str(folder)}


def _words(words: Sequence[str]) -> str:
    """The words as one line for this system's shell."""
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def _json(value: object) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "\n".join(f"  {line}" for line in text.splitlines())
