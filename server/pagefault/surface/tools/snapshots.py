"""The session group's snapshots: named points of a session, going back, going two ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ...base.clock import iso
from ..door import Call
from ..ranges import some
from ..tool import Spec

if TYPE_CHECKING:
    from ...memory.snapshots import Checkpoint, Restoration

_LISTED = 50  # checkpoints of one reply


async def session_snapshot(
    call: Call,
    action: Literal["checkpoint", "restore", "fork", "list"],
    name: str | None = None,
) -> dict[str, Any]:
    """Name this point, go back to a named one, fork, or list names. Call it before a change of
    course, and to undo one.
    """
    from ...memory.snapshots import checkpoint, checkpoints, fork, restore  # not at every start

    if action == "checkpoint":
        made = await checkpoint(call.memory, call.seat, name)
        return call.answer(**_point(call, made), durability=made.obtained)
    if action == "restore":
        return _restored(call, await restore(call.memory, call.seat, name))
    if action == "fork":
        copy = await fork(call.memory, call.seat, name)
        call.notes.append(f"to go on in the fork, pass session_id={copy.session!r}")
        return call.answer(
            fork=copy.session,
            title=copy.title,
            pages=copy.pages,
            tokens=copy.tokens,
            durability=copy.obtained,
        )
    return _listed(call, await checkpoints(call.memory, call.seat))


def _point(call: Call, point: Checkpoint) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": point.name,
        "when": iso(point.at),
        "turn": point.turn,
        "pages": point.pages,
        "tokens": point.tokens,
    }
    if point.automatic:
        shown["automatic"] = True
    if point.session != call.seat.row.id:
        shown["session_id"] = point.session
    return shown


def _restored(call: Call, done: Restoration) -> dict[str, Any]:
    if done.forgotten:
        call.notes.append(f"deleted since, and stay so: {_ids(done.forgotten)}")
    if done.left_out:
        call.notes.append(f"not mapped, the budget is smaller now: {_ids(done.left_out)}")
    call.notes.append(f"restore {done.undo!r} undoes this; versions written since are kept")
    return call.answer(
        name=done.checkpoint.name,
        turn=done.checkpoint.turn,
        pages=done.mapped,
        tokens=done.tokens,
        released=some(call, "released", done.released) or None,
        reverted=[
            {"page_id": page_id, "version": version}
            for page_id, version in list(done.reverted.items())[:_LISTED]
        ]
        or None,
        superseded=[
            {"page_id": page_id, "by": by}
            for page_id, by in list(done.superseded.items())[:_LISTED]
        ]
        or None,
        undo=done.undo,
        durability=done.obtained,
    )


def _listed(call: Call, points: list[Checkpoint]) -> dict[str, Any]:
    if len(points) > _LISTED:
        call.notes.append(f"the last {_LISTED} of {len(points):,} checkpoints")
    return call.answer(checkpoints=[_point(call, point) for point in points[: -_LISTED - 1 : -1]])


def _ids(page_ids: tuple[str, ...]) -> str:
    more = len(page_ids) - 20
    return ", ".join(page_ids[:20]) + (f" and {more:,} more" if more > 0 else "")


TOOLS = (
    Spec(
        session_snapshot,
        "Checkpoint, restore or fork",
        {"name": "string", "checkpoints": "array", "fork": "string"},
    ),
)
