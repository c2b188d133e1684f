"""Commits as `resources/redis/apply.lua` reads them, and its answers as the contract's.

An operation goes as the JSON text of its data without the closing brace, and the blanks that only
the server can fill: new ids, contents, versions. So no number passes through Lua's own JSON
writer, which would round it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...base.errors import InvalidArgument, StoreDamaged, StoreUnavailable
from ...base.log import (
    HERE,
    Called,
    EventAdded,
    LogLine,
    Operation,
    PageAdded,
    Represented,
    Reverted,
    SessionOpened,
    Superseded,
    TurnBegan,
    VersionAdded,
    contents_of,
    data_of,
)
from ..codec import Kept, keep, packed, restore
from ..contract import Applied, Commit, Conflict, Moment, Session

CHUNK = 2**19  # bytes of a content that go with a commit; what is longer is sent before it
HEADER = 20  # bytes of a content's first chunk before its own: codec, chunks, checksum
_CONTENTS = ("content", "hint", "payload")
_NAMES = ("event_id", "cause", "failed", "by")  # fields of the data that may hold a placeholder

Json = Any


@dataclass(frozen=True, slots=True)
class Draft:
    """A commit ready to be sent: its JSON and the first chunk of each content, as arguments.

    ``staged``: name and bytes of the further chunks, which must be there before the commit is.
    """

    arguments: tuple[bytes, ...]
    staged: tuple[tuple[str, bytes], ...]

    @property
    def size(self) -> int:
        """Bytes that go along."""
        return sum(map(len, self.arguments))


def draft(commit: Commit, token: str) -> Draft:
    """The commit under a token by which the server knows it when it comes again."""
    chunks = [_chunks(plain) for plain in commit.contents]
    moments: Sequence[Moment | None] = commit.moments or [None] * len(commit.operations)
    wire = {
        "token": token,
        "at": repr(float(commit.at)),
        "actor": commit.actor,
        "replay": False,
        "expects": list(commit.expects.items()),
        "heads": [[session, page, version] for (session, page), version in commit.heads.items()],
        "sources": sorted(set(_sources(commit.operations))),
        "new": list(commit.new),
        "contents": [{"slot": slot, "chunks": len(parts)} for slot, parts in enumerate(chunks)],
        "ops": [
            _operation(operation, moment)
            for operation, moment in zip(commit.operations, moments, strict=True)
        ],
    }
    return _drafted(token, wire, chunks)


def draft_replay(
    contents: Sequence[tuple[int, bytes]], lines: Sequence[LogLine], token: str
) -> Draft:
    """Exported contents and lines, to be appended with their own numbers."""
    chunks = [_chunks(plain) for _, plain in contents]
    wire = {
        "token": token,
        "replay": True,
        "expects": [],
        "heads": [],
        "sources": [],
        "new": [],
        "contents": [
            {"slot": slot, "chunks": len(parts), "id": number}
            for slot, ((number, _), parts) in enumerate(zip(contents, chunks, strict=True))
        ],
        "ops": [_line(line) for line in lines],
    }
    return _drafted(token, wire, chunks)


def applied(answer: Sequence[Any], name: str) -> Applied | Conflict:
    """What came of a commit.

    Raises:
        LookupError: it names a session that none opened.
        InvalidArgument: a replayed line does not follow the log.
        StoreUnavailable: the workspace is not on the server any more.
    """
    status, *rest = answer
    if status == b"applied":
        return _applied(rest)
    if status == b"conflict":
        return Conflict(rest[0].decode())
    if status == b"unknown":
        message = f"no session {rest[0].decode()!r}"
        raise LookupError(message)
    if status == b"gap":
        message = f"line {int(rest[0])} does not follow line {int(rest[1])}: the export is cut"
        raise InvalidArgument(message)
    message = (
        f"{name} has lost this workspace, or a part that was sent before the write: the server "
        "was flushed or restored. Nothing was written. Start pagefault again."
    )
    raise StoreUnavailable(message)


def session_of(handle: str, row: Mapping[str, bytes]) -> Session:
    """A session from the hash that is its row."""

    def number(name: str) -> int:
        return int(row.get(name, b"0"))

    def text(name: str) -> str | None:
        return row[name].decode() if name in row else None

    return Session(
        id=handle,
        revision=number("revision"),
        created_at=float(row["created_at"]),
        active_at=float(row["active_at"]),
        title=text("title"),
        parent=text("parent"),
        forked_at=int(row["forked_at"]) if "forked_at" in row else None,
        model=text("model"),
        budget=int(row["budget"]) if "budget" in row else None,
        mode=text("mode"),
        policy=text("policy"),
        turn=number("turn"),
        turn_cause=text("turn_cause") or "start",
        segment=int(row.get("segment", b"1")),
        faults=number("faults"),
        fault_tokens=number("fault_tokens"),
        messages=number("messages"),
        user_messages=number("user_messages"),
        ai_messages=number("ai_messages"),
        tool_calls=number("tool_calls"),
        tokens=number("tokens"),
        prompt_tokens=number("prompt_tokens"),
        completion_tokens=number("completion_tokens"),
        total_faults=number("total_faults"),
        bindings=number("bindings"),
    )


def hash_of(answer: Sequence[bytes]) -> dict[str, bytes]:
    """A hash as Lua gives it: names and values in turn."""
    return {name.decode(): value for name, value in zip(answer[::2], answer[1::2], strict=True)}


def chunks_of(stored: bytes) -> int:
    """How many chunks a content has, by its first one; 1 for one that is gone."""
    return int(stored[1:4] or 1)


def restored(stored: Sequence[bytes], what: str) -> bytes:
    """The plain bytes of a content, from all its chunks.

    Raises:
        StoreDamaged: they are not the bytes that were written.
    """
    first, *further = stored
    if len(first) < HEADER:
        message = f"{what} is missing. Run `pagefault doctor`."
        raise StoreDamaged(message)
    data = b"".join((first[HEADER:], *further))
    return restore(Kept(first[0], first[4:HEADER], data), what)


def stored(plain: bytes) -> bytes:
    """Bytes as a content of a single chunk has them."""
    return _single(keep(plain))


def repacked(first: bytes) -> bytes | None:
    """A content of a single chunk in fewer bytes; None where it has the fewest, or is damaged."""
    if len(first) < HEADER:
        return None
    kept = packed({0: Kept(first[0], first[4:HEADER], first[HEADER:])}).get(0)
    return None if kept is None else _single(kept)


def _single(kept: Kept) -> bytes:
    return bytes([kept.codec]) + b"001" + kept.checksum + kept.data


def _chunks(plain: bytes) -> list[bytes]:
    kept = keep(plain)
    first = bytes([kept.codec]) + kept.checksum + kept.data[:CHUNK]
    return [first, *(kept.data[at : at + CHUNK] for at in range(CHUNK, len(kept.data), CHUNK))]


def _drafted(token: str, wire: dict[str, Json], chunks: Sequence[Sequence[bytes]]) -> Draft:
    staged = tuple(
        (f"{token}:{slot}:{number}", part)
        for slot, parts in enumerate(chunks)
        for number, part in enumerate(parts)
        if number
    )
    text = json.dumps(wire, ensure_ascii=False, separators=(",", ":"))
    return Draft((text.encode(), *(parts[0] for parts in chunks)), staged)


def _sources(operations: Sequence[Operation]) -> Iterator[str]:
    """Pages that must not have been forgotten: their content would come back."""
    for operation in operations:
        named = list(getattr(operation, "derived_from", ()))
        if isinstance(operation, VersionAdded | Reverted | Superseded | Represented):
            named.append(operation.page_id)
        if isinstance(operation, Superseded) and operation.by is not None:
            named.append(operation.by)
        yield from (page for page in named if _slot(page) < 0)


def _operation(operation: Operation, moment: Moment | None) -> dict[str, Json]:
    data = data_of(operation)
    blanks = list(_blanks(operation, data))
    for name, *_ in blanks:
        data.pop(name, None)
    page_id = getattr(operation, "page_id", None)
    key = getattr(operation, "key", None)
    follows = isinstance(operation, PageAdded) and operation.event_id is not None
    begins = isinstance(operation, TurnBegan) or (
        isinstance(operation, EventAdded) and operation.begins_turn
    )
    wire: dict[str, Json] = {
        "kind": operation.kind,
        "data": _open_json(data),
        "blanks": blanks,
        "begins": begins,
        "event_slot": _slot(getattr(operation, "event_id", None)),
        "page_slot": _slot(page_id),
        "by_slot": _slot(getattr(operation, "by", None)),
    }
    if operation.session is not None:
        wire["session"] = operation.session
    if isinstance(operation, SessionOpened) and operation.forked_at is not None:
        wire["forks"] = operation.parent
    if page_id is not None:
        wire["page"] = page_id
    if key is not None and not follows:
        wire["key"] = key
    if moment is not None:
        wire["moment"] = _moment(moment)
    return wire


def _blanks(operation: Operation, data: Mapping[str, Json]) -> Iterator[list[Json]]:
    """Field, how it is filled, and from what."""
    for name in _NAMES:
        if _slot(data.get(name)) >= 0:
            yield [name, "id", _slot(data[name])]
    yield from _content_blanks(data)
    sources = data.get("derived_from", ())
    if any(_slot(source) >= 0 for source in sources):
        slots = [_slot(source) for source in sources]
        items = [
            slot if slot >= 0 else json.dumps(source, ensure_ascii=False)
            for source, slot in zip(sources, slots, strict=True)
        ]
        yield ["derived_from", "ids", items]
    yield from _numbers(operation)


def _numbers(operation: Operation) -> Iterator[list[Json]]:
    """The blanks that stand for the next number of something."""
    if isinstance(operation, VersionAdded) and operation.version == 0:
        yield ["version", "version", operation.page_id]
    if isinstance(operation, SessionOpened) and operation.forked_at == HERE:
        yield ["forked_at", "position", None]
    if isinstance(operation, Called) and operation.number == 0:
        yield ["number", "binding", operation.session]


def _content_blanks(data: Mapping[str, Json]) -> Iterator[list[Json]]:
    for name in _CONTENTS:
        if isinstance(data.get(name), int) and data[name] < 0:
            yield [name, "content", -1 - data[name]]
    if any(number < 0 for number in data.get("blobs", ())):
        yield ["blobs", "blobs", list(data["blobs"])]


def _line(line: LogLine) -> dict[str, Json]:
    operation = line.operation
    wire: dict[str, Json] = {
        "kind": operation.kind,
        "data": _open_json(data_of(operation)),
        "position": line.position,
        "moment": _moment(Moment(line.at, line.actor, line.segment, line.turn)),
        "ids": list(_ids(operation)),
        "content": max(contents_of(operation), default=0),
    }
    if operation.session is not None:
        wire["session"] = operation.session
    page_id = getattr(operation, "page_id", None)
    if page_id is not None:
        wire["page"] = page_id
    return wire


def _ids(operation: Operation) -> Iterator[tuple[str, int]]:
    """Prefix and number of each id that the line gave out."""
    if isinstance(operation, EventAdded | PageAdded):
        for value in (operation.event_id, operation.page_id):
            if value is not None:
                prefix, _, number = value.rpartition("_")
                yield prefix, int(number)


def _moment(moment: Moment) -> list[str]:
    return [repr(float(moment.at)), moment.actor, str(moment.segment), str(moment.turn)]


def _open_json(data: Mapping[str, Json]) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))[:-1]


def _slot(value: object) -> int:
    """The place among the wanted ids that a placeholder names, -1 when it is none."""
    return int(value[1:]) if isinstance(value, str) and value.startswith("+") else -1


def _applied(rest: Sequence[Any]) -> Applied:
    ids, contents, duplicates, versions, position, sessions, bindings = rest
    return Applied(
        tuple(name.decode() for name in ids),
        tuple(int(number or 0) for number in contents),
        frozenset(map(int, duplicates)),
        {page: int(version) for page, version in hash_of(versions).items()},
        int(position),
        {
            handle.decode(): session_of(handle.decode(), hash_of(row))
            for handle, row in sessions
            if row
        },
        bindings=tuple(map(int, bindings)),
    )
