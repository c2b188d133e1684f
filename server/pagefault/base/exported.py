"""An export as JSON lines: a header, then contents and log lines in order, then an end.

A content stands before the first log line that names it. What is gone because its page was
forgotten is not there; what was damaged when it was exported says so. The end counts both kinds,
so that an export that was cut off is known for one.

    {"format":"pagefault-export","version":1,"workspace":…,"tokenizer":…,…}
    {"content":1,"checksum":…,"text":…}   or "base64" in place of "text", or "damaged":true
    {"line":1,"at":…,"actor":…,"kind":…,"session":…,"segment":…,"turn":…,"page":…,"data":{…}}
    {"end":{"contents":1,"lines":1}}
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from .errors import InvalidArgument
from .log import LogLine, data_of, operation_of
from .log import contents_of as named_by

FORMAT = "pagefault-export"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Header:
    """Which workspace it is. ``created_at`` in Unix seconds."""

    workspace: str
    name: str
    tokenizer: str
    created_at: float
    fingerprint: str | None = None
    program: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a content id; None when they could not be read any more."""

    number: int
    data: bytes | None


@dataclass(frozen=True, slots=True)
class End:
    """How many contents and log lines there are before it."""

    contents: int
    lines: int


Item = Header | Content | LogLine | End


def is_export(value: object) -> bool:
    """Whether the first value of a file is our header."""
    return isinstance(value, Mapping) and value.get("format") == FORMAT


def encode(item: Item) -> str:
    """The item as one line, without the newline."""
    if isinstance(item, Header):
        value = _of_header(item)
    elif isinstance(item, Content):
        value = _of_content(item)
    elif isinstance(item, LogLine):
        value = _of_line(item)
    else:
        value = {"end": {"contents": item.contents, "lines": item.lines}}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def decode(value: Mapping[str, Any]) -> Item:
    """The item that `encode` made the value from.

    Raises:
        InvalidArgument: it is none, it was changed, or a later pagefault wrote it.
    """
    try:
        if is_export(value):
            return _header(value)
        if "content" in value:
            return _content(value)
        if "line" in value:
            return _line(value)
        end = value["end"]
        return End(int(end["contents"]), int(end["lines"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"is no line of an export that this pagefault knows ({error!r})"
        raise InvalidArgument(message) from None


def checked(items: Iterable[Item]) -> Iterator[Item]:
    """The same items, once they are known to follow each other as they must.

    Raises:
        InvalidArgument: something is missing, is there twice, or comes in another order.
    """
    contents = lines = last = 0
    ended = False
    for place, item in enumerate(items):
        _require(isinstance(item, Header) == (place == 0), "has no header, or a second one")
        _require(not ended, "goes on behind its end")
        if isinstance(item, Content):
            _require(item.number > last, f"has content {item.number} out of order")
            contents, last = contents + 1, item.number
        elif isinstance(item, LogLine):
            _require(item.position == lines + 1, f"lacks line {lines + 1}")
            lines += 1
        elif isinstance(item, End):
            ended = True
            _require(item == End(contents, lines), f"is incomplete: {item} is not what came")
        yield item
    _require(ended, "is cut off: it has no end")


def contents_of(line: LogLine) -> list[int]:
    """The content ids that a log line names."""
    return named_by(line.operation)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        message = f"the export {otherwise}. Export again, or use another copy of the file"
        raise InvalidArgument(message)


def _of_header(header: Header) -> dict[str, object]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "program": header.program,
        "workspace": header.workspace,
        "name": header.name,
        "tokenizer": header.tokenizer,
        "created_at": header.created_at,
        "fingerprint": header.fingerprint,
    }


def _header(value: Mapping[str, Any]) -> Header:
    if value["version"] != VERSION:
        message = f"format version {value['version']!r}; known is {VERSION}: update pagefault"
        raise ValueError(message)
    return Header(
        str(value["workspace"]),
        str(value["name"]),
        str(value["tokenizer"]),
        float(value["created_at"]),
        value.get("fingerprint"),
        str(value.get("program", "")),
    )


def _of_content(content: Content) -> dict[str, object]:
    if content.data is None:
        return {"content": content.number, "damaged": True}
    named: dict[str, object] = {"content": content.number, "checksum": _checksum(content.data)}
    try:
        return named | {"text": content.data.decode()}
    except UnicodeDecodeError:
        return named | {"base64": base64.b64encode(content.data).decode("ascii")}


def _content(value: Mapping[str, Any]) -> Content:
    number = int(value["content"])
    if value.get("damaged"):
        return Content(number, None)
    if "text" in value:
        data = value["text"].encode()
    else:
        data = base64.b64decode(value["base64"], validate=True)
    if _checksum(data) != value["checksum"]:
        message = f"content {number} is not what was exported: its checksum differs"
        raise ValueError(message)
    return Content(number, data)


def _checksum(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


def _of_line(line: LogLine) -> dict[str, object]:
    return {
        "line": line.position,
        "at": line.at,
        "actor": line.actor,
        "kind": line.operation.kind,
        "session": line.operation.session,
        "segment": line.segment,
        "turn": line.turn,
        "page": getattr(line.operation, "page_id", None),
        "data": data_of(line.operation),
    }


def _line(value: Mapping[str, Any]) -> LogLine:
    return LogLine(
        int(value["line"]),
        float(value["at"]),
        str(value["actor"]),
        int(value["segment"]),
        int(value["turn"]),
        operation_of(value["kind"], value["session"], value["page"], value["data"]),
    )
