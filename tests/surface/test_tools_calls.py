"""Checking calls of other tools, keeping their results, and what they have taught."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

pytestmark = pytest.mark.anyio

Ask = Callable[..., Awaitable[dict[str, Any]]]
Refuse = Callable[..., Awaitable[str]]
Connect = Callable[..., AbstractAsyncContextManager[Client]]
Asking = Callable[[Client], Ask]

ORDER = {"items": [{"id": "A-17", "price": 12.5}, {"id": "B-4", "price": 3}], "total": 15.5}


async def kept(ask: Ask, result: object = 42, **fields: Any) -> dict[str, Any]:
    """A recorded call of ``lookup``."""
    given = {"tool_name": "lookup", "arguments": {}, **fields}
    return await ask("tool_record", **given, result=result)


async def checked(ask: Ask, arguments: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """What is said of a call of ``compute``."""
    return await ask("tool_check", **{"tool_name": "compute", "arguments": arguments, **fields})


# Bindings


async def test_results_are_bound_in_order_and_shown_by_type_and_preview(ask: Ask) -> None:
    answers = [await kept(ask, result) for result in (4.25, "hello world", ORDER, [1, 2], None)]
    assert [answer["binding"]["ref"] for answer in answers] == ["$v1", "$v2", "$v3", "$v4", "$v5"]
    assert [answer["binding"]["type"] for answer in answers] == [
        "number",
        "string",
        "object",
        "list",
        "null",
    ]
    assert answers[0]["binding"]["preview"] == "4.25"
    assert "items[2]" in answers[2]["binding"]["preview"]


async def test_references_keep_the_type_of_their_value_however_deep_they_stand(ask: Ask) -> None:
    await kept(ask, 4.25)
    await kept(ask, "hello world")
    await kept(ask, ORDER, alias=["order"])
    given = {
        "x": "$v1",
        "deep": [{"text": "$v2", "whole": "$v3"}],
        "id": "$v3.items[0].id",
        "price": "${order.items[1].price}",
        "said": "a $v1 b",
        "plain": r"\$v1 costs $USD 5 in $PATH",
    }
    answer = await checked(ask, given)
    assert answer["verdict"] == "allow"
    assert answer["arguments"] == {
        "x": 4.25,
        "deep": [{"text": "hello world", "whole": ORDER}],
        "id": "A-17",
        "price": 3,
        "said": "a 4.25 b",
        "plain": "$v1 costs $USD 5 in $PATH",
    }


async def test_an_unknown_reference_is_blocked_with_what_there_is(ask: Ask) -> None:
    await kept(ask, 1)
    await kept(ask, 2, alias=["total"])
    answer = await checked(ask, {"x": "$v1", "y": "$v99"})
    assert answer["verdict"] == "block"
    assert answer["arguments"] == {"x": "$v1", "y": "$v99"}
    for name in ("$v99", "$v1", "$v2", "$total"):
        assert name in answer["reason"]


async def test_a_path_that_leads_nowhere_is_not_resolved_by_half(ask: Ask) -> None:
    await kept(ask, ORDER)
    answer = await checked(ask, {"a": "$v1.total", "b": "$v1.items[7].id"})
    assert answer["arguments"] == {"a": "$v1.total", "b": "$v1.items[7].id"}
    assert "[7]" in " ".join([answer.get("reason", ""), *answer.get("experience", [])])


async def test_a_binding_is_read_with_its_provenance(ask: Ask) -> None:
    made = await kept(ask, ORDER, alias=["order"], arguments={"customer": "c-9"})
    whole = await ask("binding_get", ref="$v1")
    assert whole["value"] == ORDER
    assert whole["provenance"]["tool"] == "lookup"
    assert whole["provenance"]["event_id"] == made["event_id"]
    assert whole["provenance"]["page_id"] == made["page_id"]
    assert (await ask("binding_get", ref="order.items[1].id"))["value"] == "B-4"
    assert (await ask("binding_get", ref="v1"))["value"] == ORDER


async def test_a_large_result_is_a_page_and_is_read_in_ranges(ask: Ask) -> None:
    rows = [{"row": number, "text": f"line {number} of the report"} for number in range(3_000)]
    made = await kept(ask, rows)
    assert len(str(made["binding"])) < 500
    text, offset = "", 0
    while True:
        part = await ask("binding_get", ref="$v1", offset=offset)
        text += part["value"]
        if "next_offset" not in part:
            break
        assert part["next_offset"] > offset
        offset = part["next_offset"]
    assert json.loads(text) == rows
    assert (await checked(ask, {"last": "$v1[2999].row"}))["arguments"] == {"last": 2999}


async def test_the_newest_bindings_are_listed_with_those_not_used_yet(ask: Ask) -> None:
    for number in range(3):
        await kept(ask, 100 + number)
    await checked(ask, {"x": "$v1"})
    listed = await ask("binding_get")
    assert [one["ref"] for one in listed["bindings"]] == ["$v3", "$v2", "$v1"]
    assert listed["unused"] == ["$v2"]


async def test_a_name_that_nothing_is_bound_to_is_refused_with_those_that_are(
    ask: Ask, refuse: Refuse
) -> None:
    assert (await refuse("binding_get", ref="$v1")).startswith("binding_not_found: ")
    await kept(ask, 1, alias=["one"])
    text = await refuse("binding_get", ref="$v7")
    assert "$v1" in text
    assert "$one" in text


async def test_an_alias_must_be_a_name(refuse: Refuse) -> None:
    for alias in ("v3", "two words", ""):
        text = await refuse("tool_record", tool_name="t", arguments={}, result=1, alias=[alias])
        assert text.startswith("invalid_argument: alias ")


async def test_a_forgotten_result_is_gone_from_its_binding_too(ask: Ask, refuse: Refuse) -> None:
    made = await kept(ask, "the secret word is heron")
    await ask("page_forget", page_id=made["page_id"], reason="asked")
    assert (await refuse("binding_get", ref="$v1")).startswith("page_forgotten: ")
    listed = await ask("binding_get")
    assert listed["bindings"][0]["forgotten"] is True
    assert "heron" not in str(listed)


async def test_values_that_were_stated_in_text_have_names_too(ask: Ask) -> None:
    said = [
        {"role": "user", "content": "Take sigma = 5.2 and mean=37; if x = 3 stop."},
        {"role": "assistant", "content": "I work with a load of w = 3 kg then."},
    ]
    answer = await ask("session_record", events=said)
    given = {"a": "$sigma", "b": ["$mean"], "c": "$w", "d": "$x", "e": "$USD"}
    resolved = (await checked(ask, given))["arguments"]
    assert resolved == {"a": 5.2, "b": [37], "c": 3, "d": "$x", "e": "$USD"}
    read = await ask("binding_get", ref="$w")
    page = answer["events"][1]["page_id"]
    assert read["value"] == 3
    assert read["provenance"] == {"stated_in": page, "unit": "kg"}
    await ask("page_forget", page_id=page, reason="asked")
    assert (await checked(ask, {"c": "$w"}))["arguments"] == {"c": "$w"}


async def test_a_bound_alias_goes_before_a_stated_value(ask: Ask) -> None:
    await ask("session_record", events=[{"role": "user", "content": "sigma = 5.2"}])
    await kept(ask, 6.5, alias=["sigma"])
    assert (await checked(ask, {"x": "$sigma"}))["arguments"] == {"x": 6.5}


# One call, seen through two tools

SPOKEN = [
    {"role": "user", "content": "look c-9 up"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "lookup", "arguments": '{"customer": "c-9"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": '{"name": "Ada"}'},
]


async def test_session_record_binds_results_by_the_calls_that_were_announced(ask: Ask) -> None:
    answer = await ask("session_record", events=SPOKEN)
    assert answer["events"][2]["binding"] == "$v1"
    read = await ask("binding_get", ref="$v1")
    assert read["value"] == {"name": "Ada"}
    assert read["provenance"]["tool"] == "lookup"


async def test_a_result_is_joined_with_a_call_announced_long_before(ask: Ask) -> None:
    await ask("session_record", events=SPOKEN[:2])
    answer = await ask("session_record", events=SPOKEN[2:])
    assert answer["events"][0]["binding"] == "$v1"
    assert (await ask("binding_get", ref="$v1"))["provenance"]["tool"] == "lookup"


@pytest.mark.parametrize("call_id", ["call_1", None])
async def test_a_call_recorded_by_both_tools_is_one_call(ask: Ask, call_id: str | None) -> None:
    given = {"arguments": {"customer": "c-9"}, "tool_call_id": call_id}
    first = await kept(ask, {"name": "Ada"}, **given)
    answer = await ask("session_record", events=SPOKEN)
    assert answer["events"][2] == {
        "event_id": first["event_id"],
        "page_id": first["page_id"],
        "duplicate": True,
    }
    assert (await ask("session_stats"))["tool_calls"] == 1
    again = await kept(ask, {"name": "Ada"}, arguments={"customer": "c-9"}, tool_call_id="call_2")
    assert again["binding"]["ref"] == "$v2"


async def test_the_other_way_round_it_is_one_call_as_well(ask: Ask) -> None:
    answer = await ask("session_record", events=SPOKEN)
    again = await kept(ask, {"name": "Ada"}, arguments={"customer": "c-9"})
    assert again["duplicate"] is True
    assert again["event_id"] == answer["events"][2]["event_id"]
    assert again["binding"]["ref"] == "$v1"
    assert (await ask("session_stats"))["tool_calls"] == 1


async def test_the_same_call_twice_through_one_tool_is_two_calls(ask: Ask) -> None:
    refs = [(await kept(ask, 1))["binding"]["ref"] for _ in range(2)]
    assert refs == ["$v1", "$v2"]


async def test_a_key_makes_a_repeat_safe(ask: Ask) -> None:
    first = await kept(ask, 1, key="k")
    again = await kept(ask, 1, key="k")
    assert again["duplicate"] is True
    assert again["event_id"] == first["event_id"]
    assert again["binding"]["ref"] == "$v1"


async def test_results_in_anthropics_shape_are_bound_each(ask: Ask) -> None:
    events = [
        {"role": "user", "content": "both, please"},
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "t1", "name": "lookup", "input": {"customer": "c-9"}},
                {"type": "tool_use", "id": "t2", "name": "weather", "input": {"city": "Oslo"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": '{"name": "Ada"}'},
                {"type": "tool_result", "tool_use_id": "t2", "content": "rain"},
            ],
        },
    ]
    await ask("session_record", events=events)
    assert (await ask("binding_get", ref="$v1"))["value"] == {"name": "Ada"}
    second = await ask("binding_get", ref="$v2")
    assert second["value"] == "rain"
    assert second["provenance"]["tool"] == "weather"


async def test_results_in_anthropics_shape_are_each_one_call_with_what_tool_record_saw(
    ask: Ask,
) -> None:
    for number in (1, 2):
        await kept(ask, number, tool_call_id=f"t{number}", arguments={"n": number})
    asked = [
        {"type": "tool_use", "id": f"t{n}", "name": "lookup", "input": {"n": n}} for n in (1, 2, 3)
    ]
    told = [
        {"type": "tool_result", "tool_use_id": f"t{number}", "content": str(number)}
        for number in (1, 2, 3)
    ]
    events = [{"role": "assistant", "content": asked}, {"role": "user", "content": told}]
    await ask("session_record", events=events)
    listed = await ask("binding_get")
    assert [one["ref"] for one in listed["bindings"]] == ["$v3", "$v2", "$v1"]
    assert (await ask("binding_get", ref="$v3"))["value"] == 3
    again = await kept(ask, 3, tool_call_id="t3", arguments={"n": 3})
    assert (again["duplicate"], again["binding"]["ref"]) == (True, "$v3")
    assert (await kept(ask, 3, arguments={"n": 3}))["binding"]["ref"] == "$v4"


async def test_equal_calls_are_matched_one_by_one_in_their_order(ask: Ask) -> None:
    made = [await kept(ask, "ok", arguments={"n": 1}) for _ in range(2)]
    event = {"role": "tool", "tool_name": "lookup", "arguments": {"n": 1}, "content": "ok"}
    answer = await ask("session_record", events=[event, event, event])
    ids = [one["event_id"] for one in answer["events"]]
    assert ids[:2] == [one["event_id"] for one in made]
    assert [one.get("duplicate") for one in answer["events"]] == [True, True, None]
    assert (await ask("binding_get"))["bindings"][0]["ref"] == "$v3"


# Guards


async def test_a_call_that_goes_in_circles_is_nudged_and_then_stopped(ask: Ask) -> None:
    verdicts = []
    notes: list[str] = []
    for _ in range(6):
        verdicts.append((await checked(ask, {"q": "same"}))["verdict"])
        answer = await kept(ask, "nothing found", tool_name="compute", arguments={"q": "same"})
        notes += answer.get("notes", [])
    assert verdicts[0] == "allow"
    assert "warn" in verdicts
    assert verdicts[-1] == "block"
    assert any("compute" in note or "same" in note for note in notes)
    assert (await checked(ask, {"q": "other"}))["verdict"] == "allow"


async def test_verdicts_are_counted_and_say_what_to_avoid(ask: Ask) -> None:
    await checked(ask, {"x": "$v9"})
    await checked(ask, {"x": "$v9"})
    # What begins a turn is written with all that was decided before it.
    await ask("session_record", events=[{"role": "user", "content": "go on"}])
    stats = await ask("session_stats")
    assert stats["guards"] == {"references": {"block": 2}}
    found = await ask("procedure_search", tool_name="compute")
    (record,) = [one for one in found["patterns"] if one["kind"] == "record"]
    assert "to avoid, stopped by references 2" in record["text"]


async def test_a_number_that_no_longer_varies_is_pointed_out(ask: Ask) -> None:
    for number in range(3):
        said = await kept(ask, 5.5, tool_name="compute", arguments={"n": number})
    assert "repeating value: 5.5" in " ".join(said["notes"])
    assert (await checked(ask, {"n": 9}))["verdict"] == "warn"


async def test_arguments_are_repaired_to_the_tools_schema(ask: Ask) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}, "name": {"type": "string"}},
        "required": ["n"],
    }
    repaired = await checked(ask, {"n": "5", "name": "x"}, input_schema=schema)
    assert repaired["verdict"] == "repair"
    assert repaired["arguments"] == {"n": 5, "name": "x"}
    refused = await checked(ask, {"name": "x"}, input_schema=schema)
    assert refused["verdict"] == "block"
    assert "'n'" in refused["reason"]


async def test_a_tool_that_needs_another_first_waits_for_it(ask: Ask) -> None:
    assert (await checked(ask, {}, requires=["lookup"]))["verdict"] == "block"
    await kept(ask, 1)
    assert (await checked(ask, {}, requires=["lookup"]))["verdict"] == "allow"


async def test_ordinary_calls_pass_with_the_default_settings(ask: Ask) -> None:
    await ask("session_record", events=[{"role": "user", "content": "What is it like in Paris?"}])
    for arguments in ({"city": "Paris"}, {"limit": 5}, {"n": 1.5}, {}):
        answer = await ask("tool_check", tool_name="get_weather", arguments=arguments)
        assert answer["verdict"] in ("allow", "warn")


async def test_an_identifier_that_nobody_has_named_is_warned_of(ask: Ask) -> None:
    await ask("session_record", events=[{"role": "user", "content": "cancel order W3734088"}])
    assert (await checked(ask, {"order_id": "W3734088"}))["verdict"] == "allow"
    warned = await checked(ask, {"order_id": "W9999123"})
    assert warned["verdict"] == "warn"
    assert "W9999123" in warned["reason"]


async def test_what_a_tool_is_given_in_every_session_needs_no_other_source(ask: Ask) -> None:
    asked = [{"role": "user", "content": "the usual report, please"}]
    given = {"queue": "Q-7731"}
    for session in ("one", "two", "three"):
        await ask("session_record", events=asked, session_id=session)
        assert (await checked(ask, given, session_id=session))["verdict"] == "warn"
        await kept(ask, 1, tool_name="compute", arguments=given, session_id=session)
    await ask("session_record", events=asked, session_id="four")
    assert (await checked(ask, given, session_id="four"))["verdict"] == "allow"
    assert (await checked(ask, {"queue": "Q-7732"}, session_id="four"))["verdict"] == "warn"


async def test_of_fifty_calls_at_once_the_limit_passes_exactly(
    connect: Connect, asking: Asking
) -> None:
    async with connect(guards="strict") as client:
        ask = asking(client)
        await ask("session_record", events=[{"role": "user", "content": "go"}])
        verdicts: list[str] = []

        async def one(number: int) -> None:
            answer = await checked(ask, {"part": number})
            verdicts.append(answer["verdict"])

        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(one, number)
        assert len(verdicts) == 50
        assert sum(verdict != "block" for verdict in verdicts) == 10  # running at once, of one tool


@pytest.mark.parametrize("limit", ["calls_running", "calls_per_turn"])
@pytest.mark.parametrize("guards", ["smooth", "default", "strict"])
async def test_of_fifty_calls_at_once_as_many_pass_as_the_operator_allows(
    connect: Connect, asking: Asking, limit: str, guards: str
) -> None:
    async with connect(guards=guards, **{limit: 3}) as client:
        ask = asking(client)
        await ask("session_record", events=[{"role": "user", "content": "go"}])
        verdicts: list[str] = []

        async def one(number: int) -> None:
            answer = await ask("tool_check", tool_name=f"t{number}", arguments={"part": number})
            verdicts.append(answer["verdict"])

        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(one, number)
        assert len(verdicts) == 50
        assert sum(verdict != "block" for verdict in verdicts) == 3


async def test_a_place_among_the_running_is_free_again_once_a_call_is_recorded(
    connect: Connect, asking: Asking
) -> None:
    async with connect(calls_running=1) as client:
        ask = asking(client)
        assert (await checked(ask, {"n": 1}))["verdict"] == "allow"
        stopped = await checked(ask, {"n": 2})
        assert stopped["verdict"] == "block"
        assert "at most 1" in stopped["reason"]
        await kept(ask, "done", tool_name="compute", arguments={"n": 1})
        assert (await checked(ask, {"n": 2}))["verdict"] == "allow"


async def test_a_turns_calls_are_counted_anew_when_the_user_speaks(
    connect: Connect, asking: Asking
) -> None:
    async with connect(calls_per_turn=2) as client:
        ask = asking(client)
        for question in ("first", "second"):
            await ask("session_record", events=[{"role": "user", "content": question}])
            verdicts = []
            for number in range(3):
                given = {"q": question, "n": number}
                verdicts.append((await checked(ask, given))["verdict"])
                if verdicts[-1] != "block":
                    await kept(ask, number, tool_name="compute", arguments=given)
            assert verdicts == ["allow", "warn", "block"]


async def test_without_a_user_who_is_recorded_a_turns_budget_only_warns(
    connect: Connect, asking: Asking
) -> None:
    async with connect(calls_per_turn=2) as client:
        ask = asking(client)
        for number in range(4):
            assert (await checked(ask, {"n": number}))["verdict"] in ("allow", "warn")
            await kept(ask, number, tool_name="compute", arguments={"n": number})


# The same call again


async def test_a_call_that_was_answered_before_is_answered_from_memory(ask: Ask) -> None:
    await kept(ask, {"rate": 1.09}, tool_name="compute", arguments={"a": 1, "b": 2})
    answer = await checked(ask, {"b": 2, "a": 1})
    assert answer["cached"]["ref"] == "$v1"
    assert answer["cached"]["age_seconds"] >= 0
    assert "cached" not in await checked(ask, {"a": 1})
    assert "cached" not in await checked(ask, {"a": 1, "b": 2}, changes=True)


async def test_nothing_is_answered_from_before_a_change(ask: Ask) -> None:
    await kept(ask, "empty", tool_name="compute", arguments={"a": 1})
    await kept(ask, "done", tool_name="book", arguments={}, changes=True)
    assert "cached" not in await checked(ask, {"a": 1})


# What calls teach


async def taught(ask: Ask, session: str) -> None:
    """A failure and its fix."""
    where = {"session_id": session}
    await ask("session_start", **where)
    await ask(
        "tool_record", tool_name="solve", arguments={"a": 1}, error="unsat: b is missing", **where
    )
    await ask("tool_record", tool_name="solve", arguments={"a": 2, "b": 3}, result="ok", **where)


async def test_a_fix_learned_in_one_session_is_offered_in_the_next(ask: Ask) -> None:
    await taught(ask, "one")
    await ask("session_start", session_id="two")
    found = await ask(
        "procedure_search",
        tool_name="solve",
        arguments={"a": 7},
        error="unsat: b is missing",
        session_id="two",
    )
    fix = next(one for one in found["patterns"] if one["kind"] == "fix")
    assert "add b" in fix["text"]
    assert fix["worked"] == 1
    assert fix["example"] == {"failed": {"a": 1}, "fixed": {"a": 2, "b": 3}}


async def test_a_call_known_to_fail_is_met_with_its_fix_before_it_is_made(ask: Ask) -> None:
    await taught(ask, "one")
    answer = await ask("tool_check", tool_name="solve", arguments={"a": 1}, session_id="another")
    said = " ".join(answer["experience"])
    assert "failed once" in said
    assert "add b" in said


async def test_forgetting_a_result_takes_its_example_away(ask: Ask) -> None:
    await taught(ask, "one")
    found = await ask("search_pages", query="unsat", session_id="one")
    for one in found["results"]:
        await ask("page_forget", page_id=one["page_id"], reason="asked", session_id="one")
    answer = await ask("procedure_search", tool_name="solve", error="unsat", session_id="one")
    assert "example" not in str([one for one in answer["patterns"] if one["kind"] == "fix"])
    assert "unsat" not in str(answer)


async def test_what_keeps_working_becomes_a_page_once(ask: Ask) -> None:
    notes: list[str] = []
    for turn in range(5):
        await ask("session_record", events=[{"role": "user", "content": f"order {turn}, please"}])
        for tool in ("find_customer", "check_stock", "place_order"):
            answer = await kept(ask, f"{tool} {turn}", tool_name=tool, arguments={"n": turn})
            notes += [note for note in answer.get("notes", []) if "procedure" in note]
    assert len(notes) == 1
    found = await ask("search_pages", query="find_customer place_order", page_type="procedure")
    (page,) = found["results"]
    assert page["page_id"] in notes[0]
    read = await ask("page_fault", page_id=page["page_id"])
    assert "1. find_customer\n2. check_stock\n3. place_order" in read["page"]["content"]
    assert read["page"]["derived_from"]
    assert read["page"]["trust"] == "low"


async def test_nothing_learned_is_said_plainly(ask: Ask) -> None:
    answer = await ask("procedure_search", tool_name="unheard_of")
    assert answer["patterns"] == []
    assert "tool_record" in answer["notes"][-1]


async def test_a_context_says_what_the_tools_in_play_have_taught_where_that_is_wanted(
    connect: Connect, asking: Asking
) -> None:
    async with connect(experience_tokens=80) as client:
        ask = asking(client)
        await taught(ask, "one")
        built = await ask("context_build", session_id="one", system_prompt="Be brief.")
        message = built["developer_message"]
        (said,) = re.findall(r"<VM:EXPERIENCE>\n(.*?)\n</VM:EXPERIENCE>", message, re.DOTALL)
        assert "add b" in said
        assert message.startswith("Be brief.")
        elsewhere = await ask("context_build", session_id="two")
        assert "EXPERIENCE" not in elsewhere["developer_message"]
    async with connect(experience_tokens=5) as client:
        ask = asking(client)
        await taught(ask, "one")
        built = await ask("context_build", session_id="one")
        assert "EXPERIENCE" not in built["developer_message"]


async def test_a_context_is_silent_about_tools_by_default(ask: Ask) -> None:
    await taught(ask, "one")
    built = await ask("context_build", session_id="one")
    assert "EXPERIENCE" not in built["developer_message"]


# Restarts and forks


async def test_bindings_and_lessons_outlive_the_process(
    connect: Connect, asking: Asking, tmp_path: Path
) -> None:
    path = str(tmp_path / "memory.db")
    async with connect(url=path) as client:
        await taught(asking(client), "one")
        await kept(asking(client), ORDER, session_id="one", alias=["order"])
    async with connect(url=path) as client:
        ask = asking(client)
        read = await ask("binding_get", ref="$order.total", session_id="one")
        assert read["value"] == 15.5
        assert (await kept(ask, 1, session_id="one"))["binding"]["ref"] == "$v3"
        found = await ask("procedure_search", tool_name="solve", error="unsat", session_id="two")
        assert any(one["kind"] == "fix" for one in found["patterns"])


async def test_a_fork_reads_its_parents_bindings_and_goes_on_from_there(ask: Ask) -> None:
    started = await ask("session_start", session_id="one")
    await kept(ask, ORDER, session_id=started["session_id"])
    forked = await ask("session_snapshot", action="fork", session_id="one")
    fork = forked["fork"]
    assert (await ask("binding_get", ref="$v1", session_id=fork))["value"] == ORDER
    assert (await kept(ask, 2, session_id=fork))["binding"]["ref"] == "$v2"
    assert (await kept(ask, 3, session_id="one"))["binding"]["ref"] == "$v2"
