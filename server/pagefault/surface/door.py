"""Who is calling, and which workspace and session a call is for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver import Context

from .. import calls
from ..base.errors import InvalidArgument, SessionNotFound, WorkspaceNotFound
from ..base.event import clean
from ..base.media import Blob
from ..ledger import STANDING, check_handle
from ..memory import Memory
from ..residency import Residency
from ..stores.contract import Workspace, WorkspaceRequest
from .transport.principal import principal_of

if TYPE_CHECKING:
    from ..calls import Calls
    from .spinning import Spinning

# Where a host says which conversation a call belongs to; the first is ours, for frameworks.
META_KEYS = ("io.pagefault/session", "vscode.conversationId")

LATEST = "last"  # what session_start takes for the latest session
_HANDLE = re.compile(r"[A-Za-z0-9._-]{1,128}")
_WORKSPACE = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_])?")


@dataclass(frozen=True, slots=True)
class Place:
    """Where this server stands: the workspace by name or by repository, and the tokenizer."""

    workspace: str
    name: str
    fingerprint: str | None
    tokenizer: str


@dataclass(slots=True)
class Call:
    """One call on its way: who, where, in which session, and what the reply should note.

    ``images`` go with the reply as content of their own; ``encoded`` ones stand in it as base64,
    which no model reads as text.
    """

    memory: Memory
    workspace: Workspace
    seat: Residency
    notes: list[str]
    door: Door
    images: list[Blob] = field(default_factory=list)
    encoded: Sequence[str] = ()

    @property
    def calls(self) -> Calls:
        """What is known of calls of other tools."""
        return self.door.calls

    def answer(self, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
        """A reply: the session, the workspace, the fields that are not None, notes if any."""
        reply: dict[str, Any] = {"session_id": self.seat.row.id, "workspace": self.workspace.id}
        reply.update({name: value for name, value in fields.items() if value is not None})
        if self.notes:
            reply["notes"] = self.notes
        return reply


class Door:
    """Answers, for every call, who and where; remembers workspaces, never conversations."""

    def __init__(self, memory: Memory, place: Place) -> None:
        self.memory = memory
        self.place = place
        self._own: dict[str, Workspace] = {}

    @cached_property
    def calls(self) -> Calls:
        """What is known of calls of other tools, from the first one on."""
        return calls.Calls(self.memory)

    @cached_property
    def spinning(self) -> Spinning:
        """The latest calls of this server's own tools, from the first one on."""
        from .spinning import Spinning  # the guards, of which a start needs none

        return Spinning(stops=self.memory.settings.guards == "strict")

    async def workspace(self, principal: str, named: str | None = None) -> Workspace:
        """The principal's workspace of this server, or the one that was named.

        Raises:
            StoreError: the store cannot be opened.
            InvalidArgument: the name cannot be a workspace's.
        """
        await self.memory.ready()
        if named:
            return await self._open(principal, id_=_checked(named))
        if principal not in self._own:
            self._own[principal] = await self._open(principal, id_=self.place.workspace or None)
        return self._own[principal]

    async def located(self, principal: str, named: str | None) -> Workspace:
        """The workspace that a URI means: the server's own, or the one it names.

        Raises:
            WorkspaceNotFound: the principal has none of that name.
        """
        own = await self.workspace(principal)
        if named is None or named == own.id:
            return own
        for workspace in await self.memory.store.workspaces(principal):
            if workspace.id == named:
                return workspace
        message = f"no workspace {named[:60]!r}. Leave it out of the URI for the server's own"
        raise WorkspaceNotFound(message)

    async def call(
        self,
        context: Context[Any, Any],
        session_id: str | None,
        *,
        own_turn: bool = False,
        whole: bool = True,
    ) -> Call:
        """Resolve the session of a call and count it.

        Raises:
            SessionNotFound: no session was named where none can be assumed.
        """
        principal = principal_of(context)
        own = await self.workspace(principal)
        notes: list[str] = []
        if session_id:
            workspace = await self.home(principal, own, _one_session(session_id))
        else:
            workspace, session_id = own, self._assumed(context, notes)
        seat = await self.memory.seat(workspace, session_id, whole=whole)
        if seat.calls:
            notes.clear()
        self.memory.begin_call(seat, own_turn=own_turn)
        return Call(self.memory, workspace, seat, notes, self)

    async def home(self, principal: str, own: Workspace, session: str) -> Workspace:
        """The workspace that the session lives in; a new one is made in the server's own."""
        if self.memory.seated(own, session):
            return own
        if await self.memory.store.session(own, session) is not None:
            return own
        return await self.memory.store.workspace_of(principal, session) or own

    def _assumed(self, context: Context[Any, Any], notes: list[str]) -> str:
        """The session of a call that names none; it is always one of the server's own workspace."""
        hint = _hinted(context)
        if hint is not None:
            return hint
        if self.memory.settings.session:
            return check_handle(self.memory.settings.session)
        if context.request_context.request is not None:
            message = (
                "no session_id was given. Call session_start once and pass the session_id that it "
                "returns with every call"
            )
            raise SessionNotFound(message)
        notes.append(
            f"no session_id given: using the standing session {STANDING!r}. Call session_start "
            "for a conversation of its own"
        )
        return STANDING

    async def _open(self, principal: str, id_: str | None) -> Workspace:
        place = self.place
        return await self.memory.store.open_workspace(
            WorkspaceRequest(
                principal=principal,
                tokenizer=place.tokenizer,
                at=self.memory.now(),
                id=id_,
                name=place.name,
                fingerprint=None if id_ else place.fingerprint,
            )
        )


def _one_session(session_id: str) -> str:
    if session_id == LATEST:
        message = (
            f"{LATEST!r} is understood by session_start alone. Call it, and pass the session_id "
            "that it returns"
        )
        raise SessionNotFound(message)
    return check_handle(session_id)


def _hinted(context: Context[Any, Any]) -> str | None:
    """The host's own name of the conversation, as a handle: hashed where it cannot be one."""
    meta: Mapping[str, Any] = dict(context.request_context.meta or {})
    for key in META_KEYS:
        value = meta.get(key)
        if isinstance(value, str) and value.strip():
            name = clean(value.strip())
            return name if _HANDLE.fullmatch(name) else f"h_{_digest(name)}"
    return None


def _digest(name: str) -> str:
    return blake2b(name.encode(), digest_size=16).hexdigest()


def _checked(workspace: str) -> str:
    if not _WORKSPACE.fullmatch(workspace):
        message = (
            f"workspace {workspace[:60]!r}: use 1 to 64 letters, digits, '.', '_' or '-', a letter "
            "or digit first and last, or leave it out for this server's own"
        )
        raise InvalidArgument(message)
    return workspace
