"""An export of ours: back as it was, or beside what is there under new ids."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ...base.documents import Broken
from ...base.errors import InvalidArgument
from ...base.exported import Content, End, Header, Item, checked, decode
from ...base.log import LogLine, PageAdded, VersionAdded
from ...memory.importing import Imported, begins_with, graft, restore
from ...memory.vetting import notes_of, vetted_bytes
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
    secrets: str
    found: dict[str, None] = field(default_factory=dict)  # where secrets stand

    def __iter__(self) -> Iterator[Item]:
        return self._vetted(checked(self._items()))

    def _vetted(self, items: Iterator[Item]) -> Iterator[Item]:
        """The same without secrets, where they are not to come in."""
        grown: dict[int, int] = {}
        for item in items:
            if isinstance(item, Content) and item.data is not None:
                at = f"{self.file.path} content {item.number}"
                kept, found = vetted_bytes(item.data, at, self.secrets)
                self.found.update(dict.fromkeys(found))
                grown[item.number] = len(kept) - len(item.data)
                yield replace(item, data=kept)
            elif isinstance(item, LogLine) and isinstance(item.operation, PageAdded | VersionAdded):
                made = item.operation
                size = made.size + sum(grown.get(one, 0) for one in (made.content, *made.blobs))
                yield replace(item, operation=replace(made, size=size))
            else:
                yield item

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
    export = _Export(file, ready.resolved.settings.secrets)
    summary = _check(export)
    async with opened(ready) as memory:
        workspace = await _workspace(ready, memory, summary.header)
        _require_tokenizer(workspace, summary.header)
        summary.same_ids = await begins_with(memory, workspace, export, summary.end.lines)
        bring = restore if summary.same_ids else graft
        async for piece in bring(memory, workspace, export):
            _take(summary, piece, as_json=as_json)
    notes = notes_of(list(export.found), export.secrets)
    _report(workspace, summary, notes, as_json=as_json)


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


def _report(
    workspace: Workspace, summary: _Summary, notes: tuple[str, ...], *, as_json: bool
) -> None:
    if as_json:
        result = {
            "workspace": workspace.id,
            "lines": summary.lines,
            "contents": summary.end.contents,
            "damaged": summary.damaged,
            "same_ids": summary.same_ids,
            "notes": list(notes),
            "sessions": summary.sessions,
            "ids": summary.ids,
        }
        print(json.dumps(result))
        return
    under = "with the ids that they had" if summary.same_ids else "under new ids, listed above"
    print(f"{summary.lines:,} log lines into workspace {workspace.id}, {under}")
    for note in notes:
        print(note)
    if summary.damaged:
        print(f"{summary.damaged:,} contents were damaged when they were exported")
