"""A tool's arguments: the lean schema that every conversation pays for, and their reading.

The schema is made from the annotations without pydantic, and the pydantic model only when the
tool is first called: eleven models would cost a tenth of the server's start.
"""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.fields import FieldInfo

from ..base.errors import InvalidArgument
from ..base.event import clean, clean_value

INJECTED = ("call", "context")  # what a body gets beside its arguments
_SESSION = inspect.Parameter(
    "session_id", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=str | None
)
_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", dict: "object"}
_WHOLE = 2**53  # beyond this a JSON number is not what was meant


class Parameters:
    """What a tool body takes from outside: its own parameters, and ``session_id``."""

    def __init__(self, body: Callable[..., object]) -> None:
        self.tool = body.__name__
        signature = inspect.signature(body, eval_str=True)
        taken = {name: p for name, p in signature.parameters.items() if name not in INJECTED}
        taken.setdefault("session_id", _SESSION)
        self._taken: Mapping[str, inspect.Parameter] = taken
        self.schema = _object({name: _schema(p.annotation) for name, p in taken.items()}, taken)
        """JSON Schema without titles, defaults and nulls."""

    def read(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as the body wants them, their texts fit to keep; null is left out, as is
        what the body does not know.

        Raises:
            InvalidArgument: the first thing that is wrong, and what the tool takes.
        """
        known = {
            name: clean_value(self._fitting(name, value), name)
            for name, value in given.items()
            if name in self._taken and value is not None
        }
        try:
            parsed = self._model.model_validate(known)
        except ValidationError as error:
            raise InvalidArgument(self._explain(error)) from None
        values = {name: getattr(parsed, name) for name in self._taken}
        for name, value in values.items():
            if isinstance(value, int) and abs(value) > _WHOLE:
                message = f"{name} is out of range: whole numbers here are at most {_WHOLE:,}"
                raise InvalidArgument(message)
        return values

    def unknown(self, given: Mapping[str, Any]) -> str | None:
        """What to say of arguments that the tool does not have; None when it has them all."""
        names = [clean(name)[:40] for name in given if name not in self._taken]
        if not names:
            return None
        return f"ignored: {', '.join(names[:5])}. {self.tool} takes {', '.join(self._taken)}"

    @cached_property
    def _model(self) -> type[BaseModel]:
        fields: dict[str, Any] = {
            name: (p.annotation, ... if p.default is p.empty else p.default)
            for name, p in self._taken.items()
        }
        return create_model(self.tool, __config__=ConfigDict(extra="ignore"), **fields)

    def _fitting(self, name: str, value: object) -> object:
        """Some clients send a list as JSON in a string, some models one item in its place."""
        if self.schema["properties"][name].get("type") != "array":
            return value
        value = _unquoted(value)
        return value if isinstance(value, list) else [value]

    def _explain(self, error: ValidationError) -> str:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "arguments"
        given = "" if first["type"] == "missing" else f", given {str(first.get('input'))[:60]!r}"
        takes = ", ".join(self._taken)
        return f"{where}: {first['msg'].lower()}{given}. {self.tool} takes {takes}"


def _object(
    properties: Mapping[str, dict[str, Any]], taken: Mapping[str, inspect.Parameter]
) -> dict[str, Any]:
    required = [name for name, p in taken.items() if p.default is p.empty]
    schema = {"type": "object", "properties": properties}
    return schema | ({"required": required} if required else {})


def _unquoted(value: object) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value


def _schema(annotation: Any) -> dict[str, Any]:  # noqa: ANN401 - any annotation
    """The schema of one annotation: what a tool's parameters are made of, and no more."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        described = [m.description for m in inner[1:] if isinstance(m, FieldInfo)]
        return _schema(inner[0]) | ({"description": described[0]} if described else {})
    if origin in (Union, types.UnionType):
        (only,) = (option for option in inner if option is not type(None))
        return _schema(only)
    if origin is Literal:
        return {"type": "string", "enum": list(inner)}
    if origin is list:
        items = _schema(inner[0])
        return {"type": "array", "items": items}
    if annotation is Any:
        return {}
    return {"type": _NAMES[origin or annotation]}
