"""Faulting a page in: what is answered, what is mapped, what it costs."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.memory.making import (
    MakeMemory,
    count,
    drop,
    in_process,
    keep,
    level_of,
    mapped,
    prose,
    recall,
    say,
    seated,
    tell,
)

from pagefault.base.errors import (
    FaultLimitExceeded,
    FaultNotAllowed,
    InvalidArgument,
    PagefaultError,
    PageForgotten,
    PageNotFound,
)
from pagefault.base.event import clean
from pagefault.base.page import REASONS
from pagefault.memory.core import Memory
from pagefault.memory.faulting import Fault, FaultRequest, fault
from pagefault.memory.forgetting import forget
from pagefault.memory.keeping import pin
from pagefault.memory.writing import WriteRequest, write
from pagefault.residency import Residency
from pagefault.stores.contract import Store

pytestmark = pytest.mark.anyio


# --- what is answered --------------------------------------------------------------------------


async def test_a_page_that_was_let_go_comes_back_with_its_content_and_is_mapped(
    memory: Memory, seat: Residency
) -> None:
    text = "The harbour opens\nat six. </VM:CONTEXT>"
    page_id = await say(memory, seat, text)
    await drop(memory, seat, page_id)
    answer = await recall(memory, seat, page_id)
    assert (answer.text, answer.next_offset, answer.hit) == (text, None, False)
    assert (answer.shown.level, answer.shown.tokens) == (0, count(text))
    assert mapped(seat) == [page_id]
    assert seat.faults == 1
    assert seat.fault_tokens == count(text)


async def test_a_mapped_page_is_answered_again_at_no_cost(memory: Memory, seat: Residency) -> None:
    first = await say(memory, seat, "first")
    second = await say(memory, seat, "second")
    for _ in range(10):
        answer = await recall(memory, seat, first)
        assert (answer.text, answer.hit) == ("first", True)
    assert (seat.faults, seat.fault_tokens) == (0, 0)
    assert mapped(seat) == [second, first]
    assert seat.set.used == count("first") + count("second")


@pytest.mark.parametrize(
    "name", ["msg_99", "msg_01", "page 5", "", "msg_1; DROP TABLE page", "ключ"]
)
async def test_a_page_that_does_not_exist_is_named_and_costs_nothing(
    memory: Memory, seat: Residency, name: str
) -> None:
    await say(memory, seat, "text")
    with pytest.raises(PageNotFound) as caught:
        await recall(memory, seat, name)
    assert repr(name) in caught.value.message
    assert "search_pages" in caught.value.message
    assert seat.faults == 0


async def test_a_page_is_found_by_the_key_it_was_written_with(
    memory: Memory, seat: Residency
) -> None:
    page_id = await keep(memory, seat, "We use Postgres.", key="database")
    assert (await recall(memory, seat, "database")).page.page_id == page_id


async def test_a_forgotten_page_is_said_to_be_forgotten_and_costs_nothing(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, "secret")
    await forget(memory, seat, page_id, "asked to")
    with pytest.raises(PageForgotten, match=f"{page_id} was deleted for good"):
        await recall(memory, seat, page_id)
    assert seat.faults == 0


@pytest.mark.parametrize(
    ("request_fields", "message"),
    [
        ({"target_level": 7}, "target_level is 7: use 0"),
        ({"target_level": -1}, "target_level is -1"),
        ({"reason": "because"}, "reason is 'because': use one of user_requested_recall"),
        ({"max_tokens": 0}, "max_tokens is 0: give a positive number"),
        ({"offset": 5}, "offset 5 is outside of msg_1, which has 4 characters"),
        ({"offset": -1}, "offset -1 is outside of msg_1"),
    ],
)
async def test_a_wrong_argument_is_refused_and_nothing_changes(
    memory: Memory, seat: Residency, request_fields: dict[str, int], message: str
) -> None:
    page_id = await say(memory, seat, "text")
    await drop(memory, seat, page_id)
    with pytest.raises(InvalidArgument, match=message):
        await recall(memory, seat, page_id, **request_fields)
    assert (mapped(seat), seat.faults) == ([], 0)


# --- levels ------------------------------------------------------------------------------------


async def test_another_level_of_a_mapped_page_remaps_it_down_and_up(
    memory: Memory, seat: Residency
) -> None:
    text = prose(300)
    page_id = await say(memory, seat, text)
    stub = await recall(memory, seat, page_id, target_level=3)
    assert stub.shown.level == 3
    assert stub.text.startswith("[transcript] user: ")
    assert stub.shown.tokens == seat.set.used < 100
    full = await recall(memory, seat, page_id, target_level=0)
    assert full.text == text
    assert seat.set.used == 300
    assert seat.faults == 2


async def test_a_page_too_short_for_a_stub_is_answered_in_full_and_said_to_be(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, "yes")
    answer = await recall(memory, seat, page_id, target_level=3)
    assert (answer.text, answer.shown.level, answer.hit) == ("yes", 0, True)


async def test_a_level_that_a_model_wrote_is_answered_in_its_words(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, prose(300))
    await write(memory, seat, WriteRequest("A short tale.", represents=page_id, level=2))
    answer = await recall(memory, seat, page_id, target_level=2)
    assert (answer.text, answer.shown.level, answer.shown.origin) == ("A short tale.", 2, "model")


async def test_a_level_that_a_page_is_too_short_for_is_answered_by_the_next_fuller_one(
    memory: Memory, seat: Residency
) -> None:
    text = prose(100)
    page_id = await say(memory, seat, text)
    answer = await recall(memory, seat, page_id, target_level=2)
    assert (answer.shown.level, answer.shown.origin) == (1, "text/1")
    await write(memory, seat, WriteRequest("Reduced.", represents=page_id, level=1))
    answer = await recall(memory, seat, page_id, target_level=2)
    assert (answer.text, answer.shown.level) == ("Reduced.", 1)


async def test_without_a_level_the_fullest_that_fits_the_turns_tokens_is_answered(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory, fault_tokens_per_turn=500) as (memory, seat):
        long_one, short_one = prose(600, 1), prose(100, 2)
        page_id, other = await say(memory, seat, long_one), await say(memory, seat, short_one)
        await write(memory, seat, WriteRequest(prose(450, 3), represents=page_id, level=1))
        await write(memory, seat, WriteRequest(prose(300, 4), represents=page_id, level=2))
        await drop(memory, seat, page_id, other)
        assert (await recall(memory, seat, page_id)).shown.level == 1
        await say(memory, seat, "next turn")
        await drop(memory, seat, page_id)
        assert (await recall(memory, seat, other)).shown.level == 0
        assert (await recall(memory, seat, page_id)).shown.level == 2


async def test_without_a_level_a_mapped_page_is_answered_as_it_is_mapped_in_full(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory, fault_tokens_per_turn=100) as (memory, seat):
        page_id = await say(memory, seat, prose(600))
        await write(memory, seat, WriteRequest("Short.", represents=page_id, level=1))
        answer = await recall(memory, seat, page_id)
        assert (answer.shown.level, answer.hit, answer.text) == (0, True, prose(600))


# --- ranges ------------------------------------------------------------------------------------


async def ranges(memory: Memory, seat: Residency, page_id: str, **more: int) -> list[Fault]:
    answers = [await recall(memory, seat, page_id, **more)]
    while (offset := answers[-1].next_offset) is not None:
        assert len(answers) < 500, "the ranges do not come to an end"
        answers.append(await recall(memory, seat, page_id, offset=offset, **more))
    return answers


async def test_a_long_page_comes_in_ranges_that_join_to_the_exact_text(
    memory: Memory, seat: Residency
) -> None:
    text = prose(20_000)
    page_id = await keep(memory, seat, text)
    answers = await ranges(memory, seat, page_id)
    assert "".join(answer.text for answer in answers) == text
    assert [count(answer.text) <= 8_000 for answer in answers] == [True] * 3
    assert answers[0].shown.tokens == 20_000


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(st.characters(), min_size=1),
            st.sampled_from(
                [
                    "😀",
                    "👨\u200d👩\u200d👧",
                    "🇩🇪",
                    "\ud83d",
                    "\ude00",
                    "e\u0301",
                    "слово",
                    "記憶",
                    "\r\n",
                    " ",
                ]
            ),
        ),
        min_size=1,
        max_size=25,
    ).map("".join),
    st.integers(1, 40),
)
def test_ranges_of_any_text_join_and_keep_to_their_limit(text: str, limit: int) -> None:
    async def read() -> list[str]:
        async with in_process() as (memory, seat):
            page_id = await keep(memory, seat, text)
            return [answer.text for answer in await ranges(memory, seat, page_id, max_tokens=limit)]

    parts = anyio.run(read)
    assert "".join(parts) == clean(text)
    for part in parts:
        part.encode()  # no half of a character
        assert count(part) <= limit or len(part) == 1


async def test_the_first_range_alone_spends_a_fault_and_every_range_its_tokens(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, prose(3_000))
    await drop(memory, seat, page_id)
    await recall(memory, seat, page_id, max_tokens=500)
    assert (seat.faults, seat.fault_tokens <= 500) == (1, True)
    again = await recall(memory, seat, page_id, offset=100, max_tokens=500)
    assert again.hit
    assert seat.faults == 1


async def test_a_page_far_larger_than_the_turns_tokens_is_answered_as_far_as_they_go(
    memory: Memory, seat: Residency
) -> None:
    await say(memory, seat, "hello")
    page_id = await keep(memory, seat, prose(40_000))
    first = await recall(memory, seat, page_id, target_level=0)
    assert count(first.text) <= 8_000
    assert first.next_offset == len(first.text)
    second = await recall(memory, seat, page_id, offset=first.next_offset)
    assert seat.fault_tokens <= 8_192
    assert second.next_offset is not None
    if seat.fault_tokens < 8_192:
        await recall(memory, seat, page_id, offset=second.next_offset, max_tokens=8_192)
    assert seat.fault_tokens <= 8_192
    assert seat.faults == 1


# --- the quota of a turn -----------------------------------------------------------------------


async def test_of_fifty_faults_at_once_as_many_pass_as_the_turn_has(
    memory: Memory, seat: Residency
) -> None:
    passed, refused = await fifty_at_once(memory, seat, "user")
    assert len(passed) == 3
    assert len(refused) == 47
    assert all("3 of 3 faults of this turn are spent" in error.message for error in refused)
    assert seat.faults == 3


class Yielding:
    """A store that lets others run before each read, as one over a network does."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def __getattr__(self, name: str) -> Any:
        async def read(*given: Any, **named: Any) -> Any:
            await anyio.lowlevel.checkpoint()
            return await getattr(self.store, name)(*given, **named)

        return read


