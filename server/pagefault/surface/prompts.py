"""The prompts that a person picks in a client; their words lie in resources/prompts."""

from __future__ import annotations

from typing import Annotated

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


def _filled(name: str, **values: str) -> str:
    text = assets.text(f"prompts/{name}.md")
    for field, value in values.items():
        text = text.replace("{" + field + "}", value)
    return text
