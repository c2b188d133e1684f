"""From an admission to the log lines that record it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..base.log import FaultedIn, Operation, PageAdded, Touched, Unarchived, VersionAdded
from ..base.page import Page
from ..paging.demotion import Step
from ..paging.resident import Mapped
from ..paging.working_set import Admission
from ..residency import Residency, yielded
from ..stores.contract import Applied


@dataclass(slots=True)
class Yielded:
    """Who had to yield: ids of pages that were let go, and steps of those shown as stubs."""

    evicted: list[str] = field(default_factory=list)
    demoted: list[Step] = field(default_factory=list)

    def add(self, admission: Admission) -> None:
        """Count in who yielded for one page."""
        self.evicted.extend(victim.page_id for victim in admission.evicted)
        self.demoted.extend(admission.demoted)

    def told(self, seat: Residency) -> Yielded:
        """The same, and before them those of whom no reply has told yet."""
        steps = seat.tell()
        return Yielded(
            [*(step.page.page_id for step in steps if step.level is None), *self.evicted],
            [*(step for step in steps if step.level is not None), *self.demoted],
        )


def placed(page: Page, level: int, tokens: int) -> Mapped:
    """The page as it would stand in a working set; the set adds turn and recency."""
    return Mapped(
        page_id=page.page_id,
        version=page.version,
        level=level,
        tokens=tokens,
        page_type=page.page_type,
        importance=page.importance,
        touched=0,
        turn=0,
        role=page.role,
        modality=page.modality,
        superseded=bool(page.superseded_by),
        archived=page.archived,
    )


def admit(seat: Residency, page: Mapped, reason: str) -> tuple[Admission, list[Operation]]:
    """Map a page in the session's set, and say what to log."""
    admission = seat.set.plan(page, faulted=reason != "recorded")
    seat.set.commit(admission)
    return admission, lines_of(seat, admission, page, reason)


def lines_of(seat: Residency, admission: Admission, page: Mapped, reason: str) -> list[Operation]:
    """What to log of an admission of a page: who yielded for it, and how it is mapped.

    An archived page that is mapped is one no longer.
    """
    steps = (*map(Step, admission.evicted), *admission.demoted)
    lines: list[Operation] = [yielded(seat.row.id, step, page.page_id) for step in steps]
    if admission.page is not None:
        if page.archived:
            lines.append(Unarchived(session=seat.row.id, page_id=page.page_id))
        lines.append(_line(seat, admission, admission.page, reason))
    return lines


def _line(seat: Residency, admission: Admission, page: Mapped, reason: str) -> Operation:
    if admission.touched:
        return Touched(session=seat.row.id, page_id=page.page_id)
    return FaultedIn(
        session=seat.row.id,
        page_id=page.page_id,
        version=page.version,
        level=page.level,
        tokens=page.tokens,
        reason=reason,
        protected_until=page.protected_until,
    )


def page_of(added: PageAdded, page_id: str) -> Page:
    """The page that was just added, as far as mapping needs it."""
    return Page(
        page_id=page_id,
        page_type=added.page_type,
        modality=added.modality,
        session=str(added.session),
        version=1,
        content=0,
        tokens=added.tokens,
        size=added.size,
        importance=added.importance,
        source=added.source,
        trust=added.trust,
        recorded_at=0.0,
        role=added.role,
        name=added.name,
        tool_name=added.tool_name,
        flagged=added.flagged,
    )


def revised(page: Page, added: VersionAdded, applied: Applied) -> Page:
    """The page as the version that was just added makes it."""
    return replace(
        page,
        version=applied.versions[page.page_id],
        modality=added.modality,
        content=applied.contents[0],
        tokens=added.tokens,
        size=added.size,
        importance=added.importance,
        source=added.source,
        trust=added.trust,
        blobs=applied.contents[1 : 1 + len(added.blobs)],
        flagged=added.flagged,
        levels={},
    )
