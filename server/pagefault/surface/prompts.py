"""The prompts that a person picks in a client; their words lie in resources/prompts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import mcp.types as types
from mcp import MCPError
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.prompts.base import Prompt, PromptArgument

from ..base import assets
from ..memory import Memory
from ..memory.context import MODES, rules_text

_THIS = "the one of this conversation, by the session_id that session_start returned"
_STYLE = "short paragraphs, then a list of open points"
_NO_RULES = "This mode has no rules: use what is shown, and call no tools for more."

# What a client may complete, by argument.
CHOICES = {
    "mode": MODES,
    "style": (_STYLE, "key points", "topics", "decisions and open questions"),
}


@dataclass(frozen=True, slots=True)
class Blank:
    """An argument of a prompt. ``default`` None: it has to be given."""

    name: str
    meaning: str
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """A prompt: its words lie in resources/prompts under its name."""

    name: str
    title: str
    description: str
    blanks: Sequence[Blank]


FORMS: Sequence[Form] = (
    Form(
        "resume",
        "Resume where we stopped",
        "Resume an earlier session and say where it stood.",
        (Blank("session_id", "a session's handle, or last", "last"),),
    ),
    Form(
        "recall",
        "Recall a subject",
        "Find everything the memory holds about a topic, with references.",
        (Blank("topic", "what to look for"),),
    ),
    Form(
        "summarise_segment",
        "Summarise this stretch",
        "Write a summary page of the present stretch of a session.",
        (
            Blank("session_id", "a session's handle, if not this conversation's", _THIS),
            Blank("style", "how it is to be written", _STYLE),
        ),
    ),
    Form(
        "memory_rules",
        "Use the memory by its rules",
        "The rules of a mode: strict, relaxed or passive.",
        (Blank("mode", "strict, relaxed or passive", ""),),
    ),
)


def add_prompts(server: MCPServer, memory: Memory) -> None:
    """Offer the prompts on the server.

    They are described here and not by signatures, since a model made of each signature would
    cost a hundredth of the server's start.
    """
    for form in FORMS:
        arguments = [
            PromptArgument(
                name=blank.name, description=blank.meaning, required=blank.default is None
            )
            for blank in form.blanks
        ]
        server.add_prompt(
            Prompt(
                name=form.name,
                title=form.title,
                description=form.description,
                arguments=arguments,
                fn=partial(_fill, form, memory),
                context_kwarg=None,
            )
        )


async def _fill(form: Form, memory: Memory, **given: str) -> str:
    values = {blank.name: given.get(blank.name) or blank.default or "" for blank in form.blanks}
    if form.name == "memory_rules":
        mode = values["mode"] if values["mode"] in MODES else memory.settings.mode
        values = {"mode": mode, "rules": rules_text(memory, mode) or _NO_RULES}
    return _filled(form.name, values)


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


def _filled(name: str, values: Mapping[str, str]) -> str:
    """The prompt's text with its blanks filled in; braces in a value stay as they are."""
    return re.sub(
        rf"\{{({'|'.join(values)})\}}",
        lambda blank: values[blank[1]],
        assets.text(f"prompts/{name}.md"),
    )
