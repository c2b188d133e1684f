"""Levels of pages in a store: computed when first needed, kept, and giving way to a model's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import anyio
import pytest
from tests.memory.making import (
    MakeMemory,
    count,
    drop,
    in_process,
    keep,
    level_of,
    mapped,
    page_of,
    prose,
    recall,
    say,
    seated,
)

from pagefault.base.errors import StoreReadOnly
from pagefault.base.log import Represented
from pagefault.base.page import Page
from pagefault.memory.core import Memory
from pagefault.memory.forgetting import forget
from pagefault.memory.levels import at_level, fullest
from pagefault.memory.writing import WriteRequest, write
from pagefault.paging.levels import Compressor
from pagefault.residency import Residency
from pagefault.stores.contract import Applied, Commit, Conflict, Store

pytestmark = pytest.mark.anyio

SENTENCES = " ".join(
    f"In room {number} stands the {colour} {thing} that Boris brought from {place}."
    for number, (colour, thing, place) in enumerate(
        [
            ("red", "table", "Uppsala"),
            ("blue", "lantern", "Kazan"),
            ("grey", "engine", "Porto"),
            ("white", "ladder", "Cork"),
            ("black", "mirror", "Turin"),
            ("green", "kettle", "Lima"),
            ("brown", "drum", "Osaka"),
            ("pink", "clock", "Split"),
            ("gold", "vase", "Accra"),
            ("teal", "boat", "Quito"),
            ("old", "violin", "Bergen"),
            ("new", "carpet", "Tabriz"),
            ("round", "window", "Basel"),
            ("long", "shelf", "Tartu"),
            ("heavy", "anchor", "Cadiz"),
            ("small", "piano", "Graz"),
            ("broken", "radio", "Minsk"),
            ("tall", "lamp", "Hanoi"),
            ("wooden", "horse", "Sofia"),
            ("silver", "spoon", "Perth"),
        ]
    )
)


class Between:
    """A store that does something else before each commit of a computed level, or refuses it."""

    def __init__(self, store: Store, first: Callable[[], Awaitable[None]]) -> None:
        self._store = store
        self._first = first

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def apply(self, commit: Commit) -> Applied | Conflict:
        computed = [o for o in commit.operations if isinstance(o, Represented)]
        if computed and computed[0].origin != "model":
            await self._first()
        return await self._store.apply(commit)


async def kept(memory: Memory, seat: Residency, page_id: str) -> dict[int, tuple[str, int]]:
    """Level to origin and tokens of what is kept beside level 0."""
    page = await page_of(memory, seat, page_id)
    found = await memory.store.representations(seat.workspace, page_id, page.version)
    return {level: (origin, tokens) for level, (origin, _, tokens) in found.items()}


async def model_writes(
    memory: Memory, seat: Residency, page_id: str, level: int, text: str
) -> None:
    await write(memory, seat, WriteRequest(text, represents=page_id, level=level))


async def sizes(memory: Memory, seat: Residency, page: Page) -> list[tuple[int, int]]:
    """Level and tokens of what is shown for each wanted level."""
    shown = [await at_level(memory, seat.workspace, page, level) for level in range(4)]
    return [(one.level, one.tokens) for one in shown]


async def test_every_level_of_a_page_is_smaller_than_the_one_above_and_level_0_is_the_page(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, SENTENCES)
    page = await page_of(memory, seat, page_id)
    shown = [await at_level(memory, seat.workspace, page, level) for level in (0, 1, 2, 3)]
    assert [one.level for one in shown] == [0, 1, 2, 3]
    tokens = [one.tokens for one in shown]
    assert tokens == sorted(set(tokens), reverse=True)
    assert [count(one.text) for one in shown] == tokens
    again = await recall(memory, seat, page_id, target_level=0)
    assert again.text == shown[0].text == SENTENCES


async def test_a_level_is_computed_once_and_kept(memory: Memory, seat: Residency) -> None:
    page_id = await say(memory, seat, SENTENCES)
    assert await kept(memory, seat, page_id) == {}
    first = await recall(memory, seat, page_id, target_level=2)
    assert await kept(memory, seat, page_id) == {2: ("text/1", first.shown.tokens)}
    position = (await memory.store.totals(seat.workspace))["lines"]
    page = await page_of(memory, seat, page_id)
    assert (await at_level(memory, seat.workspace, page, 2)).text == first.text
    assert (await memory.store.totals(seat.workspace))["lines"] == position


async def test_a_kept_level_stays_word_for_word_when_the_session_has_gone_on(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, SENTENCES)
    first = await recall(memory, seat, page_id, target_level=3)
    for _ in range(3):
        await say(memory, seat, SENTENCES)
    assert (await recall(memory, seat, page_id, target_level=3)).text == first.text


async def test_keeping_a_level_makes_no_session_the_latest(
    memory: Memory, seat: Residency, clock: Any
) -> None:
    page_id = await say(memory, seat, SENTENCES)
    clock.advance(60)
    other = await memory.seat(seat.workspace, "s2")
    await say(memory, other, "hello")
    clock.advance(60)
    page = await page_of(memory, seat, page_id)
    await at_level(memory, seat.workspace, page, 1)
    assert (await memory.store.sessions(seat.workspace, 1))[0].id == "s2"


async def test_recording_what_fits_computes_no_level(memory: Memory, seat: Residency) -> None:
    page_id = await say(memory, seat, prose(5_000))
    assert await kept(memory, seat, page_id) == {}


async def test_a_stub_is_told_apart_from_the_other_pages_of_its_session(
    memory: Memory, seat: Residency
) -> None:
    for _ in range(3):
        await say(memory, seat, f"{prose(150, 4)} and the Kestrel flies")
    text = f"{prose(150, 4)} and the Kestrel flies to Uppsala with AX-4410"
    page_id = await say(memory, seat, text)
    words = (await recall(memory, seat, page_id, target_level=3)).text.split()
    assert {"Uppsala", "AX-4410"} <= set(words)
    assert "Kestrel" not in words


@pytest.mark.parametrize("level", [1, 2, 3])
async def test_a_models_own_words_take_the_place_of_computed_ones(
    memory: Memory, seat: Residency, level: int
) -> None:
    page_id = await say(memory, seat, SENTENCES)
    assert len(await sizes(memory, seat, await page_of(memory, seat, page_id))) == 4
    await model_writes(memory, seat, page_id, level, "Rooms and things.")
    answer = await recall(memory, seat, page_id, target_level=level)
    assert (answer.text, answer.shown.origin) == ("Rooms and things.", "model")


@pytest.mark.parametrize(
    ("level", "tokens"), [(1, 20), (1, 200), (2, 8), (2, 200), (3, 1), (3, 100), (3, 200)]
)
async def test_computed_levels_are_made_to_fit_a_models_longer_or_shorter_words(
    memory: Memory, seat: Residency, level: int, tokens: int
) -> None:
    page_id = await say(memory, seat, SENTENCES)
    page = await page_of(memory, seat, page_id)
    before = await sizes(memory, seat, page)
    await model_writes(memory, seat, page_id, level, prose(tokens))
    page = await page_of(memory, seat, page_id)
    after = await sizes(memory, seat, page)
    assert dict(after)[level] == tokens
    shown = [size for _, size in dict.fromkeys(after)]
    assert shown == sorted(set(shown), reverse=True)
    assert all(got <= wanted for wanted, (got, _) in enumerate(after))
    assert before[0] == after[0]


async def test_a_models_words_that_come_while_a_level_is_computed_are_not_overwritten(
    memory: Memory, seat: Residency, monkeypatch: pytest.MonkeyPatch
) -> None:
    page_id = await say(memory, seat, SENTENCES)
    page = await page_of(memory, seat, page_id)
    recent_pages = memory.store.recent_pages

    async def first_the_model(*arguments: Any) -> Any:
        monkeypatch.undo()
        await model_writes(memory, seat, page_id, 3, "Rooms and things.")
        return await recent_pages(*arguments)

    monkeypatch.setattr(memory.store, "recent_pages", first_the_model)  # what a stub asks for
    shown = await at_level(memory, seat.workspace, page, 3)
    assert (shown.text, shown.origin) == ("Rooms and things.", "model")
    assert (await kept(memory, seat, page_id))[3][0] == "model"


async def test_where_nothing_can_be_written_levels_are_shown_all_the_same(
    memory: Memory, seat: Residency, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse() -> None:
        message = "this store may not be written"
        raise StoreReadOnly(message)

    page_id = await say(memory, seat, SENTENCES)
    page = await page_of(memory, seat, page_id)
    monkeypatch.setattr(memory, "_store", Between(memory.store, refuse))
    shown = [await at_level(memory, seat.workspace, page, level) for level in (1, 2, 3)]
    assert [one.level for one in shown] == [1, 2, 3]
    assert await kept(memory, seat, page_id) == {}


async def test_a_page_forgotten_while_its_level_is_computed_stays_forgotten(
    memory: Memory, seat: Residency, monkeypatch: pytest.MonkeyPatch
) -> None:
    page_id = await say(memory, seat, SENTENCES)
    page = await page_of(memory, seat, page_id)

    async def forget_it() -> None:
        await forget(memory, seat, page_id, "a mistake")

    monkeypatch.setattr(memory, "_store", Between(memory.store, forget_it))
    await at_level(memory, seat.workspace, page, 1)
    assert await memory.store.representations(seat.workspace, page_id, 1) == {}


async def test_one_level_asked_for_by_many_at_once_is_one_level(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, SENTENCES * 100)
    page = await page_of(memory, seat, page_id)
    texts: list[str] = []

    async def ask() -> None:
        texts.append((await at_level(memory, seat.workspace, page, 1)).text)

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(ask)
    assert len(texts) == 8
    assert set(texts) == {(await recall(memory, seat, page_id, target_level=1)).text}


async def test_a_level_of_an_older_compressor_is_made_anew() -> None:
    async with in_process() as (memory, seat):
        page_id = await say(memory, seat, SENTENCES)
        own = Compressor("own/1", lambda source, target: "By the old one.")
        memory.tools = replace(memory.tools, compressors=(own,))
        assert (await recall(memory, seat, page_id, target_level=1)).text == "By the old one."
        newer = Compressor("own/2", lambda source, target: "By the new one, at last.")
        memory.tools = replace(memory.tools, compressors=(newer,))
        answer = await recall(memory, seat, page_id, target_level=1)
        assert (answer.text, answer.shown.origin) == ("By the new one, at last.", "own/2")
        assert (await kept(memory, seat, page_id))[1][0] == "own/2"


async def test_the_fullest_level_of_at_most_so_many_tokens(memory: Memory, seat: Residency) -> None:
    page_id = await say(memory, seat, SENTENCES)
    page = await page_of(memory, seat, page_id)
    levels = await sizes(memory, seat, page)
    for level, tokens in levels:
        found = await fullest(memory, seat.workspace, page, tokens)
        assert found is not None
        assert (found.level, found.tokens) == (level, tokens)
        less = await fullest(memory, seat.workspace, page, tokens - 1)
        assert less is None or less.level > level
    assert await fullest(memory, seat.workspace, page, levels[-1][1] - 1) is None


async def test_a_fault_without_a_level_gives_the_fullest_that_the_turn_has_tokens_for(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory, fault_tokens_per_turn=200) as (memory, seat):
        page_id = await say(memory, seat, SENTENCES)
        await drop(memory, seat, page_id)
        answer = await recall(memory, seat, page_id)
        assert (answer.shown.level, answer.next_offset) == (1, None)
        await drop(memory, seat, page_id)
        assert (await recall(memory, seat, page_id)).shown.level == 2


async def test_a_level_that_nobody_asked_for_is_never_cut(make_memory: MakeMemory) -> None:
    async with seated(make_memory, fault_tokens_per_turn=150) as (memory, seat):
        page_id = await say(memory, seat, SENTENCES)
        await drop(memory, seat, page_id)
        answer = await recall(memory, seat, page_id, max_tokens=60)
        assert (answer.shown.level, answer.next_offset) == (2, None)


async def test_a_page_too_large_for_the_working_set_is_mapped_at_the_fullest_level_that_fits(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory, budget_tokens=150) as (memory, seat):
        page_id = await keep(memory, seat, SENTENCES)
        assert count(SENTENCES) > 150
        assert (mapped(seat), level_of(seat, page_id)) == ([page_id], 1)
        assert seat.set.used == (await kept(memory, seat, page_id))[1][1]