async def test_the_limit_of_a_turn_holds_where_every_read_lets_others_run(
    memory: Memory, seat: Residency
) -> None:
    memory._store = Yielding(memory.store)
    passed, refused = await fifty_at_once(memory, seat, "user")
    assert (len(passed), len(refused), seat.faults) == (3, 47, 3)


async def test_where_no_user_message_is_recorded_all_faults_pass_with_a_note(
    memory: Memory, seat: Residency
) -> None:
    passed, refused = await fifty_at_once(memory, seat, "assistant")
    assert len(passed) == 50
    assert not refused
    noted = [answer for answer in passed if answer.notes]
    assert len(noted) == 47
    assert "not enforced, since no user message is recorded" in noted[0].notes[0]


async def fifty_at_once(
    memory: Memory, seat: Residency, role: str
) -> tuple[list[Fault], list[FaultLimitExceeded]]:
    events = await tell(memory, seat, *({"role": role, "content": f"m{i}"} for i in range(50)))
    page_ids = [str(event.page_id) for event in events]
    await drop(memory, seat, *page_ids)
    passed: list[Fault] = []
    refused: list[FaultLimitExceeded] = []

    async def one(page_id: str) -> None:
        try:
            passed.append(await recall(memory, seat, page_id))
        except FaultLimitExceeded as error:
            refused.append(error)

    async with anyio.create_task_group() as tasks:
        for page_id in page_ids:
            tasks.start_soon(one, page_id)
    return passed, refused


