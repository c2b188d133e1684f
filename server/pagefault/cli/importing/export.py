"""An export of ours: back as it was, or beside what is there under new ids."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...base.documents import Broken
from ...base.errors import InvalidArgument
from ...base.exported import Content, End, Header, Item, checked, decode
from ...memory.importing import Imported, begins_with, graft, restore
from ...stores.contract import WorkspaceRequest
from ..setting_up import LOCAL, opened, standing_workspace

if TYPE_CHECKING:
    from ...memory import Memory
    from ...stores.contract import Workspace
    from ..setting_up import SetUp
    from .file import JsonFile


@dataclass(frozen=True, slots=True)
class _Export:
    """The file's items in their order, as often as they are asked for."""

    file: JsonFile

    def __iter__(self) -> Iterator[Item]:
        return checked(self._items())

    def _items(self) -> Iterator[Item]:
        for at, value in self.file.values():
            if isinstance(value, Broken):
                message = f"{at} of {self.file.path} is no JSON: {value.reason}"
                raise InvalidArgument(message)
            try:
                yield decode(value)
            except InvalidArgument as error:
                message = f"{at} of {self.file.path} {error.message}"
                raise InvalidArgument(message) from None


@dataclass(slots=True)
class _Summary:
    """What the file says of itself, and what has become of it so far."""

    header: Header
    end: End
    damaged: int
    same_ids: bool = True
    lines: int = 0
    sessions: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)


async def import_export(ready: SetUp, file: JsonFile, as_json: bool) -> None:
    """Bring an export in; into a workspace that holds nothing, with the ids that it had.

    Raises:
        InvalidArgument: the file is not a whole export; nothing was imported.
    """
    export = _Export(file)
    summary = _check(export)
    async with opened(ready) as memory:
        workspace = await _workspace(ready, memory, summary.header)
        _require_tokenizer(workspace, summary.header)
        summary.same_ids = await begins_with(memory, workspace, export, summary.end.lines)
        bring = restore if summary.same_ids else graft
        async for piece in bring(memory, workspace, export):
            _take(summary, piece, as_json=as_json)
    _report(workspace, summary, as_json=as_json)


def _check(export: _Export) -> _Summary:
    """Read all of it once.

    Raises:
        InvalidArgument: it is damaged, cut off or out of order.
    """
    damaged = 0
    header, end = None, End(0, 0)
    for item in export:
        if isinstance(item, Header):
            header = item
        elif isinstance(item, End):
            end = item
        elif isinstance(item, Content) and item.data is None:
            damaged += 1
    if header is None:
        message = f"{export.file.path} holds no export"
        raise InvalidArgument(message)
    return _Summary(header, end, damaged)


async def _workspace(ready: SetUp, memory: Memory, header: Header) -> Workspace:
    """The one that was named; in an empty store the export's own; else the one that stands here."""
    store = memory.store
    there = await store.workspaces(LOCAL)
    empty = not any([(await store.totals(place))["lines"] for place in there])
    if ready.resolved.settings.workspace or not empty:
        return await standing_workspace(ready, memory, create=True, tokenizer=header.tokenizer)
    claimed = any(place.fingerprint == header.fingerprint for place in there)
    return await store.open_workspace(
        WorkspaceRequest(
            LOCAL,
            header.tokenizer,
            header.created_at,
            id=header.workspace,
            name=header.name,
            fingerprint=None if claimed else header.fingerprint,
        )
    )


def _require_tokenizer(workspace: Workspace, header: Header) -> None:
    if workspace.tokenizer != header.tokenizer:
        message = (
            f"the export counts tokens with {header.tokenizer}, workspace {workspace.id} with "
            f"{workspace.tokenizer}. Name a workspace that does not exist yet with --workspace: "
            "it is made with the export's tokenizer"
        )
        raise InvalidArgument(message)


def _take(summary: _Summary, piece: Imported, *, as_json: bool) -> None:
    """Count a piece; the new names are shown as soon as they hold."""
    summary.lines += piece.lines
    summary.sessions |= piece.sessions
    summary.ids |= piece.ids
    if not as_json:
        for old, new in (*piece.sessions.items(), *piece.ids.items()):
            print(f"{old} -> {new}")


def _report(workspace: Workspace, summary: _Summary, *, as_json: bool) -> None:
    if as_json:
        result = {
            "workspace": workspace.id,
            "lines": summary.lines,
            "contents": summary.end.contents,
            "damaged": summary.damaged,
            "same_ids": summary.same_ids,
            "sessions": summary.sessions,
            "ids": summary.ids,
        }
        print(json.dumps(result))
        return
    under = "with the ids that they had" if summary.same_ids else "under new ids, listed above"
    print(f"{summary.lines:,} log lines into workspace {workspace.id}, {under}")
    if summary.damaged:
        print(f"{summary.damaged:,} contents were damaged when they were exported")
