"""Which workspaces there are: a hash for each principal, on a slot of its own.

``PREFIX:{p:DIGEST}:workspaces`` holds id to JSON; ``PREFIX:principals`` is a sorted set of names.
A workspace gets a random tag when it is made, which names its slot and is never used again, so
that nothing that follows an earlier one can mistake it for that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from ...base.clock import Ids
from ...base.errors import WorkspaceNotFound
from ..contract import Workspace, WorkspaceRequest
from ..naming import free_id, slug
from .link import Link

_TAG_BITS = 60
_ATTEMPTS = 16  # when others make workspaces of the same name at the same moment


class Registry:
    """Finds and makes workspaces under a prefix."""

    def __init__(self, link: Link, prefix: str, ids: Ids) -> None:
        self._link = link
        self._prefix = prefix
        self._ids = ids

    async def open(self, wanted: WorkspaceRequest) -> tuple[Workspace, str]:
        """The workspace asked for, made when it is new, and the prefix of its keys.

        Raises:
            WorkspaceNotFound: ``create`` is False and there is none.
        """
        for _ in range(_ATTEMPTS):
            known = await self._known(wanted.principal)
            found = choose([workspace for workspace, _ in known], wanted)
            if found is not None:
                return next((place, tag) for place, tag in known if place is found)
            if not wanted.create:
                break
            made = await self._make(wanted, known)
            if made is not None:
                return made
        message = f"no workspace {wanted.id or wanted.name!r}. List them with `pagefault doctor`."
        raise WorkspaceNotFound(message)

    async def all(self, principal: str) -> list[tuple[Workspace, str]]:
        """A principal's workspaces, oldest first, each with the prefix of its keys."""
        return await self._known(principal)

    async def principals(self) -> list[str]:
        """Everybody who has a workspace, in the order of their first."""
        names = await self._link.command("ZRANGE", f"{self._prefix}:principals", 0, -1)
        return [name.decode() for name in names]

    async def ping(self) -> None:
        """Ask for next to nothing."""
        await self._link.command("ZCARD", f"{self._prefix}:principals")

    async def _known(self, principal: str) -> list[tuple[Workspace, str]]:
        answer = await self._link.command("HGETALL", self._key(principal))
        rows = [json.loads(text) for text in _values(answer)]
        rows.sort(key=lambda row: (row["number"], row["id"]))
        return [(_workspace(row, principal), self._place(row["tag"])) for row in rows]

    async def _make(
        self, wanted: WorkspaceRequest, known: Sequence[tuple[Workspace, str]]
    ) -> tuple[Workspace, str] | None:
        """The new workspace; None when its id was taken meanwhile."""
        name = wanted.id or wanted.name
        chosen = free_id(slug(name), {workspace.id for workspace, _ in known})
        tag = self._ids.handle(_TAG_BITS).removeprefix("s_")
        row = {
            "id": chosen,
            "name": name,
            "tag": tag,
            "fingerprint": wanted.fingerprint,
            "tokenizer": wanted.tokenizer,
            "created_at": wanted.at,
            "number": len(known) + 1,
        }
        place = self._place(tag)
        await self._link.command("HSET", f"{place}:head", "position", 0)
        people = await self._link.command("ZCARD", f"{self._prefix}:principals")
        await self._link.command(
            "ZADD", f"{self._prefix}:principals", "NX", people, wanted.principal
        )
        await self._link.command("HSETNX", self._key(wanted.principal), chosen, json.dumps(row))
        for workspace, its_place in await self._known(wanted.principal):
            if its_place == place:
                taken = None if chosen == slug(name) else name
                return replace(workspace, renamed_from=taken), place
        await self._link.command("UNLINK", f"{place}:head")
        return None

    def _key(self, principal: str) -> str:
        return f"{self._prefix}:{{p:{_digest(principal)}}}:workspaces"

    def _place(self, tag: str) -> str:
        return f"{self._prefix}:{{{tag}}}"


def choose(known: Sequence[Workspace], wanted: WorkspaceRequest) -> Workspace | None:
    """The workspace that is meant; a name's own spelling may differ from its id."""
    if wanted.fingerprint is not None and not wanted.id:
        same = [place for place in known if place.fingerprint == wanted.fingerprint]
    else:
        name = wanted.id or wanted.name
        same = [place for place in known if place.id == name]
        same += [place for place in known if place.name == name]
    return same[0] if same else None


def _workspace(row: Mapping[str, Any], principal: str) -> Workspace:
    return Workspace(
        key=_number(row["tag"]),
        owner=_number(principal),
        id=row["id"],
        name=row["name"],
        principal=principal,
        tokenizer=row["tokenizer"],
        fingerprint=row["fingerprint"],
        created_at=row["created_at"],
    )


def _values(answer: Any) -> list[bytes]:  # noqa: ANN401 - a mapping, or a list of pairs
    return list(answer.values()) if isinstance(answer, dict) else list(answer[1::2])


def _digest(name: str) -> str:
    return blake2b(name.encode(), digest_size=12).hexdigest()


def _number(name: str) -> int:
    """A number that stands for a name: 56 bits of its digest, so that SQLite can hold it."""
    return int.from_bytes(blake2b(name.encode(), digest_size=7).digest())
