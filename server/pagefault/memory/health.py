"""Whether what a workspace keeps fits together: store, index and residency, a bounded look at each.

It reads the latest sessions and pages, as much as a call may cost. `pagefault doctor` reads all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..base.errors import StoreDamaged
from ..base.page import Page
from ..index.document import Search
from ..stores.contract import Resident, Session, Workspace
from .core import Memory

OK, DEGRADED, DAMAGED = "ok", "degraded", "damaged"
_SESSIONS = 5  # the latest, whose residency is looked at
_PAGES = 20  # the latest of each, whose content is read
_ASKED = 3  # of them, those that the index is asked for

_FITS = "the next call of the session lets go of what does not fit"
_DERIVED = "it is derived: run `pagefault doctor --repair`, also while servers serve"
_CONTENT = "it is not derived: run `pagefault doctor`, which says how to get it back"


@dataclass(frozen=True, slots=True)
class Problem:
    """What does not fit: ``what`` is content, residency or index."""

    what: str
    where: str
    detail: str
    repair: str


@dataclass(frozen=True, slots=True)
class Health:
    """``status``: ok; degraded, when something derived is wrong; damaged, when content is lost.

    ``counts`` of the workspace; ``checked``: how much was looked at.
    """

    status: str
    counts: Mapping[str, int]
    checked: Mapping[str, int]
    problems: Sequence[Problem]


async def check(memory: Memory, workspace: Workspace) -> Health:
    """Look at a workspace.

    Raises:
        StoreError: the store cannot be asked at all.
    """
    counts = await memory.store.totals(workspace)
    sessions = await memory.store.sessions(workspace, _SESSIONS)
    problems: list[Problem] = []
    pages: dict[str, Page] = {}
    residents = 0
    for session in sessions:
        found = await memory.store.residents(workspace, session.id)
        residents += len(found)
        problems += await _residency(memory, workspace, session, found)
        latest = await memory.store.recent_pages(workspace, session.id, _PAGES)
        pages |= {page.page_id: page for page in latest[:_PAGES]}
    for page in pages.values():
        problems += await _content(memory, workspace, page)
    asked = 0 if counts["unindexed"] else _ASKED  # what is not indexed yet cannot be found yet
    for page in list(pages.values())[:asked]:
        problems += await _indexed(memory, workspace, page)
    checked = {"sessions": len(sessions), "mapped": residents, "pages": len(pages)}
    return Health(_status(problems), counts, checked, problems)


async def _residency(
    memory: Memory, workspace: Workspace, session: Session, residents: Sequence[Resident]
) -> list[Problem]:
    mapped = [resident for resident in residents if resident.level is not None]
    known = await memory.store.pages(
        workspace, [resident.page_id for resident in mapped], session.id
    )
    budget = session.budget or memory.settings.budget_tokens
    used = sum(resident.tokens for resident in mapped)
    problems = []
    if used > budget:
        detail = f"{used:,} tokens are mapped, the budget is {budget:,}"
        problems.append(Problem("residency", session.id, detail, _FITS))
    for resident in mapped:
        page = known.get(resident.page_id)
        problems += [
            Problem("residency", f"{session.id}: {resident.page_id}", detail, _DERIVED)
            for detail in _misfits(resident, page)
        ]
    return problems


def _misfits(resident: Resident, page: Page | None) -> Iterator[str]:
    if page is None:
        yield "it is mapped, and there is no such page"
    elif _is_whole(resident, page) and resident.tokens != page.tokens:
        yield f"it is mapped with {resident.tokens:,} tokens and has {page.tokens:,}"


def _is_whole(resident: Resident, page: Page) -> bool:
    return (resident.level, resident.version) == (0, page.version)


async def _content(memory: Memory, workspace: Workspace, page: Page) -> list[Problem]:
    try:
        await memory.store.content(workspace, page.content)
    except StoreDamaged as error:
        return [Problem("content", page.page_id, error.message, _CONTENT)]
    return []


async def _indexed(memory: Memory, workspace: Workspace, page: Page) -> list[Problem]:
    asked = Search(query=page.page_id, workspace=workspace.key, limit=5)
    found = await memory.store.search(workspace, page.session, asked)
    if found.backlog or any(hit.page_id == page.page_id for hit in found.hits):
        return []
    return [Problem("index", page.page_id, "a search for its id does not find it", _DERIVED)]


def _status(problems: Sequence[Problem]) -> str:
    if not problems:
        return OK
    return DAMAGED if any(problem.what == "content" for problem in problems) else DEGRADED
