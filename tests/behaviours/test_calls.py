"""Behaviours 50 to 68 that the closest system set, in corrected form, as a model meets them.

Each test names the behaviour's number in that list. They are black-box: a real MCP client
against the server in this process, on every store.
"""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.anyio

SESSION = {"session_id": "s1"}


async def call(client, tool, **arguments):
    """The structured reply of a tool that succeeds."""
    reply = await client.call_tool(tool, {**SESSION, **arguments})
    assert not reply.is_error, reply.content[0].text
    return reply.structured_content


async def check(client, arguments, tool="f", **more):
    return await call(client, "tool_check", tool_name=tool, arguments=arguments, **more)


async def keep(client, result, tool="f", arguments=None, **more):
    given = {"tool_name": tool, "arguments": arguments or {}, "result": result}
    return await call(client, "tool_record", **{**given, **more})


async def fail(client, error, arguments, tool="solver"):
    return await call(client, "tool_record", tool_name=tool, arguments=arguments, error=error)


async def say(client, text):
    await call(client, "session_record", events=[{"role": "user", "content": text}])


async def found(client, kind, **query):
    """The patterns of a kind that a search gives."""
    reply = await call(client, "procedure_search", **query)
    return [one for one in reply["patterns"] if one["kind"] == kind]


async def test_50_results_are_numbered_and_found_by_alias(client):
    made = [await keep(client, value, alias=[f"name{value}"]) for value in (1, 2, 3)]
    assert [one["binding"]["ref"] for one in made] == ["$v1", "$v2", "$v3"]
    for ref in ("$v2", "v2", "$name2", "name2"):
        assert (await call(client, "binding_get", ref=ref))["value"] == 2


async def test_51_references_keep_their_type_and_are_put_into_text(client):
    for value in (4.2426, "hello world", {"a": 1}, [1, 2]):
        await keep(client, value)
    given = {"x": "$v1", "y": "$v2", "z": ["$v3", {"deep": "$v4"}], "t": "a $v1 b"}
    assert (await check(client, given))["arguments"] == {
        "x": 4.2426,
        "y": "hello world",
        "z": [{"a": 1}, {"deep": [1, 2]}],
        "t": "a 4.2426 b",
    }


async def test_52_an_unknown_reference_is_named_at_every_call(client):
    for tool in ("f", "list_tools", "normal_cdf"):
        stopped = await check(client, {"x": "$v99"}, tool)
        assert stopped["verdict"] == "block"
        assert "$v99" in stopped["reason"]


async def test_53_the_defaults_allow_an_ordinary_call(client):
    assert (await check(client, {"city": "Paris"}, "get_weather"))["verdict"] == "allow"
    await say(client, "what is it like there?")
    assert (await check(client, {"city": "Paris"}, "get_weather"))["verdict"] == "allow"


async def turn(client, tools):
    """The verdicts of a turn's calls, each with other arguments, up to the first that stops."""
    await say(client, "go")
    verdicts = []
    for number, tool in enumerate(tools):
        verdicts.append((await check(client, {"part": number}, tool))["verdict"])
        if verdicts[-1] == "block":
            break
        await keep(client, f"answer {number}", tool, {"part": number})
    return verdicts


async def test_54_a_cap_of_three_allows_allows_warns_and_then_stops(connect):
    async with connect(calls_per_turn=3) as client:
        assert await turn(client, ["f"] * 9) == ["allow", "allow", "warn", "block"]


async def test_55_limits_of_a_turn_are_the_presets_and_by_default_there_are_none(connect):
    async with connect(guards="strict") as client:
        assert len(await turn(client, ["search_tools"] * 20)) == 4 + 1
        assert len(await turn(client, ["run"] * 20)) == 10 + 1
        assert len(await turn(client, ["list_tools"] * 3 + ["run"] * 20)) == 12 + 1
    async with connect() as client:
        assert set(await turn(client, ["run"] * 20)) == {"allow"}


async def test_56_a_number_from_nowhere_is_warned_of_and_one_that_was_said_or_bound_is_not(client):
    await say(client, "hello")
    assert (await check(client, {"x": 1.5}))["verdict"] == "warn"
    await say(client, "take 1.5")
    assert (await check(client, {"x": 1.5}))["verdict"] == "allow"
    await keep(client, 2.75)
    assert (await check(client, {"x": 2.75}))["verdict"] == "allow"
    assert (await check(client, {"x": "$v1"}))["verdict"] == "allow"


async def test_57_nested_numbers_and_those_in_strings_are_checked_and_a_currency_is_text(client):
    await say(client, "hello")
    for arguments in ({"p": {"x": 1.5}}, {"p": [{"x": "1.5"}]}):
        assert (await check(client, arguments))["verdict"] == "warn"
    plain = {"note": "costs $USD in $PATH"}
    answer = await check(client, plain)
    assert (answer["verdict"], answer["arguments"]) == ("allow", plain)


async def test_58_a_tool_waits_for_what_it_needs(client):
    needs = {"requires": ["fit"]}
    assert (await check(client, {"x": 1}, "normal_cdf", **needs))["verdict"] == "block"
    await fail(client, "no data", {}, "fit")
    assert (await check(client, {"x": 1}, "normal_cdf", **needs))["verdict"] == "block"
    await keep(client, 1.7, "fit")
    assert (await check(client, {"x": 1}, "normal_cdf", **needs))["verdict"] == "allow"


