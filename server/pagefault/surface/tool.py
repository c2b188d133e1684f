"""A tool as this server serves it: a lean schema, a compact reply, errors for a model."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import mcp.types as types
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from pydantic import PrivateAttr

from ..base.errors import PagefaultError
from ..base.event import clean
from .door import Door
from .parameters import Parameters

log = logging.getLogger("pagefault")

_ERROR_LENGTH = 2_000  # characters of an error text
_RESULT_CHARS = 200_000  # what a client may show of a large reply

Body = Callable[..., Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Spec:
    """A tool's entry in its folder's tuple.

    ``body`` takes a `Call` first; its further parameters are the tool's arguments, and its
    docstring is the description a model reads. ``fields``: the reply's own fields and JSON types.
    ``own_turn``: whether such a call decides itself about the turn. ``opens``: it makes the
    session, so it is given the door and the context in place of a `Call`.
    """

    body: Body
    title: str
    fields: dict[str, str]
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    large: bool = False
    own_turn: Callable[[dict[str, Any]], bool] = lambda _: False
    opens: bool = False


class MemoryTool(Tool):
    """Runs a `Spec` for a call that came through the door."""

    _door: Door = PrivateAttr()
    _spec: Spec = PrivateAttr()
    _arguments: Parameters = PrivateAttr()

    @classmethod
    def of(cls, spec: Spec, door: Door) -> MemoryTool:
        """The tool that a client lists and calls."""
        arguments = Parameters(spec.body)
        tool = cls(
            fn=spec.body,
            name=spec.body.__name__,
            title=spec.title,
            description=" ".join((spec.body.__doc__ or "").split()),
            parameters=arguments.schema,
            fn_metadata=FuncMetadata(
                arg_model=ArgModelBase, output_schema=_output_schema(spec.fields)
            ),
            is_async=True,
            annotations=types.ToolAnnotations(
                read_only_hint=spec.read_only,
                destructive_hint=spec.destructive,
                idempotent_hint=spec.idempotent,
                open_world_hint=False,
            ),
            meta={"anthropic/maxResultSizeChars": _RESULT_CHARS} if spec.large else None,
        )
        tool._door, tool._spec, tool._arguments = door, spec, arguments
        return tool

    async def run(
        self,
        arguments: dict[str, Any],
        context: Context[Any, Any],
        convert_result: bool = False,
    ) -> types.CallToolResult:
        """Answer the call; every failure is a result that a model can act on."""
        try:
            return result_of(await self._answer(arguments, context))
        except PagefaultError as error:
            return error_of(str(error))
        except Exception:  # whatever it was, the model gets an id and the log gets the rest
            number = self._door.memory.tools.ids.short()
            log.exception("error %s in %s", number, self.name)
            return error_of(
                f"internal: something went wrong here, and nothing is known to be lost "
                f"(error {number} in the server's log). Try once more; then report the number."
            )

    async def _answer(
        self, arguments: dict[str, Any], context: Context[Any, Any]
    ) -> dict[str, Any]:
        given = self._arguments.read(arguments)
        body = self._spec.body
        if self._spec.opens:
            return await body(self._door, context, **given)
        own_turn = self._spec.own_turn(given)
        call = await self._door.call(context, given.pop("session_id"), own_turn=own_turn)
        try:
            return await body(call, **given)
        finally:
            call.memory.settle(call.seat)


def result_of(reply: dict[str, Any]) -> types.CallToolResult:
    """One text block of compact JSON, and the same as structured content."""
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=compact(reply))], structured_content=reply
    )


def error_of(text: str) -> types.CallToolResult:
    """A failure for the model to read: its first word is the code."""
    text = clean(text)
    if len(text) > _ERROR_LENGTH:
        text = text[: _ERROR_LENGTH - 1] + "…"
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=True)


def compact(reply: object) -> str:
    """JSON without a space that nobody needs."""
    return json.dumps(reply, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _output_schema(fields: dict[str, str]) -> dict[str, Any]:
    named = {"session_id": "string", "workspace": "string", **fields, "notes": "array"}
    return {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in named.items()},
        "required": ["session_id", "workspace"],
    }
