"""A resource: where it stands among the URIs, and how a reading of it goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..base.errors import InvalidArgument, SessionNotFound
from ..base.media import Blob
from ..memory import Memory
from ..residency import Residency
from ..stores.contract import Workspace
from .door import Door

if TYPE_CHECKING:
    from ..calls import Calls

JSON, MARKDOWN, TEXT = "application/json", "text/markdown", "text/plain"


@dataclass(frozen=True, slots=True)
class Reading:
    """A resource on its way: where, the named parts of the path, the query."""

    memory: Memory
    workspace: Workspace
    names: Mapping[str, str]
    query: Mapping[str, str]
    door: Door

    @property
    def calls(self) -> Calls:
        """What is known of calls of other tools."""
        return self.door.calls

    async def seat(self) -> Residency:
        """The session that the path names.

        Raises:
            SessionNotFound: the workspace has none with that handle.
        """
        handle = self.names["session_id"]
        if await self.memory.store.session(self.workspace, handle) is None:
            message = f"{handle[:60]!r} is no session of workspace {self.workspace.id}"
            raise SessionNotFound(message)
        return await self.memory.seat(self.workspace, handle)

    def number(self, name: str, default: int) -> int:
        """A whole number of the query.

        Raises:
            InvalidArgument: it is something else.
        """
        text = self.query.get(name, "")
        if not text:
            return default
        if not (text.isascii() and text.isdigit()) or len(text) > 15:
            message = f"{name}={text[:40]!r} is no whole number: give digits, or leave it out"
            raise InvalidArgument(message)
        return int(text)


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a page holds beside its text, and the text."""

    blobs: Sequence[Blob]
    text: str


@dataclass(frozen=True, slots=True)
class View:
    """A resource or a template: its path with ``{names}``, what it is, and how it is read."""

    path: str
    name: str
    description: str
    read: Callable[[Reading], Awaitable[str | Bundle]]
    mime_type: str = JSON
    query: Sequence[str] = ()

    @property
    def uri(self) -> str:
        """The URI, or its RFC 6570 template, in the short form."""
        return f"memory://{self.path}" + (f"{{?{','.join(self.query)}}}" if self.query else "")

    @property
    def is_template(self) -> bool:
        """Whether a reader has to fill something in."""
        return "{" in self.uri

    def match(self, parts: Sequence[str]) -> dict[str, str] | None:
        """The named parts of a path, when it is one of this view's."""
        wanted = self.path.split("/")
        if len(wanted) != len(parts):
            return None
        names: dict[str, str] = {}
        for pattern, part in zip(wanted, parts, strict=True):
            if pattern.startswith("{"):
                names[pattern[1:-1]] = part
            elif pattern != part:
                return None
        return names
