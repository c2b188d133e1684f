"""Time travel: where a session stood at a turn, and what changed between two."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from tests.memory.making import drop, in_process, keep, mapped, page_of, prose, recall, say
from tests.memory.test_snapshots import act, acts, forked, turn

from pagefault.base.errors import InvalidArgument
from pagefault.memory.core import Memory
from pagefault.memory.forgetting import forget
from pagefault.memory.keeping import pin, release
from pagefault.memory.snapshots import checkpoint, restore
from pagefault.memory.travel import at_position, at_turn, at_version, between
from pagefault.paging.past import Changes, Past, Place
from pagefault.residency import Residency

pytestmark = pytest.mark.anyio

Stand = tuple[dict[str, tuple[int, int | None, int]], dict[str, int | None]]


async def stand(memory: Memory, seat: Residency) -> Stand:
    """What the store says of the session's pages: version, level, tokens; and the pins of them."""
    await seat.flush(memory.now())
    residents = await memory.store.residents(seat.workspace, seat.row.id)
    there = [one for one in residents if one.level is not None]
    return (
        {one.page_id: (one.version, one.level, one.tokens) for one in there},
        {one.page_id: one.pinned_until for one in there if one.pinned},
    )


def stood(past: Past) -> Stand:
    there = past.mapped
    return (
        {page: (place.version, place.level, place.tokens) for page, place in there.items()},
        {page: until for page, until in past.pins.items() if page in there},
    )


async def test_a_turn_tells_what_was_mapped_when_it_ended(memory: Memory, seat: Residency) -> None:
    first = await say(memory, seat, "one")
    await drop(memory, seat, first)
    second = await say(memory, seat, "two")
    await recall(memory, seat, first)
    third = await say(memory, seat, "three")
    assert [set((await at_turn(memory, seat, n)).mapped) for n in range(4)] == [
        set(),
        set(),
        {first, second},
        {first, second, third},
    ]


async def test_the_present_turn_is_as_it_is_now(memory: Memory, seat: Residency) -> None:
    page = await say(memory, seat, prose(60))
    await release(memory, seat, [page], 3)
    past = await at_turn(memory, seat, 1)
    assert stood(past) == await stand(memory, seat)
    assert past.mapped[page].level == 3


async def test_a_turn_that_has_not_begun_has_nothing(memory: Memory, seat: Residency) -> None:
    await say(memory, seat, "one")
    assert (await at_turn(memory, seat, 2)).mapped == {}
    with pytest.raises(InvalidArgument, match="turn is -1"):
        await at_turn(memory, seat, -1)


async def test_a_position_tells_what_was_mapped_there(memory: Memory, seat: Residency) -> None:
    page = await keep(memory, seat, "one")
    await memory.flush()
    there = (await memory.store.totals(seat.workspace))["lines"]
    await drop(memory, seat, page)
    assert list((await at_position(memory, seat, there)).mapped) == [page]
    assert list((await at_position(memory, seat, there - 1)).mapped) == []
    assert list((await at_position(memory, seat, there + 1)).mapped) == []


async def test_a_page_that_was_forgotten_later_is_named_and_one_by_then_is_not(
    memory: Memory, seat: Residency
) -> None:
    other = await memory.seat(seat.workspace, "other")
    first, second = await keep(memory, seat, "one"), await keep(memory, seat, "two")
    turn(seat)
    await memory.flush()
    await forget(memory, other, first, "asked")
    turn(seat)
    await memory.flush()
    await forget(memory, seat, second, "asked")
    named = [set((await at_turn(memory, seat, n)).mapped) for n in range(3)]
    assert named == [{first, second}, {second}, set()]


async def test_a_forks_earlier_turns_are_its_parents(memory: Memory, seat: Residency) -> None:
    first = await say(memory, seat, "one")
    second = await say(memory, seat, "two")
    child = await forked(memory, seat)
    await drop(memory, seat, second)
    await drop(memory, child, first)
    third = await say(memory, child, "three")
    grandchild = await forked(memory, child)
    turns = [list((await at_turn(memory, grandchild, n)).mapped) for n in range(4)]
    assert turns == [[], [first], [second], [second, third]]
    assert list((await at_turn(memory, seat, 2)).mapped) == [first]


async def test_changes_between_two_turns_name_pages_levels_pins_and_versions(
    memory: Memory, seat: Residency
) -> None:
    kept = await keep(memory, seat, prose(60))
    gone = await keep(memory, seat, "gone")
    turn(seat)
    await drop(memory, seat, gone)
    await release(memory, seat, [kept], 3)
    new = await keep(memory, seat, "new")
    await pin(memory, seat, new, pinned=True, turns=None)
    await keep(memory, seat, "gone and back", page_id=gone)
    await drop(memory, seat, gone)
    changed = await between(memory, seat, 0, 1)
    assert list(changed.mapped) == [new]
    assert list(changed.released) == [gone]
    (before, after), *_ = changed.shown.values()
    assert (list(changed.shown), before.level, after.level) == ([kept], 0, 3)
    assert (changed.pinned, changed.unpinned, changed.written) == ((new,), (), {gone: 2})
    nothing = await between(memory, seat, 0, 0)
    assert nothing == Changes({}, {}, {}, (), (), {})
    with pytest.raises(InvalidArgument, match="since_turn 2 comes after turn 1"):
        await between(memory, seat, 2, 1)


async def test_a_page_comes_as_any_of_its_versions_had_it(memory: Memory, seat: Residency) -> None:
    page_id = await keep(memory, seat, "one", hint="first of all")
    await keep(memory, seat, {"two": 2}, page_id=page_id)
    page = await page_of(memory, seat, page_id)
    old = await at_version(memory, seat, page, 1)
    assert (old.version, old.modality, old.tokens) == (1, "text", 1)
    assert await memory.text(seat.workspace, old.content) == "one"
    assert await memory.hint(seat.workspace, old) == "first of all"
    assert await at_version(memory, seat, page, 2) is page


async def test_what_a_restore_did_is_in_the_turn_in_which_it_was_done(
    memory: Memory, seat: Residency
) -> None:
    page = await say(memory, seat, "one")
    await checkpoint(memory, seat, "a")
    turn(seat)
    await drop(memory, seat, page)
    turn(seat)
    await restore(memory, seat, "a")
    turns = [(await at_turn(memory, seat, n)).mapped for n in (1, 2, 3)]
    assert turns == [{page: Place(1, 0, 1)}, {}, {page: Place(1, 0, 1)}]
    assert mapped(seat) == [page]


several = settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])


@several
@given(history=acts)
async def test_the_log_up_to_any_turn_gives_what_the_store_said_then(
    history: list[tuple[str, int]],
) -> None:
    async with in_process(budget_tokens=200) as (memory, seat):
        said: dict[int, Stand] = {}
        for kind, number in [*history, ("turn", 0)]:
            said[seat.turn] = await stand(memory, seat)
            await act(memory, seat, kind, number)
        for asked in (seat, await forked(memory, seat)):
            for number, was in said.items():
                assert stood(await at_turn(memory, asked, number)) == was
