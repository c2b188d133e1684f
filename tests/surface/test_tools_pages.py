"""The paging tools as a model meets them: what goes in, what comes back, what is refused."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest
from mcp import Client

pytestmark = pytest.mark.anyio

Ask = Callable[..., Awaitable[dict[str, Any]]]
Refuse = Callable[..., Awaitable[str]]
Connect = Callable[..., AbstractAsyncContextManager[Client]]

HERE = {"session_id": "s"}
FRAME = {"session_id", "workspace"}


async def said(ask: Ask, *lines: str) -> list[str]:
    """Pages of what a user said."""
    events = [{"role": "user", "content": line} for line in lines]
    recorded = await ask("session_record", events=events, **HERE)
    return [event["page_id"] for event in recorded["events"]]


# page_write


async def test_a_written_page_answers_with_its_id_version_and_tokens(ask: Ask) -> None:
    written = await ask("page_write", content="The river rises in April.", **HERE)
    assert set(written) == FRAME | {"page_id", "version", "tokens"}
    assert (written["page_id"], written["version"]) == ("claim_1", 1)
    assert written["tokens"] > 0


@pytest.mark.parametrize(
    ("page_type", "page_id"),
    [
        ("claim", "claim_1"),
        ("summary", "sum_1"),
        ("artifact", "art_1"),
        ("procedure", "proc_1"),
        ("index", "idx_1"),
        ("transcript", "msg_1"),
    ],
)
async def test_the_id_says_the_type(ask: Ask, page_type: str, page_id: str) -> None:
    written = await ask("page_write", content="x", page_type=page_type, **HERE)
    assert written["page_id"] == page_id


@pytest.mark.parametrize(
    "content", [{"rate": 1.5, "名": ["a", None, True]}, [1, 2], 7, 1.25, True, "{}"]
)
async def test_what_was_written_is_read_back_as_it_was(ask: Ask, content: object) -> None:
    await ask("page_write", content=content, **HERE)
    page = (await ask("page_fault", page_id="claim_1", **HERE))["page"]
    text = isinstance(content, str)
    assert (page["modality"], page["level"]) == ("text" if text else "structured", 0)
    assert (page["content"] if text else json.loads(page["content"])) == content


async def test_a_new_version_leaves_the_old_one_readable(ask: Ask) -> None:
    await ask("page_write", content="Tea at four.", **HERE)
    second = await ask("page_write", content="Tea at five.", page_id="claim_1", **HERE)
    assert (second["page_id"], second["version"]) == ("claim_1", 2)
    read = await ask("page_fault", page_id="claim_1", **HERE)
    assert (read["page"]["version"], read["page"]["content"]) == (2, "Tea at five.")
    old = await ask("page_history", page_id="claim_1", version=1, **HERE)
    assert (old["version"], old["content"]) == (1, "Tea at four.")


async def test_a_key_makes_a_repeat_harmless_and_names_the_page(ask: Ask) -> None:
    first = await ask("page_write", content="once", key="job-7", **HERE)
    again = await ask("page_write", content="once", key="job-7", **HERE)
    assert again["page_id"] == first["page_id"]
    assert again["duplicate"] is True
    read = await ask("page_fault", page_id="job-7", **HERE)
    assert read["page"]["page_id"] == first["page_id"]


async def test_a_models_own_words_become_a_level_of_the_page(ask: Ask) -> None:
    long = "The meeting went over every figure of the budget again. " * 20
    (page_id,) = await said(ask, long)
    made = await ask("page_write", content="Budget gone over.", represents=page_id, level=2, **HERE)
    assert (made["page_id"], made["level"]) == (page_id, 2)
    short = await ask("page_fault", page_id=page_id, target_level=2, **HERE)
    assert (short["page"]["level"], short["page"]["content"]) == (2, "Budget gone over.")
    full = await ask("page_fault", page_id=page_id, target_level=0, **HERE)
    assert full["page"]["content"] == long


async def test_a_page_in_the_place_of_another_is_named_where_the_other_is_read_or_found(
    ask: Ask,
) -> None:
    old = (await ask("page_write", content="the port is 8080", **HERE))["page_id"]
    read = await ask("page_fault", page_id=old, **HERE)
    assert "superseded_by" not in read["page"]
    written = await ask("page_write", content="it is 9090 now", supersedes=old, **HERE)
    read = await ask("page_fault", page_id=old, **HERE)
    assert read["page"]["content"] == "the port is 8080"
    assert read["page"]["superseded_by"] == written["page_id"]
    (result,) = (await ask("search_pages", query="port 8080", **HERE))["results"]
    assert (result["page_id"], result["superseded_by"]) == (old, written["page_id"])
    log = (await ask("page_history", page_id=old, **HERE))["log"]
    assert (log[-1]["kind"], log[-1]["by"]) == ("supersede", written["page_id"])


async def test_a_page_can_be_pinned_as_it_is_written(ask: Ask) -> None:
    written = await ask("page_write", content="Never deploy on Fridays.", pinned=True, **HERE)
    assert written["pinned"] is True
    read = await ask("page_fault", page_id="claim_1", **HERE)
    assert read["page"]["pinned"] is True


async def test_a_page_too_large_to_pin_is_written_and_says_so(
    connect: Connect, asking: Callable[[Client], Ask]
) -> None:
    async with connect(budget_tokens=100) as client:
        ask = asking(client)
        written = await ask("page_write", content="word " * 90, pinned=True, **HERE)
        assert (written["page_id"], written["pinned"]) == ("claim_1", False)
        assert "not pinned" in written["notes"][0]
        again = await ask("page_fault", page_id="claim_1", **HERE)
        assert "pinned" not in again["page"]


async def test_a_derived_page_trusts_no_more_than_its_sources(ask: Ask) -> None:
    await ask("session_record", events=[{"role": "tool", "tool_name": "web", "content": "rumour"}],
              **HERE)  # fmt: skip
    await ask("page_write", content="so they say", derived_from=["art_1"], **HERE)
    page = (await ask("page_fault", page_id="claim_1", **HERE))["page"]
    assert (page["trust"], page["derived_from"]) == ("low", ["art_1"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"content": ""}, "content is empty"),
        ({}, "content: field required"),
        ({"content": None}, "content: field required"),
        ({"content": "x", "page_type": "poem"}, "'poem'"),
        ({"content": "x", "importance": 2}, "0 to 1"),
        ({"content": "x", "level": 1}, "represents and level"),
        ({"content": "x", "represents": "msg_1"}, "represents and level"),
        ({"content": "x", "key": "k" * 129}, "128"),
        ({"content": "x", "level": 10**30, "represents": "msg_1"}, "level"),
    ],
)
async def test_a_wrong_page_write_is_told_what_is_wrong_and_changes_nothing(
    ask: Ask, refuse: Refuse, arguments: dict[str, Any], words: str
) -> None:
    text = await refuse("page_write", **arguments, **HERE)
    assert text.startswith("invalid_argument: ")
    assert words in text
    assert (await ask("page_write", content="next", **HERE))["page_id"] == "claim_1"


@pytest.mark.parametrize(
    "arguments",
    [
        {"content": "x", "page_id": "claim_9"},
        {"content": "x", "represents": "msg_9", "level": 1},
        {"content": "x", "derived_from": ["msg_9"]},
        {"content": "x", "derived_from": ["\ud83d"]},
    ],
)
async def test_a_page_write_that_names_a_missing_page_is_refused(
    refuse: Refuse, arguments: dict[str, Any]
) -> None:
    text = await refuse("page_write", **arguments, **HERE)
    assert text.startswith("page_not_found: ")
    assert "search_pages" in text


async def test_a_level_must_be_shorter_than_its_page(ask: Ask, refuse: Refuse) -> None:
    (page_id,) = await said(ask, "short")
    text = await refuse(
        "page_write", content="much longer than that", represents=page_id, level=1, **HERE
    )
    assert text.startswith("invalid_argument: ")
    assert "smaller" in text


# page_fault


async def test_a_fault_answers_with_the_page_and_what_mapping_it_took(ask: Ask) -> None:
    (page_id,) = await said(ask, "I live in Porto.")
    await ask("page_evict", page_ids=[page_id], **HERE)
    fault = await ask("page_fault", page_id=page_id, reason="resolve_reference", **HERE)
    assert set(fault) == FRAME | {"page", "effects"}
    page = fault["page"]
    assert {"page_id", "page_type", "level", "version", "content"} <= set(page)
    assert (page["page_type"], page["role"], page["source"]) == ("transcript", "user", "user")
    assert (page["trust"], page["level"], page["version"]) == ("high", 0, 1)
    assert page["content"] == "I live in Porto."
    effects = fault["effects"]
    assert {"mapped", "evicted", "demoted", "tokens", "tokens_left"} <= set(effects)
    assert effects["mapped"] is True
    assert effects["evicted"] == effects["demoted"] == []
    assert effects["tokens_left"] == 32_000 - effects["tokens"]


async def test_a_mapped_page_is_answered_again_at_no_cost(ask: Ask) -> None:
    (page_id,) = await said(ask, "I live in Porto.")
    for _ in range(10):
        again = await ask("page_fault", page_id=page_id, **HERE)
        assert again["page"]["content"] == "I live in Porto."
        assert again["effects"]["faults_left"] == 3


async def test_the_turns_faults_end_and_the_next_user_message_gives_new_ones(
    ask: Ask, refuse: Refuse
) -> None:
    pages = await said(ask, *(f"line {number}" for number in range(5)))
    await ask("page_evict", page_ids=pages, **HERE)
    for page_id in pages[:3]:
        await ask("page_fault", page_id=page_id, **HERE)
    text = await refuse("page_fault", page_id=pages[3], **HERE)
    assert text.startswith("fault_limit_exceeded: ")
    assert "3 of 3 faults" in text
    assert (await ask("page_fault", page_id=pages[0], **HERE))["effects"]["faults_left"] == 0
    await said(ask, "and now?")
    assert (await ask("page_fault", page_id=pages[3], **HERE))["page"]["content"] == "line 3"


async def test_the_limit_holds_for_faults_at_the_same_time(ask: Ask, client: Client) -> None:
    pages = await said(ask, *(f"line {number}" for number in range(50)))
    await ask("page_evict", page_ids=pages, **HERE)
    refused = []

    async def fault(page_id: str) -> None:
        result = await client.call_tool("page_fault", {"page_id": page_id} | HERE)
        if result.is_error:
            refused.append(page_id)

    async with anyio.create_task_group() as tasks:
        for page_id in pages:
            tasks.start_soon(fault, page_id)
    assert len(refused) == 47
    assert (await ask("session_stats", **HERE))["faults"]["total"] == 3


async def test_a_long_page_comes_in_ranges_that_make_up_the_whole(ask: Ask) -> None:
    long = " ".join(f"item {number}: «{number * 7}» 文字\n" for number in range(4_000))
    await ask("page_write", content=long, **HERE)
    read, offset = "", 0
    for _ in range(50):
        part = await ask("page_fault", page_id="claim_1", offset=offset, **HERE)
        read += part["page"]["content"]
        if "next_offset" not in part:
            break
        offset = part["next_offset"]
        assert offset == len(read)
    assert read == long


async def test_max_tokens_shortens_the_reply(ask: Ask) -> None:
    await ask("page_write", content="word " * 500, **HERE)
    part = await ask("page_fault", page_id="claim_1", max_tokens=10, **HERE)
    assert 0 < len(part["page"]["content"]) < 100
    assert part["next_offset"] == len(part["page"]["content"])


async def test_another_level_remaps_the_page_there(ask: Ask) -> None:
    (page_id,) = await said(ask, "The whole story, told at length. " * 40)
    small = await ask("page_fault", page_id=page_id, target_level=3, **HERE)
    assert small["page"]["level"] == 3
    assert small["page"]["content"].startswith("[transcript] user: The whole story")
    stats = await ask("session_stats", pages=True, **HERE)
    assert [(page["page_id"], page["level"]) for page in stats["pages"]] == [(page_id, 3)]
    full = await ask("page_fault", page_id=page_id, target_level=0, **HERE)
    assert full["page"]["level"] == 0


async def test_a_fault_names_what_was_evicted_for_it(
    connect: Connect, asking: Callable[[Client], Ask]
) -> None:
    async with connect(budget_tokens=100) as client:
        ask = asking(client)
        first = await said(ask, "one " * 80)
        second = await said(ask, "two " * 80)
        fault = await ask("page_fault", page_id=first[0], target_level=0, **HERE)
        assert fault["effects"]["evicted"] == second


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ({"page_id": "msg_999"}, "page_not_found", "'msg_999'"),
        ({"page_id": "nonsense"}, "page_not_found", "'nonsense'"),
        ({"page_id": ""}, "page_not_found", "''"),
        ({"page_id": "\ud83d"}, "page_not_found", "search_pages"),
        ({"page_id": "msg_1" + "0" * 400}, "page_not_found", "search_pages"),
        ({}, "invalid_argument", "page_id: field required"),
        ({"page_id": 5}, "invalid_argument", "given '5'"),
        ({"page_id": "msg_1", "target_level": 7}, "invalid_argument", "target_level is 7"),
        ({"page_id": "msg_1", "reason": "curious"}, "invalid_argument", "'resolve_reference'"),
        ({"page_id": "msg_1", "offset": 999}, "invalid_argument", "offset 999"),
        ({"page_id": "msg_1", "offset": -1}, "invalid_argument", "offset -1"),
        ({"page_id": "msg_1", "offset": 10**40}, "invalid_argument", "offset"),
        ({"page_id": "msg_1", "max_tokens": 0}, "invalid_argument", "max_tokens is 0"),
    ],
)
async def test_a_wrong_fault_is_told_what_is_wrong_and_costs_nothing(
    ask: Ask, refuse: Refuse, arguments: dict[str, Any], code: str, words: str
) -> None:
    await said(ask, "here")
    text = await refuse("page_fault", **arguments, **HERE)
    assert text.startswith(f"{code}: ")
    assert words in text
    assert (await ask("session_stats", **HERE))["faults"]["total"] == 0


# search_pages


async def test_results_have_the_promised_fields_and_quote_the_page(ask: Ask) -> None:
    await ask(
        "session_record",
        events=[
            {
                "role": "user",
                "name": "Ana",
                "content": "The zebra drinks at noon.",
                "created_at": "2025-05-08T13:56:00Z",
            }
        ],
        **HERE,
    )
    (hit,) = (await ask("search_pages", query="zebra", **HERE))["results"]
    assert set(hit) == {
        "page_id", "page_type", "session_id", "role", "name", "created_at", "score", "snippet",
    }  # fmt: skip
    assert (hit["page_id"], hit["page_type"], hit["session_id"]) == ("msg_1", "transcript", "s")
    assert (hit["role"], hit["name"]) == ("user", "Ana")
    assert hit["created_at"] == "2025-05-08T13:56:00Z"
    assert hit["snippet"] in "The zebra drinks at noon."


async def test_next_leads_through_all_results_once(ask: Ask) -> None:
    await said(ask, *(f"the heron number {number}" for number in range(7)))
    seen: list[str] = []
    offset = 0
    while True:
        page = await ask("search_pages", query="heron", limit=3, offset=offset, **HERE)
        seen += [hit["page_id"] for hit in page["results"]]
        if "next" not in page:
            break
        offset = page["next"]
    assert len(seen) == len(set(seen)) == 7


async def test_filters_narrow_the_results(ask: Ask) -> None:
    await said(ask, "about the heron")
    await ask("page_write", content="the heron is grey", **HERE)
    await ask("page_write", content={"heron": 3}, page_type="artifact", **HERE)
    await ask("page_write", content="a heron elsewhere", session_id="other")
    assert len((await ask("search_pages", query="heron", **HERE))["results"]) == 4

    async def found(**filters: Any) -> set[str]:
        results = (await ask("search_pages", query="heron", **filters, **HERE))["results"]
        return {hit["page_id"] for hit in results}

    nothing = await ask("search_pages", query="heron", scope="session", session_id="empty")
    assert nothing["results"] == []
    assert "without scope" in nothing["notes"][0]
    assert await found(page_type="claim") == {"claim_1", "claim_2"}
    assert await found(modality="structured") == {"art_1"}
    assert await found(scope="session") == {"msg_1", "claim_1", "art_1"}
    assert await found(since="2026-01-02") == set()
    assert len(await found(until="2026-01-01")) == 4


@pytest.mark.parametrize(
    "query", ["", "   ", '"', "NEAR(", "a AND", "*", "-x", "(((", "\x00", "\ud83d", "%_", "é" * 900]
)
async def test_any_text_is_a_query(ask: Ask, query: str) -> None:
    await said(ask, "something")
    assert isinstance((await ask("search_pages", query=query, **HERE))["results"], list)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "query: field required"),
        ({"query": "x", "page_type": "poem"}, "claim"),
        ({"query": "x", "modality": "smell"}, "structured"),
        ({"query": "x", "scope": "world"}, "workspace"),
        ({"query": "x", "limit": 0}, "limit is 0"),
        ({"query": "x", "limit": 51}, "50"),
        ({"query": "x", "offset": -1}, "offset"),
        ({"query": "x", "offset": 10**30}, "offset"),
        ({"query": "x", "since": "soon"}, "ISO 8601"),
        ({"query": "x", "until": "0000-13-45"}, "ISO 8601"),
    ],
)
async def test_a_wrong_search_is_told_what_is_wrong(
    refuse: Refuse, arguments: dict[str, Any], words: str
) -> None:
    text = await refuse("search_pages", **arguments, **HERE)
    assert text.startswith("invalid_argument: ")
    assert words in text


# page_pin, page_evict, page_forget


async def test_pinning_answers_with_the_pin_and_can_be_lifted(ask: Ask) -> None:
    (page_id,) = await said(ask, "the goal")
    pinned = await ask("page_pin", page_id=page_id, pinned=True, turns=2, **HERE)
    assert (pinned["page_id"], pinned["pinned"], pinned["mapped"]) == (page_id, True, True)
    assert pinned["until_turn"] == 2
    kept = await ask("page_evict", page_ids=[page_id], **HERE)
    assert (kept["evicted"], kept["kept"]) == ([], [page_id])
    assert "pinned" in kept["notes"][0]
    lifted = await ask("page_pin", page_id=page_id, pinned=False, **HERE)
    assert lifted["pinned"] is False
    assert (await ask("page_evict", page_ids=[page_id], **HERE))["evicted"] == [page_id]


async def test_a_pin_beyond_half_of_the_budget_is_refused(
    connect: Connect, asking: Callable[[Client], Ask], refusing: Callable[[Client], Refuse]
) -> None:
    async with connect(budget_tokens=100) as client:
        await said(asking(client), "word " * 90)
        text = await refusing(client)("page_pin", page_id="msg_1", pinned=True, **HERE)
        assert text.startswith("pin_limit_exceeded: ")
        assert "half of the budget" in text


async def test_evicting_frees_room_and_keeps_the_page(ask: Ask) -> None:
    (page_id,) = await said(ask, "closed matter")
    gone = await ask("page_evict", page_ids=[page_id], **HERE)
    assert set(gone) == FRAME | {"evicted", "tokens_left"}
    assert (gone["evicted"], gone["tokens_left"]) == ([page_id], 32_000)
    assert (await ask("page_fault", page_id=page_id, **HERE))["page"]["content"] == "closed matter"


async def test_evicting_to_a_level_keeps_a_smaller_form_mapped(ask: Ask) -> None:
    (page_id,) = await said(ask, "The whole story, told at length. " * 40)
    demoted = await ask("page_evict", page_ids=[page_id], level=3, **HERE)
    assert (demoted["evicted"], demoted["demoted"]) == ([], [page_id])
    (page,) = (await ask("session_stats", pages=True, **HERE))["pages"]
    assert page["level"] == 3


@pytest.mark.parametrize("given", ["msg_1", '["msg_1"]', ["msg_1"]])
async def test_one_id_or_a_list_in_a_string_is_a_list(ask: Ask, given: object) -> None:
    await said(ask, "x")
    assert (await ask("page_evict", page_ids=given, **HERE))["evicted"] == ["msg_1"]


async def test_evicting_a_missing_page_releases_none(ask: Ask, refuse: Refuse) -> None:
    await said(ask, "stays")
    text = await refuse("page_evict", page_ids=["msg_1", "msg_77"], **HERE)
    assert text.startswith("page_not_found: ")
    assert "'msg_77'" in text
    assert (await ask("session_stats", **HERE))["working_set"]["pages"] == 1
    assert (await refuse("page_evict", page_ids=["msg_1"], level=9, **HERE)).startswith(
        "invalid_argument: level is 9"
    )


async def test_forgetting_deletes_the_page_and_what_derives_from_it(
    ask: Ask, refuse: Refuse
) -> None:
    await said(ask, "my card is 4929-1111")
    await ask("page_write", content="card 4929-1111 noted", derived_from=["msg_1"], **HERE)
    gone = await ask("page_forget", page_id="msg_1", reason="the user asked", **HERE)
    assert set(gone["forgotten"]) == {"msg_1", "claim_1"}
    assert "backups" in gone["notes"][0]
    for page_id in ("msg_1", "claim_1"):
        text = await refuse("page_fault", page_id=page_id, **HERE)
        assert text.startswith("page_forgotten: ")
    assert (await ask("search_pages", query="4929-1111", **HERE))["results"] == []
    past = await ask("page_history", page_id="msg_1", **HERE)
    assert past["forgotten"] is True
    reasons = [line["reason"] for line in past["log"] if line["kind"] == "forget"]
    assert reasons == ["the user asked"]


@pytest.mark.parametrize("reason", ["", "  "])
async def test_forgetting_wants_a_reason(ask: Ask, refuse: Refuse, reason: str) -> None:
    await said(ask, "stays")
    text = await refuse("page_forget", page_id="msg_1", reason=reason, **HERE)
    assert text.startswith("invalid_argument: reason is empty")
    assert (await ask("page_fault", page_id="msg_1", **HERE))["page"]["content"] == "stays"


# page_history


async def test_history_tells_versions_and_log(ask: Ask) -> None:
    await ask("page_write", content="Tea at four.", **HERE)
    await ask("page_write", content="Tea at five.", page_id="claim_1", session_id="other")
    await ask("page_fault", page_id="claim_1", **HERE)
    past = await ask("page_history", page_id="claim_1", **HERE)
    assert set(past) == FRAME | {"page_id", "versions", "log"}
    assert [version["version"] for version in past["versions"]] == [1, 2]
    assert past["versions"][1]["session_id"] == "other"
    assert set(past["versions"][0]) == {"version", "at", "tokens", "source"}
    kinds = [line["kind"] for line in past["log"]]
    assert kinds[:1] == ["page"]
    assert "version" in kinds
    assert "touch" not in kinds


async def test_history_compares_two_versions(ask: Ask) -> None:
    await ask("page_write", content="Tea\nat four.", **HERE)
    await ask("page_write", content="Tea\nat five.", page_id="claim_1", **HERE)
    past = await ask("page_history", page_id="claim_1", diff=1, **HERE)
    assert past["version"] == 2
    assert "-at four." in past["diff"]
    assert "+at five." in past["diff"]
    back = await ask("page_history", page_id="claim_1", version=1, diff=2, **HERE)
    assert "+at four." in back["diff"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"page_id": "claim_2"}, "page_not_found"),
        ({"page_id": "x"}, "page_not_found"),
        ({"page_id": "claim_1", "version": 9}, "version_not_found"),
        ({"page_id": "claim_1", "version": 0}, "version_not_found"),
        ({"page_id": "claim_1", "diff": -3}, "version_not_found"),
        ({"page_id": "claim_1", "version": 2**60}, "invalid_argument"),
    ],
)
async def test_a_wrong_history_is_told_what_is_wrong(
    ask: Ask, refuse: Refuse, arguments: dict[str, Any], code: str
) -> None:
    await ask("page_write", content="x", **HERE)
    assert (await refuse("page_history", **arguments, **HERE)).startswith(f"{code}: ")