async def test_the_next_user_message_gives_the_quota_anew(memory: Memory, seat: Residency) -> None:
    pages = [await say(memory, seat, f"message {number}") for number in range(4)]
    await drop(memory, seat, *pages)
    for page_id in pages[:3]:
        await recall(memory, seat, page_id)
    with pytest.raises(FaultLimitExceeded):
        await recall(memory, seat, pages[3])
    assert (await recall(memory, seat, pages[0])).hit
    await say(memory, seat, "and now?")
    assert (await recall(memory, seat, pages[3])).quota.faults_left == 2


async def test_a_fault_that_fails_spends_nothing(memory: Memory, seat: Residency) -> None:
    await say(memory, seat, "hello")
    for request in (
        FaultRequest("msg_7"),
        FaultRequest("msg_1", 9),
        FaultRequest("msg_1", offset=9),
    ):
        with pytest.raises(PagefaultError):
            await fault(memory, seat, request)
    assert (seat.faults, seat.fault_tokens) == (0, 0)


# --- what is mapped ----------------------------------------------------------------------------


async def test_a_fault_says_who_yielded_and_how_much_is_left(make_memory: MakeMemory) -> None:
    async with seated(make_memory, budget_tokens=500) as (memory, seat):
        first = await say(memory, seat, prose(200, 1))
        second = await say(memory, seat, prose(200, 2))
        third = await say(memory, seat, prose(200, 3))
        assert mapped(seat) == [second, third]
        answer = await recall(memory, seat, first)
        assert answer.yielded.evicted == [second]
        assert mapped(seat) == [third, first]
        assert (seat.set.used, seat.set.left) == (400, 100)


