"""The prompts that a person picks in a client; their words lie in resources/prompts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import mcp.types as types
from mcp import MCPError
from mcp.server.mcpserver import MCPServer
from pydantic import Field

from ..base import assets
from ..memory import Memory
from ..memory.context import MODES, rules_text

_STYLE = "short paragraphs, then a list of open points"
_NO_RULES = "This mode has no rules: use what is shown, and call no tools for more."

# What a client may complete, by argument.
CHOICES = {
    "mode": MODES,
    "style": (_STYLE, "key points", "topics", "decisions and open questions"),
}


def add_prompts(server: MCPServer, memory: Memory) -> None:
    """Offer the prompts on the server."""

    @server.prompt(title="Resume where we stopped")
    def resume(
        session_id: Annotated[str, Field(description="a session's handle, or last")] = "last",
    ) -> str:
        """Resume an earlier session and say where it stood."""
        return _filled("resume", session_id=session_id)

    @server.prompt(title="Recall a subject")
    def recall(topic: Annotated[str, Field(description="what to look for")]) -> str:
        """Find everything the memory holds about a topic, with references."""
        return _filled("recall", topic=topic)

    @server.prompt(title="Summarise this stretch")
    def summarise_segment(session_id: str = "last", style: str = _STYLE) -> str:
        """Write a summary page of the present stretch of a session."""
        return _filled("summarise_segment", session_id=session_id, style=style)

    @server.prompt(title="Use the memory by its rules")
    def memory_rules(mode: str = "") -> str:
        """The rules of a mode: strict, relaxed or passive."""
        chosen = mode if mode in MODES else memory.settings.mode
        rules = rules_text(memory, chosen) or _NO_RULES
        return _filled("memory_rules", mode=chosen, rules=rules)


def check_prompt(prompts: Sequence[types.Prompt], name: str, given: Mapping[str, Any]) -> None:
    """Whether there is such a prompt with such arguments.

    Raises:
        MCPError: there is not, with what there is.
    """
    found = next((prompt for prompt in prompts if prompt.name == name), None)
    if found is None:
        names = ", ".join(prompt.name for prompt in prompts)
        message = f"prompt_not_found: {name[:60]!r}. There are {names}"
        raise MCPError(types.INVALID_PARAMS, message)
    takes = {argument.name: argument.required for argument in found.arguments or ()}
    missing = [field for field, required in takes.items() if required and field not in given]
    if missing or set(given) - set(takes):
        wrong = f"{missing[0]} is missing" if missing else "unknown arguments"
        message = f"invalid_argument: {wrong}. {name} takes {', '.join(takes) or 'none'}"
        raise MCPError(types.INVALID_PARAMS, message)


def _filled(name: str, **values: str) -> str:
    """The prompt's text with its blanks filled in; braces in a value stay as they are."""
    blanks = "|".join(values)
    return re.sub(
        rf"\{{({blanks})\}}",
        lambda blank: values[blank[1]],
        assets.text(f"prompts/{name}.md"),
    )