@pytest.mark.parametrize(("values", "told"), [((5.0, 5.0, 5.0), "repeating"), ((1e-13,), "zero")])
async def test_59_results_that_stop_to_vary_are_told_of_after_a_restart_too(
    connect, tmp_path, values, told
):
    url = str(tmp_path / "kept.db")
    async with connect(url=url) as client:
        for number, value in enumerate(values):
            said = await keep(client, value, "solve", {"n": number})
        assert told in " ".join(said["notes"])
    async with connect(url=url) as client:
        answer = await check(client, {"n": 9}, "solve")
        assert answer["verdict"] == "warn"
        assert told in answer["reason"]


async def test_60_the_same_call_is_answered_from_before_whatever_the_order_of_its_keys(client):
    await keep(client, {"rate": 1.09}, arguments={"a": 1, "b": {"c": 2, "d": 3}})
    answer = await check(client, {"b": {"d": 3, "c": 2}, "a": 1})
    assert answer["cached"]["ref"] == "$v1"
    assert "1.09" in answer["cached"]["preview"]
    for number in range(120):  # more than the hundred that the peer remembers
        await keep(client, number, arguments={"n": number})
    assert (await check(client, {"a": 1, "b": {"c": 2, "d": 3}}))["cached"]["ref"] == "$v1"


async def test_60_and_an_answer_that_is_too_old_is_not_offered(client, clock):
    await keep(client, 1, arguments={"a": 1})
    clock.advance(299)
    assert (await check(client, {"a": 1}))["cached"]["age_seconds"] == 299
    clock.advance(2)
    assert "cached" not in await check(client, {"a": 1})


async def test_61_numbers_go_on_in_the_next_turn_and_old_ones_keep_their_values(client):
    await say(client, "first")
    await keep(client, 10)
    await say(client, "second")
    assert (await keep(client, 20))["binding"]["ref"] == "$v2"
    assert (await check(client, {"x": "$v1"}))["arguments"] == {"x": 10}


async def test_62_values_stated_in_text_have_names_and_conditions_have_none(client):
    await say(client, "With sigma = 5.2 and mean=37, stop if x = 3.")
    answer = await check(client, {"a": "$sigma", "b": "$mean", "c": "$x"})
    assert answer["arguments"] == {"a": 5.2, "b": 37, "c": "$x"}


async def test_63_a_value_that_a_binding_holds_needs_no_other_source(client):
    await say(client, "hello")
    await keep(client, 5.25)
    assert (await check(client, {"x": 5.25}))["verdict"] == "allow"
    assert (await check(client, {"x": 6.25}))["verdict"] == "warn"


async def test_64_a_fix_is_linked_found_and_told(client):
    await fail(client, {"type": "unsat", "message": "no model"}, {"a": 1})
    await keep(client, "ok", "solver", {"a": 2, "b": 3})
    query = {"tool_name": "solver", "error": "unsat: no model", "arguments": {"a": 1}}
    fix, *_ = await found(client, "fix", **query)
    assert fix["text"].startswith("unsat -> fix: add b; change a: 1 -> 2")
    assert fix["example"] == {"failed": {"a": 1}, "fixed": {"a": 2, "b": 3}}


async def test_65_the_same_arguments_are_no_fix_and_a_fixed_failure_is_not_fixed_again(client):
    await fail(client, "no model", {"a": 1})
    await keep(client, "ok", "solver", {"a": 1})
    assert await found(client, "fix", tool_name="solver", error="no model") == []
    await fail(client, "no model", {"a": 1})
    for number in range(40):  # of other tools: they do not move the window
        await keep(client, number, f"other{number % 7}", {"n": number})
    await keep(client, "ok", "solver", {"a": 2})
    await keep(client, "ok", "solver", {"a": 3})
    (fix,) = await found(client, "fix", tool_name="solver", error="no model")
    assert fix["worked"] == 1


async def test_66_counts_stay_exact_when_examples_leave(client):
    events = []
    for number in range(1_100):
        good = {"content": "ok", "arguments": {"n": number, "b": 1}}
        bad = {"error": "no model", "arguments": {"n": number}}
        events += [{"role": "tool", "tool_name": "solver", **each} for each in (bad, good)]
    for first in range(0, len(events), 1_000):
        await call(client, "session_record", events=events[first : first + 1_000])
    (record,) = await found(client, "record", tool_name="solver")
    assert (record["worked"], record["failed"]) == (1_100, 1_100)


async def test_67_what_was_learned_is_there_after_a_restart(connect, tmp_path):
    url = str(tmp_path / "kept.db")
    query = {"tool_name": "solver", "error": "no model", "arguments": {"a": 1}}
    async with connect(url=url) as client:
        await fail(client, "no model", {"a": 1})
        await keep(client, "ok", "solver", {"a": 2, "b": 3})
        before = (await call(client, "procedure_search", **query))["patterns"]
    async with connect(url=url) as client:
        assert (await call(client, "procedure_search", **query))["patterns"] == before
    assert before


async def test_68_a_goal_finds_what_was_called_for_one_like_it_and_any_result_is_taken(client):
    await say(client, "book a cheap flight to Rome")
    await keep(client, {"status": 404}, "search", {"from": "OSL", "to": "FCO"})
    await say(client, "and now some music")
    await keep(client, None, "play", {"song": "x"})
    (way, *_) = await found(client, "way", goal="a flight from Oslo to Rome")
    assert way["tool"] == "search"
    assert way["example"] == {"from": "OSL", "to": "FCO"}
