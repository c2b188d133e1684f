"""Whether the index of a workspace is whole, as far as it can tell by itself."""

from __future__ import annotations

from dataclasses import dataclass

import apsw

from . import areas


@dataclass(frozen=True, slots=True)
class State:
    """How many documents there are, and what is wrong with the tables, in words."""

    documents: int
    complaints: tuple[str, ...]


def state(db: apsw.Connection, principal: int, workspace: int) -> State:
    """Look at the areas of a workspace; one that is not there has no documents."""
    found = [_state(db, area) for area in areas.of(db, principal, workspace)]
    complaints = (complaint for one in found for complaint in one.complaints)
    return State(sum(one.documents for one in found), tuple(complaints))


def _state(db: apsw.Connection, area: areas.Area) -> State:
    documents: int = db.execute(
        "SELECT count(*) FROM index_document WHERE area=?", (area.number,)
    ).get
    complaints = []
    for table in (area.table, "index_document"):
        try:
            found = [str(row[0]) for row in db.execute(f"PRAGMA quick_check({table})")]
        except apsw.Error as error:
            found = [str(error)]
        complaints += [complaint for complaint in found if complaint != "ok"]
    if documents != area.documents:
        complaints.append(f"it counts {area.documents:,} documents, and has {documents:,}")
    return State(documents, tuple(complaints))
