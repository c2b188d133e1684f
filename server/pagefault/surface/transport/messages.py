"""Between the bytes of a frame and the SDK's messages, both ways. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from mcp_types import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from .frames import Oversized

_REPLACEMENT = b"\\ufffd"
# Every escape of a JSON string, so that `\\ud800` after a backslash of its own is left alone.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_ONE_A_LINE = "send one JSON-RPC 2.0 object a line, in UTF-8"


@dataclass(frozen=True)
class Refusal:
    """Why a frame is no message, to be answered under the id that it asked by, if it had one."""

    code: int
    message: str
    request_id: RequestId | None = None

    def answer(self) -> JSONRPCError:
        """The error to send back."""
        error = ErrorData(code=self.code, message=self.message)
        return JSONRPCError(jsonrpc="2.0", id=self.request_id, error=error)


def read_message(frame: bytes | Oversized, limit: int) -> JSONRPCMessage | Refusal:
    """The message in a frame. `limit`: bytes a frame may have, for the refusal of a larger one.

    Strict JSON: NaN, raw control characters, invalid UTF-8, numbers of more than 4,300 digits and
    nesting past 200 levels are parse errors. Escaped surrogates without their partner, which some
    clients send, are read as U+FFFD: with a parse error nobody would learn which call failed.
    """
    if isinstance(frame, Oversized):
        return _too_large(frame, limit)
    try:
        value = _parse(frame)
    except ValueError as error:
        return Refusal(PARSE_ERROR, f"Parse error: {error}; {_ONE_A_LINE}.")
    if not isinstance(value, dict):
        return Refusal(PARSE_ERROR, f"Parse error: a batch or a bare value; {_ONE_A_LINE}.")
    return _message_of(value)


def _parse(frame: bytes) -> object:
    try:
        return from_json(frame, allow_inf_nan=False)
    except ValueError:
        paired = _ESCAPE.sub(_paired, frame)
        if paired == frame:
            raise
        return from_json(paired, allow_inf_nan=False)


def _paired(escape: re.Match[bytes]) -> bytes:
    return _REPLACEMENT if escape["lone"] else escape[0]


def _message_of(value: dict[str, Any]) -> JSONRPCMessage | Refusal:
    """By its members, since the SDK's union reads a request with a bad id as a notification."""
    kind: type[JSONRPCRequest | JSONRPCNotification | JSONRPCResponse | JSONRPCError]
    if _is_reply(value):
        kind = JSONRPCResponse if "result" in value else JSONRPCError
    else:
        kind = JSONRPCRequest if "id" in value else JSONRPCNotification
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        return _invalid(value, error)


def _is_reply(value: dict[str, Any]) -> bool:
    return "method" not in value and ("result" in value or "error" in value)


def _invalid(value: dict[str, Any], error: ValidationError) -> Refusal:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    request_id = value.get("id")
    if _is_reply(value) or isinstance(request_id, bool) or not isinstance(request_id, str | int):
        request_id = None  # no id, or one of ours
    return Refusal(
        INVALID_REQUEST,
        f'Invalid request: {first["loc"][0]}: {first["msg"]}; a request has jsonrpc "2.0", an id '
        "that is a string or an integer, a method, and params that are an object, if any.",
        request_id,
    )


def _too_large(frame: Oversized, limit: int) -> Refusal:
    return Refusal(
        INVALID_REQUEST,
        f"Invalid request: the line has {frame.size} bytes and the limit is {limit}; "
        "nothing of it was used, send the content in parts, in several calls.",
        frame.request_id,
    )


def write_message(message: JSONRPCMessage) -> bytes:
    """One line of compact JSON with its newline, without surrogates and non-finite numbers.

    A reply that cannot be written at all becomes an internal error under the same id.

    Raises ValueError for a request or a notification of ours that cannot be written.
    """
    try:
        return message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
    except ValueError:  # seldom: only now is the message walked
        return _write_cleaned(message)


def _write_cleaned(message: JSONRPCMessage) -> bytes:
    try:
        plain = message.model_dump(mode="python", by_alias=True, exclude_unset=True)
        return to_json(_clean(plain), inf_nan_mode="null") + b"\n"
    except (ValueError, RecursionError) as error:
        if not isinstance(message, JSONRPCResponse | JSONRPCError):
            reason = f"This message cannot be written as JSON: {error}"
            raise ValueError(reason) from error
        unwritable = "Internal error: the result cannot be written as JSON."
        return write_message(Refusal(INTERNAL_ERROR, unwritable, message.id).answer())


def _clean(value: object) -> object:
    """The value with paired surrogates joined, and those without a partner replaced by U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value
