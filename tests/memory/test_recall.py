"""Finding pages by their words."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import HandClock
from tests.memory.making import (
    MakeMemory,
    drop,
    in_process,
    keep,
    mapped,
    prose,
    say,
    seated,
    tell,
)

from pagefault.base.errors import InvalidArgument
from pagefault.memory.core import Memory
from pagefault.memory.recall import MOST, Results, SearchRequest, search
from pagefault.residency import Residency

pytestmark = pytest.mark.anyio


async def find(memory: Memory, seat: Residency, query: str, **filters: Any) -> list[str]:
    return ids(await search(memory, seat, SearchRequest(query, **filters)))


def ids(found: Results) -> list[str]:
    return [quoted.hit.page_id for quoted in found.results]


# --- what is found -----------------------------------------------------------------------------


async def test_what_was_just_recorded_is_found_at_once(memory: Memory, seat: Residency) -> None:
    await say(memory, seat, "We chose Postgres for the orders.")
    page_id = await say(memory, seat, "The harbour opens at six.")
    assert (await find(memory, seat, "when does the harbour open"))[0] == page_id


async def test_a_page_is_found_whether_mapped_or_not_and_finding_maps_nothing(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, "The harbour opens at six.")
    await drop(memory, seat, page_id)
    assert await find(memory, seat, "harbour") == [page_id]
    assert (mapped(seat), seat.faults) == ([], 0)


async def test_a_hint_and_a_speaker_are_found(memory: Memory, seat: Residency) -> None:
    by_hint = await keep(memory, seat, "42", hint="port of the metrics endpoint")
    by_name = await say(memory, seat, "Good morning.", name="Marguerite")
    assert await find(memory, seat, "metrics port") == [by_hint]
    assert await find(memory, seat, "Marguerite") == [by_name]


async def test_the_words_of_a_structured_page_are_found(memory: Memory, seat: Residency) -> None:
    page_id = await keep(memory, seat, {"city": "Reykjavik", "degrees": 4})
    assert await find(memory, seat, "reykjavik") == [page_id]


async def test_only_the_latest_version_is_found(memory: Memory, seat: Residency) -> None:
    page_id = await keep(memory, seat, "The database is MySQL.")
    await keep(memory, seat, "The database is Postgres.", page_id=page_id)
    assert await find(memory, seat, "MySQL") == []
    assert await find(memory, seat, "Postgres") == [page_id]


async def test_an_id_is_found_before_all_else(memory: Memory, seat: Residency) -> None:
    await say(memory, seat, "see claim_1, claim_1 and claim_1")
    page_id = await keep(memory, seat, "something else")
    assert (await find(memory, seat, "claim_1"))[0] == page_id


@pytest.mark.parametrize("query", ["", "   ", "?!", "\x00", "\ud800"])
async def test_a_query_without_a_word_finds_nothing(
    memory: Memory, seat: Residency, query: str
) -> None:
    await say(memory, seat, "text")
    assert await find(memory, seat, query) == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(st.characters()),
            st.sampled_from(
                [
                    '"',
                    "'",
                    "NEAR(",
                    "AND",
                    "OR NOT",
                    "*",
                    "col:",
                    "^",
                    "(",
                    ")",
                    "{",
                    "-",
                    "harbour",
                ]
            ),
        )
    ).map(" ".join)
)
def test_any_text_at_all_is_a_query(query: str) -> None:
    async def asked() -> Results:
        async with in_process() as (memory, seat):
            await say(memory, seat, "The harbour opens at six.")
            return await search(memory, seat, SearchRequest(query))

    assert ids(anyio.run(asked)) in ([], ["msg_1"])


# --- quotations --------------------------------------------------------------------------------


async def test_a_snippet_quotes_the_part_of_a_page_that_answers(
    memory: Memory, seat: Residency
) -> None:
    text = f"{prose(300, 1)}. The passphrase is xylophone. {prose(300, 2)}"
    await say(memory, seat, text)
    (quoted,) = (await search(memory, seat, SearchRequest("xylophone passphrase"))).results
    assert "The passphrase is xylophone." in quoted.snippet
    assert len(quoted.snippet) <= 300
    assert quoted.snippet.strip("…") in text
    assert quoted.session == "s1"


# --- filters -----------------------------------------------------------------------------------


async def test_a_type_and_a_modality_leave_out_the_rest(memory: Memory, seat: Residency) -> None:
    message = await say(memory, seat, "harbour of the message")
    claim = await keep(memory, seat, "harbour of the claim")
    table = await keep(memory, seat, {"harbour": "of the table"}, page_type="artifact")
    assert await find(memory, seat, "harbour", page_types=("claim",)) == [claim]
    assert set(await find(memory, seat, "harbour", page_types=("claim", "transcript"))) == {
        claim,
        message,
    }
    assert await find(memory, seat, "harbour", modality="structured") == [table]
    assert await find(memory, seat, "harbour", modality="audio") == []


async def test_the_scope_session_leaves_out_other_sessions(memory: Memory, seat: Residency) -> None:
    other = await memory.seat(seat.workspace, "s2")
    there = await say(memory, other, "The harbour opens at six.")
    here = await say(memory, seat, "The harbour opens at six.")
    assert await find(memory, seat, "harbour") == [here, there]
    assert await find(memory, seat, "harbour", scope="session") == [here]
    assert await find(memory, other, "harbour", scope="session") == [there]


async def test_a_session_that_was_never_written_to_finds_what_others_said(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, "The harbour opens at six.")
    new = await memory.seat(seat.workspace, "new")
    assert await find(memory, new, "harbour") == [page_id]
    assert await find(memory, new, "harbour", scope="session") == []


@pytest.mark.parametrize(
    ("filters", "days"),
    [
        ({"since": "2025-06-02"}, [2, 3]),
        ({"until": "2025-06-02"}, [1, 2]),
        ({"since": "2025-06-02", "until": "2025-06-02"}, [2]),
        ({"until": "2025-06-02T00:00:00Z"}, [1]),
        ({"since": "2025-06-03T15:00:00+03:00"}, [3]),
        ({"since": "2025-06-03T15:00:01+03:00"}, []),
        ({"since": "", "until": None}, [1, 2, 3]),
    ],
)
async def test_an_interval_leaves_out_what_was_said_outside_of_it(
    memory: Memory, seat: Residency, filters: dict[str, str | None], days: list[int]
) -> None:
    for day in (1, 2, 3):
        await say(memory, seat, "the harbour", created_at=f"2025-06-0{day}T12:00:00Z")
    assert sorted(await find(memory, seat, "harbour", **filters)) == [f"msg_{day}" for day in days]


async def test_a_page_without_a_time_of_its_own_is_found_by_the_time_it_was_recorded(
    memory: Memory, seat: Residency, clock: HandClock
) -> None:
    page_id = await say(memory, seat, "the harbour")  # on 2026-01-01
    assert await find(memory, seat, "harbour", since="2026-01-01", until="2026-01-01") == [page_id]
    assert await find(memory, seat, "harbour", since="2026-01-02") == []
    assert await find(memory, seat, "harbour", until="2025-12-31") == []


# --- pages of results --------------------------------------------------------------------------


async def test_results_come_in_pages_without_gap_or_repeat(memory: Memory, seat: Residency) -> None:
    await tell(
        memory, seat, *({"role": "user", "content": f"harbour number {n}"} for n in range(25))
    )
    seen: list[str] = []
    offset: int | None = 0
    sizes = []
    while offset is not None:
        found = await search(memory, seat, SearchRequest("harbour", limit=10, offset=offset))
        seen += ids(found)
        sizes.append(len(found.results))
        offset = found.next_offset
    assert sizes == [10, 10, 5]
    assert len(set(seen)) == 25


async def test_there_is_no_next_page_when_the_last_result_is_shown(
    memory: Memory, seat: Residency
) -> None:
    for _ in range(3):
        await say(memory, seat, "harbour")
    assert (await search(memory, seat, SearchRequest("harbour", limit=3))).next_offset is None
    assert (await search(memory, seat, SearchRequest("harbour", limit=2))).next_offset == 2


async def test_a_hundred_weaker_pages_do_not_hide_the_best(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory) as (memory, seat):
        best = await keep(memory, seat, "The harbour master is called Ophelia.", importance=0.9)
        await tell(
            memory, seat, *({"role": "user", "content": f"the harbour, day {n}"} for n in range(99))
        )
        assert (await find(memory, seat, "harbour master Ophelia", limit=1)) == [best]


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"page_types": ("note",)}, "page_type is 'note': use one of transcript, summary"),
        ({"modality": "smell"}, "modality is 'smell': use one of text, structured, image"),
        ({"scope": "world"}, "scope is 'world': use workspace or session"),
        ({"limit": 0}, f"limit is 0, offset 0: 1 to {MOST}"),
        ({"limit": MOST + 1}, f"limit is {MOST + 1}"),
        ({"offset": -1}, "offset -1"),
        ({"since": "last week"}, "'last week' is not a time"),
        ({"until": "2026-02-31"}, "'2026-02-31' is not a time"),
    ],
)
async def test_a_filter_that_does_not_exist_is_refused_with_those_that_do(
    memory: Memory, seat: Residency, filters: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        await find(memory, seat, "harbour", **filters)
