"""Keys and passwords in what is written: noted, masked, refused or let in, by one setting."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.memory.making import MakeMemory, page_of, seated

from pagefault.base.errors import InvalidArgument, SecretRefused
from pagefault.ledger import record
from pagefault.memory.core import Memory
from pagefault.memory.writing import WriteRequest, write
from pagefault.residency import Residency

pytestmark = pytest.mark.anyio

TOKEN = "ghp_" + "aB3dE5fG7h" * 4
KEPT = "kept as it is; page_forget deletes it"


async def text_of(memory: Memory, seat: Residency, page_id: str | None) -> str:
    page = await page_of(memory, seat, str(page_id))
    return await memory.text(seat.workspace, page.content)


async def everything(memory: Memory, seat: Residency) -> bytes:
    """All bytes that the store holds of the workspace's contents."""
    found = await memory.store.contents(seat.workspace, 0, 1_000)
    return b"".join(data for _, data in found if isinstance(data, bytes))


async def test_a_secret_is_kept_and_named_by_kind_and_place_and_never_quoted(
    memory: Memory, seat: Residency
) -> None:
    written = await write(memory, seat, WriteRequest(f"push with {TOKEN} please"))
    assert written.notes == (f"content holds a GitHub token: {KEPT}",)
    assert TOKEN in await text_of(memory, seat, written.page_id)


async def test_what_holds_none_is_not_noted(memory: Memory, seat: Residency) -> None:
    for text in ("The password is changed on Fridays.", "token budget: 32000", "see sk-learn"):
        assert (await write(memory, seat, WriteRequest(text))).notes == ()
        done = await record(memory, seat, [{"role": "user", "content": text}])
        assert done.notes == ()


async def test_events_are_noted_with_their_place(memory: Memory, seat: Residency) -> None:
    event = {
        "role": "tool",
        "tool_name": "deploy",
        "arguments": {"env": [{"api_key": "q8Zr2LwX9vTn4bKd"}]},
        "content": f"used {TOKEN}",
    }
    done = await record(memory, seat, [{"role": "user", "content": "go"}, event])
    assert done.notes == (
        "events[1].content holds a GitHub token, events[1].arguments.env[].api_key holds a "
        f"secret: {KEPT}",
    )


async def test_masked_secrets_are_nowhere_in_the_store(make_memory: MakeMemory) -> None:
    async with seated(make_memory, secrets="mask") as (memory, seat):
        request = WriteRequest({"url": f"https://bot:{TOKEN}@git.org/x"}, hint=f"has {TOKEN}")
        written = await write(memory, seat, request)
        assert written.notes[0].endswith("masked, the original was not kept")
        said: list[dict[str, Any]] = [
            {"role": "user", "content": f"take {TOKEN}"},
            {"role": "assistant", "content": [{"type": "text", "text": f"I use {TOKEN}"},
                                              {"type": "text", "text": "now"}]},
            {"role": "assistant", "tool_calls": [{"id": "c", "function": {
                "name": "push", "arguments": json.dumps({"password": TOKEN})}}]},
            {"role": "tool", "tool_call_id": "c", "arguments": {"t": TOKEN},
             "error": f"no {TOKEN}"},
        ]  # fmt: skip
        done = await record(memory, seat, said)
        assert await text_of(memory, seat, done.events[0].page_id) == "take [GitHub token masked]"
        assert json.loads(await text_of(memory, seat, written.page_id)) == {
            "url": "https://bot:[GitHub token masked]@git.org/x"
        }
        kept = await everything(memory, seat)
        assert b"GitHub token masked" in kept
        assert TOKEN.encode() not in kept
        assert all(TOKEN not in note for note in (*written.notes, *done.notes))


async def test_a_refused_secret_changes_nothing(make_memory: MakeMemory) -> None:
    async with seated(make_memory, secrets="refuse") as (memory, seat):
        with pytest.raises(SecretRefused, match="content holds a GitHub token") as raised:
            await write(memory, seat, WriteRequest(TOKEN))
        assert TOKEN not in str(raised.value)
        assert isinstance(raised.value, InvalidArgument)
        events = [{"role": "user", "content": "a"}, {"role": "user", "content": TOKEN}]
        with pytest.raises(SecretRefused, match=r"events\[1\]\.content"):
            await record(memory, seat, events)
        assert await everything(memory, seat) == b""
        assert (await write(memory, seat, WriteRequest("no secret"))).page_id == "claim_1"


async def test_nothing_is_looked_for_when_it_is_off(make_memory: MakeMemory) -> None:
    async with seated(make_memory, secrets="off") as (memory, seat):
        assert (await write(memory, seat, WriteRequest(TOKEN))).notes == ()


async def test_a_repeat_is_not_noted_again(memory: Memory, seat: Residency) -> None:
    event = {"role": "user", "content": TOKEN, "key": "k"}
    assert (await record(memory, seat, [event])).notes
    assert (await record(memory, seat, [event])).notes == ()
    request = WriteRequest(TOKEN, key="w")
    assert (await write(memory, seat, request)).notes
    assert (await write(memory, seat, request)).notes == ()
