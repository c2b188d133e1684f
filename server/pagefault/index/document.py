"""What goes into the index, what is asked of it, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """One version of a page. The text itself stays in the store, under `content`.

    `session` is the branch that the version was written on, or that went back to it, `created_at`
    the time of the message itself (Unix seconds), `importance` a share from 0 to 1, `position` the
    place in the log, which only ever grows. `archived`: whether the page is, with all its versions.
    """

    workspace: int
    session: int
    page_id: str
    version: int
    content: int
    page_type: str
    modality: str
    role: str | None
    name: str | None
    hint: str | None
    created_at: float | None
    importance: float
    position: int
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """A question in any words at all, and where to look for the answer.

    `session` is the branch that asks, `ancestors` those of which it is a fork, the nearest first,
    each with the last log position that counts of it. A page is read at the latest version of the
    nearest of these branches that has one, else at its home's; and their pages are preferred
    between near equals. With `scope` "session" nothing else is searched, with
    "workspace" all of it. `page_types` empty means every type; `since` and `until` (Unix seconds,
    both included) leave out pages whose own time is unknown.
    """

    query: str
    workspace: int
    session: int | None = None
    ancestors: tuple[tuple[int, int], ...] = ()
    scope: str = "workspace"
    page_types: tuple[str, ...] = ()
    modality: str | None = None
    role: str | None = None
    since: float | None = None
    until: float | None = None
    limit: int = 10
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Hit:
    """A page that answers, with what a result row shows of it. A larger score is a better one."""

    page_id: str
    version: int
    content: int
    session: int
    score: float
    page_type: str
    modality: str
    role: str | None
    name: str | None
    hint: str | None
    created_at: float | None
    importance: float
    position: int
