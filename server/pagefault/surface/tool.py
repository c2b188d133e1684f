"""A tool as this server serves it: a lean schema, a compact reply, errors for a model."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import mcp.types as types
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from pydantic import PrivateAttr

from ..base.errors import PagefaultError
from ..base.event import clean
from ..memory import Memory
from ..memory.behind import settle
from .door import Call, Door
from .parameters import Parameters
from .ranges import whole
from .transport.principal import principal_of

log = logging.getLogger("pagefault")

_ERROR_LENGTH = 2_000  # characters of an error text
_RESULT_CHARS = 200_000  # what a client may show of a large reply

Body = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Spec:
    """A tool's entry in its folder's tuple.

    ``body`` takes a `Call` first; its further parameters are the tool's arguments, and its
    docstring is the description a model reads. ``fields``: the reply's own fields and JSON types.
    ``own_turn``: whether such a call decides itself about the turn. ``appends``: it only
    adds, so it need not know what other processes have mapped. ``opens``: it makes the
    session, so it is given the door and the context in place of a `Call`, and answers with the
    `Call` as well.
    """

    body: Body
    title: str
    fields: dict[str, str]
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    large: bool = False
    own_turn: Callable[[dict[str, Any]], bool] = lambda _: False
    appends: bool = False
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
            context_kwarg=None,
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
        convert_result: bool = False,  # noqa: ARG002 - the SDK's signature
    ) -> types.CallToolResult:
        """Answer the call; every failure is a result that a model can act on."""
        memory = self._door.memory
        began, outcome = memory.now(), "ok"
        try:
            return await self._answer(arguments, context)
        except PagefaultError as error:
            outcome = error.code
            return error_of(str(error))
        except Exception:  # whatever it was, the model gets an id and the log gets the rest
            outcome = "internal"
            return error_of(unforeseen(memory, self.name))
        finally:
            with suppress(RuntimeError):  # nobody's call, which was refused
                seconds = max(0.0, memory.now() - began)
                memory.counts[principal_of(context)].called(self.name, outcome, seconds)

    async def _answer(
        self, arguments: dict[str, Any], context: Context[Any, Any]
    ) -> types.CallToolResult:
        """One text block of compact JSON, the same as structured content, and the images."""
        given = self._arguments.read(arguments)
        call, reply = await self._reply(dict(given), context)
        ignored = self._arguments.unknown(arguments)
        if ignored is not None:
            reply["notes"] = [*reply.get("notes", ()), ignored]
        text = await whole(call, reply, given.get("offset") or 0)
        images = [
            types.ImageContent(type="image", data=image.base64, mime_type=image.mime_type)
            for image in call.images
        ]
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=text), *images], structured_content=reply
        )

    async def _reply(
        self, given: dict[str, Any], context: Context[Any, Any]
    ) -> tuple[Call, dict[str, Any]]:
        body = self._spec.body
        if self._spec.opens:
            opened: tuple[Call, dict[str, Any]] = await body(self._door, context, **given)
            return opened
        own_turn = self._spec.own_turn(given)
        call = await self._door.call(
            context, given.pop("session_id"), own_turn=own_turn, whole=not self._spec.appends
        )
        try:
            return call, await self._watched(call, given)
        finally:
            settle(call.memory, call.seat)

    async def _watched(self, call: Call, given: dict[str, Any]) -> dict[str, Any]:
        """The tool's reply, unless it has brought the same again and again."""
        seat = call.seat
        watched = self._door.spinning.of((seat.workspace.key, seat.row.id), seat.turn)
        asked = watched.ask(self.name, given)
        try:
            reply: dict[str, Any] = await self._spec.body(call, **given)
        except PagefaultError as error:
            raise asked.failed(error) from None
        note = asked.answered(reply)
        if note is not None:
            reply["notes"] = [*reply.get("notes", ()), note]
        return reply


def unforeseen(memory: Memory, where: str) -> str:
    """Log the exception that is being handled; what a client may know of it."""
    number = memory.tools.ids.short()
    log.exception("error %s in %s", number, where)
    return (
        f"internal: an error that nobody foresaw; the server's log has it as {number}. "
        "Try once more. If it stays, tell the user this number"
    )


def error_of(text: str) -> types.CallToolResult:
    """A failure for the model to read: its first word is the code."""
    text = clean(text)
    if len(text) > _ERROR_LENGTH:
        text = text[: _ERROR_LENGTH - 1] + "…"
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=True)


def _output_schema(fields: dict[str, str]) -> dict[str, Any]:
    named = {"session_id": "string", "workspace": "string", **fields, "notes": "array"}
    return {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in named.items()},
        "required": ["session_id", "workspace"],
    }
