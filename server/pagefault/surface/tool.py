"""A tool as this server serves it: a lean schema, a compact reply, errors for a model."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import mcp.types as types
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from pydantic import PrivateAttr, ValidationError

from ..base.errors import InvalidArgument, PagefaultError
from ..base.event import clean
from .door import Door

log = logging.getLogger("pagefault")

_ERROR_LENGTH = 2_000  # characters of an error text
_RESULT_CHARS = 200_000  # what a client may show of a large reply

Body = Callable[..., Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Spec:
    """A tool's entry in its folder's tuple.

    ``body`` takes a `Call` first; its further parameters are the tool's arguments, and its
    docstring is the description a model reads. ``own_turn``: the argument whose presence means
    that the call itself decides about the turn. ``fields``: the reply's own fields and JSON types.
    """

    body: Body
    title: str
    fields: dict[str, str]
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    large: bool = False
    own_turn: Callable[[dict[str, Any]], bool] = lambda _: False


class MemoryTool(Tool):
    """Runs a `Spec` for a call that came through the door."""

    _door: Door = PrivateAttr()
    _own_turn: Callable[[dict[str, Any]], bool] = PrivateAttr()

    @classmethod
    def of(cls, spec: Spec, door: Door) -> MemoryTool:
        """The tool that a client lists and calls."""
        plain = Tool.from_function(
            _with_session(spec.body), description="-", context_kwarg="call"
        )
        metadata = plain.fn_metadata.model_copy(
            update={"output_schema": _output_schema(spec.fields), "output_model": None}
        )
        tool = cls(
            fn=spec.body,
            name=plain.name,
            title=spec.title,
            description=" ".join((spec.body.__doc__ or "").split()),
            parameters=_lean(plain.parameters),
            fn_metadata=metadata,
            is_async=True,
            context_kwarg="call",
            annotations=types.ToolAnnotations(
                read_only_hint=spec.read_only,
                destructive_hint=spec.destructive,
                idempotent_hint=spec.idempotent,
                open_world_hint=False,
            ),
            meta={"anthropic/maxResultSizeChars": _RESULT_CHARS} if spec.large else None,
        )
        tool._door = door  # noqa: SLF001 - pydantic's private attributes are set after making
        tool._own_turn = spec.own_turn  # noqa: SLF001
        return tool

    async def run(
        self,
        arguments: dict[str, Any],
        context: Context[Any, Any],
        convert_result: bool = False,  # noqa: ARG002, FBT001, FBT002 - the SDK's signature
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
        given = self._validated(arguments)
        session_id = given.pop("session_id", None)
        if self.name == "session_start":
            return await self.fn(self._door, context, session_id=session_id, **given)  # type: ignore[no-any-return]
        call = await self._door.call(context, session_id, own_turn=self._own_turn(given))
        try:
            return await self.fn(call, **given)  # type: ignore[no-any-return]
        finally:
            call.memory.settle(call.seat)

    def _validated(self, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.fn_metadata.validate_arguments(arguments)
        except ValidationError as error:
            raise InvalidArgument(_explain(self, error)) from None
        except (ValueError, RecursionError):
            message = f"the arguments of {self.name} cannot be read: send plain JSON values"
            raise InvalidArgument(message) from None


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
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], is_error=True
    )


def compact(reply: object) -> str:
    """JSON without a space that nobody needs."""
    return json.dumps(reply, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _with_session(body: Body) -> Body:
    """The body as its arguments are seen from outside: what is injected is left out, and the
    argument that every tool has is there."""
    signature = inspect.signature(body, eval_str=True)
    outside = {name: p for name, p in signature.parameters.items() if name != "context"}
    outside.setdefault(
        "session_id",
        inspect.Parameter(
            "session_id", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=str | None
        ),
    )

    async def named(*_: object, **__: object) -> dict[str, Any]:
        raise NotImplementedError  # only its signature is read

    named.__signature__ = signature.replace(parameters=list(outside.values()))  # type: ignore[attr-defined]
    named.__annotations__ = {name: p.annotation for name, p in outside.items()}
    named.__name__ = body.__name__
    return named


def _lean(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without titles, defaults and nulls: the handler applies the defaults."""
    properties = {name: _lean_one(value) for name, value in schema["properties"].items()}
    lean: dict[str, Any] = {"type": "object", "properties": properties}
    if schema.get("required"):
        lean["required"] = schema["required"]
    return lean


def _lean_one(schema: dict[str, Any]) -> dict[str, Any]:
    options = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    if len(options) == 1:
        schema = {**schema, **options[0]}
    elif options:
        schema = {**schema, "anyOf": options}
    hidden = {"title", "default"} | ({"anyOf"} if len(options) == 1 else set())
    lean = {name: value for name, value in schema.items() if name not in hidden}
    if lean.get("additionalProperties") is True:
        del lean["additionalProperties"]
    if isinstance(lean.get("items"), dict):
        lean["items"] = _lean_one(lean["items"])
    return lean


def _output_schema(fields: dict[str, str]) -> dict[str, Any]:
    named = {"session_id": "string", "workspace": "string", **fields, "notes": "array"}
    return {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in named.items()},
        "required": ["session_id", "workspace"],
    }


def _explain(tool: Tool, error: ValidationError) -> str:
    """The first thing that is wrong, in one sentence, and what the tool takes."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"] if not str(part).startswith("function-"))
    given = "" if first["type"] == "missing" else f", given {str(first.get('input'))[:60]!r}"
    takes = ", ".join(tool.parameters["properties"])
    return f"{where or 'arguments'}: {first['msg'].lower()}{given}. {tool.name} takes {takes}"