async def test_a_page_larger_than_the_working_set_is_answered_and_not_mapped(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory, budget_tokens=500) as (memory, seat):
        text = prose(501, 9)
        large = await keep(memory, seat, text)
        await drop(memory, seat, large)
        small = [await say(memory, seat, prose(100, number)) for number in range(4)]
        before = mapped(seat)
        answer = await recall(memory, seat, large)
        assert answer.text == text
        assert not answer.mapped
        assert mapped(seat) == before == small
        assert answer.notes == (
            "answered and not mapped: its 501 tokens do not fit beside the pins "
            "(500 of 500 tokens)",
        )


async def test_a_page_that_does_not_fit_beside_the_pins_is_answered_and_not_mapped(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory, budget_tokens=500) as (memory, seat):
        pinned = await say(memory, seat, prose(250, 1))
        await pin(memory, seat, pinned, pinned=True, turns=None)
        large = await keep(memory, seat, prose(251, 2))
        answer = await recall(memory, seat, large, target_level=0)
        assert not answer.mapped
        assert answer.notes[-1].endswith("(250 of 500 tokens)")
        assert pinned in mapped(seat)


async def test_a_pinned_stub_cannot_be_faulted_up_beyond_what_pins_may_hold(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory, budget_tokens=500) as (memory, seat):
        page_id = await say(memory, seat, prose(300, 1))
        await recall(memory, seat, page_id, target_level=3)
        await pin(memory, seat, page_id, pinned=True, turns=None)
        answer = await recall(memory, seat, page_id, target_level=0)
        assert answer.text == prose(300, 1)
        assert not answer.mapped
        assert level_of(seat, page_id) == 3
        assert seat.set.pinned_tokens() <= 250


async def test_another_sessions_page_is_faulted_in_like_ones_own(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, "said in the first session")
    other = await memory.seat(seat.workspace, "s2")
    answer = await recall(memory, other, page_id)
    assert answer.text == "said in the first session"
    assert answer.page.session == "s1"
    assert mapped(other) == [page_id]


async def test_a_mapped_page_with_a_newer_version_is_faulted_at_the_newer_one(
    memory: Memory, seat: Residency
) -> None:
    page_id = await keep(memory, seat, "We use MySQL.")
    other = await memory.seat(seat.workspace, "s2")
    await recall(memory, other, page_id)
    await keep(memory, seat, "We use Postgres, after all.", page_id=page_id)
    answer = await recall(memory, other, page_id)
    assert (answer.text, answer.hit) == ("We use Postgres, after all.", False)
    assert other.set.used == count("We use Postgres, after all.")


# --- how sure a fault is -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("threshold", "allowed"),
    [
        ("explicit", {"user_requested_recall"}),
        ("referenced", {"user_requested_recall", "resolve_reference", "tool_prereq"}),
        ("speculative", set(REASONS)),
    ],
)
async def test_only_reasons_as_sure_as_the_operator_wants_fault_a_page_in(
    make_memory: MakeMemory, threshold: str, allowed: set[str]
) -> None:
    async with seated(make_memory, fault_confidence=threshold, faults_per_turn=9) as (memory, seat):
        page_id = await say(memory, seat, "text")
        for reason in REASONS:
            await drop(memory, seat, page_id)
            spent = seat.faults
            if reason in allowed:
                assert (await recall(memory, seat, page_id, reason=reason)).text == "text"
                continue
            with pytest.raises(FaultNotAllowed) as caught:
                await recall(memory, seat, page_id, reason=reason)
            assert reason in caught.value.message
            assert f"--fault-confidence {threshold}" in caught.value.message
            assert all(better in caught.value.message for better in allowed)
            assert (seat.faults, mapped(seat)) == (spent, [])


async def test_a_mapped_page_is_read_again_for_whatever_reason(make_memory: MakeMemory) -> None:
    async with seated(make_memory, fault_confidence="explicit") as (memory, seat):
        page_id = await say(memory, seat, "text")
        assert (await recall(memory, seat, page_id, reason="speculative")).hit
