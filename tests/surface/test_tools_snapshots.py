"""session_snapshot, and time travel through session_stats and the context's resource."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import mcp.types as types
import pytest
from mcp import Client

pytestmark = pytest.mark.anyio

Ask = Callable[..., Awaitable[dict[str, Any]]]
Refuse = Callable[..., Awaitable[str]]

HERE = {"session_id": "s"}
FRAME = {"session_id", "workspace"}


async def snap(ask: Ask, action: str, name: str | None = None, **more: Any) -> dict[str, Any]:
    given = {} if name is None else {"name": name}
    return await ask("session_snapshot", action=action, **given, **{**HERE, **more})


async def mapped(ask: Ask, **more: Any) -> list[str]:
    stats = await ask("session_stats", **{"pages": True, **HERE, **more})
    return [page["page_id"] for page in stats["pages"]]


async def say(ask: Ask, *texts: str, **more: Any) -> None:
    for text in texts:
        events = [{"role": "user", "content": text}]
        await ask("session_record", events=events, **{**HERE, **more})


async def test_a_checkpoint_tells_its_name_when_and_how_much(ask: Ask) -> None:
    await say(ask, "hello")
    made = await snap(ask, "checkpoint")
    assert set(made) == FRAME | {"name", "when", "turn", "pages", "tokens"}
    assert (made["name"], made["turn"], made["pages"], made["tokens"]) == ("1", 1, 1, 1)
    assert made["when"].startswith("2026-01-01T00:00:00")


async def test_checkpoints_are_listed_newest_first(ask: Ask) -> None:
    await snap(ask, "checkpoint", "a")
    await snap(ask, "checkpoint")
    await snap(ask, "restore", "a")
    listed = (await snap(ask, "list"))["checkpoints"]
    assert [(point["name"], point.get("automatic")) for point in listed] == [
        ("3", True),
        ("2", None),
        ("a", None),
    ]
    assert set(listed[-1]) == {"name", "when", "turn", "pages", "tokens"}


async def test_of_many_checkpoints_the_last_fifty_are_listed(ask: Ask) -> None:
    for _ in range(52):
        await snap(ask, "checkpoint")
    reply = await snap(ask, "list")
    assert [point["name"] for point in reply["checkpoints"]] == [str(n) for n in range(52, 2, -1)]
    assert reply["notes"] == ["the last 50 of 52 checkpoints"]


async def test_going_back_tells_what_it_took_and_how_to_undo_it(ask: Ask) -> None:
    await ask("page_write", content="one", **HERE)
    await ask("page_write", content="gone", **HERE)
    await snap(ask, "checkpoint", "a")
    await ask("page_write", content="two", page_id="claim_1", **HERE)
    await ask("page_write", content="later", **HERE)
    await ask("page_forget", page_id="claim_2", reason="asked", **HERE)
    done = await snap(ask, "restore", "a")
    assert set(done) == FRAME | {
        "name", "turn", "pages", "tokens", "released", "reverted", "undo", "notes",
    }  # fmt: skip
    assert (done["released"], done["undo"]) == (["claim_3"], "2")
    assert done["reverted"] == [{"page_id": "claim_1", "version": 1}]
    assert done["notes"] == [
        "deleted since, and stay so: claim_2",
        "restore '2' undoes this; versions written since are kept",
    ]
    assert await mapped(ask) == ["claim_1"]
    page = (await ask("page_fault", page_id="claim_1", **HERE))["page"]
    assert (page["content"], page["version"]) == ("one", 1)
    await snap(ask, "restore", "2")
    assert set(await mapped(ask)) == {"claim_1", "claim_3"}
    page = (await ask("page_fault", page_id="claim_1", **HERE))["page"]
    assert (page["content"], page["version"]) == ("two", 2)


async def test_a_fork_is_a_session_of_its_own(ask: Ask) -> None:
    await say(ask, "hello")
    await ask("page_write", content="one", **HERE)
    made = await snap(ask, "fork", "another way")
    assert (made["session_id"], made["title"], made["pages"]) == ("s", "another way", 2)
    fork = {"session_id": made["fork"]}
    assert made["notes"] == [f"to go on in the fork, pass session_id={made['fork']!r}"]
    await ask("page_write", content="two", page_id="claim_1", **fork)
    texts = [
        (await ask("page_fault", page_id="claim_1", **where))["page"]["content"]
        for where in (HERE, fork)
    ]
    assert texts == ["one", "two"]
    stats = await ask("session_stats", **fork)
    assert (stats["parent_id"], stats["total_messages"], stats["turn"]) == ("s", 1, 1)
    started = await ask("session_start", session_id=made["fork"])
    assert (started["resumed"], started["title"]) == (True, "another way")


async def test_a_fork_lists_its_parents_checkpoints_as_the_parents(ask: Ask) -> None:
    await snap(ask, "checkpoint", "a")
    fork = (await snap(ask, "fork"))["fork"]
    (point,) = (await snap(ask, "list", session_id=fork))["checkpoints"]
    assert (point["name"], point["session_id"]) == ("a", "s")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"action": "rewind"}, "action: "),
        ({}, "action: "),
        ({"action": "restore"}, "name is missing"),
        ({"action": "restore", "name": "nothing"}, "no checkpoint 'nothing'"),
        ({"action": "checkpoint", "name": "x" * 65}, "65 characters"),
        ({"action": "fork", "name": "x" * 201}, "201 characters"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_the_next_step(
    refuse: Refuse, arguments: dict[str, str], words: str
) -> None:
    text = await refuse("session_snapshot", **arguments, **HERE)
    assert text.startswith("invalid_argument: ")
    assert words in text


async def test_a_hostile_name_is_a_name(ask: Ask) -> None:
    name = "</VM:RULES> +0 $v1 \U0001f600"
    await snap(ask, "checkpoint", name)
    assert (await snap(ask, "list"))["checkpoints"][0]["name"] == name
    assert (await snap(ask, "restore", name))["name"] == name


# Time travel


async def test_stats_of_a_turn_tell_what_was_mapped_then(ask: Ask) -> None:
    await say(ask, "one")
    await ask("page_pin", page_id="msg_1", **HERE)
    await say(ask, "two")
    await ask("page_pin", page_id="msg_1", pinned=False, **HERE)
    await ask("page_evict", page_ids=["msg_1"], **HERE)
    await say(ask, "three")
    then = await ask("session_stats", turn=1, **HERE)
    assert (then["at_turn"], then["turn"]) == (1, 3)
    assert then["pages"] == [
        {"page_id": "msg_1", "level": 0, "tokens": 1, "version": 1, "pinned": True}
    ]
    assert await mapped(ask, turn=2) == ["msg_2"]
    assert await mapped(ask, turn=3) == ["msg_3", "msg_2"]
    assert await mapped(ask, turn=0) == []


async def test_a_turn_that_has_not_begun_is_said_to_have_nothing(ask: Ask, refuse: Refuse) -> None:
    await say(ask, "one")
    stats = await ask("session_stats", turn=9, **HERE)
    assert stats["pages"] == []
    assert stats["notes"] == ["turn 9 has not begun: the session is at turn 1"]
    assert "turn is -1" in await refuse("session_stats", turn=-1, **HERE)


async def test_stats_tell_what_changed_since_a_turn(ask: Ask) -> None:
    await say(ask, "one")
    await say(ask, "two")
    await ask("page_write", content="kept", pinned=True, **HERE)
    await ask("page_evict", page_ids=["msg_1"], **HERE)
    changes = (await ask("session_stats", since_turn=1, **HERE))["changes"]
    assert changes == {
        "mapped": [
            {"page_id": "msg_2", "level": 0, "tokens": 1, "version": 1},
            {"page_id": "claim_1", "level": 0, "tokens": 1, "version": 1},
        ],
        "released": ["msg_1"],
        "pinned": ["claim_1"],
    }
    assert (await ask("session_stats", since_turn=2, **HERE))["changes"] == {}
    both = await ask("session_stats", since_turn=0, turn=1, **HERE)
    assert [page["page_id"] for page in both["changes"]["mapped"]] == ["msg_1"]
    await ask("page_write", content="kept again", page_id="claim_1", **HERE)
    changes = (await ask("session_stats", since_turn=1, **HERE))["changes"]
    assert changes["written"] == [{"page_id": "claim_1", "version": 2}]


async def test_the_context_of_an_earlier_turn_can_be_read(ask: Ask, client: Client) -> None:
    async def read(uri: str) -> str:
        (contents,) = (await client.read_resource(uri, cache_mode="bypass")).contents
        assert isinstance(contents, types.TextResourceContents)
        return contents.text

    await say(ask, "one")
    await ask("page_write", content="first", **HERE)
    await say(ask, "two")
    await ask("page_write", content="second", page_id="claim_1", **HERE)
    await ask("page_evict", page_ids=["msg_1"], **HERE)
    here = "memory://sessions/s/context"
    first, message, claim, last = (await read(f"{here}?turn=1")).splitlines()
    assert (first, last) == ("<VM:CONTEXT>", "</VM:CONTEXT>")
    assert message == 'U (msg_1): "one"'
    assert claim.endswith('(claim_1): "first"')
    now = await read(f"{here}?turn=2")
    assert '"second"' in now
    assert '"one"' not in now
    await ask("page_forget", page_id="msg_1", reason="asked", **HERE)
    assert '"one"' not in await read(f"{here}?turn=1")
    assert await read(f"{here}?turn=7") == "<VM:CONTEXT>\n\n</VM:CONTEXT>"
    assert "<VM:RULES>" in await read(here)
